/* Quantiles: of a handful of values, and the aggregation.
 *
 * Threads: belongs to the query's thread. */
#ifndef HG_TSDB_PROMQL_QUANTILE_H
#define HG_TSDB_PROMQL_QUANTILE_H

#include "tsdb/promql/eval.h"
#include "tsdb/promql/grouping.h"

/* q below 0 is -Inf, above 1 +Inf; no values or q NaN: NaN. Between two values it is interpolated.
 * NaN sorts first. v is in another order afterwards. */
double quantile_of(double q, double *v, size_t n);

/* Warns about a q outside of 0 and 1, at pos. */
void quantile_check(struct eval *e, double q, uint32_t pos);

/* quantile(q, v): one column a group. q has one value a step; pos is its expression's. */
int quantile_eval(struct eval *e, const struct grouping *g, const struct vector *v, const double *q,
                  uint32_t pos, struct vector *ret) WARN_UNUSED;

#endif
