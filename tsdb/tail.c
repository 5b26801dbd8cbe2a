#include "tsdb/tail.h"
#include "tsdb/varint.h"
#include "tsdb/whole.h"

#include <endian.h>
#include <string.h>

enum {
    OP_SAMPLE = 0x80,
    OP_NEW_STEP = 0x40,
    OP_VALUE_MASK = 0x03,
    VALUE_SAME = 0,
    VALUE_WHOLE = 1,
    VALUE_XOR = 2,
    VALUE_BYTES = 8,
};

/* Writes VALUE_BYTES behind the head, however many count: how many is a wrong guess. */
static size_t put_xor(uint8_t *out, uint64_t x)
{
    unsigned lead = (unsigned)__builtin_clzll(x) / 8, trail = (unsigned)__builtin_ctzll(x) / 8;
    unsigned n = VALUE_BYTES - lead - trail;
    uint64_t bytes = htobe64(x << 8 * lead);
    out[0] = (uint8_t)(lead << 4 | n);
    memcpy(out + 1, &bytes, VALUE_BYTES);
    return 1 + n;
}

static uint64_t get_xor(const uint8_t **at)
{
    unsigned lead = **at >> 4, n = **at & 0x0F;
    uint64_t x = 0;
    (*at)++;
    for (unsigned i = 0; i < n; i++)
        x |= (uint64_t) * (*at)++ << 8 * (VALUE_BYTES - 1 - lead - i);
    return x;
}

/* Writes the value's part of an operation; returns its kind. */
static uint8_t put_value(uint64_t before, uint64_t now, uint8_t *out, size_t *ret_bytes)
{
    int64_t whole_before, whole_now;
    *ret_bytes = 0;
    if (now == before)
        return VALUE_SAME;
    if (whole_of_bits(before, &whole_before) && whole_of_bits(now, &whole_now)) {
        *ret_bytes = varint_put(out, zigzag(whole_now - whole_before));
        return VALUE_WHOLE;
    }
    *ret_bytes = put_xor(out, now ^ before);
    return VALUE_XOR;
}

void tail_start(struct tail *t, slot timeline, uint32_t place, uint64_t value)
{
    *t = (struct tail){
        .first_value = value,
        .last_value = value,
        .first = place,
        .last = place,
        .step = timeline != 0 ? 1 : 0,
        .n_samples = 1,
        .timeline = timeline,
    };
}

__attribute__((always_inline)) static inline size_t
step_on(struct tail *t, uint32_t place, uint64_t value, uint8_t out[TAIL_STEP_BYTES_MAX])
{
    assert(place > t->last);
    uint32_t step = place - t->last;
    t->n_samples++;
    t->last = place;
    if (step == t->step && value == t->last_value) {
        t->run++;
        return 0;
    }
    size_t n = 0;
    if (t->run > 0)
        out[n++] = (uint8_t)(t->run - 1);
    t->run = 0;
    uint8_t *op = &out[n++];
    *op = OP_SAMPLE;
    if (step != t->step) {
        *op |= OP_NEW_STEP;
        n += varint_put(&out[n], zigzag((int64_t)step - (int64_t)t->step));
    }
    size_t value_bytes;
    *op |= put_value(t->last_value, value, &out[n], &value_bytes);
    n += value_bytes;
    t->step = step;
    t->last_value = value;
    t->n_bytes = (uint16_t)(t->n_bytes + n);
    return n;
}

size_t tail_step(struct tail *t, uint32_t place, uint64_t value, uint8_t out[TAIL_STEP_BYTES_MAX])
{
    assert(t->n_samples > 0);
    size_t n = step_on(t, place, value, out);
    assert(n == 0 || t->n_samples <= BLOCK_SAMPLES_MAX);
    return n;
}

size_t tail_of(struct tail *t, slot timeline, const uint32_t *places, const uint64_t *values,
               uint32_t n, uint8_t out[TAIL_BYTES_MAX])
{
    struct tail made;
    size_t n_bytes = 0;
    assert(n >= 1 && n <= BLOCK_SAMPLES_MAX);
    tail_start(&made, timeline, places[0], values[0]);
    for (uint32_t i = 1; i < n; i++)
        n_bytes += step_on(&made, places[i], values[i], out + n_bytes);
    *t = made;
    return n_bytes;
}

struct decoder {
    uint32_t place, step;
    uint64_t value;
    uint32_t n;
    uint32_t *places;
    uint64_t *values;
};

static void put(struct decoder *d)
{
    d->places[d->n] = d->place;
    d->values[d->n++] = d->value;
}

static void repeat(struct decoder *d, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        d->place += d->step;
        put(d);
    }
}

static void decode_sample(struct decoder *d, uint8_t op, const uint8_t **at, const uint8_t *end)
{
    uint64_t v = 0;
    int64_t whole = 0;
    if ((op & OP_NEW_STEP) != 0) {
        bool is_whole_varint = varint_get(at, end, &v);
        assert(is_whole_varint);
        (void)is_whole_varint;
        d->step += (uint32_t)unzigzag(v);
    }
    if ((op & OP_VALUE_MASK) == VALUE_WHOLE) {
        bool is_good = varint_get(at, end, &v) && whole_of_bits(d->value, &whole);
        assert(is_good);
        (void)is_good;
        d->value = bits_of_whole(whole + unzigzag(v));
    } else if ((op & OP_VALUE_MASK) == VALUE_XOR) {
        d->value ^= get_xor(at);
    }
    repeat(d, 1);
}

void tail_decode(const struct tail *t, const uint8_t *bytes, uint32_t *ret_places,
                 uint64_t *ret_values)
{
    if (t->n_samples == 0)
        return;
    assert(t->n_samples <= BLOCK_SAMPLES_MAX);
    struct decoder d = {.place = t->first,
                        .step = t->timeline != 0 ? 1 : 0,
                        .value = t->first_value,
                        .places = ret_places,
                        .values = ret_values};
    const uint8_t *at = bytes, *end = bytes + t->n_bytes;
    put(&d);
    while (at < end) {
        uint8_t op = *at++;
        if (op < OP_SAMPLE)
            repeat(&d, op + 1u);
        else
            decode_sample(&d, op, &at, end);
    }
    repeat(&d, t->run);
    assert(d.n == t->n_samples);
}
