/* Aggregations of series that come one at a time: the same answers, errors and counts as of a whole
 * vector, in the memory of the groups. */
#include "tests/unit/promql/test_query.h"

static const struct test_series loads[] = {
    {"a_total{i=\"1\",k=\"x\"}", 15000, "0+1x20"},
    {"a_total{i=\"2\",k=\"x\"}", 15000, "0+3x20"},
    {"a_total{i=\"3\",k=\"y\"}", 15000, "5x3 _ _ stale 5x3"},
    {"b_total{i=\"4\",k=\"y\"}", 15000, "0+2x20"},
    {"c{i=\"1\",k=\"x\"}", 15000, "0+15x20"},
    {"d{__type__=\"gauge\",i=\"1\"}", 15000, "1x20"},
    {"d{i=\"1\"}", 15000, "2x20"},
    {"e{z=\"1\"}", 15000, "1 2 stale"},
    {"f{z=\"1\"}", 15000, "_x3 3 4"},
};

static const char *const same = "vector cannot contain metrics with the same labelset";

static const struct test_case cases[] = {
    {"sum(rate({__name__=~\"[ab]_total\",k=\"x\"}[1m]))", 120, 0, 0, "{} 0.2666666666666666"},
    {"sum by (k) (increase({__name__=~\"[ab]_total\"}[1m]))", 120, 180, 30,
     "{k=\"x\"} 16@120 16@150 16@180; {k=\"y\"} 8@120 8@150 8@180"},
    {"sum by (__name__) (increase({__name__=~\"[ab]_total\"}[1m]))", 120, 0, 0, "{} 24"},
    {"sum by (__name__) (last_over_time({i=\"1\"}[1m]))", 60, 0, 0,
     "{__name__=\"a_total\"} 4; {__name__=\"c\"} 60; {__name__=\"d\"} 3"},
    {"count without (i) (((last_over_time(({__name__=~\"a.*\"}[1m])))))", 120, 0, 0,
     "{k=\"x\"} 2; {k=\"y\"} 1"},
    {"max(max_over_time(c[30s:15s]))", 60, 0, 0, "{} 60"},
    {"sum(sum_over_time((c > 0)[30s:15s])) + sum(max_over_time(sum(c)[30s:15s]))", 60, 0, 0,
     "{} 165"},
    {"sum(quantile_over_time(scalar(max(d)) - 1, c[1m]))", 60, 0, 0, "{} 60"},
    {"sum(predict_linear(c[1m], scalar(sum(d{__type__=\"gauge\"}))))", 60, 0, 0, "{} 61"},
    {"sum(timestamp(c)) - 1700000000", 60, 0, 0, "{} 100"},
    {"sum(abs(c))", 60, 0, 0, "{} 60"},
    {"sum by (k) (8 * {__name__=~\"[ab]_total\"})", 30, 60, 30,
     "{k=\"x\"} 64@30 128@60; {k=\"y\"} 72@30 104@60"},
    {"sum by (k) (a_total * 8)", 30, 60, 30, "{k=\"x\"} 64@30 128@60; {k=\"y\"} 40@30 40@60"},
    {"sum by (__name__) (a_total * 8)", 30, 60, 30, "{} 104@30 168@60"},
    {"sum by (__name__) ({i=\"1\"} >= 3)", 0, 60, 15,
     "{__name__=\"a_total\"} 3@45 4@60; {__name__=\"c\"} 15@15 30@30 45@45 60@60"},
    {"sum by (k) (3 <= bool (a_total))", 0, 60, 15,
     "{k=\"x\"} 0@0 1@15 1@30 2@45 2@60; {k=\"y\"} 1@0 1@15 1@30 1@45 1@60"},
    {"count(rate(a_total[1m]) > 0.1)", 15, 60, 15, "{} 1@45 1@60"},
    {"count(((rate({__name__=~\"[ab]_total\"}[1m])) * 2 > (0.15)) - 1)", 15, 60, 15,
     "{} 1@30 2@45 2@60"},
    {"sum(a_total * scalar(sum(d)))", 60, 0, 0, "{} 63"},
    {"sum(sum(a_total) * 2)", 60, 0, 0, "{} 42"},
    {"sum by (z) ({z=\"1\"} * 2)", 0, 75, 15, "{z=\"1\"} 2@0 4@15 6@60 8@75"},
    {"count(c > 10000)", 60, 0, 0, ""},
    {"sum(d + 1)", 60, 0, 0, "vector cannot contain metrics with the same labelset"},
    {"sum({i=\"1\",k=\"x\"} + 1)", 60, 0, 0,
     "vector cannot contain metrics with the same labelset"},
    {"sum({i=~\"1|3\"} / 3)", 0, 150, 15, "vector cannot contain metrics with the same labelset"},
    {"sum(rate({i=\"1\",k=\"x\"}[1m]) + 1)", 60, 0, 0,
     "vector cannot contain metrics with the same labelset"},
    {"sum(max_over_time((sum(c * 2) > 1)[30s:15s]) * 2)", 60, 0, 0, "{} 240"},
    {"count({i=~\".+\"})", 60, 120, 30, "{} 7@60 6@90 7@120"},
    {"count(nothing) or count(rate(nothing[1m]))", 60, 0, 0, ""},
};

