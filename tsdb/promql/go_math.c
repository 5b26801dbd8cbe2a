#include "tsdb/promql/go_math.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define PI   3.14159265358979323846264338327950288
#define PI_2 1.57079632679489661923132169163975144
#define PI_4 0.785398163397448309615660845819875721

#define LN2_HI 6.93147180369123816490e-01
#define LN2_LO 1.90821492927058770002e-10
#define LN2    6.93147180559945286227e-01

static uint64_t to_bits(double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof(bits));
    return bits;
}

static double from_bits(uint64_t bits)
{
    double v;
    memcpy(&v, &bits, sizeof(v));
    return v;
}

/* c[0] x^(n-1) + ... + c[n-1], by Horner's rule. */
static double polynomial(double x, const double *c, int n)
{
    double sum = c[0];
    for (int i = 1; i < n; i++)
        sum = sum * x + c[i];
    return sum;
}

/* --- exponential and logarithm -----------------------------------------------------------------
 */

static bool has_fma(void)
{
#if defined(__x86_64__)
    return __builtin_cpu_supports("avx") && __builtin_cpu_supports("fma");
#else
    return false;
#endif
}

/* a * b + c, rounded once or twice. */
static double multiply_add(double a, double b, double c, bool is_fused)
{
    return is_fused ? fma(a, b, c) : a * b + c;
}

/* fraction * 2^k for a fraction between 0.5 and 2. */
static double scale(double fraction, int k)
{
    const int BIAS = 1023;
    if (k + BIAS >= 2047)
        return INFINITY;
    if (k + BIAS > 0)
        return fraction * from_bits((uint64_t)(k + BIAS) << 52);
    if (k + BIAS < -52)
        return 0;
    return fraction * from_bits((uint64_t)(k + 2 * BIAS - 1) << 52) * from_bits(UINT64_C(1) << 52);
}

double go_exp(double x)
{
    static const double taylor[] = {2.4801587301587301587e-5,
                                    1.9841269841269841270e-4,
                                    1.3888888888888888889e-3,
                                    8.3333333333333333333e-3,
                                    4.1666666666666666667e-2,
                                    1.6666666666666666667e-1,
                                    0.5,
                                    1.0};
    const double LOG2_E = 1.4426950408889634073599246810018920;
    const double LN2_UPPER = 0.69314718055966295651160180568695068359375;
    const double LN2_LOWER = 0.28235290563031577122588448175013436025525412068e-12;
    const double OVERFLOW = 7.09782712893384e+02;
    bool is_fused = has_fma();
    if (isnan(x))
        return x;
    if (x > OVERFLOW)
        return INFINITY;
    if (x < -1e6)
        return 0;
    double k = nearbyint(x * LOG2_E);
    x = multiply_add(-k, LN2_UPPER, x, is_fused);
    x = multiply_add(-k, LN2_LOWER, x, is_fused);
    x *= 0.0625;
    double sum = taylor[0];
    for (int i = 1; i < 8; i++)
        sum = multiply_add(sum, x, taylor[i], is_fused);
    x *= sum;
    for (int i = 0; i < 3; i++) /* e^2y - 1 = (e^y - 1)(e^y - 1 + 2) */
        x *= x + 2;
    x = multiply_add(x, x + 2, 1, is_fused);
    return scale(x, (int)k);
}

/* Of numbers below the smallest normal one the result is off, as it is there. */
double go_log(double x)
{
    static const double odd[] = {1.479819860511658591e-01, 1.818357216161805012e-01,
                                 2.857142874366239149e-01, 6.666666666666735130e-01};
    static const double even[] = {1.531383769920937332e-01, 2.222219843214978396e-01,
                                  3.999999999940941908e-01};
    const double SQRT_HALF = 7.07106781186547524401e-01;
    if (x == 0)
        return -INFINITY;
    if (x < 0)
        return NAN;
    if (!isfinite(x))
        return x;
    uint64_t bits = to_bits(x);
    double k = (double)((int)(bits >> 52) - 1022);
    double f = from_bits((bits & UINT64_C(0x000FFFFFFFFFFFFF)) | UINT64_C(0x3FE0000000000000));
    if (f < SQRT_HALF) {
        k -= 1;
        f *= 2;
    }
    f -= 1;
    double s = f / (2 + f);
    double s2 = s * s, s4 = s2 * s2;
    double r = s2 * polynomial(s4, odd, 4) + s4 * polynomial(s4, even, 3);
    double half = 0.5 * f * f;
    return k * LN2_HI - ((half - (s * (half + r) + k * LN2_LO)) - f);
}

/* 1 + x = u 2^k with u near 1; f = u - 1, c what rounding 1 + x has lost. */
struct near_one {
    double f, c;
    int k;
    bool is_tiny; /* |f| is below 2^-20 */
};

