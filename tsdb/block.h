/* A block: samples in their final, columnar form, immutable. docs/chunk-format.md specifies the
 * bytes.
 *
 * Values are a column of up to 128 (column.h), or a run: any number of equal ones. Times are a
 * place in a timeline (timeline.h) from which on they are taken, or the block's own.
 *
 *     byte    low half: encoding of the values; bits 4 and 5: enum block_times; bit 6: shared
 *     varint  samples - 1
 *     varint  bytes of the values, if they are not shared
 *     times   BLOCK_FOLLOWS nothing | BLOCK_AT timeline (4 bytes, a handle), varint place |
 *             BLOCK_LINEAR varint first, varint step | BLOCK_PACKED varint first, differences
 *     values  or, of shared ones, the handle (4 bytes; shared.h)
 *
 * Threads: pure functions on the caller's memory; the times of a timeline are read inside the
 * epoch. */
#ifndef HG_TSDB_BLOCK_H
#define HG_TSDB_BLOCK_H

#include "tsdb/column.h"
#include "tsdb/shared.h"
#include "tsdb/timeline.h"

enum {
    BLOCK_RUN = 15, /* the encoding of a run: the bytes of its value, the
                       highest first, without the zeros at the end */
    RUN_BYTES_MAX = 8,
    BLOCK_RUN_MAX = TIMELINE_TIMES_MAX,   /* samples of a run */
    BLOCK_TIMES_BYTES_MAX = 10 + 128 * 5, /* of own times */
    BLOCK_STORED_MAX = 16 + BLOCK_TIMES_BYTES_MAX + COLUMN_BYTES_MAX,
};

enum block_times {
    BLOCK_FOLLOWS = 0, /* where the block before ended; the first of a sheaf: where that says */
    BLOCK_AT = 1,
    BLOCK_LINEAR = 2, /* own, equidistant */
    BLOCK_PACKED = 3, /* own */
};

struct block {
    uint8_t encoding; /* enum column_encoding, or BLOCK_RUN */
    uint8_t times;    /* BLOCK_AT, BLOCK_LINEAR or BLOCK_PACKED */
    uint32_t n_samples;
    slot timeline;  /* BLOCK_AT */
    uint32_t first; /* BLOCK_AT: a place; else a time */
    uint32_t step;  /* BLOCK_LINEAR; ms */
    uint32_t n_times_bytes;
    uint32_t n_values_bytes;
    slot shared;                /* where the values are kept for several blocks; 0 = here */
    const uint8_t *times_bytes; /* BLOCK_PACKED: the differences */
    const uint8_t *values;
};

/* The place in a timeline at which the next block is expected to begin; timeline 0 = none. */
struct block_context {
    slot timeline;
    uint32_t place;
};

/* Writes a block behind what the context says, which moves on. Returns its bytes. */
size_t block_put(const struct block *b, struct block_context *io, uint8_t out[BLOCK_STORED_MAX]);

/* Reads one from [*at, end) and moves *at behind it; its bytes are borrowed. Reads nothing outside;
 * false when that is no block. Of a handle it is not checked what it names. Shared values are still
 * to be fetched (block_fetch); until then the block has none. */
bool block_get(const uint8_t **at, const uint8_t *end, struct block_context *io, struct block *ret);

/* What is seen of a block without a look at its values. */
struct block_outline {
    uint32_t n_samples;
    bool is_shared; /* the last four bytes say what its values are */
};

/* Moves *at behind a block of [*at, end) that takes its times from where the one before ended, as
 * nearly all do. Reads nothing outside; false for any other, and for one that may not be kept; of
 * shared values only how they are referred to is looked at. */
bool block_skip_any(const uint8_t **at, const uint8_t *end, struct block_outline *ret);

/* The same, with one look at what nearly all are: a column of the block's own, its length of one
 * byte or two. */
static inline bool block_skip(const uint8_t **at, const uint8_t *end, struct block_outline *ret)
{
    const uint8_t *p = *at;
    if (end - p < 4 || p[0] >= BLOCK_RUN || p[1] >= BLOCK_SAMPLES_MAX)
        return block_skip_any(at, end, ret);
    uint32_t is_long = p[2] >> 7, n_bytes = is_long ? (p[2] & 0x7Fu) | (uint32_t)p[3] << 7 : p[2];
    const uint8_t *values = p + 3 + is_long;
    if (!column_is_possible(p[0], n_bytes) || n_bytes > (size_t)(end - values))
        return block_skip_any(at, end, ret);
    ret->n_samples = p[1] + 1u;
    ret->is_shared = false;
    *at = values + n_bytes;
    return true;
}

/* Lets a block with shared values borrow them; does nothing to another. */
void block_fetch(const struct arena *a, struct block *io);

/* Gives a block of n (1 .. BLOCK_SAMPLES_MAX) samples own times, which ascend. bytes is where
 * differences go, if need be, and is borrowed by the block. */
void block_own_times(struct block *b, const uint32_t *times, uint32_t n,
                     uint8_t bytes[BLOCK_TIMES_BYTES_MAX]);

/* Encodes n values (1 .. BLOCK_SAMPLES_MAX) into bytes, borrowed by the block: its own. */
void block_encode_values(struct block *b, const uint64_t *values, uint32_t n,
                         uint8_t bytes[COLUMN_BYTES_MAX]);

/* A run of n (1 .. BLOCK_RUN_MAX) equal values, from a place of a timeline, or (timeline 0, n = 1)
 * at a time. */
void block_of_run(struct block *b, slot timeline, uint32_t first, uint32_t n, uint64_t value,
                  uint8_t bytes[RUN_BYTES_MAX]);

/* Samples [from, from + n) of a block: n at most BLOCK_SAMPLES_MAX, and unless it is a run from = 0
 * and n = n_samples. False when the bytes are not what block_encode_values and block_own_times
 * make. */
bool block_values(const struct block *b, uint32_t from, uint32_t n, uint64_t *ret);
bool block_times(const struct arena *a, struct times_cache *t, const struct block *b, uint32_t from,
                 uint32_t n, uint32_t *ret);

/* The same of a block that the store keeps. Of one that was restored on trust (dump.h) the bytes
 * may be no column: its samples are then stale markers, which every reader takes for none. */
void block_values_kept(const struct block *b, uint32_t from, uint32_t n, uint64_t *ret);

/* The times of samples [from, from + n) of a block that the store keeps, n as for block_times: lent
 * by the cache until it is used again if they can be, else put into room. */
const uint32_t *block_lend_times(const struct arena *a, struct times_cache *t,
                                 const struct block *b, uint32_t from, uint32_t n, uint32_t *room);

/* The value of a run from its bytes; false when these are none. */
bool block_run_value(const uint8_t *bytes, uint32_t n, uint64_t *ret) WARN_UNUSED;

/* A block may be longer than BLOCK_SAMPLES_MAX, and is then read in parts of that many: where the
 * first part begins that does not end before min_time, or the last one. */
uint32_t block_first_part(const struct arena *a, struct times_cache *t, const struct block *b,
                          uint32_t min_time);

/* Whether that can be asked of it: its encoding and the length of its values are possible ones. */
bool block_is_run(const struct block *b); /* a good one */
static inline bool block_may_be_kept(const struct block *b)
{
    if (b->encoding == BLOCK_RUN)
        return block_is_run(b);
    return b->n_samples <= COLUMN_VALUES_MAX && column_is_possible(b->encoding, b->n_values_bytes);
}

/* The first and the last time of a block whose bytes are good. */
void block_span(const struct arena *a, struct times_cache *t, const struct block *b,
                uint32_t *ret_first, uint32_t *ret_last);

#endif
