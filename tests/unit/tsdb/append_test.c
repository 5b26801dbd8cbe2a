/* What is accepted and what is refused, each bound at its edge and one past. */
#include "tests/unit/tsdb/test_store.h"

static struct test_store s;

#define T0 TEST_START_MS

static void set_up(void)
{
    test_store_new(&s, NULL);
}

static void set_up_wall(void)
{
    struct tsdb_options o = test_store_options(&s, CLOCK_WALL);
    test_store_new(&s, &o);
}

static void tear_down(void)
{
    test_store_free(&s);
}

TestSuite(append, .init = set_up, .fini = tear_down);
TestSuite(append_wall, .init = set_up_wall, .fini = tear_down);

/* ---- duplicates and order ---- */

Test(append, stores_and_counts)
{
    struct append_counts counts = {0};
    struct sample in[] = {{T0, 1}, {T0 + 1, 2}, {T0 + 2, TEST_STALE}};
    cr_assert_eq(test_append_counted(&s, "up", in, 3, &counts), 0);
    cr_assert_eq(counts.stored, 3);
    cr_assert_eq(counts.refused + counts.duplicate, 0);
    struct read_set set = test_select(&s, "up", INT64_MIN, INT64_MAX);
    cr_assert_eq(set.n, 1);
    cr_assert_eq(set.series[0].n, 3);
    for (size_t i = 0; i < 3; i++)
        cr_assert_eq(set.series[0].values[i], in[i].value);
    cr_assert_eq(test_stats(&s).samples_appended, 3);
}

Test(append, counts_add_up_over_calls)
{
    struct append_counts counts = {0};
    struct sample good = {T0, 1}, bad = {T0, 2};
    cr_assert_eq(test_append_counted(&s, "a", &good, 1, &counts), 0);
    cr_assert_eq(test_append_counted(&s, "a", &bad, 1, &counts), ERR_DUPLICATE);
    cr_assert_eq(test_append_counted(&s, "a", &good, 1, &counts), 0);
    cr_assert_eq(test_append_counted(&s, "b", &good, 1, &counts), 0);
    cr_assert_eq(counts.stored, 2);
    cr_assert_eq(counts.duplicate, 1);
    cr_assert_eq(counts.refused, 1);
    cr_assert_eq(counts.first_err, ERR_DUPLICATE);
    cr_assert_eq(counts.first_t_ms, T0);
}

Test(append, the_first_reason_is_kept_and_the_good_ones_stay)
{
    struct append_counts counts = {0};
    struct sample in[] = {
        {T0 + 2 * TEST_HOUR_MS, 1},     {T0, 2},                    /* out of order */
        {T0 + 2 * TEST_HOUR_MS, 3},                                 /* contradicts */
        {T0 + 2 * TEST_HOUR_MS + 1, 4}, {T0 + TEST_HOUR_MS + 1, 5}, /* late, welcome */
    };
    cr_assert_eq(test_append_counted(&s, "up", in, 5, &counts), ERR_OUT_OF_ORDER);
    cr_assert_eq(counts.stored, 3);
    cr_assert_eq(counts.refused, 2);
    cr_assert_eq(counts.first_err, ERR_OUT_OF_ORDER);
    cr_assert_eq(counts.first_t_ms, T0);
    cr_assert_eq(test_stats(&s).refused_out_of_order, 1);
    cr_assert_eq(test_stats(&s).refused_duplicate, 1);
    cr_assert_eq(test_stats(&s).samples_late, 1);
}

Test(append, an_exact_duplicate_of_any_kept_sample_is_success)
{
    for (uint32_t i = 0; i < 500; i++) /* over blocks, the tail, and three windows */
        cr_assert_eq(test_append(&s, "up", T0 + (int64_t)i * 70000, i), 0);
    for (uint32_t i = 0; i < 500; i++)
        cr_assert_eq(test_append(&s, "up", T0 + (int64_t)i * 70000, i), 0, "at any age");
    struct tsdb_stats stats = test_stats(&s);
    cr_assert_eq(stats.samples, 500);
    cr_assert_eq(stats.samples_duplicate, 500);
    cr_assert_eq(stats.samples_appended, 500);
    for (uint32_t i = 0; i < 500; i++)
        cr_assert_eq(test_append(&s, "up", T0 + (int64_t)i * 70000, i + 0.5), ERR_DUPLICATE);
    cr_assert_eq(test_stats(&s).samples, 500);
}

Test(append, a_duplicate_is_compared_by_bits)
{
    cr_assert_eq(test_append_bits(&s, "up", T0, UINT64_C(0x7ff0000000000002)), 0);
    cr_assert_eq(test_append_bits(&s, "up", T0, UINT64_C(0x7ff0000000000002)), 0);
    cr_assert_eq(test_append_bits(&s, "up", T0, UINT64_C(0x7ff8000000000001)), ERR_DUPLICATE);
    cr_assert_eq(test_append(&s, "up", T0 + 1, 0.0), 0);
    cr_assert_eq(test_append(&s, "up", T0 + 1, -0.0), ERR_DUPLICATE);
}

