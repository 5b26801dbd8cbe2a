/* A chunk: one series' samples of one window.
 *
 * Its 24 bytes lie in the series' record. A chunk whose value never changed, or ended in one stale
 * marker, needs nothing else. Any other has its samples in blocks, gathered in sheaves, and while
 * its series writes to it a head: the streaming tail and where the sheaves go on.
 *
 *     in the record        in the window's slots
 *     +----------+         +----------------------+      sheaves
 *     | CONSTANT |         | head: row -----------|--->  s1 s2 s3 ...    (directory: row.h)
 *     | HEAD ----|-------->|       last sheaf ----|--->  b1 b2 b3 ...
 *     | SHEAF ---|--+      |       tail, 20 bytes |--->  pieces of 128 B
 *     | ROW -----|--+      +----------------------+
 *     +----------+  |
 *                   +---> of a chunk whose series has moved on: its only sheaf, or the directory
 *
 * Heads and tails lie in a pool of their own (slots.h), sheaves in those of the window.
 *
 * A full tail becomes a block at once; sealing makes a block of what is left and gives the head
 * back. A late sample rewrites the tail, or one sheaf. Nothing that is published moves or changes
 * in place but the 24 bytes and the head, which readers copy out under the series' version
 * (series.h): what the copies refer to is immutable up to the lengths that they say.
 *
 * Blocks of several series may refer to the same values (shared.h), which never change.
 *
 * Times in here are offsets in ms from the window's start.
 *
 * Threads: one writer a series (its version is the lock), any number of readers, all inside the
 * epoch (slots.h). */
#ifndef HG_TSDB_CHUNK_H
#define HG_TSDB_CHUNK_H

#include "tsdb/sheaf.h"
#include "tsdb/tail.h"
#include "tsdb/times_memo.h"

enum chunk_kind {
    CHUNK_ROW = 0 /* no sheaf at all: there is no chunk */,
    CHUNK_CONSTANT,
    CHUNK_SHEAF,
    CHUNK_HEAD
};

struct chunk {
    uint32_t serial;    /* of its window; 0 = there is no chunk */
    uint32_t n_samples; /* all of them */
    slot timeline;      /* CONSTANT, SHEAF: where its first sample is, or 0 */
    uint32_t place : 29;
    uint32_t kind : 2;
    uint32_t is_stale : 1; /* CONSTANT: the last sample is a stale marker, the others are not */
    union {
        uint64_t value; /* CONSTANT */
        struct {
            slot at;           /* HEAD: the head. SHEAF: its first slot */
            uint16_t n_bytes;  /* SHEAF */
            uint16_t n_blocks; /* SHEAF */
        };
        struct row sheaves; /* ROW */
    };
};

enum { CHUNK_INLINE_BYTES = 20 };

struct chunk_head {
    struct row sheaves; /* of struct sheaf: the closed ones */
    struct sheaf last;  /* the one that grows */
    struct tail tail;
    slot first_piece, last_piece; /* of the tail's bytes behind the inline ones */
    struct sheaf_end end;         /* of last */
    uint8_t inline_bytes[CHUNK_INLINE_BYTES];
};

/* A copy of a chunk to read from: series_view() makes one. */
struct chunk_view {
    struct chunk c;
    struct chunk_head head; /* of CHUNK_HEAD; for CHUNK_ROW one of its sheaves alone */
};

static inline struct chunk_head *chunk_head_at(const struct arena *a, slot s)
{
    return slot_ptr(a, s);
}

/* The slot of the head that a chunk seems to have, looked at without its series' version: good for
 * asking the processor for it, and for nothing else. 0 = none. */
static inline slot chunk_peek_head(const struct chunk *c)
{
    struct chunk seen;
    words_load(&seen, c, sizeof(seen));
    return seen.kind == CHUNK_HEAD ? seen.at : 0;
}

