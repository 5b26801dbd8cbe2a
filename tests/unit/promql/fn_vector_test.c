/* Between scalars and vectors; order; absence.
 * Expected answers were compared with those of Prometheus 3.5.3 on the same samples. */
#include "tests/unit/promql/test_query.h"

static const struct test_series loads[] = {
    {"va{k=\"a\"}", 15000, "3 1 2"},
    {"va{k=\"b\"}", 15000, "1 NaN 2"},
    {"va{k=\"c\"}", 15000, "2 5"},
    {"vb", 15000, "_ 7"},
};

static const struct test_case cases[] = {
    {"scalar(va)", 0, 0, 0, "{} NaN"},
    {"scalar(vb)", 0, 30, 15, "{} NaN@0 7@15 7@30"},
    {"scalar(nothing)", 0, 0, 0, "{} NaN"},
    {"scalar(va{k=\"a\"})", 0, 30, 15, "{} 3@0 1@15 2@30"},
    {"vector(1)", 0, 0, 0, "{} 1"},
    {"vector(time())", 0, 30, 15, "{} 1700000040@0 1700000055@15 1700000070@30"},
    {"sort(va)", 0, 0, 0,
     "{__name__=\"va\", k=\"b\"} 1; {__name__=\"va\", k=\"c\"} 2; {__name__=\"va\", k=\"a\"} 3"},
    {"sort(va)", 15, 0, 0,
     "{__name__=\"va\", k=\"a\"} 1; {__name__=\"va\", k=\"c\"} 5; {__name__=\"va\", k=\"b\"} NaN"},
    {"sort_desc(va)", 0, 0, 0,
     "{__name__=\"va\", k=\"a\"} 3; {__name__=\"va\", k=\"c\"} 2; {__name__=\"va\", k=\"b\"} 1"},
    {"sort_desc(va)", 15, 0, 0,
     "{__name__=\"va\", k=\"c\"} 5; {__name__=\"va\", k=\"a\"} 1; {__name__=\"va\", k=\"b\"} NaN"},
    {"sort(va)", 0, 30, 15,
     "{__name__=\"va\", k=\"a\"} 3@0 1@15 2@30; {__name__=\"va\", k=\"b\"} 1@0 NaN@15 2@30; "
     "{__name__=\"va\", k=\"c\"} 2@0 5@15 5@30"},
    {"absent(va)", 0, 0, 0, ""},
    {"absent(vb)", 0, 30, 15, "{} 1@0"},
    {"absent(none{a=\"b\",c=~\"d\",e=\"f\"})", 0, 0, 0, "{a=\"b\", e=\"f\"} 1"},
    {"absent(none{a=\"b\",a=\"c\",d=\"e\"})", 0, 0, 0, "{d=\"e\"} 1"},
    {"absent((none{a=\"b\"}))", 0, 0, 0, "{a=\"b\"} 1"},
    {"absent(none{a=\"\"})", 0, 0, 0, "{} 1"},
    {"absent(sum(none{a=\"b\"}))", 0, 0, 0, "{} 1"},
    {"absent(none{a=\"b\"} offset 1m @ 5)", 0, 0, 0, "{a=\"b\"} 1"},
    {"absent_over_time(none{a=\"b\"}[1m])", 0, 0, 0, "{a=\"b\"} 1"},
    {"absent_over_time(vb[15s])", 0, 60, 15, "{} 1@0 1@30 1@45 1@60"},
    {"absent_over_time(none{a=\"b\"}[1m:15s])", 0, 0, 0, "{} 1"},
};

Test(fn_vector, answers)
{
    test_answers(loads, ARRAY_LEN(loads), cases, ARRAY_LEN(cases));
}
