/* Ranges with edges: what rate, increase, delta, changes and resets see of a range that is anchored
 * or smoothed.
 *
 * Anchored: the value at the left edge is that of the last sample at or before it. Smoothed: the
 * values at both edges are interpolated between the samples around them. Nothing is extrapolated.
 * The windows of such ranges reach a lookback further to the left, and smoothed ones to the right.
 *
 * Pure functions. */
#ifndef HG_TSDB_PROMQL_EXTENDED_RANGE_H
#define HG_TSDB_PROMQL_EXTENDED_RANGE_H

#include "tsdb/promql/range_fn.h"

/* Right edge minus left edge, with what a counter had before each reset. False: no result. */
bool extended_range_difference(const struct range_window *w, bool is_counter,
                               double *ret) WARN_UNUSED;

/* The samples with those at the edges, as values of times start, ..., end. t_ms and v have room for
 * w->n + 2. Returns how many, 0 when nothing is in the range. */
size_t extended_range_samples(const struct range_window *w, int64_t *t_ms, double *v);

/* The value at t_ms on the line from sample i to i + 1. A counter that falls there began at zero.
 */
double extended_range_between(const int64_t *t_ms, const double *v, size_t i, int64_t at_ms,
                              bool is_counter);

#endif
