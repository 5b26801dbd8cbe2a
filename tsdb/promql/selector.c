#include "tsdb/promql/selector.h"

#include "tsdb/promql/columns.h"
#include "tsdb/promql/extended_range.h"
#include "tsdb/promql/literal.h"
#include "tsdb/promql/stream.h"
#include "tsdb/read.h"

#include <string.h>

/* --- reading -----------------------------------------------------------------------------------
 */

static int fail_read(struct eval *e, int err)
{
    switch (err) {
    case ERR_NO_MEMORY:
        return eval_fail_memory(e);
    case ERR_CANCELED:
        return eval_fail(e, PROMQL_ERR_CANCELED, "query was canceled in expression evaluation");
    case ERR_TOO_MANY_SAMPLES:
        return eval_fail(e, PROMQL_ERR_EXECUTION,
                         "query processing would load too many samples into memory in query "
                         "execution");
    case ERR_LOADING:
        return eval_fail(e, PROMQL_ERR_LOADING, tsdb_err_text(err));
    default:
        return eval_fail(e, PROMQL_ERR_INTERNAL, tsdb_err_text(err));
    }
}

/* The result of a reading whose visits report their own errors, or that a stream is ambiguous. */
static int end_read(struct eval *e, int err)
{
    if (err != 0 && e->err->kind == PROMQL_ERR_NONE && !stream_is_ambiguous(e))
        return fail_read(e, err);
    return err != 0 ? -1 : 0;
}

/* The times that a selector's steps can see. span_ms: of the lookback or the range, which are open
 * on the left. */
static struct read_options options_of(const struct eval *e, const struct reference *ref,
                                      enum edges edges, int64_t span_ms)
{
    int64_t right_ms = eval_reach_right(e, edges);
    return (struct read_options){
        .min_ms = time_add(time_sub(reference_time(ref, &e->steps, 0), span_ms), 1),
        .max_ms = time_add(reference_time(ref, &e->steps, e->steps.n - 1), right_ms),
        .cancel = e->options->cancel,
    };
}

static int64_t range_span(const struct eval *e, const struct node *n)
{
    const struct selector *s = &n->range.selector->selector;
    return time_add(duration_ms(&n->range.range), eval_reach_left(e, s->edges));
}

/* --- instant selectors ---------------------------------------------------------------------------
 */

enum sample_part { PART_VALUE, PART_TIME };

struct clip {
    int64_t min_ms, max_ms;
};

struct instant {
    struct eval *e;
    struct reference reference;
    const struct clip *clip; /* samples outside are not there; NULL: none */
    enum edges edges;
    enum sample_part part;
    struct columns columns;
    struct stream *stream; /* NULL: columns are kept */
};

/* A step whose look was cut at the end of the clip looked further back instead. */
static bool is_inside(const struct instant *in, int64_t t_ms, size_t step)
{
    int64_t at_ms = reference_time(&in->reference, &in->e->steps, step);
    return t_ms >= in->clip->min_ms && t_ms > time_sub(at_ms, in->e->options->lookback_ms);
}

/* Fills one column of what was seen at each step. True when it has a point. */
static bool take_seen(const struct instant *in, const struct read_series *s, struct column *ret)
{
    bool has_any = false;
    for (size_t i = 0; i < s->n; i++) {
        if (s->t_ms[i] == READ_NONE || s->values[i] == STALE_BITS ||
            (in->clip && !is_inside(in, s->t_ms[i], i)))
            continue;
        double v = (double)s->t_ms[i] / 1000;
        if (in->part == PART_VALUE)
            memcpy(&v, &s->values[i], sizeof(v));
        column_put(ret, i, v);
        has_any = true;
    }
    return has_any;
}

/* The same of a smoothed selector, from all samples: between them
 * their line, behind the last one its value. */
static bool smooth(const struct instant *in, const struct samples *s, struct column *ret)
{
    const struct eval *e = in->e;
    const int64_t reach_ms = e->options->lookback_ms;
    size_t next = 0; /* the first sample at or behind the step */
    bool has_any = false;
    for (size_t i = 0; i < e->steps.n; i++) {
        int64_t t_ms = reference_time(&in->reference, &e->steps, i);
        while (next < s->n && s->t_ms[next] < t_ms)
            next++;
        bool is_exact = next < s->n && s->t_ms[next] == t_ms;
        bool has_before = next > 0 && s->t_ms[next - 1] > time_sub(t_ms, reach_ms);
        if (is_exact)
            column_put(ret, i, s->v[next]);
        else if (has_before && next < s->n && s->t_ms[next] <= time_add(t_ms, reach_ms))
            column_put(ret, i, extended_range_between(s->t_ms, s->v, next - 1, t_ms, false));
        else if (has_before)
            column_put(ret, i, s->v[next - 1]);
        has_any = has_any || is_exact || has_before;
    }
    return has_any;
}

