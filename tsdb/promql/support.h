/* What the language has and the evaluation has not yet: refused when the query is parsed, with the
 * name and the place, so that no query is ever answered wrongly.
 *
 * Threads: pure. */
#ifndef HG_TSDB_PROMQL_SUPPORT_H
#define HG_TSDB_PROMQL_SUPPORT_H

#include "tsdb/promql/query.h"

/* False with err set ("1:1: parse error: function "x" is not supported yet"). */
bool support_check(const struct promql_query *q, struct region *r,
                   struct promql_error *err) WARN_UNUSED;

#endif
