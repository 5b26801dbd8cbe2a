/* Deleting from a store: who is selected, which times, what is left of series, windows and
 * indexes, and what is taken afterwards. */
#include "tests/unit/tsdb/test_copy.h"
#include "tsdb/delete.h"

static struct test_store s;
static const int64_t T0 = TEST_START_MS;

static void set_up(void)
{
    test_store_new(&s, NULL);
}

static void tear_down(void)
{
    test_store_free(&s);
}

TestSuite(delete, .init = set_up, .fini = tear_down);

static struct delete_report report; /* of the last deletion */

static int delete_of(const struct test_matchers *m, int64_t min_ms, int64_t max_ms)
{
    const struct delete_options o = {.min_ms = min_ms, .max_ms = max_ms};
    memset(&report, 0, sizeof(report));
    int err = delete_select(s.db, &m->set, 1, &o, &s.region, &report);
    region_release(&s.region);
    test_store_check(&s);
    return err;
}

/* Of a metric, NULL = of all. */
static void delete_metric(const char *metric, int64_t min_ms, int64_t max_ms)
{
    struct test_matchers m = {0};
    if (metric != NULL)
        test_matcher_add(&m, MATCH_EQUAL, LABEL_METRIC_NAME, metric);
    cr_assert_eq(delete_of(&m, min_ms, max_ms), 0);
    matcher_set_release(&m.set);
}

static void delete_all(const char *metric)
{
    delete_metric(metric, INT64_MIN, INT64_MAX);
}

static void append_row(const char *series, int64_t from_ms, uint32_t n, int64_t step_ms)
{
    for (uint32_t i = 0; i < n; i++)
        cr_assert_eq(test_append(&s, series, from_ms + i * step_ms, i % 7), 0);
}

static size_t count(const char *metric, int64_t min_ms, int64_t max_ms)
{
    struct read_set set = test_select(&s, metric, min_ms, max_ms);
    size_t n = 0;
    for (size_t i = 0; i < set.n; i++)
        n += set.series[i].n;
    region_release(&s.region);
    return n;
}

static size_t count_all(const char *metric)
{
    return count(metric, INT64_MIN, INT64_MAX);
}

/* ---- what goes ---- */

Test(delete, series_that_match_and_no_others)
{
    append_row("up{job=a,i=x1}", T0, 300, 15000);
    append_row("up{job=a,i=x2}", T0, 10, 15000);
    append_row("up{job=b,i=x1}", T0, 300, 15000);
    append_row("load{job=a}", T0, 300, 15000);
    struct test_matchers m = {0};
    test_matcher_add(&m, MATCH_EQUAL, LABEL_METRIC_NAME, "up");
    test_matcher_add(&m, MATCH_REGEX, "job", "a|c");
    cr_assert_eq(delete_of(&m, INT64_MIN, INT64_MAX), 0);
    matcher_set_release(&m.set);
    cr_assert_eq(report.samples, 310);
    cr_assert_eq(report.series, 2);
    cr_assert_eq(report.chunks, 2);
    cr_assert_eq(count_all("up"), 300);
    cr_assert_eq(count_all("load"), 300);
    struct tsdb_stats stats = test_stats(&s);
    cr_assert_eq(stats.samples, 600);
    cr_assert_eq(stats.samples_deleted, 310);
    cr_assert_eq(stats.series, 2);
    cr_assert_eq(stats.series_removed, 2);
    cr_assert_eq(stats.chunks_removed, 2);
    cr_assert_eq(stats.windows[0].series, 2);
}

Test(delete, a_series_without_samples_leaves_all_indexes)
{
    struct read_options o = {.min_ms = INT64_MIN, .max_ms = INT64_MAX};
    struct read_text *texts;
    size_t n;
    append_row("up{job=a,only=here}", T0, 100, 15000);
    append_row("up{job=b}", T0, 100, 15000);
    uint32_t newest = (uint32_t)s.db->series.next_id;
    delete_metric("up", T0, T0 + 98 * 15000);
    cr_assert_eq(report.series, 0);
    struct test_matchers m = {0};
    test_matcher_add(&m, MATCH_EQUAL, "job", "a");
    cr_assert_eq(delete_of(&m, INT64_MIN, INT64_MAX), 0);
    matcher_set_release(&m.set);
    cr_assert_eq(report.samples, 1);
    cr_assert_eq(report.series, 1);
    cr_assert_eq(read_label_names(s.db, NULL, 0, &o, &s.region, &texts, &n), 0);
    cr_assert_eq(n, 2, "__name__ and job");
    cr_assert_eq(read_label_values(s.db, "job", 3, NULL, 0, &o, &s.region, &texts, &n), 0);
    cr_assert_eq(n, 1);
    cr_assert_eq(test_stats(&s).pairs, 2);
    cr_assert_eq(test_append(&s, "up{job=a,only=here}", T0, 1), 0);
    cr_assert_eq(s.db->series.next_id, newest + 1, "it comes back with another id");
}