Test(append, out_of_order_window_at_the_edge_and_one_past)
{
    struct append_counts counts = {0};
    int64_t newest = T0 + 3 * TEST_HOUR_MS;
    cr_assert_eq(test_append(&s, "up", newest, 1), 0);
    cr_assert_eq(test_append(&s, "up", newest - TEST_HOUR_MS, 2), 0);
    struct sample past = {newest - TEST_HOUR_MS - 1, 3};
    cr_assert_eq(test_append_counted(&s, "up", &past, 1, &counts), ERR_OUT_OF_ORDER);
    cr_assert_eq(counts.first_bound_ms, newest - TEST_HOUR_MS);
    cr_assert_eq(test_append(&s, "other", newest - TEST_HOUR_MS - 1, 3), 0,
                 "it is about the series' own newest sample");
}

Test(append, out_of_order_reaches_into_the_window_before)
{
    int64_t border = T0 + TEST_WINDOW_MS;
    cr_assert_eq(test_append(&s, "up", border + 1000, 1), 0);
    cr_assert_eq(test_append(&s, "up", border - 1000, 2), 0);
    cr_assert_eq(test_append(&s, "up", border - 500, 3), 0);
    cr_assert_eq(test_append(&s, "up", border + 1000, 1), 0, "a repeat");
    cr_assert_eq(test_append(&s, "up", border - 500, 4), ERR_DUPLICATE);
    struct read_set set = test_select(&s, "up", INT64_MIN, INT64_MAX);
    cr_assert_eq(set.series[0].n, 3);
    cr_assert_eq(set.series[0].t_ms[0], border - 1000);
    cr_assert_eq(test_stats(&s).n_windows, 2);
}

Test(append, without_an_out_of_order_window_only_repeats_may_be_late)
{
    struct tsdb_options o = test_store_options(&s, CLOCK_SAMPLES);
    tear_down();
    o.out_of_order_ms = 0;
    test_store_new(&s, &o);
    cr_assert_eq(test_append(&s, "up", T0, 1), 0);
    cr_assert_eq(test_append(&s, "up", T0 + 1, 1), 0);
    cr_assert_eq(test_append(&s, "up", T0 - 1, 1), ERR_OUT_OF_ORDER);
    cr_assert_eq(test_append(&s, "up", T0, 1), 0);
}

Test(append, a_new_or_silent_series_takes_any_time_in_a_kept_window)
{
    int64_t now = T0 + 7 * (int64_t)TEST_WINDOW_MS;
    cr_assert_eq(test_append(&s, "clock", now, 1), 0);
    for (int i = 0; i < 28; i++) /* a backlog after an outage, oldest first */
        cr_assert_eq(test_append(&s, "backlog", T0 + (int64_t)i * TEST_HOUR_MS, i), 0);
    cr_assert_eq(test_append(&s, "once", T0, 1), 0, "the oldest kept time");
    cr_assert_eq(test_append(&s, "once", T0 - 1, 1), ERR_TOO_OLD);
}

/* ---- bounds of time ---- */

Test(append, oldest_window_at_the_edge_and_one_past)
{
    struct append_counts counts = {0};
    int64_t now = T0 + 8 * (int64_t)TEST_WINDOW_MS - 1; /* the last of the eighth window */
    struct sample edge = {T0, 1}, past = {T0 - 1, 1};
    cr_assert_eq(test_append(&s, "clock", now, 1), 0);
    cr_assert_eq(test_append_counted(&s, "a", &edge, 1, &counts), 0);
    cr_assert_eq(test_append_counted(&s, "b", &past, 1, &counts), ERR_TOO_OLD);
    cr_assert_eq(counts.first_bound_ms, T0);
    cr_assert_eq(test_stats(&s).refused_too_old, 1);
    cr_assert_eq(test_stats(&s).series, 2, "no series for what is refused");

    cr_assert_eq(test_append(&s, "clock", now + 1, 1), 0); /* turns the glass */
    cr_assert_eq(test_append(&s, "c", T0, 1), ERR_TOO_OLD);
    cr_assert_eq(test_append(&s, "c", T0 + TEST_WINDOW_MS, 1), 0);
}

Test(append, samples_clock_has_no_bound_ahead)
{
    cr_assert_eq(test_append(&s, "up", T0, 1), 0);
    cr_assert_eq(test_append(&s, "up", T0 + INT64_C(1000) * 365 * 86400 * 1000, 1), 0);
    cr_assert_eq(test_stats(&s).samples, 1, "the first is long out of sight");
}

