/* Columns of values.
 *
 * The problem: values are doubles, but hardly any use a double's bits. Most columns never change;
 * most others count whole things; many are decimals with a few digits, which a double shows as 52
 * bits of noise; the rest are sums that rounding has made noisy.
 *
 * The idea: make integers of them, without loss, and leave the rest to one packing
 * (tsdb/differences.c). A scale says how: whole numbers as they are, or less the zero bits that all
 * end in; decimals times a power of ten (after Afroozeh and Boncz, ALP, 2023); and what is none of
 * these as the bits of the double themselves, whose differences are small when sign and exponent
 * stay. A scale is taken only when each value comes back bit for bit. Then either the integers are
 * packed, or their differences.
 *
 * What has no encoding of its own: a linear column is differences of width 0, runs are differences
 * of width 0 with exceptions. Tried on recorded scrapes and left out because it saved under 1 %:
 * differences of differences, a dictionary, runs of raw values. With XOR (Gorilla) in place of the
 * packed bits the whole came out 6 % longer.
 *
 * A series that ends leaves one stale marker at its end. That must not cost a column its encoding,
 * so it is a flag.
 */
#include "tsdb/column.h"
#include "tsdb/differences.h"
#include "tsdb/varint.h"
#include "tsdb/whole.h"

#include <string.h>

_Static_assert((int)COLUMN_VALUES_MAX <= (int)DIFFERENCES_MAX, "a column is packed as one");

#define STALE_MARKER UINT64_C(0x7ff0000000000002)
#define WHOLE_MAX    (INT64_C(1) << 53)

enum { VALUE_BYTES = 8 };

/* The scale byte: how the integers become values. */
enum {
    SCALE_NONE = 0,   /* never written: COLUMN_AS_WHOLE says it */
    SCALE_TENTHS = 1, /* 1 .. 18: divided by 10^scale */
    SCALE_SHIFT = 64, /* 64 + s, s = 3 .. 53: times 2^s */
    SCALE_BITS = 128, /* 128 + s, s = 0 .. 63: the bits of the double, shifted right by s */
    TENTHS_MAX = 18,
    SHIFT_MIN = 3,
    SHIFT_MAX = 53,
};

static const double powers_of_ten[TENTHS_MAX + 1] = {1,    1e1,  1e2,  1e3,  1e4,  1e5,  1e6,
                                                     1e7,  1e8,  1e9,  1e10, 1e11, 1e12, 1e13,
                                                     1e14, 1e15, 1e16, 1e17, 1e18};

struct integers {
    int64_t x[COLUMN_VALUES_MAX];
    uint8_t scale;
};

/* ---- from values to integers ---- */

/* Zeros at the low end of all n numbers, of which one is not 0. */
static unsigned common_zeros(const uint64_t *v, uint32_t n)
{
    uint64_t any = 0;
    for (uint32_t i = 0; i < n; i++)
        any |= v[i];
    return (unsigned)__builtin_ctzll(any);
}

static bool whole_of_values(const uint64_t *values, uint32_t n, struct integers *ret)
{
    uint64_t any = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (!whole_of_bits(values[i], &ret->x[i]))
            return false;
        any |= (uint64_t)ret->x[i];
    }
    /* A shift costs a byte and saves its bits in the first number and about once a change. */
    unsigned shift = (unsigned)__builtin_ctzll(any);
    ret->scale = SCALE_NONE;
    if (shift >= SHIFT_MIN) {
        ret->scale = (uint8_t)(SCALE_SHIFT + shift);
        for (uint32_t i = 0; i < n; i++)
            ret->x[i] >>= shift;
    }
    return true;
}

static bool tenths_of_bits(uint64_t bits, unsigned tenths, int64_t *ret)
{
    double v;
    memcpy(&v, &bits, sizeof(v));
    v *= powers_of_ten[tenths];
    if (!(v >= -(double)WHOLE_MAX && v <= (double)WHOLE_MAX))
        return false;
    *ret = (int64_t)(v < 0 ? v - 0.5 : v + 0.5);
    double back = (double)*ret / powers_of_ten[tenths];
    return memcmp(&back, &bits, sizeof(back)) == 0;
}

/* The least power of ten that suits all. Going up at the first value that it does not suit and
 * then round once more finds it in few steps. */
static bool tenths_of_values(const uint64_t *values, uint32_t n, struct integers *ret)
{
    unsigned tenths = 1;
    uint32_t n_good = 0;
    for (uint32_t i = 0; n_good < n; i = i + 1 < n ? i + 1 : 0) {
        for (; !tenths_of_bits(values[i], tenths, &ret->x[i]); n_good = 0)
            if (++tenths > TENTHS_MAX)
                return false;
        n_good++;
    }
    ret->scale = (uint8_t)(SCALE_TENTHS - 1 + tenths);
    return true;
}

