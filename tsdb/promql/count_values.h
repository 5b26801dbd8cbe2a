/* count_values("label", v): how many series of a group have each value, which becomes a label.
 * count_values without (label) ("label", v) takes it away again: one count a group.
 *
 * Threads: belongs to the query's thread. */
#ifndef HG_TSDB_PROMQL_COUNT_VALUES_H
#define HG_TSDB_PROMQL_COUNT_VALUES_H

#include "tsdb/promql/eval.h"
#include "tsdb/promql/grouping.h"

/* a: the aggregation that g was made of. */
int count_values_eval(struct eval *e, const struct aggregate *a, const struct grouping *g,
                      const struct vector *v, struct word label, struct vector *ret) WARN_UNUSED;

#endif
