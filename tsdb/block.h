/* A block: up to 128 samples in their final, columnar form, immutable. docs/chunk-format.md
 * specifies the bytes.
 *
 * A block names its encoding in one byte, low half for the times and high half for the values; the
 * first and the last time and the number of samples stand beside the bytes, not in them. The
 * smallest encoding that gives the same bits back is taken.
 *
 * Threads: pure functions on the caller's memory. */
#ifndef HG_TSDB_BLOCK_H
#define HG_TSDB_BLOCK_H

#include "tsdb/append.h"

enum {
    BLOCK_HEAD_BYTES = 24, /* what a slot holds beside the bytes: chunk.h */
    BLOCK_BYTES_MAX = SIZE_CLASS_BYTES_MAX - BLOCK_HEAD_BYTES,
};

enum block_times {
    TIMES_LINEAR = 0, /* equal distances: no bytes at all */
    TIMES_PACKED = 1, /* distances less their minimum, bit-packed */
};

enum block_values {
    VALUES_CONSTANT = 0, /* 8 bytes */
    VALUES_INTEGER = 1,  /* integers by differences less their minimum, bit-packed */
    VALUES_XOR = 2,      /* each XORed with the one before, as in the Gorilla paper (Pelkonen et al.
                            2015, 4.1.2) */
    VALUES_RAW = 3,      /* 8 bytes each */
};

struct block {
    int64_t first_ms, last_ms;
    uint32_t n_samples;
    uint32_t n_bytes;
    uint8_t encoding; /* enum block_times | enum block_values << 4 */
    const uint8_t *bytes;
};

/* Encodes n (1 .. BLOCK_SAMPLES_MAX) samples with ascending times into out. Returns false when they
 * need more than BLOCK_BYTES_MAX: the caller then makes two blocks of half as many (one of 32
 * samples always fits). ret->bytes is out. */
bool block_encode(const struct sample *samples, uint32_t n, uint8_t out[BLOCK_BYTES_MAX],
                  struct block *ret) WARN_UNUSED;

/* Decodes into two columns of BLOCK_SAMPLES_MAX. Reads no byte outside the block, whatever it
 * holds; false when it is not what block_encode makes: wrong length, unknown encoding, times that
 * do not ascend from first_ms to last_ms. */
bool block_decode(const struct block *b, int64_t t_ms[BLOCK_SAMPLES_MAX],
                  uint64_t values[BLOCK_SAMPLES_MAX]) WARN_UNUSED;

#endif
