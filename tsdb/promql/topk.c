/* A heap of the best so far, the worst of them on top: a value that is strictly better takes its
 * place, so that of equals the earlier series stay. NaN is worse than anything. */
#include "tsdb/promql/topk.h"

#include "tsdb/promql/float_text.h"
#include "tsdb/promql/go_sort.h"

#include <math.h>

struct entry {
    double v;
    uint32_t column;
};

struct ranking {
    struct entry *entries;
    size_t n;
    bool is_bottom;
};

/* True when a is to be dropped before b. */
static bool is_worse(const struct ranking *r, double a, double b)
{
    if (isnan(a))
        return true;
    return r->is_bottom ? a > b : a < b;
}

static void swap(struct entry *a, struct entry *b)
{
    struct entry c = *a;
    *a = *b;
    *b = c;
}

static void sift_up(struct ranking *r, size_t i)
{
    while (i > 0 && is_worse(r, r->entries[i].v, r->entries[(i - 1) / 2].v)) {
        swap(&r->entries[i], &r->entries[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
}

static void sift_down(struct ranking *r, size_t i)
{
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= r->n)
            break;
        if (child + 1 < r->n && is_worse(r, r->entries[child + 1].v, r->entries[child].v))
            child++;
        if (!is_worse(r, r->entries[child].v, r->entries[i].v))
            break;
        swap(&r->entries[i], &r->entries[child]);
        i = child;
    }
}

static void offer(struct ranking *r, size_t k, struct entry entry)
{
    if (r->n < k) {
        r->entries[r->n++] = entry;
        sift_up(r, r->n - 1);
    } else if (is_worse(r, r->entries[0].v, entry.v) && !isnan(entry.v)) {
        r->entries[0] = entry;
        sift_down(r, 0);
    }
}

static bool is_first(const void *a, const void *b, void *ranking)
{
    return is_worse(ranking, ((const struct entry *)b)->v, ((const struct entry *)a)->v);
}

static void sort_best_first(struct ranking *r)
{
    go_sort(r->entries, r->n, sizeof(*r->entries), is_first, r);
}

static int fail_k(struct eval *e, double k, const char *how)
{
    char number[FLOAT_TEXT_MAX];
    float_text_general(k, number);
    return eval_fail(e, PROMQL_ERR_EXECUTION,
                     region_printf(e->region, "Scalar value %s %s int64", number, how));
}

/* 3.5 looks at one step after the other, where there is something to rank, and NaN is too large for
 * it. */
static int check_each_k(struct eval *e, const struct vector *v, const double *k)
{
    for (size_t i = 0; i < e->steps.n; i++)
        if (!(k[i] >= -0x1p63 && k[i] < 0x1p63) && vector_has_step(v, i))
            return fail_k(e, k[i], "overflows");
    return 0;
}

int topk_check_k(struct eval *e, const struct vector *v, const double *k, bool allows_nan,
                 double *ret_max)
{
    double max = NAN, min = NAN;
    bool has_nan = false;
    for (size_t i = 0; i < e->steps.n; i++) {
        has_nan = has_nan || isnan(k[i]);
        max = isnan(max) || k[i] > max ? k[i] : max;
        min = isnan(min) || k[i] < min ? k[i] : min;
    }
    *ret_max = max;
    if (!eval_as_main(e))
        return max < 1 && !has_nan ? 0 : check_each_k(e, v, k);
    if (isnan(max) || (has_nan && !allows_nan))
        return eval_fail(e, PROMQL_ERR_EXECUTION, "Parameter value is NaN");
    if (max < 1)
        return 0;
    bool is_under = min <= -0x1p63;
    if (!is_under && max < 0x1p63)
        return 0;
    return fail_k(e, is_under ? min : max, is_under ? "underflows" : "overflows");
}

/* Ranks one group at one step; entries are left in heap order. */
static void rank(struct ranking *r, const struct group *g, const struct vector *v, size_t step,
                 size_t k)
{
    r->n = 0;
    for (uint32_t i = 0; i < g->n; i++) {
        const struct column *c = &v->items[g->members[i]];
        if (column_has(c, step))
            offer(r, k, (struct entry){c->v[step], g->members[i]});
    }
}

size_t topk_limit(double k, size_t n)
{
    return !(k >= 1) ? 0 : k >= (double)n ? n : (size_t)k;
}

/* As at the first step: columns of the best in order. */
static int eval_ordered(struct eval *e, const struct grouping *g, struct vector *v, double k,
                        struct ranking *r, struct vector *ret)
{
    ret->items = eval_alloc(e, v->n, sizeof(*ret->items));
    if (!ret->items)
        return -1;
    for (uint32_t i = 0; i < g->n; i++) {
        rank(r, &g->groups[i], v, 0, topk_limit(k, v->n));
        sort_best_first(r);
        for (size_t j = 0; j < r->n; j++)
            ret->items[ret->n++] = v->items[r->entries[j].column];
        if (eval_poll(e, g->groups[i].n) != 0)
            return -1;
    }
    return 0;
}

/* Takes the points of a group's others away. */
static void keep_best(struct ranking *r, const struct group *g, struct vector *v, size_t step,
                      size_t k)
{
    r->n = 0;
    if (k > 0)
        rank(r, g, v, step, k);
    for (uint32_t i = 0; i < g->n; i++)
        column_clear(&v->items[g->members[i]], step);
    for (size_t j = 0; j < r->n; j++)
        column_put(&v->items[r->entries[j].column], step, r->entries[j].v);
}

int topk_order_as_heap(struct eval *e, const struct grouping *g, const struct vector *v,
                       struct vector *ret)
{
    struct ranking r = {.entries = eval_alloc(e, v->n, sizeof(*r.entries))};
    ret->items = eval_alloc(e, v->n, sizeof(*ret->items));
    ret->n = 0;
    if (!r.entries || !ret->items)
        return -1;
    for (uint32_t i = 0; i < g->n; i++) {
        rank(&r, &g->groups[i], v, 0, v->n);
        for (size_t j = 0; j < r.n; j++)
            ret->items[ret->n++] = v->items[r.entries[j].column];
        if (eval_poll(e, g->groups[i].n) != 0)
            return -1;
    }
    return 0;
}

int topk_eval(struct eval *e, const struct grouping *g, struct vector *v, const double *k,
              bool is_bottom, bool is_ordered, struct vector *ret)
{
    struct ranking r = {.is_bottom = is_bottom};
    double max;
    *ret = (struct vector){0};
    if (v->n == 0) /* then k may be anything */
        return 0;
    r.entries = eval_alloc(e, v->n, sizeof(*r.entries));
    if (!r.entries || topk_check_k(e, v, k, true, &max) != 0)
        return -1;
    if (max < 1)
        return 0;
    if (is_ordered)
        return eval_ordered(e, g, v, k[0], &r, ret);
    for (size_t step = 0; step < e->steps.n; step++) {
        for (uint32_t i = 0; i < g->n; i++)
            keep_best(&r, &g->groups[i], v, step, topk_limit(k[step], v->n));
        if (eval_poll(e, v->n) != 0)
            return -1;
    }
    *ret = *v;
    vector_squeeze(ret, e->steps.n);
    return 0;
}
