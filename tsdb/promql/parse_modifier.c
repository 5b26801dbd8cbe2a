/* What Prometheus' main branch has and 3.5 has not, each behind its feature: anchored and smoothed,
 * fill(); and the selector that info() looks for its series with. */
#include "tsdb/promql/literal.h"
#include "tsdb/promql/parser.h"

#include <string.h>

static bool is_word(const struct token *t, const char *word)
{
    return t->kind == TOKEN_IDENTIFIER && t->len == strlen(word) &&
           strncasecmp(t->text, word, t->len) == 0;
}

/* --- anchored, smoothed ------------------------------------------------------------------------
 */

bool parser_at_edges(struct parser *p)
{
    const struct token *t = parser_peek(p);
    return (p->query->features & PROMQL_EXTENDED_RANGE_SELECTORS) &&
           (is_word(t, "anchored") || is_word(t, "smoothed"));
}

struct node *parse_edges(struct parser *p, struct node *inner)
{
    struct token t = parser_take(p);
    bool is_smoothed = is_word(&t, "smoothed");
    const char *word = is_smoothed ? "smoothed" : "anchored";
    struct selector *s = inner->kind == NODE_SELECTOR ? &inner->selector
                         : inner->kind == NODE_RANGE  ? &inner->range.selector->selector
                                                      : NULL;
    if (inner->kind == NODE_SUBQUERY)
        parser_failf(p, inner->pos, "%s modifier is not supported for subqueries", word);
    else if (!s)
        parser_failf(p, inner->pos, "%s modifier not implemented", word);
    else if (s->edges != EDGES_PLAIN && s->edges != (is_smoothed ? EDGES_SMOOTHED : EDGES_ANCHORED))
        parser_fail(p, inner->pos, "anchored and smoothed modifiers cannot be used together");
    if (p->has_failed)
        return NULL;
    s->edges = is_smoothed ? EDGES_SMOOTHED : EDGES_ANCHORED;
    return inner;
}

/* --- fill --------------------------------------------------------------------------------------
 */

static bool parse_fill_value(struct parser *p, const double **ret)
{
    double *value = region_alloc(p->region, sizeof(*value));
    const char *error = NULL;
    if (!value)
        return parser_fail_memory(p);
    if (!parser_accept(p, TOKEN_LEFT_PAREN))
        return parser_unexpected(p, "", "\"(\"");
    bool is_negative = parser_peek(p)->kind == TOKEN_SUB;
    if (is_negative || parser_peek(p)->kind == TOKEN_ADD)
        parser_take(p);
    struct token t = *parser_peek(p);
    int64_t ns = 0;
    if (t.kind == TOKEN_DURATION) {
        if (!literal_duration(t.text, t.len, p->region, &ns, &error))
            return parser_fail(p, t.pos, error);
        *value = literal_seconds(ns);
    } else if (t.kind != TOKEN_NUMBER) {
        return parser_unexpected(p, "", "number");
    } else if (!literal_number(t.text, t.len, p->region, value, &error)) {
        return parser_fail(p, t.pos, error);
    }
    parser_take(p);
    if (is_negative)
        *value = -*value;
    *ret = value;
    return parser_accept(p, TOKEN_RIGHT_PAREN) || parser_unexpected(p, "", "\")\"");
}

/* The words are names of metrics, unless a parenthesis follows. */
bool parse_fills(struct parser *p, struct matching *m)
{
    const struct token *t = parser_peek(p);
    if (p->has_failed)
        return false;
    if (!(p->query->features & PROMQL_BINOP_FILL_MODIFIERS))
        return true;
    while (t->kind == TOKEN_IDENTIFIER && lexer_is_next(&p->lexer, '(')) {
        bool is_both = is_word(t, "fill"), is_left = is_word(t, "fill_left"),
             is_right = is_word(t, "fill_right");
        const double *value = NULL;
        if ((!is_both && !is_left && !is_right) || (is_left && m->fill_left) ||
            (is_right && m->fill_right) || (is_both && (m->fill_left || m->fill_right)))
            break;
        parser_take(p);
        if (!parse_fill_value(p, &value))
            return false;
        m->fill_left = is_right ? m->fill_left : value;
        m->fill_right = is_left ? m->fill_right : value;
        t = parser_peek(p);
        if (is_both)
            break;
    }
    return !p->has_failed;
}

/* --- info --------------------------------------------------------------------------------------
 */

static bool is_name(const struct matcher *m)
{
    return m->name_len == sizeof(LABEL_METRIC_NAME) - 1 &&
           memcmp(m->name, LABEL_METRIC_NAME, m->name_len) == 0;
}

/* A matcher of the parser's own, released with the query like those of its selectors. */
static bool own_matcher(struct parser *p, struct matcher *m, enum matcher_kind kind,
                        const char *value)
{
    static const char name[] = LABEL_METRIC_NAME;
    struct selector *owner = region_calloc(p->region, 1, sizeof(*owner));
    char error[1];
    if (!owner || matcher_init(m, kind, name, sizeof(name) - 1, value, strlen(value), error,
                               sizeof(error)) != 0)
        return parser_fail_memory(p);
    owner->matchers = (struct matcher_set){m, 1};
    *p->last_selector = owner;
    p->last_selector = &owner->next;
    return true;
}

/* The matchers of the second argument, whose patterns stay its own. When none of them is about the
 * name it is that of target_info; to main, when they only say what the name is not, it ends in
 * _info. */
struct node *parse_info_selector(struct parser *p, const struct call *call)
{
    const struct node *arg = call->n_args > 1 ? call->args[1] : NULL;
    struct node *n = node_new(p->region, NODE_SELECTOR, PROMQL_VECTOR, arg ? arg->pos : 0);
    const struct matcher_set none = {0}, *set = &none;
    bool has_name = false, has_positive = false;
    if (arg && arg->kind == NODE_SELECTOR)
        set = &arg->selector.matchers;
    struct matcher *items = region_calloc(p->region, set->n + 1, sizeof(*items));
    if (!n || !items) {
        parser_fail_memory(p);
        return NULL;
    }
    for (size_t i = 0; i < set->n; i++) {
        enum matcher_kind kind = set->items[i].kind;
        items[i] = set->items[i];
        has_name = has_name || is_name(&items[i]);
        has_positive =
            has_positive || (is_name(&items[i]) && (kind == MATCH_EQUAL || kind == MATCH_REGEX));
    }
    bool needs_ending = has_name && !has_positive && (p->query->features & PROMQL_MAIN);
    if (!has_name && !own_matcher(p, &items[set->n], MATCH_EQUAL, "target_info"))
        return NULL;
    if (needs_ending && !own_matcher(p, &items[set->n], MATCH_REGEX, ".+_info"))
        return NULL;
    n->selector.matchers = (struct matcher_set){items, set->n + (!has_name || needs_ending)};
    return n;
}
