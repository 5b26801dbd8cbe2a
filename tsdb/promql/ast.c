#include "tsdb/promql/ast.h"

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
