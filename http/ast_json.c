#include "http/ast_json.h"

#include "tsdb/promql/ast.h"
#include "tsdb/promql/float_text.h"
#include "tsdb/promql/funcs.h"

#include <math.h>

static void put_string(struct json *j, const char *key, const char *value)
{
    json_key(j, key);
    json_string(j, value);
}

static void put_bool(struct json *j, const char *key, bool value)
{
    json_key(j, key);
    json_bool(j, value);
}

static void put_ms(struct json *j, const char *key, int64_t ms)
{
    json_key(j, key);
    json_i64(j, ms);
}

static void put_node(struct json *j, const char *key, const struct node *n)
{
    json_key(j, key);
    ast_json(j, n);
}

static void put_words(struct json *j, const char *key, const struct word_list *list)
{
    json_key(j, key);
    json_array(j);
    for (uint32_t i = 0; i < list->n; i++)
        json_text(j, list->items[i].bytes, list->items[i].len);
    json_array_end(j);
}

static void put_shift_time(struct json *j, const struct shift *s)
{
    json_key(j, "timestamp");
    if (s->at == AT_TIME)
        json_i64(j, s->at_ms);
    else
        json_null(j);
}

static void put_shift_end(struct json *j, const struct shift *s)
{
    json_key(j, "startOrEnd");
    if (s->at == AT_START || s->at == AT_STOP)
        json_string(j, s->at == AT_START ? "start" : "end");
    else
        json_null(j);
}

static void put_matchers(struct json *j, const struct selector *s)
{
    json_key(j, "matchers");
    json_array(j);
    for (size_t i = 0; i < s->matchers.n; i++) {
        const struct matcher *m = &s->matchers.items[i];
        json_object(j);
        json_key(j, "name");
        json_text(j, m->name, m->name_len);
        put_string(j, "type", matcher_operator(m->kind));
        json_key(j, "value");
        json_text(j, m->value, m->value_len);
        json_object_end(j);
    }
    json_array_end(j);
}

/* A selector, or a range of one: range is NULL then. Edges are newer than 3.5 and told where they
 * are not the plain ones. */
static void put_selector(struct json *j, const struct selector *s, const struct duration *range)
{
    json_object(j);
    if (s->edges == EDGES_ANCHORED)
        put_bool(j, "anchored", true);
    put_matchers(j, s);
    json_key(j, "name");
    json_text(j, s->name.bytes ? s->name.bytes : "", s->name.len);
    put_ms(j, "offset", duration_ms(&s->shift.offset));
    if (range)
        put_ms(j, "range", duration_ms(range));
    if (s->edges == EDGES_SMOOTHED)
        put_bool(j, "smoothed", true);
    put_shift_end(j, &s->shift);
    put_shift_time(j, &s->shift);
    put_string(j, "type", range ? "matrixSelector" : "vectorSelector");
    json_object_end(j);
}

static void put_subquery(struct json *j, const struct subquery *s)
{
    json_object(j);
    put_node(j, "expr", s->inner);
    put_ms(j, "offset", duration_ms(&s->shift.offset));
    put_ms(j, "range", duration_ms(&s->range));
    put_shift_end(j, &s->shift);
    put_ms(j, "step", duration_ms(&s->step));
    put_shift_time(j, &s->shift);
    put_string(j, "type", "subquery");
    json_object_end(j);
}

static void put_aggregate(struct json *j, const struct aggregate *a)
{
    json_object(j);
    put_node(j, "expr", a->inner);
    put_words(j, "grouping", &a->labels);
    put_string(j, "op", token_spelling(a->op));
    put_node(j, "param", a->param);
    put_string(j, "type", "aggregation");
    put_bool(j, "without", a->is_without);
    json_object_end(j);
}

static void put_fill(struct json *j, const char *key, const double *value)
{
    json_key(j, key);
    if (value && isfinite(*value))
        json_double(j, *value);
    else
        json_null(j);
}

