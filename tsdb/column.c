/* Columns of values.
 *
 * The problem: values are doubles, but hardly any use a double's bits. Most columns never change;
 * most others count whole things; many are decimals with a few digits, which a double shows as 52
 * bits of noise; the rest are sums that rounding has made noisy.
 *
 * The idea: make integers of them, without loss, and leave the rest to one packing
 * (tsdb/differences.c). A scale says how (tsdb/scale.c): whole numbers as they are, or less the
 * zero bits that all end in; decimals as they were computed; and what is none of these as the bits
 * of the double themselves, whose differences are small when sign and exponent stay. A scale is
 * taken only when each value comes back bit for bit. Then either the integers are packed, or their
 * differences.
 *
 * What has no encoding of its own: a linear column is differences of width 0, runs are differences
 * of width 0 with exceptions. What was tried and left out is in docs/column-format.md section 4.
 *
 * A series that ends leaves one stale marker at its end. That must not cost a column its encoding,
 * so it is a flag.
 */
#include "tsdb/column.h"
#include "tsdb/differences.h"
#include "tsdb/scale.h"
#include "tsdb/varint.h"
#include "tsdb/whole.h"

#include <string.h>

_Static_assert((int)COLUMN_VALUES_MAX <= (int)DIFFERENCES_MAX, "a column is packed as one");

#define STALE_MARKER UINT64_C(0x7ff0000000000002)

enum {
    VALUE_BYTES = 8,
    FILL_GROUP = 8,
};

_Static_assert(COLUMN_VALUES_MAX % FILL_GROUP == 0, "values have room for whole groups");
_Static_assert((int)COLUMN_VALUES_MAX % (int)SCALE_GROUP == 0, "here as well");

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

/* Writes the integers or, if that is shorter, the first and the differences. Returns how many
 * bytes, or 0 when they are not less than room. */
static size_t put_integers(const int64_t *x, uint32_t n, uint8_t *out, size_t room,
                           bool *ret_are_differences)
{
    int64_t d[COLUMN_VALUES_MAX];
    struct differences_plan by_value, by_difference;
    uint8_t first[VARINT_BYTES_MAX];
    uint32_t n_changes = 0;
    for (uint32_t i = 1; i < n; i++) {
        d[i - 1] = (int64_t)((uint64_t)x[i] - (uint64_t)x[i - 1]);
        n_changes += d[i - 1] != 0;
    }
    differences_plan(d, n - 1, &by_difference);
    size_t first_bytes = varint_put(first, zigzag(x[0]));
    size_t n_bytes = first_bytes + by_difference.n_bytes;

    /* Where values often stay, differences win, unless the values are very few. */
    *ret_are_differences = false;
    if (n_changes * 2 > n || differences_plain_bytes(x, n) < n_bytes) {
        differences_plan(x, n, &by_value);
        if (by_value.n_bytes < n_bytes) {
            if (by_value.n_bytes >= room)
                return 0;
            differences_put_planned(out, x, n, &by_value);
            return by_value.n_bytes;
        }
    }
    if (n_bytes >= room)
        return 0;
    *ret_are_differences = true;
    memcpy(out, first, first_bytes);
    differences_put_planned(out + first_bytes, d, n - 1, &by_difference);
    return n_bytes;
}

/* The scale if there is one, then integers. 0 as above. */
static size_t put_scaled(uint8_t scale, const int64_t *x, uint32_t n, uint8_t *out, size_t room,
                         uint8_t *ret_encoding)
{
    bool are_differences;
    size_t scale_bytes = scale != SCALE_NONE;
    out[0] = scale;
    size_t n_bytes = put_integers(x, n, out + scale_bytes, room - scale_bytes, &are_differences);
    *ret_encoding = scale == SCALE_NONE ? COLUMN_AS_WHOLE : COLUMN_AS_SCALED;
    *ret_encoding |= are_differences;
    return n_bytes == 0 ? 0 : scale_bytes + n_bytes;
}

/* Corrections, and the integers that they correct. 0 as above; out is then untouched. */
static size_t put_corrected(const uint64_t *values, uint32_t n, uint8_t *out, size_t room,
                            uint8_t *ret_encoding)
{
    int64_t x[COLUMN_VALUES_MAX], corrections[COLUMN_VALUES_MAX];
    uint8_t bytes[COLUMN_BYTES_MAX];
    bool are_differences;
    bytes[0] = scale_find_corrected(values, n, x, corrections);
    if (bytes[0] == SCALE_NONE)
        return 0;
    size_t head_bytes = 1 + differences_put(bytes + 1, room - 1, corrections, n);
    if (head_bytes == 1 || head_bytes >= room)
        return 0;
    size_t n_bytes = put_integers(x, n, bytes + head_bytes, room - head_bytes, &are_differences);
    if (n_bytes == 0)
        return 0;
    memcpy(out, bytes, head_bytes + n_bytes);
    *ret_encoding = are_differences ? COLUMN_AS_SCALED_DIFFERENCES : COLUMN_AS_SCALED;
    return head_bytes + n_bytes;
}

