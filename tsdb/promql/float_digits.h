/* The two things about doubles that the C library does not do: the shortest digits that read back
 * as the same double, and reading decimals without a locale. Both are the C++ library's. Pure
 * functions. */
#ifndef HG_TSDB_PROMQL_FLOAT_DIGITS_H
#define HG_TSDB_PROMQL_FLOAT_DIGITS_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { FLOAT_DIGITS_MAX = 17 };

/* v finite and > 0: digits[0 .. n) and *ret_exponent with v = d.ddd * 10^exponent. No NUL is
 * written. Returns n. */
size_t float_digits(double v, char digits[FLOAT_DIGITS_MAX], int *ret_exponent);

enum float_read { FLOAT_READ_OK, FLOAT_READ_SYNTAX, FLOAT_READ_RANGE };

/* The whole of text, a decimal number without sign, as the nearest double (ties to even). What is
 * too small becomes 0, what is too large is FLOAT_READ_RANGE. */
enum float_read float_read(const char *text, size_t n, double *ret);

#ifdef __cplusplus
}
#endif
#endif
