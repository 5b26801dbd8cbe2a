/* Arithmetic and comparison of two vectors: each series of the "many" side looks for the one series
 * of the other side with its signature. In one-to-one matching the left side is the many side, and
 * may find each partner once.
 *
 * Threads: belongs to the query's thread. */
#ifndef HG_TSDB_PROMQL_JOIN_H
#define HG_TSDB_PROMQL_JOIN_H

#include "tsdb/promql/eval.h"

int join_eval(struct eval *e, const struct binary *b, const struct vector *lhs,
              const struct vector *rhs, struct vector *ret) WARN_UNUSED;

#endif
