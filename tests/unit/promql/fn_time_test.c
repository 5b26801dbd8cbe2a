/* Time as a value, parts of dates.
 * Expected answers were compared with those of Prometheus 3.5.3 on the same samples. */
#include "tests/unit/promql/test_query.h"

static const struct {
    const char *series;
    int64_t interval_ms;
    const char *values;
} loads[] = {
    {"ta", 15000, "1x5"},
    {"tb", 15000, "0 951782400 4107542399 -1 -62135596800"},
    {"tc", 15000, "1e12 1e18 NaN Inf -1e18"},
};

/* step_s 0: an instant query at start_s. */
static const struct {
    const char *query;
    double start_s, end_s, step_s;
    const char *answer;
} cases[] = {
    {"minute()", 0, 60, 15, "{} 14@0 14@15 14@30 14@45 15@60"},
    {"minute(tb)", 0, 60, 15, "{} 0@0 0@15 59@30 59@45 0@60"},
    {"minute(tc)", 0, 60, 15, "{} 46@0 46@15 30@30 30@45 13@60"},
    {"hour()", 0, 60, 15, "{} 22@0 22@15 22@30 22@45 22@60"},
    {"hour(tb)", 0, 60, 15, "{} 0@0 0@15 23@30 23@45 0@60"},
    {"hour(tc)", 0, 60, 15, "{} 1@0 1@15 15@30 15@45 22@60"},
    {"day_of_week()", 0, 60, 15, "{} 2@0 2@15 2@30 2@45 2@60"},
    {"day_of_week(tb)", 0, 60, 15, "{} 4@0 2@15 0@30 3@45 1@60"},
    {"day_of_week(tc)", 0, 60, 15, "{} 5@0 5@15 0@30 0@45 2@60"},
    {"day_of_month()", 0, 60, 15, "{} 14@0 14@15 14@30 14@45 14@60"},
    {"day_of_month(tb)", 0, 60, 15, "{} 1@0 29@15 28@30 31@45 1@60"},
    {"day_of_month(tc)", 0, 60, 15, "{} 27@0 23@15 4@30 4@45 10@60"},
    {"day_of_year()", 0, 60, 15, "{} 318@0 318@15 318@30 318@45 318@60"},
    {"day_of_year(tb)", 0, 60, 15, "{} 1@0 60@15 59@30 365@45 1@60"},
    {"day_of_year(tc)", 0, 60, 15, "{} 270@0 297@15 339@30 339@45 69@60"},
    {"days_in_month()", 0, 60, 15, "{} 30@0 30@15 30@30 30@45 30@60"},
    {"days_in_month(tb)", 0, 60, 15, "{} 31@0 29@15 28@30 31@45 31@60"},
    {"days_in_month(tc)", 0, 60, 15, "{} 30@0 31@15 31@30 31@45 31@60"},
    {"month()", 0, 60, 15, "{} 11@0 11@15 11@30 11@45 11@60"},
    {"month(tb)", 0, 60, 15, "{} 1@0 2@15 2@30 12@45 1@60"},
    {"month(tc)", 0, 60, 15, "{} 9@0 10@15 12@30 12@45 3@60"},
    {"year()", 0, 60, 15, "{} 2023@0 2023@15 2023@30 2023@45 2023@60"},
    {"year(tb)", 0, 60, 15, "{} 1970@0 2000@15 2100@30 1969@45 1@60"},
    {"year(tc)", 0, 60, 15,
     "{} 33658@0 31688740476@15 292277026596@30 292277026596@45 -31688736537@60"},
    {"time()", 0, 60, 15,
     "{} 1700000040@0 1700000055@15 1700000070@30 1700000085@45 1700000100@60"},
    {"time()", 0.5, 0, 0, "{} 1700000040.5"},
    {"timestamp(ta)", 0, 100, 20,
     "{} 1700000040@0 1700000055@20 1700000070@40 1700000100@60 1700000115@80 1700000115@100"},
    {"timestamp((ta))", 7, 0, 0, "{} 1700000040"},
    {"timestamp(ta offset 15s)", 20, 0, 0, "{} 1700000040"},
    {"timestamp(ta @ start())", 20, 40, 5,
     "{} 1700000055@20 1700000055@25 1700000055@30 1700000055@35 1700000055@40"},
    {"timestamp(ta + 1)", 7, 0, 0, "{} 1700000047"},
    {"timestamp(sum(ta))", 7, 0, 0, "{} 1700000047"},
    {"day_of_year(vector(951868799))", 0, 0, 0, "{} 60"},
    {"days_in_month(vector(4105036800))", 0, 0, 0, "{} 31"},
};

Test(fn_time, answers)
{
    struct test_query t;
    test_query_init(&t);
    for (size_t i = 0; i < ARRAY_LEN(loads); i++)
        test_load(&t, loads[i].series, loads[i].interval_ms, loads[i].values);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *answer =
            cases[i].step_s > 0
                ? test_range(&t, cases[i].query, cases[i].start_s, cases[i].end_s, cases[i].step_s)
                : test_instant(&t, cases[i].query, cases[i].start_s);
        cr_assert_str_eq(answer, cases[i].answer, "%s: %s", cases[i].query, answer);
    }
    test_query_release(&t);
}
