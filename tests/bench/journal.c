/*
 * journal: what a record costs. DIR as the argument (made if it is missing, left empty), BYTES of a
 * body (50,000: 2,000 samples as a sender packs them), RECORDS a round and the best of ROUNDS.
 *
 * For each mode and so many records on their way at once a line: CPU time of the process and wall
 * time a record, records a write and a sync. The journal is cut and dropped after each round; then
 * one more is written and read back.
 */
#include "snapshot/journal.h"
#include "snapshot/journal_replay.h"
#include "tests/support/random.h"

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

enum { BODY_BYTES = 50000, RECORDS = 4000, ROUNDS = 3, WINDOW_MAX = 64, LIMIT_BYTES = 256 << 20 };

struct slot {
    struct journal_entry e;
    struct iovec part;
    bool is_busy;
};

static struct bench {
    struct budget budget;
    struct arena arena;
    struct io_file dir;
    uint8_t *bodies;
    size_t body_bytes;
    unsigned n_records;
    struct slot slots[WINDOW_MAX];
    unsigned n_free;
    pthread_mutex_t lock;
    pthread_cond_t has_free;
    uint64_t bytes_back;
} b = {.lock = PTHREAD_MUTEX_INITIALIZER, .has_free = PTHREAD_COND_INITIALIZER};

static double seconds(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void stored(struct journal_entry *e, int error)
{
    if (error < 0)
        errx(1, "a record failed");
    pthread_mutex_lock(&b.lock);
    ((struct slot *)e)->is_busy = false;
    b.n_free++;
    pthread_cond_signal(&b.has_free);
    pthread_mutex_unlock(&b.lock);
}

static struct slot *free_slot(unsigned window)
{
    struct slot *s = NULL;
    pthread_mutex_lock(&b.lock);
    while (b.n_free == 0)
        pthread_cond_wait(&b.has_free, &b.lock);
    for (unsigned i = 0; i < window && !s; i++)
        if (!b.slots[i].is_busy)
            s = &b.slots[i];
    s->is_busy = true;
    b.n_free--;
    pthread_mutex_unlock(&b.lock);
    return s;
}

static void write_records(struct journal *j, unsigned window)
{
    b.n_free = window;
    for (unsigned i = 0; i < b.n_records; i++) {
        struct slot *s = free_slot(window);
        s->part = (struct iovec){b.bodies + (i % WINDOW_MAX) * b.body_bytes, b.body_bytes};
        s->e = (struct journal_entry){
            .kind = 1, .time_ms = i, .parts = &s->part, .n_parts = 1, .done = stored};
        if (journal_submit(j, &s->e) < 0)
            errx(1, "a record was refused");
    }
    pthread_mutex_lock(&b.lock);
    while (b.n_free < window)
        pthread_cond_wait(&b.has_free, &b.lock);
    pthread_mutex_unlock(&b.lock);
}

static struct journal *open_journal(enum journal_mode mode)
{
    struct journal_options o = {
        .io = &b.dir.io,
        .arena = &b.arena,
        .mode = mode,
        .sync_ms = 1000,
        .max_bytes = UINT64_C(1) << 40,
    };
    struct journal *j;
    if (journal_open(&o, &j) < 0)
        err(1, "%s", b.dir.io.place);
    return j;
}

static void drop_all(struct journal *j)
{
    uint64_t number;
    journal_cut(j, &number);
    if (journal_drop(j, number) < 0)
        err(1, "drop");
}

static void measure(enum journal_mode mode, unsigned window, unsigned rounds)
{
    struct journal *j = open_journal(mode);
    double cpu = 1e9, wall = 1e9;
    struct journal_stats s;
    for (unsigned i = 0; i < rounds; i++) {
        double cpu_before = seconds(CLOCK_PROCESS_CPUTIME_ID), before = seconds(CLOCK_MONOTONIC);
        write_records(j, window);
        double wall_now = seconds(CLOCK_MONOTONIC) - before;
        double cpu_now = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu_before;
        cpu = cpu_now < cpu ? cpu_now : cpu;
        wall = wall_now < wall ? wall_now : wall;
        journal_stats(j, &s);
        drop_all(j);
    }
    double n = b.n_records;
    printf("%-8s %2u at once: CPU %6.2f us, wall %8.2f us a record; %.1f records a write",
           mode == JOURNAL_ALWAYS ? "always" : "interval", window, cpu / n * 1e6, wall / n * 1e6,
           (double)s.n_records / (double)s.n_writes);
    if (mode == JOURNAL_ALWAYS)
        printf(", %.1f a sync of %.2f ms", (double)s.n_records / (double)s.n_syncs,
               (double)s.sync_sum_ns / (double)s.n_syncs / 1e6);
    printf("\n");
    if (journal_close(j) < 0)
        err(1, "close");
}

static int count_back(void *ctx, const struct journal_record *r)
{
    *(uint64_t *)ctx += r->body_bytes;
    return 0;
}

static void measure_replay(void)
{
    struct journal *j = open_journal(JOURNAL_INTERVAL);
    write_records(j, WINDOW_MAX);
    struct journal_replay_report report;
    struct journal_replay_options o = {
        .io = &b.dir.io, .arena = &b.arena, .visit = count_back, .ctx = &b.bytes_back};
    double before = seconds(CLOCK_PROCESS_CPUTIME_ID);
    if (journal_replay(&o, &report) < 0 || report.records != b.n_records)
        errx(1, "replay: %s", report.detail);
    double cpu = seconds(CLOCK_PROCESS_CPUTIME_ID) - before;
    printf("replay: CPU %.2f us a record, %.0f MiB/s\n", cpu / b.n_records * 1e6,
           (double)report.file_bytes / cpu / (1 << 20));
    drop_all(j);
    if (journal_close(j) < 0)
        err(1, "close");
}

int main(int argc, char **argv)
{
    if (argc != 2)
        errx(2, "usage: journal DIR");
    b.body_bytes = random_setting("BYTES", BODY_BYTES);
    b.n_records = (unsigned)random_setting("RECORDS", RECORDS);
    unsigned rounds = (unsigned)random_setting("ROUNDS", ROUNDS);
    (void)mkdir(argv[1], 0700);
    if (io_file_open(&b.dir, argv[1]) < 0)
        err(1, "%s", argv[1]);
    budget_init(&b.budget, LIMIT_BYTES);
    b.bodies = malloc(WINDOW_MAX * b.body_bytes);
    if (!b.bodies || !arena_init(&b.arena, &b.budget, LIMIT_BYTES))
        errx(1, "no memory");
    struct random random;
    random_init(&random, 1);
    for (size_t i = 0; i < WINDOW_MAX * b.body_bytes; i++)
        b.bodies[i] = (uint8_t)random_next(&random);
    for (unsigned window = 1; window <= WINDOW_MAX; window *= 8)
        measure(JOURNAL_INTERVAL, window, rounds);
    measure_replay();
    b.n_records = b.n_records / 10 + 1; /* syncs are slow */
    for (unsigned window = 1; window <= WINDOW_MAX; window *= 8)
        measure(JOURNAL_ALWAYS, window, 1);
    io_file_close(&b.dir);
    arena_release(&b.arena);
    free(b.bodies);
    return 0;
}