Test(append, samples_at_the_ends_of_int64)
{
    cr_assert_eq(test_append(&s, "low", INT64_MIN, 1), 0);
    cr_assert_eq(test_append(&s, "low", INT64_MIN + 1, 2), 0);
    cr_assert_eq(test_append(&s, "low", INT64_MIN, 1), 0, "a repeat");
    cr_assert_eq(test_append(&s, "low", INT64_MIN + 5, 3), 0);
    cr_assert_eq(test_append(&s, "low", INT64_MIN + 3, 4), 0, "late");
    cr_assert_eq(test_select(&s, NULL, INT64_MIN, INT64_MAX).series[0].n, 4);
    cr_assert_eq(test_select(&s, NULL, INT64_MIN, INT64_MIN).series[0].n, 1);
    cr_assert_eq(test_select(&s, NULL, INT64_MIN + 1, INT64_MIN + 4).series[0].n, 2);
    cr_assert_eq(test_select(&s, NULL, INT64_MAX, INT64_MAX).n, 0);
    cr_assert_eq(test_append(&s, "high", INT64_MAX, 1), 0);
    cr_assert_eq(test_append(&s, "low", INT64_MIN + 2, 3), ERR_TOO_OLD);
    test_store_check(&s);
    cr_assert_eq(test_append(&s, "high", INT64_MAX - 1, 1), 0);
    struct read_set set = test_select(&s, NULL, INT64_MIN, INT64_MAX);
    cr_assert_eq(set.n, 1);
    cr_assert_eq(set.series[0].n, 2);
    cr_assert_eq(set.series[0].t_ms[1], INT64_MAX);
    cr_assert_eq(test_select(&s, NULL, INT64_MAX, INT64_MAX).series[0].n, 1);
}

Test(append_wall, ten_minutes_ahead_at_the_edge_and_one_past)
{
    struct append_counts counts = {0};
    struct sample edge = {T0 + TSDB_AHEAD_MS, 1}, past = {T0 + TSDB_AHEAD_MS + 1, 1};
    cr_assert_eq(TSDB_AHEAD_MS, 10 * 60 * 1000);
    cr_assert_eq(test_append_counted(&s, "a", &edge, 1, &counts), 0);
    cr_assert_eq(test_append_counted(&s, "b", &past, 1, &counts), ERR_TOO_FAR_AHEAD);
    cr_assert_eq(counts.first_t_ms, T0 + TSDB_AHEAD_MS + 1);
    cr_assert_eq(counts.first_bound_ms, T0 + TSDB_AHEAD_MS);
    cr_assert_eq(test_stats(&s).refused_too_far_ahead, 1);
    cr_assert_eq(test_stats(&s).series, 1);
    test_store_pass(&s, 1);
    cr_assert_eq(test_append_counted(&s, "b", &past, 1, &counts), 0);
}

Test(append_wall, the_oldest_window_is_that_of_the_wall)
{
    int64_t oldest = T0 - 7 * (int64_t)TEST_WINDOW_MS;
    struct append_counts counts = {0};
    struct sample past = {oldest - 1, 1};
    cr_assert_eq(test_append(&s, "a", oldest, 1), 0);
    cr_assert_eq(test_append_counted(&s, "b", &past, 1, &counts), ERR_TOO_OLD);
    cr_assert_eq(counts.first_bound_ms, oldest);
}

Test(append_wall, a_window_that_is_still_there_takes_samples)
{
    cr_assert_eq(test_append(&s, "a", T0, 1), 0);
    s.wall_ms += (int64_t)100 * 86400 * 1000; /* a jump: the first look drops one window */
    tsdb_tick(s.db);
    cr_assert_eq(test_stats(&s).samples, 0);
    s.wall_ms = T0;
    cr_assert_eq(test_append(&s, "a", T0, 1), 0);
    cr_assert_eq(test_append(&s, "a", T0 - TEST_WINDOW_MS / 8, 1), 0);
    s.wall_ms += (int64_t)100 * 86400 * 1000;
    tsdb_tick(s.db); /* not again within this window of boot time */
    cr_assert_eq(test_append(&s, "a", T0 + 1, 1), 0, "old by the clock, but kept");
    cr_assert_eq(test_append(&s, "new", T0 + 2, 1), 0);
}

/* ---- limits ---- */

Test(append, max_series_at_and_one_past)
{
    struct tsdb_options o = test_store_options(&s, CLOCK_SAMPLES);
    tear_down();
    o.max_series = 3;
    test_store_new(&s, &o);
    cr_assert_eq(test_append(&s, "a", T0, 1), 0);
    cr_assert_eq(test_append(&s, "b", T0, 1), 0);
    cr_assert_eq(test_append(&s, "c", T0, 1), 0);
    cr_assert_eq(test_append(&s, "d", T0, 1), ERR_MAX_SERIES);
    cr_assert_eq(test_append(&s, "c", T0 + 1, 1), 0, "what is there goes on");
    cr_assert_eq(test_stats(&s).series, 3);
    cr_assert_eq(test_stats(&s).refused_limit, 1);
}

