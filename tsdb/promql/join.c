/* Who belongs to whom is a question of labels and has one answer for all steps, but whether two
 * series of one side collide is a question of each step: they may take turns. So signatures and
 * result labels are worked out once, and each step enters its "one" side in a table by signature,
 * stamped with the step's number so that it need not be cleared. */
#include "tsdb/promql/join.h"

#include "tsdb/promql/arith.h"
#include "tsdb/promql/binop.h"
#include "tsdb/promql/labelset.h"
#include "tsdb/promql/signature.h"

#include <string.h>

struct partner {
    size_t step; /* + 1, of the last step at which it was present */
    uint32_t column;
    size_t found_step; /* + 1, of the last step at which the other side had its signature */
};

/* The result column of a pair; the pairs of a series seldom change. */
struct memo {
    uint32_t one; /* + 1, 0 = none yet */
    uint32_t result;
};

struct join {
    struct eval *e;
    const struct binary *b;
    const struct vector *many, *one;
    const uint32_t *many_numbers, *one_numbers;
    const struct label_map *signatures;
    struct partner *partners; /* by signature */
    struct memo *memos;       /* by column of many */
    struct label_map result_map;
    struct column *results; /* by number in result_map */
    uint32_t *result_from;  /* by result: signature of its last point, see check_single */
    size_t cap;
    bool is_swapped;                    /* many is the right side */
    const double *fill_many, *fill_one; /* what stands for a side that is missing, or NULL */
};

static int fail_duplicate(struct join *j, uint32_t signature, size_t one, size_t other)
{
    const char *texts[2];
    size_t columns[2] = {one, other};
    for (size_t i = 0; i < 2; i++) {
        struct textbuf b;
        textbuf_init(&b, j->e->region);
        labelset_text(&b, &j->one->items[columns[i]].labels);
        texts[i] = textbuf_finish(&b);
    }
    struct textbuf b;
    textbuf_init(&b, j->e->region);
    textbuf_puts(&b, "found duplicate series for the match group ");
    labelset_text(&b, &j->signatures->keys[signature].labels);
    textbuf_puts(&b, j->is_swapped ? " on the left" : " on the right");
    textbuf_puts(&b, " hand-side of the operation: [");
    if (!texts[0] || !texts[1])
        return eval_fail_memory(j->e);
    bool is_sorted = !eval_as_main(j->e) || strcmp(texts[0], texts[1]) <= 0;
    textbuf_puts(&b, texts[!is_sorted]);
    textbuf_puts(&b, ", ");
    textbuf_puts(&b, texts[is_sorted]);
    textbuf_puts(&b, "];many-to-many matching not allowed: matching labels must be unique on one "
                     "side");
    return eval_fail(j->e, PROMQL_ERR_EXECUTION, textbuf_finish(&b));
}

/* Enters the one side's points of a step. */
static int enter_partners(struct join *j, size_t step)
{
    for (size_t k = 0; k < j->one->n; k++) {
        if (!column_has(&j->one->items[k], step))
            continue;
        struct partner *p = &j->partners[j->one_numbers[k]];
        if (p->step == step + 1)
            return fail_duplicate(j, j->one_numbers[k], k, p->column);
        p->step = step + 1;
        p->column = (uint32_t)k;
    }
    return 0;
}

static bool make_labels(struct join *j, const struct labels *many, const struct labels *one,
                        struct labels *ret)
{
    struct region *r = j->e->region;
    const struct matching *m = &j->b->matching;
    *ret = *many;
    bool is_marked = j->b->returns_bool && eval_delays_names(j->e);
    if (binop_drops_name(j->b) && !is_marked && !labelset_drop_metadata(r, ret))
        return false;
    if (m->card == CARD_ONE_TO_ONE)
        return m->is_on ? labelset_keep(r, ret, &m->labels, ret)
                        : labelset_drop(r, ret, &m->labels, false, ret);
    for (uint32_t i = 0; i < m->include.n; i++) {
        struct word name = m->include.items[i];
        const struct label *l = labels_get(one, name.bytes, name.len);
        struct word value = {l ? l->value : NULL, l ? l->value_len : 0};
        if (!labelset_set(r, ret, name, value, ret))
            return false;
    }
    return true;
}

