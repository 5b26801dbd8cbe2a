/* Functions that make one number of the values in a window, whatever their times. */
#include "tsdb/promql/fn.h"
#include "tsdb/promql/kahan.h"
#include "tsdb/promql/quantile.h"
#include "tsdb/promql/range_fn.h"
#include "tsdb/promql/sliding.h"

#include <string.h>

static int eval_with(struct eval *e, const struct node *call, range_fn fn, struct value *ret)
{
    ret->type = PROMQL_VECTOR;
    return range_fn_eval(e, call, fn, &ret->vector);
}

static bool window_sum(const struct range_window *w, const double *params, double *ret)
{
    (void)params;
    if (sliding_sum(w, ret))
        return true;
    struct kahan k = {0, 0};
    for (size_t i = 0; i < w->n; i++)
        k = kahan_add(k, w->v[i]);
    *ret = isinf(k.sum) ? k.sum : k.sum + k.c;
    return true;
}

static bool window_avg(const struct range_window *w, const double *params, double *ret)
{
    (void)params;
    if (sliding_sum(w, ret)) {
        *ret /= (double)w->n;
        return true;
    }
    struct kahan_mean m;
    kahan_mean_first(&m, w->v[0]);
    for (size_t i = 1; i < w->n; i++)
        kahan_mean_add(&m, w->v[i]);
    *ret = kahan_mean_value(&m);
    return true;
}

static bool window_min(const struct range_window *w, const double *params, double *ret)
{
    (void)params;
    *ret = w->v[sliding_extreme(w, EXTREME_MIN, AMONG_EQUALS_FIRST)];
    return true;
}

static bool window_max(const struct range_window *w, const double *params, double *ret)
{
    (void)params;
    *ret = w->v[sliding_extreme(w, EXTREME_MAX, AMONG_EQUALS_FIRST)];
    return true;
}

static bool window_count(const struct range_window *w, const double *params, double *ret)
{
    (void)params;
    *ret = (double)w->n;
    return true;
}

static bool window_last(const struct range_window *w, const double *params, double *ret)
{
    (void)params;
    *ret = w->v[w->n - 1];
    return true;
}

static bool window_first(const struct range_window *w, const double *params, double *ret)
{
    (void)params;
    *ret = w->v[0];
    return true;
}

static bool window_time_of_first(const struct range_window *w, const double *params, double *ret)
{
    (void)params;
    *ret = (double)w->t_ms[0] / 1000;
    return true;
}

static bool window_time_of_last(const struct range_window *w, const double *params, double *ret)
{
    (void)params;
    *ret = (double)w->t_ms[w->n - 1] / 1000;
    return true;
}

/* Of equal extremes the last counts. */
static bool window_time_of_min(const struct range_window *w, const double *params, double *ret)
{
    (void)params;
    *ret = (double)w->t_ms[sliding_extreme(w, EXTREME_MIN, AMONG_EQUALS_LAST)] / 1000;
    return true;
}

static bool window_time_of_max(const struct range_window *w, const double *params, double *ret)
{
    (void)params;
    *ret = (double)w->t_ms[sliding_extreme(w, EXTREME_MAX, AMONG_EQUALS_LAST)] / 1000;
    return true;
}

static bool window_present(const struct range_window *w, const double *params, double *ret)
{
    (void)w, (void)params;
    *ret = 1;
    return true;
}

/* Welford's variance with mean and sum of squares both compensated. */
static bool window_variance(const struct range_window *w, const double *params, double *ret)
{
    (void)params;
    struct kahan mean = {0, 0}, squares = {0, 0};
    for (size_t i = 0; i < w->n; i++) {
        double delta = w->v[i] - (mean.sum + mean.c);
        mean = kahan_add(mean, delta / (double)(i + 1));
        squares = kahan_add(squares, delta * (w->v[i] - (mean.sum + mean.c)));
    }
    *ret = (squares.sum + squares.c) / (double)w->n;
    return true;
}

static bool window_deviation(const struct range_window *w, const double *params, double *ret)
{
    window_variance(w, params, ret);
    *ret = sqrt(*ret);
    return true;
}

static bool window_quantile(const struct range_window *w, const double *params, double *ret)
{
    memcpy(w->scratch, w->v, w->n * sizeof(*w->v));
    *ret = quantile_of(params[0], w->scratch, w->n);
    return true;
}

/* The median distance from the median. NaN makes it NaN, but in 3.5 only where it comes to be in
 * the middle: it sorts below all. */
