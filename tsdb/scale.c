/* Scales.
 *
 * Which integer a decimal came from is easy to guess: times 10^k, rounded; and whether it did: over
 * 10^k again, one division, gives the same bits (after Afroozeh and Boncz, ALP, 2023).
 *
 * But exporters compute. Sums of seconds drift away from the decimals that they are made of, a bit
 * or two at each addition; milliseconds times 0.001 round otherwise than milliseconds over 1000,
 * for one value of five. Such values are still next to decimals: the integer says which, and how
 * many doubles away takes a few bits more. These corrections are integers of their own, packed as
 * all are, where a large one is an exception: so a NaN among decimals, or the stale marker of a
 * target that was away for a scrape, does not cost the others their scale. Over recorded scrapes 5
 * and 10 % of all bytes. Scales for those two ways to compute, tried first, then still save 0.3 %,
 * and keeping strangers in a list of their own 4 bytes each.
 *
 * Decimals of more than 9 places are suspect, as any double is one of 17: they are taken when
 * corrections are not shorter. What is left is bits.
 */
#include "tsdb/scale.h"
#include "tsdb/vectors.h"
#include "tsdb/whole.h"

#include <string.h>

enum {
    PROBES = 5,
    PROBES_MIN = 3,        /* that must be near a decimal */
    CORRECTION_MAX = 1024, /* how near */
};

/* Beyond it on either side a value is no neighbour of its integer. */
#define STRANGE_CORRECTION (UINT64_C(1) << 32)

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

/* A shift costs a byte and saves its bits in the first number and about once a change. */
static uint8_t shift_out(int64_t *x, uint32_t n)
{
    unsigned shift = common_zeros((const uint64_t *)x, n);
    if (shift < SCALE_SHIFT_MIN)
        return SCALE_NONE;
    for (uint32_t i = 0; i < n; i++)
        x[i] >>= shift;
    return (uint8_t)(SCALE_SHIFT + shift);
}

static bool whole_of_values(const uint64_t *values, uint32_t n, int64_t *x)
{
    for (uint32_t i = 0; i < n; i++)
        if (!whole_of_bits(values[i], &x[i]))
            return false;
    return true;
}

/* The integer that a value is next to when it is over 10^tenths, and how far away its bits are. */
static bool near_integer(uint64_t bits, unsigned tenths, int64_t *ret, uint64_t *ret_correction)
{
    double v;
    uint64_t back;
    memcpy(&v, &bits, sizeof(v));
    v *= powers_of_ten[tenths];
    if (!(v >= -(double)SCALE_WHOLE_MAX && v <= (double)SCALE_WHOLE_MAX))
        return false;
    *ret = (int64_t)(v < 0 ? v - 0.5 : v + 0.5);
    v = (double)*ret / powers_of_ten[tenths];
    memcpy(&back, &v, sizeof(back));
    *ret_correction = bits - back;
    return true;
}

static bool tenths_of_bits(uint64_t bits, unsigned tenths, int64_t *ret)
{
    uint64_t correction;
    return near_integer(bits, tenths, ret, &correction) && correction == 0;
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
    if (whole_of_values(values, n, ret))
        return shift_out(ret, n);
    return tenths_of_values(values, n, ret, &scale) ? scale : bits_of_values(values, n, ret);
}

/* ---- with corrections ---- */

static bool is_within(uint64_t correction, uint64_t max)
{
    return correction + max <= 2 * max;
}

/* The least tenths at which a value is near an integer; over SCALE_TENTHS_MAX: there are none. */
static unsigned near_tenths(uint64_t bits)
{
    unsigned tenths = 0;
    int64_t x;
    uint64_t correction;
    while (tenths <= SCALE_TENTHS_MAX &&
           (!near_integer(bits, tenths, &x, &correction) || !is_within(correction, CORRECTION_MAX)))
        tenths++;
    return tenths;
}

/* The tenths that suit the probes, if they suit most of them. *ret: the one that needs them. */
static bool probe(const uint64_t *values, uint32_t n, unsigned *ret_tenths, uint64_t *ret)
{
    unsigned n_near = 0;
    *ret_tenths = 0;
    *ret = 0;
    for (uint32_t i = 0; i < PROBES; i++) {
        uint64_t bits = values[(2 * i + 1) * n / (2 * PROBES)];
        unsigned tenths = near_tenths(bits);
        n_near += tenths <= SCALE_TENTHS_MAX;
        if (tenths <= SCALE_TENTHS_MAX && tenths >= *ret_tenths) {
            *ret = bits;
            *ret_tenths = tenths;
        }
    }
    return n_near >= PROBES_MIN;
}

/* The integer of a stranger is the one before, of the first a probe's, so that it costs little. */
uint8_t scale_find_corrected(const uint64_t *values, uint32_t n, int64_t *ret,
                             int64_t *ret_corrections)
{
    unsigned tenths;
    uint64_t usual, correction;
    int64_t x;
    if (!probe(values, n, &tenths, &usual) || !near_integer(usual, tenths, &x, &correction))
        return SCALE_NONE;
    usual -= correction; /* the bits of x over 10^tenths */
    for (uint32_t i = 0; i < n; i++) {
        if (near_integer(values[i], tenths, &ret[i], &correction) &&
            is_within(correction, STRANGE_CORRECTION)) {
            x = ret[i];
            usual = values[i] - correction;
        }
        ret[i] = x;
        ret_corrections[i] = (int64_t)(values[i] - usual);
    }
    return (uint8_t)(SCALE_CORRECTED + tenths);
}

/* ---- and back ---- */

static void add_up(int64_t *x, uint32_t n)
{
    for (uint32_t i = 1; i < n; i++)
        x[i] = (int64_t)((uint64_t)x[i] + (uint64_t)x[i - 1]);
}

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
    bool are_bits = scale >= SCALE_BITS;
    unsigned shift = are_bits              ? scale - (unsigned)SCALE_BITS
                     : scale > SCALE_SHIFT ? scale - (unsigned)SCALE_SHIFT
                                           : 0;
    double power = scale <= SCALE_TENTHS_MAX ? powers_of_ten[scale] : 1;
    if (vectors_in_use())
        return are_bits ? scale_bits_avx2(shift, are_differences, x, n, values)
                        : scale_whole_avx2(shift, power, are_differences, x, n, values);
    if (are_differences)
        add_up(x, n);
    return are_bits ? values_of_bits(x, n, shift, values)
                    : values_of_whole(x, n, shift, power, values);
}
