/* info(v, {matchers}): series get labels of the info series (target_info, when the matchers do not
 * say otherwise) that have the same instance and job.
 *
 * Which info series belong to a series is a question of labels, answered once; which of them is the
 * newest, and so the one that counts, is a question of each step. What a step finds (an info series
 * of each name) is nearly always what the step before found, so the result is remembered with it.
 *
 * 3.5 keeps the identities in a list and takes the nth of it for the nth series that is there at a
 * step: where one has a gap, those behind it get the labels of others. So do we, unless told to
 * answer as main. */
#include "tsdb/promql/eval.h"
#include "tsdb/promql/fn.h"
#include "tsdb/promql/label_map.h"
#include "tsdb/promql/labelset.h"
#include "tsdb/promql/selector.h"

#include <string.h>

#define NONE UINT32_MAX

static const struct word METRIC_NAME = {"__name__", 8};
static struct word identifying_items[] = {{"instance", 8}, {"job", 3}};
static const struct word_list identifying = {identifying_items, 2};

struct info {
    struct eval *e;
    const struct matcher_set *matchers; /* of the info series; the name's among them */
    const struct vector *base;
    struct vector *info;                 /* the times of the samples, in seconds */
    struct label_map names, identities;  /* of info metrics; of instance and job */
    uint32_t *base_identity;             /* by column */
    bool *is_base_info;                  /* by column: not to be enriched */
    uint32_t *info_name, *info_identity; /* by column */
    uint32_t *newest;                    /* by name and identity: the info column of this step */
    size_t *newest_step;                 /* + 1, when that was entered */
    uint32_t *chosen, *remembered;       /* by name: info columns */
    struct label_map result_map;
    struct column *results;
    size_t cap;
    bool drops_unmatched;
};

/* --- when --------------------------------------------------------------------------------------
 */

/* NULL without one. */
static const struct node *first_selector(const struct node *n)
{
    const struct node *found = NULL;
    switch (n->kind) {
    case NODE_NUMBER:
    case NODE_STRING:
        return NULL;
    case NODE_PAREN:
        return first_selector(n->paren);
    case NODE_UNARY:
        return first_selector(n->unary.operand);
    case NODE_BINARY:
        found = first_selector(n->binary.lhs);
        return found ? found : first_selector(n->binary.rhs);
    case NODE_CALL:
        for (uint32_t i = 0; i < n->call.n_args && !found; i++)
            found = first_selector(n->call.args[i]);
        return found;
    case NODE_AGGREGATE:
        return first_selector(n->aggregate.inner);
    case NODE_SELECTOR:
        return n;
    case NODE_RANGE:
        return n->range.selector;
    case NODE_SUBQUERY:
        return first_selector(n->subquery.inner);
    }
    return NULL;
}

static void add_shift(const struct eval *e, const struct shift *s, struct shift *sum)
{
    struct reference ref = eval_reference(e, s);
    if (ref.is_fixed)
        *sum = (struct shift){.at = AT_TIME, .at_ms = ref.fixed_ms};
    else if (sum->at == AT_TIME)
        sum->at_ms = time_sub(sum->at_ms, ref.offset_ms);
    else
        sum->offset.ns += s->offset.ns;
}

/* True when a selector was found: the first one counts. */
static bool find_shift(const struct eval *e, const struct node *n, struct shift *sum)
{
    switch (n->kind) {
    case NODE_NUMBER:
    case NODE_STRING:
        return false;
    case NODE_PAREN:
        return find_shift(e, n->paren, sum);
    case NODE_UNARY:
        return find_shift(e, n->unary.operand, sum);
    case NODE_BINARY:
        return find_shift(e, n->binary.lhs, sum) || find_shift(e, n->binary.rhs, sum);
    case NODE_CALL:
        for (uint32_t i = 0; i < n->call.n_args; i++)
            if (find_shift(e, n->call.args[i], sum))
                return true;
        return false;
    case NODE_AGGREGATE:
        return find_shift(e, n->aggregate.inner, sum);
    case NODE_SELECTOR:
        add_shift(e, &n->selector.shift, sum);
        return true;
    case NODE_RANGE:
        return find_shift(e, n->range.selector, sum);
    case NODE_SUBQUERY: {
        struct shift inner = *sum;
        add_shift(e, &n->subquery.shift, &inner);
        if (!find_shift(e, n->subquery.inner, &inner))
            return false;
        *sum = inner;
        return true;
    }
    }
    return false;
}

/* When the info series for an argument are looked at: its first selector's @ and offset, with those
 * of the subqueries around it. */
static struct shift info_shift(const struct eval *e, const struct node *argument)
{
    struct shift sum = {0};
    if (!find_shift(e, argument, &sum))
        sum = (struct shift){0};
    return sum;
}

