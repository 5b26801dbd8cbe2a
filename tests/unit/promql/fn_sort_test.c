/* sort_by_label: natural order of values. */
#include "tests/unit/promql/test_query.h"

static const struct test_series loads[] = {
    {"m{l=\"a10\"}", 15000, "1"},       {"m{l=\"a2\"}", 15000, "2"},
    {"m{l=\"a2b\"}", 15000, "3"},       {"m{l=\"b\"}", 15000, "4"},
    {"m{l=\"a\"}", 15000, "5"},         {"m{l=\"a99999999999999999999\"}", 15000, "6"},
    {"s{l=\"x\"}", 15000, "1"},         {"s{k=\"1\"}", 15000, "2"},
    {"s{l=\"w\"}", 15000, "3"},         {"n{l=\"x\",k=\"2\"}", 15000, "7"},
    {"n{l=\"x\",k=\"1\"}", 15000, "8"},
};

static const struct test_case cases[] = {
    {"sum without (l) (m) * 0 + 1", 0, 0, 0, "{} 1"},
    {"sort_by_label(m, \"l\")", 0, 0, 0,
     "{__name__=\"m\", l=\"a\"} 5; {__name__=\"m\", l=\"a2\"} 2; {__name__=\"m\", l=\"a2b\"} 3; "
     "{__name__=\"m\", l=\"a10\"} 1; {__name__=\"m\", l=\"a99999999999999999999\"} 6; "
     "{__name__=\"m\", l=\"b\"} 4"},
    {"sort_by_label_desc(m{l=~\"a.*\"}, \"l\")", 0, 0, 0,
     "{__name__=\"m\", l=\"a99999999999999999999\"} 6; {__name__=\"m\", l=\"a10\"} 1; "
     "{__name__=\"m\", l=\"a2b\"} 3; {__name__=\"m\", l=\"a2\"} 2; {__name__=\"m\", l=\"a\"} 5"},
    {"sort_by_label(n, \"l\")", 0, 0, 0,
     "{__name__=\"n\", k=\"1\", l=\"x\"} 8; {__name__=\"n\", k=\"2\", l=\"x\"} 7"},
    {"sort_by_label(n, \"l\", \"k\")", 0, 0, 0,
     "{__name__=\"n\", k=\"1\", l=\"x\"} 8; {__name__=\"n\", k=\"2\", l=\"x\"} 7"},
    {"sort_by_label(s, \"l\")", 0, 0, 0,
     "{__name__=\"s\", l=\"x\"} 1; {__name__=\"s\", k=\"1\"} 2; {__name__=\"s\", l=\"w\"} 3"},
    {"sort_by_label_desc(s, \"l\")", 0, 0, 0,
     "{__name__=\"s\", k=\"1\"} 2; {__name__=\"s\", l=\"x\"} 1; {__name__=\"s\", l=\"w\"} 3"},
    {"sort_by_label(n)", 0, 0, 0,
     "{__name__=\"n\", k=\"1\", l=\"x\"} 8; {__name__=\"n\", k=\"2\", l=\"x\"} 7"},
};

Test(fn_sort, answers)
{
    test_answers_with(PROMQL_FEATURES_ALL, loads, ARRAY_LEN(loads), cases, ARRAY_LEN(cases));
}
