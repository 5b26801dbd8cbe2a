/* Integers in as few bytes as they need: seven bits a byte, the lowest first, the top bit says that
 * more follow; signed ones in zigzag order (0, -1, 1, -2 ...). The form is protobuf's. Threads:
 * pure functions. */
#ifndef HG_TSDB_VARINT_H
#define HG_TSDB_VARINT_H

#include "alloc/base.h"

#include <string.h>

enum { VARINT_BYTES_MAX = 10 };

static inline uint64_t zigzag(int64_t v)
{
    return ((uint64_t)v << 1) ^ (uint64_t)(v >> 63);
}

static inline int64_t unzigzag(uint64_t v)
{
    return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}

/* How many bytes v takes. */
static inline size_t varint_bytes(uint64_t v)
{
    return (size_t)(70 - __builtin_clzll(v | 1)) / 7;
}

/* Writes v at out, which has room for VARINT_BYTES_MAX; returns how many bytes. */
static inline size_t varint_put(uint8_t *out, uint64_t v)
{
    size_t n = 0;
    while (v >= 0x80) {
        out[n++] = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    out[n++] = (uint8_t)v;
    return n;
}

/* Reads one from [*at, end) and moves *at behind it; false when it is cut off or longer than 64
 * bits. */
static inline bool varint_get(const uint8_t **at, const uint8_t *end, uint64_t *ret)
{
    uint64_t v = 0;
    const uint8_t *p = *at;
    if (p != end && *p < 0x80) { /* most are of one byte */
        *ret = *p;
        *at = p + 1;
        return true;
    }
    if (end - p >= 2 && p[1] < 0x80) { /* and then of two */
        *ret = (*p & 0x7Fu) | (uint64_t)p[1] << 7;
        *at = p + 2;
        return true;
    }
    for (unsigned shift = 0; shift < 64; shift += 7) {
        if (p == end)
            return false;
        uint8_t byte = *p++;
        if (shift == 63 && byte > 1)
            return false;
        v |= (uint64_t)(byte & 0x7F) << shift;
        if ((byte & 0x80) == 0) {
            *at = p;
            *ret = v;
            return true;
        }
    }
    return false;
}

/* The seven low bits of each of eight bytes, the first byte's the lowest. */
static inline uint64_t varint_squeeze(uint64_t x)
{
    x = (x & 0x007F007F007F007F) | (x & 0x7F007F007F007F00) >> 1;
    x = (x & 0x00003FFF00003FFF) | (x & 0x3FFF00003FFF0000) >> 2;
    return (x & 0x000000000FFFFFFF) | (x & 0x0FFFFFFF00000000) >> 4;
}

/* As varint_get, in the same time for all numbers of two bytes to eight. */
static inline bool varint_get_long(const uint8_t **at, const uint8_t *end, uint64_t *ret)
{
    uint64_t x, ends;
    const uint8_t *p = *at;
    if (end - p < VARINT_BYTES_MAX || *p < 0x80)
        return varint_get(at, end, ret);
    memcpy(&x, p, sizeof(x));
    ends = ~x & 0x8080808080808080;
    if (ends != 0) { /* the lowest bit of it is the top bit of the last byte */
        *ret = varint_squeeze(x & (ends ^ (ends - 1)));
        *at = p + ((unsigned)__builtin_ctzll(ends) + 1) / 8;
        return true;
    }
    x = varint_squeeze(x);
    bool is_longest = p[8] >= 0x80;
    if (is_longest && p[9] > 1)
        return false;
    *ret = x | (uint64_t)(p[8] & 0x7F) << 56 | (is_longest ? (uint64_t)p[9] << 63 : 0);
    *at = p + (is_longest ? 10 : 9);
    return true;
}

/* As varint_get, but false as well for zeros at the end that varint_put does not write. */
static inline bool varint_get_shortest(const uint8_t **at, const uint8_t *end, uint64_t *ret)
{
    const uint8_t *begin = *at;
    return varint_get(at, end, ret) && (*at - begin == 1 || (*at)[-1] != 0);
}

#endif
