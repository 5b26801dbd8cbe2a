/* and, or, unless.
 * Expected answers were compared with those of Prometheus 3.5.3 on the same samples. */
#include "tests/unit/promql/test_query.h"

static const struct test_series loads[] = {
    {"sa{i=\"a\"}", 15000, "1+1x20"},        {"sa{i=\"b\"}", 15000, "10 _ 30 _ 50"},
    {"sb{i=\"a\"}", 15000, "1x20"},          {"sb{i=\"c\"}", 15000, "7 7 stale _ 8"},
    {"x1{k=\"1\"}", 15000, "1 2 stale _ 3"}, {"x2{k=\"1\"}", 15000, "10+10x10"},
};

static const struct test_case cases[] = {
    {"sa and sb", 0, 60, 15, "{__name__=\"sa\", i=\"a\"} 1@0 2@15 3@30 4@45 5@60"},
    {"sa and on(i) sb", 0, 60, 15, "{__name__=\"sa\", i=\"a\"} 1@0 2@15 3@30 4@45 5@60"},
    {"sa and ignoring(i) sb", 0, 60, 15,
     "{__name__=\"sa\", i=\"a\"} 1@0 2@15 3@30 4@45 5@60; {__name__=\"sa\", i=\"b\"} 10@0 10@15 "
     "30@30 30@45 50@60"},
    {"sa and on() sb", 0, 60, 15,
     "{__name__=\"sa\", i=\"a\"} 1@0 2@15 3@30 4@45 5@60; {__name__=\"sa\", i=\"b\"} 10@0 10@15 "
     "30@30 30@45 50@60"},
    {"sa and on(zz) sb", 0, 60, 15,
     "{__name__=\"sa\", i=\"a\"} 1@0 2@15 3@30 4@45 5@60; {__name__=\"sa\", i=\"b\"} 10@0 10@15 "
     "30@30 30@45 50@60"},
    {"sa or sb", 0, 60, 15,
     "{__name__=\"sa\", i=\"a\"} 1@0 2@15 3@30 4@45 5@60; {__name__=\"sa\", i=\"b\"} 10@0 10@15 "
     "30@30 30@45 50@60; {__name__=\"sb\", i=\"c\"} 7@0 7@15 8@60"},
    {"sa or on(i) sb", 0, 60, 15,
     "{__name__=\"sa\", i=\"a\"} 1@0 2@15 3@30 4@45 5@60; {__name__=\"sa\", i=\"b\"} 10@0 10@15 "
     "30@30 30@45 50@60; {__name__=\"sb\", i=\"c\"} 7@0 7@15 8@60"},
    {"sa or ignoring(i) sb", 0, 60, 15,
     "{__name__=\"sa\", i=\"a\"} 1@0 2@15 3@30 4@45 5@60; {__name__=\"sa\", i=\"b\"} 10@0 10@15 "
     "30@30 30@45 50@60"},
    {"sa or on() sb", 0, 60, 15,
     "{__name__=\"sa\", i=\"a\"} 1@0 2@15 3@30 4@45 5@60; {__name__=\"sa\", i=\"b\"} 10@0 10@15 "
     "30@30 30@45 50@60"},
    {"sa or on(zz) sb", 0, 60, 15,
     "{__name__=\"sa\", i=\"a\"} 1@0 2@15 3@30 4@45 5@60; {__name__=\"sa\", i=\"b\"} 10@0 10@15 "
     "30@30 30@45 50@60"},
    {"sa unless sb", 0, 60, 15, "{__name__=\"sa\", i=\"b\"} 10@0 10@15 30@30 30@45 50@60"},
    {"sa unless on(i) sb", 0, 60, 15, "{__name__=\"sa\", i=\"b\"} 10@0 10@15 30@30 30@45 50@60"},
    {"sa unless ignoring(i) sb", 0, 60, 15, ""},
    {"sa unless on() sb", 0, 60, 15, ""},
    {"sa unless on(zz) sb", 0, 60, 15, ""},
    {"sa and nothing", 0, 0, 0, ""},
    {"nothing or sa", 0, 0, 0, "{__name__=\"sa\", i=\"a\"} 1; {__name__=\"sa\", i=\"b\"} 10"},
    {"sa or nothing", 0, 0, 0, "{__name__=\"sa\", i=\"a\"} 1; {__name__=\"sa\", i=\"b\"} 10"},
    {"nothing unless sa", 0, 0, 0, ""},
    {"sa unless nothing", 0, 0, 0, "{__name__=\"sa\", i=\"a\"} 1; {__name__=\"sa\", i=\"b\"} 10"},
    {"x1 or x2", 0, 60, 15,
     "{__name__=\"x1\", k=\"1\"} 1@0 2@15 3@60; {__name__=\"x2\", k=\"1\"} 30@30 40@45"},
    {"(x1 or x2) + 1", 0, 60, 15, "{k=\"1\"} 2@0 3@15 31@30 41@45 4@60"},
    {"x1 + 0 or x2 + 0", 0, 60, 15, "{k=\"1\"} 1@0 2@15 30@30 40@45 3@60"},
    {"sa > 1 or sb", 0, 0, 0,
     "{__name__=\"sa\", i=\"b\"} 10; {__name__=\"sb\", i=\"a\"} 1; {__name__=\"sb\", i=\"c\"} 7"},
    {"sa and sb > 6 or sb", 0, 0, 0, "{__name__=\"sb\", i=\"a\"} 1; {__name__=\"sb\", i=\"c\"} 7"},
    {"sa or sb or x1", 0, 0, 0,
     "{__name__=\"sa\", i=\"a\"} 1; {__name__=\"sa\", i=\"b\"} 10; {__name__=\"sb\", i=\"c\"} 7; "
     "{__name__=\"x1\", k=\"1\"} 1"},
};

Test(setop, answers)
{
    test_answers(loads, ARRAY_LEN(loads), cases, ARRAY_LEN(cases));
}
