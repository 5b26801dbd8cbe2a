/* Binary expressions: scalars, a vector and a scalar; two vectors are join.h's and setop.h's.
 *
 * Threads: belongs to the query's thread. */
#ifndef HG_TSDB_PROMQL_BINOP_H
#define HG_TSDB_PROMQL_BINOP_H

#include "tsdb/promql/eval.h"

int binop_eval(struct eval *e, const struct node *n, struct value *ret) WARN_UNUSED;

/* True when the operator's result is another quantity than its operands, so that the name goes. */
bool binop_drops_name(const struct binary *b);

/* An operator of native histograms met floats: nothing comes of it but a note. Returns 0. */
int binop_refuse_floats(struct eval *e, const struct binary *b);

#endif
