#include "tsdb/promql/quantile.h"

#include "tsdb/promql/float_text.h"

#include <math.h>
#include <stdlib.h>

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    if (isnan(x) || isnan(y))
        return isnan(y) - isnan(x);
    return (x > y) - (x < y);
}

/* NaNs come before all numbers. */
static bool is_less(double a, double b)
{
    return a < b || (isnan(a) && !isnan(b));
}

static void swap(double *a, double *b)
{
    double v = *a;
    *a = *b;
    *b = v;
}

/* Orders [from, to) around one of them, the median of three: what is less lies before the place
 * that is returned, what is greater behind it. */
static size_t partition(double *v, size_t from, size_t to)
{
    size_t mid = from + (to - from) / 2, last = to - 1;
    if (is_less(v[mid], v[from]))
        swap(&v[mid], &v[from]);
    if (is_less(v[last], v[from]))
        swap(&v[last], &v[from]);
    if (is_less(v[last], v[mid]))
        swap(&v[last], &v[mid]);
    double pivot = v[mid];
    size_t i = from, j = last;
    while (true) {
        while (is_less(v[i], pivot))
            i++;
        while (is_less(pivot, v[j]))
            j--;
        if (i >= j)
            return j;
        swap(&v[i++], &v[j--]);
    }
}

/* Puts the value that has place `at` when all are in order there, and none that is less behind it.
 * Quickselect; what it has not found after a few rounds is sorted, so no values make it slow. */
static void select_place(double *v, size_t n, size_t at)
{
    enum { ROUNDS_MAX = 24, FEW = 16 };
    size_t from = 0, to = n;
    for (int round = 0; to - from > FEW && round < ROUNDS_MAX; round++) {
        size_t split = partition(v, from, to) + 1;
        if (at < split)
            to = split;
        else
            from = split;
    }
    qsort(v + from, to - from, sizeof(*v), compare);
}

/* The least of what lies behind a place. */
static double least(const double *v, size_t from, size_t n)
{
    double found = v[from];
    for (size_t i = from + 1; i < n; i++)
        found = is_less(v[i], found) ? v[i] : found;
    return found;
}

double quantile_of(double q, double *v, size_t n)
{
    if (n == 0 || isnan(q))
        return NAN;
    if (q < 0)
        return -INFINITY;
    if (q > 1)
        return INFINITY;
    double rank = q * (double)(n - 1);
    size_t low = (size_t)floor(rank);
    select_place(v, n, low);
    double next = low + 1 < n ? least(v, low + 1, n) : v[low];
    double weight = rank - floor(rank);
    return v[low] * (1 - weight) + next * weight;
}

void quantile_check(struct eval *e, double q, uint32_t pos)
{
    if (q >= 0 && q <= 1)
        return;
    char number[FLOAT_TEXT_MAX];
    float_text_general(q, number);
    annot_add(e->annot, ANNOT_WARNING,
              region_printf(e->region, "quantile value should be between 0 and 1, got %s", number),
              pos);
}

/* The extremes of q are named, whatever series there are. */
static void check_extremes(struct eval *e, const double *q, uint32_t pos)
{
    struct extremes x = extremes_of(q, e->steps.n);
    if (x.has_nan)
        quantile_check(e, NAN, pos);
    if (x.high > 1)
        quantile_check(e, x.high, pos);
    if (x.low < 0)
        quantile_check(e, x.low, pos);
}

static int eval_group(struct eval *e, const struct group *g, const struct vector *v,
                      const double *q, double *values, struct column *ret)
{
    ret->labels = g->labels;
    ret->drops_name = g->drops_name;
    for (size_t i = 0; i < e->steps.n; i++) {
        size_t n = 0;
        for (uint32_t k = 0; k < g->n; k++)
            if (column_has(&v->items[g->members[k]], i))
                values[n++] = v->items[g->members[k]].v[i];
        if (n > 0)
            column_put(ret, i, quantile_of(q[i], values, n));
        if (eval_poll(e, g->n) != 0)
            return -1;
    }
    return 0;
}

int quantile_eval(struct eval *e, const struct grouping *g, const struct vector *v, const double *q,
                  uint32_t pos, struct vector *ret)
{
    double *values = eval_alloc(e, v->n, sizeof(*values));
    if (!values || eval_new_vector(e, g->n, ret) != 0)
        return -1;
    check_extremes(e, q, pos);
    for (uint32_t i = 0; i < g->n; i++)
        if (eval_group(e, &g->groups[i], v, q, values, &ret->items[i]) != 0)
            return -1;
    return 0;
}
