/* limitk and limit_ratio. Which series a ratio takes was asked of Prometheus 3.5.3. */
#include "tests/unit/promql/test_query.h"

static const struct test_series loads[] = {
    {"ends", 15000, "1 1 stale"},
    {"m{g=\"a\",i=\"0\"}", 15000, "1 1 1"},
    {"m{g=\"a\",i=\"1\"}", 15000, "_ 2 2"},
    {"m{g=\"b\",i=\"2\"}", 15000, "3 _ 3"},
};

static const struct test_case cases[] = {
    {"limitk(1, m)", 0, 0, 0, "{__name__=\"m\", g=\"a\", i=\"0\"} 1"},
    {"limitk by (g) (1, m)", 0, 0, 0,
     "{__name__=\"m\", g=\"a\", i=\"0\"} 1; {__name__=\"m\", g=\"b\", i=\"2\"} 3"},
    {"count(limitk(2, m))", 0, 30, 15, "{} 2@0 2@15 2@30"},
    {"limitk(0, m)", 0, 0, 0, ""},
    {"limitk(NaN, m)", 0, 0, 0, "Parameter value is NaN"},
    {"limitk(9.3e18, m)", 0, 0, 0, "Scalar value 9.3e+18 overflows int64"},
    {"limit_ratio(0, m)", 0, 0, 0, ""},
    {"count(limit_ratio(-1, m))", 30, 0, 0, "{} 3"},
    {"limit_ratio(NaN, m)", 0, 0, 0, "Ratio value is NaN"},
    {"count(limit_ratio(2, m))", 30, 0, 0,
     "{} 3 ! PromQL warning: ratio value should be between -1 and 1, got 2, capping to 1 (1:19)"},
    {"count(limit_ratio(-2, m))", 30, 0, 0,
     "{} 3 ! PromQL warning: ratio value should be between -1 and 1, got -2, capping to -1 (1:19)"},
    {"count(limit_ratio(0.5, m) or limit_ratio(-0.5, m))", 30, 0, 0, "{} 3"},
    {"limit_ratio(0.5, m) and limit_ratio(-0.5, m)", 30, 0, 0, ""},
};

/* Where there is nothing to choose from 3.5 does not ask how many. */
static const struct test_case cases_of_ends[] = {
    {"limitk(scalar(ends), ends)", 0, 45, 15, "{__name__=\"ends\"} 1@0 1@15"},
    {"limitk(scalar(ends), m)", 0, 45, 15, "Scalar value NaN overflows int64"},
    {"limit_ratio(scalar(ends), ends)", 0, 45, 15, "{__name__=\"ends\"} 1@0 1@15"},
    {"limit_ratio(scalar(ends), m)", 0, 45, 15, "Ratio value NaN is NaN"},
    {"limit_ratio(2 * scalar(ends), ends)", 0, 45, 15, "{__name__=\"ends\"} 1@0 1@15"},
    {"limit_ratio(scalar(ends) / 0, ends)", 0, 45, 15,
     "{__name__=\"ends\"} 1@0 1@15 ! PromQL warning: ratio value should be between -1 and 1, got "
     "+Inf, capping to 1 (1:13)"},
};

Test(limit, answers)
{
    test_answers_with(PROMQL_FEATURES_ALL, loads, ARRAY_LEN(loads), cases, ARRAY_LEN(cases));
}

Test(limit, no_number_where_nothing_is)
{
    test_answers_with(PROMQL_EXPERIMENTAL_FUNCTIONS, loads, ARRAY_LEN(loads), cases_of_ends,
                      ARRAY_LEN(cases_of_ends));
}
