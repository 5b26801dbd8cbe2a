/* The public door: results' shapes, limits, errors that are not the language's. */
#include "tests/unit/promql/test_query.h"
#include "tsdb/promql/query_limits.h"

#include <time.h>

static void load_some(struct test_query *t)
{
    test_query_init(t);
    test_load(t, "m{k=\"a\"}", 15000, "0+1x99");
    test_load(t, "m{k=\"b\"}", 15000, "5x99");
}

Test(promql, types_of_results)
{
    struct test_query t;
    load_some(&t);
    test_instant(&t, "1", 0);
    cr_assert_eq(t.result.type, PROMQL_SCALAR);
    test_instant(&t, "\"x\"", 0);
    cr_assert_eq(t.result.type, PROMQL_STRING);
    cr_assert_eq(t.result.string_t_ms, TEST_BASE_MS);
    test_instant(&t, "m", 0);
    cr_assert_eq(t.result.type, PROMQL_VECTOR);
    cr_assert_eq(t.result.n_series, 2);
    test_instant(&t, "m[1m]", 60);
    cr_assert_eq(t.result.type, PROMQL_MATRIX);
    test_range(&t, "1", 0, 30, 15);
    cr_assert_eq(t.result.type, PROMQL_MATRIX);
    cr_assert_eq(t.result.series[0].n_points, 3);
    test_range(&t, "m", 0, 37, 15);
    cr_assert_eq(t.result.type, PROMQL_MATRIX);
    cr_assert_eq(t.result.series[1].n_points, 3);
    cr_assert_str_eq(test_instant(&t, "nothing_here", 0), "");
    cr_assert_eq(t.result.n_series, 0);
    test_query_release(&t);
}

Test(promql, range_queries_refuse_strings_and_ranges)
{
    struct test_query t;
    load_some(&t);
    cr_assert_str_eq(test_range(&t, "\"x\"", 0, 1, 1),
                     "invalid expression type \"string\" for range query, must be Scalar or "
                     "instant Vector");
    cr_assert_eq(t.error.kind, PROMQL_ERR_BAD_DATA);
    cr_assert_str_eq(test_range(&t, "m[1m]", 0, 1, 1),
                     "invalid expression type \"range vector\" for range query, must be Scalar or "
                     "instant Vector");
    cr_assert_eq(t.error.kind, PROMQL_ERR_BAD_DATA);
    test_query_release(&t);
}

/* The bits of a plain selector's values are those that were stored. */
Test(promql, payloads_of_nan_survive)
{
    static const uint64_t patterns[] = {UINT64_C(0x7ff0000000000001), UINT64_C(0x7ff8dead0000beef),
                                        UINT64_C(0xfff0000000000002), UINT64_C(0x8000000000000000)};
    struct test_query t;
    test_query_init(&t);
    struct label name = {"x", "1", 1, 1};
    struct label items[2] = {{"__name__", "bits", 8, 4}, name};
    struct labels labels = {items, 2};
    struct append batch;
    struct append_counts counts = {0};
    append_begin(&batch, t.db);
    for (size_t i = 0; i < ARRAY_LEN(patterns); i++) {
        struct sample s = {TEST_BASE_MS + (int64_t)i * 1000, patterns[i]};
        cr_assert_eq(append_samples(&batch, &labels, &s, 1, &counts), 0);
    }
    append_end(&batch);
    test_instant(&t, "bits[10s]", 5);
    cr_assert_eq(t.result.series[0].n_points, ARRAY_LEN(patterns));
    for (size_t i = 0; i < ARRAY_LEN(patterns); i++) {
        uint64_t bits;
        memcpy(&bits, &t.result.series[0].points[i].v, sizeof(bits));
        cr_assert_eq(bits, patterns[i]);
        test_instant(&t, "bits", (double)i);
        memcpy(&bits, &t.result.series[0].points[0].v, sizeof(bits));
        cr_assert_eq(bits, patterns[i]);
        test_instant(&t, "bits[10s]", 5);
    }
    test_query_release(&t);
}

Test(promql, samples_are_limited)
{
    static const char too_many[] =
        "query processing would load too many samples into memory in query execution";
    struct test_query t;
    load_some(&t);
    t.options.max_samples = 3; /* two that go in and the one that comes out */
    cr_assert_str_eq(test_instant(&t, "sum(m)", 60), "{} 9");
    t.options.max_samples = 2;
    cr_assert_str_eq(test_instant(&t, "sum(m)", 60), too_many);
    cr_assert_eq(t.error.kind, PROMQL_ERR_EXECUTION);
    t.options.max_samples = 4;
    cr_assert_str_eq(test_instant(&t, "count_over_time(m{k=\"a\"}[1m])", 60), "{k=\"a\"} 4");
    t.options.max_samples = 3;
    cr_assert_str_eq(test_instant(&t, "count_over_time(m{k=\"a\"}[1m])", 60), too_many);
    cr_assert_str_eq(test_instant(&t, "m{k=\"a\"}[1m]", 60), too_many);
    test_query_release(&t);
}

