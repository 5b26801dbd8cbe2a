/* What series.c and series_restore.c know of a series' history; for nobody else. */
#ifndef HG_TSDB_SERIES_HISTORY_H
#define HG_TSDB_SERIES_HISTORY_H

#include "tsdb/series.h"

static inline struct history *history_at(const struct arena *a, slot s)
{
    return slot_ptr(a, s);
}

static inline size_t history_bytes(uint32_t n)
{
    return sizeof(struct history) + n * sizeof(struct chunk);
}

/* The items for which there is room; 0 = there is no history. */
static inline uint32_t history_room(const struct arena *a, const struct series *s)
{
    return s->state.history != 0 ? history_at(a, s->state.history)->room : 0;
}

/* The series moves on from its newest chunk, which is of window w. Without memory it only stays
 * larger. The caller holds the version. */
void series_seal_newest(const struct series_writer *sw, struct series *s, struct window *w);

#endif
