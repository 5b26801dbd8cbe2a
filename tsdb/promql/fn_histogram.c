/* Functions of classic histograms: series that differ in `le` alone are the buckets of one
 * histogram, their values how many observations lie at or below it. */
#include "tsdb/promql/eval.h"
#include "tsdb/promql/float_digits.h"
#include "tsdb/promql/float_text.h"
#include "tsdb/promql/fn.h"
#include "tsdb/promql/grouping.h"
#include "tsdb/promql/label_map.h"
#include "tsdb/promql/labelset.h"
#include "tsdb/promql/quantile.h"
#include "tsdb/promql/quote.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double COUNT_TOLERANCE = 1e-12; /* differences that rounding alone explains */

struct bucket {
    double le;
    double count;
};

/* --- the bounds ----------------------------------------------------------------------------------
 */

static bool equals(const struct label *l, size_t start, const char *lower, size_t n)
{
    if (l->value_len != start + n)
        return false;
    for (size_t i = 0; i < n; i++)
        if ((l->value[start + i] | 0x20) != lower[i])
            return false;
    return true;
}

static bool read_bound(const struct label *le, double *ret)
{
    if (!le)
        return false;
    bool is_negative = le->value[0] == '-';
    size_t start = is_negative || le->value[0] == '+';
    if (equals(le, start, "inf", 3) || equals(le, start, "infinity", 8))
        *ret = INFINITY;
    else if (equals(le, 0, "nan", 3))
        *ret = NAN;
    else if (float_read(le->value + start, le->value_len - start, ret) != FLOAT_READ_OK)
        return false;
    if (is_negative)
        *ret = -*ret;
    return true;
}

static void warn_bound(struct eval *e, const struct column *c, const struct label *le, uint32_t pos)
{
    const struct label *name = labelset_name(&c->labels);
    struct textbuf b;
    textbuf_init(&b, e->region);
    textbuf_puts(&b, "bucket label \"le\" is missing or has a malformed value of ");
    quote_add(&b, le ? le->value : "", le ? le->value_len : 0);
    textbuf_puts(&b, " for metric name ");
    quote_add(&b, name ? name->value : "", name ? name->value_len : 0);
    annot_add(e->annot, ANNOT_WARNING, textbuf_finish(&b), pos);
}

/* Leaves the columns that have a bound, which go to *ret_bounds. */
static int take_bounds(struct eval *e, struct vector *v, uint32_t pos, double **ret_bounds)
{
    double *bounds = eval_alloc(e, v->n, sizeof(*bounds));
    size_t n = 0;
    for (size_t i = 0; bounds && i < v->n; i++) {
        const struct label *le = labels_get(&v->items[i].labels, "le", 2);
        if (read_bound(le, &bounds[n]))
            v->items[n++] = v->items[i];
        else
            warn_bound(e, &v->items[i], le, pos);
    }
    v->n = n;
    *ret_bounds = bounds;
    return bounds ? 0 : -1;
}

/* --- one histogram -------------------------------------------------------------------------------
 */

static int compare_buckets(const void *a, const void *b)
{
    double x = ((const struct bucket *)a)->le, y = ((const struct bucket *)b)->le;
    return (x > y) - (x < y);
}

/* Buckets with equal bounds become one. */
static size_t merge_equal_bounds(struct bucket *b, size_t n)
{
    size_t last = 0;
    for (size_t i = 1; i < n; i++) {
        if (b[i].le == b[last].le)
            b[last].count += b[i].count;
        else
            b[++last] = b[i];
    }
    return last + 1;
}

static bool is_nearly_equal(double a, double b)
{
    if (a == b || (isnan(a) && isnan(b)))
        return true;
    double sum = fabs(a) + fabs(b), difference = fabs(a - b);
    if (a == 0 || b == 0 || sum < DBL_MIN)
        return difference < COUNT_TOLERANCE * DBL_MIN;
    return difference / fmin(sum, DBL_MAX) < COUNT_TOLERANCE;
}

