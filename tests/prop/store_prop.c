/* The store against a naive model, and against itself after a restart through a snapshot.
 *
 * Half of the series are random: times and values, with gaps, late samples, exact and contradicting
 * duplicates, stale markers and NaNs with payloads. The others are what a scraper sends: all series
 * of a target at one time, with some jitter from scrape to scrape; counters, gauges, constants, and
 * constants that end in a stale marker and come back later; or the same doubles by all its series,
 * some of whose blocks then share their values. Windows turn, series die and return.
 * The model keeps every sample in a sorted array and applies the rules of tsdb/append.h word by
 * word. Then the same once more with half of the samples, from which some are deleted all the time:
 * those of one series or of half of them, in a range of any length.
 *
 * SEED repeats a run; SERIES and SAMPLES (of each series) change its size; RESTARTS how often the
 * store is saved and loaded; DELETIONS how many there are in the second half. */
#include "snapshot/snapshot.h"
#include "tests/support/random.h"
#include "tsdb/append.h"
#include "tsdb/delete.h"
#include "tsdb/read.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    WINDOW_MS = 200 * 1000, /* so that a chunk has a tail and blocks */
    N_WINDOWS = 3,          /* so that some of them go */
    OUT_OF_ORDER_MS = 90 * 1000,
    STEP_MS = 1000,
    BATCH_MAX = 5,
    TARGET_SERIES = 50, /* that are scraped together */
    JITTER_MS = 7,
};

enum habit { RANDOM, COUNTER, GAUGE, CONSTANT, COMES_AND_GOES, HABITS, ALIKE = HABITS };

#define STALE      UINT64_C(0x7ff0000000000002)
#define START_MS   INT64_C(1700000000000)
#define MEMORY     ((size_t)1 << 30)
#define REQUIRE(c) ((c) ? (void)0 : fail(#c, __LINE__))

struct model_series {
    struct sample *samples; /* ascending */
    size_t n, room;
    int64_t clock_ms; /* when its sender sends next */
    double counter;
    enum habit habit;
    bool is_gone; /* COMES_AND_GOES: its last sample was a stale marker */
    char instance[24];
};

struct world {
    struct random random;
    uint64_t seed;
    struct budget budget;
    struct arena arena;
    struct tsdb *db;
    struct model_series *series;
    size_t n_series;
    int64_t now_ms;    /* of the senders */
    int64_t newest_ms; /* accepted, of all */
    bool has_newest;
    char dir[64];
    struct snapshot files;
    uint64_t n_stored, n_duplicate, n_refused, n_restarts, n_shared;
    uint64_t n_deletions, n_deleted;
    bool has_deletions; /* then forms are not those that restoring makes */
};

static uint64_t shown_seed;

static void fail(const char *what, int line)
{
    printf("FAILED: %s at line %d, SEED=%llu\n", what, line, (unsigned long long)shown_seed);
    exit(1);
}

/* ---- the model ---- */

static bool is_odd(const struct model_series *s)
{
    return (s->instance[1] & 1) != 0;
}

static int64_t window_of(int64_t t_ms)
{
    return t_ms / WINDOW_MS - (t_ms % WINDOW_MS < 0);
}

static bool is_kept(const struct world *w, int64_t t_ms)
{
    return !w->has_newest || window_of(t_ms) > window_of(w->newest_ms) - N_WINDOWS;
}

static void forget_old(struct world *w)
{
    for (size_t i = 0; i < w->n_series; i++) {
        struct model_series *s = &w->series[i];
        size_t n = 0;
        while (n < s->n && !is_kept(w, s->samples[n].t_ms))
            n++;
        if (n == 0)
            continue;
        memmove(s->samples, s->samples + n, (s->n - n) * sizeof(*s->samples));
        s->n -= n;
    }
}

