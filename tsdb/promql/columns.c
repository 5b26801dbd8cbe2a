#include "tsdb/promql/columns.h"

#include <string.h>

/* Taken at once: few columns of many steps, so that a query near its limit does not fail for what
 * it would not use. */
enum { FIRST_COLUMNS = 16, COLUMNS_MAX = 256, POINTS_MAX = 1 << 16 };

struct column *columns_next(struct eval *e, struct columns *c)
{
    if (c->n_used == c->spare.n) {
        size_t n = size_min(size_max(c->spare.n * 2, FIRST_COLUMNS), COLUMNS_MAX);
        n = size_max(size_min(n, POINTS_MAX / e->steps.n), 1);
        if (eval_new_vector(e, n, &c->spare) != 0)
            return NULL;
        c->n_used = 0;
    }
    if (c->kept.n == c->cap) {
        size_t cap = size_max(c->cap * 2, FIRST_COLUMNS);
        struct column *more = eval_alloc(e, cap, sizeof(*more));
        if (!more)
            return NULL;
        if (c->kept.n > 0)
            memcpy(more, c->kept.items, c->kept.n * sizeof(*more));
        c->kept.items = more;
        c->cap = cap;
    }
    return &c->spare.items[c->n_used];
}

void columns_keep(struct columns *c)
{
    c->kept.items[c->kept.n++] = c->spare.items[c->n_used++];
}