Test(delete, times_are_inclusive_at_both_ends)
{
    append_row("up", T0, 1000, 1000);
    delete_metric("up", T0 + 100000, T0 + 199000);
    cr_assert_eq(report.samples, 100);
    cr_assert_eq(count("up", T0 + 99000, T0 + 200000), 2);
    delete_metric("up", T0 + 99001, T0 + 199999);
    cr_assert_eq(report.samples, 0);
    delete_metric("up", T0 + 99000, T0 + 99000);
    cr_assert_eq(report.samples, 1);
    delete_metric("up", T0 + 500000, T0 + 400000);
    cr_assert_eq(report.samples, 0, "from behind to");
    delete_metric("up", INT64_MAX, INT64_MIN);
    cr_assert_eq(report.samples, 0);
    cr_assert_eq(count_all("up"), 899);
    for (int i = 0; i < 100; i++) /* a run, which is cut by places */
        cr_assert_eq(test_append(&s, "run", T0 + i * 1000, 1), 0);
    delete_metric("run", T0 + 50000, T0 + 40000);
    cr_assert_eq(report.samples, 0);
}

Test(delete, over_several_windows)
{
    enum { STEP = 60000 };
    uint32_t per_window = TEST_WINDOW_MS / STEP;
    for (int i = 0; i < 3; i++)
        append_row(i == 0 ? "a" : i == 1 ? "b{x=y}" : "b{x=z}", T0, 5 * per_window, STEP);
    delete_metric("b", T0 + TEST_WINDOW_MS / 2, T0 + 3 * TEST_WINDOW_MS + TEST_WINDOW_MS / 2 - 1);
    cr_assert_eq(report.samples, 2 * 3 * per_window);
    cr_assert_eq(report.chunks, 2 * 2);
    cr_assert_eq(count_all("b"), 2 * 2 * per_window);
    cr_assert_eq(count_all("a"), 5 * per_window);
    delete_metric("b", T0 + 3 * TEST_WINDOW_MS, INT64_MAX); /* the newest two */
    cr_assert_eq(count_all("b"), per_window);
    cr_assert_eq(test_append(&s, "b{x=y}", T0 + 5 * TEST_WINDOW_MS, 1), 0);
    cr_assert_eq(test_append(&s, "b{x=y}", T0 + 5 * TEST_WINDOW_MS - 1, 1), 0);
    test_store_check(&s);
    cr_assert_eq(count_all("b"), per_window + 2);
    /* and what is left goes with its window */
    append_row("a", T0 + 8 * (int64_t)TEST_WINDOW_MS, 2, STEP);
    tsdb_tick(s.db);
    test_store_check(&s);
    cr_assert_eq(count_all("b"), 2);
    append_row("a", T0 + 13 * (int64_t)TEST_WINDOW_MS, 2, STEP);
    tsdb_tick(s.db);
    test_store_check(&s);
    cr_assert_eq(count_all("b"), 0);
    cr_assert_eq(test_stats(&s).series, 1);
}

Test(delete, at_the_ends_of_time)
{
    append_row("low", INT64_MIN, 10, 1);
    delete_metric("low", INT64_MIN, INT64_MIN + 4);
    cr_assert_eq(report.samples, 5);
    delete_all("low");
    cr_assert_eq(report.samples, 5);
    append_row("high", INT64_MAX - 9, 10, 1);
    delete_metric("high", INT64_MAX, INT64_MAX);
    cr_assert_eq(report.samples, 1);
    delete_all("high");
    cr_assert_eq(test_stats(&s).series, 0);
}

