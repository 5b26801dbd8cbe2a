/* Selectors and what clings to them: matchers, ranges, subqueries, offset, @; and label lists. */
#include "tsdb/promql/literal.h"
#include "tsdb/promql/parser.h"
#include "tsdb/promql/query_limits.h"
#include "tsdb/promql/quote.h"

#include <math.h>
#include <string.h>

bool token_is_metric_name(enum token_kind k)
{
    return k == TOKEN_IDENTIFIER || k == TOKEN_METRIC_IDENTIFIER || token_is_aggregator(k) ||
           token_is_set_operator(k) || k == TOKEN_BY || k == TOKEN_WITHOUT || k == TOKEN_OFFSET ||
           k == TOKEN_START || k == TOKEN_STOP;
}

/* Words that may stand in a list of labels: nearly all. */
static bool is_label_word(enum token_kind k)
{
    return (token_is_metric_name(k) && k != TOKEN_WITHOUT) || k == TOKEN_BOOL || k == TOKEN_ON ||
           k == TOKEN_IGNORING || k == TOKEN_GROUP_LEFT || k == TOKEN_GROUP_RIGHT ||
           k == TOKEN_ATAN2;
}

static bool take_string(struct parser *p, struct word *ret)
{
    struct token t = parser_take(p);
    size_t len;
    if (!literal_string(t.text, t.len, p->region, &ret->bytes, &len))
        return parser_fail_memory(p);
    ret->len = (uint32_t)len;
    return true;
}

static bool parse_label(struct parser *p, struct word *ret)
{
    const struct token *t = parser_peek(p);
    uint32_t pos = t->pos;
    if (t->kind == TOKEN_STRING) {
        if (!take_string(p, ret))
            return false;
        if (ret->len > 0 && utf8_is_valid(ret->bytes, ret->len))
            return true;
        struct textbuf b;
        textbuf_init(&b, p->region);
        textbuf_puts(&b, "invalid label name for grouping: ");
        quote_add(&b, ret->bytes, ret->len);
        return parser_fail(p, pos, textbuf_finish(&b));
    }
    if (!is_label_word(t->kind))
        return parser_unexpected(p, "grouping opts", "label");
    *ret = (struct word){t->text, t->len};
    parser_take(p);
    return true;
}

bool parse_labels(struct parser *p, struct word_list *ret)
{
    *ret = (struct word_list){0};
    if (!parser_accept(p, TOKEN_LEFT_PAREN))
        return parser_unexpected(p, "grouping opts", "\"(\"");
    uint32_t cap = 0;
    while (!parser_accept(p, TOKEN_RIGHT_PAREN)) {
        if (ret->n == cap) {
            cap = cap ? cap * 2 : 4;
            struct word *more = region_calloc(p->region, cap, sizeof(*more));
            if (!more)
                return parser_fail_memory(p);
            if (ret->n > 0)
                memcpy(more, ret->items, ret->n * sizeof(*more));
            ret->items = more;
        }
        if (!parse_label(p, &ret->items[ret->n]))
            return false;
        ret->n++;
        enum token_kind next = parser_peek(p)->kind;
        if (next != TOKEN_COMMA && next != TOKEN_RIGHT_PAREN)
            return parser_unexpected(p, "grouping opts", "\",\" or \")\"");
        parser_accept(p, TOKEN_COMMA);
    }
    return true;
}

static bool add_matcher(struct parser *p, struct selector *s, uint32_t *cap, struct matcher m)
{
    if (s->matchers.n == *cap) {
        uint32_t more_cap = *cap ? *cap * 2 : 4;
        struct matcher *more = region_calloc(p->region, more_cap, sizeof(*more));
        if (!more) {
            matcher_release(&m);
            return parser_fail_memory(p);
        }
        if (*cap > 0)
            memcpy(more, s->matchers.items, s->matchers.n * sizeof(*more));
        s->matchers.items = more;
        *cap = more_cap;
    }
    s->matchers.items[s->matchers.n++] = m;
    return true;
}

static bool new_matcher(struct parser *p, struct selector *s, uint32_t *cap, enum matcher_kind kind,
                        struct word name, struct word value, uint32_t pos)
{
    struct matcher m;
    char text[ERROR_TEXT_BYTES] = "";
    int err =
        matcher_init(&m, kind, name.bytes, name.len, value.bytes, value.len, text, sizeof(text));
    if (err == ERR_NO_MEMORY)
        return parser_fail_memory(p);
    if (err != 0)
        return parser_failf(p, pos, "error parsing regexp: %s", text);
    return add_matcher(p, s, cap, m);
}

