#include "tsdb/promql/ast.h"

#include "tsdb/promql/funcs.h"

struct node *node_new(struct region *r, enum node_kind kind, enum promql_type type, uint32_t pos)
{
    struct node *n = region_calloc(r, 1, sizeof(*n));
    if (!n)
        return NULL;
    n->kind = kind;
    n->type = type;
    n->pos = pos;
    n->depth = 1;
    return n;
}

const struct node *node_unwrap(const struct node *n)
{
    while (n->kind == NODE_PAREN)
        n = n->paren;
    return n;
}

uint32_t node_argument_pos(const struct node *n)
{
    n = node_unwrap(n);
    return n->kind == NODE_SUBQUERY ? 0 : n->pos;
}

bool node_depends_on_time(const struct node *n)
{
    switch (n->kind) {
    case NODE_NUMBER:
    case NODE_STRING:
        return false;
    case NODE_PAREN:
        return node_depends_on_time(n->paren);
    case NODE_UNARY:
        return node_depends_on_time(n->unary.operand);
    case NODE_BINARY:
        return node_depends_on_time(n->binary.lhs) || node_depends_on_time(n->binary.rhs);
    case NODE_CALL:
        for (uint32_t i = 0; i < n->call.n_args; i++)
            if (node_depends_on_time(n->call.args[i]))
                return true;
        return n->call.func->flags & FUNC_TIME_DEPENDENT;
    case NODE_AGGREGATE:
        return node_depends_on_time(n->aggregate.inner);
    case NODE_SELECTOR:
        return n->selector.shift.at == AT_NONE;
    case NODE_RANGE:
        return n->range.selector->selector.shift.at == AT_NONE;
    case NODE_SUBQUERY:
        return n->subquery.shift.at == AT_NONE;
    }
    return true;
}

uint32_t node_call_argument_pos(const struct node *call, uint32_t i)
{
    const struct node *arg = call->call.args[i];
    if (arg->kind == NODE_PAREN && node_depends_on_time(call) && !node_depends_on_time(arg) &&
        node_unwrap(arg)->kind != NODE_SUBQUERY)
        return arg->pos;
    return node_argument_pos(arg);
}

struct shift *node_shift(struct node *n)
{
    switch (n->kind) {
    case NODE_SELECTOR:
        return &n->selector.shift;
    case NODE_RANGE:
        return &n->range.selector->selector.shift;
    case NODE_SUBQUERY:
        return &n->subquery.shift;
    default:
        return NULL;
    }
}

const char *promql_type_text(enum promql_type type)
{
    static const char *const texts[] = {[PROMQL_SCALAR] = "scalar",
                                        [PROMQL_STRING] = "string",
                                        [PROMQL_VECTOR] = "instant vector",
                                        [PROMQL_MATRIX] = "range vector"};
    return texts[type];
}
