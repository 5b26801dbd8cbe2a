/*
 * Values are of all the sorts that have an encoding of their own: constants, counters, decimals,
 * a few levels, doubles of all bits, and now and then a stale marker or a special double. Most
 * series of a request share their time; every sixteenth has one of its own.
 */
#include "tests/crash/load.h"

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    LABELS_MAX = 160,
    SAMPLE_MAX = 24,
    STALE_ONE_IN = 499,
    SPECIAL_ONE_IN = 997,
    OWN_TIME_ONE_IN = 16,
    OWN_TIME_SPREAD_MS = 200,
    LATE_ONE_IN = 4,
    CONTRADICTED_ONE_IN = 4,
};

const char *load_family_name(enum load_family family)
{
    static const char *const names[LOAD_FAMILIES] = {"steady", "late", "born", "twice", "mixed"};
    return names[family];
}

static uint64_t mix(uint64_t word)
{
    word = (word ^ word >> 30) * 0xbf58476d1ce4e5b9U;
    word = (word ^ word >> 27) * 0x94d049bb133111ebU;
    return word ^ word >> 31;
}

uint64_t load_hash(const struct load *l, uint64_t a, uint64_t b, uint64_t c)
{
    return mix(mix(mix(l->seed + 0x9e3779b97f4a7c15U * (a + 1)) + b) + c);
}

static uint64_t series_key(const struct load_series *s)
{
    return (uint64_t)s->family << 60 | (uint64_t)s->connection << 48 | (uint64_t)s->part << 24 |
           s->number;
}

