/* sort_by_label: the order of labels' values as people see it, "a2" before "a10".
 *
 * A value is cut into runs of digits and runs of other bytes. Two runs that are both numbers of an
 * int64 compare as numbers, others as bytes; where one value ends first it is the smaller. This is
 * the order of github.com/facette/natsort, which Prometheus uses.
 *
 * It contradicts itself where a value is empty, neither is before the other then, so that the way
 * of sorting shows: go_sort.h. */
#include "tsdb/promql/eval.h"
#include "tsdb/promql/fn.h"
#include "tsdb/promql/go_sort.h"
#include "tsdb/promql/labelset.h"

#include <string.h>

struct run {
    const char *bytes;
    size_t n;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* The first run of what is left; takes it away. */
static struct run take_run(struct run *rest)
{
    struct run run = {rest->bytes, 0};
    while (run.n < rest->n && is_digit(rest->bytes[run.n]) == is_digit(rest->bytes[0]))
        run.n++;
    rest->bytes += run.n;
    rest->n -= run.n;
    return run;
}

static bool run_number(struct run run, int64_t *ret)
{
    *ret = 0;
    for (size_t i = 0; i < run.n; i++)
        if (!is_digit(run.bytes[i]) || __builtin_mul_overflow(*ret, (int64_t)10, ret) ||
            __builtin_add_overflow(*ret, (int64_t)(run.bytes[i] - '0'), ret))
            return false;
    return run.n > 0;
}

/* True when a comes first, also when they are equal: of two values that differ in leading zeros
 * alone either comes before the other, as there. */
static bool is_before(struct run a, struct run b)
{
    if (a.n == 0 || b.n == 0)
        return false;
    for (;;) {
        struct run x = take_run(&a), y = take_run(&b);
        int64_t m, n;
        bool are_numbers = run_number(x, &m) && run_number(y, &n);
        int order = are_numbers ? (m > n) - (m < n) : bytes_compare(x.bytes, x.n, y.bytes, y.n);
        if (order != 0)
            return order < 0;
        if (a.n == 0)
            return true;
        if (b.n == 0)
            return false;
    }
}

static int compare(const void *a, const void *b, void *call_node)
{
    const struct call *call = &((const struct node *)call_node)->call;
    const struct labels *x = &((const struct column *)a)->labels;
    const struct labels *y = &((const struct column *)b)->labels;
    for (uint32_t i = 1; i < call->n_args; i++) {
        struct word name = node_unwrap(call->args[i])->string;
        const struct label *l = labels_get(x, name.bytes, name.len);
        const struct label *m = labels_get(y, name.bytes, name.len);
        struct run v = {l ? l->value : "", l ? l->value_len : 0};
        struct run w = {m ? m->value : "", m ? m->value_len : 0};
        if (bytes_compare(v.bytes, v.n, w.bytes, w.n) != 0)
            return is_before(v, w) ? -1 : 1;
    }
    return labels_compare(x, y);
}

static bool is_above(const void *a, const void *b, void *call_node)
{
    return compare(a, b, call_node) < 0;
}

static bool is_below(const void *a, const void *b, void *call_node)
{
    return compare(a, b, call_node) > 0; /* not the other way round: both may be true */
}

static int sort_columns(struct eval *e, const struct node *call, go_less *order, struct value *ret)
{
    ret->type = PROMQL_VECTOR;
    if (eval_vector(e, call->call.args[0], &ret->vector) != 0)
        return -1;
    if (eval_may_sort(e, call))
        go_sort(ret->vector.items, ret->vector.n, sizeof(*ret->vector.items), order,
                (void *)(uintptr_t)call);
    return 0;
}

int fn_sort_by_label(struct eval *e, const struct node *call, struct value *ret)
{
    return sort_columns(e, call, is_above, ret);
}

int fn_sort_by_label_desc(struct eval *e, const struct node *call, struct value *ret)
{
    return sort_columns(e, call, is_below, ret);
}
