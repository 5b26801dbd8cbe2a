/* A journal that two threads bring back is the journal that one brings back: the same samples, the
 * same counts, whatever is in it, is damaged, or finds no memory. */
#include "http/ahead.h"

#include "http/delete_record.h"
#include "http/record.h"
#include "tests/support/random.h"
#include "tests/unit/http/test_series.h"
#include "tests/unit/snapshot/temp_dir.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <snappy-c.h>

enum {
    MEMORY = 256 << 20,
    WINDOW_MS = 600 * 1000,
    SERIES = 20,
    RECORDS = 5 * AHEAD_RECORDS,
    LARGE_SERIES = 700, /* of a record that fills most of a message */
    ERROR_MAX = 512,
};

#define START_MS INT64_C(1700000000000)

struct store {
    struct budget budget;
    struct arena arena;
    struct region region;
    struct tsdb *db;
    struct recorder recorder;
    char error[ERROR_MAX];
};

static struct temp_dir dir;
static struct store written, one, two;
static struct random random_state;

static void store_new(struct store *s)
{
    const struct tsdb_options options = {
        .window_ms = WINDOW_MS, .n_windows = 4, .clock = CLOCK_SAMPLES};
    memset(s, 0, sizeof(*s));
    budget_init(&s->budget, MEMORY);
    cr_assert(arena_init(&s->arena, &s->budget, MEMORY));
    s->arena.retain_span_bytes = 0; /* so that each span asks the budget */
    region_init(&s->region, &s->arena, budget_owner(&s->budget, "queries"), 0);
    cr_assert_eq(tsdb_new(&options, &s->arena, &s->db), 0);
    recorder_init(&s->recorder, s->db, &s->arena);
}

static size_t request_bytes(struct store *s)
{
    return atomic_load(&s->budget.rows[s->recorder.owner].bytes);
}

static void store_free(struct store *s)
{
    recorder_stop(&s->recorder);
    cr_assert_eq(request_bytes(s), 0);
    cr_assert(tsdb_check(s->db));
    region_release(&s->region);
    tsdb_free(s->db);
    cr_assert(budget_check(&s->budget));
    arena_release(&s->arena);
}

/* ---- a journal ---- */

static void put_message(const struct message *m)
{
    static char body[2 * MESSAGE_BYTES_MAX];
    size_t n = sizeof(body);
    cr_assert_eq(snappy_compress(m->bytes, m->n, body, &n), SNAPPY_OK);
    cr_assert_eq(recorder_put(&written.recorder, RECORD_WRITE_V1, body, n), 0);
}

/* One sample for each series from `first` on. */
static void put_write(unsigned number, unsigned first, unsigned n_series)
{
    static struct message m;
    m.n = 0;
    for (unsigned i = 0; i < n_series; i++) {
        char labels[64];
        snprintf(labels, sizeof(labels), "__name__=m,job=a-job-with-a-name,i=%u", first + i);
        message_series(&m, labels, START_MS + (int64_t)number * 1000, number * 3 + i);
    }
    put_message(&m);
}

/* Of one of the series what there is so far: what comes later stays, so its place matters. */
static void put_delete(unsigned number)
{
    uint8_t bytes[256];
    char value[16], text[64];
    struct matcher m;
    size_t n = (size_t)snprintf(value, sizeof(value), "%u", number % SERIES);
    cr_assert_eq(matcher_init(&m, MATCH_EQUAL, "i", 1, value, n, text, sizeof(text)), 0);
    struct matcher_set set = {.items = &m, .n = 1};
    const struct delete_record record = {
        .min_ms = INT64_MIN, .max_ms = INT64_MAX, .sets = &set, .n_sets = 1};
    cr_assert_leq(delete_record_bytes(&record), sizeof(bytes));
    delete_record_put(&record, bytes);
    cr_assert_eq(
        recorder_put(&written.recorder, RECORD_DELETE, bytes, delete_record_bytes(&record)), 0);
    matcher_release(&m);
}