Test(append, max_series_per_metric_at_and_one_past)
{
    struct tsdb_options o = test_store_options(&s, CLOCK_SAMPLES);
    tear_down();
    o.max_series_per_metric = 2;
    test_store_new(&s, &o);
    cr_assert_eq(test_append(&s, "a{i=1}", T0, 1), 0);
    cr_assert_eq(test_append(&s, "a{i=2}", T0, 1), 0);
    cr_assert_eq(test_append(&s, "a{i=3}", T0, 1), ERR_MAX_SERIES_METRIC);
    cr_assert_eq(test_append(&s, "a{i=2}", T0 + 1, 1), 0);
    cr_assert_eq(test_append(&s, "b{i=3}", T0, 1), 0);
    cr_assert_eq(test_append(&s, "i{a=a}", T0, 1), 0, "a label's value is no metric");
    cr_assert_eq(test_stats(&s).series, 4);
}

static int n_room; /* series that there is room for */

static bool has_room(void *ctx)
{
    cr_assert_eq(ctx, &n_room);
    return n_room-- > 0;
}

Test(append, without_room_new_series_are_refused_and_the_others_go_on)
{
    struct tsdb_options o = test_store_options(&s, CLOCK_SAMPLES);
    tear_down();
    o.has_room = has_room;
    o.room_ctx = &n_room;
    o.max_series = 3;
    n_room = 2;
    test_store_new(&s, &o);
    cr_assert_eq(test_append(&s, "a", T0, 1), 0);
    cr_assert_eq(test_append(&s, "a", T0 + 1, 1), 0);
    cr_assert_eq(test_append(&s, "b", T0, 1), 0);
    cr_assert_eq(test_append(&s, "c", T0, 1), ERR_NO_ROOM);
    cr_assert_eq(test_append(&s, "b", T0 + TEST_WINDOW_MS, 1), 0, "also in a window that is new");
    n_room = 2;
    cr_assert_eq(test_append(&s, "c", T0, 1), 0, "and it is welcome again");
    cr_assert_eq(test_append(&s, "d", T0, 1), ERR_MAX_SERIES, "a limit is asked first");
    cr_assert_eq(n_room, 1);
    cr_assert_eq(test_stats(&s).series, 3);
    cr_assert_eq(test_stats(&s).refused_room, 1);
    cr_assert_eq(test_stats(&s).refused_memory, 0);
}

/* ---- batches ---- */

Test(append, no_samples_make_no_series)
{
    struct append_counts counts = {0};
    cr_assert_eq(test_append_counted(&s, "up", NULL, 0, &counts), 0);
    cr_assert_eq(test_stats(&s).series, 0);
}

/* One request whose times jump so far and so often that all places of windows are used up while a
 * series whose own window has gone waits to be written again. */
Test(append, a_dead_series_survives_a_batch_that_uses_up_the_places_of_windows)
{
    struct test_labels x, y;
    struct append_counts counts = {0};
    struct append b;
    int64_t t = T0;
    append_begin(&b, s.db);
    struct sample first = {t, 1};
    cr_assert_eq(append_samples(&b, test_labels(&x, "x{a=1}"), &first, 1, &counts), 0);
    for (int i = 0; i < WINDOW_SLOTS - 1; i++) {
        struct sample jump = {t += 100 * (int64_t)TEST_WINDOW_MS, 1};
        cr_assert_eq(append_samples(&b, test_labels(&y, "y{b=2}"), &jump, 1, &counts), 0);
    }
    struct sample last = {t += 100 * (int64_t)TEST_WINDOW_MS, 7};
    cr_assert_eq(append_samples(&b, &x.labels, &last, 1, &counts), 0);
    append_end(&b);
    tsdb_tick(s.db);
    test_store_check(&s);
    struct read_set set = test_select(&s, NULL, INT64_MIN, INT64_MAX);
    cr_assert_eq(set.n, 1);
    cr_assert_eq(set.series[0].n, 1);
    cr_assert_str_eq(test_labels_text(&s.region, &set.series[0].labels), "x{a=1}");
    cr_assert_eq(test_stats(&s).series, 1);
}

Test(append, one_request_may_use_up_the_places_of_windows_many_times)
{
    struct append_counts counts = {0};
    static struct sample jumps[1000];
    for (size_t i = 0; i < ARRAY_LEN(jumps); i++)
        jumps[i] = (struct sample){T0 + (int64_t)i * 100 * TEST_WINDOW_MS, i};
    cr_assert_eq(test_append_counted(&s, "up", jumps, ARRAY_LEN(jumps), &counts), 0);
    tsdb_tick(s.db);
    cr_assert_eq(test_stats(&s).samples, 1);
    cr_assert_eq(test_stats(&s).chunks_removed, ARRAY_LEN(jumps) - 1);
}

/* ---- one request over many windows ---- */