/* Gives a view, whose chunk has been copied, its head; under the series' version or its lock. */
static inline void chunk_view_head(const struct arena *a, struct chunk_view *v)
{
    if (v->c.kind == CHUNK_HEAD)
        words_load(&v->head, chunk_head_at(a, v->c.at), sizeof(v->head));
    else if (v->c.kind == CHUNK_ROW)
        v->head = (struct chunk_head){.sheaves = v->c.sheaves};
}

/* ---- out ---- */

/* Visits all samples as blocks and the tail: first the blocks, oldest first, each with whether it
 * begins a sheaf; runs of a constant and of a tail that is one run come as blocks too. Returns the
 * first non-zero answer. */
struct chunk_tail {
    slot timeline; /* 0 = own times */
    uint32_t n;
    uint32_t places[BLOCK_SAMPLES_MAX];
    uint64_t values[BLOCK_SAMPLES_MAX];
};
enum chunk_part {
    PART_BLOCK,
    PART_SHEAF,
    PART_RUN
}; /* a block, one that begins a sheaf, a run that
      is not stored as a block */
enum { VISIT_BLOCKS = INT32_MIN };
struct chunk_visitor {
    int (*block)(void *ctx, enum chunk_part part, const struct block *b);
    int (*tail)(void *ctx, const struct chunk_tail *t);
    void *ctx;
    /* Of each sheaf before its blocks, unless NULL. VISIT_BLOCKS: these are to come; any other
     * answer is one for all of them. bytes: a copy, which the visitor may change if he does not
     * want the blocks. */
    int (*sheaf)(void *ctx, const struct sheaf *s, uint8_t *bytes);
};

/* min_time: sheaves that end before it may be left out. */
int chunk_visit(const struct arena *a, const struct chunk_view *v, uint32_t min_time,
                const struct chunk_visitor *visitor);

/* At least as many samples as chunk_read would write. */
size_t chunk_room(const struct arena *a, const struct chunk_view *v, uint32_t min_time,
                  uint32_t max_time);

/* Writes the samples with min_time <= t <= max_time as two columns, times as start_ms + offset;
 * returns how many. The columns need room for chunk_room. */
size_t chunk_read(const struct arena *a, struct times_cache *t, const struct chunk_view *v,
                  uint32_t min_time, uint32_t max_time, int64_t start_ms, int64_t *ret_t_ms,
                  uint64_t *ret_values);

/* Whether there is a sample at that time, and its value. */
bool chunk_find(const struct arena *a, struct times_cache *t, const struct chunk_view *v,
                uint32_t time, uint64_t *ret_value);

/* The first and the last time. */
void chunk_span(const struct arena *a, struct times_cache *t, const struct chunk_view *v,
                uint32_t *ret_first, uint32_t *ret_last);

/* ---- in ---- */

/* Timelines that grew lately, by their newest time: how a series finds the one of its scrape. */
enum { RECENT_TIMELINES = 512 };
struct recent_timelines {
    _Atomic uint64_t items[RECENT_TIMELINES]; /* window's serial << 32 | timeline */
};

struct chunk_writer {
    struct slots *slots;
    struct window *window;
    struct recent_timelines *recent;
    struct recent_shared *shared;
    struct times_cache *times;
    struct times_memo *memo; /* or NULL, and then chunk_extend does nothing */
    int64_t *open_payload;   /* with a memo: what chunk_extend adds to that of the slots */
    uint32_t
        phase; /* any number that spreads series: first tails end after 65 .. 128 samples by it */
    bool is_open; /* the chunk is its series' newest: it may have a tail */
};

/* Usual samples, quickly: each later than all others of the chunk, at the time that the memo has
 * next in its timeline, and no slot or block is to be made for it. Takes those that are, up to the
 * first that is not and is for chunk_add; returns how many. phase must be filled in. */
size_t chunk_extend(const struct chunk_writer *w, struct chunk *chunk, const uint32_t *times,
                    const uint64_t *values, size_t n);

