/* rate and its kin.
 * Expected answers were compared with those of Prometheus 3.5.3 on the same samples. */
#include "tests/unit/promql/test_query.h"

static const struct test_series loads[] = {
    {"req_total{i=\"a\"}", 15000, "0+10x40"},
    {"req_total{i=\"b\"}", 15000, "100+1.5x10 3+2x20"},
    {"gauge", 15000, "5 3 8 1 9 NaN 2 4x5"},
    {"late_total", 15000, "_x20 7+7x10"},
    {"near_zero_total", 15000, "1+100x20"},
    {"one_total", 15000, "_x10 5"},
    {"gauge2{i=\"z\"}", 60000, "1 1 2 2 1 0"},
    {"twin_a", 15000, "0+1x40"},
    {"twin_b", 15000, "0+1x40"},
};

static const struct test_case cases[] = {
    {"rate(req_total[5m])", 600, 0, 0,
     "{i=\"a\"} 0.6666666666666666; {i=\"b\"} 0.07666666666666666"},
    {"rate(req_total[1m])", 45, 0, 0, "{i=\"a\"} 0.5; {i=\"b\"} 0.09999999999999999"},
    {"rate(req_total[1m])", 60, 0, 0,
     "{i=\"a\"} 0.6666666666666666; {i=\"b\"} 0.09999999999999999"},
    {"rate(req_total[1m])", 50, 0, 0,
     "{i=\"a\"} 0.5555555555555556; {i=\"b\"} 0.09999999999999999"},
    {"increase(req_total[1m])", 50, 0, 0, "{i=\"a\"} 33.333333333333336; {i=\"b\"} 6"},
    {"increase(req_total[5m])", 200, 0, 0,
     "{i=\"a\"} 133.33333333333331; {i=\"b\"} 23.41025641025641"},
    {"rate(req_total[30s])", 0, 120, 17,
     "{i=\"a\"} 0.37777777777777777@17 0.6666666666666666@34 0.6666666666666666@51 "
     "0.6666666666666666@68 0.6666666666666666@85 0.6666666666666666@102 0.6666666666666666@119; "
     "{i=\"b\"} 0.1@17 0.1@34 0.1@51 0.1@68 0.1@85 0.1@102 0.1@119"},
    {"increase(req_total{i=\"b\"}[1m])", 140, 190, 7,
     "{i=\"b\"} 6@140 6@147 6@154 6@161 8@168 8@175 8.666666666666666@182 8.666666666666666@189"},
    {"rate(gauge[1m])", 60, 0, 0,
     "{} 0.2833333333333333 ! PromQL info: metric might not be a counter, name does not end in "
     "_total/_sum/_count/_bucket: \"gauge\" (1:6)"},
    {"delta(gauge[1m])", 0, 120, 30, "{} 3.75@30 8@60 1.3333333333333333@90 NaN@120"},
    {"rate(late_total[5m])", 0, 600, 100,
     "{} 0.1438888888888889@400 0.2566666666666667@500 0.2683333333333333@600"},
    /* the first sample 17.1, 16.5 and 16.4 s behind the start of the range: 1.1 of their mean
       distance is 16.5 */
    {"increase(late_total[1m2s100ms])", 360, 0, 0, "{} 24.5"},
    {"increase(late_total[1m1s500ms])", 360, 0, 0, "{} 24.5"},
    {"increase(late_total[1m1s400ms])", 360, 0, 0, "{} 28"},
    {"increase(near_zero_total[5m])", 300, 0, 0, "{} 2000"},
    {"increase(near_zero_total[5m])", 280, 0, 0, "{} 1867.6666666666663"},
    {"rate(one_total[5m])", 200, 0, 0, ""},
    {"rate({__name__=~\"gauge.*\"}[5m])", 300, 0, 0,
     "{} 0.034090909090909095; {i=\"z\"} 0.008333333333333333 ! PromQL info: metric might not be a "
     "counter, name does not end in _total/_sum/_count/_bucket: \"gauge\" (1:6) ! PromQL info: "
     "metric might not be a counter, name does not end in _total/_sum/_count/_bucket: \"gauge2\" "
     "(1:6)"},
    {"rate({__name__=~\"twin_.*\"}[5m])", 300, 0, 0,
     "vector cannot contain metrics with the same labelset"},
    {"irate(req_total[5m])", 172, 0, 0, "{i=\"a\"} 0.6666666666666666; {i=\"b\"} 0.2"},
    {"irate(req_total{i=\"b\"}[5m])", 172, 0, 0, "{i=\"b\"} 0.2"},
    {"idelta(gauge[5m])", 45, 0, 0, "{} -7"},
    {"changes(gauge[2m])", 0, 200, 40, "{} 0@0 2@40 5@80 6@120 4@160 1@200"},
    {"resets(gauge[2m])", 0, 200, 40, "{} 0@0 1@40 2@80 1@120 0@160 0@200"},
    {"changes(gauge2[10m])", 600, 0, 0, "{i=\"z\"} 3"},
    {"resets(req_total[10m])", 600, 0, 0, "{i=\"a\"} 0; {i=\"b\"} 1"},
    {"rate(req_total[5m] offset 1m)", 300, 0, 0, "{i=\"a\"} 0.5333333333333333; {i=\"b\"} 0.09625"},
    {"rate(req_total[5m] @ start())", 300, 400, 50,
     "{i=\"a\"} 0.6666666666666666@300 0.6666666666666666@350 0.6666666666666666@400; {i=\"b\"} "
     "0.12105263157894736@300 0.12105263157894736@350 0.12105263157894736@400"},
    {"rate(req_total[1m:15s])", 300, 0, 0,
     "{i=\"a\"} 0.6666666666666666; {i=\"b\"} 0.1333333333333333"},
    {"rate(sum by (i) (req_total)[1m:15s])", 300, 0, 0,
     "{i=\"a\"} 0.6666666666666666; {i=\"b\"} 0.1333333333333333"},
    {"increase(req_total[1ms])", 300, 0, 0, ""},
    {"irate(one_total[5m])", 200, 0, 0, ""},
    {"rate(\n  gauge[5m])", 300, 0, 0,
     "{} 0.034090909090909095 ! PromQL info: metric might not be a counter, name does not end in "
     "_total/_sum/_count/_bucket: \"gauge\" (2:3)"},
    {"rate(late_total[5m]) + rate(gauge[5m]) + rate(gauge2[5m])", 400, 0, 0,
     " ! PromQL info: metric might not be a counter, name does not end in "
     "_total/_sum/_count/_bucket: \"gauge\" (1:29) ! PromQL info: metric might not be a counter, "
     "name does not end in _total/_sum/_count/_bucket: \"gauge2\" (1:47)"},
};

Test(fn_rate, answers)
{
    test_answers(loads, ARRAY_LEN(loads), cases, ARRAY_LEN(cases));
}
