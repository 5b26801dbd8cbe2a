#include "tsdb/promql/float_text.h"

#include "tsdb/promql/float_digits.h"

#include <math.h>
#include <string.h>

static size_t put(char *out, const char *text)
{
    size_t n = strlen(text);
    memcpy(out, text, n + 1);
    return n;
}

static size_t put_repeated(char *out, char c, int n)
{
    if (n <= 0)
        return 0;
    memset(out, c, (size_t)n);
    return (size_t)n;
}

/* NaN, infinities, zeros; and the sign of the rest. Returns true when that was all. */
static bool put_special(double *v, char *out, size_t *ret_len)
{
    *ret_len = 0;
    if (isnan(*v)) {
        *ret_len = put(out, "NaN");
        return true;
    }
    if (isinf(*v)) {
        *ret_len = put(out, *v > 0 ? "+Inf" : "-Inf");
        return true;
    }
    if (*v == 0) {
        *ret_len = put(out, signbit(*v) ? "-0" : "0");
        return true;
    }
    if (*v < 0) {
        *v = -*v;
        out[0] = '-';
        *ret_len = 1;
    }
    return false;
}

size_t float_text_plain(double v, char out[FLOAT_TEXT_MAX])
{
    size_t len;
    if (put_special(&v, out, &len))
        return len;
    char digits[FLOAT_DIGITS_MAX];
    int exponent;
    int n = (int)float_digits(v, digits, &exponent);
    char *p = out + len;
    if (exponent < 0) {
        *p++ = '0';
        *p++ = '.';
        p += put_repeated(p, '0', -exponent - 1);
        memcpy(p, digits, (size_t)n);
        p += n;
    } else {
        int n_whole = n < exponent + 1 ? n : exponent + 1;
        memcpy(p, digits, (size_t)n_whole);
        p += n_whole;
        p += put_repeated(p, '0', exponent + 1 - n_whole);
        if (n > n_whole) {
            *p++ = '.';
            memcpy(p, digits + n_whole, (size_t)(n - n_whole));
            p += n - n_whole;
        }
    }
    *p = 0;
    return (size_t)(p - out);
}

/* Plain for magnitudes from low up to high, else as d.dde+XX. */
static size_t put_either(double v, double low, double high, char *out)
{
    double magnitude = fabs(v);
    if (!(magnitude > 0) || isinf(v) || (magnitude >= low && magnitude < high))
        return float_text_plain(v, out);
    size_t len;
    put_special(&v, out, &len);
    char digits[FLOAT_DIGITS_MAX];
    int exponent;
    size_t n = float_digits(v, digits, &exponent);
    char *p = out + len;
    *p++ = digits[0];
    if (n > 1) {
        *p++ = '.';
        memcpy(p, digits + 1, n - 1);
        p += n - 1;
    }
    *p++ = 'e';
    *p++ = exponent < 0 ? '-' : '+';
    int rest = exponent < 0 ? -exponent : exponent;
    if (rest >= 100)
        *p++ = (char)('0' + rest / 100);
    *p++ = (char)('0' + rest / 10 % 10);
    *p++ = (char)('0' + rest % 10);
    *p = 0;
    return (size_t)(p - out);
}

size_t float_text_json(double v, char out[FLOAT_TEXT_MAX])
{
    return put_either(v, 1e-6, 1e21, out);
}

size_t float_text_general(double v, char out[FLOAT_TEXT_MAX])
{
    return put_either(v, 1e-4, 1e6, out);
}
