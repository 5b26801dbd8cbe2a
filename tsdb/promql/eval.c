/* Prometheus walks the tree once for all steps of a range query, and so does this: an operator sees
 * whole columns, so that what does not depend on time (labels, groups, partners) is worked out once
 * and the loops over steps touch nothing but numbers. An instant query is the case of one step. */
#include "tsdb/promql/eval.h"

#include "tsdb/promql/aggregate.h"
#include "tsdb/promql/binop.h"
#include "tsdb/promql/funcs.h"
#include "tsdb/promql/label_map.h"
#include "tsdb/promql/labelset.h"
#include "tsdb/promql/query_limits.h"
#include "tsdb/promql/selector.h"
#include "tsdb/promql/stream.h"

#include <time.h>

int eval_fail(struct eval *e, enum promql_error_kind kind, const char *text)
{
    if (e->err->kind == PROMQL_ERR_NONE) {
        e->err->kind = text ? kind : PROMQL_ERR_EXECUTION;
        e->err->text = text ? text : QUERY_NO_MEMORY;
    }
    return -1;
}

int eval_fail_memory(struct eval *e)
{
    return eval_fail(e, PROMQL_ERR_EXECUTION, QUERY_NO_MEMORY);
}

static int64_t boot_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_BOOTTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int eval_look(struct eval *e)
{
    e->n_polled = 0;
    if (e->options->cancel && atomic_load_explicit(e->options->cancel, memory_order_relaxed))
        return eval_fail(e, PROMQL_ERR_CANCELED, "query was canceled in expression evaluation");
    if (e->options->deadline_boot_ms && boot_ms() >= e->options->deadline_boot_ms)
        return eval_fail(e, PROMQL_ERR_TIMEOUT, "query timed out in expression evaluation");
    return 0;
}

int eval_fail_samples(struct eval *e)
{
    return eval_fail(e, PROMQL_ERR_EXECUTION,
                     "query processing would load too many samples into memory in query "
                     "execution");
}

void *eval_alloc(struct eval *e, size_t n, size_t size)
{
    void *p = region_calloc(e->region, n ? n : 1, size);
    if (!p)
        eval_fail_memory(e);
    return p;
}

int eval_new_vector(struct eval *e, size_t n, struct vector *ret)
{
    return vector_init(ret, e->region, n, e->steps.n) ? 0 : eval_fail_memory(e);
}

/* --- names ----------------------------------------------------------------------------------- */

static int fail_same_labels(struct eval *e)
{
    return eval_fail(e, PROMQL_ERR_EXECUTION,
                     "vector cannot contain metrics with the same labelset");
}

static size_t first_step(const struct column *c, size_t n)
{
    size_t i = 0;
    while (i < n && !column_has(c, i))
        i++;
    return i;
}

/* Whether the name goes is said by the one that is there first. */
static int merge_column(struct eval *e, struct column *into, const struct column *from)
{
    if (into->drops_name != from->drops_name &&
        first_step(from, e->steps.n) < first_step(into, e->steps.n))
        into->drops_name = from->drops_name;
    for (size_t w = 0; w < (e->steps.n + 63) / 64; w++)
        if (into->present[w] & from->present[w])
            return fail_same_labels(e);
    for (size_t i = 0; i < e->steps.n; i++)
        if (column_has(from, i))
            column_put(into, i, from->v[i]);
    return 0;
}

int eval_merge_equal(struct eval *e, struct vector *v, bool is_strict)
{
    struct label_map map;
    label_map_init(&map, e->region);
    vector_squeeze(v, e->steps.n);
    size_t n = 0;
    for (size_t i = 0; i < v->n; i++) {
        uint32_t number;
        bool is_new;
        if (!label_map_put(&map, &v->items[i].labels, &number, &is_new))
            return eval_fail_memory(e);
        if (is_new) {
            assert(number == n);
            v->items[n++] = v->items[i];
        } else if (is_strict) {
            return fail_same_labels(e);
        } else if (merge_column(e, &v->items[number], &v->items[i]) != 0) {
            return -1;
        }
        if (eval_poll(e, v->items[i].labels.n) != 0)
            return -1;
    }
    v->n = n;
    return 0;
}

