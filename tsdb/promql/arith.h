/* The operators on two doubles. Pure functions. */
#ifndef HG_TSDB_PROMQL_ARITH_H
#define HG_TSDB_PROMQL_ARITH_H

#include "tsdb/promql/lex.h"

/* Arithmetic: the result. Comparison: a; *ret_keeps says whether it holds (true for arithmetic). op
 * is no set operator. */
double arith_apply(enum token_kind op, double a, double b, bool *ret_keeps);

/* a to the power of b. Whole exponents are multiplied out as Go's library does, so that the last
 * digit agrees; the C library rounds once where Go rounds at each step. */
double arith_power(double a, double b);

#endif