Test(stream, answers)
{
    test_answers(loads, ARRAY_LEN(loads), cases, ARRAY_LEN(cases));
}

static void load_all(struct test_query *t)
{
    test_query_init(t);
    for (size_t i = 0; i < ARRAY_LEN(loads); i++)
        test_load(t, loads[i].series, loads[i].interval_ms, loads[i].values);
}

/* Two that become one by losing their names: an error of a function of a range, whether their names
 * differ or only what describes them. With delayed names they stay two. */
Test(stream, series_that_become_equal_are_an_error)
{
    struct test_query t;
    load_all(&t);
    cr_assert_str_eq(test_instant(&t, "sum(rate({i=\"1\",k=\"x\"}[1m]))", 60), same);
    cr_assert_str_eq(test_instant(&t, "sum by (k) (avg_over_time(d[1m]))", 60), same);
    cr_assert_str_eq(test_range(&t, "count(delta({i=\"1\"}[1m]))", 60, 120, 15), same);
    t.features = PROMQL_DELAYED_NAME_REMOVAL;
    cr_assert_str_eq(test_instant(&t, "sum(avg_over_time(d[1m]))", 60), "{} 3");
    cr_assert_str_eq(test_instant(&t, "sum by (k) (avg_over_time(d[15s]) > 1)", 60), "{} 2");
    test_query_release(&t);
}

/* A name that is no counter's is noted once, also when all is evaluated twice. */
Test(stream, infos_are_those_of_the_series)
{
    struct test_query t;
    load_all(&t);
    const char *answer = test_instant(&t, "sum(rate({__name__=~\"a_total|c|d\",k=\"x\"}[1m]))", 60);
    cr_assert_str_eq(answer, same);
    answer = test_instant(&t, "sum(increase({__name__=~\"b_total|c\"}[1m]))", 60);
    cr_assert_str_eq(answer, "{} 68 ! PromQL info: metric might not be a counter, name does not "
                             "end in _total/_sum/_count/_bucket: \"c\" (1:14)");
    test_query_release(&t);
}

Test(stream, samples_are_counted_as_if_all_had_been_there)
{
    struct test_query t;
    load_all(&t);
    cr_assert_str_eq(test_range(&t, "sum(a_total)", 0, 30, 15), "{} 5@0 9@15 13@30");
    cr_assert_eq(t.result.samples_queryable, 9);
    cr_assert_eq(t.result.samples_peak, 9 + 3);
    cr_assert_str_eq(test_range(&t, "sum(rate(a_total{k=\"x\"}[30s]))", 30, 60, 30),
                     "{} 0.26666666666666666@30 0.26666666666666666@60");
    cr_assert_eq(t.result.samples_read, 8);
    cr_assert_eq(t.result.samples_queryable, 8);
    cr_assert_str_eq(test_instant(&t, "sum by (i) (avg_over_time(d[1m]))", 60), same);
    t.options.max_samples = 12;
    cr_assert_str_eq(test_range(&t, "sum(a_total)", 0, 30, 15), "{} 5@0 9@15 13@30");
    t.options.max_samples = 11;
    cr_assert_str_eq(test_range(&t, "sum(a_total)", 0, 30, 15),
                     "query processing would load too many samples into memory in query execution");
    test_query_release(&t);
}

/* 3,000 columns of 500 steps would be 12 MiB. */
Test(stream, memory_is_that_of_the_groups)
{
    static const char *const queries[] = {"sum by (k) (m)",
                                          "avg by (k) (rate(m[5m]))",
                                          "stddev(max_over_time(m[5m]))",
                                          "count({i=~\".*\",__name__!=\"\"})",
                                          "count(increase({i=~\".+\"}[1h]))",
                                          "count by (k) (m > 5)",
                                          "sum(rate(m[5m]) * 8 + 1)"};
    struct test_query t;
    char series[64];
    test_query_init(&t);
    for (int i = 0; i < 3000; i++) {
        snprintf(series, sizeof(series), "m{i=\"%d\",k=\"%d\"}", i, i % 7);
        test_load(&t, series, 15000, "1+1x20");
    }
    for (size_t i = 0; i < ARRAY_LEN(queries); i++) {
        test_range(&t, queries[i], 0, 499, 1);
        cr_assert_eq(t.error.kind, PROMQL_ERR_NONE, "%s: %s", queries[i], t.error.text);
        cr_assert_lt(t.region.taken_bytes, 2 << 20, "%s: %zu", queries[i], t.region.taken_bytes);
    }
    test_query_release(&t);
}
