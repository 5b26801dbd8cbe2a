#include "tsdb/promql/binop.h"

#include "tsdb/promql/arith.h"
#include "tsdb/promql/join.h"
#include "tsdb/promql/setop.h"
#include "tsdb/promql/stream.h"

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
static void apply_column(const struct eval *e, const struct binary *b, struct column *c,
                         const double *scalar, bool is_scalar_left)
{
    bool is_filter = token_is_comparison(b->op) && !b->returns_bool;
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
}

static int apply_mixed(struct eval *e, const struct binary *b, struct vector *v,
                       const double *scalar, bool is_scalar_left)
{
    if (token_is_trim(b->op) && v->n > 0) {
        v->n = 0;
        return binop_refuse_floats(e, b);
    }
    for (size_t k = 0; k < v->n; k++) {
        apply_column(e, b, &v->items[k], scalar, is_scalar_left);
        if (eval_poll(e, e->steps.n) != 0)
            return -1;
    }
    vector_squeeze(v, e->steps.n);
    return binop_drops_name(b) ? eval_drop_names(e, v, false) : 0;
}

/* --- a vector and a number, for who wants the columns one at a time ------------------------------
 */

struct passing {
    struct eval *e;
    const struct binary *b;
    struct stream *stream; /* where results go */
    const double *scalar;
    bool is_scalar_left;
};

static int pass_column(void *ctx, struct column *c)
{
    const struct passing *p = ctx;
    apply_column(p->e, p->b, c, p->scalar, p->is_scalar_left);
    if (eval_poll(p->e, p->e->steps.n) != 0)
        return -1;
    if (column_points(c, p->e->steps.n) == 0)
        return 0;
    return stream_put(p->e, p->stream, c, binop_drops_name(p->b));
}

/* A number has no error of its own, so it does not matter that it is evaluated first. */
static bool can_pass(const struct binary *b)
{
    return !token_is_trim(b->op) && b->lhs->type != b->rhs->type &&
           (node_unwrap(b->lhs)->kind == NODE_NUMBER || node_unwrap(b->rhs)->kind == NODE_NUMBER);
}

static int pass_columns(struct eval *e, const struct binary *b, struct stream *stream,
                        struct vector *ret)
{
    bool is_left = b->lhs->type == PROMQL_SCALAR, drops = binop_drops_name(b), is_ambiguous;
    double *scalar;
    if (eval_scalar(e, is_left ? b->lhs : b->rhs, &scalar) != 0)
        return -1;
    struct passing p = {e, b, stream, scalar, is_left};
    const struct stream_visitor visitor = {
        .visit = pass_column, .ctx = &p, .needs_labels = drops || stream->visitor->needs_labels};
    *ret = (struct vector){0};
    stream->is_used = true;
    if (stream_each(e, is_left ? b->rhs : b->lhs, false, &visitor, &is_ambiguous) != 0)
        return -1;
    stream->is_ambiguous = stream->is_ambiguous || is_ambiguous;
    return is_ambiguous ? -1 : 0;
}

int binop_eval(struct eval *e, const struct node *n, struct value *ret)
{
    const struct binary *b = &n->binary;
    struct stream *stream = stream_of(e, n);
    struct value lhs, rhs;
    if (stream && can_pass(b)) {
        ret->type = PROMQL_VECTOR;
        return pass_columns(e, b, stream, &ret->vector);
    }
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
