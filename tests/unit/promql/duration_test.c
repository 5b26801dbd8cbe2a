/* Durations that are expressions: what they come to. More of them in tests/promql/durations.test.
 */
#include "tests/unit/promql/test_query.h"

static const struct test_series loads[] = {{"m", 10000, "0+1x60"}};

static const struct test_case cases[] = {
    {"count_over_time(m[10s * 2 + 10s])", 300, 0, 0, "{} 3"},
    {"count_over_time(m[10s + 10s * 2])", 300, 0, 0, "{} 3"},
    {"count_over_time(m[2 ^ 2 ^ 2 + 4s])", 300, 0, 0, "{} 2"},
    {"m offset (1m - 30s)", 300, 0, 0, "{__name__=\"m\"} 27"},
    {"m offset -(1m - 30s)", 300, 0, 0, "{__name__=\"m\"} 33"},
    {"count_over_time(m[step()])", 100, 160, 30, "{} 3@100 3@130 3@160"},
    {"count_over_time(m[range()])", 100, 160, 30, "{} 6@100 6@130 6@160"},
    {"count_over_time(m[max_of(step(), range()) / 2])", 100, 160, 30, "{} 3@100 3@130 3@160"},
    {"m[1m / 0]", 300, 0, 0, "1:6: parse error: division by zero"},
    {"m[1m % (1m - 1m)]", 300, 0, 0, "2:15: modulo by zero"},
    {"m[10s - 10s]", 300, 0, 0, "2:11: duration must be greater than 0"},
    {"m[((1m) - (1m + 5))]", 300, 0, 0, "4:17: duration must be greater than 0"},
    {"m[1m / -(0s)]", 300, 0, 0, "1:6: parse error: division by zero"},
    {"m[5m * -(1m)]", 300, 0, 0, "2:11: duration must be greater than 0"},
    {"m[step()]", 300, 0, 0, "2:8: duration must be greater than 0"},
    {"sum_over_time(m[1m:10s - 20s])", 300, 0, 0, "19:28: duration must be greater than 0"},
    {"m[0 ^ -1]", 300, 0, 0, "2:8: duration is NaN or infinite"},
    {"m offset (10 ^ 20)", 300, 0, 0, "10:17: duration is out of range"},
    {"m offset (-10 ^ 20)", 300, 0, 0, "10:18: duration is out of range"},
};

Test(duration, answers)
{
    test_answers_with(PROMQL_FEATURES_ALL, loads, ARRAY_LEN(loads), cases, ARRAY_LEN(cases));
}

/* The value belongs to an evaluation, not to the query. */
Test(duration, a_query_is_resolved_anew)
{
    struct test_query t;
    test_query_init(&t);
    t.features = PROMQL_FEATURES_ALL;
    test_load(&t, "m", 10000, "0+1x60");
    struct promql_query *q = test_parse(&t, "count_over_time(m[step()])");
    for (int64_t step_ms = 20000; step_ms <= 40000; step_ms += 20000) {
        int64_t start_ms = TEST_BASE_MS + 400000;
        cr_assert_eq(promql_range(q, t.db, start_ms, start_ms, step_ms, &t.options, &t.region,
                                  &t.result, &t.error),
                     0);
        cr_assert_eq(t.result.series[0].points[0].v, (double)step_ms / 10000);
    }
    promql_release(q);
    test_query_release(&t);
}
