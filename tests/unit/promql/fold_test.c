/* Folds against one value after the other. What the operators mean is in aggregate_test.c. */
#include "tests/support/random.h"
#include "tsdb/promql/fold.h"
#include "tsdb/promql/kahan.h"

#include <criterion/criterion.h>

#include <math.h>
#include <string.h>

enum { STEPS_MAX = 200, COLUMNS_MAX = 12 };

static double random_value(struct random *r)
{
    static const double odd[] = {0, -0.0, INFINITY, -INFINITY, NAN, 1e308, -1e308, 1e-300};
    if (random_below(r, 6) == 0)
        return odd[random_below(r, 8)];
    double v = (double)random_below(r, 1000000) / 7;
    return random_below(r, 4) == 0 ? -v * 1e16 : v;
}

static bool is_same(double a, double b)
{
    return memcmp(&a, &b, sizeof(a)) == 0 || (isnan(a) && isnan(b));
}

/* Whole columns are summed side by side, those with gaps one by one: the bits are kahan_add's. */
Test(fold, sums_of_whole_columns_and_of_those_with_gaps_have_the_same_bits)
{
    const struct folder *sum = folder_find(TOKEN_SUM);
    struct random r;
    random_init(&r, random_seed());
    for (int round = 0; round < 400; round++) {
        size_t n_steps = 1 + (size_t)random_below(&r, STEPS_MAX), n_words = (n_steps + 63) / 64;
        size_t n_columns = 1 + (size_t)random_below(&r, COLUMNS_MAX);
        double v[STEPS_MAX], total[STEPS_MAX], lost[STEPS_MAX];
        uint64_t present[STEPS_MAX / 64 + 1], totals[STEPS_MAX / 64 + 1] = {0};
        struct kahan expected[STEPS_MAX];
        bool has_any[STEPS_MAX] = {false};
        struct fold f = {.v = total, .present = totals, .planes = {lost}};
        for (size_t k = 0; k < n_columns; k++) {
            struct column c = {.v = v, .present = present};
            bool is_whole = random_below(&r, 3) > 0;
            memset(present, 0, n_words * sizeof(*present));
            for (size_t i = 0; i < n_steps; i++) {
                v[i] = random_value(&r);
                if (!is_whole && random_below(&r, 5) == 0)
                    continue;
                column_put(&c, i, v[i]);
                expected[i] = has_any[i] ? kahan_add(expected[i], v[i]) : (struct kahan){v[i], 0};
                has_any[i] = true;
            }
            sum->add(&f, &c, n_steps);
        }
        sum->finish(&f, n_steps);
        for (size_t i = 0; i < n_steps; i++) {
            cr_assert_eq(totals[i / 64] >> (i % 64) & 1, has_any[i]);
            if (has_any[i])
                cr_assert(is_same(total[i], expected[i].sum + expected[i].c),
                          "step %zu of %zu: %.17g, not %.17g", i, n_steps, total[i],
                          expected[i].sum + expected[i].c);
        }
    }
}