static void put_any(unsigned number)
{
    switch (random_below(&random_state, 8)) {
    case 0:
        put_delete(number);
        break;
    case 1:
        cr_assert_eq(recorder_put(&written.recorder, 0x7777, "?", 1), 0);
        break;
    case 2:
        cr_assert_eq(recorder_put(&written.recorder, RECORD_WRITE_V1, "garbage", 7), 0);
        break;
    case 3:
        put_write(number, 0, LARGE_SERIES);
        break;
    default:
        put_write(number, 0, SERIES);
    }
}

static void want_nothing(void *ctx)
{
    (void)ctx;
}

static void begin_journal(void)
{
    static const struct config config = {.journal_sync_ms = 1000, .journal_max_bytes = 1 << 30};
    store_new(&written);
    cr_assert_eq(recorder_replay(&written.recorder, dir.path, written.error, ERROR_MAX), 0);
    cr_assert_eq(recorder_start(&written.recorder, &config, want_nothing, NULL), 0);
}

static void given_any_journal(void)
{
    begin_journal();
    for (unsigned i = 0; i < RECORDS; i++)
        put_any(i);
    store_free(&written);
}

/* Writes over a few bytes of the journal. */
static void damage(void)
{
    DIR *d = opendir(dir.path);
    for (struct dirent *e; (e = readdir(d));) {
        int fd = openat(dirfd(d), e->d_name, O_RDWR);
        off_t size = fd >= 0 && e->d_name[0] == 'j' ? lseek(fd, 0, SEEK_END) : 0;
        for (unsigned i = 0; i < 3 && size > 0; i++) {
            uint8_t byte = (uint8_t)random_next(&random_state);
            off_t at = (off_t)random_below(&random_state, (uint64_t)size);
            cr_assert_eq(pwrite(fd, &byte, 1, at), 1);
        }
        if (fd >= 0)
            close(fd);
    }
    closedir(d);
}

/* ---- back by one thread ---- */

static int take(void *ctx, const struct journal_record *record)
{
    struct store *s = ctx;
    return recorder_take(&s->recorder, record, s->error, ERROR_MAX);
}

static void replay_by_one(struct store *s)
{
    struct io_file files;
    cr_assert_eq(io_file_open(&files, dir.path), 0);
    const struct journal_replay_options o = {
        .io = &files.io, .arena = &s->arena, .visit = take, .ctx = s};
    cr_assert_eq(journal_replay(&o, &s->recorder.replayed), 0, "%s", s->error);
    io_file_close(&files);
}

/* ---- what came out ---- */

static struct read_set everything(struct store *s)
{
    return read_named(s->db, &s->region, ".+");
}

static size_t compare_stores(void)
{
    struct read_set a = everything(&one), b = everything(&two);
    size_t n = 0;
    cr_assert_eq(a.n, b.n);
    for (size_t i = 0; i < a.n; i++) {
        const struct read_series *x = &a.series[i], *y = &b.series[i];
        cr_assert(labels_compare(&x->labels, &y->labels) == 0);
        cr_assert_eq(x->n, y->n);
        cr_assert_eq(memcmp(x->t_ms, y->t_ms, x->n * sizeof(*x->t_ms)), 0);
        cr_assert_eq(memcmp(x->values, y->values, x->n * sizeof(*x->values)), 0);
        n += x->n;
    }
    region_release(&one.region);
    region_release(&two.region);
    return n;
}

static void compare(void)
{
    const struct recorder *a = &one.recorder, *b = &two.recorder;
    cr_assert_eq(a->n_samples_replayed, b->n_samples_replayed);
    cr_assert_eq(a->n_samples_left_out, b->n_samples_left_out);
    cr_assert_eq(a->n_records_bad, b->n_records_bad);
    cr_assert_eq(a->n_records_unknown, b->n_records_unknown);
    cr_assert_eq(memcmp(&a->replayed, &b->replayed, sizeof(a->replayed)), 0);
    cr_assert_gt(compare_stores(), 100);
}

/* ---- the suite ---- */

static void given_a_directory(void)
{
    cr_assert(temp_dir_new(&dir));
    random_init(&random_state, random_seed());
}

static void remove_directory(void)
{
    temp_dir_remove(&dir);
}

TestSuite(ahead, .init = given_a_directory, .fini = remove_directory, .timeout = 120);

