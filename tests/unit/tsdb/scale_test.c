#include "tests/support/random.h"
#include "tsdb/scale.h"
#include "tsdb/vectors.h"
#include "tsdb/whole.h"

#include <criterion/criterion.h>
#include <string.h>

enum { N_MAX = 128 };

static struct random random_state;

static void set_up(void)
{
    random_init(&random_state, random_seed());
}

TestSuite(scale, .init = set_up);

/* Both ways, behind n something that must not matter; verdicts and bits are equal. */
static bool values_of(unsigned scale, bool are_differences, const int64_t *x, uint32_t n,
                      uint64_t *values)
{
    int64_t copy[N_MAX];
    uint64_t other[N_MAX];
    memset(copy, 0x5A, sizeof(copy));
    memcpy(copy, x, n * sizeof(*x));
    (void)vectors_use(false);
    bool is_good = scale_values((uint8_t)scale, are_differences, copy, n, values);
    memset(copy, 0x5A, sizeof(copy));
    memcpy(copy, x, n * sizeof(*x));
    if (vectors_use(true)) {
        cr_assert_eq(scale_values((uint8_t)scale, are_differences, copy, n, other), is_good,
                     "scale %u", scale);
        cr_assert(!is_good || memcmp(values, other, n * sizeof(*values)) == 0, "scale %u", scale);
    }
    return is_good;
}

/* Any integer of up to 64 bits, those at the ends of ranges more often. */
static int64_t any_integer(void)
{
    uint64_t v = random_next(&random_state) >> random_below(&random_state, 64);
    if (random_below(&random_state, 8) == 0)
        v = (UINT64_C(1) << random_below(&random_state, 64)) + random_below(&random_state, 3) - 1;
    return (int64_t)(random_below(&random_state, 2) == 0 ? v : -v);
}

Test(scale, any_integers_under_any_scale_give_the_same_either_way)
{
    int64_t x[N_MAX];
    uint64_t values[N_MAX], n_good = 0;
    for (int round = 0; round < 200000; round++) {
        uint32_t n = 1 + (uint32_t)random_below(&random_state, round % 4 == 0 ? N_MAX : 6);
        unsigned narrow = (unsigned)random_below(&random_state, 64);
        for (uint32_t i = 0; i < n; i++)
            x[i] = any_integer() >> narrow;
        n_good += values_of((unsigned)random_below(&random_state, 256),
                            random_below(&random_state, 2) == 0, x, n, values);
    }
    cr_assert_gt(n_good, 1000);
}

Test(scale, whole_numbers_become_what_a_conversion_gives)
{
    int64_t x[N_MAX];
    uint64_t values[N_MAX];
    for (int round = 0; round < 20000; round++) {
        for (uint32_t i = 0; i < N_MAX; i++)
            do
                x[i] = any_integer();
            while (x[i] < -SCALE_WHOLE_MAX || x[i] > SCALE_WHOLE_MAX);
        cr_assert(values_of(SCALE_NONE, false, x, N_MAX, values));
        for (uint32_t i = 0; i < N_MAX; i++)
            cr_assert_eq(values[i], bits_of_whole(x[i]), "%lld", (long long)x[i]);
    }
}

Test(scale, integers_at_the_end_of_their_range_and_one_past_it)
{
    for (unsigned scale = 0; scale < 256; scale++) {
        int shift = scale > SCALE_SHIFT ? (int)(scale - SCALE_SHIFT) : 0;
        bool is_there = scale <= SCALE_TENTHS_MAX ||
                        (shift >= SCALE_SHIFT_MIN && shift <= SCALE_SHIFT_MAX) ||
                        (scale >= SCALE_BITS && scale <= SCALE_BITS + SCALE_BITS_MAX);
        int64_t max = scale < SCALE_BITS && is_there
                          ? SCALE_WHOLE_MAX >> shift
                          : (int64_t)(UINT64_MAX >> (scale % 64)); /* of bits: unsigned */
        for (uint32_t n = 1; n <= 9; n++) {
            int64_t x[N_MAX] = {0};
            uint64_t values[N_MAX];
            x[n - 1] = max;
            cr_assert_eq(values_of(scale, false, x, n, values), is_there, "scale %u", scale);
            x[n - 1] = (int64_t)((uint64_t)max + 1);
            cr_assert_eq(values_of(scale, false, x, n, values), scale == SCALE_BITS, "scale %u",
                         scale);
            x[n - 1] = -max - (scale < SCALE_BITS);
            bool is_bits = scale >= SCALE_BITS && is_there;
            cr_assert_eq(values_of(scale, false, x, n, values), scale == SCALE_BITS && is_bits,
                         "scale %u", scale);
        }
    }
}

Test(scale, differences_add_up)
{
    const int64_t x[] = {5, 1, -1, 10, 0, -15, 7};
    const int64_t sums[] = {5, 6, 5, 15, 15, 0, 7};
    uint64_t values[N_MAX];
    for (uint32_t n = 1; n <= ARRAY_LEN(x); n++) {
        cr_assert(values_of(SCALE_NONE, true, x, n, values));
        for (uint32_t i = 0; i < n; i++)
            cr_assert_eq(values[i], bits_of_whole(sums[i]));
    }
}

/* ---- corrections ---- */

#define STALE UINT64_C(0x7ff0000000000002)

static uint64_t bits_of(double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof(bits));
    return bits;
}