static int model_take(struct world *w, struct model_series *s, const struct sample *in)
{
    size_t at = s->n;
    if (!is_kept(w, in->t_ms))
        return ERR_TOO_OLD;
    while (at > 0 && s->samples[at - 1].t_ms >= in->t_ms)
        at--;
    if (at < s->n && s->samples[at].t_ms == in->t_ms)
        return s->samples[at].value == in->value ? 1 : ERR_DUPLICATE;
    if (s->n > 0 && in->t_ms < s->samples[s->n - 1].t_ms - OUT_OF_ORDER_MS)
        return ERR_OUT_OF_ORDER;
    if (s->n == s->room) {
        s->room = s->room * 2 + 64;
        s->samples = realloc(s->samples, s->room * sizeof(*s->samples));
    }
    memmove(s->samples + at + 1, s->samples + at, (s->n - at) * sizeof(*s->samples));
    s->samples[at] = *in;
    s->n++;
    bool is_new_window = !w->has_newest || window_of(in->t_ms) > window_of(w->newest_ms);
    w->newest_ms = w->has_newest ? i64_max(w->newest_ms, in->t_ms) : in->t_ms;
    w->has_newest = true;
    if (is_new_window)
        forget_old(w);
    return 0;
}

/* ---- what senders do ---- */

static uint64_t random_value(struct world *w, struct model_series *s)
{
    double v = s->counter;
    uint64_t bits;
    switch (random_below(&w->random, 12)) {
    case 0:
        return STALE;
    case 1:
        return random_next(&w->random); /* any bits at all */
    case 2:
        v = random_unit(&w->random) * 100;
        break;
    case 3:
        v = -0.0;
        break;
    case 4:
    case 5:
        v = s->counter += (double)random_below(&w->random, 1000);
        break;
    default:
        break; /* as before */
    }
    memcpy(&bits, &v, sizeof(bits));
    return bits;
}

/* What a target shows of a series; false when it does not at the moment. */
static bool scraped_value(struct world *w, struct model_series *s, uint64_t *ret)
{
    double v = 42;
    if (s->habit == COUNTER)
        v = s->counter += (double)random_below(&w->random, 50);
    else if (s->habit == GAUGE)
        v = (double)random_below(&w->random, 1000) / 8;
    else if (s->habit == ALIKE)
        v = 1 / (double)(w->now_ms - START_MS + 7);
    memcpy(ret, &v, sizeof(v));
    if (s->habit != COMES_AND_GOES)
        return true;
    bool was_gone = s->is_gone;
    if (random_below(&w->random, was_gone ? 100 : 300) == 0)
        s->is_gone = !was_gone;
    if (s->is_gone && !was_gone)
        *ret = STALE;
    return !was_gone;
}

static struct sample random_sample(struct world *w, struct model_series *s)
{
    struct random *r = &w->random;
    int64_t t = s->clock_ms;
    switch (random_below(r, 24)) {
    case 0: /* a gap, now and then so long that the series dies */
        s->clock_ms += (int64_t)random_below(r, random_below(r, 40) == 0 ? 700000 : 30000);
        break;
    case 1: /* late, at times too late */
        t -= (int64_t)random_below(r, 2 * OUT_OF_ORDER_MS);
        break;
    case 2: /* a repeat or a contradiction of what is there */
        if (s->n > 0) {
            struct sample again = s->samples[random_below(r, s->n)];
            again.value ^= random_below(r, 3) == 0;
            return again;
        }
        break;
    case 3: /* far too old */
        t -= (int64_t)random_below(r, 20 * WINDOW_MS);
        break;
    case 4: /* scrapes that jitter */
        t += (int64_t)random_below(r, STEP_MS / 2);
        break;
    default:
        break;
    }
    s->clock_ms += STEP_MS;
    return (struct sample){t, random_value(w, s)};
}

