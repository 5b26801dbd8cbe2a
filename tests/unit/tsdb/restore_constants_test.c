/* Rows of constants (restore_chunk.c: restore_constants) against the same runs restored one by one:
 * the same answers, good and bad rows mixed, and the same samples in the same memory. */
#include "tests/support/random.h"
#include "tests/unit/tsdb/test_store.h"

enum { N_TIMES = 300, STEP_MS = 1000, N_SERIES = 400, N_ROWS = 80 };
enum { STEADY = 7, OTHER = 9, UNKNOWN = 6 }; /* timelines */

static struct dump_constants rows[N_ROWS];

/* Of series one behind the other. One row in five is wrong in some way: is of times that are not
 * there, of none, of a series that has something, or twice the same, or one that there is not. */
static void make_row(struct random *random, struct dump_constants *row, uint32_t *io_series)
{
    *row = (struct dump_constants){
        .timeline = random_below(random, 4) > 0 ? STEADY : OTHER,
        .first = (uint32_t)random_below(random, N_TIMES / 2),
        .n_samples = 1 + (uint32_t)random_below(random, N_TIMES / 2),
    };
    uint32_t n = 1 + (uint32_t)random_below(random, DUMP_CONSTANTS_MAX);
    for (; row->n < n && *io_series < N_SERIES; row->n++) {
        row->series[row->n] = *io_series;
        row->values[row->n] = test_bits((double)random_below(random, 3));
        *io_series += random_below(random, 4) == 0 ? 2 : 1;
    }
    switch (random_below(random, 25)) {
    case 0:
        row->timeline = UNKNOWN;
        break;
    case 1:
        row->first = N_TIMES - row->n_samples + 1;
        break;
    case 2:
        row->first = UINT32_MAX - (uint32_t)random_below(random, 3);
        break;
    case 3:
        row->series[row->n - 1] /= 2;
        break;
    case 4:
        row->n_samples = 0;
        break;
    default:
        break;
    }
}

static uint32_t make_rows(struct random *random)
{
    uint32_t n = 0, series = 0;
    while (n < N_ROWS && series < N_SERIES)
        make_row(random, &rows[n++], &series);
    return n;
}

static void give_times(struct restore *r, uint32_t timeline, uint32_t step_ms)
{
    for (uint32_t from = 0; from < N_TIMES; from += DUMP_TIMES_MAX) {
        struct dump_times t = {.timeline = timeline, .from = from};
        for (; t.n < DUMP_TIMES_MAX && from + t.n < N_TIMES; t.n++)
            t.times[t.n] = (from + t.n) * step_ms;
        cr_assert_eq(restore_times(r, &t), 0);
    }
}

static void begin(struct test_store *s, struct restore *r, uint32_t ids[N_SERIES])
{
    struct test_labels l;
    test_store_new(s, NULL);
    restore_begin(r, s->db);
    for (int i = 0; i < N_SERIES; i++) {
        char name[32];
        snprintf(name, sizeof(name), "up{a=%d}", i);
        cr_assert_eq(restore_series(r, test_labels(&l, name), &ids[i]), 0);
    }
    restore_newest(r, tsdb_window_of(s->db, TEST_START_MS) + 1, 2);
    r->is_trusted = true;
}

static void begin_window(struct test_store *s, struct restore *r, int window)
{
    cr_assert_eq(restore_window(r, tsdb_window_of(s->db, TEST_START_MS) + window), 0);
    give_times(r, STEADY, STEP_MS);
    give_times(r, OTHER, STEP_MS * 9 / 10);
}

/* One by one; how many were good. */
static uint32_t feed_runs(struct restore *r, const struct dump_constants *row)
{
    uint32_t n_good = 0;
    for (uint32_t i = 0; i < row->n; i++) {
        static uint8_t all[N_ROWS * DUMP_CONSTANTS_MAX][RUN_BYTES_MAX]; /* while they are held */
        static size_t n_all;
        uint8_t *bytes = all[n_all++ % ARRAY_LEN(all)];
        struct block run;
        block_of_run(&run, 0, row->first, 1, row->values[i], bytes);
        struct dump_block b = {.part = DUMP_RUN,
                               .times = DUMP_AT,
                               .encoding = run.encoding,
                               .timeline = row->timeline,
                               .first = row->first,
                               .n_samples = row->n_samples,
                               .n_values_bytes = run.n_values_bytes,
                               .values = bytes};
        n_good += restore_block(r, row->series[i], &b) == 0;
    }
    return n_good;
}

