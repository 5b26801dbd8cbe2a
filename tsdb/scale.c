/* Scales.
 *
 * Which integer a decimal came from is easy to guess: times 10^k, rounded. The question is how it
 * became a double. A number that was written with k decimals and read back is i / 10^k, rounded
 * once (after Afroozeh and Boncz, ALP, 2023). But exporters compute: node_exporter takes the
 * kernel's milliseconds times 0.001, and its microseconds through 1000 twice. Both round otherwise
 * than one division, for about one value of five, and one value is enough to spoil a column. So how
 * it was computed is part of the scale. Over recorded scrapes these two save 3 to 4 % of all bytes;
 * what they leave to exceptions is 0.3 %.
 *
 * Sums of doubles that rounding has made noisy are bits. So are decimals of more than 9 places
 * where another way takes fewer: nobody writes so many, but any double is one of 17.
 */
#include "tsdb/scale.h"
#include "tsdb/vectors.h"
#include "tsdb/whole.h"

#include <string.h>

enum { TWICE_PLACES = 6, PROBES = 5 };

static const double powers_of_ten[SCALE_PLACES_MAX + 1] = {1,    1e1,  1e2,  1e3,  1e4,  1e5,  1e6,
                                                           1e7,  1e8,  1e9,  1e10, 1e11, 1e12, 1e13,
                                                           1e14, 1e15, 1e16, 1e17, 1e18};
static const double parts_of_ten[SCALE_PLACES_MAX + 1] = {
    1,     1e-1,  1e-2,  1e-3,  1e-4,  1e-5,  1e-6,  1e-7,  1e-8, 1e-9,
    1e-10, 1e-11, 1e-12, 1e-13, 1e-14, 1e-15, 1e-16, 1e-17, 1e-18};

/* How a decimal scale makes a value of an integer. */
struct way {
    enum scale_step step;
    double by;
};

static struct way way_of(uint8_t scale)
{
    if (scale == SCALE_TWICE)
        return (struct way){SCALE_DIVIDE_TWICE, 1000};
    if (scale > SCALE_TIMES && scale <= SCALE_TIMES + SCALE_PLACES_MAX)
        return (struct way){SCALE_MULTIPLY, parts_of_ten[scale - SCALE_TIMES]};
    if (scale > SCALE_DIVIDED && scale <= SCALE_DIVIDED + SCALE_PLACES_MAX)
        return (struct way){SCALE_DIVIDE, powers_of_ten[scale - SCALE_DIVIDED]};
    return (struct way){SCALE_LEAVE, 1};
}

static double value_of(double v, struct way way)
{
    switch (way.step) {
    case SCALE_DIVIDE:
        return v / way.by;
    case SCALE_MULTIPLY:
        return v * way.by;
    case SCALE_DIVIDE_TWICE:
        return v / way.by / way.by;
    default:
        return v;
    }
}

static unsigned places_of(uint8_t scale)
{
    return scale == SCALE_TWICE   ? TWICE_PLACES
           : scale <= SCALE_TIMES ? scale - (unsigned)SCALE_DIVIDED
                                  : scale - (unsigned)SCALE_TIMES;
}

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

/* The integer of a value under a decimal scale. */
static bool decimal_of_bits(uint64_t bits, uint8_t scale, struct way way, int64_t *ret)
{
    double v;
    memcpy(&v, &bits, sizeof(v));
    v *= powers_of_ten[places_of(scale)];
    if (!(v >= -(double)SCALE_WHOLE_MAX && v <= (double)SCALE_WHOLE_MAX))
        return false;
    *ret = (int64_t)(v < 0 ? v - 0.5 : v + 0.5);
    double back = value_of((double)*ret, way);
    return memcmp(&back, &bits, sizeof(back)) == 0;
}

/* The least scale from `least` to `most` that suits all, or most + 1. Going up at the first value
 * that it does not suit and then round once more finds it in few steps. */
static uint8_t decimals_of_values(const uint64_t *values, uint32_t n, uint8_t least, uint8_t most,
                                  int64_t *x)
{
    uint8_t scale = least;
    struct way way = way_of(scale);
    uint32_t n_good = 0;
    for (uint32_t i = 0; n_good < n; i = i + 1 < n ? i + 1 : 0) {
        for (; !decimal_of_bits(values[i], scale, way, &x[i]); n_good = 0) {
            if (scale++ == most)
                return scale;
            way = way_of(scale);
        }
        n_good++;
    }
    return scale;
}