/* 3.5 looks at the times of the steps, whatever shifts there are, but reads where the first
 * selector says. What does not depend on time it works out at the first step. */
static int info_times(struct eval *e, const struct node *call, struct vector *ret)
{
    const struct call *c = &call->call;
    if (eval_as_main(e)) {
        c->info->selector.shift = info_shift(e, c->args[0]);
        return selector_eval_times(e, c->info, ret);
    }
    const struct node *first = first_selector(c->args[0]);
    const struct shift none = {0};
    struct reference reads = eval_reference(e, first ? &first->selector.shift : &none);
    struct reference looks = {.is_fixed = !node_depends_on_time(call),
                              .fixed_ms = steps_time(&e->steps, 0)};
    return selector_eval_times_clipped(e, c->info, &looks, &reads, ret);
}

/* --- who ---------------------------------------------------------------------------------------
 */

static bool is_about_name(const struct matcher *m)
{
    return bytes_compare(m->name, m->name_len, METRIC_NAME.bytes, METRIC_NAME.len) == 0;
}

/* Series that are info series themselves stay as they are. */
static bool is_info_series(const struct info *f, const struct labels *ls)
{
    const struct label *name = labelset_name(ls);
    for (size_t i = 0; i < f->matchers->n; i++) {
        const struct matcher *m = &f->matchers->items[i];
        if (!is_about_name(m))
            continue;
        if (!matcher_matches(m, name ? name->value : "", name ? name->value_len : 0))
            return false;
    }
    return true;
}

static bool put_identity(struct info *f, const struct labels *ls, uint32_t *ret)
{
    struct labels key;
    bool is_new;
    return labelset_keep(f->e->region, ls, &identifying, &key) &&
           label_map_put(&f->identities, &key, ret, &is_new);
}

/* The identifying label alone. */
static bool keep_one(struct info *f, const struct labels *ls, uint32_t i, struct labels *ret)
{
    const struct word_list only = {&identifying_items[i], 1};
    return labelset_keep(f->e->region, ls, &only, ret);
}

/* Numbers the base series, and gathers the values of each identifying label. */
static int number_base(struct info *f, struct label_map *values, bool *has_values)
{
    f->base_identity = eval_alloc(f->e, f->base->n, sizeof(*f->base_identity));
    f->is_base_info = eval_alloc(f->e, f->base->n, sizeof(*f->is_base_info));
    if (!f->base_identity || !f->is_base_info)
        return -1;
    for (size_t k = 0; k < f->base->n; k++) {
        const struct labels *ls = &f->base->items[k].labels;
        f->is_base_info[k] = is_info_series(f, ls);
        if (!put_identity(f, ls, &f->base_identity[k]))
            return eval_fail_memory(f->e);
        if (f->is_base_info[k])
            continue;
        for (uint32_t i = 0; i < identifying.n; i++) {
            struct labels one;
            uint32_t number;
            bool is_new;
            if (!keep_one(f, ls, i, &one))
                return eval_fail_memory(f->e);
            has_values[i] = has_values[i] || one.n > 0;
            if (one.n > 0 && !label_map_put(values, &one, &number, &is_new))
                return eval_fail_memory(f->e);
        }
        if (eval_poll(f->e, 1) != 0)
            return -1;
    }
    return 0;
}

/* True when each identifying label that some base series has, has a value that some base series
 * has. */
static bool may_have_partner(const struct label_map *values, const bool *has_values,
                             const struct labels *ls)
{
    bool has_any = false;
    for (uint32_t i = 0; i < identifying.n; i++) {
        const struct word *w = &identifying.items[i];
        const struct label *l = labels_get(ls, w->bytes, w->len);
        if (!has_values[i])
            continue;
        has_any = true;
        struct label one = l ? *l : (struct label){0};
        if (!l || !label_map_has(values, &(struct labels){&one, 1}))
            return false;
    }
    return has_any;
}

/* Leaves out who cannot belong to any. */
static int number_info(struct info *f, const struct label_map *values, const bool *has_values)
{
    size_t n = 0;
    f->info_name = eval_alloc(f->e, f->info->n, sizeof(*f->info_name));
    f->info_identity = eval_alloc(f->e, f->info->n, sizeof(*f->info_identity));
    if (!f->info_name || !f->info_identity)
        return -1;
    for (size_t k = 0; k < f->info->n; k++) {
        const struct labels *ls = &f->info->items[k].labels;
        static struct word name[] = {{"__name__", 8}};
        const struct word_list only_name = {name, 1};
        struct labels name_only;
        bool is_new;
        if (eval_poll(f->e, 1) != 0)
            return -1;
        if (!may_have_partner(values, has_values, ls))
            continue;
        if (!labelset_keep(f->e->region, ls, &only_name, &name_only) ||
            !label_map_put(&f->names, &name_only, &f->info_name[n], &is_new) ||
            !put_identity(f, ls, &f->info_identity[n]))
            return eval_fail_memory(f->e);
        f->info->items[n++] = f->info->items[k];
    }
    f->info->n = n;
    return 0;
}

