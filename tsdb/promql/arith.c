#include "tsdb/promql/arith.h"

#include "tsdb/promql/go_math.h"

#include <math.h>
#include <stdlib.h>

/* m * 2^exponent: mantissa and exponent apart, so that nothing overflows on the way and the inverse
 * of something huge is not lost. */
struct scaled {
    double m;
    int64_t exponent;
};

enum { EXPONENT_MAX = 1 << 12 }; /* beyond any double: the rest of the power does not matter */

/* s times a to the power of n, by squaring a. */
static struct scaled times_power(struct scaled s, double a, int64_t n)
{
    int exponent;
    struct scaled square = {.m = frexp(a, &exponent)};
    square.exponent = exponent;
    while (n > 0 && llabs(square.exponent) <= EXPONENT_MAX) {
        if (n % 2 == 1) {
            s.m *= square.m;
            s.exponent += square.exponent;
        }
        square.m *= square.m;
        square.exponent *= 2;
        if (square.m < 0.5) {
            square.m *= 2;
            square.exponent--;
        }
        n /= 2;
    }
    if (n > 0)
        s.exponent += square.exponent;
    return s;
}

double arith_power(double a, double b)
{
    bool is_special = !isfinite(a) || !isfinite(b) || a == 0 || b == 0 || a == 1 || b == 1;
    double whole;
    double rest = modf(fabs(b), &whole);
    if (is_special || (a < 0 && rest != 0) || whole >= 0x1p63)
        return pow(a, b);
    if (whole == 0 && rest == 0.5)
        return b > 0 ? sqrt(a) : 1 / sqrt(a);
    struct scaled s = {1, 0};
    if (rest > 0.5) {
        rest--;
        whole++;
    }
    if (rest != 0)
        s.m = go_exp(rest * go_log(a));
    s = times_power(s, a, (int64_t)whole);
    if (b < 0)
        s = (struct scaled){1 / s.m, -s.exponent};
    return ldexp(s.m, (int)s.exponent);
}

double arith_max(double a, double b)
{
    if ((isinf(a) && a > 0) || (isinf(b) && b > 0))
        return INFINITY;
    if (isnan(a) || isnan(b))
        return NAN;
    if (a == 0 && b == 0)
        return signbit(a) ? b : a;
    return a > b ? a : b;
}

double arith_min(double a, double b)
{
    return -arith_max(-a, -b);
}

double arith_apply(enum token_kind op, double a, double b, bool *ret_keeps)
{
    *ret_keeps = true;
    switch (op) {
    case TOKEN_ADD:
        return a + b;
    case TOKEN_SUB:
        return a - b;
    case TOKEN_MUL:
        return a * b;
    case TOKEN_DIV:
        return a / b;
    case TOKEN_MOD:
        return fmod(a, b);
    case TOKEN_POW:
        return arith_power(a, b);
    case TOKEN_ATAN2:
        return go_atan2(a, b);
    case TOKEN_EQ:
        *ret_keeps = a == b;
        return a;
    case TOKEN_NE:
        *ret_keeps = a != b;
        return a;
    case TOKEN_LT:
        *ret_keeps = a < b;
        return a;
    case TOKEN_LE:
        *ret_keeps = a <= b;
        return a;
    case TOKEN_GT:
        *ret_keeps = a > b;
        return a;
    case TOKEN_GE:
        *ret_keeps = a >= b;
        return a;
    default:
        assert(0 && "an operator on numbers");
        return a;
    }
}
