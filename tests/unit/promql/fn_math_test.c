/* Functions of one value. Those whose last digit depends on the C library are taken where it is
 * sure. Expected answers were compared with those of Prometheus 3.5.3 on the same samples. */
#include "tests/unit/promql/test_query.h"

static const struct test_series loads[] = {
    {"ma{k=\"a\"}", 15000, "1 -2.5 NaN Inf -0"},
    {"ma{k=\"b\"}", 15000, "0.5 4 -Inf 1e-9 100"},
    {"mb", 15000, "7x5"},
};

static const struct test_case cases[] = {
    {"abs(ma)", 0, 60, 15,
     "{k=\"a\"} 1@0 2.5@15 NaN@30 +Inf@45 0@60; {k=\"b\"} 0.5@0 4@15 +Inf@30 1e-09@45 100@60"},
    {"ceil(ma)", 0, 60, 15,
     "{k=\"a\"} 1@0 -2@15 NaN@30 +Inf@45 0@60; {k=\"b\"} 1@0 4@15 -Inf@30 1@45 100@60"},
    {"floor(ma)", 0, 60, 15,
     "{k=\"a\"} 1@0 -3@15 NaN@30 +Inf@45 0@60; {k=\"b\"} 0@0 4@15 -Inf@30 0@45 100@60"},
    {"sgn(ma)", 0, 60, 15,
     "{k=\"a\"} 1@0 -1@15 NaN@30 1@45 0@60; {k=\"b\"} 1@0 1@15 -1@30 1@45 1@60"},
    {"sqrt(ma)", 0, 60, 15,
     "{k=\"a\"} 1@0 NaN@15 NaN@30 +Inf@45 0@60; {k=\"b\"} 0.7071067811865476@0 2@15 NaN@30 "
     "0.000031622776601683795@45 10@60"},
    {"round(ma)", 0, 60, 15,
     "{k=\"a\"} 1@0 -2@15 NaN@30 +Inf@45 0@60; {k=\"b\"} 1@0 4@15 -Inf@30 0@45 100@60"},
    {"deg(ma)", 0, 60, 15,
     "{k=\"a\"} 57.29577951308232@0 -143.2394487827058@15 NaN@30 +Inf@45 0@60; {k=\"b\"} "
     "28.64788975654116@0 229.1831180523293@15 -Inf@30 5.729577951308233e-08@45 "
     "5729.5779513082325@60"},
    {"rad(ma)", 0, 60, 15,
     "{k=\"a\"} 0.017453292519943295@0 -0.04363323129985824@15 NaN@30 +Inf@45 0@60; {k=\"b\"} "
     "0.008726646259971648@0 0.06981317007977318@15 -Inf@30 1.7453292519943295e-11@45 "
     "1.7453292519943295@60"},
    {"exp(vector(0))", 0, 0, 0, "{} 1"},
    {"ln(vector(1))", 0, 0, 0, "{} 0"},
    {"ln(vector(-1))", 0, 0, 0, "{} NaN"},
    {"ln(vector(0))", 0, 0, 0, "{} -Inf"},
    {"log2(vector(8))", 0, 0, 0, "{} 3"},
    {"log2(vector(0.25))", 0, 0, 0, "{} -2"},
    {"log2(vector(0))", 0, 0, 0, "{} -Inf"},
    {"log2(vector(-1))", 0, 0, 0, "{} NaN"},
    {"log10(vector(100))", 0, 0, 0, "{} 2"},
    {"sin(vector(0))", 0, 0, 0, "{} 0"},
    {"cos(vector(0))", 0, 0, 0, "{} 1"},
    {"tan(vector(0))", 0, 0, 0, "{} 0"},
    {"asin(vector(0))", 0, 0, 0, "{} 0"},
    {"acos(vector(1))", 0, 0, 0, "{} 0"},
    {"atan(vector(0))", 0, 0, 0, "{} 0"},
    {"sinh(vector(0))", 0, 0, 0, "{} 0"},
    {"cosh(vector(0))", 0, 0, 0, "{} 1"},
    {"tanh(vector(0))", 0, 0, 0, "{} 0"},
    {"asinh(vector(0))", 0, 0, 0, "{} 0"},
    {"acosh(vector(1))", 0, 0, 0, "{} 0"},
    {"atanh(vector(0))", 0, 0, 0, "{} 0"},
    {"sqrt(vector(-1))", 0, 0, 0, "{} NaN"},
    {"round(ma, 0.5)", 0, 60, 15,
     "{k=\"a\"} 1@0 -2.5@15 NaN@30 +Inf@45 0@60; {k=\"b\"} 0.5@0 4@15 -Inf@30 0@45 100@60"},
    {"round(ma, 10)", 0, 60, 15,
     "{k=\"a\"} 0@0 0@15 NaN@30 +Inf@45 0@60; {k=\"b\"} 0@0 0@15 -Inf@30 0@45 100@60"},
    {"clamp(ma, -1, 1)", 0, 60, 15,
     "{k=\"a\"} 1@0 -1@15 NaN@30 1@45 0@60; {k=\"b\"} 0.5@0 1@15 -1@30 1e-09@45 1@60"},
    {"clamp(ma, 1, -1)", 0, 60, 15, ""},
    {"clamp(ma, NaN, 1)", 0, 60, 15,
     "{k=\"a\"} NaN@0 NaN@15 NaN@30 NaN@45 NaN@60; {k=\"b\"} NaN@0 NaN@15 NaN@30 NaN@45 NaN@60"},
    {"clamp(ma, scalar(mb) - 8, scalar(mb))", 0, 60, 15,
     "{k=\"a\"} 1@0 -1@15 NaN@30 7@45 0@60; {k=\"b\"} 0.5@0 4@15 -1@30 1e-09@45 7@60"},
    {"clamp_min(ma, 0)", 0, 60, 15,
     "{k=\"a\"} 1@0 0@15 NaN@30 +Inf@45 0@60; {k=\"b\"} 0.5@0 4@15 0@30 1e-09@45 100@60"},
    {"clamp_max(ma, 0)", 0, 60, 15,
     "{k=\"a\"} 0@0 -2.5@15 NaN@30 0@45 0@60; {k=\"b\"} 0@0 0@15 -Inf@30 0@45 0@60"},
    {"clamp_min(ma, NaN)", 0, 60, 15,
     "{k=\"a\"} NaN@0 NaN@15 NaN@30 +Inf@45 NaN@60; {k=\"b\"} NaN@0 NaN@15 NaN@30 NaN@45 NaN@60"},
    {"clamp_max(ma, -Inf)", 0, 60, 15,
     "{k=\"a\"} -Inf@0 -Inf@15 -Inf@30 -Inf@45 -Inf@60; {k=\"b\"} -Inf@0 -Inf@15 -Inf@30 -Inf@45 "
     "-Inf@60"},
    {"pi()", 0, 0, 0, "{} 3.141592653589793"},
    {"abs({__name__=~\"ma|mb\"})", 0, 0, 0, "{k=\"a\"} 1; {k=\"b\"} 0.5; {} 7"},
};

Test(fn_math, answers)
{
    test_answers(loads, ARRAY_LEN(loads), cases, ARRAY_LEN(cases));
}