static struct labels labels_of(const struct model_series *s, struct label items[3])
{
    items[0] = (struct label){"__name__", "random_walk", 8, 11};
    items[1] = (struct label){"instance", s->instance, 8, (uint32_t)strlen(s->instance)};
    items[2] = (struct label){"parity", is_odd(s) ? "odd" : "even", 6, is_odd(s) ? 3 : 4};
    return (struct labels){items, 3};
}

static void send(struct world *w, struct append *b, struct model_series *s,
                 const struct sample *samples, size_t n)
{
    struct append_counts counts = {0}, expected = {0};
    struct label items[3];
    struct labels ls = labels_of(s, items);
    int first = 0;
    for (size_t i = 0; i < n; i++) {
        int err = model_take(w, s, &samples[i]);
        expected.stored += err == 0;
        expected.duplicate += err == 1;
        expected.refused += err < 0;
        first = first == 0 && err < 0 ? err : first;
    }
    int err = append_samples(b, &ls, samples, n, &counts);
    REQUIRE(err == first && counts.first_err == first);
    REQUIRE(counts.stored == expected.stored && counts.duplicate == expected.duplicate);
    REQUIRE(counts.refused == expected.refused);
    w->n_stored += counts.stored;
    w->n_duplicate += counts.duplicate;
    w->n_refused += counts.refused;
}

static void send_some(struct world *w, struct model_series *s)
{
    struct sample samples[BATCH_MAX];
    struct append b;
    size_t n = 0;
    while (n < BATCH_MAX && s->clock_ms <= w->now_ms)
        samples[n++] = random_sample(w, s);
    if (n == 0)
        return;
    append_begin(&b, w->db);
    send(w, &b, s, samples, n);
    append_end(&b);
}

/* One request with all that a target shows, now and then that of two scrapes. */
static void scrape(struct world *w, size_t first, size_t end)
{
    struct append b;
    int64_t t[2] = {w->now_ms + (int64_t)random_below(&w->random, JITTER_MS)};
    t[1] = t[0] + STEP_MS / 2;
    size_t n_scrapes = random_below(&w->random, 10) == 0 ? 2 : 1;
    append_begin(&b, w->db);
    for (size_t i = first; i < end; i++) {
        struct sample samples[2];
        size_t n = 0;
        for (size_t k = 0; k < n_scrapes; k++)
            if (scraped_value(w, &w->series[i], &samples[n].value))
                samples[n++].t_ms = t[k];
        if (n > 0)
            send(w, &b, &w->series[i], samples, n);
    }
    append_end(&b);
}

/* ---- deleting ---- */

static uint64_t model_delete(struct model_series *s, int64_t min_ms, int64_t max_ms)
{
    size_t from = 0, to;
    while (from < s->n && s->samples[from].t_ms < min_ms)
        from++;
    for (to = from; to < s->n && s->samples[to].t_ms <= max_ms;)
        to++;
    if (to > from)
        memmove(s->samples + from, s->samples + to, (s->n - to) * sizeof(*s->samples));
    s->n -= to - from;
    return to - from;
}

/* From a sample of the series on, or of any time; up to a little, half a window or all there is
 * later. */
static struct delete_options random_range(struct world *w, const struct model_series *s)
{
    static const int64_t lengths[] = {0, STEP_MS, 10 * STEP_MS, 10 * STEP_MS, WINDOW_MS / 2};
    struct random *r = &w->random;
    int64_t length = lengths[random_below(r, ARRAY_LEN(lengths))];
    int64_t from = w->newest_ms - (int64_t)random_below(r, N_WINDOWS * WINDOW_MS);
    if (s->n > 0 && random_below(r, 4) != 0)
        from = s->samples[random_below(r, s->n)].t_ms;
    if (random_below(r, 50) == 0)
        return (struct delete_options){.min_ms = INT64_MIN, .max_ms = from};
    if (random_below(r, 50) == 0)
        return (struct delete_options){.min_ms = from, .max_ms = INT64_MAX};
    return (struct delete_options){.min_ms = from,
                                   .max_ms = from + (int64_t)random_below(r, (uint64_t)length + 1)};
}

