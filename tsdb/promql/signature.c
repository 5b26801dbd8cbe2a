#include "tsdb/promql/signature.h"

#include "tsdb/promql/labelset.h"

static uint32_t *number_columns(struct eval *e, struct label_map *map, const struct matching *m,
                                const struct vector *v)
{
    struct labelset_row row = {0};
    uint32_t *numbers = eval_alloc(e, v->n, sizeof(*numbers));
    for (size_t i = 0; numbers && i < v->n; i++) {
        struct labels key = {0};
        bool is_new;
        const struct labels *ls = &v->items[i].labels;
        bool is_good = labelset_row_fit(e->region, &row, ls->n);
        if (is_good)
            key = m->is_on ? labelset_keep_in(row.items, ls, &m->labels)
                           : labelset_drop_in(row.items, ls, &m->labels, true);
        if (!is_good || !label_map_put(map, &key, &numbers[i], &is_new)) {
            eval_fail_memory(e);
            return NULL;
        }
        if (eval_poll(e, ls->n) != 0)
            return NULL;
    }
    return numbers;
}

int signatures_init(struct eval *e, struct signatures *s, const struct matching *m,
                    const struct vector *lhs, const struct vector *rhs)
{
    label_map_init(&s->map, e->region);
    s->map.keeps = LABEL_MAP_COPIES_ROWS;
    s->lhs = number_columns(e, &s->map, m, lhs);
    s->rhs = s->lhs ? number_columns(e, &s->map, m, rhs) : NULL;
    return s->rhs ? 0 : -1;
}
