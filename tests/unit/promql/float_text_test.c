/* Digits as Go prints them. */
#include "tsdb/promql/float_text.h"

#include "tests/support/random.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    double v;
    const char *plain, *json;
} floats[] = {
    {0, "0", "0"},
    {-0.0, "-0", "-0"},
    {1, "1", "1"},
    {-1.5, "-1.5", "-1.5"},
    {100, "100", "100"},
    {0.1, "0.1", "0.1"},
    {1.0 / 3, "0.3333333333333333", "0.3333333333333333"},
    {4.35, "4.35", "4.35"},
    {9007199254740993.0, "9007199254740992", "9007199254740992"},
    {1e20, "100000000000000000000", "100000000000000000000"},
    {123456789012345680000.0, "123456789012345680000", "123456789012345680000"},
    {999999999999999900000.0, "999999999999999900000", "999999999999999900000"},
    {1e21, "1000000000000000000000", "1e+21"},
    {-1e21, "-1000000000000000000000", "-1e+21"},
    {1e22, "10000000000000000000000", "1e+22"},
    {1e23, "100000000000000000000000", "1e+23"},
    {1.25e100, NULL, "1.25e+100"},
    {1e-6, "0.000001", "0.000001"},
    {1.5e-6, "0.0000015", "0.0000015"},
    {9.99e-7, "0.000000999", "9.99e-07"},
    {1e-7, "0.0000001", "1e-07"},
    {-1e-7, "-0.0000001", "-1e-07"},
    {1.234e-10, "0.0000000001234", "1.234e-10"},
    {5e-324, NULL, "5e-324"},
    {2.2250738585072014e-308, NULL, "2.2250738585072014e-308"},
    {1.7976931348623157e308, NULL, "1.7976931348623157e+308"},
    {INFINITY, "+Inf", "+Inf"},
    {-INFINITY, "-Inf", "-Inf"},
    {NAN, "NaN", "NaN"},
    {-NAN, "NaN", "NaN"},
};

Test(float_text, known_values)
{
    char text[FLOAT_TEXT_MAX];
    for (size_t i = 0; i < ARRAY_LEN(floats); i++) {
        if (floats[i].plain) {
            cr_assert_eq(float_text_plain(floats[i].v, text), strlen(floats[i].plain));
            cr_assert_str_eq(text, floats[i].plain);
        }
        cr_assert_eq(float_text_json(floats[i].v, text), strlen(floats[i].json));
        cr_assert_str_eq(text, floats[i].json);
    }
}

Test(float_text, general)
{
    static const struct {
        double v;
        const char *text;
    } cases[] = {{1.5, "1.5"},
                 {-0.9999, "-0.9999"},
                 {100000, "100000"},
                 {1e6, "1e+06"},
                 {1234567, "1.234567e+06"},
                 {-0.0001, "-0.0001"},
                 {-0.00001234, "-1.234e-05"},
                 {1e20, "1e+20"},
                 {INFINITY, "+Inf"},
                 {NAN, "NaN"}};
    char text[FLOAT_TEXT_MAX];
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        cr_assert_eq(float_text_general(cases[i].v, text), strlen(cases[i].text));
        cr_assert_str_eq(text, cases[i].text);
    }
}

Test(float_text, the_longest_fits)
{
    char text[FLOAT_TEXT_MAX];
    cr_assert_eq(float_text_plain(-5e-324, text), 327);
    cr_assert_eq(strlen(text), 327);
    cr_assert_eq(float_text_plain(-2.2250738585072014e-308, text), 327);
    cr_assert_eq(float_text_plain(-1.7976931348623157e308, text), 310);
}

/* Any bits: what is printed reads back as the same double, and never with more than 17 digits. */
Test(float_text, random_values_read_back)
{
    struct random random;
    random_init(&random, random_seed());
    char text[FLOAT_TEXT_MAX];
    for (int i = 0; i < 100000; i++) {
        uint64_t bits = random_next(&random);
        double v, back;
        memcpy(&v, &bits, sizeof(v));
        if (isnan(v) || isinf(v))
            continue;
        cr_assert_lt(float_text_plain(v, text), FLOAT_TEXT_MAX);
        back = strtod(text, NULL);
        cr_assert_eq(memcmp(&v, &back, sizeof(v)), 0, "%s", text);
        cr_assert_leq(float_text_json(v, text), 25);
        back = strtod(text, NULL);
        cr_assert_eq(memcmp(&v, &back, sizeof(v)), 0, "%s", text);
    }
}
