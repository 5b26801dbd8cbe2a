/* Blocks: the final form of up to 128 samples.
 *
 * Times and values are separate columns, because they compress for different reasons: most scrapes
 * come at equal distances (no bytes at all), most values do not change or count upwards by small
 * integers. For each column every encoding that applies is tried and the smallest kept; a block is
 * built once and read many times, and 128 samples are few enough for trying to be cheap.
 *
 * An encoding may only be chosen when decoding gives the same bits, so integers are recognised by
 * converting there and back (-0 and values beyond 2^53 are not integers here). A decoder never
 * trusts: it reads inside the block only and checks that the times ascend and end where the head
 * says.
 */
#include "tsdb/block.h"
#include "tsdb/bits.h"
#include "tsdb/varint.h"
#include "tsdb/whole.h"

#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "formats are written as they stand");

enum { VALUES_SHIFT = 4, COLUMN_BYTES_MAX = BLOCK_BYTES_MAX, RAW_VALUE_BYTES = 8 };

/* ---- packed differences: the common form of packed times and integers ---- */

static unsigned bit_width(uint64_t v)
{
    return v == 0 ? 0 : 64u - (unsigned)__builtin_clzll(v);
}

/* Writes n differences as {varint minimum in zigzag, byte width, (d - minimum) in width bits each}.
 * All arithmetic wraps. Returns the end of what was written, or NULL when it does not fit. */
static uint8_t *put_differences(uint8_t *at, uint8_t *end, const int64_t *d, uint32_t n)
{
    int64_t least = d[0];
    for (uint32_t i = 1; i < n; i++)
        least = i64_min(least, d[i]);
    uint64_t spread = 0;
    for (uint32_t i = 0; i < n; i++)
        spread |= (uint64_t)d[i] - (uint64_t)least;
    unsigned width = bit_width(spread);
    uint8_t head[VARINT_BYTES_MAX + 1];
    size_t head_bytes = varint_put(head, zigzag(least));
    head[head_bytes++] = (uint8_t)width;
    if ((size_t)(end - at) < head_bytes + ((size_t)n * width + 7) / 8)
        return NULL;
    memcpy(at, head, head_bytes);
    struct bit_writer w = {.at = at + head_bytes, .end = end};
    for (uint32_t i = 0; i < n; i++)
        bits_put(&w, (uint64_t)d[i] - (uint64_t)least, width);
    bits_flush(&w);
    assert(!w.is_full);
    return w.at;
}

static bool get_differences(const uint8_t **at, const uint8_t *end, int64_t *d, uint32_t n)
{
    uint64_t least_zigzag;
    if (!varint_get(at, end, &least_zigzag) || *at == end)
        return false;
    unsigned width = *(*at)++;
    uint64_t least = (uint64_t)unzigzag(least_zigzag);
    if (width > 64 || (size_t)(end - *at) < ((size_t)n * width + 7) / 8)
        return false;
    struct bit_reader r = {.at = *at, .end = *at + ((size_t)n * width + 7) / 8};
    for (uint32_t i = 0; i < n; i++)
        d[i] = (int64_t)(least + bits_get(&r, width));
    *at = r.end;
    return true;
}

/* ---- times ---- */

static bool is_linear(const struct sample *s, uint32_t n)
{
    for (uint32_t i = 2; i < n; i++)
        if ((uint64_t)s[i].t_ms - (uint64_t)s[i - 1].t_ms !=
            (uint64_t)s[1].t_ms - (uint64_t)s[0].t_ms)
            return false;
    return true;
}

static uint8_t *put_times(uint8_t *at, uint8_t *end, const struct sample *s, uint32_t n,
                          uint8_t *ret_encoding)
{
    int64_t d[BLOCK_SAMPLES_MAX];
    *ret_encoding = TIMES_LINEAR;
    if (is_linear(s, n))
        return at;
    *ret_encoding = TIMES_PACKED;
    for (uint32_t i = 1; i < n; i++)
        d[i - 1] = (int64_t)((uint64_t)s[i].t_ms - (uint64_t)s[i - 1].t_ms);
    return put_differences(at, end, d, n - 1);
}

static bool get_linear_times(const struct block *b, int64_t *t_ms)
{
    uint64_t span = (uint64_t)b->last_ms - (uint64_t)b->first_ms;
    uint64_t steps = b->n_samples - 1;
    if (steps == 0 ? span != 0 : (b->last_ms <= b->first_ms || span % steps != 0))
        return false;
    uint64_t step = steps == 0 ? 0 : span / steps;
    for (uint32_t i = 0; i < b->n_samples; i++)
        t_ms[i] = (int64_t)((uint64_t)b->first_ms + i * step);
    return true;
}

