/* What the grammar cannot say: types, number of arguments, matchers that select something. The
 * first error in Prometheus' order (children before their parent) is the one that is reported. */
#ifndef HG_TSDB_PROMQL_CHECK_H
#define HG_TSDB_PROMQL_CHECK_H

#include "tsdb/promql/query.h"

/* Sets the cardinality of set operators on the way. False with err set. */
bool check_query(struct promql_query *q, struct region *r, struct promql_error *err) WARN_UNUSED;

#endif
