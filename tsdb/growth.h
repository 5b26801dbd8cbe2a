/* Which series are new: those with an id at or above what the next id was an hour ago. Ids are
 * handed out ascending and never again, so a number every five minutes is all that has to be kept,
 * and the sorted sets of the index count the new series of any label pair (postings_count_from).
 *
 * What was there at the first look is not new: it came out of files.
 *
 * Threads: the store's lock. */
#ifndef HG_TSDB_GROWTH_H
#define HG_TSDB_GROWTH_H

#include "alloc/base.h"

enum {
    GROWTH_SLICES = 12,
    GROWTH_SLICE_MS = 5 * 60 * 1000,
    GROWTH_SPAN_MS = GROWTH_SLICES * GROWTH_SLICE_MS, /* new is what came in that, or up to a slice
                                                         less */
};

/* Zeroed: nothing was looked at, and no series is new. */
struct growth {
    uint64_t
        next_ids[GROWTH_SLICES]; /* as they were when a slice began, by slice % GROWTH_SLICES */
    int64_t slice;               /* the newest */
    bool is_begun;
};

/* What the next id is at this time of a clock that never jumps; to be called at least once a
 * slice. */
void growth_note(struct growth *g, int64_t boot_ms, uint64_t next_id);

/* Series with this id, and above, are new. */
uint32_t growth_first_id(const struct growth *g);

#endif
