/* Functions that rewrite labels. */
#include "tsdb/pattern.h"
#include "tsdb/promql/eval.h"
#include "tsdb/promql/fn.h"
#include "tsdb/promql/labelset.h"
#include "tsdb/promql/query_limits.h"

#include <string.h>

static struct word string_argument(const struct node *call, uint32_t i)
{
    return node_unwrap(call->call.args[i])->string;
}

static struct word label_value(const struct labels *ls, struct word name)
{
    const struct label *l = labels_get(ls, name.bytes, name.len);
    return l ? (struct word){l->value, l->value_len} : (struct word){"", 0};
}

static int fail_name(struct eval *e, const char *what, struct word name)
{
    struct textbuf b;
    textbuf_init(&b, e->region);
    textbuf_puts(&b, what);
    textbuf_add(&b, name.bytes, name.len);
    return eval_fail(e, PROMQL_ERR_EXECUTION, textbuf_finish(&b));
}

static bool is_label_name(struct word name)
{
    return name.len > 0 && utf8_is_valid(name.bytes, name.len);
}

/* A name that is set anew stays: delayed removal is about the one that was there. */
static bool is_metric_name(struct word name)
{
    return bytes_compare(name.bytes, name.len, "__name__", 8) == 0;
}

/* --- label_replace -------------------------------------------------------------------------------
 */

struct replacement {
    const struct pattern *pattern;
    const char *subject;
    struct pattern_span groups[PATTERN_GROUPS_MAX];
    int n_groups;
};

static void add_group(struct textbuf *b, const struct replacement *r, const char *name, size_t n)
{
    int number = 0;
    for (size_t i = 0; i < n && number >= 0; i++)
        number = name[i] >= '0' && name[i] <= '9' && number < 100000000
                     ? number * 10 + (name[i] - '0')
                     : -1;
    if (number < 0 || (n > 1 && name[0] == '0'))
        number = pattern_group_number(r->pattern, name, n);
    if (number >= 0 && number < r->n_groups && r->groups[number].start >= 0)
        textbuf_add(b, r->subject + r->groups[number].start,
                    (size_t)(r->groups[number].end - r->groups[number].start));
}

/* Bytes of a name at text: letters, digits, underscores; what is not ASCII counts as letters. */
static size_t name_length(const char *text, size_t n)
{
    size_t i = 0;
    while (i < n && ((text[i] >= '0' && text[i] <= '9') || text[i] == '_' ||
                     ((text[i] | 0x20) >= 'a' && (text[i] | 0x20) <= 'z') || text[i] & 0x80))
        i++;
    return i;
}

/* $1, ${1}, $name, ${name}, $$; the longest name counts, and what is none stays as it is. */
static void expand(struct textbuf *b, struct word text, const struct replacement *r)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.bytes[i] != '$') {
            textbuf_char(b, text.bytes[i]);
            continue;
        }
        if (i + 1 < text.len && text.bytes[i + 1] == '$') {
            textbuf_char(b, '$');
            i++;
            continue;
        }
        bool has_brace = i + 1 < text.len && text.bytes[i + 1] == '{';
        size_t start = i + 1 + has_brace;
        size_t n = start < text.len ? name_length(text.bytes + start, text.len - start) : 0;
        bool is_closed = !has_brace || (start + n < text.len && text.bytes[start + n] == '}');
        if (n == 0 || !is_closed) {
            textbuf_char(b, '$');
            continue;
        }
        add_group(b, r, text.bytes + start, n);
        i = start + n + has_brace - 1;
    }
}

static int replace_one(struct eval *e, const struct node *call, struct replacement *r,
                       struct column *c)
{
    struct word value = label_value(&c->labels, string_argument(call, 3));
    r->subject = value.bytes;
    if (!pattern_groups(r->pattern, value.bytes, value.len, r->groups, r->n_groups))
        return 0;
    struct textbuf b;
    textbuf_init(&b, e->region);
    expand(&b, string_argument(call, 2), r);
    const char *text = textbuf_finish(&b);
    if (!text)
        return eval_fail_memory(e);
    struct word expanded = {text, (uint32_t)b.n};
    struct word name = string_argument(call, 1);
    if (!labelset_set(e->region, &c->labels, name, expanded, &c->labels))
        return eval_fail_memory(e);
    c->drops_name = c->drops_name && !is_metric_name(name);
    return 0;
}

int fn_label_replace(struct eval *e, const struct node *call, struct value *ret)
{
    struct word expression = string_argument(call, 4), name = string_argument(call, 1);
    char text[ERROR_TEXT_BYTES];
    ret->type = PROMQL_VECTOR;
    if (eval_vector(e, call->call.args[0], &ret->vector) != 0)
        return -1;
    struct pattern *pattern = pattern_new(expression.bytes, expression.len, text, sizeof(text));
    if (!pattern && text[0] == '\0')
        return eval_fail_memory(e);
    if (!pattern)
        return fail_name(e, "invalid regular expression in label_replace(): ", expression);
    int err = 0;
    if (!is_label_name(name))
        err = fail_name(e, "invalid destination label name in label_replace(): ", name);
    struct replacement r = {.pattern = pattern, .n_groups = pattern_n_groups(pattern) + 1};
    if (r.n_groups > PATTERN_GROUPS_MAX)
        r.n_groups = PATTERN_GROUPS_MAX;
    for (size_t k = 0; k < ret->vector.n && err == 0; k++) {
        err = replace_one(e, call, &r, &ret->vector.items[k]);
        if (err == 0)
            err = eval_poll(e, 1);
    }
    if (err == 0 && pattern_has_failed(pattern))
        err = eval_fail_memory(e);
    pattern_free(pattern);
    return err == 0 ? eval_merge_equal(e, &ret->vector, !eval_as_main(e)) : -1;
}

/* --- label_join ----------------------------------------------------------------------------------
 */

static int join_one(struct eval *e, const struct node *call, struct column *c)
{
    struct word name = string_argument(call, 1);
    struct word separator = string_argument(call, 2);
    struct textbuf b;
    textbuf_init(&b, e->region);
    for (uint32_t i = 3; i < call->call.n_args; i++) {
        struct word value = label_value(&c->labels, string_argument(call, i));
        if (i > 3)
            textbuf_add(&b, separator.bytes, separator.len);
        textbuf_add(&b, value.bytes, value.len);
    }
    const char *text = textbuf_finish(&b);
    struct word joined = {text, (uint32_t)b.n};
    if (!text || !labelset_set(e->region, &c->labels, name, joined, &c->labels))
        return eval_fail_memory(e);
    c->drops_name = c->drops_name && !is_metric_name(name);
    return eval_poll(e, 1);
}

int fn_label_join(struct eval *e, const struct node *call, struct value *ret)
{
    ret->type = PROMQL_VECTOR;
    if (eval_vector(e, call->call.args[0], &ret->vector) != 0)
        return -1;
    for (uint32_t i = 3; i < call->call.n_args; i++)
        if (!is_label_name(string_argument(call, i)))
            return fail_name(
                e, "invalid source label name in label_join(): ", string_argument(call, i));
    if (!is_label_name(string_argument(call, 1)))
        return fail_name(
            e, "invalid destination label name in label_join(): ", string_argument(call, 1));
    for (size_t k = 0; k < ret->vector.n; k++)
        if (join_one(e, call, &ret->vector.items[k]) != 0)
            return -1;
    return eval_merge_equal(e, &ret->vector, !eval_as_main(e));
}
