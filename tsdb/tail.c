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

/* A value, and the whole number that it is, if it is one. */
struct value {
    uint64_t bits;
    int64_t whole;
    bool is_whole;
};

static inline struct value value_of(uint64_t bits)
{
    struct value v = {.bits = bits};
    v.is_whole = whole_of_bits(bits, &v.whole);
    return v;
}

/* Writes how another value differs from the one before; returns the kind of operation. */
static inline uint8_t put_value(const struct value *before, const struct value *now, uint8_t *out,
                                size_t *ret_bytes)
{
    if (before->is_whole && now->is_whole) {
        *ret_bytes = varint_put(out, zigzag(now->whole - before->whole));
        return VALUE_WHOLE;
    }
    *ret_bytes = put_xor(out, now->bits ^ before->bits);
    return VALUE_XOR;
}

/* Writes the end of the run before and a sample that is not of it; *io becomes its value. Returns
 * how many bytes. */
__attribute__((always_inline)) static inline size_t put_sample(uint32_t run, uint32_t step_before,
                                                               uint32_t step, uint64_t value,
                                                               struct value *io,
                                                               uint8_t out[TAIL_STEP_BYTES_MAX])
{
    size_t n = run > 0, value_bytes;
    out[0] = (uint8_t)(run - 1);
    uint8_t *op = &out[n++];
    *op = OP_SAMPLE;
    if (step != step_before) {
        *op |= OP_NEW_STEP;
        n += varint_put(&out[n], zigzag((int64_t)step - (int64_t)step_before));
    }
    if (value == io->bits)
        return n;
    struct value now = value_of(value);
    *op |= put_value(io, &now, &out[n], &value_bytes);
    *io = now;
    return n + value_bytes;
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

size_t tail_step(struct tail *t, uint32_t place, uint64_t value, uint8_t out[TAIL_STEP_BYTES_MAX])
{
    assert(t->n_samples > 0 && place > t->last);
    uint32_t step = place - t->last;
    t->n_samples++;
    t->last = place;
    if (step == t->step && value == t->last_value) {
        t->run++;
        return 0;
    }
    assert(t->n_samples <= BLOCK_SAMPLES_MAX);
    struct value last = value_of(t->last_value);
    size_t n = put_sample(t->run, t->step, step, value, &last, out);
    t->run = 0;
    t->step = step;
    t->last_value = value;
    t->n_bytes = (uint16_t)(t->n_bytes + n);
    return n;
}

/* Of what has the step 1 everywhere, places are not looked at. */
__attribute__((always_inline)) static inline void put_samples(struct tail *t,
                                                              const uint32_t *places,
                                                              const uint64_t *values, uint32_t n,
                                                              bool are_neighbours, uint8_t *out)
{
    uint8_t *at = out;
    uint32_t step = t->step, run = 0;
    struct value last = value_of(values[0]);
    for (uint32_t i = 1; i < n; i++) {
        uint32_t now = are_neighbours ? 1 : places[i] - places[i - 1];
        assert(are_neighbours || places[i] > places[i - 1]);
        if (now == step && values[i] == last.bits) {
            run++;
            continue;
        }
        at += put_sample(run, step, now, values[i], &last, at);
        run = 0;
        step = now;
    }
    t->last_value = last.bits;
    t->step = step;
    t->run = run;
    t->n_bytes = (uint16_t)(at - out);
}

size_t tail_of(struct tail *t, slot timeline, const uint32_t *places, const uint64_t *values,
               uint32_t n, uint8_t out[TAIL_BYTES_MAX])
{
    assert(n >= 1 && n <= BLOCK_SAMPLES_MAX);
    tail_start(t, timeline, places[0], values[0]);
    t->last = places[n - 1];
    t->n_samples = n;
    if (t->step == 1 && t->last - t->first == n - 1) /* as they ascend, none is left out */
        put_samples(t, places, values, n, true, out);
    else
        put_samples(t, places, values, n, false, out);
    return t->n_bytes;
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