static struct samples without_stale(struct read_series *s);

static int visit_instant(void *ctx, struct read_series *s)
{
    struct instant *in = ctx;
    struct column *c = columns_next(in->e, &in->columns);
    bool has_points;
    if (!c)
        return -1;
    in->e->counts->samples_read += s->n;
    if (in->edges == EDGES_SMOOTHED) {
        struct samples samples = without_stale(s);
        has_points = smooth(in, &samples, c);
    } else {
        has_points = take_seen(in, s, c);
    }
    if (has_points) {
        c->labels = s->labels;
        if (!in->stream)
            columns_keep(&in->columns);
        else if (stream_put(in->e, in->stream, c, false) != 0)
            return -1;
    }
    return eval_poll(in->e, s->n + in->e->steps.n);
}

/* The time that each step looks at. */
static int64_t *step_times(struct eval *e, const struct instant *in)
{
    int64_t *at_ms = eval_alloc(e, e->steps.n, sizeof(*at_ms));
    for (size_t i = 0; at_ms && i < e->steps.n; i++) {
        at_ms[i] = reference_time(&in->reference, &e->steps, i);
        if (in->clip && at_ms[i] > in->clip->max_ms)
            at_ms[i] = in->clip->max_ms;
    }
    return at_ms;
}

static int eval_part(struct instant *in, const struct node *n, struct vector *ret)
{
    struct eval *e = in->e;
    const struct selector *s = &n->selector;
    struct read_options options = options_of(e, &in->reference, s->edges, e->options->lookback_ms);
    if (in->part == PART_TIME)
        in->edges = EDGES_PLAIN;
    else
        in->stream = stream_of(e, n);
    if (in->stream) {
        in->stream->is_used = true;
        options.labels = in->stream->visitor->needs_labels ? READ_LABELS_LENT : READ_LABELS_NONE;
    }
    if (in->edges != EDGES_SMOOTHED) {
        options.at_ms = step_times(e, in);
        options.n_at = e->steps.n;
        options.lookback_ms = e->options->lookback_ms;
        if (!options.at_ms)
            return -1;
        options.min_ms = time_add(time_sub(options.at_ms[0], options.lookback_ms), 1);
        options.max_ms = options.at_ms[options.n_at - 1];
    }
    int err = read_each(e->db, &s->matchers, &options, e->region, visit_instant, in);
    *ret = in->columns.kept;
    return end_read(e, err);
}

static struct clip clip_of(const struct eval *e, const struct reference *reads)
{
    return (struct clip){
        .min_ms =
            time_add(time_sub(reference_time(reads, &e->steps, 0), e->options->lookback_ms), 1),
        .max_ms = reference_time(reads, &e->steps, e->steps.n - 1)};
}

/* In the parameter of an aggregation Prometheus takes no step to be like the others, so the time
 * behind @ is that of the first alone: the others look as much later as they are, at the samples
 * that the first one may see. */
int selector_eval(struct eval *e, const struct node *n, struct vector *ret)
{
    struct instant in = {.e = e,
                         .reference = eval_reference(e, &n->selector.shift),
                         .edges = n->selector.edges,
                         .part = PART_VALUE};
    struct clip clip;
    if (in.reference.is_fixed && e->is_in_parameter && in.edges == EDGES_PLAIN) {
        clip = clip_of(e, &in.reference);
        in.clip = &clip;
        in.reference.is_fixed = false;
        in.reference.offset_ms = time_sub(steps_time(&e->steps, 0), in.reference.fixed_ms);
    }
    return eval_part(&in, n, ret);
}

int selector_eval_times(struct eval *e, const struct node *n, struct vector *ret)
{
    struct instant in = {
        .e = e, .reference = eval_reference(e, &n->selector.shift), .part = PART_TIME};
    return eval_part(&in, n, ret);
}

int selector_eval_times_clipped(struct eval *e, const struct node *n, const struct reference *looks,
                                const struct reference *reads, struct vector *ret)
{
    const struct clip clip = clip_of(e, reads);
    struct instant in = {.e = e, .reference = *looks, .clip = &clip, .part = PART_TIME};
    return eval_part(&in, n, ret);
}

/* --- ranges --------------------------------------------------------------------------------------
 */

/* Where the first stale marker is, or n. Four at a time: there are hardly ever any. */
static size_t find_stale(const uint64_t *values, size_t n)
{
    size_t i = 0;
    for (; i + 4 <= n; i += 4)
        if ((values[i] == STALE_BITS) | (values[i + 1] == STALE_BITS) |
            (values[i + 2] == STALE_BITS) | (values[i + 3] == STALE_BITS))
            break;
    while (i < n && values[i] != STALE_BITS)
        i++;
    return i;
}