/* What a series has, against what was given: sorted by time. */
static void expect_samples(const char *series, const struct sample *expected, size_t n)
{
    struct read_set set = test_select(&s, series, INT64_MIN, INT64_MAX);
    cr_assert_eq(set.n, n > 0);
    cr_assert_eq(n == 0 ? 0 : set.series[0].n, n);
    for (size_t i = 0; i < n; i++)
        cr_assert(set.series[0].t_ms[i] == expected[i].t_ms &&
                  set.series[0].values[i] == expected[i].value);
}

Test(append, one_call_fills_all_windows)
{
    static struct sample in[8 * 100];
    struct append_counts counts = {0};
    for (size_t i = 0; i < ARRAY_LEN(in); i++)
        in[i] = (struct sample){T0 + (int64_t)i * TEST_WINDOW_MS / 100, test_bits((double)(i * i))};
    cr_assert_eq(test_append_counted(&s, "up", in, ARRAY_LEN(in), &counts), 0);
    cr_assert_eq(counts.stored, ARRAY_LEN(in));
    expect_samples("up", in, ARRAY_LEN(in));
    struct tsdb_stats stats = test_stats(&s);
    cr_assert_eq(stats.n_windows, 8);
    for (int w = 0; w < 8; w++)
        cr_assert_eq(stats.windows[w].samples, 100);
    cr_assert_eq(stats.chunks_created, 8);
    test_store_check(&s);
}

Test(append, the_glass_turns_inside_of_one_call)
{
    enum { PER_WINDOW = 50, N = 30 * PER_WINDOW };
    static struct sample in[N];
    struct append_counts counts = {0};
    for (size_t i = 0; i < N; i++)
        in[i] =
            (struct sample){T0 + (int64_t)i * TEST_WINDOW_MS / PER_WINDOW, test_bits((double)i)};
    cr_assert_eq(test_append(&s, "dies", T0, 1), 0);
    cr_assert_eq(test_append_counted(&s, "up", in, N, &counts), 0);
    cr_assert_eq(counts.stored, N);
    expect_samples("up", &in[N - 8 * PER_WINDOW], 8 * PER_WINDOW);
    tsdb_tick(s.db);
    struct tsdb_stats stats = test_stats(&s);
    cr_assert_eq(stats.series, 1);
    cr_assert_eq(stats.chunks_created, 31);
    cr_assert_eq(stats.chunks_removed, 31 - 8);
    test_store_check(&s);
}

Test(append, a_turn_in_a_call_refuses_what_is_then_too_old)
{
    struct append_counts counts = {0};
    struct sample in[] = {{T0, 1},
                          {T0 + 8 * (int64_t)TEST_WINDOW_MS, 2}, /* turns */
                          {T0 + 1, 3},
                          {T0 + 8 * (int64_t)TEST_WINDOW_MS + 1, 4}};
    cr_assert_eq(test_append_counted(&s, "up", in, 4, &counts), ERR_TOO_OLD);
    cr_assert_eq(counts.stored, 3);
    cr_assert_eq(counts.refused, 1);
    cr_assert_eq(counts.first_t_ms, T0 + 1);
    cr_assert_eq(counts.first_bound_ms, T0 + TEST_WINDOW_MS);
    struct sample left[] = {in[1], in[3]};
    expect_samples("up", left, 2);
}

/* Another request has just moved the time on when this one comes to its samples: they are not cut
 * in two, and the window that is about to go takes no more. */
Test(append, a_turn_that_is_due_does_not_cut_a_call_in_two)
{
    struct test_labels l, old;
    struct append_counts counts = {0};
    struct append b;
    int64_t next = T0 + TEST_WINDOW_MS;
    struct sample in[] = {{next + 1, 1}, {next + 2, 2}, {next + 3, 3}}, late = {T0 + 1, 4};
    cr_assert_eq(test_append(&s, "old", T0, 1), 0);
    cr_assert_eq(test_append(&s, "up", next, 1), 0);
    append_begin(&b, s.db);
    const struct labels *ls = test_labels(&l, "up");
    const struct series *series =
        series_at(&s.arena, series_find(&s.arena, &s.db->series,
                                        series_key_of_labels(&s.db->series.hash, ls)));
    uint32_t version = atomic_load(&series->version);
    clock_sample(&s.db->clock, T0 + 8 * (int64_t)TEST_WINDOW_MS);
    cr_assert_eq(append_samples(&b, ls, in, 3, &counts), 0);
    cr_assert_eq(atomic_load(&series->version), version + 2, "published once");
    clock_sample(&s.db->clock, T0 + 9 * (int64_t)TEST_WINDOW_MS);
    late.t_ms += TEST_WINDOW_MS;
    cr_assert_not_null(window_of_number(&s.db->windows, tsdb_window_of(s.db, late.t_ms)));
    cr_assert_eq(append_samples(&b, test_labels(&old, "old"), &late, 1, &counts), ERR_TOO_OLD);
    append_end(&b);
    tsdb_tick(s.db);
    cr_assert_eq(test_stats(&s).samples, 0);
}

/* ---- late samples ---- */

