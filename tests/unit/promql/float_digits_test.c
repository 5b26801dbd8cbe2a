#include "tsdb/promql/float_digits.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

Test(float_digits, digits_and_exponent)
{
    static const struct {
        double v;
        const char *digits;
        int exponent;
    } cases[] = {{1, "1", 0},      {10, "1", 1},
                 {0.1, "1", -1},   {1234.5, "12345", 3},
                 {1e23, "1", 23},  {5e-324, "5", -324},
                 {4.35, "435", 0}, {1.7976931348623157e308, "17976931348623157", 308}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char digits[FLOAT_DIGITS_MAX];
        int exponent;
        size_t n = float_digits(cases[i].v, digits, &exponent);
        cr_assert_eq(n, strlen(cases[i].digits));
        cr_assert_eq(memcmp(digits, cases[i].digits, n), 0);
        cr_assert_eq(exponent, cases[i].exponent);
    }
}

Test(float_digits, reading)
{
    static const struct {
        const char *text;
        enum float_read result;
        double v;
    } cases[] = {
        {"1", FLOAT_READ_OK, 1},
        {".5", FLOAT_READ_OK, .5},
        {"2.", FLOAT_READ_OK, 2},
        {"1e3", FLOAT_READ_OK, 1000},
        {"1E+3", FLOAT_READ_OK, 1000},
        {"9007199254740993", FLOAT_READ_OK, 9007199254740992.0},
        {"1e308", FLOAT_READ_OK, 1e308},
        {"1e309", FLOAT_READ_RANGE, 0},
        {"1e999999999999999999999", FLOAT_READ_RANGE, 0},
        {"1e-400", FLOAT_READ_OK, 0},
        {"0.000001e-999", FLOAT_READ_OK, 0},
        {"100000e-999", FLOAT_READ_OK, 0},
        {"5e-324", FLOAT_READ_OK, 5e-324},
        {"1e", FLOAT_READ_SYNTAX, 0},
        {"1e+", FLOAT_READ_SYNTAX, 0},
        {"1.2.3", FLOAT_READ_SYNTAX, 0},
        {"-1", FLOAT_READ_SYNTAX, 0},
        {"", FLOAT_READ_SYNTAX, 0},
        {"inf", FLOAT_READ_SYNTAX, 0},
        {"0x1p3", FLOAT_READ_SYNTAX, 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        double v = 0;
        enum float_read result = float_read(cases[i].text, strlen(cases[i].text), &v);
        cr_assert_eq(result, cases[i].result, "%s: %d", cases[i].text, (int)result);
        cr_assert_eq(v, cases[i].v, "%s: %g", cases[i].text, v);
    }
}
