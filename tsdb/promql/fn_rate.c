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

/* The first value that is below the one before it, or n. Four at a time: a counter hardly ever
 * falls. */
static size_t next_fall(const double *v, size_t n, size_t i)
{
    while (i + 4 <= n &&
           !((v[i] < v[i - 1]) | (v[i + 1] < v[i]) | (v[i + 2] < v[i + 1]) | (v[i + 3] < v[i + 2])))
        i += 4;
    while (i < n && !(v[i] < v[i - 1]))
        i++;
    return i;
}

static double counter_difference(const struct range_window *w)
{
    double difference = w->v[w->n - 1] - w->v[0];
    for (size_t i = next_fall(w->v, w->n, 1); i < w->n; i = next_fall(w->v, w->n, i + 1))
        difference += w->v[i - 1];
    return difference;
}

/* What the places of a window's samples come to. */
struct gaps {
    double to_start, to_end, sampled, factor; /* seconds; factor: of the difference */
};

static double factor_of(const struct range_window *w, unsigned flags, double reach, double sampled)
{
    double factor = reach / sampled;
    return flags & SLOPE_PER_SECOND ? factor / w->range_s : factor;
}

/* Where a window's samples are in it. */
struct places {
    int64_t to_start_ms, to_end_ms, sampled_ms;
    size_t n;
};

static struct places places_of(const struct range_window *w)
{
    return (struct places){w->t_ms[0] - w->start_ms, w->end_ms - w->t_ms[w->n - 1],
                           w->t_ms[w->n - 1] - w->t_ms[0], w->n};
}

static bool are_equal(const struct places *a, const struct places *b)
{
    return a->n == b->n && a->to_start_ms == b->to_start_ms && a->to_end_ms == b->to_end_ms &&
           a->sampled_ms == b->sampled_ms;
}

static struct gaps gaps_of(const struct range_window *w, unsigned flags, const struct places *p)
{
    struct gaps g = {.to_start = (double)p->to_start_ms / 1000,
                     .to_end = (double)p->to_end_ms / 1000,
                     .sampled = (double)p->sampled_ms / 1000};
    double average = g.sampled / (double)(p->n - 1);
    double threshold = average * 1.1;
    if (g.to_start >= threshold)
        g.to_start = average / 2;
    if (g.to_end >= threshold)
        g.to_end = average / 2;
    g.factor = factor_of(w, flags, g.sampled + g.to_start + g.to_end, g.sampled);
    return g;
}

