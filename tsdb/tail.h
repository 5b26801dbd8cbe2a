/* The streaming end of an open chunk: at most 128 samples, written as they come.
 *
 * A run of equal values at the expected time touches a counter and writes nothing; everything else
 * is an operation of 2 to 20 bytes:
 *
 *     0x00 .. 0x7F   a run: n + 1 samples, each one step later, with the same value
 *     0x80 | flags   one sample: 0x40 = the step changes, by the zigzag varint that follows;
 *                    low two bits: 0 = the same value, 1 = whole numbers, their difference as a
 * zigzag varint, 2 = XOR with the value before: a byte {leading zero bytes << 4 | n}, then its n
 * middle bytes, the highest first
 *
 * The first sample is in the state, not in the bytes. Where the bytes lie is the chunk's business
 * (chunk.h).
 *
 * Threads: the store's lock guards a tail. */
#ifndef HG_TSDB_TAIL_H
#define HG_TSDB_TAIL_H

#include "tsdb/append.h"

enum {
    TAIL_STEP_BYTES_MAX = 24, /* what one sample adds at most: a run's end, and its own operation */
    TAIL_BYTES_MAX = BLOCK_SAMPLES_MAX * TAIL_STEP_BYTES_MAX,
};

/* Invariant: n_samples == 0, or decoding n_bytes gives n_samples - run samples, followed by `run`
 * equal ones, ending at last. */
struct tail {
    int64_t first_ms, last_ms, step_ms;
    uint64_t first_value, last_value;
    uint16_t n_bytes;
    uint8_t n_samples;
    uint8_t run; /* equal samples not yet written as an operation */
};

/* Adds a sample later than the last: changes the state and writes the bytes that are to follow the
 * tail's n_bytes to out; returns how many (n_bytes already counts them). n_samples must be below
 * BLOCK_SAMPLES_MAX. */
size_t tail_step(struct tail *t, int64_t t_ms, uint64_t value, uint8_t out[TAIL_STEP_BYTES_MAX]);

/* Writes all n_samples samples. bytes: the tail's n_bytes in one piece. */
void tail_decode(const struct tail *t, const uint8_t *bytes, struct sample *ret);

#endif