/* Room for one more result column. */
static int grow_results(struct join *j, uint32_t n)
{
    if (n < j->cap)
        return 0;
    size_t cap = j->cap ? j->cap * 2 : size_max(j->many->n, 16);
    struct vector more;
    uint32_t *from = eval_alloc(j->e, cap, sizeof(*from));
    if (!from || eval_new_vector(j->e, cap, &more) != 0)
        return -1;
    for (size_t i = 0; i < j->cap; i++) {
        more.items[i] = j->results[i];
        from[i] = j->result_from[i];
    }
    j->results = more.items;
    j->result_from = from;
    j->cap = cap;
    return 0;
}

/* The result column of two label sets. */
static int put_result(struct join *j, const struct labels *many, const struct labels *one,
                      uint32_t *ret)
{
    struct labels labels;
    bool is_new;
    if (!make_labels(j, many, one, &labels) ||
        !label_map_put(&j->result_map, &labels, ret, &is_new))
        return eval_fail_memory(j->e);
    if (is_new) {
        if (grow_results(j, *ret) != 0)
            return -1;
        j->results[*ret].labels = labels;
        j->results[*ret].drops_name = j->b->returns_bool;
    }
    return 0;
}

static int find_result(struct join *j, size_t many, uint32_t one, uint32_t *ret)
{
    struct memo *memo = &j->memos[many];
    bool depends_on_one = j->b->matching.include.n > 0;
    if (memo->one != 0 && (memo->one == one + 1 || !depends_on_one)) {
        *ret = memo->result;
        return 0;
    }
    if (put_result(j, &j->many->items[many].labels, &j->one->items[one].labels, ret) != 0)
        return -1;
    *memo = (struct memo){.one = one + 1, .result = *ret};
    return 0;
}

/* A second one that finds a partner where only one may; to main and to fill also one that a
 * comparison filters out. */
static int check_explicit(struct join *j, struct partner *p, size_t step)
{
    bool is_second = p->found_step == step + 1;
    p->found_step = step + 1;
    if (!is_second || j->b->matching.card != CARD_ONE_TO_ONE)
        return 0;
    return eval_fail(j->e, PROMQL_ERR_EXECUTION,
                     "multiple matches for labels: many-to-one matching must be explicit "
                     "(group_left/group_right)");
}

/* Two pairs gave one result at one step: what to say depends on how they were matched. */
static int check_single(struct join *j, uint32_t signature, uint32_t result, size_t step)
{
    bool is_one_to_one = j->b->matching.card == CARD_ONE_TO_ONE;
    if (!column_has(&j->results[result], step))
        return 0;
    if (!is_one_to_one && j->result_from[result] == signature)
        return eval_fail(j->e, PROMQL_ERR_EXECUTION,
                         "multiple matches for labels: grouping labels must ensure unique "
                         "matches");
    return eval_fail(j->e, PROMQL_ERR_EXECUTION,
                     "vector cannot contain metrics with the same labelset");
}

/* The value of a pair; false when a comparison filters it out. */
static bool apply(const struct join *j, double many, double one, double *ret)
{
    bool keeps;
    *ret = j->is_swapped ? arith_apply(j->b->op, one, many, &keeps)
                         : arith_apply(j->b->op, many, one, &keeps);
    if (j->b->returns_bool)
        *ret = keeps;
    return keeps || j->b->returns_bool;
}

static int put_point(struct join *j, uint32_t signature, uint32_t result, size_t step, double v)
{
    if (check_single(j, signature, result, step) != 0)
        return -1;
    column_put(&j->results[result], step, v);
    j->result_from[result] = signature;
    return 0;
}