Test(ahead, what_two_bring_back_is_what_one_brings_back)
{
    given_any_journal();
    for (int round = 0; round < 8; round++) {
        store_new(&one);
        store_new(&two);
        replay_by_one(&one);
        cr_assert_eq(recorder_replay(&two.recorder, dir.path, two.error, ERROR_MAX), 0);
        cr_assert_gt(two.recorder.replayed.records, 0);
        compare();
        store_free(&one);
        store_free(&two);
        damage(); /* for the next round */
    }
}

Test(ahead, of_nothing)
{
    store_new(&two);
    cr_assert_eq(recorder_replay(&two.recorder, dir.path, two.error, ERROR_MAX), 0);
    cr_assert_eq(two.recorder.replayed.segments, 0);
    store_free(&two);
}

/* A single refusal costs nothing where the record can be unpacked again, and never less than a
 * sentence. */
Test(ahead, any_allocation_may_fail)
{
    bool is_through = false;
    given_any_journal();
    store_new(&one);
    replay_by_one(&one);
    unsigned n_whole = 0;
    for (long nth = 1; !is_through; nth++) {
        store_new(&two);
        budget_fail_nth(&two.budget, nth);
        int err = recorder_replay(&two.recorder, dir.path, two.error, ERROR_MAX);
        is_through = atomic_load(&two.budget.fail_in) > 0;
        budget_fail_nth(&two.budget, 0);
        cr_assert(err == 0 || err == ERR_NO_MEMORY);
        cr_assert(err == 0 || strstr(two.error, "--storage.memory-limit") != NULL, "%s", two.error);
        if (err == 0)
            compare();
        n_whole += err == 0 && !is_through;
        store_free(&two);
    }
    cr_assert_gt(n_whole, RECORDS / 2);
    store_free(&one);
}

static size_t ring_bytes(void)
{
    return align_up(AHEAD_RECORDS * sizeof(struct record) + REGION_FIRST_BYTES, ARENA_PAGE_BYTES);
}

/* All of new series, so that the store grows with each. */
static void given_large_records(void)
{
    begin_journal();
    for (unsigned i = 0; i < RECORDS; i++)
        put_write(i, i * LARGE_SERIES, LARGE_SERIES);
    store_free(&written);
}

/* Where memory is short nothing is unpacked ahead. */
Test(ahead, what_fits_alone_fits)
{
    given_large_records();
    store_new(&one);
    replay_by_one(&one);
    store_new(&two);
    two.budget.limit_bytes = atomic_load(&one.budget.peak_bytes) + ring_bytes();
    cr_assert_eq(recorder_replay(&two.recorder, dir.path, two.error, ERROR_MAX), 0, "%s",
                 two.error);
    two.budget.limit_bytes = MEMORY;
    compare();
    store_free(&one);
    store_free(&two);
}

Test(ahead, takes_no_more_than_it_says)
{
    given_large_records();
    store_new(&one);
    replay_by_one(&one);
    store_new(&two);
    cr_assert_eq(recorder_replay(&two.recorder, dir.path, two.error, ERROR_MAX), 0);
    size_t a_record = 12 * MESSAGE_BYTES_MAX;
    cr_assert_leq(atomic_load(&two.budget.peak_bytes),
                  atomic_load(&one.budget.peak_bytes) + ring_bytes() + AHEAD_BYTES + a_record);
    store_free(&one);
    store_free(&two);
}

/* Told of the first record that does not fit, in the journal's order. */
Test(ahead, what_does_not_fit_is_named)
{
    begin_journal();
    for (unsigned i = 0; i < RECORDS; i++)
        put_write(i, 0, i == RECORDS - 1 ? LARGE_SERIES : SERIES);
    store_free(&written);
    store_new(&one);
    replay_by_one(&one);
    store_new(&two);
    two.budget.limit_bytes =
        atomic_load(&two.budget.used_bytes) + FRAME_BUFFER_BYTES + 8 * REGION_FIRST_BYTES;
    cr_assert_eq(recorder_replay(&two.recorder, dir.path, two.error, ERROR_MAX), ERR_NO_MEMORY);
    cr_assert_not_null(strstr(two.error, "record "), "%s", two.error);
    cr_assert_not_null(strstr(two.error, " of segment 1;"), "%s", two.error);
    store_free(&one);
    store_free(&two);
}