static void delete_some(struct world *w)
{
    struct random *r = &w->random;
    struct model_series *one = &w->series[random_below(r, w->n_series)];
    bool is_half = random_below(r, 200) == 0;
    const char *name = is_half ? "parity" : "instance";
    const char *value = is_half ? (is_odd(one) ? "odd" : "even") : one->instance;
    struct delete_options o = random_range(w, one);
    struct delete_report report = {0};
    struct region region;
    struct matcher m;
    char text[64];
    uint64_t n = 0;
    REQUIRE(matcher_init(&m, MATCH_EQUAL, name, strlen(name), value, strlen(value), text, 64) == 0);
    region_init(&region, &w->arena, budget_owner(&w->budget, "queries"), 0);
    REQUIRE(delete_select(w->db, &(struct matcher_set){&m, 1}, 1, &o, &region, &report) == 0);
    region_release(&region);
    matcher_release(&m);
    for (size_t i = 0; i < w->n_series; i++)
        if (&w->series[i] == one || (is_half && is_odd(&w->series[i]) == is_odd(one)))
            n += model_delete(&w->series[i], o.min_ms, o.max_ms);
    REQUIRE(report.samples == n);
    w->n_deletions++;
    w->n_deleted += n;
}

/* ---- comparing ---- */

static void compare_series(const struct model_series *s, const struct read_series *got,
                           int64_t min_ms, int64_t max_ms)
{
    size_t n = 0;
    for (size_t i = 0; i < s->n; i++) {
        if (s->samples[i].t_ms < min_ms || s->samples[i].t_ms > max_ms)
            continue;
        REQUIRE(got != NULL && n < got->n);
        REQUIRE(got->t_ms[n] == s->samples[i].t_ms && got->values[n] == s->samples[i].value);
        n++;
    }
    REQUIRE((got != NULL ? got->n : 0) == n);
}

static const struct read_series *find_got(const struct read_set *set, const struct model_series *s)
{
    for (size_t i = 0; i < set->n; i++) {
        const struct label *l = labels_get(&set->series[i].labels, "instance", 8);
        if (l->value_len == strlen(s->instance) && memcmp(l->value, s->instance, l->value_len) == 0)
            return &set->series[i];
    }
    return NULL;
}

/* Reads the series of one parity in a range and compares them all. */
static void compare_range(struct world *w, int64_t min_ms, int64_t max_ms)
{
    struct region r;
    struct read_set set;
    struct matcher m[2];
    char text[64];
    const char *parity = random_below(&w->random, 2) == 0 ? "odd" : "even";
    region_init(&r, &w->arena, budget_owner(&w->budget, "queries"), 0);
    REQUIRE(matcher_init(&m[0], MATCH_EQUAL, "__name__", 8, "random_walk", 11, text, 64) == 0);
    REQUIRE(matcher_init(&m[1], MATCH_REGEX, "parity", 6, parity, strlen(parity), text, 64) == 0);
    struct matcher_set ms = {m, 2};
    struct read_options o = {.min_ms = min_ms, .max_ms = max_ms};
    REQUIRE(read_select(w->db, &ms, &o, &r, &set) == 0);
    size_t n_found = 0;
    for (size_t i = 0; i < w->n_series; i++) {
        const struct model_series *s = &w->series[i];
        if (is_odd(s) != (parity[0] == 'o'))
            continue;
        const struct read_series *got = find_got(&set, s);
        n_found += got != NULL;
        compare_series(s, got, min_ms, max_ms);
    }
    REQUIRE(n_found == set.n);
    matcher_set_release(&ms);
    region_release(&r);
}

