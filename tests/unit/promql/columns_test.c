/* Columns that are taken as series come: more than one helping of them, of few steps and of many.
 */
#include "tests/unit/promql/test_query.h"

static void count_series(int n_series, double end_s, double step_s, const char *expected)
{
    struct test_query t;
    char series[32];
    test_query_init(&t);
    for (int i = 0; i < n_series; i++) {
        snprintf(series, sizeof(series), "m{i=\"%d\"}", i);
        test_load(&t, series, 15000, i % 3 == 0 ? "stale" : "1x80");
    }
    const char *answer = step_s > 0 ? test_range(&t, "sum(count(m)) or count(m)", 0, end_s, step_s)
                                    : test_instant(&t, "count(m)", end_s);
    cr_assert_eq(t.error.kind, PROMQL_ERR_NONE, "%s", answer);
    if (expected)
        cr_assert_str_eq(answer, expected);
    cr_assert_eq(t.result.series[0].points[0].v, n_series - (n_series + 2) / 3);
    test_query_release(&t);
}

Test(columns, as_many_as_there_are)
{
    count_series(2, 15, 0, "{} 1");
    count_series(16, 15, 0, "{} 10");
    count_series(17, 15, 0, "{} 11");
    count_series(600, 15, 0, "{} 400");
}

Test(columns, of_many_steps)
{
    count_series(30, 1200, 0.11, NULL);
    count_series(3, 1200, 0.015, NULL);
}