static size_t put_values(const uint64_t *values, uint32_t n, uint8_t *out, uint8_t *ret_encoding)
{
    int64_t x[COLUMN_VALUES_MAX];
    uint8_t scale = scale_find(values, n, x);
    size_t raw_bytes = (size_t)n * VALUE_BYTES;
    size_t n_bytes = put_scaled(scale, x, n, out, raw_bytes, ret_encoding);
    if (n_bytes == 0) {
        memcpy(out, values, raw_bytes);
        *ret_encoding = COLUMN_AS_RAW;
        n_bytes = raw_bytes;
    }
    if (!scale_is_suspect(scale))
        return n_bytes;
    size_t other_bytes = put_corrected(values, n, out, n_bytes, ret_encoding);
    return other_bytes > 0 ? other_bytes : n_bytes;
}

size_t column_encode(const uint64_t *values, uint32_t n, uint8_t out[COLUMN_BYTES_MAX],
                     uint8_t *ret_encoding)
{
    assert(n >= 1 && n <= COLUMN_VALUES_MAX);
    uint8_t flag = 0;
    size_t n_bytes;
    if (n > 1 && values[n - 1] == STALE_MARKER && values[n - 2] != STALE_MARKER) {
        flag = COLUMN_ENDS_STALE;
        n--;
    }
    if (memcmp(values, values + 1, (n - 1) * sizeof(*values)) == 0) { /* all are equal */
        *ret_encoding = COLUMN_AS_CONSTANT;
        n_bytes = put_constant(values[0], out);
    } else {
        n_bytes = put_values(values, n, out, ret_encoding);
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
    for (uint32_t i = 0; i < n; i += FILL_GROUP)
        for (uint32_t k = 0; k < FILL_GROUP; k++)
            values[i + k] = v;
    return true;
}

static bool get_raw(const uint8_t *bytes, size_t n_bytes, uint32_t n, uint64_t *values)
{
    if (n_bytes != (size_t)n * VALUE_BYTES)
        return false;
    memcpy(values, bytes, n_bytes);
    return true;
}

/* From at to end. */
static bool get_integers(uint8_t scale, bool are_differences, const uint8_t *at, const uint8_t *end,
                         uint32_t n, uint64_t *values)
{
    int64_t x[1 + COLUMN_VALUES_MAX + DIFFERENCES_GROUP]; /* groups are read behind the first */
    if (are_differences) {
        uint64_t first;
        if (!varint_get_shortest(&at, end, &first))
            return false;
        x[0] = unzigzag(first);
    }
    return differences_get(&at, end, x + are_differences, n - are_differences) && at == end &&
           scale_values(scale, are_differences, x, n, values);
}

static bool get_corrected(uint8_t scale, bool are_differences, const uint8_t *at,
                          const uint8_t *end, uint32_t n, uint64_t *values)
{
    int64_t corrections[COLUMN_VALUES_MAX];
    if (!differences_get(&at, end, corrections, n) ||
        !get_integers(scale_uncorrected(scale), are_differences, at, end, n, values))
        return false;
    for (uint32_t i = 0; i < n; i++)
        values[i] += (uint64_t)corrections[i];
    return true;
}

static bool get_scaled(uint8_t encoding, const uint8_t *at, size_t n_bytes, uint32_t n,
                       uint64_t *values)
{
    const uint8_t *end = at + n_bytes;
    uint8_t scale = SCALE_NONE;
    if (n < 2)
        return false;
    if (encoding >= COLUMN_AS_SCALED && (at == end || (scale = *at++) == SCALE_NONE))
        return false;
    if (scale_is_corrected(scale))
        return get_corrected(scale, (encoding & 1) != 0, at, end, n, values);
    return get_integers(scale, (encoding & 1) != 0, at, end, n, values);
}

bool column_decode(uint8_t encoding, const uint8_t *bytes, size_t n_bytes, uint32_t n,
                   uint64_t values[COLUMN_VALUES_MAX])
{
    if (n < 1 || n > COLUMN_VALUES_MAX)
        return false;
    if ((encoding & COLUMN_ENDS_STALE) != 0) {
        encoding &= (uint8_t)~COLUMN_ENDS_STALE;
        if (n == 1 || !column_decode(encoding, bytes, n_bytes, n - 1, values))
            return false;
        values[n - 1] = STALE_MARKER; /* last: what comes before may have written behind its end */
        return true;
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
        return get_scaled(encoding, bytes, n_bytes, n, values);
    default:
        return false;
    }
}