/* Counts that fall are lifted to the one before. True when that was more than rounding. */
static bool make_monotonic(struct bucket *b, size_t n)
{
    bool was_forced = false;
    double before = b[0].count;
    for (size_t i = 1; i < n; i++) {
        if (is_nearly_equal(before, b[i].count)) {
            b[i].count = before;
        } else if (b[i].count < before) {
            b[i].count = before;
            was_forced = true;
        } else {
            before = b[i].count;
        }
    }
    return was_forced;
}

/* Puts the buckets in order and together. False when they make no histogram: the last has no +Inf.
 */
static bool order_buckets(struct bucket *b, size_t *n)
{
    qsort(b, *n, sizeof(*b), compare_buckets);
    if (!(isinf(b[*n - 1].le) && b[*n - 1].le > 0))
        return false;
    *n = merge_equal_bounds(b, *n);
    return true;
}

/* q is between 0 and 1. */
static double quantile_of_buckets(double q, const struct bucket *b, size_t n)
{
    if (n < 2 || b[n - 1].count == 0)
        return NAN;
    double rank = q * b[n - 1].count;
    size_t low = 0, high = n - 1; /* the first bucket that reaches the rank */
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (b[middle].count >= rank)
            high = middle;
        else
            low = middle + 1;
    }
    if (low == n - 1)
        return b[n - 2].le;
    if (low == 0 && b[0].le <= 0)
        return b[0].le;
    double start = low > 0 ? b[low - 1].le : 0;
    double below = low > 0 ? b[low - 1].count : 0;
    return start + (b[low].le - start) * ((rank - below) / (b[low].count - below));
}

static double bucket_quantile(double q, struct bucket *b, size_t n, bool *ret_was_forced)
{
    *ret_was_forced = false;
    if (isnan(q))
        return NAN;
    if (q < 0 || q > 1)
        return q < 0 ? -INFINITY : INFINITY;
    if (!order_buckets(b, &n))
        return NAN;
    bool was_forced = make_monotonic(b, n);
    *ret_was_forced = was_forced && b[n - 1].count != 0;
    return quantile_of_buckets(q, b, n);
}

/* How many observations lie below v: linear inside a bucket. lowest is where the first begins; what
 * is inside of one that is open downwards nobody knows: all of it to main, NaN to 3.5. In buckets
 * that fall it may be more than there are. */
static double rank_in_buckets(double v, const struct bucket *b, size_t n, double lowest,
                              bool is_main)
{
    double rank = 0;
    for (size_t i = 0; i < n; i++) {
        double low = i > 0 ? b[i - 1].le : lowest;
        if (low >= v)
            break;
        if (b[i].le > v) {
            if (isinf(low) && is_main)
                return b[i].count;
            return rank + (b[i].count - rank) * (v - low) / (b[i].le - low);
        }
        rank = b[i].count;
    }
    return rank;
}

static double rank_of(double v, const struct bucket *b, size_t n, bool is_main)
{
    double lowest = is_main && b[0].le > 0 ? 0 : -INFINITY;
    double rank = rank_in_buckets(v, b, n, lowest, is_main), most = b[n - 1].count;
    return rank > most ? most : rank;
}

static double bucket_fraction(double lower, double upper, struct bucket *b, size_t n, bool is_main)
{
    if (!order_buckets(b, &n))
        return NAN;
    double count = b[n - 1].count;
    if (count == 0 || isnan(lower) || isnan(upper))
        return NAN;
    if (lower >= upper)
        return 0;
    return (rank_of(upper, b, n, is_main) - rank_of(lower, b, n, is_main)) / count;
}

/* --- the function --------------------------------------------------------------------------------
 */

/* Classic histograms among the series of a vector: what all functions here begin with. */
struct histograms {
    struct vector v;
    struct grouping g;
    const double *bounds;   /* by column */
    struct bucket *buckets; /* room for all */
    uint32_t pos;           /* of the vector */
};

static int init_histograms(struct eval *e, const struct node *call, uint32_t arg,
                           struct histograms *h)
{
    const struct node *n = call->call.args[arg];
    static struct word le = {"le", 2};
    const struct word_list le_only = {&le, 1};
    double *bounds;
    *h = (struct histograms){.pos = node_call_argument_pos(call, arg)};
    if (eval_vector(e, n, &h->v) != 0 || take_bounds(e, &h->v, h->pos, &bounds) != 0 ||
        grouping_init_named(e, &h->g, &le_only, &h->v) != 0)
        return -1;
    h->bounds = bounds;
    h->buckets = eval_alloc(e, h->v.n, sizeof(*h->buckets));
    return h->buckets ? 0 : -1;
}

