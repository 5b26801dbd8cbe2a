#include "tsdb/promql/check.h"

#include "tsdb/promql/funcs.h"
#include "tsdb/promql/query_limits.h"
#include "tsdb/promql/quote.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct checker {
    struct promql_query *query;
    struct region *region;
    struct promql_error *err;
};

static bool check_node(struct checker *c, struct node *n);

static bool fail(struct checker *c, uint32_t pos, const char *format, ...) PRINTF_LIKE(3, 4);

static bool fail(struct checker *c, uint32_t pos, const char *format, ...)
{
    char text[ERROR_TEXT_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    query_parse_error(c->query->text, pos, region_copy(c->region, text, strlen(text)), c->region,
                      c->err);
    return false;
}

static bool check_type(struct checker *c, struct node *n, enum promql_type want,
                       const char *context)
{
    if (!check_node(c, n))
        return false;
    if (n->type == want)
        return true;
    return fail(c, n->pos, "expected type %s in %s, got %s", promql_type_text(want), context,
                promql_type_text(n->type));
}

static bool check_aggregate(struct checker *c, struct aggregate *a)
{
    if (!check_type(c, a->inner, PROMQL_VECTOR, "aggregation expression"))
        return false;
    if (!a->param)
        return true;
    enum promql_type want = a->op == TOKEN_COUNT_VALUES ? PROMQL_STRING : PROMQL_SCALAR;
    return check_type(c, a->param, want, "aggregation parameter");
}

/* on (x) group_left (x) makes no sense. */
static bool check_labels(struct checker *c, const struct binary *b)
{
    const struct matching *m = &b->matching;
    if (!m->is_on)
        return true;
    for (uint32_t i = 0; i < m->labels.n; i++) {
        const struct word *on = &m->labels.items[i];
        for (uint32_t k = 0; k < m->include.n; k++) {
            const struct word *include = &m->include.items[k];
            if (on->len == include->len && memcmp(on->bytes, include->bytes, on->len) == 0)
                return fail(c, b->op_pos,
                            "label \"%.*s\" must not occur in ON and GROUP clause at once",
                            (int)on->len, on->bytes);
        }
    }
    return true;
}

static bool is_operand(const struct node *n)
{
    return n->type == PROMQL_SCALAR || n->type == PROMQL_VECTOR;
}

static bool check_binary(struct checker *c, struct node *n)
{
    struct binary *b = &n->binary;
    if (!check_node(c, b->lhs) || !check_node(c, b->rhs))
        return false;
    bool is_set = token_is_set_operator(b->op);
    bool has_scalar = b->lhs->type == PROMQL_SCALAR || b->rhs->type == PROMQL_SCALAR;
    bool is_scalar = n->type == PROMQL_SCALAR;
    const char *op = token_spelling(b->op);
    bool has_fill = b->matching.fill_left || b->matching.fill_right;
    if (b->returns_bool && !token_is_comparison(b->op))
        return fail(c, b->op_pos, "bool modifier can only be used on comparison operators");
    if (token_is_comparison(b->op) && !b->returns_bool && is_scalar)
        return fail(c, b->op_pos, "comparisons between scalars must use BOOL modifier");
    if (!check_labels(c, b))
        return false;
    if (!is_operand(b->lhs) || !is_operand(b->rhs))
        return fail(c, is_operand(b->lhs) ? b->rhs->pos : b->lhs->pos,
                    "binary expression must contain only scalar and instant vector types");
    if (has_scalar && b->matching.labels.n > 0)
        return fail(c, n->pos, "vector matching only allowed between instant vectors");
    if (has_scalar && has_fill)
        return fail(c, n->pos, "filling in missing series only allowed between instant vectors");
    if (token_is_trim(b->op) && is_scalar)
        return fail(c, n->pos, "operator \"%s\" not allowed for Scalar operations", op);
    if (is_set && has_scalar)
        return fail(c, n->pos, "set operator \"%s\" not allowed in binary scalar expression", op);
    if (is_set && b->matching.card != CARD_ONE_TO_ONE)
        return fail(c, n->pos, "no grouping allowed for \"%s\" operation", op);
    if (is_set && has_fill)
        return fail(c, n->pos, "filling in missing series not allowed for set operators");
    if (has_scalar)
        b->matching = (struct matching){0};
    if (is_set)
        b->matching.card = CARD_MANY_TO_MANY;
    return true;
}

/* The second argument of info(): bare matchers, which may all match the empty value. */
static bool check_info_labels(struct checker *c, struct node *n)
{
    if (n->kind != NODE_SELECTOR)
        return fail(c, n->pos, "expected type instant vector in call to function \"info\", got %s",
                    promql_type_text(n->type));
    return !n->selector.name.bytes ||
           fail(c, n->pos, "expected label selectors only, got vector selector instead");
}

static bool check_call(struct checker *c, struct node *n)
{
    const struct func *f = n->call.func;
    int n_args = (int)n->call.n_args;
    int n_min = f->variadic ? f->n_args - 1 : f->n_args;
    int n_max = f->variadic > 0 ? n_min + f->variadic : n_min;
    if (f->variadic == 0 && n_args != n_min)
        return fail(c, n->pos, "expected %d argument(s) in call to \"%s\", got %d", n_min, f->name,
                    n_args);
    if (n_args < n_min)
        return fail(c, n->pos, "expected at least %d argument(s) in call to \"%s\", got %d", n_min,
                    f->name, n_args);
    if (f->variadic > 0 && n_args > n_max)
        return fail(c, n->pos, "expected at most %d argument(s) in call to \"%s\", got %d", n_max,
                    f->name, n_args);
    for (int i = 0; i < n_args; i++) {
        enum promql_type want = f->arg_types[i < f->n_args ? i : f->n_args - 1];
        struct node *arg = n->call.args[i];
        if (n->call.info && i == 1) {
            if (!check_info_labels(c, arg))
                return false;
            continue;
        }
        if (!check_node(c, arg))
            return false;
        if (arg->type != want)
            return fail(c, arg->pos, "expected type %s in call to function \"%s\", got %s",
                        promql_type_text(want), f->name, promql_type_text(arg->type));
    }
    return true;
}

static bool check_matchers(struct checker *c, struct node *n)
{
    const struct selector *s = &n->selector;
    bool selects = s->name.bytes != NULL;
    for (size_t i = 0; i < s->matchers.n; i++) {
        const struct matcher *m = &s->matchers.items[i];
        bool is_own_name = s->name.bytes && i + 1 == s->matchers.n;
        if (s->name.bytes && !is_own_name && m->name_len == strlen(LABEL_METRIC_NAME) &&
            memcmp(m->name, LABEL_METRIC_NAME, m->name_len) == 0) {
            struct textbuf b;
            textbuf_init(&b, c->region);
            textbuf_puts(&b, "metric name must not be set twice: ");
            quote_add(&b, s->name.bytes, s->name.len);
            textbuf_puts(&b, " or ");
            quote_add(&b, m->value, m->value_len);
            query_parse_error(c->query->text, n->pos, textbuf_finish(&b), c->region, c->err);
            return false;
        }
        selects = selects || !matcher_matches_empty(m);
    }
    return selects ||
           fail(c, n->pos, "vector selector must contain at least one non-empty matcher");
}

static bool check_selector(struct checker *c, struct node *n)
{
    if (n->selector.edges == EDGES_ANCHORED)
        return fail(c, n->pos, "anchored modifier can only be used with range selectors");
    return check_matchers(c, n);
}

static bool check_node(struct checker *c, struct node *n)
{
    switch (n->kind) {
    case NODE_NUMBER:
    case NODE_STRING:
        return true;
    case NODE_PAREN:
        return check_node(c, n->paren);
    case NODE_UNARY:
        return check_node(c, n->unary.operand) &&
               (is_operand(n) || fail(c, n->pos,
                                      "unary expression only allowed on expressions of type scalar "
                                      "or instant vector, got \"%s\"",
                                      promql_type_text(n->type)));
    case NODE_BINARY:
        return check_binary(c, n);
    case NODE_CALL:
        return check_call(c, n);
    case NODE_AGGREGATE:
        return check_aggregate(c, &n->aggregate);
    case NODE_SELECTOR:
        return check_selector(c, n);
    case NODE_RANGE:
        return check_matchers(c, n->range.selector);
    case NODE_SUBQUERY:
        if (!check_node(c, n->subquery.inner))
            return false;
        if (n->subquery.inner->type == PROMQL_VECTOR)
            return true;
        return fail(c, n->pos, "subquery is only allowed on instant vector, got %s instead",
                    n->subquery.inner->type == PROMQL_MATRIX
                        ? "matrix"
                        : promql_type_text(n->subquery.inner->type));
    }
    return true;
}

bool check_query(struct promql_query *q, struct region *r, struct promql_error *err)
{
    struct checker c = {.query = q, .region = r, .err = err};
    return check_node(&c, q->root);
}
