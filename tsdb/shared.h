/* Shared values: the bytes of a column that several blocks of a window have, kept once.
 *
 * Series that carry the same data end their blocks with equal columns (those that began alike: a
 * first tail's length depends on the series). From the third one on such a column is kept beside
 * the sheaves, and the blocks hold a handle instead of it. docs/decisions/0010-shared-values.md has
 * the reasons.
 *
 *     window.last_shared
 *       |      +----------+      +----------+
 *       '----> | before --|----> | before   |      struct shared, slots of 32 bytes
 *              | bytes    |      | bytes    |
 *              +--|-------+      +--|-------+
 *                 v                 v
 *              a column          a column          up to 1024 bytes, a slot of the class that fits
 *                 ^    ^
 *      a block ---'    '--- a block
 *
 * They never change, live as long as their window and go with its pages; who refers to them is not
 * counted. They are found by two tables of fixed size that forget: one of what was seen, one of
 * what is shared. So a look-up may miss, which costs a copy, and nothing more.
 *
 * Threads: any number of writers and readers, all inside the epoch; the tables are atomic words,
 * and an update that is lost to a race is a miss. */
#ifndef HG_TSDB_SHARED_H
#define HG_TSDB_SHARED_H

#include "tsdb/slots.h"

enum {
    SHARED_BYTES_MIN = 128, /* shorter columns are not looked for */
    SHARED_SIGHTS = 2,      /* so many keep their bytes before they are shared */
    SHARED_WAYS = 4,        /* places that a hash may be in */
    SHARED_SEEN_SETS = 1024,
    SHARED_KEPT_SETS = 512,
};

struct shared {
    slot before;     /* the window's shared values made before these, or 0 */
    uint32_t number; /* among the window's, from 0 */
    uint32_t serial; /* of the window */
    slot bytes;
    uint32_t n_bytes;
    _Atomic uint32_t dumped; /* the snapshot's business: the last one that has them */
};

struct recent_shared {
    _Atomic uint64_t
        kept[SHARED_KEPT_SETS][SHARED_WAYS]; /* window's serial << 32 | struct shared */
    _Atomic uint32_t seen[SHARED_SEEN_SETS][SHARED_WAYS]; /* 30 bits of the hash, and how often */
};

static inline struct shared *shared_at(const struct arena *a, slot s)
{
    return slot_ptr(a, s);
}

static inline const uint8_t *shared_bytes(const struct arena *a, slot s)
{
    return slot_ptr(a, shared_at(a, s)->bytes);
}

/* Notes that the window has one more column of these bytes (at most COLUMN_BYTES_MAX of column.h).
 * Returns the shared values to refer to, or 0: the block is to keep its bytes, be it the first of
 * them, too short, or for want of memory. */
slot shared_find(struct recent_shared *r, struct slots *s, struct window *w, const uint8_t *bytes,
                 uint32_t n);

/* Shared values of any 1 .. COLUMN_BYTES_MAX bytes, which nobody refers to yet; 0 without memory.
 */
slot shared_new(struct slots *s, struct window *w, const uint8_t *bytes, uint32_t n) WARN_UNUSED;

/* The bytes and slots that they take, for tsdb_check. */
struct chunk_footprint;
void shared_add_footprint(const struct arena *a, slot s, struct chunk_footprint *io);

/* Whether the record is one of the window of that serial, and its bytes fit their slot. */
bool shared_check(const struct arena *a, slot s, uint32_t serial);

#endif
