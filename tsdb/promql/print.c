#include "tsdb/promql/print.h"

#include "tsdb/promql/float_text.h"
#include "tsdb/promql/funcs.h"
#include "tsdb/promql/literal.h"
#include "tsdb/promql/quote.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void print_label(struct textbuf *b, struct word name)
{
    static const char without[] = "without";
    bool is_without = name.len == sizeof(without) - 1;
    for (uint32_t i = 0; is_without && i < name.len; i++)
        is_without = (name.bytes[i] | 0x20) == without[i];
    if (quote_is_plain_label(name.bytes, name.len, true) && !is_without)
        textbuf_add(b, name.bytes, name.len);
    else
        quote_add(b, name.bytes, name.len);
}

static void print_labels(struct textbuf *b, const struct word_list *list)
{
    textbuf_char(b, '(');
    for (uint32_t i = 0; i < list->n; i++) {
        if (i > 0)
            textbuf_puts(b, ", ");
        print_label(b, list->items[i]);
    }
    textbuf_char(b, ')');
}

static void print_number(struct textbuf *b, double value, bool is_duration)
{
    if (is_duration) {
        literal_add_duration(b, (int64_t)round(value * 1000));
        return;
    }
    char text[FLOAT_TEXT_MAX];
    textbuf_add(b, text, float_text_plain(value, text));
}

/* What is less than a millisecond can only be written as a number. */
static void print_duration(struct textbuf *b, const struct duration *d)
{
    const int64_t NS_PER_MS = 1000000;
    char text[FLOAT_TEXT_MAX];
    if (d->expr)
        print_node(b, d->expr);
    else if (d->ns % NS_PER_MS == 0)
        literal_add_duration(b, d->ns / NS_PER_MS);
    else
        textbuf_add(b, text, float_text_plain((double)d->ns / 1e9, text));
}

static void print_shift(struct textbuf *b, const struct shift *s)
{
    if (s->at == AT_TIME)
        textbuf_printf(b, " @ %.3f", (double)s->at_ms / 1000);
    else if (s->at != AT_NONE)
        textbuf_puts(b, s->at == AT_START ? " @ start()" : " @ end()");
    if (shift_has_offset(s)) {
        textbuf_puts(b, " offset ");
        print_duration(b, &s->offset);
    }
}

static void print_matcher(struct textbuf *b, const struct matcher *m)
{
    if (quote_is_plain_label(m->name, m->name_len, false))
        textbuf_add(b, m->name, m->name_len);
    else
        quote_add(b, m->name, m->name_len);
    textbuf_puts(b, matcher_operator(m->kind));
    quote_add(b, m->value, m->value_len);
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Matchers in the order of their texts; the name's own is left out. */
static void print_matchers(struct textbuf *b, const struct selector *s)
{
    size_t n = s->matchers.n - (s->name.bytes ? 1 : 0);
    if (n == 0 && s->name.bytes)
        return;
    const char **texts = region_calloc(b->region, n + 1, sizeof(*texts));
    b->has_failed = b->has_failed || !texts;
    for (size_t i = 0; i < n && !b->has_failed; i++) {
        struct textbuf one;
        textbuf_init(&one, b->region);
        print_matcher(&one, &s->matchers.items[i]);
        texts[i] = textbuf_finish(&one);
        b->has_failed = !texts[i];
    }
    if (b->has_failed)
        return;
    qsort(texts, n, sizeof(*texts), compare_texts);
    textbuf_char(b, '{');
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            textbuf_char(b, ',');
        textbuf_puts(b, texts[i]);
    }
    textbuf_char(b, '}');
}

static void print_selector(struct textbuf *b, const struct selector *s)
{
    if (s->name.bytes)
        textbuf_add(b, s->name.bytes, s->name.len);
    print_matchers(b, s);
}

static void print_fill(struct textbuf *b, const char *word, const double *value)
{
    if (!value)
        return;
    textbuf_printf(b, " %s (", word);
    print_number(b, *value, false);
    textbuf_char(b, ')');
}

static bool is_same_fill(const struct matching *m)
{
    return m->fill_left && m->fill_right &&
           memcmp(m->fill_left, m->fill_right, sizeof(*m->fill_left)) == 0;
}

