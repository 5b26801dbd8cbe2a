#include "tsdb/promql/range_fn.h"

#include "tsdb/promql/funcs.h"

const struct node *range_fn_argument(const struct node *call)
{
    for (uint32_t i = 0; i < call->call.n_args; i++)
        if (call->call.args[i]->type == PROMQL_MATRIX)
            return call->call.args[i];
    assert(0 && "a function of a range has one");
    return NULL;
}

struct slide {
    range_fn fn;
    const struct range *range;
    double *params[FUNC_ARGS_MAX]; /* columns */
    size_t n_params;
    double *scratch;
};

/* One series. The window's ends only move forward, so each sample enters and leaves once. */
static int slide_series(struct eval *e, const struct slide *s, const struct samples *samples,
                        struct column *ret, uint64_t *n_points)
{
    size_t first = 0, end = 0;
    for (size_t i = 0; i < e->steps.n; i++) {
        struct range_window w = {.end_ms = reference_time(&s->range->reference, &e->steps, i),
                                 .step_ms = steps_time(&e->steps, i),
                                 .scratch = s->scratch};
        w.start_ms = time_sub(w.end_ms, s->range->range_ms);
        while (end < samples->n && samples->t_ms[end] <= w.end_ms)
            end++;
        while (first < end && samples->t_ms[first] <= w.start_ms)
            first++;
        if (first == end)
            continue;
        w.t_ms = samples->t_ms + first;
        w.v = samples->v + first;
        w.n = end - first;
        if (eval_poll(e, w.n) != 0 || eval_check_samples(e, *n_points + w.n) != 0)
            return -1;
        double params[FUNC_ARGS_MAX] = {0};
        for (size_t k = 0; k < s->n_params; k++)
            params[k] = s->params[k][i];
        double v;
        if (s->fn(&w, params, &v)) {
            column_put(ret, i, v);
            ++*n_points;
        }
    }
    return eval_poll(e, e->steps.n);
}

int range_fn_eval_named(struct eval *e, const struct node *call, range_fn fn, struct vector *ret)
{
    struct range range = {0};
    struct slide s = {.fn = fn, .range = &range};
    for (uint32_t i = 0; i < call->call.n_args; i++) {
        const struct node *arg = call->call.args[i];
        if (arg->type == PROMQL_MATRIX ? eval_range(e, arg, &range)
                                       : eval_scalar(e, arg, &s.params[s.n_params++]))
            return -1;
    }
    size_t n_max = 0;
    for (size_t i = 0; i < range.n; i++)
        n_max = size_max(n_max, range.items[i].n);
    s.scratch = eval_alloc(e, n_max, sizeof(*s.scratch));
    if (!s.scratch || eval_new_vector(e, range.n, ret) != 0)
        return -1;
    uint64_t n_points = 0;
    for (size_t i = 0; i < range.n; i++) {
        ret->items[i].labels = range.items[i].labels;
        if (slide_series(e, &s, &range.items[i], &ret->items[i], &n_points) != 0)
            return -1;
    }
    vector_squeeze(ret, e->steps.n);
    return 0;
}

int range_fn_eval(struct eval *e, const struct node *call, range_fn fn, struct vector *ret)
{
    if (range_fn_eval_named(e, call, fn, ret) != 0)
        return -1;
    if (call->call.func->flags & FUNC_KEEPS_NAME)
        return 0;
    return eval_drop_names(e, ret, true);
}
