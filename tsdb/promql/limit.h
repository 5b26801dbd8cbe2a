/* limitk and limit_ratio: some series of each group, whole and with their names. is_ordered: there
 * is one step, and they come as Prometheus leaves them (topk_order_as_heap); else in their old
 * order.
 *
 * Threads: belongs to the query's thread. */
#ifndef HG_TSDB_PROMQL_LIMIT_H
#define HG_TSDB_PROMQL_LIMIT_H

#include "tsdb/promql/eval.h"
#include "tsdb/promql/grouping.h"

/* The first k of each group that have a point at the step. */
int limit_k_eval(struct eval *e, const struct grouping *g, struct vector *v, const double *k,
                 bool is_ordered, struct vector *ret) WARN_UNUSED;

/* Each series has a place between 0 and 1 that depends on its labels alone; those below r stay, or,
 * with r < 0, those at 1 + r or above: the two are complements. pos is the ratio's, for warnings.
 */
int limit_ratio_eval(struct eval *e, const struct grouping *g, struct vector *v, const double *r,
                     uint32_t pos, bool is_ordered, struct vector *ret) WARN_UNUSED;

#endif
