#include "tests/support/random.h"
#include "tsdb/whole.h"

#include <criterion/criterion.h>
#include <math.h>

static uint64_t bits_of(double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof(bits));
    return bits;
}

static bool is_whole(double v)
{
    int64_t whole;
    return whole_of_bits(bits_of(v), &whole);
}

Test(whole, takes_integers_up_to_2_to_the_53)
{
    const int64_t some[] = {
        0, 1, -1, 1000000, -123456789, 9007199254740991, 9007199254740992, -9007199254740992};
    for (size_t i = 0; i < ARRAY_LEN(some); i++) {
        int64_t got;
        cr_assert(whole_of_bits(bits_of((double)some[i]), &got));
        cr_assert_eq(got, some[i]);
        cr_assert_eq(bits_of_whole(got), bits_of((double)some[i]));
    }
}

Test(whole, refuses_everything_else)
{
    const double some[] = {-0.0,     0.5,       -1e-300,     5e-324, 9007199254740994.0,
                           INFINITY, -INFINITY, (double)NAN, 1e300};
    for (size_t i = 0; i < ARRAY_LEN(some); i++)
        cr_assert_not(is_whole(some[i]), "%g", some[i]);
}

Test(whole, gives_the_same_bits_back_whenever_it_says_yes)
{
    struct random random;
    random_init(&random, random_seed());
    for (int i = 0; i < 1000000; i++) {
        uint64_t bits = random_next(&random);
        int64_t whole;
        if (i % 2 == 0)
            bits = bits_of((double)(int64_t)(bits >> random_below(&random, 64)));
        if (whole_of_bits(bits, &whole))
            cr_assert_eq(bits_of_whole(whole), bits);
    }
}
