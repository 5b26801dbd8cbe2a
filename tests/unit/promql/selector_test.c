/* What selectors see: lookback, staleness, windows, offset, @, subqueries.
 * Expected answers were compared with those of Prometheus 3.5.3 on the same samples. */
#include "tests/unit/promql/test_query.h"

static const struct test_series loads[] = {
    {"sel{k=\"a\"}", 15000, "0+1x40"},
    {"sel{k=\"b\"}", 15000, "5x10 stale _x10 7 7 _x30 9"},
    {"sel{k=\"ab\",z=\"\"}", 60000, "1 2 NaN 4 -0 _ 0.1"},
    {"{__name__=\"dot.ted\",\"x y\"=\"z\"}", 15000, "1x40"},
    {"ms", 15000, "1 2 3"},
};

static const struct test_case cases[] = {
    {"sel", 600, 0, 0,
     "{__name__=\"sel\", k=\"a\"} 40; {__name__=\"sel\", k=\"b\"} 7; {__name__=\"sel\", k=\"ab\"} "
     "0.1"},
    {"sel", 0, 0, 0,
     "{__name__=\"sel\", k=\"a\"} 0; {__name__=\"sel\", k=\"b\"} 5; {__name__=\"sel\", k=\"ab\"} "
     "1"},
    {"sel", -1, 0, 0, ""},
    {"sel{k=\"b\"}", 150, 0, 0, "{__name__=\"sel\", k=\"b\"} 5"},
    {"sel{k=\"b\"}", 149.999, 0, 0, "{__name__=\"sel\", k=\"b\"} 5"},
    {"sel{k=\"b\"}", 330, 0, 0, ""},
    {"sel{k=\"b\"}", 644.999, 0, 0, "{__name__=\"sel\", k=\"b\"} 7"},
    {"sel{k=\"b\"}", 645, 0, 0, "{__name__=\"sel\", k=\"b\"} 7"},
    {"sel{k=\"b\"}", 644, 0, 0, "{__name__=\"sel\", k=\"b\"} 7"},
    {"sel{k=~\"a|b\"}", 30, 0, 0, "{__name__=\"sel\", k=\"a\"} 2; {__name__=\"sel\", k=\"b\"} 5"},
    {"sel{k=~\"a\"}", 30, 0, 0, "{__name__=\"sel\", k=\"a\"} 2"},
    {"sel{k!~\"a.*\"}", 30, 0, 0, "{__name__=\"sel\", k=\"b\"} 5"},
    {"sel{k!=\"a\"}", 30, 0, 0, "{__name__=\"sel\", k=\"b\"} 5; {__name__=\"sel\", k=\"ab\"} 1"},
    {"sel{z=\"\"}", 30, 0, 0,
     "{__name__=\"sel\", k=\"a\"} 2; {__name__=\"sel\", k=\"b\"} 5; {__name__=\"sel\", k=\"ab\"} "
     "1"},
    {"sel{k=~\"\"}", 30, 0, 0, ""},
    {"{\"dot.ted\"}", 30, 0, 0, "{__name__=\"dot.ted\", \"x y\"=\"z\"} 1"},
    {"{\"x y\"=\"z\"}", 30, 0, 0, "{__name__=\"dot.ted\", \"x y\"=\"z\"} 1"},
    {"{__name__=~\"s.l\",k=\"a\"}", 30, 0, 0, "{__name__=\"sel\", k=\"a\"} 2"},
    {"sel{k=\"a\",k=\"b\"}", 30, 0, 0, ""},
    /* @ in the parameter of an aggregation: start() and end() are not seen, a time is that of the
       first step, and what that one may see is all there is */
    {"count(topk(scalar(ms @ end()), sel))", 0, 30, 15, "{} 1@0 2@15 3@30"},
    {"count(topk(scalar(ms @ start() offset 15s), sel))", 15, 45, 15, "{} 1@15 2@30 3@45"},
    {"count(topk(scalar(sum_over_time(ms[15s] @ end())), sel))", 0, 30, 15, "{} 1@0 2@15 3@30"},
    {"count(topk(scalar(sum_over_time(ms[15s] @ 1700000055)), sel))", 0, 30, 15,
     "{} 2@0 2@15 2@30"},
    {"quantile(scalar(ms @ 1700000055) / 2, sel{k=\"a\"})", 0, 300, 150,
     "{} 0@0 10@150 NaN@300 ! PromQL warning: quantile value should be between 0 and 1, got NaN "
     "(1:10)"},
    {"quantile(scalar(ms @ 1700000055) / 2, sel{k=\"a\"})", 300, 0, 0, "{} 20"},
    {"topk(scalar(sum(topk(scalar(ms @ end()), ms @ end()))), sel{k=\"b\"} @ end())", 0, 30, 15,
     "{__name__=\"sel\", k=\"b\"} 5@0 5@15 5@30"},
    {"ms offset 15s", 30, 0, 0, "{__name__=\"ms\"} 2"},
    {"ms offset -15s", 15, 0, 0, "{__name__=\"ms\"} 3"},
    {"ms offset 15001ms", 30, 0, 0, "{__name__=\"ms\"} 1"},
    {"ms @ 1.7e+09", 600, 0, 0, ""},
    {"ms @ start()", 0, 45, 15, "{__name__=\"ms\"} 1@0 1@15 1@30 1@45"},
    {"ms @ end()", 0, 30, 15, "{__name__=\"ms\"} 3@0 3@15 3@30"},
    {"ms offset 15s @ end()", 0, 30, 15, "{__name__=\"ms\"} 2@0 2@15 2@30"},
    {"ms", 329, 331, 1, "{__name__=\"ms\"} 3@329"},
    {"ms[30s]", 30, 0, 0, "{__name__=\"ms\"} 2@15 3@30"},
    {"ms[30001ms]", 30, 0, 0, "{__name__=\"ms\"} 1@0 2@15 3@30"},
    {"ms[15s] offset 15s", 30, 0, 0, "{__name__=\"ms\"} 2@15"},
    {"sel{k=\"b\"}[1m]", 180, 0, 0, "{__name__=\"sel\", k=\"b\"} 5@135 5@150"},
    {"sel{k=\"b\"}[5m]", 400, 0, 0,
     "{__name__=\"sel\", k=\"b\"} 5@105 5@120 5@135 5@150 7@345 7@360"},
    {"sel{k=\"ab\"}[10m]", 600, 0, 0,
     "{__name__=\"sel\", k=\"ab\"} 2@60 NaN@120 4@180 0@240 0.1@360"},
    {"ms[1m:15s]", 30, 0, 0, "{__name__=\"ms\"} 1@0 2@15 3@30"},
    {"ms[1m:20s]", 60, 0, 0, "{__name__=\"ms\"} 2@20 3@40 3@60"},
    {"sum_over_time(ms[1m:7s] offset 3s)", 0, 60, 20, "{} 4@20 9@40 18@60"},
    {"ms[1m:]", 60, 0, 0, "{__name__=\"ms\"} 3@60"},
    {"count_over_time(ms[30s] @ end())", 0, 60, 30, ""},
    {"ms[5m] @ 10", 0, 0, 0, ""},
    {"sel{k=\"b\"}", 0, 700, 50,
     "{__name__=\"sel\", k=\"b\"} 5@0 5@50 5@100 5@150 7@350 7@400 7@450 7@500 7@550 7@600 7@650"},
    {"sel{k=\"ab\"}", 0, 700, 90,
     "{__name__=\"sel\", k=\"ab\"} 1@0 2@90 4@180 0@270 0.1@360 0.1@450 0.1@540 0.1@630"},
    {"sum_over_time(sel{k=\"a\"}[1m])", 0, 100, 25, "{k=\"a\"} 0@0 1@25 6@50 14@75 18@100"},
    {"(ms)", 30, 0, 0, "{__name__=\"ms\"} 3"},
    {"max_over_time((ms + 1)[1m:15s])", 30, 0, 0, "{} 4"},
    {"sum_over_time((ms @ start())[1m:30s])", 0, 60, 30, "{} 2@0 2@30 2@60"},
    {"nothing", 0, 0, 0, ""},
    {"nothing[5m]", 0, 0, 0, ""},
};

Test(selector, answers)
{
    test_answers(loads, ARRAY_LEN(loads), cases, ARRAY_LEN(cases));
}