static bool get_packed_times(const struct block *b, const uint8_t **at, const uint8_t *end,
                             int64_t *t_ms)
{
    int64_t d[BLOCK_SAMPLES_MAX];
    if (b->n_samples < 2 || !get_differences(at, end, d, b->n_samples - 1))
        return false;
    t_ms[0] = b->first_ms;
    for (uint32_t i = 1; i < b->n_samples; i++) {
        t_ms[i] = (int64_t)((uint64_t)t_ms[i - 1] + (uint64_t)d[i - 1]);
        if (t_ms[i] <= t_ms[i - 1])
            return false;
    }
    return t_ms[b->n_samples - 1] == b->last_ms;
}

/* ---- values ---- */

static bool is_constant(const struct sample *s, uint32_t n)
{
    for (uint32_t i = 1; i < n; i++)
        if (s[i].value != s[0].value)
            return false;
    return true;
}

static uint8_t *put_integers(uint8_t *at, uint8_t *end, const struct sample *s, uint32_t n)
{
    int64_t d[BLOCK_SAMPLES_MAX], first, before, now;
    if (!whole_of_bits(s[0].value, &first))
        return NULL;
    before = first;
    for (uint32_t i = 1; i < n; i++, before = now) {
        if (!whole_of_bits(s[i].value, &now))
            return NULL;
        d[i - 1] = now - before;
    }
    if (end - at < VARINT_BYTES_MAX)
        return NULL;
    at += varint_put(at, zigzag(first));
    return n > 1 ? put_differences(at, end, d, n - 1) : at;
}

static bool get_integers(const struct block *b, const uint8_t **at, const uint8_t *end,
                         uint64_t *values)
{
    int64_t d[BLOCK_SAMPLES_MAX];
    uint64_t first;
    if (!varint_get(at, end, &first))
        return false;
    if (b->n_samples > 1 && !get_differences(at, end, d, b->n_samples - 1))
        return false;
    int64_t now = unzigzag(first);
    values[0] = bits_of_whole(now);
    for (uint32_t i = 1; i < b->n_samples; i++) {
        now = (int64_t)((uint64_t)now + (uint64_t)d[i - 1]);
        values[i] = bits_of_whole(now);
    }
    return true;
}

/* After the first value in full: 0 = the same again; 10 = the meaningful bits fit the last window;
 * 11 = a new window: 6 bits of leading zeros, 6 bits of length less one, then the bits. */
static uint8_t *put_xor(uint8_t *at, uint8_t *end, const struct sample *s, uint32_t n)
{
    struct bit_writer w = {.at = at, .end = end};
    unsigned lead = 64, length = 0;
    bits_put(&w, s[0].value, 64);
    for (uint32_t i = 1; i < n && !w.is_full; i++) {
        uint64_t x = s[i].value ^ s[i - 1].value;
        if (x == 0) {
            bits_put(&w, 0, 1);
            continue;
        }
        unsigned x_lead = (unsigned)__builtin_clzll(x), x_trail = (unsigned)__builtin_ctzll(x);
        if (length > 0 && x_lead >= lead && 64 - x_trail <= lead + length) {
            bits_put(&w, 1, 2);
        } else {
            lead = x_lead;
            length = 64 - x_lead - x_trail;
            bits_put(&w, 3, 2);
            bits_put(&w, lead, 6);
            bits_put(&w, length - 1, 6);
        }
        bits_put(&w, x >> (64 - lead - length), length);
    }
    bits_flush(&w);
    return w.is_full ? NULL : w.at;
}

static bool get_xor(const struct block *b, const uint8_t **at, const uint8_t *end, uint64_t *values)
{
    struct bit_reader r = {.at = *at, .end = end};
    unsigned lead = 0, length = 0;
    values[0] = bits_get(&r, 64);
    for (uint32_t i = 1; i < b->n_samples; i++) {
        uint64_t x = 0;
        if (bits_get(&r, 1) != 0) {
            if (bits_get(&r, 1) != 0) {
                lead = (unsigned)bits_get(&r, 6);
                length = (unsigned)bits_get(&r, 6) + 1;
            }
            if (length == 0 || lead + length > 64)
                return false;
            x = bits_get(&r, length) << (64 - lead - length);
        }
        values[i] = values[i - 1] ^ x;
    }
    *at = r.at;
    return !r.is_empty;
}

