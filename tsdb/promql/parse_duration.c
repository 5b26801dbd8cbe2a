/* Spans of time in brackets and behind `offset`: a literal, or an expression of literals, step(),
 * range(), min_of() and max_of(). An expression becomes a tree of ordinary nodes, so that printing
 * it needs nothing new; duration.c makes a number of it.
 *
 * Where expressions are not enabled they are read nevertheless, to be refused where Prometheus
 * refuses them: at the left operand of the innermost one. */
#include "tsdb/promql/funcs.h"
#include "tsdb/promql/literal.h"
#include "tsdb/promql/parser.h"
#include "tsdb/promql/query_limits.h"

#include <math.h>
#include <string.h>

static const double NS_PER_S = 1e9;

static const struct parse_context OFFSET_CONTEXT = {"offset", "number or duration"};
static const struct parse_context BRACKET_CONTEXT = {"subquery selector", "number or duration"};
static const struct parse_context STEP_CONTEXT = {"subquery selector",
                                                  "number or duration or \"]\""};

static bool is_enabled(const struct parser *p)
{
    return p->query->features & PROMQL_DURATION_EXPR;
}

static bool unexpected(struct parser *p)
{
    return parser_unexpected(p, p->outer.context, p->outer.expected);
}

/* Not an error where they are enabled. */
static bool check_enabled(struct parser *p, const struct node *n)
{
    return is_enabled(p) ||
           parser_fail(p, n->pos, "experimental duration expression is not enabled");
}

static struct node *new_node(struct parser *p, enum node_kind kind, uint32_t pos)
{
    struct node *n = node_new(p->region, kind, PROMQL_SCALAR, pos);
    if (!n)
        parser_fail_memory(p);
    return n;
}

/* Long chains of operators make deep trees as well. */
static bool deepen(struct parser *p, struct node *n, const struct node *child)
{
    if (n->depth <= child->depth)
        n->depth = child->depth + 1;
    return n->depth <= QUERY_DEPTH_MAX ||
           parser_failf(p, n->pos, "expression is nested too deeply, the limit is %d",
                        QUERY_DEPTH_MAX);
}

static bool parse_expression(struct parser *p, unsigned min_precedence, struct node **ret);
static bool parse_signed(struct parser *p, bool is_expression, struct node **ret);

/* A number or a duration, in seconds. */
static bool parse_literal(struct parser *p, struct node **ret)
{
    struct token t = parser_take(p);
    const char *error = NULL;
    int64_t ns = 0;
    double seconds = 0;
    bool is_duration = t.kind == TOKEN_DURATION;
    if (is_duration ? !literal_duration(t.text, t.len, p->region, &ns, &error)
                    : !literal_number(t.text, t.len, p->region, &seconds, &error))
        return parser_fail(p, t.pos, error);
    *ret = new_node(p, NODE_NUMBER, t.pos);
    if (!*ret)
        return false;
    (*ret)->end = t.pos + t.len;
    (*ret)->number.is_duration = is_duration;
    (*ret)->number.value = is_duration ? literal_seconds(ns) : seconds;
    (*ret)->number.ns = ns;
    return true;
}

static bool is_word(const struct token *t, const char *word)
{
    if (t->kind != TOKEN_IDENTIFIER || t->len != strlen(word))
        return false;
    for (uint32_t i = 0; i < t->len; i++)
        if ((t->text[i] | 0x20) != (word[i] | 0x20))
            return false;
    return true;
}

/* The function that a word of a duration names; NULL for other tokens. */
static const struct func *duration_func(const struct token *t)
{
    static const char *const words[] = {"step", "range", "min_of", "max_of"};
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (is_word(t, words[i]))
            return func_find(words[i], strlen(words[i]));
    return NULL;
}

/* step(), range(), min_of(a, b), max_of(a, b). */
static bool parse_call(struct parser *p, const struct func *f, struct node **ret)
{
    struct node *n = new_node(p, NODE_CALL, parser_take(p).pos);
    if (!n)
        return false;
    n->call.func = f;
    n->call.args = region_calloc(p->region, 2, sizeof(*n->call.args));
    if (!n->call.args)
        return parser_fail_memory(p);
    if (!parser_accept(p, TOKEN_LEFT_PAREN))
        return unexpected(p);
    for (; n->call.n_args < f->n_args; n->call.n_args++) {
        if (n->call.n_args > 0 && !parser_accept(p, TOKEN_COMMA))
            return unexpected(p);
        struct node **arg = &n->call.args[n->call.n_args];
        if (!parse_expression(p, 0, arg) || !deepen(p, n, *arg))
            return false;
    }
    *ret = n;
    n->end = parser_peek(p)->pos + 1;
    return parser_accept(p, TOKEN_RIGHT_PAREN) || unexpected(p);
}

