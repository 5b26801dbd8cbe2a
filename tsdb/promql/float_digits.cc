/* std::to_chars in scientific form is Ryu; its fixed form pads large integers with digits that the
 * shortest form does not have, so it is not used. */
#include "tsdb/promql/float_digits.h"

#include <charconv>
#include <cstdlib>

size_t float_digits(double v, char digits[FLOAT_DIGITS_MAX], int *ret_exponent)
{
    char text[32];
    char *end = std::to_chars(text, text + sizeof(text), v, std::chars_format::scientific).ptr;
    size_t n = 0;
    const char *p = text;
    for (; p < end && *p != 'e'; p++)
        if (*p != '.' && n < FLOAT_DIGITS_MAX)
            digits[n++] = *p;
    int exponent = 0;
    if (p < end) {
        p++; /* the e; from_chars takes no plus sign */
        if (p < end && *p == '+')
            p++;
        std::from_chars(p, end, exponent);
    }
    *ret_exponent = exponent;
    return n;
}

/* Whether a number that does not fit is one of the small ones: the position of its first digit
 * that is not 0, and its exponent, tell. */
static bool is_tiny(const char *text, size_t n)
{
    long magnitude = 0;
    bool has_dot = false, has_digit = false;
    size_t i = 0;
    for (; i < n && text[i] != 'e' && text[i] != 'E'; i++) {
        if (text[i] == '.') {
            has_dot = true;
            continue;
        }
        has_digit = has_digit || text[i] != '0';
        if (has_digit && !has_dot)
            magnitude++;
        if (!has_digit && has_dot)
            magnitude--;
    }
    if (i < n) {
        bool is_negative = i + 1 < n && text[i + 1] == '-';
        i += is_negative || (i + 1 < n && text[i + 1] == '+') ? 2 : 1;
        long exponent = 0;
        for (; i < n && exponent < 100000000; i++)
            exponent = exponent * 10 + (text[i] - '0');
        magnitude += is_negative ? -exponent : exponent;
    }
    return magnitude < 0;
}

enum float_read float_read(const char *text, size_t n, double *ret)
{
    if (n == 0 || text[0] == '-')
        return FLOAT_READ_SYNTAX;
    for (size_t i = 0; i < n; i++)
        if ((text[i] < '0' || text[i] > '9') && text[i] != '.' && text[i] != 'e' &&
            text[i] != 'E' && text[i] != '+' && text[i] != '-')
            return FLOAT_READ_SYNTAX;
    double v = 0;
    std::from_chars_result result = std::from_chars(text, text + n, v);
    if (result.ec == std::errc::invalid_argument || result.ptr != text + n)
        return FLOAT_READ_SYNTAX;
    if (result.ec == std::errc::result_out_of_range) {
        if (!is_tiny(text, n))
            return FLOAT_READ_RANGE;
        v = 0;
    }
    *ret = v;
    return FLOAT_READ_OK;
}
