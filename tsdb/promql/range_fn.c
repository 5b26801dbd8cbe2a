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

enum { GAPS_KEPT = 1024 }; /* of so many steps; the gaps of others take their places */

struct slide {
    struct eval *e;
    range_fn fn;
    struct range range;            /* what all series have in common */
    double *params[FUNC_ARGS_MAX]; /* columns */
    size_t n_params;
    double *scratch;
    int64_t *scratch_ms;
    size_t n_scratch;
    struct gaps *gaps;
    struct columns results;
    uint64_t n_points;
    const struct range_fn_notes *notes; /* may be NULL */
    uint32_t pos;                       /* for it: of the range */
    struct stream *stream;              /* NULL: columns are kept */
    bool drops_names;                   /* of the stream's columns */
    bool keeps_names;                   /* also one that was to be dropped at the end */
};

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

/* One series. The window's ends only move forward, so each sample enters and leaves once. */
static int slide_series(struct eval *e, struct slide *s, const struct samples *samples,
                        struct column *ret)
{
    size_t first = 0, end = 0, first_stride = 0, end_stride = 0;
    struct sliding sliding = {0};
    struct range_window w = {.range_s = s->range.range_s,
                             .edges = s->range.edges,
                             .scratch = s->scratch,
                             .scratch_ms = s->scratch_ms,
                             .sliding = &sliding,
                             .e = e};
    int64_t reach_left = eval_reach_left(e, w.edges), reach_right = eval_reach_right(e, w.edges);
    double params[FUNC_ARGS_MAX] = {0};
    for (size_t i = 0; i < e->steps.n; i++) {
        w.end_ms = reference_time(&s->range.reference, &e->steps, i);
        w.start_ms = time_sub(w.end_ms, s->range.range_ms);
        w.step_ms = steps_time(&e->steps, i);
        w.gaps = &s->gaps[i % GAPS_KEPT];
        end = advance(samples, end, time_add(w.end_ms, reach_right), &end_stride);
        first = advance(samples, first, time_sub(w.start_ms, reach_left), &first_stride);
        if (first == end)
            continue;
        w.t_ms = samples->t_ms + first;
        w.v = samples->v + first;
        w.at = first;
        w.n = end - first;
        e->counts->samples_queryable += w.n;
        if (eval_poll(e, w.n) != 0 || eval_check_samples(e, s->n_points + w.n) != 0)
            return -1;
        for (size_t k = 0; k < s->n_params; k++)
            params[k] = s->params[k][i];
        double v;
        if (s->fn(&w, params, &v)) {
            column_put(ret, i, v);
            s->n_points++;
        } else if (e->err->kind != PROMQL_ERR_NONE) {
            return -1;
        }
    }
    return eval_poll(e, e->steps.n);
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
    struct column *c = columns_next(s->e, &s->results);
    if (!c || !make_scratch(s, samples->n) || slide_series(s->e, s, samples, c) != 0)
        return -1;
    if (s->n_points == n_before)
        return 0;
    c->labels = samples->labels;
    c->drops_name = samples->drops_name && !s->keeps_names;
    if (s->notes)
        s->notes->note(s->notes->ctx, s->e, &c->labels, s->pos);
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
    s->gaps = eval_alloc(e, size_min(e->steps.n, GAPS_KEPT), sizeof(*s->gaps));
    return s->gaps ? slide_all(s, range) : -1;
}

int range_fn_eval_named(struct eval *e, const struct node *call, range_fn fn, struct vector *ret)
{
    struct slide s = {.e = e, .fn = fn};
    if (slide_call(&s, call) != 0)
        return -1;
    *ret = s.results.kept;
    return 0;
}

int range_fn_eval_noting(struct eval *e, const struct node *call, range_fn fn,
                         const struct range_fn_notes *notes, struct vector *ret)
{
    struct slide s = {.e = e,
                      .fn = fn,
                      .notes = notes,
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
    return range_fn_eval_noting(e, call, fn, NULL, ret);
}
