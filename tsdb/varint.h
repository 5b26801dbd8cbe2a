/* Integers in as few bytes as they need: seven bits a byte, the lowest first, the top bit says that
 * more follow; signed ones in zigzag order (0, -1, 1, -2 ...). The form is protobuf's. Threads:
 * pure functions. */
#ifndef HG_TSDB_VARINT_H
#define HG_TSDB_VARINT_H

#include "alloc/base.h"

enum { VARINT_BYTES_MAX = 10 };

static inline uint64_t zigzag(int64_t v)
{
    return ((uint64_t)v << 1) ^ (uint64_t)(v >> 63);
}

static inline int64_t unzigzag(uint64_t v)
{
    return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
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

/* As varint_get, but false as well for zeros at the end that varint_put does not write. */
static inline bool varint_get_shortest(const uint8_t **at, const uint8_t *end, uint64_t *ret)
{
    const uint8_t *begin = *at;
    return varint_get(at, end, ret) && (*at - begin == 1 || (*at)[-1] != 0);
}

#endif
