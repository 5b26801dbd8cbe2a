#include "tsdb/differences.h"
#include "tsdb/bits.h"
#include "tsdb/varint.h"
#include <string.h>
static unsigned bit_width(uint64_t v)
{
    return v == 0 ? 0 : 64u - (unsigned)__builtin_clzll(v);
}

/* Writes n differences as {varint minimum in zigzag, byte width, (d - minimum) in width bits each}.
 * All arithmetic wraps. Returns the end of what was written, or NULL when it does not fit. */
static uint8_t *put_differences(uint8_t *at, uint8_t *end, const int64_t *d, uint32_t n)
{
    int64_t least = d[0];
    for (uint32_t i = 1; i < n; i++)
        least = i64_min(least, d[i]);
    uint64_t spread = 0;
    for (uint32_t i = 0; i < n; i++)
        spread |= (uint64_t)d[i] - (uint64_t)least;
    unsigned width = bit_width(spread);
    uint8_t head[VARINT_BYTES_MAX + 1];
    size_t head_bytes = varint_put(head, zigzag(least));
    head[head_bytes++] = (uint8_t)width;
    if ((size_t)(end - at) < head_bytes + ((size_t)n * width + 7) / 8)
        return NULL;
    memcpy(at, head, head_bytes);
    struct bit_writer w = {.at = at + head_bytes, .end = end};
    for (uint32_t i = 0; i < n; i++)
        bits_put(&w, (uint64_t)d[i] - (uint64_t)least, width);
    bits_flush(&w);
    assert(!w.is_full);
    return w.at;
}

static bool get_differences(const uint8_t **at, const uint8_t *end, int64_t *d, uint32_t n)
{
    uint64_t least_zigzag;
    if (!varint_get(at, end, &least_zigzag) || *at == end)
        return false;
    unsigned width = *(*at)++;
    uint64_t least = (uint64_t)unzigzag(least_zigzag);
    if (width > 64 || (size_t)(end - *at) < ((size_t)n * width + 7) / 8)
        return false;
    struct bit_reader r = {.at = *at, .end = *at + ((size_t)n * width + 7) / 8};
    for (uint32_t i = 0; i < n; i++)
        d[i] = (int64_t)(least + bits_get(&r, width));
    *at = r.end;
    return true;
}

size_t differences_put(uint8_t *out, size_t room, const int64_t *d, uint32_t n)
{
    uint8_t *e = put_differences(out, out + room, d, n);
    return e ? (size_t)(e - out) : 0;
}
bool differences_get(const uint8_t **at, const uint8_t *end, int64_t *d, uint32_t n)
{
    return get_differences(at, end, d, n);
}
