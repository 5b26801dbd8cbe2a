/* Values counted.
 * Expected answers were compared with those of Prometheus 3.5.3 on the same samples. */
#include "tests/unit/promql/test_query.h"

static const struct test_series loads[] = {
    {"ca{i=\"1\",k=\"x\"}", 15000, "1 5 NaN 1e21"},
    {"ca{i=\"2\",k=\"x\"}", 15000, "1 0.1 NaN -0"},
    {"ca{i=\"3\",k=\"y\"}", 15000, "3 5 Inf 1e-7"},
};

static const struct test_case cases[] = {
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
    {"count_values without (k) (\"k\", ca)", 0, 15, 15,
     "{i=\"1\"} 1@0 1@15; {i=\"2\"} 1@0 1@15; {i=\"3\"} 1@0 1@15"},
    {"count_values without (i, k) (\"k\", ca)", 0, 15, 15, "{} 3@0 3@15"},
    {"count_values without (i) (\"__name__\", ca)", 0, 0, 0, "{k=\"x\"} 2; {k=\"y\"} 1"},
    {"count_values(\"\", ca)", 0, 0, 0, "invalid label name \"\""},
    {"count_values(\"a b\", ca)", 0, 0, 0, "{\"a b\"=\"1\"} 2; {\"a b\"=\"3\"} 1"},
    {"count_values(\"v\", nothing)", 0, 0, 0, ""},
};

Test(count_values, answers)
{
    test_answers(loads, ARRAY_LEN(loads), cases, ARRAY_LEN(cases));
}
