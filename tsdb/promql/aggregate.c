/* A series is folded into its group as soon as it is evaluated (fold.h, stream.h), so that the
 * memory is that of the groups. Within a group series come in the order of evaluation: a sum is the
 * same as if all of them had been there.
 *
 * The operators that rank or count values, and a quantile, need all of a group's values. */
#include "tsdb/promql/aggregate.h"

#include "tsdb/promql/columns.h"
#include "tsdb/promql/count_values.h"
#include "tsdb/promql/fold.h"
#include "tsdb/promql/grouping.h"
#include "tsdb/promql/limit.h"
#include "tsdb/promql/quantile.h"
#include "tsdb/promql/stream.h"
#include "tsdb/promql/topk.h"

#include <string.h>

struct folding {
    struct eval *e;
    const struct folder *folder;
    struct group_keys keys;
    struct columns results; /* by group */
    struct fold *folds;     /* by group */
    size_t cap;             /* of folds */
};

/* Room for the fold of one more group. */
static bool grow(struct folding *f)
{
    if (f->results.kept.n < f->cap)
        return true;
    size_t cap = f->cap ? 2 * f->cap : 4;
    struct fold *more = region_calloc(f->e->region, cap, sizeof(*more));
    if (!more)
        return false;
    if (f->cap > 0)
        memcpy(more, f->folds, f->cap * sizeof(*more));
    f->folds = more;
    f->cap = cap;
    return true;
}

static int add_group(struct folding *f, uint32_t number)
{
    struct eval *e = f->e;
    struct column *c = columns_next(e, &f->results);
    if (!c)
        return -1;
    if (!grow(f))
        return eval_fail_memory(e);
    struct fold *fold = &f->folds[number];
    *fold = (struct fold){.v = c->v, .present = c->present};
    for (uint32_t i = 0; i < f->folder->n_planes; i++) {
        fold->planes[i] = region_alloc(e->region, e->steps.n * sizeof(double));
        if (!fold->planes[i])
            return eval_fail_memory(e);
    }
    c->labels = f->keys.map.keys[number].labels;
    columns_keep(&f->results);
    return 0;
}

static int fold_column(void *ctx, struct column *c)
{
    struct folding *f = ctx;
    uint32_t number;
    bool is_new;
    if (!group_keys_put(&f->keys, &c->labels, &number, &is_new))
        return eval_fail_memory(f->e);
    if (is_new && add_group(f, number) != 0)
        return -1;
    struct column *result = &f->results.kept.items[number];
    result->drops_name = result->drops_name || c->drops_name;
    f->folder->add(&f->folds[number], c, f->e->steps.n);
    return eval_poll(f->e, f->e->steps.n);
}

static int fold_all(struct eval *e, const struct folder *folder, const struct aggregate *a,
                    bool is_whole, struct vector *ret, bool *ret_is_ambiguous)
{
    struct folding f = {.e = e, .folder = folder};
    group_keys_init(&f.keys, e->region, &a->labels, a->is_without ? GROUP_WITHOUT : GROUP_BY,
                    LABEL_MAP_COPIES_TEXTS);
    const struct stream_visitor visitor = {
        .visit = fold_column, .ctx = &f, .needs_labels = a->is_without || a->labels.n > 0};
    if (stream_each(e, a->inner, is_whole, &visitor, ret_is_ambiguous) != 0)
        return -1;
    for (size_t i = 0; i < f.results.kept.n; i++)
        folder->finish(&f.folds[i], e->steps.n);
    *ret = f.results.kept;
    return 0;
}

static int eval_folding(struct eval *e, const struct folder *folder, const struct aggregate *a,
                        struct vector *ret)
{
    bool is_ambiguous;
    if (fold_all(e, folder, a, false, ret, &is_ambiguous) != 0)
        return -1;
    return is_ambiguous ? fold_all(e, folder, a, true, ret, &is_ambiguous) : 0;
}

static int eval_parameter(struct eval *e, const struct aggregate *a, struct value *ret)
{
    bool was_in_parameter = e->is_in_parameter;
    e->is_in_parameter = true;
    int err = a->param ? eval_node(e, a->param, ret) : 0;
    e->is_in_parameter = was_in_parameter;
    return err;
}

int aggregate_eval(struct eval *e, const struct node *n, struct vector *ret)
{
    const struct aggregate *a = &n->aggregate;
    const struct folder *folder = folder_find(a->op);
    struct value param = {0};
    struct vector v;
    struct grouping g;
    if (folder)
        return eval_folding(e, folder, a, ret);
    if (eval_parameter(e, a, &param) != 0 || eval_vector(e, a->inner, &v) != 0 ||
        grouping_init(e, &g, &a->labels, a->is_without, &v) != 0)
        return -1;
    if (param.type == PROMQL_SCALAR && a->param && !node_depends_on_time(a->inner))
        for (size_t i = 1; i < e->steps.n; i++)
            param.scalar[i] = param.scalar[0];
    switch (a->op) {
    case TOKEN_QUANTILE:
        return quantile_eval(e, &g, &v, param.scalar, node_argument_pos(a->param), ret);
    case TOKEN_TOPK:
    case TOKEN_BOTTOMK:
        return topk_eval(e, &g, &v, param.scalar, a->op == TOKEN_BOTTOMK, eval_may_sort(e, n), ret);
    case TOKEN_LIMITK:
        return limit_k_eval(e, &g, &v, param.scalar, eval_may_sort(e, n), ret);
    case TOKEN_LIMIT_RATIO:
        return limit_ratio_eval(e, &g, &v, param.scalar, node_argument_pos(a->param),
                                eval_may_sort(e, n), ret);
    default:
        assert(a->op == TOKEN_COUNT_VALUES);
        return count_values_eval(e, a, &g, &v, param.string, ret);
    }
}
