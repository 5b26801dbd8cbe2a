/* Windows with edges, by hand: samples at 0, 10, 20, 30 s; the range from 5 to 25 s. */
#include "tsdb/promql/extended_range.h"

#include <criterion/criterion.h>

static const int64_t times[] = {0, 10000, 20000, 30000};

static struct range_window window_of(enum edges edges, size_t n, const double *v)
{
    return (struct range_window){
        .t_ms = times, .v = v, .n = n, .start_ms = 5000, .end_ms = 25000, .edges = edges};
}

Test(extended_range, difference)
{
    static const double rising[] = {0, 10, 30, 70}, reset[] = {10, 20, 4, 8};
    struct range_window w = window_of(EDGES_ANCHORED, 3, rising);
    double d;
    cr_assert(extended_range_difference(&w, true, &d) && d == 30);
    w = window_of(EDGES_SMOOTHED, 4, rising);
    cr_assert(extended_range_difference(&w, true, &d) && d == 50 - 5);
    w = window_of(EDGES_SMOOTHED, 4, reset);
    cr_assert(extended_range_difference(&w, true, &d) && d == 6 - 15 + 20);
    cr_assert(extended_range_difference(&w, false, &d) && d == 6 - 15);
}

Test(extended_range, nothing_in_the_range)
{
    static const double v[] = {1, 2, 3, 4};
    struct range_window w = window_of(EDGES_ANCHORED, 1, v);
    double d, values[6];
    int64_t t_ms[6];
    cr_assert_not(extended_range_difference(&w, true, &d));
    cr_assert_eq(extended_range_samples(&w, t_ms, values), 0);
    w = window_of(EDGES_SMOOTHED, 1, v + 3);
    w.t_ms = times + 3;
    cr_assert_not(extended_range_difference(&w, true, &d));
}

Test(extended_range, samples)
{
    static const double v[] = {0, 10, 30, 70};
    static const int64_t expected_ms[] = {5000, 10000, 20000, 25000};
    static const double anchored[] = {0, 10, 30, 30}, smoothed[] = {5, 10, 30, 50};
    struct range_window w = window_of(EDGES_ANCHORED, 3, v);
    double values[6];
    int64_t t_ms[6];
    cr_assert_eq(extended_range_samples(&w, t_ms, values), 4);
    cr_assert_arr_eq(t_ms, expected_ms, sizeof(expected_ms));
    cr_assert_arr_eq(values, anchored, sizeof(anchored));
    w = window_of(EDGES_SMOOTHED, 4, v);
    cr_assert_eq(extended_range_samples(&w, t_ms, values), 4);
    cr_assert_arr_eq(t_ms, expected_ms, sizeof(expected_ms));
    cr_assert_arr_eq(values, smoothed, sizeof(smoothed));
}