/* Adds a sample at a time that the chunk does not have, to the chunk in the series' record, and
 * publishes it. is_later: it is later than all others of the chunk. chunk->serial 0 makes the
 * chunk. Errors: ERR_NO_MEMORY (nothing changed). */
int chunk_add(const struct chunk_writer *w, struct chunk *chunk, uint32_t time, uint64_t value,
              bool is_later) WARN_UNUSED;

/* Makes a block of the tail and gives the head back. Errors:
 * ERR_NO_MEMORY (nothing changed: the chunk stays as it is, which is only larger). */
int chunk_seal(const struct chunk_writer *w, struct chunk *chunk);

/* Takes out the samples from min_time to max_time (inclusive), or the last of them: one change
 * takes out so many that nobody waits for long. 1 = call again for the rest, 0 = done. A chunk
 * without samples left is {0}. What was taken out is added to *io_deleted. Errors: ERR_NO_MEMORY
 * (nothing changed). */
int chunk_delete(const struct chunk_writer *w, struct chunk *chunk, uint32_t min_time,
                 uint32_t max_time, uint64_t *io_deleted) WARN_UNUSED;

/* The slots of the pool `open` that a head of a chunk, the rest of its last sheaf and its tail are
 * in; returns how many. */
enum { CHUNK_OPEN_SLOTS_MAX = 32 };
uint32_t chunk_open_slots(const struct arena *a, slot head, slot ret[CHUNK_OPEN_SLOTS_MAX]);
size_t chunk_open_payload(const struct arena *a, slot head); /* their bytes that are not slack */

/* What a snapshot brings back of a chunk, in the order of chunk_visit: blocks, and a tail or NULL.
 * A run that is no constant, or a tail, ends a chunk. is_sealed: this is all of it, and its series
 * writes to it no more. */
enum { CHUNK_PARTS_MAX = SHEAF_BLOCKS_MAX };
struct chunk_parts {
    uint32_t n;
    bool is_sealed;
    const struct chunk_tail *tail; /* of one sample or more */
    enum chunk_part parts[CHUNK_PARTS_MAX];
    struct block blocks[CHUNK_PARTS_MAX];
};

/* Adds it behind what is there. Errors (nothing changed): ERR_NO_MEMORY; ERR_CORRUPT when something
 * comes behind the end. */
int chunk_restore(const struct chunk_writer *w, struct chunk *chunk,
                  const struct chunk_parts *in) WARN_UNUSED;

/* All of a chunk that is one sheaf (sheaf_look), and a tail or NULL. */
struct chunk_whole {
    const uint8_t *bytes;
    const struct sheaf_outline *outline;
    struct block_context start;
    const struct chunk_tail *tail; /* behind it */
    bool is_sealed;
};

/* chunk_restore of that into a chunk of no samples yet. ERR_NO_MEMORY. */
int chunk_restore_sheaf(const struct chunk_writer *w, struct chunk *chunk,
                        const struct chunk_whole *in) WARN_UNUSED;

/* ---- recounting ---- */

struct chunk_footprint {
    uint64_t payload_bytes;
    uint64_t slots[SIZE_CLASSES], crumbs[CRUMB_SIZES];
    uint64_t open_payload_bytes, open_slots; /* in the pool `open` */
};

void chunk_footprint_add(struct chunk_footprint *io, size_t slot_bytes, size_t payload_bytes);
void chunk_add_footprint(const struct arena *a, const struct chunk_view *v,
                         struct chunk_footprint *io);

/* The part of it in the pool `open`: all that is left of a chunk whose window has gone. */
void chunk_add_open_footprint(const struct chunk_view *v, struct chunk_footprint *io);

/* The bytes of its slots in the window's pools. */
uint64_t chunk_footprint_bytes(const struct chunk_footprint *f);

/* Times ascend, everything decodes, the counts are right, of each sheaf as well. */
bool chunk_check(const struct arena *a, struct times_cache *t, const struct chunk_view *v);

#endif
