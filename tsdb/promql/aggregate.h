/* sum, avg, min, max ... : groups of series become one series each.
 *
 * Groups come in the order in which their first member does; members are taken in the order of the
 * operand. by (labels) keeps those labels, without (labels) all but those and the name.
 *
 * Threads: belongs to the query's thread. */
#ifndef HG_TSDB_PROMQL_AGGREGATE_H
#define HG_TSDB_PROMQL_AGGREGATE_H

#include "tsdb/promql/eval.h"

int aggregate_eval(struct eval *e, const struct node *n, struct vector *ret) WARN_UNUSED;

#endif
