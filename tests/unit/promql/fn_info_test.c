/* info(): more of it in tests/promql/info.test. */
#include "tests/unit/promql/test_query.h"

static const struct test_series loads[] = {
    {"m{instance=\"a\",job=\"j\"}", 15000, "1 2 3"},
    {"m{instance=\"b\",job=\"j\"}", 15000, "4 5 6"},
    {"target_info{instance=\"a\",job=\"j\",v=\"1\"}", 15000, "1 stale"},
    {"target_info{instance=\"a\",job=\"j\",v=\"2\"}", 15000, "_ 1 1"},
    {"x_info{instance=\"a\",job=\"j\",v=\"9\"}", 15000, "1 1 1"},
};

static const struct test_case cases[] = {
    {"info(m{instance=\"a\"})", 0, 30, 15,
     "{__name__=\"m\", instance=\"a\", job=\"j\", v=\"1\"} 1@0; "
     "{__name__=\"m\", instance=\"a\", job=\"j\", v=\"2\"} 2@15 3@30"},
    {"info(m, {v=~\".+\"})", 30, 0, 0, "{__name__=\"m\", instance=\"a\", job=\"j\", v=\"2\"} 3"},
    {"info(m{instance=\"b\"})", 30, 0, 0, "{__name__=\"m\", instance=\"b\", job=\"j\"} 6"},
    {"info(m{instance=\"a\"}, {__name__=~\".+_info\"})", 30, 0, 0, "conflicting label: v"},
    {"info(m{instance=\"a\"} offset 30s)", 30, 0, 0,
     "{__name__=\"m\", instance=\"a\", job=\"j\", v=\"1\"} 1"},
    {"info(sum(m))", 30, 0, 0, "{} 9"},
    {"info(nothing)", 30, 0, 0, ""},
};

Test(fn_info, answers)
{
    test_answers_with(PROMQL_EXPERIMENTAL_FUNCTIONS, loads, ARRAY_LEN(loads), cases,
                      ARRAY_LEN(cases));
}
