/* Doubles as text, digit for digit as Go prints them: the shortest decimal that reads back as the
 * same double. Pure functions. */
#ifndef HG_TSDB_PROMQL_FLOAT_TEXT_H
#define HG_TSDB_PROMQL_FLOAT_TEXT_H

#include "alloc/base.h"

enum { FLOAT_TEXT_MAX = 352 }; /* the longest is -5e-324 written out, and the NUL */

/* strconv.FormatFloat(v, 'f', -1, 64): never an exponent. NaN, +Inf, -Inf. Returns the length; out
 * is NUL-terminated. */
size_t float_text_plain(double v, char out[FLOAT_TEXT_MAX]);

/* As in Prometheus' JSON of samples: plain, but with an exponent of at least two digits when 0 <
 * |v| < 1e-6 or |v| >= 1e21. */
size_t float_text_json(double v, char out[FLOAT_TEXT_MAX]);

/* As Go's %g: plain, but with an exponent when 0 < |v| < 1e-4 or |v| >= 1e6. */
size_t float_text_general(double v, char out[FLOAT_TEXT_MAX]);

#endif