static void print_fills(struct textbuf *b, const struct matching *m)
{
    if (is_same_fill(m)) {
        print_fill(b, "fill", m->fill_left);
        return;
    }
    print_fill(b, "fill_left", m->fill_left);
    print_fill(b, "fill_right", m->fill_right);
}

static void print_operator(struct textbuf *b, const struct binary *n)
{
    const struct matching *m = &n->matching;
    bool is_grouped = m->card == CARD_MANY_TO_ONE || m->card == CARD_ONE_TO_MANY;
    textbuf_puts(b, token_spelling(n->op));
    if (n->returns_bool)
        textbuf_puts(b, " bool");
    if (m->labels.n > 0 || m->is_on || is_grouped) {
        textbuf_puts(b, m->is_on ? " on " : " ignoring ");
        print_labels(b, &m->labels);
    }
    if (is_grouped) {
        textbuf_puts(b, m->card == CARD_MANY_TO_ONE ? " group_left " : " group_right ");
        print_labels(b, &m->include);
    }
    print_fills(b, m);
}

static void print_binary(struct textbuf *b, const struct binary *n)
{
    print_node(b, n->lhs);
    textbuf_char(b, ' ');
    print_operator(b, n);
    textbuf_char(b, ' ');
    print_node(b, n->rhs);
}

static void print_aggregate_head(struct textbuf *b, const struct aggregate *a)
{
    textbuf_puts(b, token_spelling(a->op));
    if (a->is_without || a->labels.n > 0) {
        textbuf_puts(b, a->is_without ? " without " : " by ");
        print_labels(b, &a->labels);
        textbuf_char(b, ' ');
    }
    textbuf_char(b, '(');
}

static void print_aggregate(struct textbuf *b, const struct aggregate *a)
{
    print_aggregate_head(b, a);
    if (a->param) {
        print_node(b, a->param);
        textbuf_puts(b, ", ");
    }
    print_node(b, a->inner);
    textbuf_char(b, ')');
}

static void print_edges(struct textbuf *b, enum edges edges)
{
    if (edges != EDGES_PLAIN)
        textbuf_puts(b, edges == EDGES_ANCHORED ? " anchored" : " smoothed");
}

static void print_call(struct textbuf *b, const struct call *call)
{
    textbuf_puts(b, call->func->name);
    textbuf_char(b, '(');
    for (uint32_t i = 0; i < call->n_args; i++) {
        if (i > 0)
            textbuf_puts(b, ", ");
        print_node(b, call->args[i]);
    }
    textbuf_char(b, ')');
}

static void print_range(struct textbuf *b, const struct node *n)
{
    const struct selector *s = &n->range.selector->selector;
    print_selector(b, s);
    textbuf_char(b, '[');
    print_duration(b, &n->range.range);
    textbuf_char(b, ']');
    print_edges(b, s->edges);
    print_shift(b, &s->shift);
}

static void print_subquery_suffix(struct textbuf *b, const struct subquery *s)
{
    textbuf_char(b, '[');
    print_duration(b, &s->range);
    textbuf_char(b, ':');
    if (s->step.expr || s->step.ns != 0)
        print_duration(b, &s->step);
    textbuf_char(b, ']');
    print_shift(b, &s->shift);
}

static void print_subquery(struct textbuf *b, const struct subquery *s)
{
    print_node(b, s->inner);
    print_subquery_suffix(b, s);
}

void print_node(struct textbuf *b, const struct node *n)
{
    switch (n->kind) {
    case NODE_NUMBER:
        print_number(b, n->number.value, n->number.is_duration);
        break;
    case NODE_STRING:
        quote_add(b, n->string.bytes, n->string.len);
        break;
    case NODE_PAREN:
        textbuf_char(b, '(');
        print_node(b, n->paren);
        textbuf_char(b, ')');
        break;
    case NODE_UNARY:
        textbuf_puts(b, token_spelling(n->unary.op));
        print_node(b, n->unary.operand);
        break;
    case NODE_BINARY:
        print_binary(b, &n->binary);
        break;
    case NODE_CALL:
        print_call(b, &n->call);
        break;
    case NODE_AGGREGATE:
        print_aggregate(b, &n->aggregate);
        break;
    case NODE_SELECTOR:
        print_selector(b, &n->selector);
        print_edges(b, n->selector.edges);
        print_shift(b, &n->selector.shift);
        break;
    case NODE_RANGE:
        print_range(b, n);
        break;
    case NODE_SUBQUERY:
        print_subquery(b, &n->subquery);
        break;
    }
}