/* The scale that is found; its integers and corrections give the values again. */
static unsigned find_corrected(const uint64_t *values, uint32_t n, int64_t *corrections)
{
    int64_t x[N_MAX];
    uint64_t back[N_MAX];
    unsigned scale = scale_find_corrected(values, n, x, corrections);
    if (scale == SCALE_NONE)
        return scale;
    cr_assert(scale_is_corrected((uint8_t)scale));
    cr_assert(values_of(scale_uncorrected((uint8_t)scale), false, x, n, back));
    for (uint32_t i = 0; i < n; i++)
        cr_assert_eq(back[i] + (uint64_t)corrections[i], values[i], "value %u", i);
    return scale;
}

static double next_to_decimal(uint32_t kind, uint32_t i, double before)
{
    static const double steps[] = {1e-3, 1e-9, 0.25};
    return kind == 0   ? (1000 + 7.0 * i) * 0.001 /* as exporters compute them */
           : kind == 1 ? (1000000 + 7.0 * i) / 1000 / 1000
                       : before + (double)(1 + i % 50) * steps[kind - 2];
}

Test(scale, values_next_to_decimals_take_small_corrections)
{
    static const unsigned tenths[] = {3, 6, 3, 9};
    for (uint32_t kind = 0; kind < ARRAY_LEN(tenths); kind++) {
        uint64_t values[N_MAX];
        int64_t corrections[N_MAX];
        double v = 0.1;
        for (uint32_t i = 0; i < N_MAX; i++)
            values[i] = bits_of(v = next_to_decimal(kind, i, v));
        cr_assert_eq(find_corrected(values, N_MAX, corrections), SCALE_CORRECTED + tenths[kind],
                     "kind %u", kind);
        for (uint32_t i = 0; i < N_MAX; i++)
            cr_assert(corrections[i] >= -200 && corrections[i] <= 200, "kind %u, value %u: %lld",
                      kind, i, (long long)corrections[i]);
    }
}

Test(scale, strangers_anywhere_leave_the_others_their_integers)
{
    for (uint32_t place = 0; place < N_MAX; place++)
        for (uint32_t n_strangers = 1; n_strangers <= 20; n_strangers += 19) {
            uint64_t values[N_MAX];
            int64_t corrections[N_MAX];
            for (uint32_t i = 0; i < N_MAX; i++)
                values[i] =
                    i >= place && i < place + n_strangers ? STALE : bits_of(123 + (double)i / 100);
            cr_assert_eq(find_corrected(values, N_MAX, corrections), SCALE_CORRECTED + 2);
            for (uint32_t i = 0; i < N_MAX; i++)
                cr_assert_eq(corrections[i] != 0, values[i] == STALE, "value %u", i);
        }
}

Test(scale, whole_numbers_with_strangers_are_corrected_as_well)
{
    uint64_t values[N_MAX];
    int64_t corrections[N_MAX];
    for (uint32_t i = 0; i < N_MAX; i++)
        values[i] = i % 40 == 0 ? STALE : bits_of_whole(i);
    cr_assert_eq(find_corrected(values, N_MAX, corrections), SCALE_CORRECTED);
}

Test(scale, where_most_are_strangers_there_are_no_corrections)
{
    uint64_t values[N_MAX];
    int64_t corrections[N_MAX];
    for (uint32_t i = 0; i < N_MAX; i++)
        values[i] = i % 3 == 0 ? bits_of_whole(i) : STALE + i;
    for (uint32_t n = 1; n <= 2; n++)
        cr_assert_eq(find_corrected(values + 1, n, corrections), SCALE_NONE);
    for (uint32_t i = 0; i < N_MAX; i++)
        values[i] = STALE + i;
    cr_assert_eq(find_corrected(values, N_MAX, corrections), SCALE_NONE);
    for (uint32_t i = 0; i < N_MAX / 3; i++) /* a third is not enough */
        values[i] = bits_of_whole(i);
    cr_assert_eq(find_corrected(values, N_MAX, corrections), SCALE_NONE);
}

Test(scale, suspects_are_bits_and_decimals_of_many_places)
{
    cr_assert_not(scale_is_suspect(SCALE_NONE));
    cr_assert_not(scale_is_suspect(SCALE_TENTHS_FEW));
    cr_assert(scale_is_suspect(SCALE_TENTHS_FEW + 1));
    cr_assert(scale_is_suspect(SCALE_TENTHS_MAX));
    cr_assert_not(scale_is_suspect(SCALE_SHIFT + SCALE_SHIFT_MIN));
    cr_assert(scale_is_suspect(SCALE_BITS));
}

Test(scale, found_scales_bring_every_value_back)
{
    int64_t x[N_MAX];
    uint64_t values[N_MAX], back[N_MAX];
    for (int round = 0; round < 20000; round++) {
        double by = 1;
        for (uint64_t k = random_below(&random_state, 20); k > 0; k--)
            by *= 10;
        for (uint32_t i = 0; i < N_MAX; i++) {
            double v = (double)(any_integer() >> 20) / by;
            memcpy(&values[i], &v, sizeof(v));
        }
        values[0] = bits_of_whole(1); /* not all 0 */
        uint8_t scale = scale_find(values, N_MAX, x);
        cr_assert(values_of(scale, false, x, N_MAX, back));
        cr_assert_eq(memcmp(values, back, sizeof(values)), 0);
    }
}
