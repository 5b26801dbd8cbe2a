/* Elementary functions to the last digit of Go's library on x86-64, which is what Prometheus
 * answers with: the C library rounds better, and so differently, in one of ten results.
 *
 * The formulas are those that Go's authors took from Cephes (S. L. Moshier: sin, cos, tan, atan,
 * sinh, tanh) and from FreeBSD's msun (log, log1p, asinh, acosh, atanh); exp is Go's own, a Taylor
 * series over sixteenths of the argument, with fused multiply-add where the processor has it. The
 * order of each operation is part of the result.
 *
 * Pure functions; special values as in C99. */
#ifndef HG_TSDB_PROMQL_GO_MATH_H
#define HG_TSDB_PROMQL_GO_MATH_H

double go_exp(double x);
double go_log(double x);
double go_log1p(double x);

double go_sin(double x);
double go_cos(double x);
double go_tan(double x);
double go_asin(double x);
double go_acos(double x);
double go_atan(double x);
double go_atan2(double y, double x);

double go_sinh(double x);
double go_cosh(double x);
double go_tanh(double x);
double go_asinh(double x);
double go_acosh(double x);
double go_atanh(double x);

#endif
