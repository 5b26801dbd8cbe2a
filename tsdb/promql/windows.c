#include "tsdb/promql/windows.h"

#include <string.h>

/* The first sample behind the bound, from `at` on. Samples come at regular times and so do steps:
 * the stride of the step before is nearly always right, and then it is one look instead of one a
 * sample. */
static size_t advance(const struct samples *s, size_t at, int64_t bound_ms, size_t *stride)
{
    size_t next = at;
    if (*stride > 0 && at + *stride <= s->n && s->t_ms[at + *stride - 1] <= bound_ms)
        next += *stride;
    while (next < s->n && s->t_ms[next] <= bound_ms)
        next++;
    *stride = next - at;
    return next;
}

static bool is_of(const struct windows *w, const struct samples *s)
{
    return w->timeline > 0 && w->n_times == s->n &&
           memcmp(w->t_ms, s->t_ms, s->n * sizeof(*s->t_ms)) == 0;
}

static bool keep_times(struct windows *w, struct eval *e, const struct samples *s)
{
    if (s->n > w->cap) {
        w->cap = s->n + s->n / 2;
        w->t_ms = eval_alloc(e, w->cap, sizeof(*w->t_ms));
        if (!w->t_ms)
            return false;
    }
    w->n_times = s->n;
    memcpy(w->t_ms, s->t_ms, s->n * sizeof(*s->t_ms));
    return true;
}

/* Their ends only move forward, so each sample enters and leaves once. */
static void find(struct windows *w, const struct eval *e, const struct range *range,
                 const struct samples *s)
{
    int64_t reach_left = eval_reach_left(e, range->edges);
    int64_t reach_right = eval_reach_right(e, range->edges);
    size_t first = 0, end = 0, first_stride = 0, end_stride = 0;
    w->n_samples = 0;
    for (size_t i = 0; i < e->steps.n; i++) {
        int64_t end_ms = reference_time(&range->reference, &e->steps, i);
        int64_t start_ms = time_sub(end_ms, range->range_ms);
        end = advance(s, end, time_add(end_ms, reach_right), &end_stride);
        first = advance(s, first, time_sub(start_ms, reach_left), &first_stride);
        w->of_step[i] = (struct window){(uint32_t)first, (uint32_t)(end - first)};
        w->n_samples += end - first;
    }
}

int windows_fit(struct windows *w, struct eval *e, const struct range *range,
                const struct samples *samples)
{
    if (is_of(w, samples))
        return 0;
    if (!w->of_step) {
        w->of_step = eval_alloc(e, e->steps.n, sizeof(*w->of_step));
        if (!w->of_step)
            return -1;
    }
    if (!keep_times(w, e, samples))
        return -1;
    w->timeline++;
    find(w, e, range, samples);
    return eval_poll(e, e->steps.n);
}