static struct near_one split_near_one(double x)
{
    const double TWO_53 = 9007199254740992.0;
    struct near_one n = {0};
    double u = fabs(x) < TWO_53 ? 1 + x : x;
    uint64_t bits = to_bits(u);
    n.k = (int)(bits >> 52) - 1023;
    if (fabs(x) < TWO_53)
        n.c = (n.k > 0 ? 1 - (u - x) : x - (u - 1)) / u;
    bits &= UINT64_C(0x000FFFFFFFFFFFFF);
    if (bits < UINT64_C(0x0006A09E667F3BCD)) { /* the mantissa of the square root of two */
        u = from_bits(bits | UINT64_C(0x3FF0000000000000));
    } else {
        n.k++;
        u = from_bits(bits | UINT64_C(0x3FE0000000000000));
        bits = (UINT64_C(0x0010000000000000) - bits) >> 2;
    }
    n.is_tiny = bits == 0;
    n.f = u - 1;
    return n;
}

double go_log1p(double x)
{
    static const double series[] = {1.479819860511658591e-01, 1.531383769920937332e-01,
                                    1.818357216161805012e-01, 2.222219843214978396e-01,
                                    2.857142874366239149e-01, 3.999999999940941908e-01,
                                    6.666666666666735130e-01};
    const double SQRT2_LESS_1 = 4.142135623730950488017e-01;
    const double SQRT_HALF_LESS_1 = -2.928932188134524755992e-01;
    double size = fabs(x);
    if (isnan(x) || x < -1)
        return NAN;
    if (x == -1)
        return -INFINITY;
    if (isinf(x))
        return x;
    if (size < 0x1p-54)
        return x;
    if (size < 0x1p-29)
        return x - x * x * 0.5;
    struct near_one n = {.f = x};
    if (!(size < SQRT2_LESS_1 && x > SQRT_HALF_LESS_1))
        n = split_near_one(x);
    double k = n.k, half = 0.5 * n.f * n.f;
    if (n.is_tiny && n.f == 0)
        return n.k == 0 ? 0 : k * LN2_HI + (n.c + k * LN2_LO);
    if (n.is_tiny) {
        double r = half * (1 - 0.66666666666666666 * n.f);
        return n.k == 0 ? n.f - r : k * LN2_HI - ((r - (k * LN2_LO + n.c)) - n.f);
    }
    double s = n.f / (2 + n.f);
    double z = s * s;
    double r = z * polynomial(z, series, 7);
    if (n.k == 0)
        return n.f - (half - s * (half + r));
    return k * LN2_HI - ((half - (s * (half + r) + (k * LN2_LO + n.c))) - n.f);
}

/* --- circular functions ------------------------------------------------------------------------
 */

/* Bits of 4 / pi, the first word what is before the point. */
static const uint64_t four_by_pi[] = {
    UINT64_C(0x0000000000000001), UINT64_C(0x45f306dc9c882a53), UINT64_C(0xf84eafa3ea69bb81),
    UINT64_C(0xb6c52b3278872083), UINT64_C(0xfca2c757bd778ac3), UINT64_C(0x6e48dc74849ba5c0),
    UINT64_C(0x0c925dd413a32439), UINT64_C(0xfc3bd63962534e7d), UINT64_C(0xd1046bea5d768909),
    UINT64_C(0xd338e04d68befc82), UINT64_C(0x7323ac7306a673e9), UINT64_C(0x3908bf177bf25076),
    UINT64_C(0x3ff12fffbc0b301f), UINT64_C(0xde5e2316b414da3e), UINT64_C(0xda6cfd9e4f96136e),
    UINT64_C(0x9e8c7ecd3cbfd45a), UINT64_C(0xea4f758fd7cbe2f6), UINT64_C(0x7a0e73ef14a525d4),
    UINT64_C(0xd7f6bf623f1aba10), UINT64_C(0xac06608df8f6d757),
};

/* Which eighth of the circle, and how far from its even edge. */
struct octant {
    uint64_t j;
    double z;
};

__extension__ typedef unsigned __int128 uint128;

static uint64_t window_of(unsigned word, unsigned shift)
{
    uint64_t low = shift ? four_by_pi[word + 1] >> (64 - shift) : 0;
    return (four_by_pi[word] << shift) | low;
}