Test(promql, a_canceled_query_stops)
{
    struct test_query t;
    load_some(&t);
    atomic_bool cancel = true;
    t.options.cancel = &cancel;
    cr_assert_str_eq(test_instant(&t, "sum(m)", 60), "query was canceled in expression evaluation");
    cr_assert_eq(t.error.kind, PROMQL_ERR_CANCELED);
    atomic_store(&cancel, false);
    cr_assert_str_eq(test_instant(&t, "sum(m)", 60), "{} 9");
    test_query_release(&t);
}

Test(promql, a_query_past_its_deadline_stops)
{
    struct test_query t;
    load_some(&t);
    t.options.deadline_boot_ms = 1;
    cr_assert_str_eq(test_instant(&t, "sum(m)", 60), "query timed out in expression evaluation");
    cr_assert_eq(t.error.kind, PROMQL_ERR_TIMEOUT);
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    t.options.deadline_boot_ms = (int64_t)now.tv_sec * 1000 + 600000;
    cr_assert_str_eq(test_instant(&t, "sum(m)", 60), "{} 9");
    test_query_release(&t);
}

/* The points of a matrix, taken as columns in whatever pieces, are those that are given otherwise.
 */
Test(promql, points_of_columns)
{
    static const char *const queries[] = {"m", "m > 3", "sum(m)", "time()", "nothing"};
    static struct promql_point got[4000];
    struct test_query t;
    test_query_init(&t);
    test_load(&t, "m{k=\"a\"}", 15000, "1 2 stale _ _ 5+1x90 stale _x30 7");
    test_load(&t, "m{k=\"b\"}", 15000, "_x100 1");
    for (size_t q = 0; q < ARRAY_LEN(queries); q++) {
        for (size_t piece = 1; piece < 140; piece += piece < 8 ? 1 : 23) {
            struct region points = {0};
            test_range(&t, queries[q], 0, 2000, 1.5);
            const struct promql_result want = t.result;
            points = t.region; /* keeps them over the next query */
            region_init(&t.region, &t.arena, t.owner, 0);
            t.options.takes_columns = true;
            struct promql_query *parsed = test_parse(&t, queries[q]);
            cr_assert_eq(promql_range(parsed, t.db, TEST_BASE_MS, TEST_BASE_MS + 2000000, 1500,
                                      &t.options, &t.region, &t.result, &t.error),
                         0);
            promql_release(parsed);
            t.options.takes_columns = false;
            cr_assert_eq(t.result.n_series, want.n_series);
            for (size_t i = 0; i < want.n_series; i++) {
                const struct promql_series *s = &t.result.series[i], *w = &want.series[i];
                size_t at = 0, n = 0, more;
                cr_assert_eq(labels_compare(&s->labels, &w->labels), 0);
                while ((more = promql_points(&t.result, s, &at, got + n, piece)) > 0)
                    n += more;
                cr_assert_eq(n, w->n_points);
                cr_assert_eq(s->n_points, n);
                cr_assert_arr_eq(got, w->points, n * sizeof(*got));
            }
            region_release(&points);
        }
    }
    test_query_release(&t);
}

/* Fails each allocation of the query in turn; the answer is then an error. How often it was one. */
static size_t fail_each(struct test_query *t, const char *query)
{
    size_t n_failed = 0;
    budget_fail_nth(&t->budget, 0);
    test_range(t, query, 0, 1400, 0.5);
    cr_assert_eq(t->error.kind, PROMQL_ERR_NONE, "%s: %s", query, t->error.text);
    for (long nth = 1; nth < 30; nth++) {
        budget_fail_nth(&t->budget, nth);
        test_range(t, query, 0, 1400, 0.5);
        if (t->error.kind == PROMQL_ERR_NONE)
            continue;
        n_failed++;
        cr_assert_eq(t->error.kind, PROMQL_ERR_EXECUTION);
        cr_assert_str_eq(t->error.text, "query needs more memory than is left for queries, the "
                                        "limit is --query.max-memory");
    }
    return n_failed;
}

/* Every allocation of a query may fail, and the next query works. */
Test(promql, running_out_of_memory_is_an_error)
{
    static const char *const queries[] = {
        "sum by (k) (rate(m[5m])) / on(k) group_left max_over_time(m[5m:15s])",
        "m + fill(1) nothing",
        "sum without (k) (2 * m) + sum(rate(m[5m]) > 0)",
        "info(m, {__name__=\"m\", k=\"a\"}) or info(m, {__name__!=\"x\"})",
        "limitk(2, m) or limit_ratio(0.5, m)",
        "increase(m[step() * 20] smoothed) or changes(m[5m] anchored) or m smoothed",
        "histogram_quantiles(label_replace(m, \"le\", \"+Inf\", \"\", \"\"), \"q\", 0.5, 1)",
        "histogram_fraction(0, 1, label_replace(m, \"le\", \"+Inf\", \"\", \"\"))",
        "mad_over_time(m[5m]) + sort_by_label(m, \"k\") + start()",
    };
    struct test_query t;
    load_some(&t);
    t.features = PROMQL_FEATURES_ALL;
    t.arena.retain_span_bytes = 0; /* so that each span asks the budget */
    arena_trim(&t.arena);
    for (size_t i = 0; i < ARRAY_LEN(queries); i++)
        cr_assert_gt(fail_each(&t, queries[i]), 0, "%s", queries[i]);
    budget_fail_nth(&t.budget, 0);
    test_query_release(&t);
}

