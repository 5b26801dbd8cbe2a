#include "tsdb/promql/grouping.h"

#include "tsdb/promql/label_map.h"
#include "tsdb/promql/labelset.h"

enum grouping_kind { GROUP_BY, GROUP_WITHOUT, GROUP_WITHOUT_NAMED };

/* The number of each column's group. */
static uint32_t *number_columns(struct eval *e, struct label_map *map,
                                const struct word_list *labels, enum grouping_kind kind,
                                const struct vector *v)
{
    uint32_t *numbers = eval_alloc(e, v->n, sizeof(*numbers));
    const struct labels none = {0};
    for (size_t i = 0; numbers && i < v->n; i++) {
        struct labels key = none;
        bool is_new, is_good = true;
        if (kind != GROUP_BY)
            is_good =
                labelset_drop(e->region, &v->items[i].labels, labels, kind == GROUP_WITHOUT, &key);
        else if (labels->n > 0)
            is_good = labelset_keep(e->region, &v->items[i].labels, labels, &key);
        if (!is_good || !label_map_put(map, &key, &numbers[i], &is_new)) {
            eval_fail_memory(e);
            return NULL;
        }
        if (eval_poll(e, 1) != 0)
            return NULL;
    }
    return numbers;
}

static int init(struct eval *e, struct grouping *g, const struct word_list *labels,
                enum grouping_kind kind, const struct vector *v)
{
    struct label_map map;
    label_map_init(&map, e->region);
    uint32_t *numbers = number_columns(e, &map, labels, kind, v);
    if (!numbers)
        return -1;
    uint32_t *members = eval_alloc(e, v->n, sizeof(*members));
    *g = (struct grouping){.groups = eval_alloc(e, map.n, sizeof(*g->groups)), .n = map.n};
    if (!members || !g->groups)
        return -1;
    for (size_t i = 0; i < v->n; i++)
        g->groups[numbers[i]].n++;
    for (uint32_t i = 0; i < g->n; i++) {
        g->groups[i].labels = map.keys[i].labels;
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