static bool parse_paren(struct parser *p, struct node **ret)
{
    struct node *inner;
    parser_take(p);
    if (!parse_expression(p, 0, &inner))
        return false;
    if (!parser_accept(p, TOKEN_RIGHT_PAREN))
        return unexpected(p);
    *ret = inner; /* a literal loses its parentheses, as in Prometheus, but for (-2) ^ 2 */
    if (inner->kind == NODE_NUMBER && inner->number.value >= 0)
        return check_enabled(p, inner);
    *ret = new_node(p, NODE_PAREN, inner->pos);
    if (!*ret)
        return false;
    (*ret)->paren = inner;
    (*ret)->end = inner->end;
    return check_enabled(p, inner) && deepen(p, *ret, inner);
}

static bool is_in_range(double seconds)
{
    return fabs(seconds) <= (double)INT64_MAX / NS_PER_S;
}

/* To 3.5 a number in an expression must be a duration by itself; NaN is let through. */
static bool check_term(struct parser *p, const struct node *literal)
{
    double seconds = literal->number.value;
    return (p->query->features & PROMQL_MAIN) || literal->number.is_duration || isnan(seconds) ||
           is_in_range(seconds) || parser_fail(p, literal->pos, "duration out of range");
}

static bool parse_primary(struct parser *p, struct node **ret)
{
    const struct token *t = parser_peek(p);
    bool has_calls = is_enabled(p) && (p->query->features & PROMQL_MAIN);
    const struct func *f = has_calls ? duration_func(t) : NULL;
    if (t->kind == TOKEN_LEFT_PAREN)
        return parse_paren(p, ret);
    if (t->kind == TOKEN_NUMBER || t->kind == TOKEN_DURATION)
        return parse_literal(p, ret) && check_term(p, *ret);
    return f ? parse_call(p, f, ret) : unexpected(p);
}

/* What a sign stands in front of: all that binds closer, or, in an offset, one literal or call. */
static bool parse_operand(struct parser *p, bool is_expression, struct node **ret)
{
    enum { PREC_SIGN = 3 };
    enum token_kind kind = parser_peek(p)->kind;
    if (is_expression)
        return parse_expression(p, PREC_SIGN, ret);
    if (kind != TOKEN_ADD && kind != TOKEN_SUB)
        return parse_primary(p, ret);
    if (p->depth >= QUERY_DEPTH_MAX)
        return parser_failf(p, parser_peek(p)->pos,
                            "expression is nested too deeply, the limit is %d", QUERY_DEPTH_MAX);
    p->depth++;
    bool is_good = parse_signed(p, false, ret);
    p->depth--;
    return is_good;
}

/* A sign belongs to a literal; in front of anything else it is an operator. */
static bool apply_sign(struct parser *p, const struct token *sign, struct node *operand,
                       struct node **ret)
{
    if (node_unwrap(operand)->kind == NODE_NUMBER)
        while (operand->kind == NODE_PAREN)
            operand = operand->paren;
    *ret = operand;
    if (operand->kind == NODE_NUMBER) {
        if (sign->kind == TOKEN_SUB) {
            operand->number.value = -operand->number.value;
            operand->number.ns = -operand->number.ns;
        }
        operand->pos = sign->pos;
    } else if (sign->kind == TOKEN_SUB) {
        *ret = new_node(p, NODE_UNARY, sign->pos);
        if (!*ret)
            return false;
        (*ret)->unary.op = TOKEN_SUB;
        (*ret)->unary.operand = operand;
        (*ret)->end = operand->end;
        return deepen(p, *ret, operand);
    }
    return true;
}

static bool parse_signed(struct parser *p, bool is_expression, struct node **ret)
{
    struct token sign = parser_take(p);
    struct node *operand;
    return parse_operand(p, is_expression, &operand) && apply_sign(p, &sign, operand, ret);
}

static unsigned precedence_of(enum token_kind k)
{
    switch (k) {
    case TOKEN_ADD:
    case TOKEN_SUB:
        return 1;
    case TOKEN_MUL:
    case TOKEN_DIV:
    case TOKEN_MOD:
        return 2;
    case TOKEN_POW:
        return 3;
    default:
        return 0;
    }
}

/* A zero that is written down is refused at once. */
static bool check_divisor(struct parser *p, const struct token *op, const struct node *rhs)
{
    const struct node *literal = node_unwrap(rhs);
    if ((op->kind != TOKEN_DIV && op->kind != TOKEN_MOD) || literal->kind != NODE_NUMBER ||
        literal->number.value != 0)
        return true;
    return parser_failf(p, op->pos, "%s by zero", op->kind == TOKEN_DIV ? "division" : "modulo");
}

