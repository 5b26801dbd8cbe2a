/* topk and bottomk: the k largest or smallest series of each group, at each step anew. Series keep
 * their labels.
 *
 * Threads: belongs to the query's thread. */
#ifndef HG_TSDB_PROMQL_TOPK_H
#define HG_TSDB_PROMQL_TOPK_H

#include "tsdb/promql/eval.h"
#include "tsdb/promql/grouping.h"

/* k has one value a step. The operand's columns are used up. is_ordered, for operands and k that
 * are the same at all steps: the result is in the order of values within each group, groups in
 * their own order. */
int topk_eval(struct eval *e, const struct grouping *g, struct vector *v, const double *k,
              bool is_bottom, bool is_ordered, struct vector *ret) WARN_UNUSED;

/* The columns that have a point at the first step, group by group, each in the order of a heap with
 * the least value on top: how Prometheus leaves what limitk and limit_ratio choose. */
int topk_order_as_heap(struct eval *e, const struct grouping *g, const struct vector *v,
                       struct vector *ret) WARN_UNUSED;

/* The largest k of all steps; when it is 1 or more, those of steps where v has points must fit an
 * int64, which NaN does not. As main: all must; NaN at all steps is an error, and at some it is one
 * as well, or takes nothing there. */
int topk_check_k(struct eval *e, const struct vector *v, const double *k, bool allows_nan,
                 double *ret_max) WARN_UNUSED;

/* How many of n a k takes. */
size_t topk_limit(double k, size_t n);

#endif
