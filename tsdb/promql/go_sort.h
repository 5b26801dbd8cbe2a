/* Sorting with the outcome of Go's sort.Sort and slices.SortFunc, also where it depends on the way:
 * of items that are equal, and of orders that contradict themselves.
 *
 * The way is that of the pattern-defeating quicksort (Orson Peters, arXiv 2106.05123) in Go's
 * shape: few are inserted one by one, others parted at a median of three or of three medians.
 *
 * Threads: pure. */
#ifndef HG_TSDB_PROMQL_GO_SORT_H
#define HG_TSDB_PROMQL_GO_SORT_H

#include <stdbool.h>
#include <stddef.h>

/* True when a comes before b. */
typedef bool go_less(const void *a, const void *b, void *ctx);

enum { GO_SORT_ITEM_MAX = 64 }; /* bytes */

/* n items of `size` bytes. */
void go_sort(void *items, size_t n, size_t size, go_less *less, void *ctx);

#endif