static void put_matching(struct json *j, const struct matching *m)
{
    static const char *const cards[] = {
        [CARD_ONE_TO_ONE] = "one-to-one",
        [CARD_MANY_TO_ONE] = "many-to-one",
        [CARD_ONE_TO_MANY] = "one-to-many",
        [CARD_MANY_TO_MANY] = "many-to-many",
    };
    json_object(j);
    put_string(j, "card", cards[m->card]);
    if (m->fill_left || m->fill_right) {
        json_key(j, "fillValues");
        json_object(j);
        put_fill(j, "lhs", m->fill_left);
        put_fill(j, "rhs", m->fill_right);
        json_object_end(j);
    }
    put_words(j, "include", &m->include);
    put_words(j, "labels", &m->labels);
    put_bool(j, "on", m->is_on);
    json_object_end(j);
}

static void put_binary(struct json *j, const struct binary *n)
{
    bool is_between_vectors = n->lhs->type == PROMQL_VECTOR && n->rhs->type == PROMQL_VECTOR;
    json_object(j);
    put_bool(j, "bool", n->returns_bool);
    put_node(j, "lhs", n->lhs);
    json_key(j, "matching");
    if (is_between_vectors)
        put_matching(j, &n->matching);
    else
        json_null(j);
    put_string(j, "op", token_spelling(n->op));
    put_node(j, "rhs", n->rhs);
    put_string(j, "type", "binaryExpr");
    json_object_end(j);
}

static void put_func(struct json *j, const struct func *f)
{
    static const char *const types[] = {
        [PROMQL_SCALAR] = "scalar",
        [PROMQL_STRING] = "string",
        [PROMQL_VECTOR] = "vector",
        [PROMQL_MATRIX] = "matrix",
    };
    json_key(j, "func");
    json_object(j);
    json_key(j, "argTypes");
    json_array(j);
    for (unsigned i = 0; i < f->n_args; i++)
        json_string(j, types[f->arg_types[i]]);
    json_array_end(j);
    put_string(j, "name", f->name);
    put_string(j, "returnType", types[f->returns]);
    json_key(j, "variadic");
    json_i64(j, f->variadic);
    json_object_end(j);
}

static void put_call(struct json *j, const struct call *call)
{
    json_object(j);
    json_key(j, "args");
    json_array(j);
    for (uint32_t i = 0; i < call->n_args; i++)
        ast_json(j, call->args[i]);
    json_array_end(j);
    put_func(j, call->func);
    put_string(j, "type", "call");
    json_object_end(j);
}

static void put_number(struct json *j, double v)
{
    char text[FLOAT_TEXT_MAX];
    float_text_plain(v, text);
    json_object(j);
    put_string(j, "type", "numberLiteral");
    put_string(j, "val", text);
    json_object_end(j);
}

static void put_literal(struct json *j, const struct word *text)
{
    json_object(j);
    put_string(j, "type", "stringLiteral");
    json_key(j, "val");
    json_text(j, text->bytes, text->len);
    json_object_end(j);
}

/* Parentheses, or a sign. */
static void put_around(struct json *j, const char *type, const char *op, const struct node *inner)
{
    json_object(j);
    put_node(j, "expr", inner);
    if (op)
        put_string(j, "op", op);
    put_string(j, "type", type);
    json_object_end(j);
}

void ast_json(struct json *j, const struct node *n)
{
    if (!n) {
        json_null(j);
        return;
    }
    switch (n->kind) {
    case NODE_NUMBER:
        put_number(j, n->number.value);
        break;
    case NODE_STRING:
        put_literal(j, &n->string);
        break;
    case NODE_PAREN:
        put_around(j, "parenExpr", NULL, n->paren);
        break;
    case NODE_UNARY:
        put_around(j, "unaryExpr", token_spelling(n->unary.op), n->unary.operand);
        break;
    case NODE_BINARY:
        put_binary(j, &n->binary);
        break;
    case NODE_CALL:
        put_call(j, &n->call);
        break;
    case NODE_AGGREGATE:
        put_aggregate(j, &n->aggregate);
        break;
    case NODE_SELECTOR:
        put_selector(j, &n->selector, NULL);
        break;
    case NODE_RANGE:
        put_selector(j, &n->range.selector->selector, &n->range.range);
        break;
    case NODE_SUBQUERY:
        put_subquery(j, &n->subquery);
        break;
    }
}
