/* Numbers of one width side by side: bit i * width of the bytes, from the lowest bit of a byte up,
 * begins number i; the last byte is filled up with zeros. Threads: pure functions on the caller's
 * memory. */
#ifndef HG_TSDB_PACKED_H
#define HG_TSDB_PACKED_H

#include "alloc/base.h"

/* The bytes of n numbers of `width` bits, 0 .. 64. */
static inline size_t packed_bytes(uint32_t n, unsigned width)
{
    return ((size_t)n * width + 7) / 8;
}

/* Writes the low `width` bits of each of n numbers: packed_bytes(n, width) bytes, no more. */
void packed_put(uint8_t *out, const uint64_t *v, uint32_t n, unsigned width);

/* Reads n numbers from packed_bytes(n, width) bytes and touches none behind them. False when what
 * fills up the last byte is not zero; the numbers are then unspecified. */
bool packed_get(const uint8_t *in, uint64_t *v, uint32_t n, unsigned width) WARN_UNUSED;

#endif
