/* A sheaf: some blocks of a chunk, one behind the other as one string of bytes that is cut into
 * slots without regard to where a block ends.
 *
 *     sheaf        256 B                128 B               its rest, while it is open
 *     +-------+    +--------------+    +----------------+    +-------------+
 *     | piece |--> | next | b1 b2.|--> | next | .b2 b3. |    | .b3 |  free |
 *     +-------+    +--------------+    +----------------+    +-------------+
 *
 * The window's slots are filled to the last byte, in the largest classes that the bytes at hand
 * fill; what is left, less than the smallest class, is the rest, in a slot of the pool `open`
 * (slots.h). When the sheaf is closed, the rest gets a slot of 32, 64, 96 or 128 bytes. So slack is
 * at the end of closed sheaves only, and nothing that was written there moves.
 *
 * A sheaf is closed after SHEAF_BLOCKS blocks, or when its chunk is sealed; the chunk's directory
 * (row.h) has one item a sheaf, and a late sample rewrites one sheaf at most.
 *
 * Threads: one writer; readers use copies of the structs (words.h) inside the epoch, and never look
 * behind the lengths in their copies. */
#ifndef HG_TSDB_SHEAF_H
#define HG_TSDB_SHEAF_H

#include "tsdb/block.h"

enum {
    SHEAF_BLOCKS = 8,      /* closed after so many */
    SHEAF_BLOCKS_MAX = 16, /* late samples may make more, up to here */
    SHEAF_BYTES_MAX = (SHEAF_BLOCKS_MAX + 2) * BLOCK_STORED_MAX,
};

_Static_assert(SHEAF_BYTES_MAX <= UINT16_MAX, "n_bytes counts them");

struct sheaf {
    uint32_t first_time;
    struct block_context start; /* where its first block begins, if in a timeline */
    slot piece;                 /* the first slot */
    uint32_t n_samples;
    uint16_t n_bytes;
    uint16_t n_blocks; /* 0 = there is no sheaf */
};

struct sheaf_end { /* what an open sheaf is besides; all 0 of a closed one */
    slot piece;    /* the last of its slots, or 0 */
    slot rest;
    uint32_t n_rest; /* bytes in it */
    struct block_context context;
};

static inline bool sheaf_is_open(const struct sheaf_end *e)
{
    return e->piece != 0 || e->rest != 0;
}

/* Adds a block, whose first time is first_time, to the caller's copies of an open sheaf, or of none
 * (n_blocks 0), which begins one. False without memory (the change has failed). */
bool sheaf_append(struct change *c, struct sheaf *s, struct sheaf_end *e, const struct block *b,
                  uint32_t first_time) WARN_UNUSED;

/* The same for n (1 .. SHEAF_BLOCKS_MAX + 2) blocks in turn, in the slots of the window in which
 * they would have come one by one. False as above. */
bool sheaf_append_many(struct change *c, struct sheaf *s, struct sheaf_end *e,
                       const struct block *blocks, uint32_t n, uint32_t first_time) WARN_UNUSED;

/* Closes an open sheaf; does nothing with a closed one. False as above. */
bool sheaf_close(struct change *c, struct sheaf *s, struct sheaf_end *e) WARN_UNUSED;

/* A closed sheaf of n (1 .. SHEAF_BLOCKS_MAX + 2) blocks at once, in the slots in which appending
 * them one by one and closing would have left it. False as above. */
bool sheaf_make(struct change *c, struct sheaf *ret, const struct block *blocks, uint32_t n,
                uint32_t first_time) WARN_UNUSED;

/* What the bytes of a sheaf say when each of its blocks follows the one before in one timeline, as
 * those of nearly all do. */
struct sheaf_outline {
    uint32_t n_blocks, n_samples;
    uint16_t ends[SHEAF_BLOCKS_MAX]; /* of the blocks, in bytes from the start */
    uint16_t shared; /* bit i: the values of block i are shared, and the four bytes before its end
                        say where they are */
};

/* Looks through them. False when that is not so, or a block may not be kept (block.h). What shared
 * values are is not looked at. */
bool sheaf_look(const uint8_t *bytes, size_t n, struct sheaf_outline *ret);

/* sheaf_make from the bytes of all blocks, in which sheaf_look found that; start is where the first
 * begins. first_time, which a chunk's only sheaf does not say, is 0. */
bool sheaf_make_whole(struct change *c, struct sheaf *ret, const uint8_t *bytes,
                      const struct sheaf_outline *outline, struct block_context start) WARN_UNUSED;

/* The same, open: what sheaf_append_many leaves. */
bool sheaf_begin_whole(struct change *c, struct sheaf *ret, struct sheaf_end *ret_end,
                       const uint8_t *bytes, const struct sheaf_outline *outline,
                       struct block_context start, uint32_t first_time) WARN_UNUSED;

/* Copies the sheaf's bytes into one piece of memory. e: of an open one, else NULL. */
void sheaf_gather(const struct arena *a, const struct sheaf *s, const struct sheaf_end *e,
                  uint8_t out[SHEAF_BYTES_MAX]);

/* The blocks of gathered bytes, in turn, with shared values fetched; false after the last. */
struct sheaf_reader {
    const struct arena *arena;
    const uint8_t *at, *end;
    struct block_context context;
};
void sheaf_reader_init(struct sheaf_reader *r, const struct arena *a, const struct sheaf *s,
                       const uint8_t *bytes);
bool sheaf_next(struct sheaf_reader *r, struct block *ret);

/* Visits the sheaf's slots in the window; returns how many. visit may be NULL. */
uint32_t sheaf_each_slot(const struct arena *a, const struct sheaf *s, const struct sheaf_end *e,
                         void (*visit)(void *ctx, slot s), void *ctx);

/* Bytes of those slots that are not slack. */
size_t sheaf_payload(const struct arena *a, const struct sheaf *s, const struct sheaf_end *e);

/* Gives all its slots back. */
void sheaf_replace(struct change *c, const struct sheaf *s, const struct sheaf_end *e);

#endif