static int join_step(struct join *j, size_t step)
{
    bool counts_filtered = eval_as_main(j->e) || j->fill_one || j->fill_many;
    for (size_t k = 0; k < j->many->n; k++) {
        const struct column *many = &j->many->items[k];
        uint32_t signature = j->many_numbers[k], result;
        struct partner *p = &j->partners[signature];
        bool has_partner = p->step == step + 1;
        double v;
        if (!column_has(many, step) || (!has_partner && !j->fill_one))
            continue;
        double one = has_partner ? j->one->items[p->column].v[step] : *j->fill_one;
        bool keeps = apply(j, many->v[step], one, &v);
        if (!keeps && !counts_filtered)
            continue;
        if (check_explicit(j, p, step) != 0)
            return -1;
        if (!keeps)
            continue;
        if (has_partner
                ? find_result(j, k, p->column, &result)
                : put_result(j, &many->labels, &j->signatures->keys[signature].labels, &result))
            return -1;
        if (put_point(j, signature, result, step, v) != 0)
            return -1;
    }
    return 0;
}

/* fill: what of the one side nobody has found meets the value that stands for the many side. */
static int join_unfound(struct join *j, size_t step)
{
    for (size_t k = 0; k < j->one->n && j->fill_many; k++) {
        const struct column *one = &j->one->items[k];
        uint32_t signature = j->one_numbers[k], result;
        struct partner *p = &j->partners[signature];
        double v;
        if (!column_has(one, step) || p->found_step == step + 1 ||
            !apply(j, *j->fill_many, one->v[step], &v))
            continue;
        if (put_result(j, &j->signatures->keys[signature].labels, &one->labels, &result) != 0 ||
            put_point(j, signature, result, step, v) != 0)
            return -1;
    }
    return 0;
}

static bool has_point(const struct vector *v, size_t step)
{
    for (size_t k = 0; k < v->n; k++)
        if (column_has(&v->items[k], step))
            return true;
    return false;
}

int join_eval(struct eval *e, const struct binary *b, const struct vector *lhs,
              const struct vector *rhs, struct vector *ret)
{
    const struct matching *m = &b->matching;
    bool has_fill = m->fill_left || m->fill_right;
    *ret = (struct vector){0};
    if ((lhs->n == 0 || rhs->n == 0) && !has_fill)
        return 0;
    if (token_is_trim(b->op))
        return binop_refuse_floats(e, b);
    struct signatures s;
    if (signatures_init(e, &s, m, lhs, rhs) != 0)
        return -1;
    bool is_swapped = m->card == CARD_ONE_TO_MANY;
    struct join j = {.e = e,
                     .b = b,
                     .many = is_swapped ? rhs : lhs,
                     .one = is_swapped ? lhs : rhs,
                     .many_numbers = is_swapped ? s.rhs : s.lhs,
                     .one_numbers = is_swapped ? s.lhs : s.rhs,
                     .signatures = &s.map,
                     .is_swapped = is_swapped,
                     .fill_many = is_swapped ? m->fill_right : m->fill_left,
                     .fill_one = is_swapped ? m->fill_left : m->fill_right};
    label_map_init(&j.result_map, e->region);
    j.partners = eval_alloc(e, s.map.n, sizeof(*j.partners));
    j.memos = eval_alloc(e, j.many->n, sizeof(*j.memos));
    if (!j.partners || !j.memos)
        return -1;
    for (size_t step = 0; step < e->steps.n; step++) {
        if (!has_fill && (!has_point(lhs, step) || !has_point(rhs, step)))
            continue;
        if (enter_partners(&j, step) != 0 || join_step(&j, step) != 0 ||
            join_unfound(&j, step) != 0 || eval_poll(e, lhs->n + rhs->n) != 0)
            return -1;
    }
    *ret = (struct vector){j.results, j.result_map.n};
    return 0;
}
