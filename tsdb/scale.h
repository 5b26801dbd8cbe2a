/* Scales: how integers stand for values, so that the integers are small and lie close together.
 * docs/column-format.md section 3 specifies them.
 *
 * Threads: pure functions on the caller's memory. */
#ifndef HG_TSDB_SCALE_H
#define HG_TSDB_SCALE_H

#include "alloc/base.h"

enum {
    SCALE_NONE = 0,       /* whole numbers as they are */
    SCALE_TENTHS = 1,     /* 1 .. 18: divided by 10^scale */
    SCALE_CORRECTED = 32, /* 32 + k, k = 0 .. 18: divided by 10^k, and corrected; see below */
    SCALE_SHIFT = 64,     /* 64 + s, s = 3 .. 53: times 2^s */
    SCALE_BITS = 128,     /* 128 + s, s = 0 .. 63: the bits of the double, shifted right by s */
    SCALE_TENTHS_MAX = 18,
    SCALE_TENTHS_FEW = 9, /* more are suspect: any double has 17 */
    SCALE_SHIFT_MIN = 3,
    SCALE_SHIFT_MAX = 53,
    SCALE_BITS_MAX = 63,
    SCALE_GROUP = 4, /* integers and values have room for n rounded up to a multiple */
};

/* Beyond it, on either side, no integer stands for a value, but for SCALE_BITS. */
#define SCALE_WHOLE_MAX (INT64_C(1) << 53)

/* Finds a scale that suits all n (at least 1) values, not all 0, and their integers. */
uint8_t scale_find(const uint64_t *values, uint32_t n, int64_t *ret);

/* Whether scale_find_corrected may find something shorter. */
static inline bool scale_is_suspect(uint8_t scale)
{
    return scale >= SCALE_BITS || (scale > SCALE_TENTHS_FEW && scale <= SCALE_TENTHS_MAX);
}

/* Whole numbers and decimals that have become inexact, as sums do, or that a few others are among:
 * the bits of each value are those of an integer over 10^k plus a correction. Finds integers and
 * corrections. Returns SCALE_CORRECTED + k, or SCALE_NONE where the corrections would not be short
 * for most. */
uint8_t scale_find_corrected(const uint64_t *values, uint32_t n, int64_t *ret,
                             int64_t *ret_corrections);

static inline bool scale_is_corrected(uint8_t scale)
{
    return scale >= SCALE_CORRECTED && scale <= SCALE_CORRECTED + SCALE_TENTHS_MAX;
}

/* The scale of the integers alone. */
static inline uint8_t scale_uncorrected(uint8_t scale)
{
    return (uint8_t)(scale - SCALE_CORRECTED);
}

/* The values of n (at least 1) integers or, if they are differences, of the sums of the first 1, 2
 * .. n of them modulo 2^64. What lies behind n up to a whole group is used up, here and there.
 * False, with the values unspecified, when there is no such scale or an integer has no value.
 * Corrections are the caller's to add. */
bool scale_values(uint8_t scale, bool are_differences, int64_t *x, uint32_t n,
                  uint64_t *values) WARN_UNUSED;

/* For scale.c, where vectors_in_use(): integers shifted left, over a power of ten if that is not 1;
 * and integers as bits. */
bool scale_whole_avx2(unsigned shift, double power, bool are_differences, int64_t *x, uint32_t n,
                      uint64_t *values) WARN_UNUSED;
bool scale_bits_avx2(unsigned shift, bool are_differences, int64_t *x, uint32_t n,
                     uint64_t *values) WARN_UNUSED;

#endif
