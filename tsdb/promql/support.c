#include "tsdb/promql/support.h"

#include "tsdb/promql/aggregate.h"
#include "tsdb/promql/funcs.h"

/* The first node, children first, that cannot be evaluated; NULL when all can. */
static const struct node *find_unsupported(const struct node *n)
{
    const struct node *found = NULL;
    switch (n->kind) {
    case NODE_NUMBER:
    case NODE_STRING:
    case NODE_SELECTOR:
    case NODE_RANGE:
        return NULL;
    case NODE_PAREN:
        return find_unsupported(n->paren);
    case NODE_UNARY:
        return find_unsupported(n->unary.operand);
    case NODE_BINARY:
        found = find_unsupported(n->binary.lhs);
        return found ? found : find_unsupported(n->binary.rhs);
    case NODE_SUBQUERY:
        return find_unsupported(n->subquery.inner);
    case NODE_CALL:
        for (uint32_t i = 0; i < n->call.n_args && !found; i++)
            found = find_unsupported(n->call.args[i]);
        return found || n->call.func->eval ? found : n;
    case NODE_AGGREGATE:
        if (n->aggregate.param)
            found = find_unsupported(n->aggregate.param);
        if (!found)
            found = find_unsupported(n->aggregate.inner);
        return found || aggregate_is_supported(n->aggregate.op) ? found : n;
    }
    return NULL;
}

bool support_check(const struct promql_query *q, struct region *r, struct promql_error *err)
{
    const struct node *n = find_unsupported(q->root);
    if (!n)
        return true;
    const char *name = n->kind == NODE_CALL ? n->call.func->name : token_spelling(n->aggregate.op);
    const char *kind = n->kind == NODE_CALL ? "function" : "aggregation";
    query_parse_error(q->text, n->pos,
                      region_printf(r, "%s \"%s\" is not supported yet", kind, name), r, err);
    return false;
}
