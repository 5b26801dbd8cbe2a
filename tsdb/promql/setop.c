#include "tsdb/promql/setop.h"

#include "tsdb/promql/signature.h"

#include <string.h>

/* For each signature, the steps at which some column has a point. */
static uint64_t *gather(struct eval *e, const struct vector *v, const uint32_t *numbers,
                        uint32_t n_signatures)
{
    size_t n_words = (e->steps.n + 63) / 64;
    uint64_t *present = eval_alloc(e, (size_t)n_signatures * n_words, sizeof(*present));
    for (size_t k = 0; present && k < v->n; k++)
        for (size_t w = 0; w < n_words; w++)
            present[numbers[k] * n_words + w] |= v->items[k].present[w];
    return present;
}

/* Leaves of each column the points whose signature is present (or, inverted, is not). */
static int filter(struct eval *e, struct vector *v, const uint32_t *numbers,
                  const uint64_t *present, bool is_inverted)
{
    size_t n_words = (e->steps.n + 63) / 64;
    for (size_t k = 0; k < v->n; k++) {
        for (size_t w = 0; w < n_words; w++) {
            uint64_t other = present[numbers[k] * n_words + w];
            v->items[k].present[w] &= is_inverted ? ~other : other;
        }
        if (eval_poll(e, n_words) != 0)
            return -1;
    }
    vector_squeeze(v, e->steps.n);
    return 0;
}

int setop_eval(struct eval *e, const struct binary *b, struct vector *lhs, struct vector *rhs,
               struct vector *ret)
{
    struct signatures s;
    if (signatures_init(e, &s, &b->matching, lhs, rhs) != 0)
        return -1;
    bool is_or = b->op == TOKEN_OR;
    const uint64_t *present =
        is_or ? gather(e, lhs, s.lhs, s.map.n) : gather(e, rhs, s.rhs, s.map.n);
    if (!present)
        return -1;
    *ret = *lhs;
    if (!is_or)
        return filter(e, ret, s.lhs, present, b->op == TOKEN_UNLESS);
    if (filter(e, rhs, s.rhs, present, true) != 0)
        return -1;
    struct column *items = eval_alloc(e, lhs->n + rhs->n, sizeof(*items));
    if (!items)
        return -1;
    if (lhs->n > 0)
        memcpy(items, lhs->items, lhs->n * sizeof(*items));
    if (rhs->n > 0)
        memcpy(items + lhs->n, rhs->items, rhs->n * sizeof(*items));
    *ret = (struct vector){items, lhs->n + rhs->n};
    return eval_merge_equal(e, ret, false);
}
