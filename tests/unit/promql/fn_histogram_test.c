/* Quantiles of classic histograms.
 * Expected answers were compared with those of Prometheus 3.5.3 on the same samples. */
#include "tests/unit/promql/test_query.h"

static const struct test_series loads[] = {
    {"hq_bucket{le=\"0.1\",x=\"1\"}", 15000, "0+1x9"},
    {"hq_bucket{le=\"1\",x=\"1\"}", 15000, "0+4x9"},
    {"hq_bucket{le=\"+Inf\",x=\"1\"}", 15000, "0+5x9"},
    {"hneg_bucket{le=\"-1\"}", 15000, "2 1"},
    {"hneg_bucket{le=\"1\"}", 15000, "1 3"},
    {"hneg_bucket{le=\"Inf\"}", 15000, "4 4"},
    {"hbad", 15000, "1x9"},
    {"hbad{le=\"x\"}", 15000, "1x9"},
    {"hfall_bucket{le=\"1\"}", 15000, "1x9"},
    {"hfall_bucket{le=\"2\"}", 15000, "6x9"},
    {"hfall_bucket{le=\"+Inf\"}", 15000, "3x9"},
    {"hnone_bucket{le=\"1\"}", 15000, "0+0x9"},
    {"hnone_bucket{le=\"+Inf\"}", 15000, "-3+0x9"},
    {"hone_bucket{le=\"+Inf\"}", 15000, "3x9"},
};

static const struct test_case cases[] = {
    {"histogram_quantile(0, hq_bucket)", 60, 0, 0, "{x=\"1\"} 0"},
    {"histogram_quantile(0.1, hq_bucket)", 60, 0, 0, "{x=\"1\"} 0.05"},
    {"histogram_quantile(0.2, hq_bucket)", 60, 0, 0, "{x=\"1\"} 0.1"},
    {"histogram_quantile(0.5, hq_bucket)", 60, 0, 0, "{x=\"1\"} 0.55"},
    {"histogram_quantile(0.8, hq_bucket)", 60, 0, 0, "{x=\"1\"} 1"},
    {"histogram_quantile(0.9, hq_bucket)", 60, 0, 0, "{x=\"1\"} 1"},
    {"histogram_quantile(1, hq_bucket)", 60, 0, 0, "{x=\"1\"} 1"},
    {"histogram_quantile(1.5, hq_bucket)", 60, 0, 0,
     "{x=\"1\"} +Inf ! PromQL warning: quantile value should be between 0 and 1, got 1.5 (1:20)"},
    {"histogram_quantile(-1, hq_bucket)", 60, 0, 0,
     "{x=\"1\"} -Inf ! PromQL warning: quantile value should be between 0 and 1, got -1 (1:20)"},
    {"histogram_quantile((1 + 0.5), hq_bucket)", 60, 0, 0,
     "{x=\"1\"} +Inf ! PromQL warning: quantile value should be between 0 and 1, got 1.5 (1:20)"},
    {"histogram_quantile(0.5, hnone_bucket)", 60, 0, 0, "{} NaN"},
    {"histogram_fraction(1, 1.9, hfall_bucket)", 60, 0, 0, "{} 0.6666666666666666"},
    {"histogram_fraction(1.5, 2, hfall_bucket)", 60, 0, 0, "{} 0"},
    {"histogram_quantile(NaN, hq_bucket)", 60, 0, 0,
     "{x=\"1\"} NaN ! PromQL warning: quantile value should be between 0 and 1, got NaN (1:20)"},
    {"histogram_quantile(0.9, rate(hq_bucket[1m]))", 0, 120, 30, "{x=\"1\"} 1@30 1@60 1@90 1@120"},
    {"histogram_quantile(0.5, hneg_bucket)", 0, 30, 15,
     "{} -1@0 0@15 0@30 ! PromQL info: input to histogram_quantile needed to be fixed for "
     "monotonicity (see "
     "https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile) for "
     "metric name \"hneg_bucket\" (1:25)"},
    {"histogram_quantile(0.1, hneg_bucket)", 0, 30, 15,
     "{} -1@0 -1@15 -1@30 ! PromQL info: input to histogram_quantile needed to be fixed for "
     "monotonicity (see "
     "https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile) for "
     "metric name \"hneg_bucket\" (1:25)"},
    {"histogram_quantile(0.5, sum by (le) (hq_bucket))", 0, 60, 30, "{} NaN@0 0.55@30 0.55@60"},
    {"histogram_quantile(0.5, hbad)", 0, 0, 0,
     " ! PromQL warning: bucket label \"le\" is missing or has a malformed value of \"\" for "
     "metric name \"hbad\" (1:25) ! PromQL warning: bucket label \"le\" is missing or has a "
     "malformed value of \"x\" for metric name \"hbad\" (1:25)"},
    {"histogram_quantile(0.5, hq_bucket{le!=\"+Inf\"})", 60, 0, 0, "{x=\"1\"} NaN"},
    {"histogram_quantile(0.5, hone_bucket)", 60, 0, 0, "{} NaN"},
    {"histogram_quantile(2, nothing)", 0, 0, 0,
     " ! PromQL warning: quantile value should be between 0 and 1, got 2 (1:20)"},
    {"histogram_quantile(0.5, {__name__=~\"hq_bucket|hneg_bucket\"})", 15, 0, 0,
     "{x=\"1\"} 0.55; {} 0"},
    {"histogram_quantile(0.5, -hneg_bucket)", 15, 0, 0,
     "{} 1 ! PromQL info: input to histogram_quantile needed to be fixed for monotonicity (see "
     "https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile) for "
     "metric name \"\" (1:25)"},
};

Test(fn_histogram, answers)
{
    test_answers(loads, ARRAY_LEN(loads), cases, ARRAY_LEN(cases));
}