/* Which of them were taken at once. */
static int feed(struct test_store *s, bool is_quick, uint32_t n_rows, uint32_t n_good[])
{
    struct restore r;
    uint32_t ids[N_SERIES];
    int n_whole = 0;
    begin(s, &r, ids);
    for (uint32_t i = 0; i < 2 * n_rows; i++) {
        struct dump_constants row = rows[i % n_rows];
        if (i % n_rows == 0)
            begin_window(s, &r, i > 0);
        if (i % 7 == 0) {
            cr_assert_eq(restore_pause(&r), 0);
            restore_hold(&r);
        }
        for (uint32_t k = 0; k < row.n; k++)
            row.series[k] = ids[row.series[k]];
        int err = is_quick ? restore_constants(&r, &row) : 1;
        cr_assert(err == 0 || err == 1);
        n_whole += err == 0;
        n_good[i] = err == 0 ? row.n : feed_runs(&r, &row);
    }
    cr_assert_eq(restore_pause(&r), 0);
    restore_end(&r);
    test_store_check(s);
    return n_whole;
}

static void compare(struct test_store *a, struct test_store *b)
{
    test_same_samples(a, b);
    struct tsdb_stats of_a = test_stats(a), of_b = test_stats(b);
    cr_assert_eq(of_a.n_windows, of_b.n_windows);
    for (uint32_t i = 0; i < of_a.n_windows; i++)
        cr_assert_eq(of_a.windows[i].chunks, of_b.windows[i].chunks);
    cr_assert_eq(of_a.samples, of_b.samples);
}

Test(restore_constants, rows_are_their_runs, .timeout = 120)
{
    static struct test_store quick, slow;
    struct random random;
    int n_whole = 0, n_rows = 0;
    random_init(&random, random_seed());
    for (int round = 0; round < 60; round++) {
        uint32_t of_quick[2 * N_ROWS], of_slow[2 * N_ROWS], n = make_rows(&random);
        n_whole += feed(&quick, true, n, of_quick);
        (void)feed(&slow, false, n, of_slow);
        for (uint32_t i = 0; i < 2 * n; i++)
            cr_assert_eq(of_quick[i], of_slow[i], "row %u: %u, not %u", i, of_quick[i], of_slow[i]);
        n_rows += 2 * (int)n;
        compare(&quick, &slow);
        test_store_free(&quick);
        test_store_free(&slow);
    }
    cr_assert_gt(n_whole, n_rows / 2);
    cr_assert_lt(n_whole, n_rows * 9 / 10);
}

/* A row that does not come to its end leaves a good store, with what had been written. */
Test(restore_constants, every_allocation_may_fail, .timeout = 60)
{
    int n_failed = 0;
    for (long nth = 1;; nth++) {
        static struct test_store s;
        struct restore r;
        uint32_t ids[N_SERIES];
        struct dump_constants row = {.timeline = STEADY, .n_samples = 100, .n = DUMP_CONSTANTS_MAX};
        begin(&s, &r, ids);
        for (uint32_t i = 0; i < row.n; i++)
            row.series[i] = ids[i * (N_SERIES / DUMP_CONSTANTS_MAX)];
        int err = 0;
        begin_window(&s, &r, 0);
        restore_hold(&r);
        cr_assert_eq(restore_constants(&r, &row), 0);
        cr_assert_eq(restore_pause(&r), 0);
        begin_window(&s, &r, 1);
        restore_hold(&r);
        budget_fail_nth(&s.budget, nth);
        err = restore_constants(&r, &row);
        budget_fail_nth(&s.budget, 0);
        cr_assert(err == 0 || err == ERR_NO_MEMORY);
        cr_assert_eq(restore_pause(&r), 0);
        restore_end(&r);
        test_store_check(&s);
        test_store_free(&s);
        n_failed += err != 0;
        if (err == 0)
            break;
    }
    cr_assert_gt(n_failed, 0);
}