/* The same samples in another order are the same samples: near the newest, into the tail, into
 * blocks of the open chunk, into chunks that were sealed, in windows that there were not. */
Test(append, late_samples_find_their_place_wherever_it_is)
{
    enum { N = 3000 };
    static struct sample in[N], shuffled[N];
    struct tsdb_options o = test_store_options(&s, CLOCK_SAMPLES);
    struct random r;
    random_init(&r, random_seed());
    o.out_of_order_ms = 7 * (int64_t)TEST_WINDOW_MS;
    for (int round = 0; round < 12; round++) {
        tear_down();
        test_store_new(&s, &o);
        int64_t t = T0;
        for (int i = 0; i < N; i++) {
            in[i] = (struct sample){
                t, test_value(&r, (enum test_column)(round % COLUMN_KINDS), (uint32_t)i)};
            t += round % 3 == 0 ? 15000 : 1 + (int64_t)random_below(&r, 60000);
        }
        memcpy(shuffled, in, sizeof(in));
        uint64_t reach = round % 4 == 0 ? N : 4 + random_below(&r, 500);
        for (size_t i = 0; i < N; i++) {
            size_t k = i + (size_t)random_below(&r, size_min(reach, N - i));
            if (random_below(&r, 3) == 0) {
                struct sample swap = shuffled[i];
                shuffled[i] = shuffled[k];
                shuffled[k] = swap;
            }
        }
        for (size_t i = 0; i < N;) {
            struct append_counts counts = {0};
            size_t n = size_min(1 + random_below(&r, 7), N - i);
            cr_assert_eq(test_append_counted(&s, "up", &shuffled[i], n, &counts), 0);
            cr_assert_eq(counts.stored, n);
            i += n;
        }
        test_store_check(&s);
        expect_samples("up", in, N);
        for (size_t i = 0; i < N; i += 1 + random_below(&r, 20)) {
            cr_assert_eq(test_append_bits(&s, "up", in[i].t_ms, in[i].value), 0, "a repeat");
            cr_assert_eq(test_append_bits(&s, "up", in[i].t_ms, in[i].value ^ 1), ERR_DUPLICATE);
        }
        cr_assert_eq(test_stats(&s).samples, N);
        region_release(&s.region);
    }
}

Test(append, a_late_sample_opens_a_window_between_two)
{
    struct tsdb_options o = test_store_options(&s, CLOCK_SAMPLES);
    tear_down();
    o.out_of_order_ms = 7 * (int64_t)TEST_WINDOW_MS;
    test_store_new(&s, &o);
    struct sample in[] = {{T0, 1}, {T0 + TEST_WINDOW_MS, 2}, {T0 + 2 * TEST_WINDOW_MS, 3}};
    cr_assert_eq(test_append_counted(&s, "up", &in[0], 1, &(struct append_counts){0}), 0);
    cr_assert_eq(test_append_counted(&s, "up", &in[2], 1, &(struct append_counts){0}), 0);
    cr_assert_eq(test_append_counted(&s, "up", &in[1], 1, &(struct append_counts){0}), 0);
    expect_samples("up", in, 3);
    cr_assert_eq(test_stats(&s).samples_late, 1);
    cr_assert_eq(test_stats(&s).n_windows, 3);
    test_store_check(&s);
}

/* ---- memory ---- */

/* A run that makes series, windows, blocks, late samples and turns the glass. Returns how many of
 * its samples were refused. */
static uint64_t scripted_run(int64_t from)
{
    struct append_counts counts = {0};
    char series[32];
    for (uint32_t i = 0; i < 200; i++) {
        struct sample in[] = {
            {from + (int64_t)i * 240000, test_bits(i * 0.1)},
            {from + (int64_t)i * 240000 + 15000, test_bits(i)},
            {from + (int64_t)i * 240000 + 7000, UINT64_C(0x9E3779B97F4A7C15) * i},
        };
        snprintf(series, sizeof(series), "m%u{i=x%u}", i % 3, i % 20);
        (void)test_append_counted(&s, series, in, 3, &counts);
        (void)test_append_counted(&s, "same", in, 3, &counts);
    }
    return counts.refused;
}

Test(append, every_allocation_may_fail, .timeout = 120)
{
    bool has_failed = true;
    for (long nth = 1; has_failed; nth++) {
        cr_assert_lt(nth, 2000);
        s.arena.retain_pages = 0; /* so that each page asks the budget */
        budget_fail_nth(&s.budget, nth);
        uint64_t refused = scripted_run(T0);
        has_failed = atomic_load(&s.budget.fail_in) <= 0;
        budget_fail_nth(&s.budget, 0);
        cr_assert_leq(refused, has_failed ? 3 : 0, "failure %ld", nth);
        cr_assert_eq(test_stats(&s).refused_memory, refused);
        test_store_check(&s);
        cr_assert_eq(scripted_run(T0 + 14 * (int64_t)TEST_WINDOW_MS), 0, "failure %ld", nth);
        test_store_check(&s);
        tear_down();
        set_up();
    }
}