/* The buckets of a histogram that are there at a step; how many. */
static size_t gather(const struct histograms *h, const struct group *g, size_t step)
{
    size_t n = 0;
    for (uint32_t k = 0; k < g->n; k++)
        if (column_has(&h->v.items[g->members[k]], step))
            h->buckets[n++] =
                (struct bucket){h->bounds[g->members[k]], h->v.items[g->members[k]].v[step]};
    return n;
}

/* Prometheus knows the metric's name at the histogram's first step only, unless names are dropped
 * at the end. */
static void note_forced(struct eval *e, const struct label *name, uint32_t pos)
{
    struct textbuf b;
    textbuf_init(&b, e->region);
    textbuf_puts(&b, "input to histogram_quantile needed to be fixed for monotonicity (see "
                     "https://prometheus.io/docs/prometheus/latest/querying/functions/"
                     "#histogram_quantile) for metric name ");
    quote_add(&b, name ? name->value : "", name ? name->value_len : 0);
    annot_add(e->annot, ANNOT_INFO, textbuf_finish(&b), pos);
}

static int eval_quantile(struct eval *e, const struct histograms *h, const double *q,
                         const struct group *g, struct column *ret)
{
    bool is_noted = false, is_first = true;
    for (size_t i = 0; i < e->steps.n; i++) {
        size_t n = gather(h, g, i);
        if (n == 0)
            continue;
        bool was_forced;
        column_put(ret, i, bucket_quantile(q[i], h->buckets, n, &was_forced));
        if (was_forced && !is_noted)
            note_forced(e, is_first ? labelset_name(&g->labels) : NULL, h->pos);
        is_noted = is_noted || (was_forced && (!is_first || eval_delays_names(e)));
        is_first = eval_delays_names(e);
        if (eval_poll(e, g->n) != 0)
            return -1;
    }
    ret->labels = g->labels;
    return 0;
}

static void check_quantiles(struct eval *e, const double *q, uint32_t pos)
{
    for (size_t i = 0; i < e->steps.n; i++)
        quantile_check(e, q[i], pos);
}

int fn_histogram_quantile(struct eval *e, const struct node *call, struct value *ret)
{
    double *q;
    struct histograms h;
    ret->type = PROMQL_VECTOR;
    if (eval_scalar(e, call->call.args[0], &q) != 0 || init_histograms(e, call, 1, &h) != 0 ||
        eval_new_vector(e, h.g.n, &ret->vector) != 0)
        return -1;
    /* behind what the argument has to say: of equal texts the last one's place counts */
    check_quantiles(e, q, node_call_argument_pos(call, 0));
    for (uint32_t i = 0; i < h.g.n; i++)
        if (eval_quantile(e, &h, q, &h.g.groups[i], &ret->vector.items[i]) != 0)
            return -1;
    return eval_drop_names(e, &ret->vector, false);
}

int fn_histogram_fraction(struct eval *e, const struct node *call, struct value *ret)
{
    double *lower, *upper;
    struct histograms h;
    ret->type = PROMQL_VECTOR;
    if (eval_scalar(e, call->call.args[0], &lower) != 0 ||
        eval_scalar(e, call->call.args[1], &upper) != 0 || init_histograms(e, call, 2, &h) != 0 ||
        eval_new_vector(e, h.g.n, &ret->vector) != 0)
        return -1;
    for (uint32_t k = 0; k < h.g.n; k++) {
        struct column *c = &ret->vector.items[k];
        c->labels = h.g.groups[k].labels;
        for (size_t i = 0; i < e->steps.n; i++) {
            size_t n = gather(&h, &h.g.groups[k], i);
            if (n > 0)
                column_put(c, i,
                           bucket_fraction(lower[i], upper[i], h.buckets, n, eval_as_main(e)));
        }
        if (eval_poll(e, e->steps.n * h.g.groups[k].n) != 0)
            return -1;
    }
    return eval_drop_names(e, &ret->vector, false);
}

