/* Quantiles of classic histograms: series that differ in `le` alone are the buckets of one
 * histogram, their values how many observations lie at or below it. */
#include "tsdb/promql/eval.h"
#include "tsdb/promql/float_digits.h"
#include "tsdb/promql/fn.h"
#include "tsdb/promql/grouping.h"
#include "tsdb/promql/labelset.h"
#include "tsdb/promql/quantile.h"
#include "tsdb/promql/quote.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

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

static double bucket_quantile(double q, struct bucket *b, size_t n, bool *ret_was_forced)
{
    *ret_was_forced = false;
    if (isnan(q))
        return NAN;
    if (q < 0 || q > 1)
        return q < 0 ? -INFINITY : INFINITY;
    qsort(b, n, sizeof(*b), compare_buckets);
    if (!(isinf(b[n - 1].le) && b[n - 1].le > 0))
        return NAN;
    n = merge_equal_bounds(b, n);
    *ret_was_forced = make_monotonic(b, n);
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

/* --- the function --------------------------------------------------------------------------------
 */

struct quantiles {
    const double *q;
    const struct vector *v;
    const double *bounds;
    struct bucket *buckets; /* room for all */
    uint32_t pos;           /* of the vector */
};

/* Prometheus knows the metric's name at the histogram's first step only. */
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

static int eval_histogram(struct eval *e, const struct quantiles *s, const struct group *g,
                          struct column *ret)
{
    bool is_noted = false, is_first = true;
    for (size_t i = 0; i < e->steps.n; i++) {
        size_t n = 0;
        for (uint32_t k = 0; k < g->n; k++)
            if (column_has(&s->v->items[g->members[k]], i))
                s->buckets[n++] =
                    (struct bucket){s->bounds[g->members[k]], s->v->items[g->members[k]].v[i]};
        if (n == 0)
            continue;
        bool was_forced;
        column_put(ret, i, bucket_quantile(s->q[i], s->buckets, n, &was_forced));
        if (was_forced && !is_noted)
            note_forced(e, is_first ? labelset_name(&g->labels) : NULL, s->pos);
        is_noted = is_noted || (was_forced && !is_first);
        is_first = false;
        if (eval_poll(e, g->n) != 0)
            return -1;
    }
    ret->labels = g->labels;
    return 0;
}

int fn_histogram_quantile(struct eval *e, const struct node *call, struct value *ret)
{
    static struct word le = {"le", 2};
    const struct word_list le_only = {&le, 1};
    const struct node *q_node = call->call.args[0], *v_node = call->call.args[1];
    double *q, *bounds;
    struct vector v;
    struct grouping g;
    ret->type = PROMQL_VECTOR;
    if (eval_scalar(e, q_node, &q) != 0 || eval_vector(e, v_node, &v) != 0)
        return -1;
    for (size_t i = 0; i < e->steps.n; i++)
        quantile_check(e, q[i], q_node->pos);
    if (take_bounds(e, &v, node_argument_pos(v_node), &bounds) != 0 ||
        grouping_init_named(e, &g, &le_only, &v) != 0 || eval_new_vector(e, g.n, &ret->vector) != 0)
        return -1;
    struct quantiles s = {q, &v, bounds, eval_alloc(e, v.n, sizeof(*s.buckets)),
                          node_argument_pos(v_node)};
    if (!s.buckets)
        return -1;
    for (uint32_t i = 0; i < g.n; i++)
        if (eval_histogram(e, &s, &g.groups[i], &ret->vector.items[i]) != 0)
            return -1;
    return eval_drop_names(e, &ret->vector, false);
}
