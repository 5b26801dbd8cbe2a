/* Quantiles of groups and of windows.
 * Expected answers were compared with those of Prometheus 3.5.3 on the same samples. */
#include "tests/support/random.h"
#include "tests/unit/promql/test_query.h"
#include "tsdb/promql/quantile.h"

static const struct test_series loads[] = {
    {"qa{i=\"1\",k=\"x\"}", 15000, "1 5 NaN 3"},
    {"qa{i=\"2\",k=\"x\"}", 15000, "2 4 7 -Inf"},
    {"qa{i=\"3\",k=\"y\"}", 15000, "3 3 8 Inf"},
    {"qa{i=\"4\",k=\"y\"}", 15000, "10 2 9"},
};

static const struct test_case cases[] = {
    {"quantile(0, qa)", 0, 45, 15, "{} 1@0 2@15 NaN@30 -Inf@45"},
    {"quantile by (k) (0, qa)", 0, 45, 15,
     "{k=\"x\"} 1@0 4@15 NaN@30 -Inf@45; {k=\"y\"} 3@0 2@15 8@30 NaN@45"},
    {"quantile(0.25, qa)", 0, 45, 15, "{} 1.75@0 2.75@15 NaN@30 -Inf@45"},
    {"quantile by (k) (0.25, qa)", 0, 45, 15,
     "{k=\"x\"} 1.25@0 4.25@15 NaN@30 -Inf@45; {k=\"y\"} 4.75@0 2.25@15 8.25@30 +Inf@45"},
    {"quantile(0.5, qa)", 0, 45, 15, "{} 2.5@0 3.5@15 7.5@30 6@45"},
    {"quantile by (k) (0.5, qa)", 0, 45, 15,
     "{k=\"x\"} 1.5@0 4.5@15 NaN@30 -Inf@45; {k=\"y\"} 6.5@0 2.5@15 8.5@30 +Inf@45"},
    {"quantile(0.99, qa)", 0, 45, 15, "{} 9.79@0 4.97@15 8.969999999999999@30 +Inf@45"},
    {"quantile by (k) (0.99, qa)", 0, 45, 15,
     "{k=\"x\"} 1.99@0 4.99@15 NaN@30 -Inf@45; {k=\"y\"} 9.93@0 2.9899999999999998@15 8.99@30 "
     "+Inf@45"},
    {"quantile(1, qa)", 0, 45, 15, "{} 10@0 5@15 9@30 NaN@45"},
    {"quantile by (k) (1, qa)", 0, 45, 15,
     "{k=\"x\"} 2@0 5@15 7@30 3@45; {k=\"y\"} 10@0 3@15 9@30 NaN@45"},
    {"quantile(-0.5, qa)", 0, 0, 0,
     "{} -Inf ! PromQL warning: quantile value should be between 0 and 1, got -0.5 (1:10)"},
    {"quantile(1.5, qa)", 0, 0, 0,
     "{} +Inf ! PromQL warning: quantile value should be between 0 and 1, got 1.5 (1:10)"},
    {"quantile(NaN, qa)", 0, 0, 0,
     "{} NaN ! PromQL warning: quantile value should be between 0 and 1, got NaN (1:10)"},
    {"quantile(Inf, qa)", 0, 0, 0,
     "{} +Inf ! PromQL warning: quantile value should be between 0 and 1, got +Inf (1:10)"},
    {"quantile(scalar(qa{i=\"1\"}) / 5, qa)", 0, 45, 15,
     "{} 1.6@0 5@15 NaN@30 7.799999999999999@45 ! PromQL warning: quantile value should be between "
     "0 and 1, got NaN (1:10)"},
    {"quantile(scalar(qa{i=\"1\"} + on () qa{i=\"2\"}), qa{i=\"4\"})", 0, 45, 15,
     "{} +Inf@0 +Inf@15 NaN@30 -Inf@45 ! PromQL warning: quantile value should be between 0 and 1, "
     "got NaN (1:10) ! PromQL warning: quantile value should be between 0 and 1, got -Inf (1:10)"},
    {"quantile(scalar(qa{i=\"1\"} + on () qa{i=\"3\"}), qa{i=\"3\"})", 0, 45, 15,
     "{} +Inf@0 +Inf@15 NaN@30 +Inf@45 ! PromQL warning: quantile value should be between 0 and 1, "
     "got NaN (1:10) ! PromQL warning: quantile value should be between 0 and 1, got +Inf (1:10)"},
    {"quantile(7, nothing)", 0, 0, 0,
     " ! PromQL warning: quantile value should be between 0 and 1, got 7 (1:10)"},
    {"quantile_over_time(0.5, qa[1m])", 0, 60, 15,
     "{i=\"1\", k=\"x\"} 1@0 3@15 1@30 2@45 3@60; {i=\"2\", k=\"x\"} 2@0 3@15 4@30 3@45 4@60; "
     "{i=\"3\", k=\"y\"} 3@0 3@15 3@30 5.5@45 NaN@60; {i=\"4\", k=\"y\"} 10@0 6@15 9@30 9@45 "
     "5.5@60"},
    {"quantile_over_time(0.9, qa[1m])", 45, 0, 0,
     "{i=\"1\", k=\"x\"} 4.4; {i=\"2\", k=\"x\"} 6.1000000000000005; {i=\"3\", k=\"y\"} +Inf; "
     "{i=\"4\", k=\"y\"} 9.799999999999999"},
    {"quantile_over_time(-1, qa[1m])", 45, 0, 0,
     "{i=\"1\", k=\"x\"} -Inf; {i=\"2\", k=\"x\"} -Inf; {i=\"3\", k=\"y\"} -Inf; {i=\"4\", "
     "k=\"y\"} -Inf ! PromQL warning: quantile value should be between 0 and 1, got -1 (1:20)"},
    {"quantile_over_time((2), qa{i=\"1\"}[1m])", 45, 0, 0,
     "{i=\"1\", k=\"x\"} +Inf ! PromQL warning: quantile value should be between 0 and 1, got 2 "
     "(1:20)"},
    {"quantile_over_time((2), qa{i=\"1\"}[1m] @ end())", 45, 0, 0,
     "{i=\"1\", k=\"x\"} +Inf ! PromQL warning: quantile value should be between 0 and 1, got 2 "
     "(1:21)"},
    {"quantile_over_time((time()), qa{i=\"1\"}[1m])", 45, 0, 0,
     "{i=\"1\", k=\"x\"} +Inf ! PromQL warning: quantile value should be between 0 and 1, got "
     "1.700000085e+09 (1:21)"},
    {"quantile_over_time(2, nothing[1m])", 45, 0, 0, ""},
    {"quantile without (i) (0.5, qa)", 0, 0, 0, "{k=\"x\"} 1.5; {k=\"y\"} 6.5"},
};