/* --- histogram_quantiles -----------------------------------------------------------------------
 */

/* A quantile as the value of a label: as in OpenMetrics, "1.0". */
static bool quantile_text(struct region *r, double q, struct word *ret)
{
    char text[FLOAT_TEXT_MAX + 2];
    size_t n = float_text_general(q, text);
    if (isfinite(q) && strcspn(text, ".e") == n) {
        text[n++] = '.';
        text[n++] = '0';
    }
    *ret = (struct word){region_copy(r, text, n), (uint32_t)n};
    return ret->bytes != NULL;
}

struct quantile_columns {
    struct label_map map;
    struct column *items; /* by number */
    size_t cap;
};

static int column_of(struct eval *e, struct quantile_columns *q, const struct labels *labels,
                     struct column **ret)
{
    uint32_t number;
    bool is_new;
    if (!label_map_put(&q->map, labels, &number, &is_new))
        return eval_fail_memory(e);
    if (number >= q->cap) {
        struct vector more;
        size_t cap = q->cap ? q->cap * 2 : 16;
        if (eval_new_vector(e, cap, &more) != 0)
            return -1;
        if (q->cap > 0)
            memcpy(more.items, q->items, q->cap * sizeof(*more.items));
        q->items = more.items;
        q->cap = cap;
    }
    *ret = &q->items[number];
    (*ret)->labels = q->map.keys[number].labels;
    return 0;
}

/* A quantile may change from step to step, and with it the label: a column for each value. */
static int put_quantile(struct eval *e, const struct histograms *h, const struct group *g, double q,
                        size_t step, struct word label, struct quantile_columns *columns)
{
    struct word text;
    struct labels labels;
    bool was_forced;
    size_t n = gather(h, g, step);
    struct column *c = NULL;
    if (n == 0)
        return 0;
    if (!quantile_text(e->region, q, &text) ||
        !labelset_set(e->region, &g->labels, label, text, &labels))
        return eval_fail_memory(e);
    if (column_of(e, columns, &labels, &c) != 0)
        return -1;
    if (column_has(c, step))
        return eval_fail(e, PROMQL_ERR_EXECUTION,
                         "vector cannot contain metrics with the same labelset");
    column_put(c, step, bucket_quantile(q, h->buckets, n, &was_forced));
    if (was_forced)
        note_forced(e, labelset_name(&g->labels), h->pos);
    return eval_poll(e, g->n);
}

int fn_histogram_quantiles(struct eval *e, const struct node *call, struct value *ret)
{
    const struct node *const *args = (const struct node *const *)call->call.args;
    struct word label = node_unwrap(args[1])->string;
    struct histograms h;
    struct quantile_columns columns = {0};
    label_map_init(&columns.map, e->region);
    ret->type = PROMQL_VECTOR;
    if (label.len == 0 || !utf8_is_valid(label.bytes, label.len)) {
        struct textbuf b;
        textbuf_init(&b, e->region);
        textbuf_puts(&b, "invalid label name ");
        quote_add(&b, label.bytes, label.len);
        return eval_fail(e, PROMQL_ERR_EXECUTION, textbuf_finish(&b));
    }
    if (init_histograms(e, call, 0, &h) != 0)
        return -1;
    for (uint32_t a = 2; a < call->call.n_args; a++) {
        double *q;
        if (eval_scalar(e, args[a], &q) != 0)
            return -1;
        check_quantiles(e, q, node_call_argument_pos(call, a));
        for (uint32_t k = 0; k < h.g.n; k++)
            for (size_t i = 0; i < e->steps.n; i++)
                if (put_quantile(e, &h, &h.g.groups[k], q[i], i, label, &columns) != 0)
                    return -1;
    }
    ret->vector = (struct vector){columns.items, columns.map.n};
    return eval_drop_names(e, &ret->vector, false);
}

/* histogram_count, histogram_sum and so on: of native histograms, so of floats nothing. */
int fn_histogram_of_floats(struct eval *e, const struct node *call, struct value *ret)
{
    ret->type = PROMQL_VECTOR;
    if (eval_vector(e, call->call.args[0], &ret->vector) != 0)
        return -1;
    ret->vector.n = 0;
    return 0;
}
