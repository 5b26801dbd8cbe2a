/* Functions of the values in a window.
 * Expected answers were compared with those of Prometheus 3.5.3 on the same samples. */
#include "tests/unit/promql/test_query.h"

static const struct test_series loads[] = {
    {"v{k=\"a\"}", 15000, "1 -1 0.1 1e17 -1e17 3.14 -0 100 1e-9 NaN 5 Inf 2 -Inf 4"},
    {"v{k=\"b\"}", 15000, "0.1x30"},
    {"v{k=\"c\"}", 15000, "NaN NaN NaN _ 3"},
    {"big", 15000, "1.5e308 1.6e308 -1e308 1.7e308"},
    {"odd", 15000, "1e16 1 -1e16 1 1 1 -3"},
    {"w", 15000, "2 4 4 4 5 5 7 9"},
};

static const struct test_case cases[] = {
    {"sum_over_time(v[1m])", 0, 220, 45,
     "{k=\"a\"} 1@0 100000000000000000@45 3.14@90 NaN@135 NaN@180; {k=\"b\"} 0.1@0 0.4@45 0.4@90 "
     "0.4@135 0.4@180; {k=\"c\"} NaN@0 NaN@45 3@90"},
    {"sum_over_time(big[1m])", 45, 0, 0, "{} +Inf"},
    {"sum_over_time(odd[5m])", 90, 0, 0, "{} 1"},
    {"sum_over_time(w[5m])", 105, 0, 0, "{} 40"},
    {"sum_over_time(nothing[5m])", 0, 0, 0, ""},
    {"avg_over_time(v[1m])", 0, 220, 45,
     "{k=\"a\"} 1@0 25000000000000000@45 0.785@90 NaN@135 NaN@180; {k=\"b\"} 0.1@0 0.1@45 0.1@90 "
     "0.1@135 0.1@180; {k=\"c\"} NaN@0 NaN@45 3@90"},
    {"avg_over_time(big[1m])", 45, 0, 0, "{} 9.5e+307"},
    {"avg_over_time(odd[5m])", 90, 0, 0, "{} 0.14285714285714285"},
    {"avg_over_time(w[5m])", 105, 0, 0, "{} 5"},
    {"avg_over_time(nothing[5m])", 0, 0, 0, ""},
    {"min_over_time(v[1m])", 0, 220, 45,
     "{k=\"a\"} 1@0 -1@45 -100000000000000000@90 0@135 2@180; {k=\"b\"} 0.1@0 0.1@45 0.1@90 "
     "0.1@135 0.1@180; {k=\"c\"} NaN@0 NaN@45 3@90"},
    {"min_over_time(big[1m])", 45, 0, 0, "{} -1e+308"},
    {"min_over_time(odd[5m])", 90, 0, 0, "{} -10000000000000000"},
    {"min_over_time(w[5m])", 105, 0, 0, "{} 2"},
    {"min_over_time(nothing[5m])", 0, 0, 0, ""},
    {"max_over_time(v[1m])", 0, 220, 45,
     "{k=\"a\"} 1@0 100000000000000000@45 100000000000000000@90 100@135 +Inf@180; {k=\"b\"} 0.1@0 "
     "0.1@45 0.1@90 0.1@135 0.1@180; {k=\"c\"} NaN@0 NaN@45 3@90"},
    {"max_over_time(big[1m])", 45, 0, 0, "{} 1.7e+308"},
    {"max_over_time(odd[5m])", 90, 0, 0, "{} 10000000000000000"},
    {"max_over_time(w[5m])", 105, 0, 0, "{} 9"},
    {"max_over_time(nothing[5m])", 0, 0, 0, ""},
    {"count_over_time(v[1m])", 0, 220, 45,
     "{k=\"a\"} 1@0 4@45 4@90 4@135 4@180; {k=\"b\"} 1@0 4@45 4@90 4@135 4@180; {k=\"c\"} 1@0 3@45 "
     "1@90"},
    {"count_over_time(big[1m])", 45, 0, 0, "{} 4"},
    {"count_over_time(odd[5m])", 90, 0, 0, "{} 7"},
    {"count_over_time(w[5m])", 105, 0, 0, "{} 8"},
    {"count_over_time(nothing[5m])", 0, 0, 0, ""},
    {"last_over_time(v[1m])", 0, 220, 45,
     "{__name__=\"v\", k=\"a\"} 1@0 100000000000000000@45 0@90 NaN@135 2@180; {__name__=\"v\", "
     "k=\"b\"} 0.1@0 0.1@45 0.1@90 0.1@135 0.1@180; {__name__=\"v\", k=\"c\"} NaN@0 NaN@45 3@90"},
    {"last_over_time(big[1m])", 45, 0, 0, "{__name__=\"big\"} 1.7e+308"},
    {"last_over_time(odd[5m])", 90, 0, 0, "{__name__=\"odd\"} -3"},
    {"last_over_time(w[5m])", 105, 0, 0, "{__name__=\"w\"} 9"},
    {"last_over_time(nothing[5m])", 0, 0, 0, ""},
    {"present_over_time(v[1m])", 0, 220, 45,
     "{k=\"a\"} 1@0 1@45 1@90 1@135 1@180; {k=\"b\"} 1@0 1@45 1@90 1@135 1@180; {k=\"c\"} 1@0 1@45 "
     "1@90"},
    {"present_over_time(big[1m])", 45, 0, 0, "{} 1"},
    {"present_over_time(odd[5m])", 90, 0, 0, "{} 1"},
    {"present_over_time(w[5m])", 105, 0, 0, "{} 1"},
    {"present_over_time(nothing[5m])", 0, 0, 0, ""},
    {"stddev_over_time(v[1m])", 0, 220, 45,
     "{k=\"a\"} 0@0 43301270189221940@45 70710678118654750@90 NaN@135 NaN@180; {k=\"b\"} 0@0 0@45 "
     "0@90 0@135 0@180; {k=\"c\"} NaN@0 NaN@45 0@90"},
    {"stddev_over_time(big[1m])", 45, 0, 0, "{} NaN"},
    {"stddev_over_time(odd[5m])", 90, 0, 0, "{} 5345224838248488"},
    {"stddev_over_time(w[5m])", 105, 0, 0, "{} 2"},
    {"stddev_over_time(nothing[5m])", 0, 0, 0, ""},
    {"stdvar_over_time(v[1m])", 0, 220, 45,
     "{k=\"a\"} 0@0 1.875e+33@45 5e+33@90 NaN@135 NaN@180; {k=\"b\"} 0@0 0@45 0@90 0@135 0@180; "
     "{k=\"c\"} NaN@0 NaN@45 0@90"},
    {"stdvar_over_time(big[1m])", 45, 0, 0, "{} NaN"},
    {"stdvar_over_time(odd[5m])", 90, 0, 0, "{} 2.8571428571428572e+31"},
    {"stdvar_over_time(w[5m])", 105, 0, 0, "{} 4"},
    {"stdvar_over_time(nothing[5m])", 0, 0, 0, ""},
    {"last_over_time({__name__=~\"big|odd\"}[1m])", 30, 0, 0,
     "{__name__=\"big\"} -1e+308; {__name__=\"odd\"} -10000000000000000"},
    {"sum_over_time({__name__=~\"big|odd\"}[1m])", 30, 0, 0,
     "vector cannot contain metrics with the same labelset"},
    {"avg_over_time(v[1m] offset 30s)", 60, 0, 0,
     "{k=\"a\"} 0.03333333333333333; {k=\"b\"} 0.1; {k=\"c\"} NaN"},
};

Test(fn_over_time, answers)
{
    test_answers(loads, ARRAY_LEN(loads), cases, ARRAY_LEN(cases));
}
