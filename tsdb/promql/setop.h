/* and, or, unless: a column's points stay or go by whether the other vector has a point with the
 * same signature at the same step.
 *
 * Threads: belongs to the query's thread. */
#ifndef HG_TSDB_PROMQL_SETOP_H
#define HG_TSDB_PROMQL_SETOP_H

#include "tsdb/promql/eval.h"

/* The operands are used up. */
int setop_eval(struct eval *e, const struct binary *b, struct vector *lhs, struct vector *rhs,
               struct vector *ret) WARN_UNUSED;

#endif
