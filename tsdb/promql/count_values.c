#include "tsdb/promql/count_values.h"

#include "tsdb/promql/float_text.h"
#include "tsdb/promql/label_map.h"
#include "tsdb/promql/labelset.h"
#include "tsdb/promql/quote.h"

#include <string.h>

struct counter {
    struct eval *e;
    struct label_map map; /* labels of results */
    struct column *results;
    size_t cap;
    struct word label;
    bool is_dropped; /* the label, by the grouping */
};

static bool is_dropped(const struct aggregate *a, struct word label)
{
    if (!a->is_without)
        return false;
    if (bytes_compare(label.bytes, label.len, "__name__", 8) == 0)
        return true;
    for (uint32_t i = 0; i < a->labels.n; i++)
        if (bytes_compare(label.bytes, label.len, a->labels.items[i].bytes,
                          a->labels.items[i].len) == 0)
            return true;
    return false;
}

/* The labels of a value's column, in the region. */
static bool label_value(struct counter *c, const struct group *group, double v, struct labels *ret)
{
    char number[FLOAT_TEXT_MAX];
    size_t n = float_text_plain(v, number);
    *ret = group->labels;
    if (c->is_dropped)
        return true;
    char *text = region_copy(c->e->region, number, n);
    struct word value = {text, (uint32_t)n};
    return text && labelset_set(c->e->region, &group->labels, c->label, value, ret);
}

/* The column of a value in a group. A name that was to be dropped stays: Prometheus does not hand
 * the mark on here. */
static int find_column(struct counter *c, const struct group *group, double v, struct column **ret)
{
    struct region_mark mark = region_mark(c->e->region);
    struct labels labels;
    uint32_t index;
    bool is_new;
    if (!label_value(c, group, v, &labels) || !label_map_put(&c->map, &labels, &index, &is_new))
        return eval_fail_memory(c->e);
    if (!is_new)
        region_rewind(c->e->region, mark);
    if (index >= c->cap) {
        struct vector more;
        size_t cap = c->cap ? c->cap * 2 : 16;
        if (eval_new_vector(c->e, cap, &more) != 0)
            return -1;
        if (c->cap > 0)
            memcpy(more.items, c->results, c->cap * sizeof(*more.items));
        c->results = more.items;
        c->cap = cap;
    }
    *ret = &c->results[index];
    (*ret)->labels = c->map.keys[index].labels;
    return 0;
}

static int count_group(struct counter *c, const struct group *g, const struct vector *v)
{
    for (uint32_t k = 0; k < g->n; k++) {
        const struct column *member = &v->items[g->members[k]];
        for (size_t i = 0; i < c->e->steps.n; i++) {
            struct column *result = NULL;
            if (!column_has(member, i))
                continue;
            if (find_column(c, g, member->v[i], &result) != 0)
                return -1;
            column_put(result, i, column_has(result, i) ? result->v[i] + 1 : 1);
        }
        if (eval_poll(c->e, c->e->steps.n) != 0)
            return -1;
    }
    return 0;
}

int count_values_eval(struct eval *e, const struct aggregate *a, const struct grouping *g,
                      const struct vector *v, struct word label, struct vector *ret)
{
    struct counter c = {.e = e, .label = label, .is_dropped = is_dropped(a, label)};
    label_map_init(&c.map, e->region);
    if (label.len == 0 || !utf8_is_valid(label.bytes, label.len)) {
        struct textbuf b;
        textbuf_init(&b, e->region);
        textbuf_puts(&b, "invalid label name ");
        quote_add(&b, label.bytes, label.len);
        return eval_fail(e, PROMQL_ERR_EXECUTION, textbuf_finish(&b));
    }
    for (uint32_t i = 0; i < g->n; i++)
        if (count_group(&c, &g->groups[i], v) != 0)
            return -1;
    *ret = (struct vector){c.results, c.map.n};
    return 0;
}