/* A union in which one set has what another one takes. */
Test(delete, one_set_after_the_other)
{
    struct test_matchers m[3] = {{.set = {0}}};
    struct matcher_set sets[3];
    static const char *const metrics[] = {"a", "a", "b"};
    const struct delete_options o = {.min_ms = T0 + 15000, .max_ms = INT64_MAX};
    append_row("a", T0, 3, 15000);
    append_row("b", T0, 3, 15000);
    append_row("c", T0, 3, 15000);
    memset(&report, 0, sizeof(report));
    for (size_t i = 0; i < ARRAY_LEN(m); i++) {
        test_matcher_add(&m[i], MATCH_EQUAL, LABEL_METRIC_NAME, metrics[i]);
        sets[i] = m[i].set;
    }
    cr_assert_eq(delete_select(s.db, sets, 0, &o, &s.region, &report), 0);
    cr_assert_eq(report.samples, 0);
    cr_assert_eq(delete_select(s.db, sets, 3, &o, &s.region, &report), 0);
    cr_assert_eq(report.samples, 4);
    cr_assert_eq(count_all(NULL), 5);
}

Test(delete, everything_and_in_more_than_one_slice)
{
    enum { N = 3 * DELETE_SLICE_SERIES + 7 };
    char name[40];
    for (unsigned i = 0; i < N; i++) {
        snprintf(name, sizeof(name), "m{i=x%u}", i);
        append_row(name, T0 + i, 3, 15000);
    }
    delete_all(NULL);
    cr_assert_eq(report.samples, 3 * N);
    cr_assert_eq(report.series, N);
    struct tsdb_stats stats = test_stats(&s);
    cr_assert_eq(stats.series + stats.samples + stats.chunks + stats.pairs + stats.symbols, 0);
    cr_assert_gt(stats.min_ms, stats.max_ms, "there is nothing between them");
    append_row("again", T0 + 5, 1, 1);
    stats = test_stats(&s);
    cr_assert_eq(stats.min_ms, T0 + 5);
    cr_assert_eq(stats.max_ms, T0 + 5);
}

/* Between two slices the series is left where it is. */
Test(delete, a_series_that_is_too_long_for_a_slice)
{
    struct random r;
    enum { N = 60000 };
    random_init(&r, random_seed());
    for (unsigned i = 0; i < N; i++) {
        cr_assert_eq(test_append_bits(&s, "long", T0 + i * 200, random_next(&r)), 0);
        cr_assert_eq(test_append_bits(&s, "longer", T0 + i * 200, random_next(&r)), 0);
    }
    uint32_t n_used = 0;
    for (unsigned c = 0; c < SIZE_CLASSES; c++)
        n_used += test_stats(&s).windows[0].classes[c].used;
    cr_assert_gt(n_used, CHANGE_SLOTS_MAX / 2);
    delete_metric("longer", T0 + 10 * 200, INT64_MAX);
    cr_assert_eq(report.samples, N - 10);
    delete_all(NULL);
    cr_assert_eq(report.samples, N + 10);
    cr_assert_eq(report.series, 2);
}

/* ---- what is taken afterwards ---- */

Test(delete, a_deleted_time_is_as_if_nothing_had_been_there)
{
    append_row("up", T0, 600, 15000); /* 2.5 hours */
    int64_t last = T0 + 599 * 15000;
    delete_metric("up", T0 + 100 * 15000, T0 + 199 * 15000);
    cr_assert_eq(test_append(&s, "up", T0 + 199 * 15000, 99), ERR_OUT_OF_ORDER,
                 "too late for the series as before");
    delete_metric("up", last - 50 * 15000, last);
    cr_assert_eq(test_append(&s, "up", last - 10 * 15000, 5), 0, "another value than was there");
    cr_assert_eq(test_append(&s, "up", last - 10 * 15000, 6), ERR_DUPLICATE);
    cr_assert_eq(test_append(&s, "up", last - 20 * 15000, 5), 0, "late");
    cr_assert_eq(test_append(&s, "up", last, 5), 0);
    cr_assert_eq(count("up", last - 50 * 15000, last), 3);
}