/* --- on several lines --------------------------------------------------------------------------
 */

static void print_level(struct textbuf *b, const struct node *n, unsigned level);

static void print_indent(struct textbuf *b, unsigned level)
{
    for (unsigned i = 0; i < level; i++)
        textbuf_puts(b, "  ");
}

static void print_line_end(struct textbuf *b, unsigned next_level)
{
    textbuf_char(b, '\n');
    print_indent(b, next_level);
}

/* On one line, if it fits there: else nothing is printed. */
static bool print_short(struct textbuf *b, const struct node *n)
{
    size_t start = b->n;
    print_node(b, n);
    if (b->n - start <= PRINT_LINE_BYTES)
        return true;
    b->n = start;
    return false;
}

static void print_aggregate_lines(struct textbuf *b, const struct aggregate *a, unsigned level)
{
    print_aggregate_head(b, a);
    textbuf_char(b, '\n');
    if (a->param) {
        print_level(b, a->param, level + 1);
        textbuf_puts(b, ",\n");
    }
    print_level(b, a->inner, level + 1);
    print_line_end(b, level);
    textbuf_char(b, ')');
}

static void print_binary_lines(struct textbuf *b, const struct binary *n, unsigned level)
{
    print_level(b, n->lhs, level + 1);
    print_line_end(b, level);
    print_operator(b, n);
    textbuf_char(b, '\n');
    print_level(b, n->rhs, level + 1);
}

static void print_call_lines(struct textbuf *b, const struct call *call, unsigned level)
{
    textbuf_puts(b, call->func->name);
    textbuf_puts(b, "(\n");
    for (uint32_t i = 0; i < call->n_args; i++) {
        if (i > 0)
            textbuf_puts(b, ",\n");
        print_level(b, call->args[i], level + 1);
    }
    print_line_end(b, level);
    textbuf_char(b, ')');
}

static void print_paren_lines(struct textbuf *b, const struct node *inner, unsigned level)
{
    textbuf_puts(b, "(\n");
    print_level(b, inner, level + 1);
    print_line_end(b, level);
    textbuf_char(b, ')');
}

/* What is too long for a line and can be parted. Operands of a binary operator and the inside of a
 * subquery bring their own indent; a short subquery has none, as in Prometheus. */
static void print_long(struct textbuf *b, const struct node *n, unsigned level)
{
    if (n->kind != NODE_BINARY && n->kind != NODE_SUBQUERY)
        print_indent(b, level);
    switch (n->kind) {
    case NODE_PAREN:
        print_paren_lines(b, n->paren, level);
        break;
    case NODE_BINARY:
        print_binary_lines(b, &n->binary, level);
        break;
    case NODE_CALL:
        print_call_lines(b, &n->call, level);
        break;
    case NODE_AGGREGATE:
        print_aggregate_lines(b, &n->aggregate, level);
        break;
    case NODE_SUBQUERY:
        print_level(b, n->subquery.inner, level);
        print_subquery_suffix(b, &n->subquery);
        break;
    default:
        print_node(b, n);
        break;
    }
}

/* The indent stands before the sign, and not between it and its operand. */
static void print_unary_lines(struct textbuf *b, const struct node *n, unsigned level)
{
    print_indent(b, level);
    textbuf_puts(b, token_spelling(n->unary.op));
    size_t start = b->n;
    print_level(b, n->unary.operand, level);
    size_t n_indent = 0;
    while (start + n_indent < b->n && b->bytes[start + n_indent] == ' ')
        n_indent++;
    if (n_indent > 0)
        memmove(b->bytes + start, b->bytes + start + n_indent, b->n - start - n_indent);
    b->n -= n_indent;
}

static void print_level(struct textbuf *b, const struct node *n, unsigned level)
{
    if (n->kind == NODE_UNARY) {
        print_unary_lines(b, n, level);
        return;
    }
    size_t start = b->n;
    if (n->kind != NODE_SUBQUERY)
        print_indent(b, level);
    if (print_short(b, n))
        return;
    b->n = start;
    print_long(b, n, level);
}

void print_lines(struct textbuf *b, const struct node *n)
{
    print_level(b, n, 0);
}
