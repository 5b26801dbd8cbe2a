#include "tsdb/promql/duration.h"

#include "tsdb/promql/arith.h"
#include "tsdb/promql/funcs.h"

#include <math.h>
#include <string.h>

struct resolver {
    const struct duration_times *times;
    struct duration_fault fault;
};

static double value_of(struct resolver *r, const struct node *n);

static double fail(struct resolver *r, const struct node *n, const char *text)
{
    if (!r->fault.text)
        r->fault = (struct duration_fault){text, n->pos, n->end};
    return 0;
}

static double value_of_binary(struct resolver *r, const struct node *n)
{
    const struct binary *b = &n->binary;
    double lhs = value_of(r, b->lhs), rhs = value_of(r, b->rhs);
    bool keeps;
    if (b->op == TOKEN_DIV && rhs == 0)
        return fail(r, n, "division by zero");
    if (b->op == TOKEN_MOD && rhs == 0)
        return fail(r, n, "modulo by zero");
    return arith_apply(b->op, lhs, rhs, &keeps);
}

static double value_of_call(struct resolver *r, const struct call *c)
{
    const char *name = c->func->name;
    if (strcmp(name, "step") == 0)
        return (double)r->times->step_ms / 1000;
    if (strcmp(name, "range") == 0)
        return (double)r->times->range_ms / 1000;
    double a = value_of(r, c->args[0]), b = value_of(r, c->args[1]);
    return strcmp(name, "min_of") == 0 ? arith_min(a, b) : arith_max(a, b);
}

/* In seconds. */
static double value_of(struct resolver *r, const struct node *n)
{
    switch (n->kind) {
    case NODE_NUMBER:
        return n->number.value;
    case NODE_PAREN:
        return value_of(r, n->paren);
    case NODE_UNARY:
        return -value_of(r, n->unary.operand);
    case NODE_BINARY:
        return value_of_binary(r, n);
    case NODE_CALL:
        return value_of_call(r, &n->call);
    default:
        assert(0 && "a duration is made of numbers");
        return 0;
    }
}

static void resolve(struct resolver *r, struct duration *d, bool may_be_negative)
{
    const double NS_PER_MS = 1e6;
    if (!d->expr || r->fault.text)
        return;
    double seconds = value_of(r, d->expr);
    if (r->fault.text)
        return;
    if (!isfinite(seconds) && r->times->is_main)
        fail(r, d->expr, "duration is NaN or infinite");
    else if (isnan(seconds))
        d->ns = 0; /* what becomes of it in 3.5 on x86-64 */
    else if (seconds <= 0 && !may_be_negative)
        fail(r, d->expr, "duration must be greater than 0");
    else if (fabs(seconds) >= (double)INT64_MAX / 1e9)
        fail(r, d->expr, "duration is out of range");
    else
        d->ns = (int64_t)(seconds * 1000) * (int64_t)NS_PER_MS;
}

static void resolve_below(struct resolver *r, struct node *n)
{
    switch (n->kind) {
    case NODE_NUMBER:
    case NODE_STRING:
        break;
    case NODE_PAREN:
        resolve_below(r, n->paren);
        break;
    case NODE_UNARY:
        resolve_below(r, n->unary.operand);
        break;
    case NODE_BINARY:
        resolve_below(r, n->binary.lhs);
        resolve_below(r, n->binary.rhs);
        break;
    case NODE_CALL:
        for (uint32_t i = 0; i < n->call.n_args; i++)
            resolve_below(r, n->call.args[i]);
        break;
    case NODE_AGGREGATE:
        if (n->aggregate.param)
            resolve_below(r, n->aggregate.param);
        resolve_below(r, n->aggregate.inner);
        break;
    case NODE_SELECTOR:
        resolve(r, &n->selector.shift.offset, true);
        break;
    case NODE_RANGE:
        resolve(r, &n->range.range, false);
        resolve(r, &n->range.selector->selector.shift.offset, true);
        break;
    case NODE_SUBQUERY:
        resolve(r, &n->subquery.shift.offset, true);
        resolve(r, &n->subquery.step, false);
        resolve(r, &n->subquery.range, false);
        resolve_below(r, n->subquery.inner);
        break;
    }
}

bool duration_resolve(struct node *root, const struct duration_times *t, struct duration_fault *ret)
{
    struct resolver r = {.times = t};
    resolve_below(&r, root);
    *ret = r.fault;
    return !r.fault.text;
}
