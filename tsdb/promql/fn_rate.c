/* Functions that look at how values change: those that extrapolate to the ends of the window (rate,
 * increase, delta), those of the last two samples, and those that count changes.
 *
 * The formula of the first, whose order of steps decides the last digits. With S the time between
 * the first and the last sample and avg = S / (n - 1):
 *
 *     difference = last - first, plus the value before each drop (counters)
 *     to_start, to_end = gaps between the samples and the ends of the window
 *     a gap of 1.1 avg or more: the series began or ended in the window, take avg / 2 instead
 *     a counter is never extrapolated below zero: to_start is at most S * first / difference
 *     result = difference * ((S + to_start + to_end) / S [/ range in seconds]) */
#include "tsdb/promql/extended_range.h"
#include "tsdb/promql/fn.h"
#include "tsdb/promql/kahan.h"
#include "tsdb/promql/labelset.h"
#include "tsdb/promql/quote.h"
#include "tsdb/promql/range_fn.h"

#include <math.h>
#include <string.h>

enum slope_flags { SLOPE_COUNTER = 1, SLOPE_PER_SECOND = 2 };

/* Four at a time: a counter hardly ever falls. */
static double counter_difference(const struct range_window *w)
{
    double difference = w->v[w->n - 1] - w->v[0];
    const double *v = w->v;
    size_t i = 1;
    while (i < w->n) {
        bool is_rising = i + 4 <= w->n && !((v[i] < v[i - 1]) | (v[i + 1] < v[i]) |
                                            (v[i + 2] < v[i + 1]) | (v[i + 3] < v[i + 2]));
        for (size_t end = size_min(is_rising ? i : i + 4, w->n); i < end; i++)
            if (v[i] < v[i - 1])
                difference += v[i - 1];
        i += is_rising ? 4 : 0;
    }
    return difference;
}

static double factor_of(const struct range_window *w, unsigned flags, double reach, double sampled)
{
    double factor = reach / sampled;
    return flags & SLOPE_PER_SECOND ? factor / w->range_s : factor;
}

/* Seven divisions, that are seldom due: the series before had the same gaps. */
static const struct gaps *gaps_of(const struct range_window *w, unsigned flags)
{
    struct gaps *g = w->gaps;
    int64_t to_start_ms = w->t_ms[0] - w->start_ms, sampled_ms = w->t_ms[w->n - 1] - w->t_ms[0];
    if (g->n == w->n && g->to_start_ms == to_start_ms && g->sampled_ms == sampled_ms)
        return g;
    *g = (struct gaps){to_start_ms, sampled_ms, w->n, 0, 0, 0, 0};
    g->to_start = (double)to_start_ms / 1000;
    g->sampled = (double)sampled_ms / 1000;
    double average = g->sampled / (double)(w->n - 1);
    double threshold = average * 1.1;
    g->to_end = (double)(w->end_ms - w->t_ms[w->n - 1]) / 1000;
    if (g->to_start >= threshold)
        g->to_start = average / 2;
    if (g->to_end >= threshold)
        g->to_end = average / 2;
    g->factor = factor_of(w, flags, g->sampled + g->to_start + g->to_end, g->sampled);
    return g;
}

/* Where zero is less far back than the start. It is not when the first value is at least the
 * difference, since a quotient of 1 or more is never rounded below 1. */
static double counter_factor(const struct range_window *w, unsigned flags, const struct gaps *g,
                             double difference)
{
    double first = w->v[0];
    bool is_far = first >= difference && g->to_start <= g->sampled;
    if (is_far || !(difference > 0 && first >= 0))
        return g->factor;
    double to_zero = g->sampled * (first / difference);
    if (!(to_zero < g->to_start))
        return g->factor;
    return factor_of(w, flags, g->sampled + to_zero + g->to_end, g->sampled);
}

static bool extrapolate(const struct range_window *w, unsigned flags, double *ret)
{
    if (w->edges != EDGES_PLAIN) {
        bool has_result = extended_range_difference(w, flags & SLOPE_COUNTER, ret);
        if (has_result && (flags & SLOPE_PER_SECOND))
            *ret /= w->range_s;
        return has_result;
    }
    if (w->n < 2)
        return false;
    const struct gaps *g = gaps_of(w, flags);
    bool is_counter = flags & SLOPE_COUNTER;
    double difference = is_counter ? counter_difference(w) : w->v[w->n - 1] - w->v[0];
    *ret = difference * (is_counter ? counter_factor(w, flags, g, difference) : g->factor);
    return true;
}

