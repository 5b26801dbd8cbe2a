/* Packed numbers by AVX2.
 *
 * Eight numbers of `width` bits are `width` bytes, so every eight begin at a byte and lie alike.
 * Two neighbours of at most 57 bits lie in 16 bytes from the byte on where the first one begins: 7
 * bits before it at most, and 7 + 57 = 64. So 16 bytes are loaded into each lane, a shuffle brings
 * the 8 bytes of either number to its place, a shift of its own drops the bits before it, and a
 * mask those behind it. Where bytes come from and how far to shift is a row of a table by width.
 *
 * Gathers, the other way, are slow on many processors. Tried as well: sharing a load between four
 * numbers of at most 30 bits; loads are not what it waits for.
 */
#include "tsdb/packed.h"
#include "tsdb/vectors.h"

#if VECTORS_AVX2

#include <immintrin.h>
#include <string.h>

enum { LANE_BYTES = 16, LANES = 4, TAIL_BYTES = 64 };

struct row {
    uint8_t shuffle[LANES][LANE_BYTES]; /* two numbers each: the bytes of the lane */
    uint8_t shift[PACKED_GROUP];
    uint8_t from[LANES]; /* the byte of the group where the lane begins */
};

#define BYTE_OF(w, i) ((w) * (i) / 8)
#define WORD(b)       (b), (b) + 1, (b) + 2, (b) + 3, (b) + 4, (b) + 5, (b) + 6, (b) + 7
#define LANE(w, i)                                                                                 \
    {                                                                                              \
        WORD(0), WORD(BYTE_OF(w, (i) + 1) - BYTE_OF(w, i))                                         \
    }
#define SHIFT(w, i) ((w) * (i) % 8)
#define ROW(w)                                                                                     \
    {                                                                                              \
        {LANE(w, 0), LANE(w, 2), LANE(w, 4), LANE(w, 6)},                                          \
            {SHIFT(w, 0), SHIFT(w, 1), SHIFT(w, 2), SHIFT(w, 3),                                   \
             SHIFT(w, 4), SHIFT(w, 5), SHIFT(w, 6), SHIFT(w, 7)},                                  \
        {                                                                                          \
            BYTE_OF(w, 0), BYTE_OF(w, 2), BYTE_OF(w, 4), BYTE_OF(w, 6)                             \
        }                                                                                          \
    }
#define ROWS(w)                                                                                    \
    ROW(w), ROW((w) + 1), ROW((w) + 2), ROW((w) + 3), ROW((w) + 4), ROW((w) + 5), ROW((w) + 6),    \
        ROW((w) + 7)

static const struct row rows[PACKED_AVX2_WIDTH_MAX + 1] = {
    ROWS(0), ROWS(8), ROWS(16), ROWS(24), ROWS(32), ROWS(40), ROWS(48), ROW(56), ROW(57),
};

struct pattern4 { /* of four numbers, two lanes */
    __m256i shuffle, shift;
};

__attribute__((target("avx2"))) static inline __m256i four_at(const uint8_t *first,
                                                              const uint8_t *second,
                                                              const struct pattern4 *p,
                                                              __m256i mask, __m256i base)
{
    __m128i low = _mm_loadu_si128((const __m128i *)(const void *)first);
    __m128i high = _mm_loadu_si128((const __m128i *)(const void *)second);
    __m256i v = _mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1);
    v = _mm256_srlv_epi64(_mm256_shuffle_epi8(v, p->shuffle), p->shift);
    return _mm256_add_epi64(_mm256_and_si256(v, mask), base);
}

/* Whole groups from bytes of which all that lanes reach for is there. */
__attribute__((target("avx2"))) static inline uint32_t
groups_of(const uint8_t *in, size_t n_bytes, uint64_t *v, uint32_t n, unsigned width, uint64_t base)
{
    const struct row *r = &rows[width];
    __m128i shifts = _mm_loadl_epi64((const __m128i *)(const void *)r->shift);
    const struct pattern4 p[2] = {
        {_mm256_loadu_si256((const __m256i *)(const void *)r->shuffle[0]),
         _mm256_cvtepu8_epi64(shifts)},
        {_mm256_loadu_si256((const __m256i *)(const void *)r->shuffle[2]),
         _mm256_cvtepu8_epi64(_mm_srli_si128(shifts, 4))},
    };
    __m256i mask = _mm256_set1_epi64x((long long)(UINT64_MAX >> (64 - width)));
    __m256i add = _mm256_set1_epi64x((long long)base);
    size_t reach = (size_t)r->from[LANES - 1] + LANE_BYTES;
    uint32_t i = 0;
    for (; i < n && reach <= n_bytes; i += PACKED_GROUP, in += width, n_bytes -= width) {
        __m256i *out = (__m256i *)(void *)&v[i];
        _mm256_storeu_si256(out, four_at(in, in + r->from[1], &p[0], mask, add));
        _mm256_storeu_si256(out + 1, four_at(in + r->from[2], in + r->from[3], &p[1], mask, add));
    }
    return i;
}

/* The last few groups are read from a copy with zeros behind it: less than the reach of a group is
 * left, 42 + 16 bytes. */
__attribute__((target("avx2"))) void packed_get_avx2(const uint8_t *in, size_t n_bytes, uint64_t *v,
                                                     uint32_t n, unsigned width, uint64_t base)
{
    uint8_t tail[2 * TAIL_BYTES];
    uint32_t done = groups_of(in, n_bytes, v, n, width, base);
    if (done >= n)
        return;
    size_t from = (size_t)done / 8 * width, left = packed_bytes(n, width) - from;
    assert(left < TAIL_BYTES);
    for (size_t i = 0; i < sizeof(tail); i += sizeof(__m256i)) /* memset would be slower */
        _mm256_storeu_si256((__m256i *)(void *)(tail + i), _mm256_setzero_si256());
    memcpy(tail, in + from, left);
    (void)groups_of(tail, sizeof(tail), v + done, n - done, width, base);
}

#else

/* Nothing calls it where vectors_in_use() is false. */
void packed_get_avx2(const uint8_t *in, size_t n_bytes, uint64_t *v, uint32_t n, unsigned width,
                     uint64_t base)
{
    (void)in, (void)n_bytes, (void)v, (void)n, (void)width, (void)base;
    ENSURE(false);
}

#endif
