/* The streaming end of an open chunk: written as samples come.
 *
 * A run of equal values at the expected place touches a counter and writes nothing; everything else
 * is an operation of 2 to 20 bytes:
 *
 *     0x00 .. 0x7F   a run: n + 1 samples, each one step later, with the same value
 *     0x80 | flags   one sample: 0x40 = the step changes, by the zigzag varint that follows;
 *                    low two bits: 0 = the same value, 1 = whole numbers, their difference as a
 *                    zigzag varint, 2 = XOR with the value before: a byte (leading zero bytes in
 *                    its high half, n in its low), then its n middle bytes, the highest first
 *
 * The first sample is in the state, not in the bytes. A sample's place is its index in a timeline
 * that the tail follows, step 1, or else its time (`timeline` 0). Where the bytes lie is the
 * chunk's business (chunk.h).
 *
 * Threads: pure functions on the caller's memory. */
#ifndef HG_TSDB_TAIL_H
#define HG_TSDB_TAIL_H

#include "alloc/pool.h"
#include "tsdb/store_limits.h"

enum {
    TAIL_STEP_BYTES_MAX = 24, /* what one sample adds at most: a run's end, and its own operation */
    TAIL_BYTES_MAX = BLOCK_SAMPLES_MAX * TAIL_STEP_BYTES_MAX,
};

/* Invariant: n_samples == 0, or decoding n_bytes gives n_samples - run samples, followed by `run`
 * equal ones, ending at last. A tail without bytes is one run and may be longer than
 * BLOCK_SAMPLES_MAX. */
struct tail {
    uint64_t first_value, last_value;
    uint32_t first, last, step; /* places */
    uint32_t n_samples;
    uint32_t run;  /* equal samples not yet written as an operation */
    slot timeline; /* 0 = places are times */
    uint16_t n_bytes;
    uint16_t unused[3];
};

/* A tail of one sample. */
void tail_start(struct tail *t, slot timeline, uint32_t place, uint64_t value);

/* Whether a sample would only make the run longer. */
static inline bool tail_repeats(const struct tail *t, uint32_t place, uint64_t value)
{
    return value == t->last_value && place - t->last == t->step;
}

/* Adds a sample behind the last of a tail that has one: changes the state and writes the bytes that
 * are to follow the tail's n_bytes to out; returns how many (n_bytes already counts them). Unless
 * the sample repeats, n_samples must be below BLOCK_SAMPLES_MAX. */
size_t tail_step(struct tail *t, uint32_t place, uint64_t value, uint8_t out[TAIL_STEP_BYTES_MAX]);

/* A tail of n (1 .. BLOCK_SAMPLES_MAX) samples, as tail_start and tail_step make it, and its bytes;
 * returns how many. */
size_t tail_of(struct tail *t, slot timeline, const uint32_t *places, const uint64_t *values,
               uint32_t n, uint8_t out[TAIL_BYTES_MAX]);

/* Writes all n_samples (at most BLOCK_SAMPLES_MAX) as two columns. bytes: the tail's n_bytes in one
 * piece. */
void tail_decode(const struct tail *t, const uint8_t *bytes, uint32_t *ret_places,
                 uint64_t *ret_values);

#endif
