/* The largest and the smallest.
 * Expected answers were compared with those of Prometheus 3.5.3 on the same samples. */
#include "tests/unit/promql/test_query.h"

static const struct test_series loads[] = {
    {"ends", 15000, "1 1 stale"},
    {"ka{i=\"1\",k=\"x\"}", 15000, "1 5 NaN 3"},
    {"ka{i=\"2\",k=\"x\"}", 15000, "2 5 NaN -Inf"},
    {"ka{i=\"3\",k=\"y\"}", 15000, "3 5 8 Inf"},
    {"ka{i=\"4\",k=\"y\"}", 15000, "10 5 9"},
    {"kn", 15000, "1 2 3 0"},
};

static const struct test_case cases[] = {
    /* where there is nothing to choose from nobody asks how many */
    {"topk(scalar(ends), ends)", 0, 45, 15, "{__name__=\"ends\"} 1@0 1@15"},
    {"topk(scalar(ends), ka)", 0, 45, 15, "Scalar value NaN overflows int64"},
    {"topk(0, ka)", 0, 0, 0, ""},
    {"topk by (k) (0, ka)", 0, 0, 0, ""},
    {"topk(1, ka)", 0, 0, 0, "{__name__=\"ka\", i=\"4\", k=\"y\"} 10"},
    {"topk by (k) (1, ka)", 0, 0, 0,
     "{__name__=\"ka\", i=\"2\", k=\"x\"} 2; {__name__=\"ka\", i=\"4\", k=\"y\"} 10"},
    {"topk(2, ka)", 0, 0, 0,
     "{__name__=\"ka\", i=\"4\", k=\"y\"} 10; {__name__=\"ka\", i=\"3\", k=\"y\"} 3"},
    {"topk by (k) (2, ka)", 0, 0, 0,
     "{__name__=\"ka\", i=\"2\", k=\"x\"} 2; {__name__=\"ka\", i=\"1\", k=\"x\"} 1; "
     "{__name__=\"ka\", i=\"4\", k=\"y\"} 10; {__name__=\"ka\", i=\"3\", k=\"y\"} 3"},
    {"topk(3, ka)", 0, 0, 0,
     "{__name__=\"ka\", i=\"4\", k=\"y\"} 10; {__name__=\"ka\", i=\"3\", k=\"y\"} 3; "
     "{__name__=\"ka\", i=\"2\", k=\"x\"} 2"},
    {"topk by (k) (3, ka)", 0, 0, 0,
     "{__name__=\"ka\", i=\"2\", k=\"x\"} 2; {__name__=\"ka\", i=\"1\", k=\"x\"} 1; "
     "{__name__=\"ka\", i=\"4\", k=\"y\"} 10; {__name__=\"ka\", i=\"3\", k=\"y\"} 3"},
    {"topk(9, ka)", 0, 0, 0,
     "{__name__=\"ka\", i=\"4\", k=\"y\"} 10; {__name__=\"ka\", i=\"3\", k=\"y\"} 3; "
     "{__name__=\"ka\", i=\"2\", k=\"x\"} 2; {__name__=\"ka\", i=\"1\", k=\"x\"} 1"},
    {"topk by (k) (9, ka)", 0, 0, 0,
     "{__name__=\"ka\", i=\"2\", k=\"x\"} 2; {__name__=\"ka\", i=\"1\", k=\"x\"} 1; "
     "{__name__=\"ka\", i=\"4\", k=\"y\"} 10; {__name__=\"ka\", i=\"3\", k=\"y\"} 3"},
    {"topk(2.9, ka)", 0, 0, 0,
     "{__name__=\"ka\", i=\"4\", k=\"y\"} 10; {__name__=\"ka\", i=\"3\", k=\"y\"} 3"},
    {"topk by (k) (2.9, ka)", 0, 0, 0,
     "{__name__=\"ka\", i=\"2\", k=\"x\"} 2; {__name__=\"ka\", i=\"1\", k=\"x\"} 1; "
     "{__name__=\"ka\", i=\"4\", k=\"y\"} 10; {__name__=\"ka\", i=\"3\", k=\"y\"} 3"},
    /* what is fixed by @ has the parameter of the first step */
    {"topk(time() - 1700000039, ka{k=\"y\"} @ 1700000040)", 0, 30, 15,
     "{__name__=\"ka\", i=\"4\", k=\"y\"} 10@0 10@15 10@30"},
    /* and an order: which two are named */
    {"vector(1) + on () topk(2, ka @ 1700000040)", 0, 30, 15,
     "found duplicate series for the match group {} on the right hand-side of the operation: "
     "[{__name__=\"ka\", i=\"3\", k=\"y\"}, {__name__=\"ka\", i=\"4\", k=\"y\"}];many-to-many "
     "matching not allowed: matching labels must be unique on one side"},
    {"vector(1) + on () topk(3, ka @ 1700000040)", 0, 30, 15,
     "found duplicate series for the match group {} on the right hand-side of the operation: "
     "[{__name__=\"ka\", i=\"3\", k=\"y\"}, {__name__=\"ka\", i=\"4\", k=\"y\"}];many-to-many "
     "matching not allowed: matching labels must be unique on one side"},
    {"vector(1) + on () sort_desc(ka @ 1700000040)", 0, 30, 15,
     "found duplicate series for the match group {} on the right hand-side of the operation: "
     "[{__name__=\"ka\", i=\"3\", k=\"y\"}, {__name__=\"ka\", i=\"4\", k=\"y\"}];many-to-many "
     "matching not "
     "allowed: matching labels must be unique on one side"},
    {"bottomk(0, ka)", 0, 0, 0, ""},
    {"bottomk by (k) (0, ka)", 0, 0, 0, ""},
    {"bottomk(1, ka)", 0, 0, 0, "{__name__=\"ka\", i=\"1\", k=\"x\"} 1"},
    {"bottomk by (k) (1, ka)", 0, 0, 0,
     "{__name__=\"ka\", i=\"1\", k=\"x\"} 1; {__name__=\"ka\", i=\"3\", k=\"y\"} 3"},
    {"bottomk(2, ka)", 0, 0, 0,
     "{__name__=\"ka\", i=\"1\", k=\"x\"} 1; {__name__=\"ka\", i=\"2\", k=\"x\"} 2"},
    {"bottomk by (k) (2, ka)", 0, 0, 0,
     "{__name__=\"ka\", i=\"1\", k=\"x\"} 1; {__name__=\"ka\", i=\"2\", k=\"x\"} 2; "
     "{__name__=\"ka\", i=\"3\", k=\"y\"} 3; {__name__=\"ka\", i=\"4\", k=\"y\"} 10"},
    {"bottomk(3, ka)", 0, 0, 0,
     "{__name__=\"ka\", i=\"1\", k=\"x\"} 1; {__name__=\"ka\", i=\"2\", k=\"x\"} 2; "
     "{__name__=\"ka\", i=\"3\", k=\"y\"} 3"},
    {"bottomk by (k) (3, ka)", 0, 0, 0,
     "{__name__=\"ka\", i=\"1\", k=\"x\"} 1; {__name__=\"ka\", i=\"2\", k=\"x\"} 2; "
     "{__name__=\"ka\", i=\"3\", k=\"y\"} 3; {__name__=\"ka\", i=\"4\", k=\"y\"} 10"},
    {"bottomk(9, ka)", 0, 0, 0,
     "{__name__=\"ka\", i=\"1\", k=\"x\"} 1; {__name__=\"ka\", i=\"2\", k=\"x\"} 2; "
     "{__name__=\"ka\", i=\"3\", k=\"y\"} 3; {__name__=\"ka\", i=\"4\", k=\"y\"} 10"},
    {"bottomk by (k) (9, ka)", 0, 0, 0,
     "{__name__=\"ka\", i=\"1\", k=\"x\"} 1; {__name__=\"ka\", i=\"2\", k=\"x\"} 2; "
     "{__name__=\"ka\", i=\"3\", k=\"y\"} 3; {__name__=\"ka\", i=\"4\", k=\"y\"} 10"},
    {"bottomk(2.9, ka)", 0, 0, 0,
     "{__name__=\"ka\", i=\"1\", k=\"x\"} 1; {__name__=\"ka\", i=\"2\", k=\"x\"} 2"},
    {"bottomk by (k) (2.9, ka)", 0, 0, 0,
     "{__name__=\"ka\", i=\"1\", k=\"x\"} 1; {__name__=\"ka\", i=\"2\", k=\"x\"} 2; "
     "{__name__=\"ka\", i=\"3\", k=\"y\"} 3; {__name__=\"ka\", i=\"4\", k=\"y\"} 10"},
    {"topk(2, ka)", 15, 0, 0,
     "{__name__=\"ka\", i=\"1\", k=\"x\"} 5; {__name__=\"ka\", i=\"2\", k=\"x\"} 5"},
    {"topk(2, ka)", 30, 0, 0,
     "{__name__=\"ka\", i=\"4\", k=\"y\"} 9; {__name__=\"ka\", i=\"3\", k=\"y\"} 8"},
    {"topk(2, ka)", 45, 0, 0,
     "{__name__=\"ka\", i=\"3\", k=\"y\"} +Inf; {__name__=\"ka\", i=\"4\", k=\"y\"} 9"},
    {"bottomk(2, ka)", 15, 0, 0,
     "{__name__=\"ka\", i=\"1\", k=\"x\"} 5; {__name__=\"ka\", i=\"2\", k=\"x\"} 5"},
    {"bottomk(2, ka)", 30, 0, 0,
     "{__name__=\"ka\", i=\"3\", k=\"y\"} 8; {__name__=\"ka\", i=\"4\", k=\"y\"} 9"},
    {"bottomk(2, ka)", 45, 0, 0,
     "{__name__=\"ka\", i=\"2\", k=\"x\"} -Inf; {__name__=\"ka\", i=\"1\", k=\"x\"} 3"},
    {"topk(2, ka)", 0, 60, 15,
     "{__name__=\"ka\", i=\"1\", k=\"x\"} 5@15; {__name__=\"ka\", i=\"2\", k=\"x\"} 5@15; "
     "{__name__=\"ka\", i=\"3\", k=\"y\"} 3@0 8@30 +Inf@45 +Inf@60; {__name__=\"ka\", i=\"4\", "
     "k=\"y\"} 10@0 9@30 9@45 9@60"},
    {"bottomk(2, ka)", 0, 60, 15,
     "{__name__=\"ka\", i=\"1\", k=\"x\"} 1@0 5@15 3@45 3@60; {__name__=\"ka\", i=\"2\", k=\"x\"} "
     "2@0 5@15 -Inf@45 -Inf@60; {__name__=\"ka\", i=\"3\", k=\"y\"} 8@30; {__name__=\"ka\", "
     "i=\"4\", k=\"y\"} 9@30"},
    {"topk(scalar(kn), ka)", 0, 45, 15,
     "{__name__=\"ka\", i=\"1\", k=\"x\"} 5@15 NaN@30; {__name__=\"ka\", i=\"2\", k=\"x\"} 5@15; "
     "{__name__=\"ka\", i=\"3\", k=\"y\"} 8@30; {__name__=\"ka\", i=\"4\", k=\"y\"} 10@0 9@30"},
    {"topk(scalar(nothing), ka)", 0, 0, 0, "Scalar value NaN overflows int64"},
    {"topk(NaN, ka)", 0, 0, 0, "Scalar value NaN overflows int64"},
    {"topk(NaN, nothing)", 0, 0, 0, ""},
    {"topk(1e20, ka)", 0, 0, 0, "Scalar value 1e+20 overflows int64"},
    {"topk(Inf, ka)", 0, 0, 0, "Scalar value +Inf overflows int64"},
    {"topk(-1e20, ka)", 0, 0, 0, ""},
    {"topk without (i) (1, ka)", 0, 0, 0,
     "{__name__=\"ka\", i=\"2\", k=\"x\"} 2; {__name__=\"ka\", i=\"4\", k=\"y\"} 10"},
    {"sum(topk(2, ka))", 0, 0, 0, "{} 13"},
};

static const struct test_case cases_of_main[] = {
    {"topk(scalar(nothing), ka)", 0, 0, 0, "Parameter value is NaN"},
    {"topk(NaN, ka)", 0, 0, 0, "Parameter value is NaN"},
    {"topk(NaN, nothing)", 0, 0, 0, ""},
};

Test(topk, answers_as_main)
{
    test_answers_with(PROMQL_MAIN, loads, ARRAY_LEN(loads), cases_of_main,
                      ARRAY_LEN(cases_of_main));
}

Test(topk, answers)
{
    test_answers(loads, ARRAY_LEN(loads), cases, ARRAY_LEN(cases));
}