static bool has_equal_name(const struct column *a, const struct column *b)
{
    const struct label *x = labelset_name(&a->labels), *y = labelset_name(&b->labels);
    if (!x || !y)
        return x == y;
    return bytes_compare(x->value, x->value_len, y->value, y->value_len) == 0;
}

static int drop_names_now(struct eval *e, struct vector *v, bool is_strict)
{
    bool may_collide = false;
    for (size_t i = 0; i < v->n; i++)
        may_collide = may_collide || !has_equal_name(&v->items[0], &v->items[i]) ||
                      labels_get(&v->items[i].labels, "__type__", 8) ||
                      labels_get(&v->items[i].labels, "__unit__", 8);
    for (size_t i = 0; i < v->n; i++)
        if (!labelset_drop_metadata(e->region, &v->items[i].labels))
            return eval_fail_memory(e);
    return may_collide ? eval_merge_equal(e, v, is_strict) : 0;
}

int eval_drop_names(struct eval *e, struct vector *v, bool is_strict)
{
    if (!eval_delays_names(e))
        return drop_names_now(e, v, is_strict);
    for (size_t i = 0; i < v->n; i++)
        v->items[i].drops_name = true;
    return 0;
}

int eval_finish_names(struct eval *e, struct vector *v)
{
    bool has_any = false;
    for (size_t i = 0; i < v->n; i++) {
        has_any = has_any || v->items[i].drops_name;
        if (v->items[i].drops_name && !labelset_drop_metadata(e->region, &v->items[i].labels))
            return eval_fail_memory(e);
    }
    return has_any ? eval_merge_equal(e, v, !eval_as_main(e)) : 0;
}

/* --- dispatch ----------------------------------------------------------------------------------
 */

static int eval_number(struct eval *e, double v, struct value *ret)
{
    ret->type = PROMQL_SCALAR;
    ret->scalar = eval_alloc(e, e->steps.n, sizeof(double));
    if (!ret->scalar)
        return -1;
    for (size_t i = 0; i < e->steps.n; i++)
        ret->scalar[i] = v;
    return 0;
}

static int eval_unary(struct eval *e, const struct node *n, struct value *ret)
{
    if (eval_node(e, n->unary.operand, ret) != 0)
        return -1;
    if (n->unary.op == TOKEN_ADD)
        return 0;
    if (ret->type == PROMQL_SCALAR) {
        for (size_t i = 0; i < e->steps.n; i++)
            ret->scalar[i] = -ret->scalar[i];
        return 0;
    }
    for (size_t k = 0; k < ret->vector.n; k++)
        for (size_t i = 0; i < e->steps.n; i++)
            ret->vector.items[k].v[i] = -ret->vector.items[k].v[i];
    return eval_drop_names(e, &ret->vector, true);
}

/* anchored and smoothed are for functions that know what to do with them. */
static int eval_call(struct eval *e, const struct node *n, struct value *ret)
{
    static const char *const texts[] = {
        [EDGES_ANCHORED] = "anchored modifier can only be used with: changes, delta, increase, "
                           "rate, resets - not with %s",
        [EDGES_SMOOTHED] =
            "smoothed modifier can only be used with: delta, increase, rate - not with %s"};
    static const unsigned char flags[] = {
        [EDGES_ANCHORED] = FUNC_TAKES_ANCHORED, [EDGES_SMOOTHED] = FUNC_TAKES_SMOOTHED};
    const struct func *f = n->call.func;
    for (uint32_t i = 0; i < n->call.n_args; i++) {
        const struct node *arg = node_unwrap(n->call.args[i]);
        enum edges edges = arg->kind == NODE_RANGE ? arg->range.selector->selector.edges : 0;
        if (edges != EDGES_PLAIN && !(f->flags & flags[edges]))
            return eval_fail(e, PROMQL_ERR_EXECUTION,
                             region_printf(e->region, texts[edges], f->name));
    }
    return f->eval(e, n, ret);
}

