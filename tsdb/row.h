/* A row: an array of small items that only grows at its end, in the slots of a window. It is the
 * directory of a chunk that has many sheaves and of a timeline that has many segments.
 *
 *     up to a 128 B slot full    one slot of 128 B
 *     up to a 1 KiB slot full    one leaf of 1 KiB
 *     beyond                     a tree of 1 KiB nodes of 256 handles, two levels at most, above
 *                                such leaves
 *
 * So growing never copies more than 128 bytes, and an item is found in three steps however long the
 * row is. An item of a published row does not change: replacing one makes new slots on the way to
 * it, so that a reader sees the row before or after.
 *
 * Threads: one writer; readers use copies of `struct row` (words.h) inside the epoch. */
#ifndef HG_TSDB_ROW_H
#define HG_TSDB_ROW_H

#include "tsdb/slots.h"

enum {
    ROW_ITEM_BYTES_MAX = 24,
    ROW_FIRST_BYTES = SIZE_CLASS_STEP_BYTES,
    ROW_LEAF_BYTES = SIZE_CLASS_BYTES_MAX,
    ROW_FANOUT = SIZE_CLASS_BYTES_MAX / (int)sizeof(slot),
};

struct row {
    slot root;
    uint32_t n;
};

/* The most items of that size that a row can have. */
static inline uint64_t row_max(uint32_t item_bytes)
{
    return (uint64_t)(ROW_LEAF_BYTES / item_bytes) * ROW_FANOUT * ROW_FANOUT;
}

/* Item i < r->n, of item_bytes (at most ROW_ITEM_BYTES_MAX, the same for all calls). */
const void *row_at(const struct arena *a, const struct row *r, uint32_t item_bytes, uint32_t i);

/* Adds an item to the caller's copy of a row. False without memory or room (the change has then
 * failed). */
bool row_append(struct change *c, struct row *r, uint32_t item_bytes, const void *item) WARN_UNUSED;

/* Replaces item i. False as above. */
bool row_replace(struct change *c, struct row *r, uint32_t item_bytes, uint32_t i,
                 const void *item) WARN_UNUSED;

/* Keeps the first n <= r->n items. Their last leaf, and the nodes above it, are made anew: what
 * comes behind is written where items were that readers of the old row see. False as above. */
bool row_cut(struct change *c, struct row *r, uint32_t item_bytes, uint32_t n) WARN_UNUSED;

/* Calls visit for every slot of the row; returns how many there are. visit may be NULL. */
uint32_t row_each_slot(const struct arena *a, const struct row *r, uint32_t item_bytes,
                       void (*visit)(void *ctx, slot s), void *ctx);

#endif