Test(promql, too_many_steps_of_a_subquery_are_refused_not_attempted)
{
    struct test_query t;
    load_some(&t);
    test_instant(&t, "max_over_time(m[100y:1ms])", 60);
    cr_assert_eq(t.error.kind, PROMQL_ERR_EXECUTION);
    test_query_release(&t);
}

Test(promql, annotations_are_limited)
{
    struct test_query t;
    test_query_init(&t);
    for (int i = 0; i <= ANNOTATIONS_MAX; i++) {
        char series[64];
        snprintf(series, sizeof(series), "g%d{i=\"%d\"}", i, i);
        test_load(&t, series, 15000, "1 2 3");
    }
    test_instant(&t, "rate({__name__=~\"g.\"}[1m])", 30);
    cr_assert_eq(t.result.n_infos, ANNOTATIONS_MAX);
    cr_assert_str_eq(t.result.infos[0],
                     "PromQL info: metric might not be a counter, name does not end in "
                     "_total/_sum/_count/_bucket: \"g0\" (1:6)");
    test_instant(&t, "rate({__name__=~\"g.*\"}[1m]) + rate(g1[1m])", 30);
    cr_assert_eq(t.result.n_infos, ANNOTATIONS_MAX + 1);
    cr_assert_str_eq(t.result.infos[ANNOTATIONS_MAX], "1 more info annotations omitted");
    cr_assert_eq(t.result.n_warnings, 0);
    test_query_release(&t);
}

Test(promql, a_query_can_be_evaluated_again)
{
    struct test_query t;
    load_some(&t);
    struct promql_query *q = test_parse(&t, "m{k=~\"a|b\"} offset 15s");
    for (int i = 1; i < 4; i++) {
        cr_assert_eq(promql_instant(q, t.db, TEST_BASE_MS + i * 15000, &t.options, &t.region,
                                    &t.result, &t.error),
                     0);
        cr_assert_eq(t.result.n_series, 2);
        cr_assert_eq(t.result.series[0].points[0].v, i - 1);
    }
    promql_release(q);
    promql_release(NULL);
    test_query_release(&t);
}

/* --- match[] and durations ---------------------------------------------------------------------
 */

Test(promql, bare_selectors)
{
    static const struct {
        const char *text, *error;
        size_t n;
    } cases[] = {
        {"up", NULL, 1},
        {"up{a=\"b\",c=~\"d\"}", NULL, 3},
        {"{a!=\"b\"}", NULL, 1},
        {"{}", NULL, 0},
        {"{\"a b\"}", NULL, 1},
        {" sum{by=\"x\"} # note", NULL, 2},
        {"up[5m]", "1:3: parse error: unexpected \"[\"", 0},
        {"up offset 5m", "1:4: parse error: unexpected <offset>", 0},
        {"up + 1", "1:4: parse error: unexpected <op:+>", 0},
        {"1", "1:1: parse error: unexpected number \"1\"", 0},
        {"", "1:1: parse error: unexpected end of input", 0},
        {"up{", "1:4: parse error: unexpected end of input inside braces", 0},
        {"up{a=~\"(\"}", "1:4: parse error: error parsing regexp: missing closing ): `(`", 0},
    };
    struct test_query t;
    test_query_init(&t);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct matcher_set set = {0};
        int err =
            promql_parse_selector(cases[i].text, strlen(cases[i].text), &t.region, &set, &t.error);
        cr_assert_eq(err != 0, cases[i].error != NULL, "%s", cases[i].text);
        if (cases[i].error)
            cr_assert_str_eq(t.error.text, cases[i].error, "%s: %s", cases[i].text, t.error.text);
        else
            cr_assert_eq(set.n, cases[i].n);
        matcher_set_release(&set);
    }
    test_query_release(&t);
}

Test(promql, durations)
{
    static const struct {
        const char *text;
        int64_t ms; /* < 0: refused */
    } cases[] = {{"5m", 300000},
                 {"0", 0},
                 {"0s", 0},
                 {"1h30m", 5400000},
                 {"1y2w3d4h5m6s7ms", INT64_C(33019506007)},
                 {"292y", INT64_C(9208512000000)},
                 {"293y", -1},
                 {"1d1w", -1},
                 {"5", -1},
                 {"", -1},
                 {"m", -1},
                 {"-5m", -1},
                 {"5 m", -1},
                 {"1.5h", -1},
                 {"5m5m", -1},
                 {"99999999999999999999s", -1}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t ms = -1;
        bool is_good = promql_parse_duration(cases[i].text, strlen(cases[i].text), &ms);
        cr_assert_eq(is_good, cases[i].ms >= 0, "%s", cases[i].text);
        cr_assert_eq(ms, cases[i].ms, "%s", cases[i].text);
    }
}
