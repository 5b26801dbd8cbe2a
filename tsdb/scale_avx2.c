/* Integers to values by AVX2, four at a time: sums of differences, whole numbers to doubles, and
 * division, in one pass.
 *
 * There is no instruction for int64 to double. The halves of a number are put into the mantissas of
 * 2^52 and of 2^84 (the high half with its sign bit turned, which adds 2^63) and these are
 * subtracted again: the high half's difference is exact, and the last addition rounds as a
 * conversion does, so the bits are the same for every number. (Mysticial, "How to efficiently
 * perform double/int64 conversions with SSE/AVX", Stack Overflow 41144668, 2016.)
 */
#include "tsdb/scale.h"
#include "tsdb/vectors.h"

#if VECTORS_AVX2

#include <immintrin.h>

#define AVX2_INLINE __attribute__((target("avx2"), always_inline)) static inline

AVX2_INLINE __m256i load4(const int64_t *x)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)x);
}

AVX2_INLINE void store4(uint64_t *values, __m256i v)
{
    _mm256_storeu_si256((__m256i *)(void *)values, v);
}

/* The sums of the first 1 to 4 numbers, all on top of *io, which becomes the last sum in every
 * place. */
AVX2_INLINE __m256i sums_of(__m256i v, __m256i *io)
{
    v = _mm256_add_epi64(v, _mm256_slli_si256(v, 8)); /* a, a + b; c, c + d */
    __m256i low = _mm256_permute4x64_epi64(v, 0x50);  /* its upper half: a + b twice */
    v = _mm256_add_epi64(v, _mm256_blend_epi32(_mm256_setzero_si256(), low, 0xF0));
    __m256i sums = _mm256_add_epi64(v, *io);
    *io = _mm256_add_epi64(*io, _mm256_permute4x64_epi64(v, 0xFF));
    return sums;
}

AVX2_INLINE __m256d doubles_of(__m256i v)
{
    const __m256i low_magic = _mm256_set1_epi64x(0x4330000000000000);  /* 2^52 */
    const __m256i high_magic = _mm256_set1_epi64x(0x4530000080000000); /* 2^84 + 2^63 */
    const __m256i all_magic = _mm256_set1_epi64x(0x4530000080100000);  /* and 2^52 more */
    __m256i low = _mm256_blend_epi32(low_magic, v, 0x55);
    __m256i high = _mm256_xor_si256(_mm256_srli_epi64(v, 32), high_magic);
    __m256d rest = _mm256_sub_pd(_mm256_castsi256_pd(high), _mm256_castsi256_pd(all_magic));
    return _mm256_add_pd(rest, _mm256_castsi256_pd(low));
}

/* The kinds of scales and of integers are constants where it is called. */
AVX2_INLINE bool values_of_whole(bool is_divided, bool are_differences, unsigned shift,
                                 double power, const int64_t *x, uint32_t n, uint64_t *values)
{
    const __m256i max = _mm256_set1_epi64x(SCALE_WHOLE_MAX >> shift);
    const __m256i min = _mm256_sub_epi64(_mm256_setzero_si256(), max);
    const __m256d by = _mm256_set1_pd(power);
    const __m128i left = _mm_cvtsi32_si128((int)shift);
    __m256i sum = _mm256_setzero_si256(), bad = sum;
    for (uint32_t i = 0; i < n; i += SCALE_GROUP) {
        __m256i v = load4(&x[i]);
        if (are_differences)
            v = sums_of(v, &sum);
        __m256i beyond = _mm256_or_si256(_mm256_cmpgt_epi64(v, max), _mm256_cmpgt_epi64(min, v));
        bad = _mm256_or_si256(bad, beyond);
        __m256d doubles = doubles_of(_mm256_sll_epi64(v, left));
        if (is_divided)
            doubles = _mm256_div_pd(doubles, by);
        store4(&values[i], _mm256_castpd_si256(doubles));
    }
    return _mm256_testz_si256(bad, bad) != 0;
}

AVX2_INLINE bool values_of_bits(bool are_differences, unsigned shift, const int64_t *x, uint32_t n,
                                uint64_t *values)
{
    const __m128i left = _mm_cvtsi32_si128((int)shift);
    const __m256i lost = _mm256_set1_epi64x((long long)~(UINT64_MAX >> shift));
    __m256i sum = _mm256_setzero_si256(), any = sum;
    for (uint32_t i = 0; i < n; i += SCALE_GROUP) {
        __m256i v = load4(&x[i]);
        if (are_differences)
            v = sums_of(v, &sum);
        any = _mm256_or_si256(any, v);
        store4(&values[i], _mm256_sll_epi64(v, left));
    }
    return _mm256_testz_si256(any, lost) != 0;
}

/* The last group is filled up so that what is behind n changes no verdict. */
static void fill_up(bool are_differences, int64_t *x, uint32_t n)
{
    int64_t filling = are_differences ? 0 : x[n - 1];
    for (; n % SCALE_GROUP != 0; n++)
        x[n] = filling;
}

__attribute__((target("avx2"))) bool scale_bits_avx2(unsigned shift, bool are_differences,
                                                     int64_t *x, uint32_t n, uint64_t *values)
{
    fill_up(are_differences, x, n);
    return are_differences ? values_of_bits(true, shift, x, n, values)
                           : values_of_bits(false, shift, x, n, values);
}

__attribute__((target("avx2"))) bool scale_whole_avx2(unsigned shift, double power,
                                                      bool are_differences, int64_t *x, uint32_t n,
                                                      uint64_t *values)
{
    fill_up(are_differences, x, n);
    if (power > 1)
        return are_differences ? values_of_whole(true, true, 0, power, x, n, values)
                               : values_of_whole(true, false, 0, power, x, n, values);
    return are_differences ? values_of_whole(false, true, shift, 1, x, n, values)
                           : values_of_whole(false, false, shift, 1, x, n, values);
}

#else

/* Nothing calls these where vectors_in_use() is false. */
bool scale_bits_avx2(unsigned shift, bool are_differences, int64_t *x, uint32_t n, uint64_t *values)
{
    (void)shift, (void)are_differences, (void)x, (void)n, (void)values;
    ENSURE(false);
    return false;
}

bool scale_whole_avx2(unsigned shift, double power, bool are_differences, int64_t *x, uint32_t n,
                      uint64_t *values)
{
    (void)power;
    return scale_bits_avx2(shift, are_differences, x, n, values);
}

#endif
