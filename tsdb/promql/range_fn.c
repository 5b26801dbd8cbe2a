#include "tsdb/promql/range_fn.h"

#include "tsdb/promql/columns.h"
#include "tsdb/promql/funcs.h"
#include "tsdb/promql/selector.h"
#include "tsdb/promql/stream.h"

const struct node *range_fn_argument(const struct node *call)
{
    for (uint32_t i = 0; i < call->call.n_args; i++)
        if (call->call.args[i]->type == PROMQL_MATRIX)
            return call->call.args[i];
    assert(0 && "a function of a range has one");
    return NULL;
}

struct slide {
    struct eval *e;
    const struct range_op *op;
    struct range range;            /* what all series have in common */
    double *params[FUNC_ARGS_MAX]; /* columns */
    size_t n_params;
    double *scratch;
    int64_t *scratch_ms;
    size_t n_scratch;
    struct windows windows;
    struct columns results;
    uint64_t n_points;
    uint32_t pos;          /* of the range */
    struct stream *stream; /* NULL: columns are kept */
    bool drops_names;      /* of the stream's columns */
    bool keeps_names;      /* also one that was to be dropped at the end */
};

void range_window_move(struct range_window *w, size_t step)
{
    const struct window *at = &w->windows->of_step[step];
    const struct steps *steps = &w->e->steps;
    w->end_ms = reference_time(&w->range->reference, steps, step);
    w->start_ms = time_sub(w->end_ms, w->range->range_ms);
    w->step_ms = steps_time(steps, step);
    w->t_ms = w->samples->t_ms + at->first;
    w->v = w->samples->v + at->first;
    w->at = at->first;
    w->n = at->n;
}

static int slide_steps(struct slide *s, struct range_window *w, struct column *ret)
{
    struct eval *e = s->e;
    double params[FUNC_ARGS_MAX] = {0};
    for (size_t i = 0; i < e->steps.n; i++) {
        double v;
        if (s->windows.of_step[i].n == 0)
            continue;
        range_window_move(w, i);
        if (eval_poll(e, w->n) != 0 || eval_check_samples(e, s->n_points + w->n) != 0)
            return -1;
        for (size_t k = 0; k < s->n_params; k++)
            params[k] = s->params[k][i];
        if (s->op->fn(w, params, &v)) {
            column_put(ret, i, v);
            s->n_points++;
        } else if (e->err->kind != PROMQL_ERR_NONE) {
            return -1;
        }
    }
    return eval_poll(e, e->steps.n);
}

/* One series. */
static int slide_series(struct slide *s, const struct samples *samples, struct column *ret)
{
    struct eval *e = s->e;
    struct sliding sliding = {0};
    struct range_window w = {.range_s = s->range.range_s,
                             .edges = s->range.edges,
                             .scratch = s->scratch,
                             .scratch_ms = s->scratch_ms,
                             .sliding = &sliding,
                             .e = e,
                             .samples = samples,
                             .windows = &s->windows,
                             .range = &s->range};
    if (windows_fit(&s->windows, e, &s->range, samples) != 0)
        return -1;
    e->counts->samples_queryable += s->windows.n_samples;
    if (!s->op->series || w.edges != EDGES_PLAIN)
        return slide_steps(s, &w, ret);
    return s->op->series(s->op->ctx, &w, ret, &s->n_points);
}

static bool make_scratch(struct slide *s, size_t n)
{
    if (n + 2 <= s->n_scratch)
        return true;
    s->n_scratch = n + n / 2 + 2;
    s->scratch = eval_alloc(s->e, s->n_scratch, sizeof(*s->scratch));
    s->scratch_ms = eval_alloc(s->e, s->n_scratch, sizeof(*s->scratch_ms));
    return s->scratch && s->scratch_ms;
}

static int put_series(void *ctx, const struct samples *samples)
{
    struct slide *s = ctx;
    uint64_t n_before = s->n_points;
    if (samples->n == 0) /* of a subquery whose column kept no point: none is known */
        return 0;
    struct column *c = columns_next(s->e, &s->results);
    if (!c || !make_scratch(s, samples->n) || slide_series(s, samples, c) != 0)
        return -1;
    if (s->n_points == n_before)
        return 0;
    c->labels = samples->labels;
    c->drops_name = samples->drops_name && !s->keeps_names;
    if (s->op->note)
        s->op->note(s->op->ctx, s->e, &c->labels, s->pos);
    if (s->stream)
        return stream_put(s->e, s->stream, c, s->drops_names);
    columns_keep(&s->results);
    return 0;
}

/* A range of a selector is read while it is slid over, so that its samples never are in memory all
 * at once: a day of 10,000 series is 900 MiB of them. */
static int slide_all(struct slide *s, const struct node *range)
{
    range = node_unwrap(range);
    if (range->kind == NODE_RANGE)
        return selector_each_range(s->e, range, s->stream, &s->range, put_series, s);
    for (size_t i = 0; i < s->range.n; i++)
        if (put_series(s, &s->range.items[i]) != 0)
            return -1;
    return 0;
}

static int slide_call(struct slide *s, const struct node *call)
{
    struct eval *e = s->e;
    const struct node *range = range_fn_argument(call);
    for (uint32_t i = 0; i < call->call.n_args; i++) {
        const struct node *arg = call->call.args[i];
        if (arg->type != PROMQL_MATRIX) {
            if (eval_scalar(e, arg, &s->params[s->n_params++]) != 0)
                return -1;
        } else if (node_unwrap(arg)->kind != NODE_RANGE && eval_range(e, arg, &s->range) != 0) {
            return -1;
        }
    }
    s->pos = node_argument_pos(range);
    return slide_all(s, range);
}

int range_fn_eval_named(struct eval *e, const struct node *call, range_fn fn, struct vector *ret)
{
    const struct range_op op = {.fn = fn};
    struct slide s = {.e = e, .op = &op};
    if (slide_call(&s, call) != 0)
        return -1;
    *ret = s.results.kept;
    return 0;
}

int range_fn_eval_op(struct eval *e, const struct node *call, const struct range_op *op,
                     struct vector *ret)
{
    struct slide s = {.e = e,
                      .op = op,
                      .stream = stream_of(e, call),
                      .drops_names = !(call->call.func->flags & FUNC_KEEPS_NAME)};
    s.keeps_names = !s.drops_names && !eval_as_main(e);
    if (s.stream)
        s.stream->is_used = true;
    if (slide_call(&s, call) != 0)
        return -1;
    *ret = s.results.kept;
    return s.drops_names ? eval_drop_names(e, ret, true) : 0;
}

int range_fn_eval(struct eval *e, const struct node *call, range_fn fn, struct vector *ret)
{
    const struct range_op op = {.fn = fn};
    return range_fn_eval_op(e, call, &op, ret);
}