Test(quantile, answers)
{
    test_answers(loads, ARRAY_LEN(loads), cases, ARRAY_LEN(cases));
}

/* ---- against sorting ---- */

static int in_order(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    if (isnan(x) || isnan(y))
        return isnan(y) - isnan(x);
    return (x > y) - (x < y);
}

static double naive_quantile(double q, double *v, size_t n)
{
    qsort(v, n, sizeof(*v), in_order);
    double rank = q * (double)(n - 1), low = floor(rank);
    double next = v[low + 1 < (double)n ? (size_t)low + 1 : n - 1];
    return v[(size_t)low] * (1 - (rank - low)) + next * (rank - low);
}

static double value_of_kind(struct random *r, int kind, size_t i, size_t n)
{
    switch (kind) {
    case 0: /* up, down, up and down: what makes a bad choice of pivots slow */
        return (double)i;
    case 1:
        return (double)(n - i);
    case 2:
        return (double)(i < n / 2 ? i : n - i);
    case 3: /* all alike */
        return 7;
    case 4: /* few different ones, NaN and infinities among them */
        return random_below(r, 9) == 0 ? (double)NAN : 6 / ((double)random_below(r, 7) - 3);
    default:
        return (double)random_below(r, UINT64_C(1) << 50) / 1024;
    }
}

Test(quantile, is_that_of_the_sorted_values)
{
    enum { MOST = 3000 };
    static const double qs[] = {0, 0.01, 0.25, 0.5, 0.95, 0.999, 1};
    static double v[MOST], sorted[MOST];
    struct random r;
    random_init(&r, random_seed());
    for (int round = 0; round < 3000; round++) {
        size_t n = 1 + random_below(&r, random_below(&r, 20) == 0 ? MOST : 60);
        int kind = (int)random_below(&r, 6);
        for (size_t i = 0; i < n; i++)
            sorted[i] = v[i] = value_of_kind(&r, kind, i, n);
        double q = qs[random_below(&r, ARRAY_LEN(qs))];
        double found = quantile_of(q, v, n), expected = naive_quantile(q, sorted, n);
        cr_assert(found == expected || (isnan(found) && isnan(expected)), "%g of %zu: %g, not %g",
                  q, n, found, expected);
        qsort(v, n, sizeof(*v), in_order);
        for (size_t i = 0; i < n; i++)
            cr_assert(v[i] == sorted[i] || (isnan(v[i]) && isnan(sorted[i])), "none is lost");
    }
}
