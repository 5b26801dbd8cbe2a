/* Functions that look at a vector as a whole: between scalars and vectors, order, absence. */
#include "tsdb/promql/eval.h"
#include "tsdb/promql/fn.h"
#include "tsdb/promql/go_sort.h"
#include "tsdb/promql/labelset.h"
#include "tsdb/promql/range_fn.h"

#include <math.h>
#include <stdlib.h>

int fn_vector(struct eval *e, const struct node *call, struct value *ret)
{
    double *scalar;
    ret->type = PROMQL_VECTOR;
    if (eval_scalar(e, call->call.args[0], &scalar) != 0 ||
        eval_new_vector(e, 1, &ret->vector) != 0)
        return -1;
    for (size_t i = 0; i < e->steps.n; i++)
        column_put(&ret->vector.items[0], i, scalar[i]);
    return 0;
}

/* The value of the only series, NaN when there are none or several. */
int fn_scalar(struct eval *e, const struct node *call, struct value *ret)
{
    struct vector v;
    if (eval_vector(e, call->call.args[0], &v) != 0)
        return -1;
    ret->type = PROMQL_SCALAR;
    ret->scalar = eval_alloc(e, e->steps.n, sizeof(*ret->scalar));
    for (size_t i = 0; ret->scalar && i < e->steps.n; i++) {
        size_t n = 0;
        for (size_t k = 0; k < v.n; k++) {
            if (column_has(&v.items[k], i)) {
                ret->scalar[i] = v.items[k].v[i];
                n++;
            }
        }
        if (n != 1)
            ret->scalar[i] = NAN;
        if (eval_poll(e, v.n) != 0)
            return -1;
    }
    return ret->scalar ? 0 : -1;
}

/* --- order: of instant queries alone, matrices are sorted by labels -------------------------- */

/* NaN is last, and of two either is before the other, as there. */
static bool is_less(const void *a, const void *b, void *ctx)
{
    double x = ((const struct column *)a)->v[0], y = ((const struct column *)b)->v[0];
    (void)ctx;
    return isnan(y) || y > x;
}

static bool is_more(const void *a, const void *b, void *ctx)
{
    double x = ((const struct column *)a)->v[0], y = ((const struct column *)b)->v[0];
    (void)ctx;
    return isnan(y) || y < x;
}

static int sort_columns(struct eval *e, const struct node *call, go_less *is_before,
                        struct value *ret)
{
    ret->type = PROMQL_VECTOR;
    if (eval_vector(e, call->call.args[0], &ret->vector) != 0)
        return -1;
    if (eval_may_sort(e, call))
        go_sort(ret->vector.items, ret->vector.n, sizeof(*ret->vector.items), is_before, NULL);
    return 0;
}

int fn_sort(struct eval *e, const struct node *call, struct value *ret)
{
    return sort_columns(e, call, is_less, ret);
}

int fn_sort_desc(struct eval *e, const struct node *call, struct value *ret)
{
    return sort_columns(e, call, is_more, ret);
}

/* --- absence -----------------------------------------------------------------------------------
 */

/* True for a matcher that the store looks at after the others, because it takes away. */
static bool is_subtracting(const struct matcher *m)
{
    return (m->kind == MATCH_NOT_EQUAL || m->kind == MATCH_NOT_REGEX) && matcher_matches_empty(m);
}

static bool has_equal_before(const struct matcher_set *set, const struct matcher *m)
{
    for (const struct matcher *other = set->items; other < m; other++)
        if (other->kind == MATCH_EQUAL &&
            bytes_compare(other->name, other->name_len, m->name, m->name_len) == 0)
            return true;
    return false;
}

/* A label that is demanded by equality is the answer's; any other word about it, a second equality
 * too, takes it away again. Matchers that subtract have the last word, as in Prometheus. */
static int absent_labels(struct eval *e, const struct node *arg, struct labels *ret)
{
    *ret = (struct labels){0};
    arg = node_unwrap(arg);
    if (arg->kind == NODE_RANGE)
        arg = arg->range.selector;
    if (arg->kind != NODE_SELECTOR)
        return 0;
    const struct matcher_set *set = &arg->selector.matchers;
    for (size_t i = 0; i < 2 * set->n; i++) {
        const struct matcher *m = &set->items[i % set->n];
        struct word name = {m->name, m->name_len}, value = {m->value, m->value_len};
        if (is_subtracting(m) != (i >= set->n) ||
            bytes_compare(m->name, m->name_len, "__name__", 8) == 0)
            continue;
        if (m->kind != MATCH_EQUAL || has_equal_before(set, m))
            value.len = 0;
        if (!labelset_set(e->region, ret, name, value, ret))
            return eval_fail_memory(e);
    }
    return 0;
}

static int put_absent(struct eval *e, const struct node *arg, const uint64_t *present,
                      struct value *ret)
{
    ret->type = PROMQL_VECTOR;
    if (eval_new_vector(e, 1, &ret->vector) != 0 ||
        absent_labels(e, arg, &ret->vector.items[0].labels) != 0)
        return -1;
    for (size_t i = 0; i < e->steps.n; i++)
        if (!(present[i / 64] >> (i % 64) & 1))
            column_put(&ret->vector.items[0], i, 1);
    vector_squeeze(&ret->vector, e->steps.n);
    return 0;
}

int fn_absent(struct eval *e, const struct node *call, struct value *ret)
{
    struct vector v;
    size_t n_words = (e->steps.n + 63) / 64;
    uint64_t *present = eval_alloc(e, n_words, sizeof(*present));
    if (!present || eval_vector(e, call->call.args[0], &v) != 0)
        return -1;
    for (size_t k = 0; k < v.n; k++)
        for (size_t w = 0; w < n_words; w++)
            present[w] |= v.items[k].present[w];
    return put_absent(e, call->call.args[0], present, ret);
}

static bool window_is_present(const struct range_window *w, const double *params, double *ret)
{
    (void)w, (void)params;
    *ret = 1;
    return true;
}

int fn_absent_over_time(struct eval *e, const struct node *call, struct value *ret)
{
    struct vector v;
    size_t n_words = (e->steps.n + 63) / 64;
    uint64_t *present = eval_alloc(e, n_words, sizeof(*present));
    if (!present || range_fn_eval_named(e, call, window_is_present, &v) != 0)
        return -1;
    for (size_t k = 0; k < v.n; k++)
        for (size_t w = 0; w < n_words; w++)
            present[w] |= v.items[k].present[w];
    return put_absent(e, call->call.args[0], present, ret);
}
