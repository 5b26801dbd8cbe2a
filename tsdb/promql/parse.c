/* The grammar is small, its errors are not: a generated parser's messages depend on which rules
 * were open when the unexpected token came. Here that is `outer`: whoever opens a construct that
 * names itself in errors (an aggregation, a duration) sets it and restores it afterwards. */
#include "tsdb/promql/parse.h"

#include "tsdb/promql/funcs.h"
#include "tsdb/promql/literal.h"
#include "tsdb/promql/parser.h"
#include "tsdb/promql/query_limits.h"
#include "tsdb/promql/quote.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum precedence {
    PREC_LOWEST,
    PREC_OR,
    PREC_AND,
    PREC_COMPARE,
    PREC_ADD,
    PREC_MUL, /* of unary signs too */
    PREC_POW, /* right-associative */
};

static const unsigned char precedences[TOKEN_STOP + 1] = {
    [TOKEN_OR] = PREC_OR,
    [TOKEN_AND] = PREC_AND,
    [TOKEN_UNLESS] = PREC_AND,
    [TOKEN_EQ] = PREC_COMPARE,
    [TOKEN_NE] = PREC_COMPARE,
    [TOKEN_LE] = PREC_COMPARE,
    [TOKEN_LT] = PREC_COMPARE,
    [TOKEN_GE] = PREC_COMPARE,
    [TOKEN_GT] = PREC_COMPARE,
    [TOKEN_TRIM_UPPER] = PREC_COMPARE,
    [TOKEN_TRIM_LOWER] = PREC_COMPARE,
    [TOKEN_ADD] = PREC_ADD,
    [TOKEN_SUB] = PREC_ADD,
    [TOKEN_MUL] = PREC_MUL,
    [TOKEN_DIV] = PREC_MUL,
    [TOKEN_MOD] = PREC_MUL,
    [TOKEN_ATAN2] = PREC_MUL,
    [TOKEN_POW] = PREC_POW,
};

bool parser_fail(struct parser *p, uint32_t pos, const char *message)
{
    if (!p->has_failed)
        query_parse_error(p->query->text, pos, message, p->region, p->err);
    p->has_failed = true;
    return false;
}

bool parser_fail_memory(struct parser *p)
{
    return parser_fail(p, 0, NULL);
}