static void compare_all(struct world *w)
{
    struct tsdb_stats stats;
    uint64_t n = 0, n_alive = 0;
    tsdb_tick(w->db);
    for (size_t i = 0; i < w->n_series; i++) {
        n += w->series[i].n;
        n_alive += w->series[i].n > 0;
    }
    tsdb_stats(w->db, &stats);
    REQUIRE(stats.samples == n && stats.series == n_alive);
    REQUIRE(tsdb_check(w->db) && arena_check(&w->arena) && budget_check(&w->budget));
    compare_range(w, INT64_MIN, INT64_MAX);
    compare_range(w, INT64_MIN, INT64_MAX); /* most likely the other parity */
    int64_t from = w->newest_ms - (int64_t)random_below(&w->random, N_WINDOWS * WINDOW_MS);
    compare_range(w, from, from + (int64_t)random_below(&w->random, 3 * WINDOW_MS));
}

/* ---- the run ---- */

static void open_store(struct world *w)
{
    struct tsdb_options o = {.window_ms = WINDOW_MS,
                             .n_windows = N_WINDOWS,
                             .out_of_order_ms = OUT_OF_ORDER_MS,
                             .clock = CLOCK_SAMPLES};
    REQUIRE(tsdb_new(&o, &w->arena, &w->db) == 0);
}

static uint64_t bytes_of(struct world *w, const char *owner)
{
    return atomic_load(&w->budget.rows[budget_owner(&w->budget, owner)].bytes);
}

static const char *const long_lived[] = {"series",  "labels", "tables",
                                         "symbols", "pairs",  "postings"};
enum { LONG_LIVED = sizeof(long_lived) / sizeof(long_lived[0]), PAGES_OF_SLACK = 8 };

/* The same slots in the same pools of the same windows, but for heads of windows that have gone. */
static void compare_page_maps(const struct tsdb_stats *before, const struct tsdb_stats *after)
{
    REQUIRE(after->n_windows == before->n_windows);
    for (uint32_t i = 0; i < after->n_windows; i++) {
        const struct tsdb_window_stats *a = &before->windows[i], *b = &after->windows[i];
        REQUIRE(a->number == b->number && a->samples == b->samples && a->chunks == b->chunks);
        REQUIRE(a->payload_bytes == b->payload_bytes && a->shared == b->shared);
        for (unsigned c = 0; c < TSDB_POOLS; c++)
            REQUIRE(a->classes[c].used == b->classes[c].used);
    }
    REQUIRE(after->open.used <= before->open.used);
    REQUIRE(after->open_payload_bytes <= before->open_payload_bytes);
    REQUIRE(after->symbols == before->symbols && after->pairs == before->pairs);
    REQUIRE(after->min_ms == before->min_ms && after->max_ms == before->max_ms);
}

static void restart(struct world *w)
{
    static struct tsdb_stats before, after;
    struct snapshot_report report;
    uint64_t bytes[LONG_LIVED];
    tsdb_tick(w->db); /* seals what is silent */
    tsdb_stats(w->db, &before);
    for (size_t i = 0; i < LONG_LIVED; i++)
        bytes[i] = bytes_of(w, long_lived[i]);
    REQUIRE(snapshot_save(&w->files, w->db, &report) == 0);
    tsdb_free(w->db);
    open_store(w);
    snapshot_init(&w->files, w->dir);
    REQUIRE(snapshot_load(&w->files, w->db, NULL, &report) == 0);
    REQUIRE(report.lost_frames == 0 && report.lost_blocks == 0 && report.old_blocks == 0);
    tsdb_tick(w->db);
    tsdb_stats(w->db, &after);
    if (!w->has_deletions)
        compare_page_maps(&before, &after);
    for (uint32_t i = 0; i < after.n_windows; i++)
        w->n_shared += after.windows[i].shared;
    for (size_t i = 0; i < LONG_LIVED; i++)
        REQUIRE(bytes_of(w, long_lived[i]) <=
                bytes[i] + bytes[i] / 10 + PAGES_OF_SLACK * ARENA_PAGE_BYTES);
    w->n_restarts++;
}