/* Decimals of few places as somebody computed them; SCALE_NONE if they are not. */
static uint8_t computed_decimals(const uint64_t *values, uint32_t n, int64_t *x)
{
    const uint8_t most = SCALE_TIMES + SCALE_PLACES_FEW;
    uint8_t scale = decimals_of_values(values, n, SCALE_TIMES + 1, most, x);
    if (scale <= most)
        return scale;
    return decimals_of_values(values, n, SCALE_TWICE, SCALE_TWICE, x) == SCALE_TWICE ? SCALE_TWICE
                                                                                     : SCALE_NONE;
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
    const uint8_t most = SCALE_DIVIDED + SCALE_PLACES_MAX;
    if (whole_of_values(values, n, ret))
        return shift_out(ret, n);
    uint8_t scale = decimals_of_values(values, n, SCALE_DIVIDED + 1, most, ret);
    if (scale <= SCALE_DIVIDED + SCALE_PLACES_FEW)
        return scale;
    uint8_t other = computed_decimals(values, n, ret);
    if (other != SCALE_NONE)
        return other;
    if (scale > most)
        return bits_of_values(values, n, ret);
    return decimals_of_values(values, n, scale, scale, ret);
}

/* ---- all but some ---- */

struct guess { /* a scale that suits a value, and the strangers to it */
    uint8_t scale;
    uint32_t n_strangers;
};

static uint32_t count_strangers(const uint64_t *values, uint32_t n, uint8_t scale, uint32_t most)
{
    struct way way = way_of(scale);
    uint32_t n_strangers = 0;
    int64_t x;
    for (uint32_t i = 0; i < n && n_strangers <= most; i++)
        n_strangers += !decimal_of_bits(values[i], scale, way, &x);
    return n_strangers;
}

static void probe(const uint64_t *values, uint32_t n, uint64_t value, uint8_t least, uint8_t most,
                  struct guess *io)
{
    int64_t x;
    for (uint8_t scale = least; scale <= most; scale++) {
        if (!decimal_of_bits(value, scale, way_of(scale), &x))
            continue;
        uint32_t k = scale != io->scale ? count_strangers(values, n, scale, io->n_strangers)
                                        : io->n_strangers;
        if (k < io->n_strangers)
            *io = (struct guess){scale, k};
        return;
    }
}

static uint32_t note_strangers(const uint64_t *values, uint32_t n, uint8_t scale, int64_t *x,
                               uint8_t *places)
{
    struct way way = way_of(scale);
    uint32_t k = 0, first = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (decimal_of_bits(values[i], scale, way, &x[i]))
            continue;
        x[i] = i > first ? x[i - 1] : 0;
        first += i == first;
        places[k++] = (uint8_t)i;
    }
    for (uint32_t i = 0; i < first; i++)
        x[i] = x[first];
    return k;
}

uint32_t scale_find_but_some(const uint64_t *values, uint32_t n, int64_t *ret, uint8_t *ret_scale,
                             uint8_t ret_places[SCALE_STRANGERS_MAX])
{
    struct guess best = {SCALE_BITS, (uint32_t)size_min(SCALE_STRANGERS_MAX, n - 1) + 1};
    for (uint32_t i = 0; i < PROBES; i++) {
        uint64_t value = values[(2 * i + 1) * n / (2 * PROBES)];
        probe(values, n, value, SCALE_NONE, SCALE_DIVIDED + SCALE_PLACES_FEW, &best);
        probe(values, n, value, SCALE_TIMES + 1, SCALE_TIMES + SCALE_PLACES_FEW, &best);
        probe(values, n, value, SCALE_TWICE, SCALE_TWICE, &best);
    }
    if (best.scale == SCALE_BITS)
        return 0;
    uint32_t k = note_strangers(values, n, best.scale, ret, ret_places);
    *ret_scale = best.scale;
    uint64_t any = 0;
    for (uint32_t i = 0; i < n; i++)
        any |= (uint64_t)ret[i];
    if (best.scale == SCALE_NONE && any != 0)
        *ret_scale = shift_out(ret, n);
    return k;
}

/* ---- and back ---- */

static void add_up(int64_t *x, uint32_t n)
{
    for (uint32_t i = 1; i < n; i++)
        x[i] = (int64_t)((uint64_t)x[i] + (uint64_t)x[i - 1]);
}

/* Whole numbers times 2^shift, one way on. False when one is beyond 2^53. */
static bool values_of_whole(struct way way, unsigned shift, const int64_t *x, uint32_t n,
                            uint64_t *values)
{
    const uint64_t max = (uint64_t)SCALE_WHOLE_MAX >> shift;
    uint64_t n_bad = 0;
    for (uint32_t i = 0; i < n; i++) {
        n_bad += (uint64_t)x[i] + max > 2 * max;
        values[i] = bits_of_whole((int64_t)((uint64_t)x[i] << shift));
    }
    if (way.step != SCALE_LEAVE)
        for (uint32_t i = 0; i < n; i++) {
            double v = value_of((double)x[i], way);
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
    if (scale > SCALE_DECIMAL)
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
    struct way way = way_of(scale);
    if (vectors_in_use())
        return are_bits ? scale_bits_avx2(shift, are_differences, x, n, values)
                        : scale_whole_avx2(way.step, way.by, shift, are_differences, x, n, values);
    if (are_differences)
        add_up(x, n);
    return are_bits ? values_of_bits(x, n, shift, values)
                    : values_of_whole(way, shift, x, n, values);
}