static bool parse_operator(struct parser *p, struct node **lhs)
{
    enum { PREC_POW = 3 };
    struct token op = parser_take(p);
    unsigned precedence = precedence_of(op.kind);
    struct node *rhs, *n;
    if (!parse_expression(p, precedence == PREC_POW ? precedence : precedence + 1, &rhs) ||
        !check_enabled(p, *lhs) || !check_divisor(p, &op, rhs))
        return false;
    n = new_node(p, NODE_BINARY, (*lhs)->pos);
    if (!n)
        return false;
    n->end = rhs->end;
    n->binary = (struct binary){.op = op.kind, .op_pos = op.pos, .lhs = *lhs, .rhs = rhs};
    if (!deepen(p, n, *lhs) || !deepen(p, n, rhs))
        return false;
    *lhs = n;
    return true;
}

static bool parse_operators(struct parser *p, unsigned min_precedence, struct node **lhs)
{
    bool is_good = true;
    while (is_good) {
        unsigned precedence = precedence_of(parser_peek(p)->kind);
        if (p->has_failed || precedence == 0 || precedence < min_precedence)
            break;
        is_good = parse_operator(p, lhs);
    }
    return is_good && !p->has_failed;
}

static bool parse_expression(struct parser *p, unsigned min_precedence, struct node **ret)
{
    if (p->depth >= QUERY_DEPTH_MAX)
        return parser_failf(p, parser_peek(p)->pos,
                            "expression is nested too deeply, the limit is %d", QUERY_DEPTH_MAX);
    p->depth++;
    enum token_kind first = parser_peek(p)->kind;
    bool is_good = first == TOKEN_ADD || first == TOKEN_SUB ? parse_signed(p, true, ret)
                                                            : parse_primary(p, ret);
    is_good = is_good && parse_operators(p, min_precedence, ret);
    p->depth--;
    return is_good && !p->has_failed;
}

/* The value of a literal; an expression waits for the query's times. */
static bool finish(struct parser *p, struct node *n, struct duration *ret)
{
    const struct node *literal = node_unwrap(n);
    *ret = (struct duration){.expr = n};
    if (literal->kind != NODE_NUMBER)
        return true;
    ret->expr = NULL;
    ret->ns = literal->number.ns;
    if (literal->number.is_duration)
        return true;
    double seconds = literal->number.value;
    if (!is_in_range(seconds))
        return parser_fail(p, n->pos, "duration out of range");
    double ns = round(seconds * NS_PER_S);
    ret->ns = fabs(ns) >= (double)INT64_MAX ? (ns > 0 ? INT64_MAX : -INT64_MAX) : (int64_t)ns;
    return true;
}

static bool parse_positive(struct parser *p, struct parse_context context, struct duration *ret)
{
    struct parse_context outer = p->outer;
    struct node *n = NULL;
    p->outer = context;
    bool is_good = parse_expression(p, 0, &n) && finish(p, n, ret);
    p->outer = outer;
    if (!is_good || ret->expr || ret->ns > 0)
        return is_good;
    return parser_fail(p, n->pos, "duration must be greater than 0");
}

bool parse_range_duration(struct parser *p, struct duration *ret)
{
    return parse_positive(p, BRACKET_CONTEXT, ret);
}

bool parse_step_duration(struct parser *p, struct duration *ret)
{
    return parse_positive(p, STEP_CONTEXT, ret);
}

static bool is_literal(enum token_kind k)
{
    return k == TOKEN_NUMBER || k == TOKEN_DURATION;
}

/* To main an offset is a literal, or what is in parentheses, with its sign. To 3.5 the literal with
 * its sign ends it as well, but anything else goes on with the operators behind it. */
static bool parse_offset_expression(struct parser *p, struct node **ret)
{
    enum { PREC_SIGN = 3 };
    enum token_kind first = parser_peek(p)->kind;
    bool is_signed = first == TOKEN_ADD || first == TOKEN_SUB;
    if (p->query->features & PROMQL_MAIN)
        return is_signed ? parse_signed(p, false, ret) : parse_primary(p, ret);
    if (!is_signed)
        return is_literal(first) ? parse_literal(p, ret) : parse_expression(p, 0, ret);
    struct token sign = parser_take(p);
    struct node *operand;
    if (is_literal(parser_peek(p)->kind))
        return parse_literal(p, &operand) && apply_sign(p, &sign, operand, ret);
    return parse_expression(p, PREC_SIGN, &operand) && apply_sign(p, &sign, operand, ret) &&
           parse_operators(p, 0, ret);
}

bool parse_offset_duration(struct parser *p, struct duration *ret)
{
    struct parse_context outer = p->outer;
    struct node *n = NULL;
    p->outer = OFFSET_CONTEXT;
    bool is_good = parse_offset_expression(p, &n) && finish(p, n, ret);
    p->outer = outer;
    return is_good && !p->has_failed;
}
