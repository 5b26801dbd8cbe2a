#include "tsdb/scale.h"
#include "tsdb/vectors.h"
#include "tsdb/whole.h"

#include <string.h>

static const double powers_of_ten[SCALE_TENTHS_MAX + 1] = {1,    1e1,  1e2,  1e3,  1e4,  1e5,  1e6,
                                                           1e7,  1e8,  1e9,  1e10, 1e11, 1e12, 1e13,
                                                           1e14, 1e15, 1e16, 1e17, 1e18};

/* ---- from values to integers ---- */

/* Zeros at the low end of all n numbers, of which one is not 0. */
static unsigned common_zeros(const uint64_t *v, uint32_t n)
{
    uint64_t any = 0;
    for (uint32_t i = 0; i < n; i++)
        any |= v[i];
    return (unsigned)__builtin_ctzll(any);
}

static bool whole_of_values(const uint64_t *values, uint32_t n, int64_t *x, uint8_t *ret_scale)
{
    uint64_t any = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (!whole_of_bits(values[i], &x[i]))
            return false;
        any |= (uint64_t)x[i];
    }
    /* A shift costs a byte and saves its bits in the first number and about once a change. */
    unsigned shift = (unsigned)__builtin_ctzll(any);
    *ret_scale = SCALE_NONE;
    if (shift >= SCALE_SHIFT_MIN) {
        *ret_scale = (uint8_t)(SCALE_SHIFT + shift);
        for (uint32_t i = 0; i < n; i++)
            x[i] >>= shift;
    }
    return true;
}

static bool tenths_of_bits(uint64_t bits, unsigned tenths, int64_t *ret)
{
    double v;
    memcpy(&v, &bits, sizeof(v));
    v *= powers_of_ten[tenths];
    if (!(v >= -(double)SCALE_WHOLE_MAX && v <= (double)SCALE_WHOLE_MAX))
        return false;
    *ret = (int64_t)(v < 0 ? v - 0.5 : v + 0.5);
    double back = (double)*ret / powers_of_ten[tenths];
    return memcmp(&back, &bits, sizeof(back)) == 0;
}

/* The least power of ten that suits all. Going up at the first value that it does not suit and
 * then round once more finds it in few steps. */
static bool tenths_of_values(const uint64_t *values, uint32_t n, int64_t *x, uint8_t *ret_scale)
{
    unsigned tenths = 1;
    uint32_t n_good = 0;
    for (uint32_t i = 0; n_good < n; i = i + 1 < n ? i + 1 : 0) {
        for (; !tenths_of_bits(values[i], tenths, &x[i]); n_good = 0)
            if (++tenths > SCALE_TENTHS_MAX)
                return false;
        n_good++;
    }
    *ret_scale = (uint8_t)(SCALE_TENTHS - 1 + tenths);
    return true;
}

static uint8_t bits_of_values(const uint64_t *values, uint32_t n, int64_t *x)
{
    unsigned shift = common_zeros(values, n);
    for (uint32_t i = 0; i < n; i++)
        x[i] = (int64_t)(values[i] >> shift);
    return (uint8_t)(SCALE_BITS + shift);
}

uint8_t scale_find(const uint64_t *values, uint32_t n, int64_t *ret)
{
    uint8_t scale;
    if (whole_of_values(values, n, ret, &scale) || tenths_of_values(values, n, ret, &scale))
        return scale;
    return bits_of_values(values, n, ret);
}

/* ---- and back ---- */

/* Whole numbers times 2^shift, over a power of ten. False when one is beyond 2^53. */
static bool values_of_whole(const int64_t *x, uint32_t n, unsigned shift, double power,
                            uint64_t *values)
{
    const uint64_t max = (uint64_t)SCALE_WHOLE_MAX >> shift;
    uint64_t n_bad = 0;
    for (uint32_t i = 0; i < n; i++) {
        n_bad += (uint64_t)x[i] + max > 2 * max;
        values[i] = bits_of_whole((int64_t)((uint64_t)x[i] << shift));
    }
    if (power > 1)
        for (uint32_t i = 0; i < n; i++) {
            double v = (double)x[i] / power;
            memcpy(&values[i], &v, sizeof(v));
        }
    return n_bad == 0;
}

static bool values_of_bits(const int64_t *x, uint32_t n, unsigned shift, uint64_t *values)
{
    uint64_t any = 0;
    for (uint32_t i = 0; i < n; i++) {
        any |= (uint64_t)x[i];
        values[i] = (uint64_t)x[i] << shift;
    }
    return any <= UINT64_MAX >> shift;
}

static bool values_portable(uint8_t scale, bool are_differences, double power, int64_t *x,
                            uint32_t n, uint64_t *values)
{
    if (are_differences)
        for (uint32_t i = 1; i < n; i++)
            x[i] = (int64_t)((uint64_t)x[i] + (uint64_t)x[i - 1]);
    if (scale >= SCALE_BITS)
        return values_of_bits(x, n, scale - (unsigned)SCALE_BITS, values);
    unsigned shift = scale >= SCALE_SHIFT ? scale - (unsigned)SCALE_SHIFT : 0;
    return values_of_whole(x, n, shift, power, values);
}

static bool is_scale(uint8_t scale)
{
    if (scale >= SCALE_BITS)
        return scale <= SCALE_BITS + SCALE_BITS_MAX;
    if (scale > SCALE_TENTHS_MAX)
        return scale >= SCALE_SHIFT + SCALE_SHIFT_MIN && scale <= SCALE_SHIFT + SCALE_SHIFT_MAX;
    return true;
}

bool scale_values(uint8_t scale, bool are_differences, int64_t *x, uint32_t n, uint64_t *values)
{
    if (!is_scale(scale))
        return false;
    double power = scale <= SCALE_TENTHS_MAX ? powers_of_ten[scale] : 1;
    return vectors_in_use() ? scale_values_avx2(scale, are_differences, power, x, n, values)
                            : values_portable(scale, are_differences, power, x, n, values);
}