/* Payne's and Hanek's reduction, for large x: the product with 4 / pi modulo 8, 192 bits of it. */
static struct octant reduce_large(double x)
{
    const int BIAS = 1023, FRACTION = 52;
    uint64_t bits = to_bits(x);
    int exponent = (int)(bits >> FRACTION & 0x7FF) - BIAS - FRACTION;
    bits = (bits & UINT64_C(0x000FFFFFFFFFFFFF)) | UINT64_C(1) << FRACTION;
    unsigned word = (unsigned)(exponent + 61) / 64, shift = (unsigned)(exponent + 61) % 64;
    uint128 low = (uint128)window_of(word + 2, shift) * bits;
    uint128 middle = (uint128)window_of(word + 1, shift) * bits;
    uint64_t top = window_of(word, shift) * bits;
    uint128 product = ((uint128)top << 64) + middle + (uint64_t)(low >> 64);
    uint64_t high = (uint64_t)(product >> 64), rest = (uint64_t)product;
    struct octant o = {.j = high >> 61};
    high = high << 3 | rest >> 61;
    unsigned zeros = high ? (unsigned)__builtin_clzll(high) : 64;
    uint64_t fraction = zeros + 1 < 64 ? high << (zeros + 1) : 0;
    fraction |= zeros + 1 <= 64 ? rest >> (64 - (zeros + 1)) : 0;
    o.z = from_bits(fraction >> (64 - FRACTION) | (uint64_t)(BIAS - (int)(zeros + 1)) << FRACTION);
    if (o.j & 1) {
        o.j = (o.j + 1) & 7;
        o.z -= 1;
    }
    o.z *= PI_4;
    return o;
}

/* x >= 0. */
static struct octant reduce(double x)
{
    const double FOUR_BY_PI = 1.27323954473516268615107010698140931;
    const double PI4_A = 7.85398125648498535156e-1, PI4_B = 3.77489470793079817668e-8,
                 PI4_C = 2.69515142907905952645e-15;
    if (x >= (double)(1 << 29))
        return reduce_large(x);
    uint64_t j = (uint64_t)(x * FOUR_BY_PI);
    j += j & 1;
    double y = (double)j;
    return (struct octant){j & 7, ((x - y * PI4_A) - y * PI4_B) - y * PI4_C};
}

static double sine_part(double z)
{
    static const double c[] = {1.58962301576546568060e-10, -2.50507477628578072866e-8,
                               2.75573136213857245213e-6,  -1.98412698295895385996e-4,
                               8.33333333332211858878e-3,  -1.66666666666666307295e-1};
    double zz = z * z;
    return z + z * zz * polynomial(zz, c, 6);
}

static double cosine_part(double z)
{
    static const double c[] = {-1.13585365213876817300e-11, 2.08757008419747316778e-9,
                               -2.75573141792967388112e-7,  2.48015872888517045348e-5,
                               -1.38888888888730564116e-3,  4.16666666666665929218e-2};
    double zz = z * z;
    return 1.0 - 0.5 * zz + zz * zz * polynomial(zz, c, 6);
}

double go_sin(double x)
{
    if (x == 0 || isnan(x))
        return x;
    if (isinf(x))
        return NAN;
    struct octant o = reduce(fabs(x));
    bool is_negative = (x < 0) != (o.j > 3);
    o.j &= 3;
    double y = o.j == 1 || o.j == 2 ? cosine_part(o.z) : sine_part(o.z);
    return is_negative ? -y : y;
}

double go_cos(double x)
{
    if (!isfinite(x))
        return NAN;
    struct octant o = reduce(fabs(x));
    bool is_negative = o.j > 3;
    o.j &= 3;
    is_negative = is_negative != (o.j > 1);
    double y = o.j == 1 || o.j == 2 ? sine_part(o.z) : cosine_part(o.z);
    return is_negative ? -y : y;
}

double go_tan(double x)
{
    static const double p[] = {-1.30936939181383777646e4, 1.15351664838587416140e6,
                               -1.79565251976484877988e7};
    static const double q[] = {1, 1.36812963470692954678e4, -1.32089234440210967447e6,
                               2.50083801823357915839e7, -5.38695755929454629881e7};
    if (x == 0 || isnan(x))
        return x;
    if (isinf(x))
        return NAN;
    struct octant o = reduce(fabs(x));
    double zz = o.z * o.z, y = o.z;
    if (zz > 1e-14)
        y = o.z + o.z * (zz * polynomial(zz, p, 3) / polynomial(zz, q, 5));
    if (o.j & 2)
        y = -1 / y;
    return x < 0 ? -y : y;
}

static double atan_small(double x)
{
    static const double p[] = {-8.750608600031904122785e-01, -1.615753718733365076637e+01,
                               -7.500855792314704667340e+01, -1.228866684490136173410e+02,
                               -6.485021904942025371773e+01};
    static const double q[] = {1,
                               2.485846490142306297962e+01,
                               1.650270098316988542046e+02,
                               4.328810604912902668951e+02,
                               4.853903996359136964868e+02,
                               1.945506571482613964425e+02};
    double z = x * x;
    z = z * polynomial(z, p, 5) / polynomial(z, q, 6);
    return x * z + x;
}