/* Where zero is less far back than the start. */
static double counter_factor(const struct range_window *w, unsigned flags, const struct gaps *g,
                             double difference)
{
    double first = w->v[0];
    if (!(difference > 0 && first >= 0))
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
    const struct places p = places_of(w);
    const struct gaps g = gaps_of(w, flags, &p);
    bool is_counter = flags & SLOPE_COUNTER;
    double difference = is_counter ? counter_difference(w) : w->v[w->n - 1] - w->v[0];
    *ret = difference * (is_counter ? counter_factor(w, flags, &g, difference) : g.factor);
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

/* --- all windows of a series at once ------------------------------------------------------------
 *
 * The factor depends on times alone, unless a counter began close to zero. So it is found once for
 * all series that were scraped together, and for each of them a subtraction and a multiplication a
 * step are left. What falls or began close to zero is looked at window by window. */

struct ends {
    uint32_t first, last; /* of a window's samples; equal where it has less than two */
};

struct slopes {
    unsigned flags;
    uint64_t timeline;    /* of windows.h, that the rest is of; 0: none yet */
    struct ends *ends;    /* one a step */
    double *factors;      /* as many, of the differences */
    uint64_t *present;    /* steps with two samples, which have a result */
    uint64_t n_points;    /* so many */
    uint64_t n_alive;     /* the most at a time: a window's samples and the points before it */
    bool are_starts_near; /* no window begins further before its first sample than the samples reach
                           */
    struct word name;     /* of the last series that was noted */
};

/* Samples that come as regularly as steps do are at the same places in each window. */
static void find_factors(struct slopes *s, struct range_window *w)
{
    size_t n_steps = w->e->steps.n;
    struct places p = {.n = 0};
    struct gaps g = {0};
    memset(s->present, 0, (n_steps + 63) / 64 * sizeof(*s->present));
    s->n_points = s->n_alive = 0;
    s->are_starts_near = true;
    for (size_t i = 0; i < n_steps; i++) {
        struct window at = w->windows->of_step[i];
        s->ends[i] = (struct ends){0, 0};
        s->n_alive = size_max(s->n_alive, s->n_points + at.n);
        if (at.n < 2)
            continue;
        range_window_move(w, i);
        const struct places here = places_of(w);
        if (!are_equal(&here, &p))
            g = gaps_of(w, s->flags, &here);
        p = here;
        s->ends[i] = (struct ends){at.first, at.first + at.n - 1};
        s->factors[i] = g.factor;
        s->are_starts_near = s->are_starts_near && g.to_start <= g.sampled;
        s->present[i / 64] |= (uint64_t)1 << (i % 64);
        s->n_points++;
    }
    s->timeline = w->windows->timeline;
}

static int fit_slopes(struct slopes *s, struct range_window *w)
{
    struct eval *e = w->e;
    size_t n_steps = e->steps.n;
    if (s->timeline == w->windows->timeline)
        return 0;
    if (!s->factors) {
        s->ends = eval_alloc(e, n_steps, sizeof(*s->ends));
        s->factors = eval_alloc(e, n_steps, sizeof(*s->factors));
        s->present = eval_alloc(e, (n_steps + 63) / 64, sizeof(*s->present));
        if (!s->ends || !s->factors || !s->present)
            return -1;
    }
    find_factors(s, w);
    return eval_poll(e, n_steps);
}

/* Whether all values are numbers and none is below the one before it. */
static bool is_rising(const double *v, size_t n)
{
    bool rises = n > 0 && v[0] <= v[0];
    size_t i = 1;
    for (; rises && i + 4 <= n; i += 4)
        rises = (v[i] >= v[i - 1]) & (v[i + 1] >= v[i]) & (v[i + 2] >= v[i + 1]) &
                (v[i + 3] >= v[i + 2]);
    for (; rises && i < n; i++)
        rises = v[i] >= v[i - 1];
    return rises;
}

/* Whether no value matters but the ends of the windows: nothing falls, and zero is behind the start
 * of each window. It is where a window's first value is at least its difference, since a quotient
 * of 1 or more is never rounded below 1; and the smallest first value and the greatest difference
 * are those of the whole series. */
static bool has_plain_slopes(const struct slopes *s, const double *v, size_t n)
{
    if (!(s->flags & SLOPE_COUNTER))
        return true;
    return s->are_starts_near && is_rising(v, n) && v[0] >= v[n - 1] - v[0];
}

static void put_plain(const struct slopes *s, const double *v, size_t n_steps, double *ret)
{
    for (size_t i = 0; i < n_steps; i++)
        ret[i] = (v[s->ends[i].last] - v[s->ends[i].first]) * s->factors[i];
}

/* Of a counter. Windows only move forward, and so does the fall that is next. */
static void put_counter(const struct slopes *s, struct range_window *w, double *ret)
{
    const double *v = w->samples->v;
    size_t n = w->samples->n, fall = next_fall(v, n, 1);
    for (size_t i = 0; i < w->e->steps.n; i++) {
        struct ends at = s->ends[i];
        double first = v[at.first], difference = v[at.last] - first;
        if (at.first == at.last)
            continue;
        while (fall <= at.first)
            fall = next_fall(v, n, fall + 1);
        bool is_far_from_zero = first >= difference || !(difference > 0);
        ret[i] = difference * s->factors[i];
        if (fall <= at.last || !s->are_starts_near || !is_far_from_zero) {
            range_window_move(w, i);
            extrapolate(w, s->flags, &ret[i]);
        }
    }
}

static int slope_series(void *ctx, struct range_window *w, struct column *ret, uint64_t *n_points)
{
    struct slopes *s = ctx;
    size_t n_steps = w->e->steps.n;
    if (fit_slopes(s, w) != 0 || eval_check_samples(w->e, *n_points + s->n_alive) != 0)
        return -1;
    if (has_plain_slopes(s, w->samples->v, w->samples->n))
        put_plain(s, w->samples->v, n_steps, ret->v);
    else
        put_counter(s, w, ret->v);
    memcpy(ret->present, s->present, (n_steps + 63) / 64 * sizeof(*s->present));
    *n_points += s->n_points;
    return eval_poll(w->e, w->windows->n_samples + n_steps);
}

/* --- the last two samples, and counts -----------------------------------------------------------
 */

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

/* An info for each name that is no counter's, among the series that have a result; most have the
 * name of the one before. */
static void note_series(void *ctx, struct eval *e, const struct labels *ls, uint32_t pos)
{
    struct word *last = &((struct slopes *)ctx)->name;
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

static int eval_slope(struct eval *e, const struct node *call, range_fn fn, unsigned flags,
                      struct value *ret)
{
    struct slopes slopes = {.flags = flags, .name = {"", 0}};
    const struct range_op op = {fn, slope_series, flags & SLOPE_COUNTER ? note_series : NULL,
                                &slopes};
    ret->type = PROMQL_VECTOR;
    return range_fn_eval_op(e, call, &op, &ret->vector);
}

int fn_rate(struct eval *e, const struct node *call, struct value *ret)
{
    return eval_slope(e, call, window_rate, SLOPE_COUNTER | SLOPE_PER_SECOND, ret);
}

int fn_increase(struct eval *e, const struct node *call, struct value *ret)
{
    return eval_slope(e, call, window_increase, SLOPE_COUNTER, ret);
}

int fn_delta(struct eval *e, const struct node *call, struct value *ret)
{
    return eval_slope(e, call, window_delta, 0, ret);
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