static bool window_rate(const struct range_window *w, const double *params, double *ret)
{
    (void)params;
    return extrapolate(w, SLOPE_COUNTER | SLOPE_PER_SECOND, ret);
}

static bool window_increase(const struct range_window *w, const double *params, double *ret)
{
    (void)params;
    return extrapolate(w, SLOPE_COUNTER, ret);
}

static bool window_delta(const struct range_window *w, const double *params, double *ret)
{
    (void)params;
    return extrapolate(w, 0, ret);
}

/* Of the last two samples only. */
static bool window_irate(const struct range_window *w, const double *params, double *ret)
{
    (void)params;
    if (w->n < 2)
        return false;
    double before = w->v[w->n - 2], last = w->v[w->n - 1];
    int64_t gap_ms = w->t_ms[w->n - 1] - w->t_ms[w->n - 2];
    *ret = last < before ? last : last - before;
    *ret /= (double)gap_ms / 1000;
    return true;
}

static bool window_idelta(const struct range_window *w, const double *params, double *ret)
{
    (void)params;
    if (w->n < 2)
        return false;
    *ret = w->v[w->n - 1] - w->v[w->n - 2];
    return true;
}

/* The values that changes and resets count in; *ret_n of them. */
static const double *counted_values(const struct range_window *w, size_t *ret_n)
{
    *ret_n = w->n;
    if (w->edges == EDGES_PLAIN)
        return w->v;
    *ret_n = extended_range_samples(w, w->scratch_ms, w->scratch);
    return w->scratch;
}

static bool window_changes(const struct range_window *w, const double *params, double *ret)
{
    (void)params;
    size_t n = 0, n_values;
    const double *v = counted_values(w, &n_values);
    if (n_values == 0)
        return false;
    for (size_t i = 1; i < n_values; i++)
        n += v[i] != v[i - 1] && !(isnan(v[i]) && isnan(v[i - 1]));
    *ret = (double)n;
    return true;
}

static bool window_resets(const struct range_window *w, const double *params, double *ret)
{
    (void)params;
    size_t n = 0, n_values;
    const double *v = counted_values(w, &n_values);
    if (n_values == 0)
        return false;
    for (size_t i = 1; i < n_values; i++)
        n += v[i] < v[i - 1];
    *ret = (double)n;
    return true;
}

/* --- lines through the samples ------------------------------------------------------------------
 */

struct line {
    double slope, at_zero;
};

/* Least squares, with times in seconds after zero_ms. False without two samples. */
static bool fit_line(const struct range_window *w, int64_t zero_ms, struct line *ret)
{
    struct kahan sum_x = {0, 0}, sum_y = {0, 0}, sum_xy = {0, 0}, sum_xx = {0, 0};
    bool is_constant = true;
    if (w->n < 2)
        return false;
    for (size_t i = 0; i < w->n; i++) {
        double x = (double)(w->t_ms[i] - zero_ms) / 1000, y = w->v[i];
        is_constant = is_constant && y == w->v[0];
        sum_x = kahan_add(sum_x, x);
        sum_y = kahan_add(sum_y, y);
        sum_xy = kahan_add(sum_xy, x * y);
        sum_xx = kahan_add(sum_xx, x * x);
    }
    if (is_constant) {
        *ret = isinf(w->v[0]) ? (struct line){NAN, NAN} : (struct line){0, w->v[0]};
        return true;
    }
    double n = (double)w->n;
    double x = sum_x.sum + sum_x.c, y = sum_y.sum + sum_y.c;
    double covariance = sum_xy.sum + sum_xy.c - x * y / n;
    double variance = sum_xx.sum + sum_xx.c - x * x / n;
    ret->slope = covariance / variance;
    ret->at_zero = y / n - ret->slope * x / n;
    return true;
}

static bool window_deriv(const struct range_window *w, const double *params, double *ret)
{
    struct line line;
    (void)params;
    if (!fit_line(w, w->t_ms[0], &line))
        return false;
    *ret = line.slope;
    return true;
}

static bool window_predict(const struct range_window *w, const double *params, double *ret)
{
    struct line line;
    if (!fit_line(w, w->step_ms, &line))
        return false;
    *ret = line.slope * params[0] + line.at_zero;
    return true;
}

/* --- what a counter's name should look like ----------------------------------------------------
 */

static bool has_counter_name(const struct label *name)
{
    static const char *const endings[] = {"_total", "_sum", "_count", "_bucket"};
    for (size_t i = 0; i < ARRAY_LEN(endings); i++) {
        size_t n = strlen(endings[i]);
        if (name->value_len >= n && memcmp(name->value + name->value_len - n, endings[i], n) == 0)
            return true;
    }
    return false;
}