Test(delete, newest_is_what_is_left)
{
    append_row("up", T0, 2, TEST_HOUR_MS);
    append_row("up", T0 + TEST_WINDOW_MS, 2, TEST_HOUR_MS);
    append_row("up", T0 + 2 * TEST_WINDOW_MS, 1, 1);
    cr_assert_eq(test_append(&s, "up", T0 + 1, 1), ERR_OUT_OF_ORDER);
    delete_metric("up", T0 + TEST_WINDOW_MS, INT64_MAX); /* an hour behind T0 is left */
    struct append_counts counts = {0};
    struct sample edge = {T0 + 1, 1};
    cr_assert_eq(test_append_counted(&s, "up", &edge, 1, &counts), 0, "within the hour");
    delete_metric("up", T0 + 1, INT64_MAX);
    cr_assert_eq(test_append(&s, "up", T0 - 1, 1), 0, "the window before");
    cr_assert_eq(test_append(&s, "up", T0 - TEST_HOUR_MS, 1), 0);
    cr_assert_eq(test_append(&s, "up", T0 - TEST_HOUR_MS - 1, 1), ERR_OUT_OF_ORDER);
    delete_all("up");
    cr_assert_eq(test_append(&s, "up", T0 - 2 * TEST_HOUR_MS, 1), 0, "any time, as a new one");
    cr_assert_eq(tsdb_now_ms(s.db), T0 + 2 * TEST_WINDOW_MS, "time does not go back");
    test_store_check(&s);
}

/* A constant in a window that has ended gets a head when it is cut, and loses it to the tick. */
Test(delete, a_silent_series_that_is_cut_is_sealed_again)
{
    for (int i = 0; i < 200; i++)
        cr_assert_eq(test_append(&s, "up", T0 + i * 15000, 1), 0);
    append_row("clock", T0 + 2 * TEST_WINDOW_MS, 1, 1);
    tsdb_tick(s.db);
    delete_metric("up", T0 + 50 * 15000, T0 + 60 * 15000);
    cr_assert_gt(test_stats(&s).open.used, 0);
    tsdb_tick(s.db);
    cr_assert_eq(test_stats(&s).open.used, 0, "constants have none");
    cr_assert_eq(count_all("up"), 189);
}

Test(delete, windows_know_that_they_have_changed)
{
    append_row("up", T0, 10, 15000);
    append_row("up", T0 + TEST_WINDOW_MS, 10, 15000);
    const struct window *w = window_live(&s.db->windows, 0), *v = window_live(&s.db->windows, 1);
    uint64_t before = w->n_changes, other = v->n_changes;
    delete_metric("up", T0 + 1, T0 + 2);
    cr_assert_eq(w->n_changes, before, "nothing was deleted");
    delete_metric("up", T0, T0 + 2);
    cr_assert_gt(w->n_changes, before);
    cr_assert_eq(v->n_changes, other);
    before = w->n_changes;
    cr_assert_eq(test_append(&s, "new", T0, 1), 0);
    cr_assert_gt(w->n_changes, before);
    cr_assert_eq(v->n_changes, other);
}

/* ---- beside others ---- */

Test(delete, who_is_inside_keeps_what_he_saw)
{
    static struct times_item items[TIMES_CACHE_READER];
    static int64_t t_ms[1000];
    static uint64_t values[1000];
    struct times_cache times;
    struct chunk_view v;
    append_row("up", T0, 700, 15000);
    unsigned place = slots_enter(&s.db->slots);
    const struct series *series = series_at(&s.arena, series_of_id(&s.arena, &s.db->series, 1));
    uint32_t serial = window_live(&s.db->windows, 0)->serial;
    cr_assert(series_view(&s.arena, series, serial, &v));
    const struct delete_options o = {.min_ms = INT64_MIN, .max_ms = INT64_MAX};
    const struct matcher_set everything = {0};
    memset(&report, 0, sizeof(report));
    cr_assert_eq(delete_select(s.db, &everything, 1, &o, &s.region, &report), 0);
    cr_assert_eq(report.series, 1);
    times_cache_init(&times, items, TIMES_CACHE_READER);
    cr_assert_eq(chunk_read(&s.arena, &times, &v, 0, UINT32_MAX, T0, t_ms, values), 700);
    for (uint32_t i = 0; i < 700; i++)
        cr_assert(t_ms[i] == T0 + i * 15000 && values[i] == test_bits(i % 7));
    cr_assert_not(series_view(&s.arena, series, serial, &v));
    slots_leave(&s.db->slots, place);
}

Test(delete, canceled_before_a_slice)
{
    atomic_bool cancel = true;
    const struct delete_options o = {.min_ms = INT64_MIN, .max_ms = INT64_MAX, .cancel = &cancel};
    const struct matcher_set everything = {0};
    append_row("up", T0, 10, 15000);
    memset(&report, 0, sizeof(report));
    cr_assert_eq(delete_select(s.db, &everything, 1, &o, &s.region, &report), ERR_CANCELED);
    cr_assert_eq(report.samples, 0);
    cr_assert_eq(count_all("up"), 10);
}