/* Moves the samples together over the stale markers. The bits are read as doubles where they are.
 */
static struct samples without_stale(struct read_series *s)
{
    size_t n = find_stale(s->values, s->n);
    for (size_t i = n; i < s->n; i++) {
        if (s->values[i] == STALE_BITS)
            continue;
        s->values[n] = s->values[i];
        s->t_ms[n++] = s->t_ms[i];
    }
    return (struct samples){
        .labels = s->labels, .n = n, .t_ms = s->t_ms, .v = (const double *)(void *)s->values};
}

static struct range range_of(const struct eval *e, const struct node *n)
{
    const struct selector *s = &n->range.selector->selector;
    return (struct range){.range_ms = duration_ms(&n->range.range),
                          .range_s = literal_seconds(n->range.range.ns),
                          .edges = s->edges,
                          .reference = eval_reference(e, &s->shift)};
}

struct visiting {
    struct eval *e;
    selector_visit visit;
    void *ctx;
};

static int visit_range(void *ctx, struct read_series *s)
{
    const struct visiting *v = ctx;
    v->e->counts->samples_read += s->n;
    struct samples samples = without_stale(s);
    if (eval_poll(v->e, s->n) != 0)
        return -1;
    return samples.n > 0 ? v->visit(v->ctx, &samples) : 0;
}

int selector_each_range(struct eval *e, const struct node *n, bool lends_labels, struct range *ret,
                        selector_visit visit, void *ctx)
{
    const struct selector *s = &n->range.selector->selector;
    struct reference ref = eval_reference(e, &s->shift);
    struct read_options options = options_of(e, &ref, s->edges, range_span(e, n));
    options.labels = lends_labels ? READ_LABELS_LENT : READ_LABELS_KEPT;
    struct visiting v = {e, visit, ctx};
    *ret = range_of(e, n);
    return end_read(e, read_each(e->db, &s->matchers, &options, e->region, visit_range, &v));
}

int selector_eval_range(struct eval *e, const struct node *n, struct range *ret)
{
    const struct selector *s = &n->range.selector->selector;
    struct reference ref = eval_reference(e, &s->shift);
    struct read_options options = options_of(e, &ref, s->edges, range_span(e, n));
    struct read_set set;
    int err = read_select(e->db, &s->matchers, &options, e->region, &set);
    if (err != 0)
        return fail_read(e, err);
    *ret = range_of(e, n);
    ret->n = set.n;
    ret->items = eval_alloc(e, set.n, sizeof(*ret->items));
    if (!ret->items)
        return -1;
    for (size_t i = 0; i < set.n; i++) {
        e->counts->samples_read += set.series[i].n;
        ret->items[i] = without_stale(&set.series[i]);
        if (eval_poll(e, set.series[i].n) != 0)
            return -1;
    }
    return 0;
}

/* The points of a column as samples. */
static int column_samples(struct eval *e, const struct steps *steps, const struct column *c,
                          struct samples *ret)
{
    size_t n = column_points(c, steps->n);
    int64_t *t_ms = eval_alloc(e, n, sizeof(*t_ms));
    double *v = eval_alloc(e, n, sizeof(*v));
    if (!t_ms || !v)
        return -1;
    *ret = (struct samples){.labels = c->labels, .t_ms = t_ms, .v = v, .drops_name = c->drops_name};
    for (size_t i = 0; i < steps->n; i++) {
        if (!column_has(c, i))
            continue;
        t_ms[ret->n] = steps_time(steps, i);
        v[ret->n++] = c->v[i];
    }
    return 0;
}

int selector_eval_subquery(struct eval *e, const struct node *n, struct range *ret)
{
    const struct subquery *s = &n->subquery;
    *ret = (struct range){.range_ms = duration_ms(&s->range),
                          .range_s = literal_seconds(s->range.ns),
                          .reference = eval_reference(e, &s->shift)};
    struct eval inner = *e;
    if (!eval_subquery_steps(e, s, &inner.steps))
        return 0;
    struct vector v;
    int err = eval_vector(&inner, s->inner, &v);
    e->n_polled = inner.n_polled;
    if (err != 0)
        return -1;
    ret->items = eval_alloc(e, v.n, sizeof(*ret->items));
    if (!ret->items)
        return -1;
    for (size_t i = 0; i < v.n; i++)
        if (column_samples(e, &inner.steps, &v.items[i], &ret->items[ret->n++]) != 0 ||
            eval_poll(e, inner.steps.n) != 0)
            return -1;
    return 0;
}