static bool window_mad(const struct range_window *w, const double *params, double *ret)
{
    (void)params;
    memcpy(w->scratch, w->v, w->n * sizeof(*w->v));
    for (size_t i = 0; i < w->n && eval_as_main(w->e); i++) {
        *ret = w->v[i];
        if (isnan(*ret))
            return true;
    }
    double median = quantile_of(0.5, w->scratch, w->n);
    for (size_t i = 0; i < w->n; i++)
        w->scratch[i] = fabs(w->v[i] - median);
    *ret = quantile_of(0.5, w->scratch, w->n);
    return true;
}

/* Holt and Winters: s smooths the values with factor params[0], b their slope with params[1]. */
static bool window_smoothing(const struct range_window *w, const double *params, double *ret)
{
    static const char *const texts[] = {"invalid smoothing factor. Expected: 0 < sf < 1, got: %f",
                                        "invalid trend factor. Expected: 0 < tf < 1, got: %f"};
    for (size_t i = 0; i < 2; i++)
        if (params[i] <= 0 || params[i] >= 1)
            return eval_fail(w->e, PROMQL_ERR_EXECUTION,
                             region_printf(w->e->region, texts[i], params[i])) == 0;
    if (w->n < 2)
        return false;
    double before = 0, s = w->v[0], b = w->v[1] - w->v[0];
    for (size_t i = 1; i < w->n; i++) {
        double x = params[0] * w->v[i];
        if (i > 1)
            b = params[1] * (s - before) + (1 - params[1]) * b;
        double y = (1 - params[0]) * (s + b);
        before = s;
        s = x + y;
    }
    *ret = s;
    return true;
}

int fn_quantile_over_time(struct eval *e, const struct node *call, struct value *ret)
{
    double *q;
    ret->type = PROMQL_VECTOR;
    if (eval_scalar(e, call->call.args[0], &q) != 0 ||
        range_fn_eval_named(e, call, window_quantile, &ret->vector) != 0)
        return -1;
    for (size_t k = 0; k < ret->vector.n; k++)
        for (size_t i = 0; i < e->steps.n; i++)
            if (!(q[i] >= 0 && q[i] <= 1) && column_has(&ret->vector.items[k], i))
                quantile_check(e, q[i], node_call_argument_pos(call, 0));
    return eval_drop_names(e, &ret->vector, true);
}

int fn_sum_over_time(struct eval *e, const struct node *call, struct value *ret)
{
    return eval_with(e, call, window_sum, ret);
}

int fn_avg_over_time(struct eval *e, const struct node *call, struct value *ret)
{
    return eval_with(e, call, window_avg, ret);
}

int fn_min_over_time(struct eval *e, const struct node *call, struct value *ret)
{
    return eval_with(e, call, window_min, ret);
}

int fn_max_over_time(struct eval *e, const struct node *call, struct value *ret)
{
    return eval_with(e, call, window_max, ret);
}

int fn_count_over_time(struct eval *e, const struct node *call, struct value *ret)
{
    return eval_with(e, call, window_count, ret);
}

int fn_last_over_time(struct eval *e, const struct node *call, struct value *ret)
{
    return eval_with(e, call, window_last, ret);
}

int fn_present_over_time(struct eval *e, const struct node *call, struct value *ret)
{
    return eval_with(e, call, window_present, ret);
}

int fn_stddev_over_time(struct eval *e, const struct node *call, struct value *ret)
{
    return eval_with(e, call, window_deviation, ret);
}

int fn_stdvar_over_time(struct eval *e, const struct node *call, struct value *ret)
{
    return eval_with(e, call, window_variance, ret);
}

int fn_first_over_time(struct eval *e, const struct node *call, struct value *ret)
{
    return eval_with(e, call, window_first, ret);
}

int fn_ts_of_first_over_time(struct eval *e, const struct node *call, struct value *ret)
{
    return eval_with(e, call, window_time_of_first, ret);
}

int fn_ts_of_last_over_time(struct eval *e, const struct node *call, struct value *ret)
{
    return eval_with(e, call, window_time_of_last, ret);
}

int fn_ts_of_min_over_time(struct eval *e, const struct node *call, struct value *ret)
{
    return eval_with(e, call, window_time_of_min, ret);
}

int fn_ts_of_max_over_time(struct eval *e, const struct node *call, struct value *ret)
{
    return eval_with(e, call, window_time_of_max, ret);
}

int fn_mad_over_time(struct eval *e, const struct node *call, struct value *ret)
{
    return eval_with(e, call, window_mad, ret);
}

int fn_double_exponential_smoothing(struct eval *e, const struct node *call, struct value *ret)
{
    return eval_with(e, call, window_smoothing, ret);
}
