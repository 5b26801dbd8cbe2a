/* Numbers of one width side by side: bit i * width of the bytes, from the lowest bit of a byte up,
 * begins number i; the last byte is filled up with zeros. Threads: pure functions on the caller's
 * memory. */
#ifndef HG_TSDB_PACKED_H
#define HG_TSDB_PACKED_H

#include "alloc/base.h"

/* Numbers are read in groups: what they are read into has room for n rounded up to a multiple. */
enum { PACKED_GROUP = 8 };

/* The bytes of n numbers of `width` bits, 0 .. 64. */
static inline size_t packed_bytes(uint32_t n, unsigned width)
{
    return ((size_t)n * width + 7) / 8;
}

/* Writes the low `width` bits of each of n numbers: packed_bytes(n, width) bytes, no more. */
void packed_put(uint8_t *out, const uint64_t *v, uint32_t n, unsigned width);

/* Reads n numbers and adds base to each. Of the n_bytes at `in`, at least packed_bytes(n, width),
 * those behind the numbers may be looked at but do not matter; none behind them is touched. v has
 * room for whole groups; what is written behind the n numbers is unspecified. False when what fills
 * up the last byte is not zero; the numbers are then unspecified. */
bool packed_get(const uint8_t *in, size_t n_bytes, uint64_t *v, uint32_t n, unsigned width,
                uint64_t base) WARN_UNUSED;

/* How packed_get does it where vectors_in_use(), for widths 1 to PACKED_AVX2_WIDTH_MAX; whether the
 * last byte is filled up with zeros is not asked. For packed.c. */
enum { PACKED_AVX2_WIDTH_MAX = 57 };
void packed_get_avx2(const uint8_t *in, size_t n_bytes, uint64_t *v, uint32_t n, unsigned width,
                     uint64_t base);

#endif
