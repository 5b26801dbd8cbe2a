/* Doubles that are whole numbers: recognised only when converting back gives the same bits, so -0,
 * NaN and what lies beyond 2^53 are not. Threads: pure functions. */
#ifndef HG_TSDB_WHOLE_H
#define HG_TSDB_WHOLE_H

#include "alloc/base.h"

#include <string.h>

static inline bool whole_of_bits(uint64_t bits, int64_t *ret)
{
    double v;
    memcpy(&v, &bits, sizeof(v));
    if (!(v >= -9007199254740992.0 && v <= 9007199254740992.0))
        return false;
    int64_t whole = (int64_t)v;
    double back = (double)whole;
    if (memcmp(&back, &bits, sizeof(back)) != 0)
        return false;
    *ret = whole;
    return true;
}

static inline uint64_t bits_of_whole(int64_t whole)
{
    double v = (double)whole;
    uint64_t bits;
    memcpy(&bits, &v, sizeof(bits));
    return bits;
}

#endif
