/* Scales: how integers stand for values, so that the integers are small and lie close together.
 * docs/column-format.md section 3 specifies them.
 *
 * Threads: pure functions on the caller's memory. */
#ifndef HG_TSDB_SCALE_H
#define HG_TSDB_SCALE_H

#include "alloc/base.h"

enum {
    SCALE_NONE = 0,     /* whole numbers as they are */
    SCALE_DIVIDED = 0,  /* + k, k = 1 .. 18: divided by 10^k */
    SCALE_TIMES = 18,   /* + k, k = 1 .. 18: times the double next to 10^-k */
    SCALE_TWICE = 37,   /* divided by 1000, twice */
    SCALE_DECIMAL = 37, /* 1 .. SCALE_DECIMAL: the decimals */
    SCALE_SHIFT = 64,   /* + s, s = 3 .. 53: times 2^s */
    SCALE_BITS = 128,   /* + s, s = 0 .. 63: the bits of the double, shifted right by s */
    SCALE_PLACES_MAX = 18,
    SCALE_PLACES_FEW = 9, /* more are suspect: any double has 17 */
    SCALE_SHIFT_MIN = 3,
    SCALE_SHIFT_MAX = 53,
    SCALE_BITS_MAX = 63,
    SCALE_GROUP = 4, /* integers and values have room for n rounded up to a multiple */
};

/* Beyond it, on either side, no integer stands for a value, but for SCALE_BITS. */
#define SCALE_WHOLE_MAX (INT64_C(1) << 53)

/* Finds a scale that suits all n (at least 1) values, not all 0, and their integers. */
uint8_t scale_find(const uint64_t *values, uint32_t n, int64_t *ret);

/* Whether there may be a better one that suits all but some. */
static inline bool scale_is_suspect(uint8_t scale)
{
    return scale >= SCALE_BITS ||
           (scale > SCALE_DIVIDED + SCALE_PLACES_FEW && scale <= SCALE_DIVIDED + SCALE_PLACES_MAX);
}

/* Finds a scale, not of bits, that suits all n values but some, at most SCALE_STRANGERS_MAX: writes
 * their places, ascending, and at their places the integer before (at the first ones: behind).
 * Returns how many they are; 0 where it finds none. It looks for scales of few places only. n is at
 * least 2. */
enum { SCALE_STRANGERS_MAX = 16 };
uint32_t scale_find_but_some(const uint64_t *values, uint32_t n, int64_t *ret, uint8_t *ret_scale,
                             uint8_t ret_places[SCALE_STRANGERS_MAX]);

/* The values of n (at least 1) integers or, if they are differences, of the sums of the first 1, 2
 * .. n of them modulo 2^64. What lies behind n up to a whole group is used up, here and there.
 * False, with the values unspecified, when there is no such scale or an integer has no value. */
bool scale_values(uint8_t scale, bool are_differences, int64_t *x, uint32_t n,
                  uint64_t *values) WARN_UNUSED;

/* What is done to an integer that a decimal scale has made a double. */
enum scale_step { SCALE_LEAVE, SCALE_DIVIDE, SCALE_MULTIPLY, SCALE_DIVIDE_TWICE };

/* For scale.c, where vectors_in_use(). values_of_whole: integers shifted left, then the step by
 * `by`. */
bool scale_whole_avx2(enum scale_step step, double by, unsigned shift, bool are_differences,
                      int64_t *x, uint32_t n, uint64_t *values) WARN_UNUSED;
bool scale_bits_avx2(unsigned shift, bool are_differences, int64_t *x, uint32_t n,
                     uint64_t *values) WARN_UNUSED;

#endif