static uint8_t *put_raw(uint8_t *at, uint8_t *end, const struct sample *s, uint32_t n)
{
    if ((size_t)(end - at) < (size_t)n * RAW_VALUE_BYTES)
        return NULL;
    for (uint32_t i = 0; i < n; i++, at += RAW_VALUE_BYTES)
        memcpy(at, &s[i].value, RAW_VALUE_BYTES);
    return at;
}

static bool get_raw(const struct block *b, const uint8_t **at, const uint8_t *end, uint64_t *values)
{
    size_t bytes = (size_t)b->n_samples * RAW_VALUE_BYTES;
    if ((size_t)(end - *at) < bytes)
        return false;
    memcpy(values, *at, bytes);
    *at += bytes;
    return true;
}

static bool get_constant(const struct block *b, const uint8_t **at, const uint8_t *end,
                         uint64_t *values)
{
    uint64_t v;
    if ((size_t)(end - *at) < sizeof(v))
        return false;
    memcpy(&v, *at, sizeof(v));
    for (uint32_t i = 0; i < b->n_samples; i++)
        values[i] = v;
    *at += sizeof(v);
    return true;
}

/* Tries the encodings that apply behind `at` and keeps the shortest. */
static uint8_t *put_values(uint8_t *at, uint8_t *end, const struct sample *s, uint32_t n,
                           uint8_t *ret_encoding)
{
    static uint8_t *(*const put[])(uint8_t *, uint8_t *, const struct sample *, uint32_t) = {
        [VALUES_INTEGER] = put_integers,
        [VALUES_XOR] = put_xor,
        [VALUES_RAW] = put_raw,
    };
    if (is_constant(s, n)) {
        *ret_encoding = VALUES_CONSTANT;
        return put_raw(at, end, s, 1);
    }
    uint8_t trial[COLUMN_BYTES_MAX];
    uint8_t *best_end = NULL;
    for (uint8_t encoding = VALUES_INTEGER; encoding <= VALUES_RAW; encoding++) {
        size_t room = best_end != NULL ? (size_t)(best_end - at) - 1 : (size_t)(end - at);
        uint8_t *trial_end = put[encoding](trial, trial + room, s, n);
        if (trial_end == NULL)
            continue;
        memcpy(at, trial, (size_t)(trial_end - trial));
        best_end = at + (trial_end - trial);
        *ret_encoding = encoding;
    }
    return best_end;
}

bool block_encode(const struct sample *samples, uint32_t n, uint8_t out[BLOCK_BYTES_MAX],
                  struct block *ret)
{
    assert(n >= 1 && n <= BLOCK_SAMPLES_MAX);
    uint8_t times, values = VALUES_RAW;
    uint8_t *end = out + BLOCK_BYTES_MAX;
    uint8_t *at = put_times(out, end, samples, n, &times);
    if (at == NULL || (at = put_values(at, end, samples, n, &values)) == NULL)
        return false;
    *ret = (struct block){
        .first_ms = samples[0].t_ms,
        .last_ms = samples[n - 1].t_ms,
        .n_samples = n,
        .n_bytes = (uint32_t)(at - out),
        .encoding = (uint8_t)(times | values << VALUES_SHIFT),
        .bytes = out,
    };
    return true;
}

bool block_decode(const struct block *b, int64_t t_ms[BLOCK_SAMPLES_MAX],
                  uint64_t values[BLOCK_SAMPLES_MAX])
{
    static bool (*const get[])(const struct block *, const uint8_t **, const uint8_t *,
                               uint64_t *) = {
        [VALUES_CONSTANT] = get_constant,
        [VALUES_INTEGER] = get_integers,
        [VALUES_XOR] = get_xor,
        [VALUES_RAW] = get_raw,
    };
    unsigned times = b->encoding & 0x0Fu, kind = b->encoding >> VALUES_SHIFT;
    if (b->n_samples < 1 || b->n_samples > BLOCK_SAMPLES_MAX || b->n_bytes > BLOCK_BYTES_MAX ||
        times > TIMES_PACKED || kind >= ARRAY_LEN(get))
        return false;
    const uint8_t *at = b->bytes, *end = b->bytes + b->n_bytes;
    bool has_times =
        times == TIMES_LINEAR ? get_linear_times(b, t_ms) : get_packed_times(b, &at, end, t_ms);
    return has_times && get[kind](b, &at, end, values) && at == end;
}
