#include "tsdb/promql/selector.h"

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
    default:
        return eval_fail(e, PROMQL_ERR_INTERNAL, tsdb_err_text(err));
    }
}

/* span_ms: of the lookback or the range, which are open on the left. */
static int read_one(struct eval *e, struct tsdb *db, const struct selector *s, int64_t span_ms,
                    uint64_t *n_samples)
{
    struct reference ref = eval_reference(e, &s->shift);
    int64_t first = reference_time(&ref, &e->steps, 0);
    struct read_options options = {
        .min_ms = time_add(time_sub(first, span_ms), 1),
        .max_ms = reference_time(&ref, &e->steps, e->steps.n - 1),
        .cancel = e->options->cancel,
    };
    struct read_set *set = &e->selections[s->index].set;
    int err = read_select(db, &s->matchers, &options, e->region, set);
    if (err != 0)
        return fail_read(e, err);
    for (size_t i = 0; i < set->n; i++)
        *n_samples += set->series[i].n;
    return eval_poll(e, set->n);
}

static int read_below(struct eval *e, struct tsdb *db, const struct node *n, uint64_t *n_samples);

static int read_subquery(struct eval *e, struct tsdb *db, const struct subquery *s,
                         uint64_t *n_samples)
{
    struct eval inner = *e;
    if (!eval_subquery_steps(e, s, &inner.steps))
        return 0;
    return read_below(&inner, db, s->inner, n_samples);
}

static int read_below(struct eval *e, struct tsdb *db, const struct node *n, uint64_t *n_samples)
{
    switch (n->kind) {
    case NODE_NUMBER:
    case NODE_STRING:
        return 0;
    case NODE_PAREN:
        return read_below(e, db, n->paren, n_samples);
    case NODE_UNARY:
        return read_below(e, db, n->unary.operand, n_samples);
    case NODE_BINARY:
        if (read_below(e, db, n->binary.lhs, n_samples) != 0)
            return -1;
        return read_below(e, db, n->binary.rhs, n_samples);
    case NODE_CALL:
        for (uint32_t i = 0; i < n->call.n_args; i++)
            if (read_below(e, db, n->call.args[i], n_samples) != 0)
                return -1;
        return 0;
    case NODE_AGGREGATE:
        if (n->aggregate.param && read_below(e, db, n->aggregate.param, n_samples) != 0)
            return -1;
        return read_below(e, db, n->aggregate.inner, n_samples);
    case NODE_SELECTOR:
        return read_one(e, db, &n->selector, e->options->lookback_ms, n_samples);
    case NODE_RANGE:
        return read_one(e, db, &n->range.selector->selector, n->range.range_ms, n_samples);
    case NODE_SUBQUERY:
        return read_subquery(e, db, &n->subquery, n_samples);
    }
    return 0;
}

int selection_read(struct eval *e, struct tsdb *db, const struct node *root, uint64_t *ret_samples)
{
    *ret_samples = 0;
    return read_below(e, db, root, ret_samples);
}

/* --- instant selectors ---------------------------------------------------------------------------
 */

enum sample_part { PART_VALUE, PART_TIME };

/* Fills one column, walking the samples once. */
static void look_back(const struct eval *e, const struct read_series *s, struct reference ref,
                      enum sample_part part, struct column *ret)
{
    size_t n_seen = 0; /* samples at or before ref */
    for (size_t i = 0; i < e->steps.n; i++) {
        int64_t ref_ms = reference_time(&ref, &e->steps, i);
        while (n_seen < s->n && s->t_ms[n_seen] <= ref_ms)
            n_seen++;
        if (n_seen == 0 || s->t_ms[n_seen - 1] <= time_sub(ref_ms, e->options->lookback_ms) ||
            s->values[n_seen - 1] == STALE_BITS)
            continue;
        double v = (double)s->t_ms[n_seen - 1] / 1000;
        if (part == PART_VALUE)
            memcpy(&v, &s->values[n_seen - 1], sizeof(v));
        column_put(ret, i, v);
    }
}

static int eval_part(struct eval *e, const struct node *n, enum sample_part part,
                     struct vector *ret)
{
    const struct selector *s = &n->selector;
    const struct read_set *set = &e->selections[s->index].set;
    struct reference ref = eval_reference(e, &s->shift);
    if (eval_new_vector(e, set->n, ret) != 0)
        return -1;
    for (size_t i = 0; i < set->n; i++) {
        ret->items[i].labels = set->series[i].labels;
        look_back(e, &set->series[i], ref, part, &ret->items[i]);
        if (eval_poll(e, set->series[i].n + e->steps.n) != 0)
            return -1;
    }
    vector_squeeze(ret, e->steps.n);
    return 0;
}

int selector_eval(struct eval *e, const struct node *n, struct vector *ret)
{
    return eval_part(e, n, PART_VALUE, ret);
}

int selector_eval_times(struct eval *e, const struct node *n, struct vector *ret)
{
    return eval_part(e, n, PART_TIME, ret);
}

/* --- ranges
 * ---------------------------------------------------------------------------------------- */

/* Moves the samples together over the stale markers, turning bits into doubles where they are. */
static struct samples without_stale(struct read_series *s)
{
    double *v = (double *)(void *)s->values;
    size_t n = 0;
    for (size_t i = 0; i < s->n; i++) {
        uint64_t bits = s->values[i];
        if (bits == STALE_BITS)
            continue;
        memcpy(&v[n], &bits, sizeof(bits));
        s->t_ms[n++] = s->t_ms[i];
    }
    s->n = n; /* so that doing it again changes nothing */
    return (struct samples){.labels = s->labels, .n = n, .t_ms = s->t_ms, .v = v};
}

int selector_eval_range(struct eval *e, const struct node *n, struct range *ret)
{
    const struct selector *s = &n->range.selector->selector;
    struct read_set *set = &e->selections[s->index].set;
    *ret = (struct range){
        .n = set->n, .range_ms = n->range.range_ms, .reference = eval_reference(e, &s->shift)};
    ret->items = eval_alloc(e, set->n, sizeof(*ret->items));
    if (!ret->items)
        return -1;
    for (size_t i = 0; i < set->n; i++) {
        ret->items[i] = without_stale(&set->series[i]);
        if (eval_poll(e, set->series[i].n) != 0)
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
    *ret = (struct samples){.labels = c->labels, .t_ms = t_ms, .v = v};
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
    *ret = (struct range){.range_ms = s->range_ms, .reference = eval_reference(e, &s->shift)};
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