/* Each accepted sample is there and no other, whatever allocation failed; what was lost for want of
 * memory is what the counts say, and left nothing behind. */
Test(append, what_was_accepted_is_there_whatever_allocation_failed, .timeout = 120)
{
    enum { N = 400 };
    static struct sample accepted[2 * N];
    bool has_failed = true;
    for (long nth = 1; has_failed; nth += 1 + nth / 40) {
        size_t n = 0;
        cr_assert_lt(nth, 2000);
        s.arena.retain_pages = 0;
        budget_fail_nth(&s.budget, nth);
        for (int i = 0; i < N; i++) {
            struct sample in = {T0 + i * 90000, test_bits(i * 0.37 * (i % 50))};
            struct append_counts counts = {0};
            int err = test_append_counted(&s, "up", &in, 1, &counts);
            cr_assert_eq(err, counts.refused_memory > 0 ? ERR_NO_MEMORY : 0);
            if (err == 0)
                accepted[n++] = in;
            arena_trim(&s.arena);
        }
        has_failed = atomic_load(&s.budget.fail_in) <= 0;
        budget_fail_nth(&s.budget, 0);
        cr_assert_geq(n, N - 1);
        test_store_check(&s);
        expect_samples("up", accepted, n);
        tear_down(); /* proves that nothing stays taken */
        set_up();
    }
}

/* The only sample of a window finds no memory: nothing may say that its series is in it. */
Test(append, a_series_without_memory_is_no_member_of_the_window, .timeout = 120)
{
    bool has_failed = true;
    for (long nth = 1; has_failed; nth++) {
        struct append_counts counts = {0};
        struct sample next = {T0 + TEST_WINDOW_MS, 2};
        cr_assert_eq(test_append(&s, "up", T0, 1), 0);
        s.arena.retain_pages = 0;
        arena_trim(&s.arena);
        budget_fail_nth(&s.budget, nth);
        (void)test_append_counted(&s, "up", &next, 1, &counts);
        has_failed = atomic_load(&s.budget.fail_in) <= 0;
        budget_fail_nth(&s.budget, 0);
        cr_assert_eq(counts.refused_memory, has_failed);
        test_store_check(&s);
        tear_down();
        set_up();
    }
}

Test(append, an_exhausted_budget_refuses_and_recovers)
{
    char series[32];
    s.budget.limit_bytes = atomic_load(&s.budget.used_bytes) + 40 * ARENA_PAGE_BYTES;
    int err = 0;
    unsigned n = 0;
    for (; err == 0; n++) {
        snprintf(series, sizeof(series), "m{i=x%u}", n);
        err = test_append(&s, series, T0, n);
    }
    cr_assert_eq(err, ERR_NO_MEMORY);
    cr_assert_eq(test_stats(&s).series, n - 1, "the refused one left nothing");
    cr_assert_gt(test_stats(&s).refused_memory, 0);
    test_store_check(&s);
    s.budget.limit_bytes = TEST_LIMIT_BYTES;
    cr_assert_eq(test_select(&s, "m", INT64_MIN, INT64_MAX).n, n - 1);
    cr_assert_eq(test_append(&s, series, T0, 1), 0);
    cr_assert_eq(test_stats(&s).series, n);
}

/* ---- what is remembered of windows that have gone ---- */

enum { FULL_MIN = 96, FULL_MAX = 116 }; /* samples that fill one slot of the smallest class */

/* One call with samples of so many windows that the first is freed for the last, and its only page
 * used again at once. The timeline there must not be taken for the one that was there before: the
 * store's check compares the times of the block that was made. */
Test(append_windows, times_of_windows_that_have_gone_are_forgotten)
{
    static struct sample in[2 * FULL_MAX + WINDOW_SLOTS];
    for (size_t n_full = FULL_MIN; n_full < FULL_MAX; n_full += 2) {
        struct append_counts counts = {0};
        size_t n = 0;
        for (size_t i = 0; i <= WINDOW_SLOTS; i++) {
            int64_t from_ms = T0 + (int64_t)i * (TEST_WINDOW_MS + 20);
            size_t n_here = i % WINDOW_SLOTS == 0 ? n_full : 1;
            for (size_t k = 0; k < n_here; k++)
                in[n++] = (struct sample){from_ms + (int64_t)k * 1000, test_bits((double)(k * k))};
        }
        set_up();
        cr_assert_eq(test_append_counted(&s, "up", in, n, &counts), 0);
        tear_down();
    }
}

/* ---- many series in one call ---- */

enum { MANY = 1500 };

struct many {
    struct test_labels labels[MANY];
    struct sample samples[MANY];
    struct append_series series[MANY];
};