static void bits_of_values(const uint64_t *values, uint32_t n, struct integers *ret)
{
    unsigned shift = common_zeros(values, n);
    ret->scale = (uint8_t)(SCALE_BITS + shift);
    for (uint32_t i = 0; i < n; i++)
        ret->x[i] = (int64_t)(values[i] >> shift);
}

/* ---- encoding ---- */

static size_t put_constant(uint64_t value, uint8_t *out)
{
    uint8_t varint[VARINT_BYTES_MAX];
    int64_t whole;
    if (whole_of_bits(value, &whole)) {
        size_t n_bytes = varint_put(varint, zigzag(whole));
        if (n_bytes < VALUE_BYTES) {
            memcpy(out, varint, n_bytes);
            return n_bytes;
        }
    }
    memcpy(out, &value, VALUE_BYTES);
    return VALUE_BYTES;
}

/* Writes the scale if there is one, then the integers or, if that is shorter, the first and the
 * differences. Returns how many bytes, or 0 when they are not less than room. */
static size_t put_integers(const struct integers *v, uint32_t n, uint8_t *out, size_t room,
                           uint8_t *ret_encoding)
{
    int64_t d[COLUMN_VALUES_MAX];
    struct differences_plan by_value, by_difference;
    uint8_t head[1 + VARINT_BYTES_MAX] = {v->scale};
    size_t scale_bytes = v->scale != SCALE_NONE;
    *ret_encoding = v->scale == SCALE_NONE ? COLUMN_AS_WHOLE : COLUMN_AS_SCALED;

    uint32_t n_changes = 0;
    for (uint32_t i = 1; i < n; i++) {
        d[i - 1] = (int64_t)((uint64_t)v->x[i] - (uint64_t)v->x[i - 1]);
        n_changes += d[i - 1] != 0;
    }
    differences_plan(d, n - 1, &by_difference);
    size_t head_bytes = scale_bytes + varint_put(head + scale_bytes, zigzag(v->x[0]));
    size_t n_bytes = head_bytes + by_difference.n_bytes;

    /* Where values often stay, differences win, unless the values are very few. */
    if (n_changes * 2 > n || scale_bytes + differences_plain_bytes(v->x, n) < n_bytes) {
        differences_plan(v->x, n, &by_value);
        if (scale_bytes + by_value.n_bytes < n_bytes) {
            n_bytes = scale_bytes + by_value.n_bytes;
            if (n_bytes >= room)
                return 0;
            memcpy(out, head, scale_bytes);
            differences_put_planned(out + scale_bytes, v->x, n, &by_value);
            return n_bytes;
        }
    }
    if (n_bytes >= room)
        return 0;
    *ret_encoding |= 1;
    memcpy(out, head, head_bytes);
    differences_put_planned(out + head_bytes, d, n - 1, &by_difference);
    return n_bytes;
}

size_t column_encode(const uint64_t *values, uint32_t n, uint8_t out[COLUMN_BYTES_MAX],
                     uint8_t *ret_encoding)
{
    assert(n >= 1 && n <= COLUMN_VALUES_MAX);
    uint8_t flag = 0;
    if (n > 1 && values[n - 1] == STALE_MARKER && values[n - 2] != STALE_MARKER) {
        flag = COLUMN_ENDS_STALE;
        n--;
    }
    if (memcmp(values, values + 1, (n - 1) * sizeof(*values)) == 0) { /* all are equal */
        *ret_encoding = COLUMN_AS_CONSTANT | flag;
        return put_constant(values[0], out);
    }
    struct integers v;
    if (!whole_of_values(values, n, &v) && !tenths_of_values(values, n, &v))
        bits_of_values(values, n, &v);
    size_t raw_bytes = (size_t)n * VALUE_BYTES;
    size_t n_bytes = put_integers(&v, n, out, raw_bytes, ret_encoding);
    if (n_bytes == 0) {
        memcpy(out, values, raw_bytes);
        *ret_encoding = COLUMN_AS_RAW;
        n_bytes = raw_bytes;
    }
    *ret_encoding |= flag;
    return n_bytes;
}

/* ---- decoding ---- */