/* --- each step ---------------------------------------------------------------------------------
 */

static int fail_duplicate(struct info *f, uint32_t existing, uint32_t added, size_t step)
{
    const uint32_t columns[] = {existing, added};
    struct textbuf b;
    textbuf_init(&b, f->e->region);
    if (!eval_as_main(f->e)) {
        const struct label *name = labelset_name(&f->info->items[added].labels);
        textbuf_puts(&b, "found duplicate series for info metric ");
        textbuf_add(&b, name ? name->value : "", name ? name->value_len : 0);
        return eval_fail(f->e, PROMQL_ERR_EXECUTION, textbuf_finish(&b));
    }
    textbuf_puts(&b, "found duplicate series for info metric: existing ");
    for (size_t i = 0; i < 2; i++) {
        const struct column *c = &f->info->items[columns[i]];
        textbuf_puts(&b, i == 0 ? "" : ", new ");
        labelset_text(&b, &c->labels);
        textbuf_printf(&b, " @ %lld", (long long)(c->v[step] * 1000));
    }
    return eval_fail(f->e, PROMQL_ERR_EXECUTION, textbuf_finish(&b));
}

/* The newest info series of each name and identity at the step. */
static int enter_info(struct info *f, size_t step)
{
    uint32_t n_there = 0;
    for (uint32_t k = 0; k < f->info->n; k++) {
        const struct column *c = &f->info->items[k];
        if (!column_has(c, step))
            continue;
        uint32_t of = eval_as_main(f->e) ? k : n_there++;
        size_t slot = (size_t)f->info_name[of] * f->identities.n + f->info_identity[of];
        uint32_t *newest = &f->newest[slot];
        if (f->newest_step[slot] == step + 1) {
            double known = f->info->items[*newest].v[step];
            if (known == c->v[step])
                return fail_duplicate(f, *newest, k, step);
            if (known > c->v[step])
                continue;
        }
        f->newest_step[slot] = step + 1;
        *newest = k;
    }
    return 0;
}

/* True when the matchers let the label through. */
static bool is_wanted(const struct info *f, const struct label *l)
{
    bool has_any = false;
    for (size_t i = 0; i < f->matchers->n; i++) {
        const struct matcher *m = &f->matchers->items[i];
        if (is_about_name(m))
            continue;
        has_any = true;
        if (bytes_compare(m->name, m->name_len, l->name, l->name_len) == 0)
            return true;
    }
    return !has_any;
}

static int fail_conflict(struct info *f, const struct label *l)
{
    struct textbuf b;
    textbuf_init(&b, f->e->region);
    textbuf_puts(&b, "conflicting label: ");
    textbuf_add(&b, l->name, l->name_len);
    return eval_fail(f->e, PROMQL_ERR_EXECUTION, textbuf_finish(&b));
}

/* The labels of base with those of the chosen info series; what base has itself stays. */
static int enrich(struct info *f, const struct labels *base, struct labels *ret)
{
    struct region *r = f->e->region;
    struct labels added = {0};
    *ret = *base;
    for (uint32_t name = 0; name < f->names.n; name++) {
        if (f->chosen[name] == NONE)
            continue;
        const struct labels *from = &f->info->items[f->chosen[name]].labels;
        for (uint32_t i = 0; i < from->n; i++) {
            const struct label *l = &from->items[i];
            const struct label *known = labels_get(&added, l->name, l->name_len);
            struct word key = {l->name, l->name_len}, value = {l->value, l->value_len};
            if (labelset_is_name(l) || !is_wanted(f, l))
                continue;
            if (known && bytes_compare(known->value, known->value_len, l->value, l->value_len) != 0)
                return fail_conflict(f, l);
            if (known || labels_get(base, l->name, l->name_len))
                continue;
            if (!labelset_set(r, &added, key, value, &added) ||
                !labelset_set(r, ret, key, value, ret))
                return eval_fail_memory(f->e);
        }
    }
    return 0;
}

static int grow_results(struct info *f, uint32_t n)
{
    struct vector more;
    if (n < f->cap)
        return 0;
    size_t cap = f->cap ? f->cap * 2 : size_max(f->base->n, 16);
    if (eval_new_vector(f->e, cap, &more) != 0)
        return -1;
    if (f->cap > 0)
        memcpy(more.items, f->results, f->cap * sizeof(*more.items));
    f->results = more.items;
    f->cap = cap;
    return 0;
}