bool parser_failf(struct parser *p, uint32_t pos, const char *format, ...)
{
    char text[ERROR_TEXT_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return parser_fail(p, pos, region_copy(p->region, text, strlen(text)));
}

const struct token *parser_peek(struct parser *p)
{
    if (!p->has_token) {
        lexer_next(&p->lexer, &p->token);
        p->has_token = true;
        if (p->token.kind == TOKEN_ERROR)
            parser_fail(p, p->token.pos, p->token.text);
    }
    return &p->token;
}

/* 3.5 keeps the ends of all closing parentheses in a queue, from which calls, aggregations and
 * parentheses take theirs; those of label lists behind on, of start() and of durations are never
 * taken, so that from there on a call seems to end too early. It shows in the place that errors
 * about an operator behind it name. */
static void put_closing(struct parser *p, uint32_t end)
{
    if (p->n_closings == p->cap_closings) {
        uint32_t cap = p->cap_closings ? p->cap_closings * 2 : 16;
        uint32_t *more = region_calloc(p->region, cap, sizeof(*more));
        if (!more) {
            parser_fail_memory(p);
            return;
        }
        if (p->n_closings > 0)
            memcpy(more, p->closings, p->n_closings * sizeof(*more));
        p->closings = more;
        p->cap_closings = cap;
    }
    p->closings[p->n_closings++] = end;
}

static uint32_t claim_closing(struct parser *p)
{
    return p->n_claimed < p->n_closings ? p->closings[p->n_claimed++] : 0;
}

struct token parser_take(struct parser *p)
{
    struct token t = *parser_peek(p);
    p->has_token = t.kind == TOKEN_END || t.kind == TOKEN_ERROR;
    if (t.kind == TOKEN_RIGHT_PAREN && !(p->query->features & PROMQL_MAIN))
        put_closing(p, t.pos + t.len);
    return t;
}

bool parser_accept(struct parser *p, enum token_kind kind)
{
    if (parser_peek(p)->kind != kind)
        return false;
    parser_take(p);
    return true;
}

/* A token as errors show it: its class, then its text quoted and cut. */
static void describe(struct textbuf *b, const struct token *t, bool is_main)
{
    enum { SHOWN_BYTES = 10 };
    static const char *const classes[] = {
        [TOKEN_IDENTIFIER] = "identifier ", [TOKEN_METRIC_IDENTIFIER] = "metric identifier ",
        [TOKEN_NUMBER] = "number ",         [TOKEN_DURATION] = "duration ",
        [TOKEN_STRING] = "string ",
    };
    if (t->kind == TOKEN_END) {
        textbuf_puts(b, "end of input");
        return;
    }
    const char *mark = token_is_keyword(t->kind)      ? "<"
                       : token_is_operator(t->kind)   ? "<op:"
                       : token_is_aggregator(t->kind) ? "<aggr:"
                                                      : NULL;
    if (mark) {
        if (t->kind == TOKEN_AT && !is_main)
            textbuf_puts(b, "\"<Item 57400>\" "); /* 3.5 has no name for it */
        textbuf_puts(b, mark);
        textbuf_add(b, t->text, t->len);
        textbuf_char(b, '>');
        return;
    }
    if (t->kind <= TOKEN_STRING)
        textbuf_puts(b, classes[t->kind]);
    bool is_cut =
        t->len > SHOWN_BYTES && t->kind != TOKEN_IDENTIFIER && t->kind != TOKEN_METRIC_IDENTIFIER;
    size_t n = 0;
    for (unsigned i = 0; is_cut && i < SHOWN_BYTES && n < t->len; i++) {
        uint32_t rune;
        n += rune_decode(t->text + n, t->len - n, &rune);
    }
    quote_add(b, t->text, is_cut ? n : t->len);
    if (is_cut)
        textbuf_puts(b, "...");
}

bool parser_unexpected(struct parser *p, const char *context, const char *expected)
{
    const struct token *t = parser_peek(p);
    if (p->has_failed)
        return false;
    struct textbuf b;
    textbuf_init(&b, p->region);
    textbuf_puts(&b, "unexpected ");
    describe(&b, t, p->query->features & PROMQL_MAIN);
    if (context[0])
        textbuf_printf(&b, " in %s", context);
    if (expected[0])
        textbuf_printf(&b, ", expected %s", expected);
    return parser_fail(p, t->pos, textbuf_finish(&b));
}

static struct node *unexpected(struct parser *p)
{
    parser_unexpected(p, p->outer.context, p->outer.expected);
    return NULL;
}

static struct node *new_node(struct parser *p, enum node_kind kind, enum promql_type type,
                             uint32_t pos)
{
    struct node *n = node_new(p->region, kind, type, pos);
    if (!n)
        parser_fail_memory(p);
    return n;
}

/* Sets the depth from the deepest child. */
static struct node *with_depth(struct parser *p, struct node *n, uint32_t child_depth)
{
    if (n->depth <= child_depth)
        n->depth = child_depth + 1;
    if (n->depth <= QUERY_DEPTH_MAX)
        return n;
    parser_failf(p, n->pos, "expression is nested too deeply, the limit is %d", QUERY_DEPTH_MAX);
    return NULL;
}

static struct node *parse_number(struct parser *p)
{
    struct token t = parser_take(p);
    const char *error = NULL;
    double value = 0;
    int64_t ns = 0;
    bool is_duration = t.kind == TOKEN_DURATION;
    bool is_good = is_duration ? literal_duration(t.text, t.len, p->region, &ns, &error)
                               : literal_number(t.text, t.len, p->region, &value, &error);
    struct node *n = new_node(p, NODE_NUMBER, PROMQL_SCALAR, t.pos);
    if (!is_good)
        parser_fail(p, t.pos, error);
    if (!is_good || !n)
        return NULL;
    n->number.value = is_duration ? literal_seconds(ns) : value;
    n->number.is_duration = is_duration;
    n->number.ns = ns;
    return n;
}

static struct node *parse_string(struct parser *p)
{
    struct token t = parser_take(p);
    struct node *n = new_node(p, NODE_STRING, PROMQL_STRING, t.pos);
    size_t len;
    if (!n)
        return NULL;
    if (!literal_string(t.text, t.len, p->region, &n->string.bytes, &len)) {
        parser_fail_memory(p);
        return NULL;
    }
    n->string.len = (uint32_t)len;
    return n;
}

static struct node *parse_paren(struct parser *p)
{
    uint32_t pos = parser_take(p).pos;
    struct node *inner = parse_expr(p, PREC_LOWEST);
    if (!inner)
        return NULL;
    if (!parser_accept(p, TOKEN_RIGHT_PAREN))
        return unexpected(p);
    claim_closing(p);
    struct node *n = new_node(p, NODE_PAREN, inner->type, pos);
    if (!n)
        return NULL;
    n->paren = inner;
    return with_depth(p, n, inner->depth);
}

static struct node *parse_unary(struct parser *p)
{
    struct token sign = parser_take(p);
    struct node *operand = parse_expr(p, PREC_MUL + 1);
    if (!operand)
        return NULL;
    if (operand->kind == NODE_NUMBER) {
        if (sign.kind == TOKEN_SUB)
            operand->number.value = -operand->number.value;
        operand->pos = sign.pos;
        return operand;
    }
    struct node *n = new_node(p, NODE_UNARY, operand->type, sign.pos);
    if (!n)
        return NULL;
    n->unary.op = sign.kind;
    n->unary.operand = operand;
    return with_depth(p, n, operand->depth);
}

static bool starts_expr(enum token_kind k)
{
    return k == TOKEN_NUMBER || k == TOKEN_DURATION || k == TOKEN_STRING || k == TOKEN_ADD ||
           k == TOKEN_SUB || k == TOKEN_LEFT_PAREN || k == TOKEN_LEFT_BRACE ||
           token_is_metric_name(k);
}

/* Arguments in parentheses. The list grows by doubling in the region. */
static bool parse_args(struct parser *p, struct node ***ret, uint32_t *ret_n)
{
    if (!parser_accept(p, TOKEN_LEFT_PAREN))
        return unexpected(p);
    struct node **args = NULL;
    uint32_t n = 0, cap = 0;
    bool is_done = parser_accept(p, TOKEN_RIGHT_PAREN);
    while (!is_done) {
        struct node *arg = parse_expr(p, PREC_LOWEST);
        if (!arg)
            return false;
        if (n == cap) {
            cap = cap ? cap * 2 : 4;
            struct node **more = region_calloc(p->region, cap, sizeof(*more));
            if (!more)
                return parser_fail_memory(p);
            if (n > 0)
                memcpy(more, args, n * sizeof(*args));
            args = more;
        }
        args[n++] = arg;
        if (parser_accept(p, TOKEN_RIGHT_PAREN))
            break;
        if (parser_peek(p)->kind != TOKEN_COMMA)
            return unexpected(p);
        uint32_t comma = parser_take(p).pos;
        if (!starts_expr(parser_peek(p)->kind))
            return parser_fail(p, comma, "trailing commas not allowed in function call args");
    }
    *ret = args;
    *ret_n = n;
    return true;
}

static uint32_t max_depth(struct node *const *nodes, uint32_t n)
{
    uint32_t depth = 0;
    for (uint32_t i = 0; i < n; i++)
        if (nodes[i]->depth > depth)
            depth = nodes[i]->depth;
    return depth;
}

static struct node *parse_call(struct parser *p, struct token name)
{
    struct call call = {0};
    if (!parse_args(p, &call.args, &call.n_args))
        return NULL;
    call.func = func_find(name.text, name.len);
    bool is_enabled = p->query->features & PROMQL_EXPERIMENTAL_FUNCTIONS;
    bool is_main = p->query->features & PROMQL_MAIN;
    if (!call.func || ((call.func->flags & FUNC_NEWER) && !(is_enabled && is_main))) {
        parser_failf(p, name.pos, "unknown function with name \"%.*s\"", (int)name.len, name.text);
        return NULL;
    }
    if ((call.func->flags & FUNC_EXPERIMENTAL) && !is_enabled) {
        parser_failf(p, name.pos, "function \"%s\" is not enabled", call.func->name);
        return NULL;
    }
    struct node *n = new_node(p, NODE_CALL, call.func->returns, name.pos);
    if (!n)
        return NULL;
    n->end = claim_closing(p);
    n->call = call;
    if (strcmp(call.func->name, "info") == 0 && !(n->call.info = parse_info_selector(p, &n->call)))
        return NULL;
    return with_depth(p, n, max_depth(call.args, call.n_args));
}

static bool parse_grouping(struct parser *p, struct aggregate *a, bool *ret_has)
{
    enum token_kind kind = parser_peek(p)->kind;
    *ret_has = kind == TOKEN_BY || kind == TOKEN_WITHOUT;
    if (!*ret_has)
        return true;
    a->is_without = kind == TOKEN_WITHOUT;
    parser_take(p);
    return parse_labels(p, &a->labels);
}

static bool aggregate_has_param(enum token_kind op)
{
    return op == TOKEN_TOPK || op == TOKEN_BOTTOMK || op == TOKEN_QUANTILE ||
           op == TOKEN_COUNT_VALUES || op == TOKEN_LIMITK || op == TOKEN_LIMIT_RATIO;
}

static struct node *finish_aggregate(struct parser *p, struct node *n, struct node **args,
                                     uint32_t n_args)
{
    enum token_kind op = n->aggregate.op;
    uint32_t n_expected = aggregate_has_param(op) ? 2 : 1;
    if (n_args == 0) {
        parser_fail(p, n->pos, "no arguments for aggregate expression provided");
    } else if ((op == TOKEN_LIMITK || op == TOKEN_LIMIT_RATIO) &&
               !(p->query->features & PROMQL_EXPERIMENTAL_FUNCTIONS)) {
        parser_failf(p, n->pos,
                     "%s() is experimental and must be enabled with "
                     "--enable-feature=promql-experimental-functions",
                     token_spelling(op));
    } else if (n_args != n_expected) {
        parser_failf(p, n->pos,
                     "wrong number of arguments for aggregate expression provided, expected %u, "
                     "got %u",
                     n_expected, n_args);
    } else {
        n->aggregate.inner = args[n_args - 1];
        n->aggregate.param = n_args == 2 ? args[0] : NULL;
        return with_depth(p, n, max_depth(args, n_args));
    }
    return NULL;
}

/* After the name, when what follows makes it an aggregation. */
static struct node *parse_aggregate(struct parser *p, struct token name)
{
    struct parse_context outer = p->outer;
    p->outer = (struct parse_context){"aggregation", ""};
    struct node *n = new_node(p, NODE_AGGREGATE, PROMQL_VECTOR, name.pos);
    struct node **args = NULL;
    uint32_t n_args = 0;
    bool has_grouping = false;
    bool is_good = n != NULL;
    if (is_good) {
        n->aggregate.op = name.kind;
        is_good = parse_grouping(p, &n->aggregate, &has_grouping) &&
                  parse_args(p, &args, &n_args) &&
                  (has_grouping || parse_grouping(p, &n->aggregate, &has_grouping));
        if (has_grouping)
            claim_closing(p);
        n->end = claim_closing(p);
    }
    p->outer = outer;
    return is_good ? finish_aggregate(p, n, args, n_args) : NULL;
}

static bool opens_aggregate(enum token_kind k)
{
    return k == TOKEN_LEFT_PAREN || k == TOKEN_BY || k == TOKEN_WITHOUT;
}

static struct node *parse_primary(struct parser *p)
{
    const struct token *t = parser_peek(p);
    switch (t->kind) {
    case TOKEN_NUMBER:
    case TOKEN_DURATION:
        return parse_number(p);
    case TOKEN_STRING:
        return parse_string(p);
    case TOKEN_LEFT_PAREN:
        return parse_paren(p);
    case TOKEN_LEFT_BRACE:
        return parse_vector_selector(p, NULL);
    default:
        break;
    }
    if (!token_is_metric_name(t->kind))
        return unexpected(p);
    struct token name = parser_take(p);
    enum token_kind next = parser_peek(p)->kind;
    if (p->has_failed)
        return NULL;
    bool is_edge = name.kind == TOKEN_START || name.kind == TOKEN_STOP;
    bool is_function = name.kind == TOKEN_IDENTIFIER ||
                       (is_edge && (p->query->features & PROMQL_EXPERIMENTAL_FUNCTIONS) &&
                        (p->query->features & PROMQL_MAIN));
    if (is_function && next == TOKEN_LEFT_PAREN)
        return parse_call(p, name);
    if (token_is_aggregator(name.kind) && opens_aggregate(next))
        return parse_aggregate(p, name);
    return parse_vector_selector(p, &name);
}

static struct node *parse_postfix(struct parser *p)
{
    struct node *n = parse_primary(p);
    while (n) {
        enum token_kind kind = parser_peek(p)->kind;
        if (p->has_failed)
            return NULL;
        if (kind == TOKEN_LEFT_BRACKET)
            n = parse_brackets(p, n);
        else if (kind == TOKEN_OFFSET)
            n = parse_offset(p, n);
        else if (kind == TOKEN_AT)
            n = parse_at(p, n);
        else if (parser_at_edges(p))
            n = parse_edges(p, n);
        else
            break;
        if (n)
            n = with_depth(p, n, 0);
    }
    return n;
}

/* on or ignoring, group_left or group_right. */
static bool parse_matching_labels(struct parser *p, struct binary *b)
{
    enum token_kind kind = parser_peek(p)->kind;
    if (kind != TOKEN_ON && kind != TOKEN_IGNORING)
        return !p->has_failed;
    parser_take(p);
    b->matching.is_on = kind == TOKEN_ON;
    if (!parse_labels(p, &b->matching.labels))
        return false;
    kind = parser_peek(p)->kind;
    if (kind != TOKEN_GROUP_LEFT && kind != TOKEN_GROUP_RIGHT)
        return !p->has_failed;
    parser_take(p);
    b->matching.card = kind == TOKEN_GROUP_LEFT ? CARD_MANY_TO_ONE : CARD_ONE_TO_MANY;
    kind = parser_peek(p)->kind;
    if (kind == TOKEN_LEFT_PAREN || !starts_expr(kind))
        return parse_labels(p, &b->matching.include);
    return true;
}

/* bool, the labels, fill. */
static bool parse_matching(struct parser *p, struct binary *b)
{
    b->returns_bool = parser_accept(p, TOKEN_BOOL);
    return parse_matching_labels(p, b) && parse_fills(p, &b->matching);
}

/* Where errors find the operator: behind the end of its left side, as 3.5 knows it. */
static uint32_t operator_pos(const struct parser *p, const struct node *lhs, uint32_t pos)
{
    while (lhs->kind == NODE_BINARY || lhs->kind == NODE_UNARY)
        lhs = lhs->kind == NODE_BINARY ? lhs->binary.rhs : lhs->unary.operand;
    if ((lhs->kind != NODE_CALL && lhs->kind != NODE_AGGREGATE) || lhs->end == 0)
        return pos;
    pos = lhs->end;
    while (pos < p->query->n && strchr(" \t\n\r", p->query->text[pos]))
        pos++;
    return pos;
}

static struct node *parse_binary(struct parser *p, struct node *lhs)
{
    struct token op = parser_take(p);
    struct binary b = {.op = op.kind, .op_pos = operator_pos(p, lhs, op.pos), .lhs = lhs};
    if (!parse_matching(p, &b))
        return NULL;
    unsigned precedence = precedences[op.kind];
    b.rhs = parse_expr(p, precedence == PREC_POW ? PREC_POW : precedence + 1);
    if (!b.rhs)
        return NULL;
    bool is_scalar = lhs->type == PROMQL_SCALAR && b.rhs->type == PROMQL_SCALAR;
    struct node *n = new_node(p, NODE_BINARY, is_scalar ? PROMQL_SCALAR : PROMQL_VECTOR, lhs->pos);
    if (!n)
        return NULL;
    n->binary = b;
    return with_depth(p, n, lhs->depth > b.rhs->depth ? lhs->depth : b.rhs->depth);
}

struct node *parse_expr(struct parser *p, unsigned min_precedence)
{
    if (p->depth >= QUERY_DEPTH_MAX) {
        parser_failf(p, parser_peek(p)->pos, "expression is nested too deeply, the limit is %d",
                     QUERY_DEPTH_MAX);
        return NULL;
    }
    p->depth++;
    enum token_kind first = parser_peek(p)->kind;
    struct node *n = first == TOKEN_ADD || first == TOKEN_SUB ? parse_unary(p) : parse_postfix(p);
    while (n) {
        unsigned precedence = precedences[parser_peek(p)->kind];
        if (p->has_failed)
            n = NULL;
        else if (precedence == 0 || precedence < min_precedence)
            break;
        else
            n = parse_binary(p, n);
    }
    p->depth--;
    return p->has_failed ? NULL : n;
}

static void parser_init(struct parser *p, struct promql_query *q, struct region *r,
                        struct promql_error *err)
{
    *p = (struct parser){.query = q, .region = r, .err = err};
    p->outer = (struct parse_context){"", ""};
    p->last_selector = &q->selectors;
    lexer_init(&p->lexer, q->text, q->n, r);
    p->lexer.has_duration_words =
        (q->features & PROMQL_DURATION_EXPR) && (q->features & PROMQL_MAIN);
    p->lexer.has_trims = q->features & PROMQL_MAIN;
}

static bool parse_end(struct parser *p)
{
    if (!p->has_failed && parser_peek(p)->kind != TOKEN_END)
        unexpected(p);
    return !p->has_failed;
}

bool parse_query(struct promql_query *q, struct region *r, struct promql_error *err)
{
    struct parser p;
    parser_init(&p, q, r, err);
    if (q->n == 0) {
        err->kind = PROMQL_ERR_BAD_DATA;
        err->text = "unknown position: parse error: no expression found in input";
        return false;
    }
    if (parser_peek(&p)->kind == TOKEN_END)
        return parser_fail(&p, 0, "no expression found in input");
    q->root = parse_expr(&p, PREC_LOWEST);
    return parse_end(&p);
}

bool parse_bare_selector(struct promql_query *q, struct region *r, struct promql_error *err)
{
    struct parser p;
    parser_init(&p, q, r, err);
    enum token_kind kind = parser_peek(&p)->kind;
    if (kind == TOKEN_LEFT_BRACE) {
        q->root = parse_vector_selector(&p, NULL);
    } else if (token_is_metric_name(kind)) {
        struct token name = parser_take(&p);
        q->root = parse_vector_selector(&p, &name);
    } else {
        unexpected(&p);
    }
    return parse_end(&p);
}
