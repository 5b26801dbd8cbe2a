/* One group after the other, its members column by column, so that memory is read in order; the
 * state of a group, one accumulator a step, is used again for the next. */
#include "tsdb/promql/aggregate.h"

#include "tsdb/promql/count_values.h"
#include "tsdb/promql/grouping.h"
#include "tsdb/promql/kahan.h"
#include "tsdb/promql/limit.h"
#include "tsdb/promql/quantile.h"
#include "tsdb/promql/topk.h"

/* What has been seen of a group at one step. Which fields are used is the operator's business. */
struct accumulator {
    struct kahan_mean mean; /* sum: mean.k alone */
    double value;           /* min, max; mean of stddev */
    double squares;         /* of stddev */
    double n;
};

struct aggregator {
    void (*add)(struct accumulator *a, double v); /* a->n counts v already */
    double (*value)(const struct accumulator *a);
};

static void add_sum(struct accumulator *a, double v)
{
    if (a->n == 1)
        a->mean.k = (struct kahan){v, 0};
    else
        a->mean.k = kahan_add(a->mean.k, v);
}

static double value_sum(const struct accumulator *a)
{
    return a->mean.k.sum + a->mean.k.c;
}

static void add_avg(struct accumulator *a, double v)
{
    if (a->n == 1)
        kahan_mean_first(&a->mean, v);
    else
        kahan_mean_add(&a->mean, v);
}

static double value_avg(const struct accumulator *a)
{
    return kahan_mean_value(&a->mean);
}

static void add_min(struct accumulator *a, double v)
{
    if (a->n == 1 || v < a->value || isnan(a->value))
        a->value = v;
}

static void add_max(struct accumulator *a, double v)
{
    if (a->n == 1 || v > a->value || isnan(a->value))
        a->value = v;
}

static double value_plain(const struct accumulator *a)
{
    return a->value;
}

static void add_nothing(struct accumulator *a, double v)
{
    (void)a, (void)v;
}

static double value_count(const struct accumulator *a)
{
    return a->n;
}

static double value_one(const struct accumulator *a)
{
    (void)a;
    return 1;
}

/* Welford's running variance, of the whole population. */
static void add_variance(struct accumulator *a, double v)
{
    if (a->n == 1) {
        a->value = v;
        a->squares = isfinite(v) ? 0 : NAN;
        return;
    }
    double delta = v - a->value;
    a->value += delta / a->n;
    a->squares += delta * (v - a->value);
}

static double value_variance(const struct accumulator *a)
{
    return a->squares / a->n;
}

static double value_deviation(const struct accumulator *a)
{
    return sqrt(a->squares / a->n);
}

static const struct aggregator *find_aggregator(enum token_kind op)
{
    static const struct aggregator aggregators[TOKEN_AGGREGATORS_LAST + 1] = {
        [TOKEN_SUM] = {add_sum, value_sum},
        [TOKEN_AVG] = {add_avg, value_avg},
        [TOKEN_MIN] = {add_min, value_plain},
        [TOKEN_MAX] = {add_max, value_plain},
        [TOKEN_COUNT] = {add_nothing, value_count},
        [TOKEN_GROUP] = {add_nothing, value_one},
        [TOKEN_STDDEV] = {add_variance, value_deviation},
        [TOKEN_STDVAR] = {add_variance, value_variance},
    };
    return aggregators[op].add ? &aggregators[op] : NULL;
}

static int aggregate_group(struct eval *e, const struct aggregator *op, const struct vector *v,
                           const struct group *g, struct accumulator *state, struct column *ret)
{
    for (size_t i = 0; i < e->steps.n; i++)
        state[i].n = 0;
    for (uint32_t k = 0; k < g->n; k++) {
        const struct column *c = &v->items[g->members[k]];
        for (size_t i = 0; i < e->steps.n; i++) {
            if (!column_has(c, i))
                continue;
            state[i].n++;
            op->add(&state[i], c->v[i]);
        }
        if (eval_poll(e, e->steps.n) != 0)
            return -1;
    }
    ret->labels = g->labels;
    ret->drops_name = g->drops_name;
    for (size_t i = 0; i < e->steps.n; i++)
        if (state[i].n > 0)
            column_put(ret, i, op->value(&state[i]));
    return 0;
}

static int eval_simple(struct eval *e, const struct aggregator *op, const struct grouping *g,
                       const struct vector *v, struct vector *ret)
{
    struct accumulator *state = eval_alloc(e, e->steps.n, sizeof(*state));
    if (!state || eval_new_vector(e, g->n, ret) != 0)
        return -1;
    for (uint32_t i = 0; i < g->n; i++)
        if (aggregate_group(e, op, v, &g->groups[i], state, &ret->items[i]) != 0)
            return -1;
    return 0;
}

int aggregate_eval(struct eval *e, const struct node *n, struct vector *ret)
{
    const struct aggregate *a = &n->aggregate;
    struct value param = {0};
    struct vector v;
    struct grouping g;
    if ((a->param && eval_node(e, a->param, &param) != 0) || eval_vector(e, a->inner, &v) != 0 ||
        grouping_init(e, &g, &a->labels, a->is_without, &v) != 0)
        return -1;
    switch (a->op) {
    case TOKEN_QUANTILE:
        return quantile_eval(e, &g, &v, param.scalar, node_argument_pos(a->param), ret);
    case TOKEN_TOPK:
    case TOKEN_BOTTOMK:
        return topk_eval(e, &g, &v, param.scalar, a->op == TOKEN_BOTTOMK, ret);
    case TOKEN_LIMITK:
        return limit_k_eval(e, &g, &v, param.scalar, ret);
    case TOKEN_LIMIT_RATIO:
        return limit_ratio_eval(e, &v, param.scalar, node_argument_pos(a->param), ret);
    case TOKEN_COUNT_VALUES:
        return count_values_eval(e, &g, &v, param.string, ret);
    default:
        return eval_simple(e, find_aggregator(a->op), &g, &v, ret);
    }
}
