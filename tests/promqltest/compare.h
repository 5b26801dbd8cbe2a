/* Is an answer what a script expects?
 *
 * Floats are equal when they differ by less than a millionth of the sum of their sizes; so an
 * expected zero must be exactly zero. Both NaN is equal, but a stale marker is equal to itself
 * alone. */
#ifndef TESTS_PROMQLTEST_COMPARE_H
#define TESTS_PROMQLTEST_COMPARE_H

#include "tests/promqltest/script.h"
#include "tsdb/promql/promql.h"

bool compare_floats(double a, double b);

/* NULL when the result is the expected one, else what is wrong, in r. */
const char *compare_result(const struct command *c, const struct promql_result *result,
                           struct region *r);

/* The same for the middle step of a range query around an instant one. */
const char *compare_middle(const struct command *c, const struct promql_result *result,
                           int64_t middle_ms, bool is_scalar, struct region *r);

/* Annotations against "expect warn", "expect no_info" and so on. */
const char *compare_annotations(const struct command *c, const struct promql_result *result,
                                struct region *r);

/* An error's text against "expect fail". */
const char *compare_failure(const struct command *c, const char *text, struct region *r);

#endif