/* x >= 0. */
static double atan_positive(double x)
{
    const double MORE_BITS = 6.123233995736765886130e-17; /* of pi / 2 */
    const double TAN_3_PI_8 = 2.41421356237309504880;
    if (x <= 0.66)
        return atan_small(x);
    if (x > TAN_3_PI_8)
        return PI_2 - atan_small(1 / x) + MORE_BITS;
    return PI_4 + atan_small((x - 1) / (x + 1)) + 0.5 * MORE_BITS;
}

double go_atan(double x)
{
    if (x == 0)
        return x;
    return x > 0 ? atan_positive(x) : -atan_positive(-x);
}

double go_asin(double x)
{
    double size = fabs(x);
    if (x == 0)
        return x;
    if (!(size <= 1))
        return NAN;
    double cosine = sqrt(1 - size * size);
    double y = size > 0.7 ? PI_2 - atan_positive(cosine / size) : atan_positive(size / cosine);
    return x < 0 ? -y : y;
}

double go_acos(double x)
{
    return PI_2 - go_asin(x);
}

double go_atan2(double y, double x)
{
    if (isnan(x) || isnan(y) || x == 0 || y == 0 || isinf(x) || isinf(y))
        return atan2(y, x); /* multiples of pi / 4, of which there is one rounding */
    double q = go_atan(y / x);
    if (x < 0)
        return q <= 0 ? q + PI : q - PI;
    return q;
}

/* --- hyperbolic functions ----------------------------------------------------------------------
 */

double go_sinh(double x)
{
    static const double p[] = {-0.2630563213397497062819489e+2, -0.2894211355989563807284660366e+4,
                               -0.8991272022039509355398013511e+5,
                               -0.6307673640497716991184787251e+6};
    static const double q[] = {1, -0.173678953558233699533450911e+3,
                               0.1521517378790019070696485176e+5,
                               -0.6307673640497716991212077277e+6};
    double size = x < 0 ? -x : x, y;
    if (size > 21) {
        y = go_exp(size) * 0.5;
    } else if (size > 0.5) {
        double e = go_exp(size);
        y = (e - 1 / e) * 0.5;
    } else {
        double square = size * size;
        y = polynomial(square, p, 4) * size;
        y = y / polynomial(square, q, 4);
    }
    return x < 0 ? -y : y;
}

double go_cosh(double x)
{
    x = fabs(x);
    if (x > 21)
        return go_exp(x) * 0.5;
    double e = go_exp(x);
    return (e + 1 / e) * 0.5;
}

double go_tanh(double x)
{
    static const double p[] = {-9.64399179425052238628e-1, -9.92877231001918586564e1,
                               -1.61468768441708447952e3};
    static const double q[] = {1, 1.12811678491632931402e2, 2.23548839060100448583e3,
                               4.84406305325125486048e3};
    const double MAX_LOG = 8.8029691931113054295988e+01;
    double z = fabs(x);
    if (z > 0.5 * MAX_LOG)
        return x < 0 ? -1 : 1;
    if (z >= 0.625) {
        z = 1 - 2 / (go_exp(2 * z) + 1);
        return x < 0 ? -z : z;
    }
    if (x == 0)
        return x;
    double square = x * x;
    return x + x * square * polynomial(square, p, 3) / polynomial(square, q, 4);
}

double go_asinh(double x)
{
    double size = x < 0 ? -x : x, y;
    if (!isfinite(x))
        return x;
    if (size > 0x1p28)
        y = go_log(size) + LN2;
    else if (size > 2)
        y = go_log(2 * size + 1 / (sqrt(size * size + 1) + size));
    else if (size < 0x1p-28)
        y = size;
    else
        y = go_log1p(size + size * size / (1 + sqrt(1 + size * size)));
    return x < 0 ? -y : y;
}

double go_acosh(double x)
{
    if (!(x >= 1))
        return NAN;
    if (x == 1)
        return 0;
    if (x >= 0x1p28)
        return go_log(x) + LN2;
    if (x > 2)
        return go_log(2 * x - 1 / (x + sqrt(x * x - 1)));
    double t = x - 1;
    return go_log1p(t + sqrt(2 * t + t * t));
}

double go_atanh(double x)
{
    double size = x < 0 ? -x : x, y;
    if (!(size <= 1))
        return NAN;
    if (size == 1)
        return x < 0 ? -INFINITY : INFINITY;
    if (size < 0x1p-28) {
        y = size;
    } else if (size < 0.5) {
        y = size + size;
        y = 0.5 * go_log1p(y + y * size / (1 - size));
    } else {
        y = 0.5 * go_log1p((size + size) / (1 - size));
    }
    return x < 0 ? -y : y;
}