static int eval_kind(struct eval *e, const struct node *n, struct value *ret)
{
    ret->type = n->type;
    switch (n->kind) {
    case NODE_NUMBER:
        return eval_number(e, n->number.value, ret);
    case NODE_STRING:
        ret->string = n->string;
        return 0;
    case NODE_PAREN:
        return eval_kind(e, n->paren, ret);
    case NODE_UNARY:
        return eval_unary(e, n, ret);
    case NODE_BINARY:
        return binop_eval(e, n, ret);
    case NODE_CALL:
        return eval_call(e, n, ret);
    case NODE_AGGREGATE:
        return aggregate_eval(e, n, &ret->vector);
    case NODE_SELECTOR:
        return selector_eval(e, n, &ret->vector);
    case NODE_RANGE:
        return selector_eval_range(e, n, &ret->range);
    case NODE_SUBQUERY:
        return selector_eval_subquery(e, n, &ret->range);
    }
    return eval_fail(e, PROMQL_ERR_INTERNAL, "unknown node");
}

int eval_node(struct eval *e, const struct node *n, struct value *ret)
{
    uint64_t n_before = e->n_samples;
    if (eval_poll(e, 1) != 0 || eval_kind(e, n, ret) != 0)
        return -1;
    const struct stream *stream = stream_of(e, node_unwrap(n));
    uint64_t n_points = 0;
    if (ret->type == PROMQL_VECTOR)
        n_points =
            stream && stream->is_used ? stream->n_points : vector_points(&ret->vector, e->steps.n);
    if (n->kind == NODE_SELECTOR)
        e->counts->samples_queryable += n_points;
    if (eval_check_samples(e, n_points) != 0)
        return -1;
    e->n_samples = n_before + n_points;
    return 0;
}

int eval_vector(struct eval *e, const struct node *n, struct vector *ret)
{
    struct value v;
    if (eval_node(e, n, &v) != 0)
        return -1;
    assert(v.type == PROMQL_VECTOR);
    *ret = v.vector;
    return 0;
}

int eval_scalar(struct eval *e, const struct node *n, double **ret)
{
    struct value v;
    if (eval_node(e, n, &v) != 0)
        return -1;
    assert(v.type == PROMQL_SCALAR);
    *ret = v.scalar;
    return 0;
}

int eval_range(struct eval *e, const struct node *n, struct range *ret)
{
    struct value v;
    if (eval_node(e, n, &v) != 0)
        return -1;
    assert(v.type == PROMQL_MATRIX);
    *ret = v.range;
    return 0;
}

/* --- time ------------------------------------------------------------------------------------ */

/* In the parameter of an aggregation Prometheus does not see start() and end(). */
static bool is_fixed(const struct eval *e, const struct shift *shift)
{
    return shift->at == AT_TIME || (shift->at != AT_NONE && !e->is_in_parameter);
}

struct reference eval_reference(const struct eval *e, const struct shift *shift)
{
    int64_t at = shift->at == AT_START  ? e->query_start_ms
                 : shift->at == AT_STOP ? e->query_end_ms
                                        : shift->at_ms;
    int64_t offset_ms = duration_ms(&shift->offset);
    return (struct reference){.is_fixed = is_fixed(e, shift),
                              .fixed_ms = time_sub(at, offset_ms),
                              .offset_ms = offset_ms};
}

int64_t eval_reach_left(const struct eval *e, enum edges edges)
{
    return edges == EDGES_PLAIN ? 0 : e->options->lookback_ms;
}

int64_t eval_reach_right(const struct eval *e, enum edges edges)
{
    return edges == EDGES_SMOOTHED ? e->options->lookback_ms : 0;
}

bool eval_subquery_steps(const struct eval *e, const struct subquery *s, struct steps *ret)
{
    struct reference r = eval_reference(e, &s->shift);
    int64_t first = reference_time(&r, &e->steps, 0);
    int64_t last = reference_time(&r, &e->steps, e->steps.n - 1);
    int64_t step_ms = duration_ms(&s->step) ? duration_ms(&s->step) : DEFAULT_SUBQUERY_MS;
    int64_t before = time_sub(first, duration_ms(&s->range));
    /* multiples of the step since the epoch; C divides like Go, toward zero */
    int64_t start = before / step_ms * step_ms;
    if (start <= before)
        start = time_add(start, step_ms);
    if (start > last)
        return false;
    *ret = (struct steps){.start_ms = start, .step_ms = step_ms};
    ret->n = (size_t)(((uint64_t)last - (uint64_t)start) / (uint64_t)step_ms) + 1;
    return true;
}
