/* A sheaf: some blocks of a chunk, one behind the other as one string of bytes that is cut into
 * slots without regard to where a block ends.
 *
 *     sheaf        128 B               256 B                           128 B
 *     +-------+    +-------------+    +---------------------------+    +-------------+
 *     | piece |--> | next |b1.b2 |--> | next | b2.. | b3 ........ |--> | b3.|  free  |
 *     +-------+    +-------------+    +---------------------------+    +-------------+
 *
 * A new block fills what is left of the last slot first; the rest goes into a new slot of the
 * smallest class that holds it. So slots are full but for the last one, and nothing that was
 * written moves. A sheaf is closed after SHEAF_BLOCKS blocks; the chunk's directory (row.h) has one
 * item a sheaf, and a late sample rewrites one sheaf at most.
 *
 * Threads: one writer; readers use copies of the struct (words.h) inside the epoch, and never look
 * behind the n_bytes of their copy. */
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

struct sheaf_end { /* what its writer needs to go on */
    slot piece;    /* the last slot, and how many of its bytes are used, link included */
    uint32_t n_used;
    struct block_context context;
};

/* Adds a block, whose first time is first_time, to the caller's copies. False without memory (the
 * change has failed). */
bool sheaf_append(struct change *c, struct sheaf *s, struct sheaf_end *e, const struct block *b,
                  uint32_t first_time) WARN_UNUSED;

/* Copies the sheaf's bytes into one piece of memory. */
void sheaf_gather(const struct arena *a, const struct sheaf *s, uint8_t out[SHEAF_BYTES_MAX]);

/* The blocks of gathered bytes, in turn; false after the last. */
struct sheaf_reader {
    const uint8_t *at, *end;
    struct block_context context;
};
void sheaf_reader_init(struct sheaf_reader *r, const struct sheaf *s, const uint8_t *bytes);
bool sheaf_next(struct sheaf_reader *r, struct block *ret);

/* The end of a sheaf that is to be continued. */
void sheaf_find_end(const struct arena *a, const struct sheaf *s, const uint8_t *bytes,
                    struct sheaf_end *ret);

/* Visits the sheaf's slots; returns how many. visit may be NULL. */
uint32_t sheaf_each_slot(const struct arena *a, const struct sheaf *s,
                         void (*visit)(void *ctx, slot s), void *ctx);

/* Bytes of the sheaf's slots that are not slack. */
size_t sheaf_payload(const struct arena *a, const struct sheaf *s);

#endif
