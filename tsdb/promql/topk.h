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

/* The largest k of all steps; when it is 1 or more, all must fit an int64. NaN
 * at all steps is an error; at some it is one as well, or takes nothing there, as in 3.5. */
int topk_check_k(struct eval *e, const double *k, bool allows_nan, double *ret_max) WARN_UNUSED;

/* How many of n a k takes. */
size_t topk_limit(double k, size_t n);

#endif