static bool take_match_kind(struct parser *p, enum matcher_kind *ret)
{
    static const struct {
        enum token_kind token;
        enum matcher_kind kind;
    } kinds[] = {{TOKEN_EQUAL, MATCH_EQUAL},
                 {TOKEN_NE, MATCH_NOT_EQUAL},
                 {TOKEN_EQ_REGEX, MATCH_REGEX},
                 {TOKEN_NE_REGEX, MATCH_NOT_REGEX}};
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (parser_accept(p, kinds[i].token)) {
            *ret = kinds[i].kind;
            return true;
        }
    }
    return false;
}

static bool parse_matcher(struct parser *p, struct selector *s, uint32_t *cap)
{
    static const struct word metric_name = {LABEL_METRIC_NAME, sizeof(LABEL_METRIC_NAME) - 1};
    const struct token t = *parser_peek(p);
    struct word name = {t.text, t.len}, value;
    enum matcher_kind kind;
    if (t.kind == TOKEN_STRING) {
        if (!take_string(p, &name))
            return false;
        if (!take_match_kind(p, &kind))
            return !p->has_failed && new_matcher(p, s, cap, MATCH_EQUAL, metric_name, name, t.pos);
    } else if (t.kind == TOKEN_IDENTIFIER) {
        parser_take(p);
        if (!take_match_kind(p, &kind))
            return parser_unexpected(p, "label matching", "label matching operator");
    } else {
        return parser_unexpected(p, "label matching", "identifier or \"}\"");
    }
    if (parser_peek(p)->kind != TOKEN_STRING)
        return parser_unexpected(p, "label matching", "string");
    return take_string(p, &value) && new_matcher(p, s, cap, kind, name, value, t.pos);
}

static bool parse_matchers(struct parser *p, struct selector *s, uint32_t *cap)
{
    parser_take(p);
    while (!parser_accept(p, TOKEN_RIGHT_BRACE)) {
        if (!parse_matcher(p, s, cap))
            return false;
        enum token_kind next = parser_peek(p)->kind;
        if (next != TOKEN_COMMA && next != TOKEN_RIGHT_BRACE)
            return parser_unexpected(p, "label matching", "\",\" or \"}\"");
        parser_accept(p, TOKEN_COMMA);
    }
    return true;
}

struct node *parse_vector_selector(struct parser *p, const struct token *name)
{
    static const struct word metric_name = {LABEL_METRIC_NAME, sizeof(LABEL_METRIC_NAME) - 1};
    uint32_t pos = name ? name->pos : parser_peek(p)->pos;
    struct node *n = node_new(p->region, NODE_SELECTOR, PROMQL_VECTOR, pos);
    if (!n) {
        parser_fail_memory(p);
        return NULL;
    }
    struct selector *s = &n->selector;
    *p->last_selector = s;
    p->last_selector = &s->next;
    uint32_t cap = 0;
    if (parser_peek(p)->kind == TOKEN_LEFT_BRACE && !parse_matchers(p, s, &cap))
        return NULL;
    if (!name)
        return n;
    s->name = (struct word){name->text, name->len};
    return new_matcher(p, s, &cap, MATCH_EQUAL, metric_name, s->name, pos) ? n : NULL;
}

static struct node *new_range(struct parser *p, struct node *inner, struct duration range,
                              uint32_t bracket_pos)
{
    const char *error = NULL;
    if (inner->kind != NODE_SELECTOR)
        error = "ranges only allowed for vector selectors";
    else if (shift_has_offset(&inner->selector.shift))
        error = "no offset modifiers allowed before range";
    else if (inner->selector.shift.at != AT_NONE)
        error = "no @ modifiers allowed before range";
    else if (inner->selector.edges != EDGES_PLAIN)
        error = "no anchored or smoothed modifiers allowed before range";
    struct node *n = error ? NULL : node_new(p->region, NODE_RANGE, PROMQL_MATRIX, inner->pos);
    if (!n) {
        parser_fail(p, bracket_pos, error);
        return NULL;
    }
    n->range.selector = inner;
    n->range.range = range;
    n->depth = inner->depth + 1;
    return n;
}