/* The series of every other target all have the same values. */
static enum habit habit_of(size_t i, size_t target)
{
    return target % 2 == 0 ? ALIKE : (enum habit)(COUNTER + i % (HABITS - COUNTER));
}

static void set_up(struct world *w)
{
    w->seed = shown_seed = random_seed();
    random_init(&w->random, w->seed);
    budget_init(&w->budget, MEMORY);
    REQUIRE(arena_init(&w->arena, &w->budget, MEMORY));
    open_store(w);
    w->now_ms = START_MS;
    w->n_series = (size_t)random_setting("SERIES", 500);
    w->series = calloc(w->n_series, sizeof(*w->series));
    for (size_t i = 0; i < w->n_series; i++) {
        snprintf(w->series[i].instance, sizeof(w->series[i].instance), "h%zu", i);
        w->series[i].clock_ms = START_MS + (int64_t)random_below(&w->random, STEP_MS);
        if (i >= w->n_series / 2)
            w->series[i].habit = habit_of(i, i / TARGET_SERIES);
    }
    snprintf(w->dir, sizeof(w->dir), "build/store_prop.%d", (int)getpid());
    int fd;
    REQUIRE(snapshot_lock_dir(w->dir, &fd) == 0);
    close(fd);
    snapshot_init(&w->files, w->dir);
}

static void tear_down(struct world *w)
{
    DIR *dir = opendir(w->dir);
    REQUIRE(dir != NULL);
    for (const struct dirent *file; (file = readdir(dir)) != NULL;)
        if (file->d_name[0] != '.')
            REQUIRE(unlinkat(dirfd(dir), file->d_name, 0) == 0);
    closedir(dir);
    REQUIRE(rmdir(w->dir) == 0);
    tsdb_free(w->db);
    arena_release(&w->arena);
    REQUIRE(atomic_load(&w->budget.used_bytes) == 0);
    for (size_t i = 0; i < w->n_series; i++)
        free(w->series[i].samples);
    free(w->series);
}

static void run(struct world *w, uint64_t n_samples)
{
    uint64_t every = n_samples / (random_setting("RESTARTS", 6) + 1) + 1, next = every;
    uint64_t delete_every = n_samples / random_setting("DELETIONS", 4000) + 1, next_deletion = 0;
    for (uint64_t sent = 0; sent < n_samples; sent = w->n_stored + w->n_duplicate + w->n_refused) {
        w->now_ms += STEP_MS;
        size_t n_random = w->n_series / 2;
        for (size_t i = 0; i < n_random; i++)
            if (random_below(&w->random, 3) == 0) /* so that some requests carry several samples */
                send_some(w, &w->series[i]);
        for (size_t i = n_random; i < w->n_series; i += TARGET_SERIES)
            if (random_below(&w->random, 50) != 0) /* or the target was not reached */
                scrape(w, i, size_min(i + TARGET_SERIES, w->n_series));
        for (; w->has_deletions && next_deletion < sent; next_deletion += delete_every)
            delete_some(w);
        if (sent < next)
            continue;
        next += every;
        compare_all(w);
        restart(w);
        compare_all(w);
    }
    compare_all(w);
    printf("%zu series, %llu samples stored, %llu repeats, %llu refused, %llu deleted by %llu "
           "deletions, %llu restarts with %llu shared columns: no difference\n",
           w->n_series, (unsigned long long)w->n_stored, (unsigned long long)w->n_duplicate,
           (unsigned long long)w->n_refused, (unsigned long long)w->n_deleted,
           (unsigned long long)w->n_deletions, (unsigned long long)w->n_restarts,
           (unsigned long long)w->n_shared);
}

int main(void)
{
    static struct world worlds[2];
    for (int i = 0; i < 2; i++) {
        struct world *w = &worlds[i];
        set_up(w);
        w->has_deletions = i == 1;
        run(w, random_setting("SAMPLES", 1000) * w->n_series / (w->has_deletions ? 2 : 1));
        tear_down(w);
    }
    return 0;
}
