/* Which of a few neighbours agree, a bit for each, without a branch: by SSE2, which every x86-64
 * has, and portably with the same results (masks_portable_..., which the tests hold against it).
 *
 * Bit i of a mask is of the i-th byte or number. Addresses need not be aligned.
 *
 * Threads: pure functions. */
#ifndef HG_ALLOC_MASKS_H
#define HG_ALLOC_MASKS_H

#include "alloc/base.h"

#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum { MASKS_BYTES = 16, MASKS_NUMBERS = 8 };

/* The top bits of bytes[0 .. 16). */
static inline uint32_t masks_portable_tops(const uint8_t bytes[MASKS_BYTES])
{
    uint32_t mask = 0;
    for (unsigned i = 0; i < MASKS_BYTES; i++)
        mask |= (uint32_t)(bytes[i] >> 7) << i;
    return mask;
}

/* Which of 16 bytes are the same in both. */
static inline uint32_t masks_portable_same(const uint8_t a[MASKS_BYTES],
                                           const uint8_t b[MASKS_BYTES])
{
    uint32_t mask = 0;
    for (unsigned i = 0; i < MASKS_BYTES; i++)
        mask |= (uint32_t)(a[i] == b[i]) << i;
    return mask;
}

/* Which of numbers[0 .. 8) are that one. */
static inline uint32_t masks_portable_are(const uint32_t numbers[MASKS_NUMBERS], uint32_t number)
{
    uint32_t mask = 0;
    for (unsigned i = 0; i < MASKS_NUMBERS; i++)
        mask |= (uint32_t)(numbers[i] == number) << i;
    return mask;
}

/* The same of short ones. */
static inline uint32_t masks_portable_are_short(const uint16_t numbers[MASKS_NUMBERS],
                                                uint16_t number)
{
    uint32_t mask = 0;
    for (unsigned i = 0; i < MASKS_NUMBERS; i++)
        mask |= (uint32_t)(numbers[i] == number) << i;
    return mask;
}

/* Which of numbers[0 .. 8), less base, have a bit of `high`. */
static inline uint32_t masks_portable_reach(const uint64_t numbers[MASKS_NUMBERS], uint64_t base,
                                            uint64_t high)
{
    uint32_t mask = 0;
    for (unsigned i = 0; i < MASKS_NUMBERS; i++)
        mask |= (uint32_t)(((numbers[i] - base) & high) != 0) << i;
    return mask;
}

#ifdef __SSE2__

static inline uint32_t masks_tops(const uint8_t bytes[MASKS_BYTES])
{
    return (uint32_t)_mm_movemask_epi8(_mm_loadu_si128((const __m128i *)(const void *)bytes));
}

static inline uint32_t masks_same(const uint8_t a[MASKS_BYTES], const uint8_t b[MASKS_BYTES])
{
    __m128i x = _mm_loadu_si128((const __m128i *)(const void *)a);
    __m128i y = _mm_loadu_si128((const __m128i *)(const void *)b);
    return (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(x, y));
}

static inline uint32_t masks_are(const uint32_t numbers[MASKS_NUMBERS], uint32_t number)
{
    __m128i sought = _mm_set1_epi32((int)number);
    __m128i x = _mm_loadu_si128((const __m128i *)(const void *)numbers);
    __m128i y = _mm_loadu_si128((const __m128i *)(const void *)(numbers + MASKS_NUMBERS / 2));
    __m128i same = _mm_packs_epi32(_mm_cmpeq_epi32(x, sought), _mm_cmpeq_epi32(y, sought));
    return (uint32_t)_mm_movemask_epi8(_mm_packs_epi16(same, _mm_setzero_si128()));
}

static inline uint32_t masks_are_short(const uint16_t numbers[MASKS_NUMBERS], uint16_t number)
{
    __m128i x = _mm_loadu_si128((const __m128i *)(const void *)numbers);
    __m128i same = _mm_cmpeq_epi16(x, _mm_set1_epi16((short)number));
    return (uint32_t)_mm_movemask_epi8(_mm_packs_epi16(same, _mm_setzero_si128()));
}

/* The bits of `high` in four numbers less base, one half of each beside the other: zero or not. */
static inline __m128i masks_reach_four(const uint64_t numbers[MASKS_NUMBERS / 2], __m128i base,
                                       __m128i high)
{
    __m128i x = _mm_loadu_si128((const __m128i *)(const void *)numbers);
    __m128i y = _mm_loadu_si128((const __m128i *)(const void *)(numbers + 2));
    __m128 a = _mm_castsi128_ps(_mm_and_si128(_mm_sub_epi64(x, base), high));
    __m128 b = _mm_castsi128_ps(_mm_and_si128(_mm_sub_epi64(y, base), high));
    __m128 low_halves = _mm_shuffle_ps(a, b, _MM_SHUFFLE(2, 0, 2, 0));
    __m128 high_halves = _mm_shuffle_ps(a, b, _MM_SHUFFLE(3, 1, 3, 1));
    return _mm_or_si128(_mm_castps_si128(low_halves), _mm_castps_si128(high_halves));
}

static inline uint32_t masks_reach(const uint64_t numbers[MASKS_NUMBERS], uint64_t base,
                                   uint64_t high)
{
    __m128i from = _mm_set1_epi64x((int64_t)base), bits = _mm_set1_epi64x((int64_t)high);
    __m128i zero = _mm_setzero_si128();
    __m128i x = _mm_cmpeq_epi32(masks_reach_four(numbers, from, bits), zero);
    __m128i y = _mm_cmpeq_epi32(masks_reach_four(numbers + 4, from, bits), zero);
    __m128i none = _mm_packs_epi16(_mm_packs_epi32(x, y), _mm_set1_epi16(-1));
    return (uint32_t)_mm_movemask_epi8(none) ^ 0xFFFF;
}

#else

static inline uint32_t masks_tops(const uint8_t bytes[MASKS_BYTES])
{
    return masks_portable_tops(bytes);
}

static inline uint32_t masks_same(const uint8_t a[MASKS_BYTES], const uint8_t b[MASKS_BYTES])
{
    return masks_portable_same(a, b);
}

static inline uint32_t masks_are(const uint32_t numbers[MASKS_NUMBERS], uint32_t number)
{
    return masks_portable_are(numbers, number);
}

static inline uint32_t masks_are_short(const uint16_t numbers[MASKS_NUMBERS], uint16_t number)
{
    return masks_portable_are_short(numbers, number);
}

static inline uint32_t masks_reach(const uint64_t numbers[MASKS_NUMBERS], uint64_t base,
                                   uint64_t high)
{
    return masks_portable_reach(numbers, base, high);
}

#endif

#endif
