#include "tsdb/promql/sliding.h"

#include <math.h>

/* Integers below this, and fewer of them than this, are exact in any sum: 2^40 * 2^13 = 2^53. */
enum { EXACT_VALUES_MAX = 1 << 13 };
#define EXACT_BOUND 0x1p40

/* -0 is none: alone in a window it is the sum. */
static bool is_exact(double v)
{
    return fabs(v) < EXACT_BOUND && v == (double)(int64_t)v && !(v == 0 && signbit(v));
}

static void enter(struct sliding *s, double v)
{
    if (is_exact(v))
        s->sum += (uint64_t)(int64_t)v;
    else
        s->n_inexact++;
}

static void leave(struct sliding *s, double v)
{
    if (is_exact(v))
        s->sum -= (uint64_t)(int64_t)v;
    else
        s->n_inexact--;
}

bool sliding_sum(const struct range_window *w, double *ret)
{
    struct sliding *s = w->sliding;
    const double *series = w->v - w->at;
    size_t end = w->at + w->n;
    for (; s->from < w->at && s->from < s->to; s->from++)
        leave(s, series[s->from]);
    for (s->to = s->to > w->at ? s->to : w->at; s->to < end; s->to++)
        enter(s, series[s->to]);
    s->from = w->at;
    *ret = (double)(int64_t)s->sum;
    return s->n_inexact == 0 && w->n <= EXACT_VALUES_MAX;
}

/* Whether a value that comes later makes one that is there useless. */
static bool displaces(double later, double there, enum extreme which, enum among_equals among)
{
    if (later == there)
        return among == AMONG_EQUALS_LAST;
    return which == EXTREME_MIN ? later < there : later > there;
}

size_t sliding_extreme(const struct range_window *w, enum extreme which, enum among_equals among)
{
    struct sliding *s = w->sliding;
    const double *series = w->v - w->at;
    int64_t *queue = w->scratch_ms; /* of places in the series, those of extremes first */
    size_t end = w->at + w->n;
    while (s->queue_from < s->queue_to && (size_t)queue[s->queue_from] < w->at)
        s->queue_from++;
    for (s->to = s->to > w->at ? s->to : w->at; s->to < end; s->to++) {
        double v = series[s->to];
        if (isnan(v))
            continue;
        while (s->queue_from < s->queue_to &&
               displaces(v, series[queue[s->queue_to - 1]], which, among))
            s->queue_to--;
        queue[s->queue_to++] = (int64_t)s->to;
    }
    return s->queue_from < s->queue_to ? (size_t)queue[s->queue_from] - w->at : w->n - 1;
}
