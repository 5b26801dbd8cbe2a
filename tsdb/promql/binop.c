#include "tsdb/promql/binop.h"

#include "tsdb/promql/arith.h"
#include "tsdb/promql/join.h"
#include "tsdb/promql/setop.h"

bool binop_drops_name(const struct binary *b)
{
    return b->returns_bool || !(token_is_comparison(b->op) || token_is_set_operator(b->op));
}

int binop_refuse_floats(struct eval *e, const struct binary *b)
{
    const char *op = token_spelling(b->op);
    annot_add(e->annot, ANNOT_INFO,
              region_printf(e->region,
                            "incompatible sample types encountered for binary operator \"%s\": "
                            "float %s float",
                            op, op),
              b->lhs->pos);
    return 0;
}

/* The checks have seen to it that a comparison of scalars returns bool. */
static void apply_scalars(const struct eval *e, const struct binary *b, double *lhs,
                          const double *rhs)
{
    for (size_t i = 0; i < e->steps.n; i++) {
        bool keeps;
        double v = arith_apply(b->op, lhs[i], rhs[i], &keeps);
        lhs[i] = b->returns_bool ? (double)keeps : v;
    }
}

/* A comparison that filters keeps the vector's value, on whichever side it stands. */
static int apply_mixed(struct eval *e, const struct binary *b, struct vector *v,
                       const double *scalar, bool is_scalar_left)
{
    if (token_is_trim(b->op) && v->n > 0) {
        v->n = 0;
        return binop_refuse_floats(e, b);
    }
    bool is_filter = token_is_comparison(b->op) && !b->returns_bool;
    for (size_t k = 0; k < v->n; k++) {
        struct column *c = &v->items[k];
        for (size_t i = 0; i < e->steps.n; i++) {
            if (!column_has(c, i))
                continue;
            bool keeps;
            double result = is_scalar_left ? arith_apply(b->op, scalar[i], c->v[i], &keeps)
                                           : arith_apply(b->op, c->v[i], scalar[i], &keeps);
            if (b->returns_bool)
                c->v[i] = keeps;
            else if (!is_filter)
                c->v[i] = result;
            else if (!keeps)
                column_clear(c, i);
        }
        if (eval_poll(e, e->steps.n) != 0)
            return -1;
    }
    vector_squeeze(v, e->steps.n);
    return binop_drops_name(b) ? eval_drop_names(e, v, false) : 0;
}

int binop_eval(struct eval *e, const struct node *n, struct value *ret)
{
    const struct binary *b = &n->binary;
    struct value lhs, rhs;
    if (eval_node(e, b->lhs, &lhs) != 0 || eval_node(e, b->rhs, &rhs) != 0)
        return -1;
    ret->type = n->type;
    if (lhs.type == PROMQL_SCALAR && rhs.type == PROMQL_SCALAR) {
        apply_scalars(e, b, lhs.scalar, rhs.scalar);
        ret->scalar = lhs.scalar;
        return 0;
    }
    if (lhs.type == PROMQL_SCALAR) {
        ret->vector = rhs.vector;
        return apply_mixed(e, b, &ret->vector, lhs.scalar, true);
    }
    if (rhs.type == PROMQL_SCALAR) {
        ret->vector = lhs.vector;
        return apply_mixed(e, b, &ret->vector, rhs.scalar, false);
    }
    if (token_is_set_operator(b->op))
        return setop_eval(e, b, &lhs.vector, &rhs.vector, &ret->vector);
    return join_eval(e, b, &lhs.vector, &rhs.vector, &ret->vector);
}
