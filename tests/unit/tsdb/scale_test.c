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
        bool is_there = scale <= SCALE_DECIMAL ||
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

/* ---- finding ---- */

enum way { DIVIDED, TIMES, TWICE };

static uint64_t computed(int64_t i, enum way way, double by, double times)
{
    double v = (double)i, made = way == DIVIDED ? v / by : way == TIMES ? v * times : v / by / by;
    uint64_t bits;
    memcpy(&bits, &made, sizeof(bits));
    return bits;
}

Test(scale, decimals_are_found_however_they_were_computed)
{
    static const struct {
        enum way way;
        double by, times;
        unsigned scale;
    } rows[] = {
        {DIVIDED, 1e1, 0, SCALE_DIVIDED + 1}, {DIVIDED, 1e3, 0, SCALE_DIVIDED + 3},
        {DIVIDED, 1e9, 0, SCALE_DIVIDED + 9}, {DIVIDED, 1e12, 0, SCALE_DIVIDED + 12},
        {TIMES, 0, 1e-3, SCALE_TIMES + 3},    {TIMES, 0, 1e-6, SCALE_TIMES + 6},
        {TIMES, 0, 1e-9, SCALE_TIMES + 9},    {TWICE, 1e3, 0, SCALE_TWICE},
    };
    int64_t x[N_MAX], found[N_MAX];
    uint64_t values[N_MAX], back[N_MAX];
    for (size_t row = 0; row < ARRAY_LEN(rows); row++) {
        for (uint32_t i = 0; i < N_MAX; i++) {
            x[i] = 123456789 + 1013 * (int64_t)i;
            values[i] = computed(x[i], rows[row].way, rows[row].by, rows[row].times);
        }
        cr_assert_eq(scale_find(values, N_MAX, found), rows[row].scale, "row %zu", row);
        cr_assert_eq(memcmp(x, found, sizeof(x)), 0, "row %zu", row);
        cr_assert(values_of(rows[row].scale, false, x, N_MAX, back));
        cr_assert_eq(memcmp(values, back, sizeof(values)), 0, "row %zu", row);
    }
}

#define STALE UINT64_C(0x7ff0000000000002)

/* Of 0.01, 0.02 .. with so many stale markers from a place on. */
static uint32_t find_but(uint32_t from, uint32_t n_strangers, int64_t *x, uint8_t *ret_places)
{
    uint64_t values[N_MAX];
    uint8_t scale = 0;
    for (uint32_t i = 0; i < N_MAX; i++)
        values[i] =
            i >= from && i < from + n_strangers ? STALE : computed(1 + (int64_t)i, DIVIDED, 100, 0);
    cr_assert_geq(scale_find(values, N_MAX, x), SCALE_BITS);
    cr_assert(scale_is_suspect(SCALE_BITS));
    uint32_t k = scale_find_but_some(values, N_MAX, x, &scale, ret_places);
    cr_assert(k == 0 || scale == SCALE_DIVIDED + 2, "scale %u", scale);
    return k;
}

Test(scale, a_few_strangers_are_told_from_the_others)
{
    int64_t x[N_MAX];
    uint8_t places[SCALE_STRANGERS_MAX];
    for (uint32_t from = 0; from + SCALE_STRANGERS_MAX <= N_MAX; from++)
        for (uint32_t n = 1; n <= SCALE_STRANGERS_MAX; n++) {
            cr_assert_eq(find_but(from, n, x, places), n);
            for (uint32_t i = 0; i < n; i++) {
                cr_assert_eq(places[i], from + i);
                cr_assert_eq(x[from + i], from == 0 ? (int64_t)n + 1 : (int64_t)from);
            }
            for (uint32_t i = 0; i < N_MAX; i++)
                cr_assert(x[i] == (int64_t)i + 1 || (i >= from && i < from + n));
        }
    cr_assert_eq(find_but(60, SCALE_STRANGERS_MAX + 1, x, places), 0, "one past the limit");
}

Test(scale, whole_numbers_but_some_lose_their_zeros_as_well)
{
    uint64_t values[N_MAX];
    int64_t x[N_MAX];
    uint8_t places[SCALE_STRANGERS_MAX], scale;
    for (uint32_t i = 0; i < N_MAX; i++)
        values[i] = i == 7 ? STALE : bits_of_whole(4096 * (1 + (int64_t)i));
    cr_assert_eq(scale_find_but_some(values, N_MAX, x, &scale, places), 1);
    cr_assert_eq(scale, SCALE_SHIFT + 12);
    cr_assert(x[6] == 7 && x[7] == 7 && x[8] == 9 && places[0] == 7);
    const uint64_t nothing[] = {STALE, STALE + 1};
    cr_assert_eq(scale_find_but_some(nothing, 2, x, &scale, places), 0);
    const uint64_t zeros[] = {0, STALE};
    cr_assert_eq(scale_find_but_some(zeros, 2, x, &scale, places), 1);
    cr_assert(scale == SCALE_NONE && x[0] == 0 && x[1] == 0 && places[0] == 1);
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