static bool get_constant(const uint8_t *at, size_t n_bytes, uint32_t n, uint64_t *values)
{
    const uint8_t *end = at + n_bytes;
    uint64_t v;
    if (n_bytes == VALUE_BYTES)
        memcpy(&v, at, VALUE_BYTES);
    else if (n_bytes < VALUE_BYTES && varint_get_shortest(&at, end, &v) && at == end)
        v = bits_of_whole(unzigzag(v));
    else
        return false;
    for (uint32_t i = 0; i < n; i++)
        values[i] = v;
    return true;
}

static bool get_raw(const uint8_t *bytes, size_t n_bytes, uint32_t n, uint64_t *values)
{
    if (n_bytes != (size_t)n * VALUE_BYTES)
        return false;
    memcpy(values, bytes, n_bytes);
    return true;
}

/* Whole numbers times 2^shift, over 10^tenths. False when one is beyond 2^53. */
static bool values_of_whole(const int64_t *x, uint32_t n, unsigned shift, unsigned tenths,
                            uint64_t *values)
{
    const uint64_t max = (uint64_t)WHOLE_MAX >> shift;
    uint64_t n_bad = 0;
    for (uint32_t i = 0; i < n; i++) {
        n_bad += (uint64_t)x[i] + max > 2 * max;
        values[i] = bits_of_whole((int64_t)((uint64_t)x[i] << shift));
    }
    if (tenths > 0)
        for (uint32_t i = 0; i < n; i++) {
            double v = (double)x[i] / powers_of_ten[tenths];
            memcpy(&values[i], &v, sizeof(v));
        }
    return n_bad == 0;
}

static bool values_of_bits(const int64_t *x, uint32_t n, unsigned shift, uint64_t *values)
{
    uint64_t any = 0;
    for (uint32_t i = 0; i < n; i++) {
        any |= (uint64_t)x[i];
        values[i] = (uint64_t)x[i] << shift;
    }
    return any <= UINT64_MAX >> shift;
}

static bool values_of_integers(const struct integers *v, uint32_t n, uint64_t *values)
{
    if (v->scale >= SCALE_BITS)
        return v->scale <= SCALE_BITS + 63 &&
               values_of_bits(v->x, n, v->scale - (unsigned)SCALE_BITS, values);
    if (v->scale >= SCALE_SHIFT + SHIFT_MIN)
        return v->scale <= SCALE_SHIFT + SHIFT_MAX &&
               values_of_whole(v->x, n, v->scale - (unsigned)SCALE_SHIFT, 0, values);
    return v->scale <= TENTHS_MAX && values_of_whole(v->x, n, 0, v->scale, values);
}

static bool get_integers(uint8_t encoding, const uint8_t *at, size_t n_bytes, uint32_t n,
                         uint64_t *values)
{
    const uint8_t *end = at + n_bytes;
    struct integers v = {.scale = SCALE_NONE};
    bool is_scaled = encoding >= COLUMN_AS_SCALED;
    if (n < 2)
        return false;
    if (is_scaled && (at == end || (v.scale = *at++) == SCALE_NONE))
        return false;
    if (encoding == COLUMN_AS_WHOLE || encoding == COLUMN_AS_SCALED)
        return differences_get(&at, end, v.x, n) && at == end && values_of_integers(&v, n, values);
    uint64_t first;
    if (!varint_get_shortest(&at, end, &first) || !differences_get(&at, end, v.x + 1, n - 1))
        return false;
    v.x[0] = unzigzag(first);
    for (uint32_t i = 1; i < n; i++)
        v.x[i] = (int64_t)((uint64_t)v.x[i] + (uint64_t)v.x[i - 1]);
    return at == end && values_of_integers(&v, n, values);
}

bool column_decode(uint8_t encoding, const uint8_t *bytes, size_t n_bytes, uint32_t n,
                   uint64_t values[COLUMN_VALUES_MAX])
{
    if (n < 1 || n > COLUMN_VALUES_MAX)
        return false;
    if ((encoding & COLUMN_ENDS_STALE) != 0) {
        if (n == 1)
            return false;
        values[--n] = STALE_MARKER;
        encoding &= (uint8_t)~COLUMN_ENDS_STALE;
    }
    switch (encoding) {
    case COLUMN_AS_CONSTANT:
        return get_constant(bytes, n_bytes, n, values);
    case COLUMN_AS_RAW:
        return get_raw(bytes, n_bytes, n, values);
    case COLUMN_AS_WHOLE:
    case COLUMN_AS_WHOLE_DIFFERENCES:
    case COLUMN_AS_SCALED:
    case COLUMN_AS_SCALED_DIFFERENCES:
        return get_integers(encoding, bytes, n_bytes, n, values);
    default:
        return false;
    }
}
