/* Deleting samples, for good: what is deleted is gone from memory when the call returns, but for
 * slots that readers from before still see (alloc/limbo.h). There are no tombstones, so nothing
 * needs to be cleaned. A series without samples leaves all indexes.
 *
 * A time that was deleted is as if nothing had ever been there: a later sample is held against the
 * newest one that its series has left, within the out-of-order window, and a series without any
 * takes every time in a kept window. So a sender that repeats a request brings back what it brings;
 * Prometheus as well deletes what is there, not what comes later. The clock does not go back, not
 * even where samples are the clock.
 *
 * What others append to these series meanwhile may be deleted or not. Readers see each chunk before
 * or after, a series of several windows maybe in between. Nobody waits for longer than a slice
 * (store_limits.h). What no chunk refers to any more, timelines and shared values of a window, goes
 * with their window.
 *
 * Threads: any; a region belongs to the caller. */
#ifndef HG_TSDB_DELETE_H
#define HG_TSDB_DELETE_H

#include "alloc/region.h"
#include "tsdb/matcher.h"
#include "tsdb/tsdb.h"

#include <stdatomic.h>

struct delete_options {
    int64_t min_ms, max_ms;    /* inclusive; min > max: nothing */
    const atomic_bool *cancel; /* NULL = never; checked between slices */
};

struct delete_report { /* adds up; what was deleted is deleted, whatever the answer. Zero it first
                        */
    uint64_t samples;
    uint64_t chunks; /* that had nothing left */
    uint64_t series; /* the same, and so they were removed */
};

/* Deletes the samples in the range of every series that matches all matchers of one of the sets;
 * one set after the other. Takes 4 bytes a series of the region and gives them back. Errors:
 * ERR_NO_MEMORY (the region's limit, or the budget: cutting a block takes slots before it gives
 * any back), ERR_CANCELED. */
int delete_select(struct tsdb *db, const struct matcher_set *sets, size_t n_sets,
                  const struct delete_options *o, struct region *r,
                  struct delete_report *io) WARN_UNUSED;

#endif