/* Series i: one of three has come before, one is twice in a row. */
static void make_many(struct many *m, int64_t t_ms)
{
    for (int i = 0; i < MANY; i++) {
        char text[64];
        snprintf(text, sizeof(text), "m%d{path=/%d}", i % 5, i % 3 == 1 ? i - 1 : i);
        m->samples[i] = (struct sample){t_ms, (uint64_t)i};
        m->series[i] = (struct append_series){.labels = *test_labels(&m->labels[i], text),
                                              .samples = &m->samples[i],
                                              .n_samples = 1,
                                              .err = 77};
    }
}

/* What append_many does is what append_samples does for one series after the other. */
Test(append, many_are_taken_as_one_after_the_other)
{
    static struct many m;
    struct test_store other;
    struct append_counts counts = {0}, expected = {0};
    struct append b;
    test_store_new(&other, NULL);
    for (int round = 0; round < 4; round++) {
        /* again the same, an hour and more back, and in a window that is not there yet */
        const int64_t at[] = {T0, T0, T0 - 2 * TEST_HOUR_MS, T0 + TEST_WINDOW_MS};
        int errs[MANY];
        make_many(&m, at[round]);
        append_begin(&b, other.db);
        for (int i = 0; i < MANY; i++)
            errs[i] = append_samples(&b, &m.series[i].labels, &m.samples[i], 1, &expected);
        append_end(&b);
        append_begin(&b, s.db);
        append_many(&b, m.series, MANY, &counts);
        append_end(&b);
        for (int i = 0; i < MANY; i++)
            cr_assert_eq(m.series[i].err, errs[i], "round %d, series %d", round, i);
        cr_assert_eq(memcmp(&counts, &expected, sizeof(counts)), 0);
        cr_assert_eq(test_stats(&s).series, test_stats(&other).series);
        test_store_check(&s);
    }
    cr_assert(counts.stored > MANY && counts.refused > 0 && counts.duplicate > 0);
    struct read_set one = test_select(&s, "m1", INT64_MIN, INT64_MAX);
    struct read_set two = test_select(&other, "m1", INT64_MIN, INT64_MAX);
    cr_assert_eq(one.n, two.n);
    for (size_t i = 0; i < one.n; i++) {
        cr_assert_eq(one.series[i].n, two.series[i].n);
        cr_assert_eq(memcmp(one.series[i].values, two.series[i].values,
                            one.series[i].n * sizeof(one.series[i].values[0])),
                     0);
    }
    test_store_free(&other);
}

Test(append, many_of_which_some_find_no_memory)
{
    static struct many m;
    bool has_failed = true;
    for (long nth = 1; has_failed; nth += 1 + nth / 10) {
        struct append_counts counts = {0};
        struct append b;
        uint64_t n_refused = 0;
        make_many(&m, T0);
        s.arena.retain_pages = 0;
        budget_fail_nth(&s.budget, nth);
        append_begin(&b, s.db);
        append_many(&b, m.series, MANY, &counts);
        append_end(&b);
        has_failed = atomic_load(&s.budget.fail_in) <= 0;
        budget_fail_nth(&s.budget, 0);
        for (int i = 0; i < MANY; i++)
            n_refused += m.series[i].err == ERR_NO_MEMORY;
        cr_assert_eq(counts.refused_memory, n_refused, "failure %ld", nth);
        test_store_check(&s);
        tear_down();
        set_up();
    }
}

/* What was looked up before may have gone with its window, and its slot may be another's. */
Test(append, many_among_which_windows_turn)
{
    enum { JUMPS = 3 * WINDOW_SLOTS };
    struct test_labels labels[3];
    static struct sample jumps[JUMPS];
    struct append_counts counts = {0};
    struct append b;
    cr_assert_eq(test_append(&s, "x{a=1}", T0, 1), 0);
    for (int i = 0; i < JUMPS; i++)
        jumps[i] = (struct sample){T0 + (i + 1) * 100 * (int64_t)TEST_WINDOW_MS, (uint64_t)i};
    struct sample last = {jumps[JUMPS - 1].t_ms + 1, 7};
    struct append_series series[] = {
        {.labels = *test_labels(&labels[0], "y{b=2}"), .samples = jumps, .n_samples = JUMPS},
        {.labels = *test_labels(&labels[1], "z{c=3}"), .samples = &last, .n_samples = 1},
        {.labels = *test_labels(&labels[2], "x{a=1}"), .samples = &last, .n_samples = 1},
    };
    append_begin(&b, s.db);
    append_many(&b, series, ARRAY_LEN(series), &counts);
    append_end(&b);
    cr_assert_eq(counts.stored, JUMPS + 2);
    cr_assert_geq(test_stats(&s).series_removed, 1);
    tsdb_tick(s.db);
    const char *const alone[] = {"z", "x"};
    for (size_t i = 0; i < ARRAY_LEN(alone); i++) {
        struct read_set set = test_select(&s, alone[i], INT64_MIN, INT64_MAX);
        cr_assert_eq(set.n, 1);
        cr_assert_eq(set.series[0].n, 1, "%s", alone[i]);
    }
    test_store_check(&s);
}