static int put_result(struct info *f, const struct column *base, const struct labels *labels,
                      uint32_t *ret)
{
    bool is_new;
    if (!label_map_put(&f->result_map, labels, ret, &is_new))
        return eval_fail_memory(f->e);
    if (!is_new)
        return 0;
    if (grow_results(f, *ret) != 0)
        return -1;
    f->results[*ret].labels = *labels;
    f->results[*ret].drops_name = base->drops_name && eval_as_main(f->e);
    return 0;
}

/* Sets chosen for an identity; false when no info series is there at the step. */
static bool choose(struct info *f, uint32_t identity, size_t step)
{
    bool has_any = false;
    for (uint32_t name = 0; name < f->names.n; name++) {
        size_t slot = (size_t)name * f->identities.n + identity;
        bool is_there = identity != NONE && f->newest_step[slot] == step + 1;
        f->chosen[name] = is_there ? f->newest[slot] : NONE;
        has_any = has_any || is_there;
    }
    return has_any;
}

/* One base series at one step: *result is that of the step before, or NONE. */
static int combine_point(struct info *f, const struct column *base, uint32_t identity, size_t step,
                         uint32_t *result)
{
    bool has_any = choose(f, identity, step);
    size_t bytes = f->names.n * sizeof(*f->chosen);
    if (!has_any && identity != NONE && f->drops_unmatched)
        return 0;
    if (*result == NONE || memcmp(f->chosen, f->remembered, bytes) != 0) {
        struct labels labels;
        if (enrich(f, &base->labels, &labels) != 0 || put_result(f, base, &labels, result) != 0)
            return -1;
        memcpy(f->remembered, f->chosen, bytes);
    }
    struct column *c = &f->results[*result];
    if (column_has(c, step))
        return eval_fail(f->e, PROMQL_ERR_EXECUTION,
                         "vector cannot contain metrics with the same labelset");
    column_put(c, step, base->v[step]);
    return 0;
}

static int combine(struct info *f)
{
    uint32_t *results = eval_alloc(f->e, f->base->n, sizeof(*results));
    uint32_t *remembered = eval_alloc(f->e, f->base->n * (f->names.n + 1), sizeof(*remembered));
    if (!results || !remembered)
        return -1;
    for (size_t k = 0; k < f->base->n; k++)
        results[k] = NONE;
    for (size_t step = 0; step < f->e->steps.n; step++) {
        size_t n_there = 0;
        if (enter_info(f, step) != 0)
            return -1;
        for (size_t k = 0; k < f->base->n; k++) {
            f->remembered = remembered + k * f->names.n;
            if (!column_has(&f->base->items[k], step))
                continue;
            size_t of = eval_as_main(f->e) ? k : n_there++;
            uint32_t identity = f->is_base_info[k] ? NONE : f->base_identity[of];
            if (combine_point(f, &f->base->items[k], identity, step, &results[k]) != 0)
                return -1;
        }
        if (eval_poll(f->e, f->base->n + f->info->n) != 0)
            return -1;
    }
    return 0;
}

static int prepare(struct info *f)
{
    struct label_map values;
    bool has_values[2] = {false, false};
    label_map_init(&values, f->e->region);
    label_map_init(&f->names, f->e->region);
    label_map_init(&f->identities, f->e->region);
    label_map_init(&f->result_map, f->e->region);
    if (number_base(f, &values, has_values) != 0 || number_info(f, &values, has_values) != 0)
        return -1;
    size_t n_slots;
    if (matcher_set_has_failed(f->matchers) || mul_overflows(f->names.n, f->identities.n, &n_slots))
        return eval_fail_memory(f->e);
    f->newest = eval_alloc(f->e, n_slots, sizeof(*f->newest));
    f->newest_step = eval_alloc(f->e, n_slots, sizeof(*f->newest_step));
    f->chosen = eval_alloc(f->e, f->names.n, sizeof(*f->chosen));
    for (size_t i = 0; i < f->matchers->n; i++)
        f->drops_unmatched = f->drops_unmatched || (!is_about_name(&f->matchers->items[i]) &&
                                                    !matcher_matches_empty(&f->matchers->items[i]));
    return f->newest && f->newest_step && f->chosen ? 0 : -1;
}

int fn_info(struct eval *e, const struct node *call, struct value *ret)
{
    const struct call *c = &call->call;
    struct vector base, info;
    ret->type = PROMQL_VECTOR;
    ret->vector = (struct vector){0};
    if (eval_vector(e, c->args[0], &base) != 0 || info_times(e, call, &info) != 0)
        return -1;
    struct info f = {.e = e, .matchers = &c->info->selector.matchers, .base = &base, .info = &info};
    if (prepare(&f) != 0 || combine(&f) != 0)
        return -1;
    ret->vector = (struct vector){f.results, f.result_map.n};
    return 0;
}
