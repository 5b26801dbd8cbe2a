/* The operators on two doubles. Pure functions. */
#ifndef HG_TSDB_PROMQL_ARITH_H
#define HG_TSDB_PROMQL_ARITH_H

#include "tsdb/promql/lex.h"

/* Arithmetic: the result. Comparison: a; *ret_keeps says whether it holds (true for arithmetic). op
 * is no set operator. */
double arith_apply(enum token_kind op, double a, double b, bool *ret_keeps);

/* Infinity wins over NaN, NaN over numbers, 0 over -0, as in Go. */
double arith_max(double a, double b);
double arith_min(double a, double b);

/* a to the power of b. Whole exponents are multiplied out as Go's library does, so that the last
 * digit agrees; the C library rounds once where Go rounds at each step. */
double arith_power(double a, double b);

#endif
