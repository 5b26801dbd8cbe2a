/* What was accepted once is taken again, whatever the clock, the order and the limits are now. */
#include "tests/unit/tsdb/test_store.h"

static struct test_store s;

#define T0 TEST_START_MS

enum { REFUSED_MAX = 8 };

struct refusals {
    const struct sample *of[REFUSED_MAX];
    size_t n;
};

static void note_refusal(void *ctx, const struct sample *sample)
{
    struct refusals *r = ctx;
    cr_assert_lt(r->n, (size_t)REFUSED_MAX);
    r->of[r->n++] = sample;
}

static void new_store(enum tsdb_clock clock, uint64_t max_series)
{
    struct tsdb_options o = test_store_options(&s, clock);
    o.max_series = max_series;
    o.max_series_per_metric = max_series;
    test_store_new(&s, &o);
}

static int replay_counted(const char *series, const struct sample *samples, size_t n,
                          struct append_counts *counts)
{
    struct test_labels l;
    struct append b;
    append_begin_replay(&b, s.db);
    int err = append_samples(&b, test_labels(&l, series), samples, n, counts);
    append_end(&b);
    return err;
}

static int replay(const char *series, int64_t t_ms, double value)
{
    struct append_counts counts = {0};
    struct sample sample = {t_ms, test_bits(value)};
    return replay_counted(series, &sample, 1, &counts);
}

static void tear_down(void)
{
    test_store_free(&s);
}

TestSuite(append_replay, .fini = tear_down);

Test(append_replay, the_clock_is_not_asked)
{
    new_store(CLOCK_WALL, 0);
    cr_assert_eq(replay("ahead", T0 + 3 * (int64_t)TEST_WINDOW_MS, 1), 0);
    tear_down();
    new_store(CLOCK_WALL, 0);
    s.wall_ms = T0 + INT64_C(1000) * 86400 * 1000;
    for (int i = 0; i < TEST_WINDOWS; i++) /* all long ago by this clock */
        cr_assert_eq(replay("up", T0 + i * (int64_t)TEST_WINDOW_MS, i), 0);
    cr_assert_eq(test_stats(&s).samples, TEST_WINDOWS);
    cr_assert_eq(test_stats(&s).samples_late, 0);
}

Test(append_replay, nothing_is_dropped_before_the_clock_is_confirmed)
{
    new_store(CLOCK_WALL, 0);
    cr_assert_eq(replay("up", T0 - 20 * (int64_t)TEST_WINDOW_MS, 1), 0);
    tsdb_tick(s.db);
    cr_assert_eq(test_stats(&s).samples, 1);
    cr_assert_eq(replay("up", T0 - 20 * (int64_t)TEST_WINDOW_MS + 1, 2), 0);
    tsdb_tick(s.db);
    cr_assert_eq(test_stats(&s).samples, 2, "a sample that comes back confirms nothing");
    cr_assert_eq(test_append(&s, "up", T0, 3), 0);
    tsdb_tick(s.db);
    cr_assert_eq(test_stats(&s).samples, 1);
}

Test(append_replay, order_does_not_matter)
{
    new_store(CLOCK_SAMPLES, 0);
    int64_t newest = T0 + 7 * (int64_t)TEST_WINDOW_MS;
    cr_assert_eq(replay("up", newest, 1), 0);
    cr_assert_eq(replay("up", newest - 3 * TEST_HOUR_MS, 2), 0, "the bound is one hour");
    cr_assert_eq(replay("up", T0, 3), 0);
    cr_assert_eq(replay("up", T0 + 1, 4), 0);
    struct read_set set = test_select(&s, "up", INT64_MIN, INT64_MAX);
    cr_assert_eq(set.series[0].n, 4);
    cr_assert_eq(set.series[0].t_ms[0], T0);
    cr_assert_eq(set.series[0].t_ms[3], newest);
    cr_assert_eq(test_append(&s, "up", newest - 2 * TEST_HOUR_MS, 5), ERR_OUT_OF_ORDER,
                 "it does afterwards");
}

Test(append_replay, there_is_no_limit_on_series)
{
    new_store(CLOCK_SAMPLES, 1);
    cr_assert_eq(replay("a{i=1}", T0, 1), 0);
    cr_assert_eq(replay("a{i=2}", T0, 1), 0);
    cr_assert_eq(replay("b", T0, 1), 0);
    cr_assert_eq(test_append(&s, "c", T0, 1), ERR_MAX_SERIES);
    cr_assert_eq(test_append(&s, "b", T0 + 1, 1), 0);
}

Test(append_replay, a_repeat_is_success_and_a_contradiction_is_refused)
{
    new_store(CLOCK_SAMPLES, 0);
    struct refusals refused = {0};
    struct append_counts counts = {.on_refused = note_refusal, .ctx = &refused};
    struct sample in[] = {{T0, 1}, {T0, 1}, {T0, 2}, {T0 + 1, 3}};
    cr_assert_eq(replay_counted("up", in, 4, &counts), ERR_DUPLICATE);
    cr_assert_eq(counts.stored, 2);
    cr_assert_eq(counts.duplicate, 1);
    cr_assert_eq(refused.n, 1);
    cr_assert_eq(refused.of[0], &in[2]);
}

Test(append_replay, windows_are_those_that_go_with_the_newest)
{
    new_store(CLOCK_WALL, 0);
    int64_t newest = T0 + 100 * (int64_t)TEST_WINDOW_MS;
    cr_assert_eq(replay("up", newest, 1), 0);
    cr_assert_eq(replay("up", newest - TEST_WINDOWS * (int64_t)TEST_WINDOW_MS, 2), 0);
    cr_assert_eq(replay("up", newest - TEST_WINDOWS * (int64_t)TEST_WINDOW_MS - 1, 3), ERR_TOO_OLD);
    cr_assert_eq(test_stats(&s).n_windows, 2);
    cr_assert_eq(replay("up", newest + TEST_WINDOW_MS, 4), 0, "which pushes the oldest out");
    cr_assert_eq(test_stats(&s).n_windows, 2);
    cr_assert_eq(test_select(&s, "up", INT64_MIN, INT64_MAX).series[0].n, 2);
}

Test(append_replay, each_refused_sample_is_told_also_without_replay)
{
    new_store(CLOCK_SAMPLES, 2);
    struct refusals refused = {0};
    struct append_counts counts = {.on_refused = note_refusal, .ctx = &refused};
    int64_t newest = T0 + 2 * TEST_HOUR_MS;
    struct sample in[] = {{newest, 1}, {T0, 2},         {newest, 3},
                          {newest, 1}, {newest + 1, 4}, {T0 - 9 * (int64_t)TEST_WINDOW_MS, 5}};
    cr_assert_eq(test_append_counted(&s, "up", in, ARRAY_LEN(in), &counts), ERR_OUT_OF_ORDER);
    cr_assert_eq(refused.n, 3);
    cr_assert_eq(refused.of[0], &in[1]);
    cr_assert_eq(refused.of[1], &in[2]);
    cr_assert_eq(refused.of[2], &in[5]);
    cr_assert_eq(counts.refused, 3);
    refused.n = 0;
    cr_assert_eq(test_append_counted(&s, "b", in, 1, &counts), 0);
    cr_assert_eq(test_append_counted(&s, "c", in, 2, &counts), ERR_MAX_SERIES);
    cr_assert_eq(refused.n, 2, "the first of a series that was not made, and the one behind it");
    cr_assert_eq(refused.of[0], &in[0]);
    cr_assert_eq(refused.of[1], &in[1]);
}