static uint64_t bits_of(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

static uint64_t special(uint64_t h)
{
    static const uint64_t bits[] = {
        0x7ff0000000000000, 0xfff0000000000000, /* both infinities */
        0x7ff8000000000001, 0x8000000000000000, /* Prometheus' NaN, -0 */
        0x0000000000000001, 0x7fefffffffffffff, /* the smallest and the largest double */
    };
    return bits[h % (sizeof(bits) / sizeof(bits[0]))];
}

static uint64_t usual(const struct load_series *s, uint32_t tick, uint64_t h)
{
    switch (s->number % 8) {
    case 0:
        return bits_of(s->number);
    case 1:
    case 2:
        return bits_of((double)tick * (s->number + 1));
    case 3:
        return bits_of((double)(h % 10000) / 100);
    case 4:
        return bits_of((double)(h % 4) * 0.25);
    case 5:
        return bits_of((double)(int64_t)h * 0x1p-43);
    case 6:
        return bits_of((double)(h % 1000000) - 500000);
    default:
        return bits_of(tick / 50);
    }
}

static uint64_t value(const struct load_series *s, uint32_t tick, uint64_t h)
{
    if (s->family == LOAD_BORN && tick == s->part + LOAD_LIFE_TICKS)
        return LOAD_STALE;
    if ((h >> 20) % STALE_ONE_IN == 0)
        return LOAD_STALE;
    if ((h >> 20) % SPECIAL_ONE_IN == 1)
        return special(h >> 40);
    return usual(s, tick, h);
}

struct load_sample load_sample(const struct load *l, const struct load_series *s, uint32_t tick)
{
    uint64_t h = load_hash(l, series_key(s), tick, 0);
    int64_t own = s->number % OWN_TIME_ONE_IN == 0 ? (int64_t)(h >> 32) % OWN_TIME_SPREAD_MS : 0;
    int64_t shared = (int64_t)(s->connection * 37 + s->part % 8 * 5);
    return (struct load_sample){
        .t_ms = l->start_ms + tick * l->step_ms + shared + own,
        .bits = value(s, tick, h),
    };
}

bool load_tick_at(const struct load *l, int64_t t_ms, uint32_t *ret_tick)
{
    if (t_ms < l->start_ms)
        return false;
    *ret_tick = (uint32_t)((t_ms - l->start_ms) / l->step_ms);
    return true;
}

bool load_is_alive(const struct load_series *s, uint32_t tick)
{
    return s->family != LOAD_BORN || (tick >= s->part && tick <= s->part + LOAD_LIFE_TICKS);
}

/* The tick with which a late sample is sent. */
static uint32_t sent_with(const struct load *l, const struct load_series *s, uint32_t tick)
{
    uint64_t h = load_hash(l, series_key(s), tick, 1);
    return h % LATE_ONE_IN ? tick : tick + (uint32_t)((h >> 32) % (l->late_ticks + 1));
}

uint32_t load_carriers(const struct load *l, const struct load_series *s, uint32_t tick,
                       struct load_request ret[LOAD_CARRIERS_MAX])
{
    uint32_t c = s->connection, extras = l->n_parts;
    switch (s->family) {
    case LOAD_STEADY:
        ret[0] = (struct load_request){c, tick, s->part};
        return 1;
    case LOAD_LATE:
        ret[0] = (struct load_request){c, sent_with(l, s, tick), extras};
        return 1;
    case LOAD_TWICE:
        ret[0] = (struct load_request){c, tick, extras};
        ret[1] = (struct load_request){c, tick + 1, extras};
        return 2;
    case LOAD_MIXED:
        ret[0] = (struct load_request){c, tick, extras + 1};
        return 1;
    default:
        ret[0] = (struct load_request){c, tick, extras};
        return 1;
    }
}

bool load_deletion(const struct load *l, const struct load_series *s, struct load_request *ret)
{
    if (!l->is_deleting || s->family != LOAD_BORN || s->part % LOAD_DELETED_ONE_IN > 0)
        return false;
    *ret = (struct load_request){s->connection, s->part + LOAD_DELETE_TICKS, l->n_parts + 2};
    return true;
}

bool load_deleted(const struct load *l, const struct load_request *r, uint32_t *ret_birth)
{
    if (!load_is_deletion(l, r) || r->tick < LOAD_DELETE_TICKS ||
        (r->tick - LOAD_DELETE_TICKS) % LOAD_DELETED_ONE_IN > 0)
        return false;
    *ret_birth = r->tick - LOAD_DELETE_TICKS;
    return true;
}

/* --- the bytes -------------------------------------------------------------------------------- */

static uint8_t *put_varint(uint8_t *at, uint64_t number)
{
    for (; number > 0x7f; number >>= 7)
        *at++ = (uint8_t)(number | 0x80);
    *at++ = (uint8_t)number;
    return at;
}

/* All lengths stay under 128, so that each is one byte. */
static uint8_t *put_label(uint8_t *at, const char *name, size_t n_name, const char *text, size_t n)
{
    *at++ = 0x0a;
    *at++ = (uint8_t)(n_name + n + 4);
    *at++ = 0x0a;
    *at++ = (uint8_t)n_name;
    memcpy(at, name, n_name);
    at += n_name;
    *at++ = 0x12;
    *at++ = (uint8_t)n;
    memcpy(at, text, n);
    return at + n;
}

static uint8_t *put_number_label(uint8_t *at, char name, uint32_t number)
{
    char text[16];
    size_t at_digit = sizeof(text);
    do
        text[--at_digit] = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    return put_label(at, &name, 1, text + at_digit, sizeof(text) - at_digit);
}

static size_t put_labels(uint8_t *at, const struct load_series *s)
{
    uint8_t *begin = at;
    const char *name = load_family_name(s->family);
    at = put_label(at, "__name__", 8, name, strlen(name));
    at = put_number_label(at, 'c', s->connection);
    at = put_number_label(at, 'p', s->part);
    at = put_number_label(at, 's', s->number);
    return (size_t)(at - begin);
}

static size_t put_sample(uint8_t *at, struct load_sample sample)
{
    uint8_t *end;
    at[0] = 0x12;
    at[2] = 0x09;
    memcpy(at + 3, &sample.bits, sizeof(sample.bits));
    at[11] = 0x10;
    end = put_varint(at + 12, (uint64_t)sample.t_ms);
    at[1] = (uint8_t)(end - at - 2);
    return (size_t)(end - at);
}

static void make_room(struct load_body *b, size_t n)
{
    if (b->n + n <= b->capacity)
        return;
    b->capacity = 2 * (b->n + n);
    b->bytes = realloc(b->bytes, b->capacity);
    if (b->bytes == NULL)
        err(2, "memory for a request");
}

static void put_series(struct load_body *b, const struct load_series *s,
                       const struct load_sample *samples, uint32_t n)
{
    uint8_t inner[LABELS_MAX + SAMPLE_MAX * (LOAD_LATE_TICKS_MAX + 2)];
    size_t n_inner;
    uint8_t *at;
    if (n == 0)
        return;
    n_inner = put_labels(inner, s);
    for (uint32_t i = 0; i < n; i++)
        n_inner += put_sample(inner + n_inner, samples[i]);
    make_room(b, n_inner + 8);
    at = b->bytes + b->n;
    *at++ = 0x0a;
    at = put_varint(at, n_inner);
    memcpy(at, inner, n_inner);
    b->n = (size_t)(at + n_inner - b->bytes);
    b->n_samples += n;
}

static void put_one(const struct load *l, struct load_body *b, const struct load_series *s,
                    uint32_t tick)
{
    struct load_sample sample = load_sample(l, s, tick);
    put_series(b, s, &sample, 1);
}

static void put_late(const struct load *l, struct load_body *b, const struct load_series *s,
                     uint32_t tick)
{
    struct load_sample samples[LOAD_LATE_TICKS_MAX + 1];
    uint32_t n = 0;
    for (uint32_t i = tick > l->late_ticks ? tick - l->late_ticks : 0; i <= tick; i++)
        if (sent_with(l, s, i) == tick)
            samples[n++] = load_sample(l, s, i);
    put_series(b, s, samples, n);
}

static void put_twice(const struct load *l, struct load_body *b, const struct load_series *s,
                      uint32_t tick)
{
    if (tick > 0)
        put_one(l, b, s, tick - 1);
    put_one(l, b, s, tick);
}

/* The last bit is another: neither the stale marker nor an infinity stays what it is. */
static void put_contradiction(const struct load *l, struct load_body *b,
                              const struct load_series *s, uint32_t tick)
{
    struct load_sample sample = load_sample(l, s, tick);
    sample.bits ^= 1;
    put_series(b, s, &sample, 1);
    b->n_refused++;
}

static void put_mixed(const struct load *l, struct load_body *b, const struct load_series *s,
                      uint32_t tick, bool is_base_held)
{
    put_one(l, b, s, tick);
    if (s->number % CONTRADICTED_ONE_IN == 0)
        put_contradiction(l, b, s, tick);
    if (s->number % CONTRADICTED_ONE_IN == 1 && is_base_held && tick > 0)
        put_contradiction(l, b, s, tick - 1);
}

static void put_extras(const struct load *l, struct load_body *b, uint32_t c, uint32_t tick)
{
    for (uint32_t i = 0; i < l->n_series[LOAD_LATE]; i++)
        put_late(l, b, &(struct load_series){LOAD_LATE, c, 0, i}, tick);
    for (uint32_t i = 0; i < l->n_series[LOAD_TWICE]; i++)
        put_twice(l, b, &(struct load_series){LOAD_TWICE, c, 0, i}, tick);
    for (uint32_t birth = tick > LOAD_LIFE_TICKS ? tick - LOAD_LIFE_TICKS : 0; birth <= tick;
         birth++)
        for (uint32_t i = 0; i < l->n_series[LOAD_BORN]; i++)
            put_one(l, b, &(struct load_series){LOAD_BORN, c, birth, i}, tick);
}

void load_build(const struct load *l, const struct load_request *r, bool is_base_held,
                struct load_body *ret)
{
    uint32_t c = r->connection;
    ret->n = 0;
    ret->n_samples = 0;
    ret->n_refused = 0;
    if (r->part < l->n_parts)
        for (uint32_t i = 0; i < l->n_series[LOAD_STEADY]; i++)
            put_one(l, ret, &(struct load_series){LOAD_STEADY, c, r->part, i}, r->tick);
    else if (r->part == l->n_parts)
        put_extras(l, ret, c, r->tick);
    else
        for (uint32_t i = 0; i < l->n_series[LOAD_MIXED]; i++)
            put_mixed(l, ret, &(struct load_series){LOAD_MIXED, c, 0, i}, r->tick, is_base_held);
}
