#include "tsdb/promql/grouping.h"

void group_keys_init(struct group_keys *k, struct region *r, const struct word_list *labels,
                     enum group_by by, enum label_map_keeps keeps)
{
    *k = (struct group_keys){.by = by, .labels = labels};
    label_map_init(&k->map, r);
    k->map.keeps = keeps;
}

bool group_keys_put(struct group_keys *k, const struct labels *ls, uint32_t *ret_number,
                    bool *ret_is_new)
{
    struct labels key = {0};
    if (k->by != GROUP_BY || k->labels->n > 0) {
        if (!labelset_row_fit(k->map.region, &k->row, ls->n))
            return false;
        key = k->by == GROUP_BY
                  ? labelset_keep_in(k->row.items, ls, k->labels)
                  : labelset_drop_in(k->row.items, ls, k->labels, k->by == GROUP_WITHOUT);
    }
    return label_map_put(&k->map, &key, ret_number, ret_is_new);
}

/* The number of each column's group. */
static uint32_t *number_columns(struct eval *e, struct group_keys *keys, const struct vector *v)
{
    uint32_t *numbers = eval_alloc(e, v->n, sizeof(*numbers));
    for (size_t i = 0; numbers && i < v->n; i++) {
        bool is_new;
        if (!group_keys_put(keys, &v->items[i].labels, &numbers[i], &is_new)) {
            eval_fail_memory(e);
            return NULL;
        }
        if (eval_poll(e, 1) != 0)
            return NULL;
    }
    return numbers;
}

static int init(struct eval *e, struct grouping *g, const struct word_list *labels,
                enum group_by by, const struct vector *v)
{
    struct group_keys keys;
    group_keys_init(&keys, e->region, labels, by, LABEL_MAP_COPIES_ROWS);
    uint32_t *numbers = number_columns(e, &keys, v);
    if (!numbers)
        return -1;
    uint32_t *members = eval_alloc(e, v->n, sizeof(*members));
    *g =
        (struct grouping){.groups = eval_alloc(e, keys.map.n, sizeof(*g->groups)), .n = keys.map.n};
    if (!members || !g->groups)
        return -1;
    for (size_t i = 0; i < v->n; i++)
        g->groups[numbers[i]].n++;
    for (uint32_t i = 0; i < g->n; i++) {
        g->groups[i].labels = keys.map.keys[i].labels;
        g->groups[i].members = members;
        members += g->groups[i].n;
        g->groups[i].n = 0;
    }
    for (size_t i = 0; i < v->n; i++) {
        struct group *group = &g->groups[numbers[i]];
        group->members[group->n++] = (uint32_t)i;
        group->drops_name = group->drops_name || v->items[i].drops_name;
    }
    return 0;
}

int grouping_init(struct eval *e, struct grouping *g, const struct word_list *labels,
                  bool is_without, const struct vector *v)
{
    return init(e, g, labels, is_without ? GROUP_WITHOUT : GROUP_BY, v);
}

int grouping_init_named(struct eval *e, struct grouping *g, const struct word_list *without,
                        const struct vector *v)
{
    return init(e, g, without, GROUP_WITHOUT_NAMED, v);
}
