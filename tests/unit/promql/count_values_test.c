/* Values counted.
 * Expected answers were compared with those of Prometheus 3.5.3 on the same samples. */
#include "tests/unit/promql/test_query.h"

static const struct {
    const char *series;
    int64_t interval_ms;
    const char *values;
} loads[] = {
    {"ca{i=\"1\",k=\"x\"}", 15000, "1 5 NaN 1e21"},
    {"ca{i=\"2\",k=\"x\"}", 15000, "1 0.1 NaN -0"},
    {"ca{i=\"3\",k=\"y\"}", 15000, "3 5 Inf 1e-7"},
};

/* step_s 0: an instant query at start_s. */
static const struct {
    const char *query;
    double start_s, end_s, step_s;
    const char *answer;
} cases[] = {
    {"count_values(\"v\", ca)", 0, 45, 15,
     "{v=\"+Inf\"} 1@30; {v=\"0\"} 1@45; {v=\"0.0000001\"} 1@45; {v=\"0.1\"} 1@15; {v=\"1\"} 2@0; "
     "{v=\"1000000000000000000000\"} 1@45; {v=\"3\"} 1@0; {v=\"5\"} 2@15; {v=\"NaN\"} 2@30"},
    {"count_values by (k) (\"v\", ca)", 0, 45, 15,
     "{k=\"x\", v=\"0\"} 1@45; {k=\"x\", v=\"0.1\"} 1@15; {k=\"x\", v=\"1\"} 2@0; {k=\"x\", "
     "v=\"1000000000000000000000\"} 1@45; {k=\"x\", v=\"5\"} 1@15; {k=\"x\", v=\"NaN\"} 2@30; "
     "{k=\"y\", v=\"+Inf\"} 1@30; {k=\"y\", v=\"0.0000001\"} 1@45; {k=\"y\", v=\"3\"} 1@0; "
     "{k=\"y\", v=\"5\"} 1@15"},
    {"count_values without (i) (\"v\", ca)", 0, 45, 15,
     "{k=\"x\", v=\"0\"} 1@45; {k=\"x\", v=\"0.1\"} 1@15; {k=\"x\", v=\"1\"} 2@0; {k=\"x\", "
     "v=\"1000000000000000000000\"} 1@45; {k=\"x\", v=\"5\"} 1@15; {k=\"x\", v=\"NaN\"} 2@30; "
     "{k=\"y\", v=\"+Inf\"} 1@30; {k=\"y\", v=\"0.0000001\"} 1@45; {k=\"y\", v=\"3\"} 1@0; "
     "{k=\"y\", v=\"5\"} 1@15"},
    {"count_values(\"i\", ca)", 0, 0, 0, "{i=\"1\"} 2; {i=\"3\"} 1"},
    {"count_values(\"k\", ca) by (k)", 0, 0, 0, "{k=\"1\"} 2; {k=\"3\"} 1"},
    {"count_values(\"\", ca)", 0, 0, 0, "invalid label name \"\""},
    {"count_values(\"a b\", ca)", 0, 0, 0, "{\"a b\"=\"1\"} 2; {\"a b\"=\"3\"} 1"},
    {"count_values(\"v\", nothing)", 0, 0, 0, ""},
};

Test(count_values, answers)
{
    struct test_query t;
    test_query_init(&t);
    for (size_t i = 0; i < ARRAY_LEN(loads); i++)
        test_load(&t, loads[i].series, loads[i].interval_ms, loads[i].values);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *answer =
            cases[i].step_s > 0
                ? test_range(&t, cases[i].query, cases[i].start_s, cases[i].end_s, cases[i].step_s)
                : test_instant(&t, cases[i].query, cases[i].start_s);
        cr_assert_str_eq(answer, cases[i].answer, "%s: %s", cases[i].query, answer);
    }
    test_query_release(&t);
}