Test(delete, a_copy_has_what_is_left)
{
    static struct test_copy c;
    static struct test_store copy;
    struct random r;
    char name[40];
    random_init(&r, random_seed());
    for (unsigned i = 0; i < 60; i++) {
        snprintf(name, sizeof(name), "m{i=x%u}", i);
        for (unsigned k = 0; k < 900; k++)
            cr_assert_eq(test_append(&s, name, T0 + k * 30000,
                                     i % 3 == 0 ? 5 : (double)random_below(&r, 1000)),
                         0);
    }
    for (unsigned i = 0; i < 100; i++) {
        struct test_matchers m = {0};
        int64_t from = T0 + (int64_t)random_below(&r, 900 * 30000);
        snprintf(name, sizeof(name), "x.?%u", (unsigned)random_below(&r, 10));
        test_matcher_add(&m, MATCH_REGEX, "i", name);
        cr_assert_eq(delete_of(&m, from, from + (int64_t)random_below(&r, 60 * 30000)), 0);
        matcher_set_release(&m.set);
    }
    test_store_new(&copy, tsdb_options(s.db));
    test_copy_begin(&c, s.db, copy.db, 50);
    test_copy_windows(&c, test_copy_labels(&c), NULL, NULL);
    test_same_samples(&s, &copy);
    test_store_free(&copy);
}

/* ---- without memory ---- */

Test(delete, the_region_is_too_small)
{
    const struct delete_options o = {.min_ms = INT64_MIN, .max_ms = INT64_MAX};
    const struct matcher_set everything = {0};
    struct region small;
    append_row("up", T0, 10, 15000);
    region_init(&small, &s.arena, budget_owner(&s.budget, "queries"), 1);
    memset(&report, 0, sizeof(report));
    cr_assert_eq(delete_select(s.db, &everything, 1, &o, &small, &report), ERR_NO_MEMORY);
    cr_assert_eq(report.samples, 0);
    region_release(&small);
}

/* One page more each time: what was deleted stays deleted, and is what the report says. */
Test(delete, with_every_number_of_pages)
{
    enum { SERIES = 300, SAMPLES = 600, STEP = 40000 };
    char name[40];
    for (unsigned i = 0; i < SERIES; i++) {
        snprintf(name, sizeof(name), "m{i=x%u}", i);
        for (unsigned k = 0; k < SAMPLES; k++)
            cr_assert_eq(test_append(&s, name, T0 + k * (int64_t)STEP + i, (double)(k * i % 97)),
                         0);
    }
    struct test_matchers m = {0};
    test_matcher_add(&m, MATCH_EQUAL, LABEL_METRIC_NAME, "m");
    const struct delete_options o = {.min_ms = T0 + 100 * (int64_t)STEP,
                                     .max_ms = T0 + 500 * (int64_t)STEP};
    uint64_t n = SERIES * SAMPLES, n_errors = 0;
    int err = ERR_NO_MEMORY;
    struct region r; /* has what it needs before memory is short */
    region_init(&r, &s.arena, budget_owner(&s.budget, "queries"), 0);
    struct region_mark mark = region_mark(&r);
    cr_assert_not_null(region_alloc(&r, 1 << 16));
    region_rewind(&r, mark);
    for (uint64_t pages = 0; err != 0; pages++) {
        arena_trim(&s.arena);
        s.budget.limit_bytes = atomic_load(&s.budget.used_bytes) + pages * ARENA_PAGE_BYTES;
        memset(&report, 0, sizeof(report));
        err = delete_select(s.db, &m.set, 1, &o, &r, &report);
        s.budget.limit_bytes = TEST_LIMIT_BYTES;
        cr_assert(err == 0 || err == ERR_NO_MEMORY);
        n_errors += err != 0;
        n -= report.samples;
        cr_assert_eq(test_stats(&s).samples, n);
        cr_assert_eq(count_all("m"), n);
        test_store_check(&s);
    }
    cr_assert_gt(n_errors, 1);
    cr_assert_eq(count("m", o.min_ms, o.max_ms), 0);
    region_release(&r);
    matcher_set_release(&m.set);
}
