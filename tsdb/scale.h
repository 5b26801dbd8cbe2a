/* Scales: how integers stand for values, so that the integers are small and lie close together.
 * docs/column-format.md section 3 specifies them.
 *
 * Threads: pure functions on the caller's memory. */
#ifndef HG_TSDB_SCALE_H
#define HG_TSDB_SCALE_H

#include "alloc/base.h"

enum {
    SCALE_NONE = 0,   /* whole numbers as they are */
    SCALE_TENTHS = 1, /* 1 .. 18: divided by 10^scale */
    SCALE_SHIFT = 64, /* 64 + s, s = 3 .. 53: times 2^s */
    SCALE_BITS = 128, /* 128 + s, s = 0 .. 63: the bits of the double, shifted right by s */
    SCALE_TENTHS_MAX = 18,
    SCALE_SHIFT_MIN = 3,
    SCALE_SHIFT_MAX = 53,
    SCALE_BITS_MAX = 63,
    SCALE_GROUP = 4, /* integers and values have room for n rounded up to a multiple */
};

/* Beyond it, on either side, no integer stands for a value, but for SCALE_BITS. */
#define SCALE_WHOLE_MAX (INT64_C(1) << 53)

/* Finds a scale that suits all n (at least 1) values, not all 0, and their integers. */
uint8_t scale_find(const uint64_t *values, uint32_t n, int64_t *ret);

/* The values of n (at least 1) integers or, if they are differences, of the sums of the first 1, 2
 * .. n of them modulo 2^64. What lies behind n up to a whole group is used up, here and there.
 * False, with the values unspecified, when there is no such scale or an integer has no value. */
bool scale_values(uint8_t scale, bool are_differences, int64_t *x, uint32_t n,
                  uint64_t *values) WARN_UNUSED;

/* For scale.c, where vectors_in_use(): scale is one that there is. `power`: of ten. */
bool scale_values_avx2(uint8_t scale, bool are_differences, double power, int64_t *x, uint32_t n,
                       uint64_t *values) WARN_UNUSED;

#endif
