/* What a function of a range keeps from one window of a series to the next: both ends of a window
 * only move forward, so each sample enters once and leaves once, however far windows overlap. Only
 * where that gives the same bits as going through each window:
 *
 *     sums      of integers that are added without rounding, in whatever order
 *     extremes  a queue of those that may still become one
 *
 * Threads: belongs to the query's thread. */
#ifndef HG_TSDB_PROMQL_SLIDING_H
#define HG_TSDB_PROMQL_SLIDING_H

#include "tsdb/promql/range_fn.h"

/* The window's sum, if none of its values could be rounded on the way; else false. Never -0. */
bool sliding_sum(const struct range_window *w, double *ret);

enum extreme { EXTREME_MIN, EXTREME_MAX };
enum among_equals { AMONG_EQUALS_FIRST, AMONG_EQUALS_LAST };

/* The place of the window's extreme in it. NaNs are none, unless there is nothing else: then it is
 * the last of them. */
size_t sliding_extreme(const struct range_window *w, enum extreme which, enum among_equals among);

#endif
