#include "tsdb/promql/extended_range.h"

/* The part of the window that counts: from the last sample at or before the left edge to the last
 * one, or, smoothed, to the first one at or behind the right edge. */
struct span {
    size_t first, last;
    double left, right; /* values at the edges */
};

double extended_range_between(const int64_t *t_ms, const double *v, size_t i, int64_t at_ms,
                              bool is_counter)
{
    double from = v[i], to = v[i + 1];
    if (is_counter && to < from)
        from = 0;
    return from + (to - from) * (double)(at_ms - t_ms[i]) / (double)(t_ms[i + 1] - t_ms[i]);
}

static bool find_span(const struct range_window *w, bool is_counter, struct span *ret)
{
    bool is_smoothed = w->edges == EDGES_SMOOTHED;
    size_t first = 0, last = w->n - 1;
    while (first + 1 < w->n && w->t_ms[first + 1] <= w->start_ms)
        first++;
    while (is_smoothed && last > 0 && w->t_ms[last - 1] >= w->end_ms)
        last--;
    if (w->t_ms[last] <= w->start_ms || (is_smoothed && w->t_ms[first] > w->end_ms))
        return false;
    *ret = (struct span){first, last, w->v[first], w->v[last]};
    if (is_smoothed && w->t_ms[first] < w->start_ms)
        ret->left = extended_range_between(w->t_ms, w->v, first, w->start_ms, is_counter);
    if (is_smoothed && last > 0 && w->t_ms[last] > w->end_ms)
        ret->right = extended_range_between(w->t_ms, w->v, last - 1, w->end_ms, is_counter);
    return true;
}

/* Samples strictly inside the range: [first, end). */
static void inner_samples(const struct range_window *w, const struct span *s, size_t *ret_first,
                          size_t *ret_end)
{
    *ret_first = s->first + (w->t_ms[s->first] <= w->start_ms);
    *ret_end = s->last + (w->t_ms[s->last] < w->end_ms);
}

bool extended_range_difference(const struct range_window *w, bool is_counter, double *ret)
{
    struct span s;
    size_t first, end;
    if (!find_span(w, is_counter, &s))
        return false;
    *ret = s.right - s.left;
    if (!is_counter)
        return true;
    double correction = 0, before = s.left;
    inner_samples(w, &s, &first, &end);
    for (size_t i = first; i < end; i++) {
        if (w->v[i] < before)
            correction += before;
        before = w->v[i];
    }
    if (s.right < before)
        correction += before;
    *ret += correction;
    return true;
}

size_t extended_range_samples(const struct range_window *w, int64_t *t_ms, double *v)
{
    struct span s;
    size_t first, end, n = 0;
    if (!find_span(w, false, &s))
        return 0;
    t_ms[n] = w->start_ms;
    v[n++] = s.left;
    inner_samples(w, &s, &first, &end);
    for (size_t i = first; i < end; i++) {
        t_ms[n] = w->t_ms[i];
        v[n++] = w->v[i];
    }
    t_ms[n] = w->end_ms;
    v[n++] = s.right;
    return n;
}