/* With type and unit labels the type decides, not the name. */
static bool is_counter(const struct eval *e, const struct labels *ls)
{
    if (!(e->features & PROMQL_TYPE_AND_UNIT_LABELS))
        return has_counter_name(labelset_name(ls));
    const struct label *type = labels_get(ls, "__type__", 8);
    return type && (bytes_compare(type->value, type->value_len, "counter", 7) == 0 ||
                    bytes_compare(type->value, type->value_len, "histogram", 9) == 0);
}

static void note_type(struct eval *e, const struct labels *ls, uint32_t pos)
{
    const struct label *name = labelset_name(ls), *type = labels_get(ls, "__type__", 8);
    struct textbuf b;
    textbuf_init(&b, e->region);
    textbuf_puts(&b, "metric might not be a counter, __type__ label is not set to \"counter\" or "
                     "\"histogram\", got ");
    quote_add(&b, type ? type->value : "", type ? type->value_len : 0);
    textbuf_puts(&b, ": ");
    quote_add(&b, name->value, name->value_len);
    annot_add(e->annot, ANNOT_INFO, textbuf_finish(&b), pos);
}

static void note_name(struct eval *e, const struct label *name, uint32_t pos)
{
    struct textbuf b;
    textbuf_init(&b, e->region);
    textbuf_puts(&b, "metric might not be a counter, name does not end in "
                     "_total/_sum/_count/_bucket: ");
    quote_add(&b, name->value, name->value_len);
    annot_add(e->annot, ANNOT_INFO, textbuf_finish(&b), pos);
}

/* An info for each name that is no counter's, among the series that have a result. ctx: the name of
 * the last one, which most have. */
static void note_series(void *ctx, struct eval *e, const struct labels *ls, uint32_t pos)
{
    struct word *last = ctx;
    const struct label *name = labelset_name(ls);
    bool has_types = e->features & PROMQL_TYPE_AND_UNIT_LABELS;
    if (!name ||
        (!has_types && bytes_compare(last->bytes, last->len, name->value, name->value_len) == 0))
        return;
    if (!has_types) {
        last->bytes = region_copy(e->region, name->value, name->value_len);
        last->len = last->bytes ? name->value_len : 0;
    }
    if (is_counter(e, ls))
        return;
    if (has_types)
        note_type(e, ls, pos);
    else
        note_name(e, name, pos);
}

static int eval_counter(struct eval *e, const struct node *call, range_fn fn, struct value *ret)
{
    struct word last = {"", 0};
    const struct range_fn_notes notes = {note_series, &last};
    ret->type = PROMQL_VECTOR;
    return range_fn_eval_noting(e, call, fn, &notes, &ret->vector);
}

int fn_rate(struct eval *e, const struct node *call, struct value *ret)
{
    return eval_counter(e, call, window_rate, ret);
}

int fn_increase(struct eval *e, const struct node *call, struct value *ret)
{
    return eval_counter(e, call, window_increase, ret);
}

int fn_delta(struct eval *e, const struct node *call, struct value *ret)
{
    ret->type = PROMQL_VECTOR;
    return range_fn_eval(e, call, window_delta, &ret->vector);
}

int fn_irate(struct eval *e, const struct node *call, struct value *ret)
{
    ret->type = PROMQL_VECTOR;
    return range_fn_eval(e, call, window_irate, &ret->vector);
}

int fn_idelta(struct eval *e, const struct node *call, struct value *ret)
{
    ret->type = PROMQL_VECTOR;
    return range_fn_eval(e, call, window_idelta, &ret->vector);
}

int fn_changes(struct eval *e, const struct node *call, struct value *ret)
{
    ret->type = PROMQL_VECTOR;
    return range_fn_eval(e, call, window_changes, &ret->vector);
}

int fn_resets(struct eval *e, const struct node *call, struct value *ret)
{
    ret->type = PROMQL_VECTOR;
    return range_fn_eval(e, call, window_resets, &ret->vector);
}

int fn_deriv(struct eval *e, const struct node *call, struct value *ret)
{
    ret->type = PROMQL_VECTOR;
    return range_fn_eval(e, call, window_deriv, &ret->vector);
}

int fn_predict_linear(struct eval *e, const struct node *call, struct value *ret)
{
    ret->type = PROMQL_VECTOR;
    return range_fn_eval(e, call, window_predict, &ret->vector);
}