struct node *parse_brackets(struct parser *p, struct node *inner)
{
    uint32_t bracket_pos = parser_take(p).pos;
    struct duration range, step = {0};
    if (!parse_range_duration(p, &range))
        return NULL;
    if (parser_accept(p, TOKEN_RIGHT_BRACKET))
        return new_range(p, inner, range, bracket_pos);
    if (!parser_accept(p, TOKEN_COLON)) {
        parser_unexpected(p, "subquery or range", "\":\" or \"]\"");
        return NULL;
    }
    if (parser_peek(p)->kind != TOKEN_RIGHT_BRACKET && !parse_step_duration(p, &step))
        return NULL;
    if (!parser_accept(p, TOKEN_RIGHT_BRACKET)) {
        parser_unexpected(p, "subquery selector", "\"]\"");
        return NULL;
    }
    struct node *n = node_new(p->region, NODE_SUBQUERY, PROMQL_MATRIX, inner->pos);
    if (!n) {
        parser_fail_memory(p);
        return NULL;
    }
    n->subquery = (struct subquery){.inner = inner, .range = range, .step = step};
    n->depth = inner->depth + 1;
    return n;
}

struct node *parse_offset(struct parser *p, struct node *inner)
{
    parser_take(p);
    struct duration d;
    if (!parse_offset_duration(p, &d))
        return NULL;
    struct shift *shift = node_shift(inner);
    if (!shift) {
        parser_fail(p, inner->pos,
                    "offset modifier must be preceded by an instant vector selector or range "
                    "vector selector or a subquery");
        return NULL;
    }
    if (shift_has_offset(shift)) {
        parser_fail(p, inner->pos, "offset may not be set multiple times");
        return NULL;
    }
    shift->offset = d;
    return inner;
}

/* A signed number or duration, in seconds. */
static bool parse_at_time(struct parser *p, double *ret)
{
    bool is_negative = parser_peek(p)->kind == TOKEN_SUB;
    if (is_negative || parser_peek(p)->kind == TOKEN_ADD)
        parser_take(p);
    struct token t = *parser_peek(p);
    const char *error = NULL;
    if (t.kind == TOKEN_DURATION) {
        int64_t ns = 0;
        if (!literal_duration(t.text, t.len, p->region, &ns, &error))
            return parser_fail(p, t.pos, error);
        *ret = literal_seconds(ns);
    } else if (t.kind != TOKEN_NUMBER) {
        return parser_unexpected(p, "@", "timestamp");
    } else if (!literal_number(t.text, t.len, p->region, ret, &error)) {
        return parser_fail(p, t.pos, error);
    }
    if (is_negative)
        *ret = -*ret;
    parser_take(p);
    return true;
}

static bool parse_at_word(struct parser *p, struct shift *ret)
{
    ret->at = parser_take(p).kind == TOKEN_START ? AT_START : AT_STOP;
    return (parser_accept(p, TOKEN_LEFT_PAREN) && parser_accept(p, TOKEN_RIGHT_PAREN)) ||
           parser_unexpected(p, "@", "timestamp");
}

/* Go's %f, which spells the special values its own way. */
static bool fail_out_of_bounds(struct parser *p, uint32_t pos, double seconds)
{
    static const char text[] = "timestamp out of bounds for @ modifier: ";
    if (isnan(seconds))
        return parser_failf(p, pos, "%sNaN", text);
    if (isinf(seconds))
        return parser_failf(p, pos, "%s%cInf", text, seconds > 0 ? '+' : '-');
    return parser_failf(p, pos, "%s%f", text, seconds);
}

/* Rounded to a millisecond. So far from today that a double of seconds cannot tell milliseconds,
 * the nearest time is taken that comes back as itself when it is printed and read again. */
static int64_t at_milliseconds(double seconds)
{
    const double limit = (double)INT64_MAX;
    double ms = round(seconds * 1000);
    for (int i = 0; i < 4 && round(ms / 1000 * 1000) != ms; i++)
        ms = round(ms / 1000 * 1000);
    return ms >= limit ? INT64_MAX : ms <= -limit ? INT64_MIN : (int64_t)ms;
}

struct node *parse_at(struct parser *p, struct node *inner)
{
    parser_take(p);
    struct shift at = {.at = AT_TIME};
    enum token_kind kind = parser_peek(p)->kind;
    double seconds = 0;
    if (kind == TOKEN_START || kind == TOKEN_STOP) {
        if (!parse_at_word(p, &at))
            return NULL;
    } else if (!parse_at_time(p, &seconds)) {
        return NULL;
    }
    const double limit = (double)INT64_MAX;
    struct shift *shift = node_shift(inner);
    if (!(seconds < limit && seconds > -limit))
        fail_out_of_bounds(p, inner->pos, seconds);
    else if (!shift)
        parser_fail(p, inner->pos,
                    "@ modifier must be preceded by an instant vector selector or range vector "
                    "selector or a subquery");
    else if (shift->at != AT_NONE)
        parser_fail(p, inner->pos, "@ <timestamp> may not be set multiple times");
    if (p->has_failed)
        return NULL;
    shift->at = at.at;
    shift->at_ms = at_milliseconds(seconds);
    return inner;
}
