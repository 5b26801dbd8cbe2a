#include "tsdb/block.h"
#include "tsdb/differences.h"
#include "tsdb/varint.h"

#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "formats are written as they stand");
_Static_assert((int)COLUMN_VALUES_MAX == (int)BLOCK_SAMPLES_MAX, "a block is a column");

_Static_assert(BLOCK_FOLLOWS == 0, "put_usual, block_skip_any");

enum {
    FILL_GROUP = 8,
    ENCODING_MASK = 0x0F,
    TIMES_SHIFT = 4,
    TIMES_MASK = 0x03,
    IS_SHARED = 0x40,
    HEAD_MAX = 0x7F
};

static void move_on(struct block_context *io, const struct block *b)
{
    bool has_timeline = b->times == BLOCK_AT;
    io->timeline = has_timeline ? b->timeline : 0;
    io->place = has_timeline ? b->first + b->n_samples : 0;
}

static size_t put_values(const struct block *b, uint8_t *out)
{
    if (b->shared != 0) {
        memcpy(out, &b->shared, sizeof(b->shared));
        return sizeof(b->shared);
    }
    memcpy(out, b->values, b->n_values_bytes);
    return b->n_values_bytes;
}

/* What most blocks are: one behind the one before, with values of its own. */
static size_t put_usual(const struct block *b, struct block_context *io, uint8_t *out)
{
    uint8_t *at = out;
    *at++ = b->encoding;
    at += varint_put(at, b->n_samples - 1);
    at += varint_put(at, b->n_values_bytes);
    memcpy(at, b->values, b->n_values_bytes);
    io->place += b->n_samples;
    return (size_t)(at - out) + b->n_values_bytes;
}

size_t block_put(const struct block *b, struct block_context *io, uint8_t out[BLOCK_STORED_MAX])
{
    bool follows = b->times == BLOCK_AT && b->timeline == io->timeline && b->first == io->place;
    if (follows && b->shared == 0)
        return put_usual(b, io, out);
    uint8_t *at = out;
    *at++ = (uint8_t)(b->encoding | (follows ? BLOCK_FOLLOWS : b->times) << TIMES_SHIFT |
                      (b->shared != 0 ? IS_SHARED : 0));
    at += varint_put(at, b->n_samples - 1);
    if (b->shared == 0)
        at += varint_put(at, b->n_values_bytes);
    if (b->times == BLOCK_AT && !follows) {
        memcpy(at, &b->timeline, sizeof(b->timeline));
        at += sizeof(b->timeline);
    }
    if (!follows)
        at += varint_put(at, b->first);
    if (b->times == BLOCK_LINEAR)
        at += varint_put(at, b->step);
    if (b->times == BLOCK_PACKED) {
        memcpy(at, b->times_bytes, b->n_times_bytes);
        at += b->n_times_bytes;
    }
    at += put_values(b, at);
    move_on(io, b);
    return (size_t)(at - out);
}

static bool get_u32(const uint8_t **at, const uint8_t *end, uint32_t max, uint32_t *ret)
{
    uint64_t v;
    if (!varint_get(at, end, &v) || v > max)
        return false;
    *ret = (uint32_t)v;
    return true;
}

static bool get_packed(const uint8_t **at, const uint8_t *end, struct block *ret)
{
    int64_t d[BLOCK_SAMPLES_MAX];
    ret->times_bytes = *at;
    if (ret->n_samples < 2 || ret->n_samples > BLOCK_SAMPLES_MAX ||
        !differences_get(at, end, d, ret->n_samples - 1))
        return false;
    ret->n_times_bytes = (uint32_t)(*at - ret->times_bytes);
    return true;
}

static bool get_times(const uint8_t **at, const uint8_t *end, const struct block_context *context,
                      struct block *ret)
{
    switch (ret->times) {
    case BLOCK_FOLLOWS:
        ret->times = BLOCK_AT;
        ret->timeline = context->timeline;
        ret->first = context->place;
        return context->timeline != 0;
    case BLOCK_AT:
        if (end - *at < (ptrdiff_t)sizeof(ret->timeline))
            return false;
        memcpy(&ret->timeline, *at, sizeof(ret->timeline));
        *at += sizeof(ret->timeline);
        return ret->timeline != 0 && get_u32(at, end, TIMELINE_TIMES_MAX, &ret->first);
    case BLOCK_LINEAR:
        return get_u32(at, end, UINT32_MAX, &ret->first) &&
               get_u32(at, end, UINT32_MAX, &ret->step);
    default:
        return get_u32(at, end, UINT32_MAX, &ret->first) && get_packed(at, end, ret);
    }
}

/* Only a timeline gives a run of several samples its times: parts of a run are named by places. */
static bool is_run_alone(const struct block *b)
{
    return b->encoding == BLOCK_RUN && b->times != BLOCK_AT && b->n_samples > 1;
}

static bool get_values(const uint8_t **at, const uint8_t *end, struct block *ret)
{
    if (end - *at < (ptrdiff_t)ret->n_values_bytes)
        return false;
    ret->values = *at;
    *at += ret->n_values_bytes;
    return true;
}

/* A run is shorter than a handle and what it names. */
static bool get_shared(const uint8_t **at, const uint8_t *end, struct block *ret)
{
    if (ret->encoding == BLOCK_RUN || end - *at < (ptrdiff_t)sizeof(ret->shared))
        return false;
    memcpy(&ret->shared, *at, sizeof(ret->shared));
    *at += sizeof(ret->shared);
    return ret->shared != 0;
}

bool block_get(const uint8_t **at, const uint8_t *end, struct block_context *io, struct block *ret)
{
    if (*at == end || **at > HEAD_MAX)
        return false;
    uint8_t head = *(*at)++;
    bool is_shared = (head & IS_SHARED) != 0;
    *ret =
        (struct block){.encoding = head & ENCODING_MASK, .times = head >> TIMES_SHIFT & TIMES_MASK};
    uint32_t most = ret->encoding == BLOCK_RUN ? BLOCK_RUN_MAX : BLOCK_SAMPLES_MAX;
    if (!get_u32(at, end, most - 1, &ret->n_samples) ||
        (!is_shared && !get_u32(at, end, COLUMN_BYTES_MAX, &ret->n_values_bytes)))
        return false;
    ret->n_samples++;
    if (!get_times(at, end, io, ret) || is_run_alone(ret) ||
        !(is_shared ? get_shared(at, end, ret) : get_values(at, end, ret)))
        return false;
    move_on(io, ret);
    return true;
}

/* How many bytes at `at` a block has for its values, or 0 when they are none. */
static uint32_t skip_values(const uint8_t **at, const uint8_t *end, uint32_t encoding,
                            bool is_shared)
{
    uint32_t n_bytes = sizeof(slot);
    if (is_shared)
        return encoding < BLOCK_RUN ? n_bytes : 0;
    if (!get_u32(at, end, COLUMN_BYTES_MAX, &n_bytes) || n_bytes > (size_t)(end - *at))
        return 0;
    if (encoding == BLOCK_RUN) {
        uint64_t value;
        return block_run_value(*at, n_bytes, &value) ? n_bytes : 0;
    }
    return column_is_possible((uint8_t)encoding, n_bytes) ? n_bytes : 0;
}

bool block_skip_any(const uint8_t **at, const uint8_t *end, struct block_outline *ret)
{
    const uint8_t *p = *at;
    if (p == end || (*p & ~(ENCODING_MASK | IS_SHARED)) != 0)
        return false;
    uint32_t encoding = *p & ENCODING_MASK, most = BLOCK_SAMPLES_MAX;
    ret->is_shared = (*p++ & IS_SHARED) != 0;
    if (encoding == BLOCK_RUN)
        most = BLOCK_RUN_MAX;
    if (!get_u32(&p, end, most - 1, &ret->n_samples))
        return false;
    uint32_t n_bytes = skip_values(&p, end, encoding, ret->is_shared);
    if (n_bytes == 0 || n_bytes > (size_t)(end - p))
        return false;
    ret->n_samples++;
    *at = p + n_bytes;
    return true;
}

void block_fetch(const struct arena *a, struct block *io)
{
    if (io->shared == 0)
        return;
    io->values = shared_bytes(a, io->shared);
    io->n_values_bytes = shared_at(a, io->shared)->n_bytes;
}

void block_own_times(struct block *b, const uint32_t *times, uint32_t n,
                     uint8_t bytes[BLOCK_TIMES_BYTES_MAX])
{
    int64_t d[BLOCK_SAMPLES_MAX] = {0};
    bool is_linear = true;
    for (uint32_t i = 1; i < n; i++) {
        d[i - 1] = (int64_t)times[i] - times[i - 1];
        is_linear = is_linear && d[i - 1] == d[0];
    }
    b->timeline = 0;
    b->first = times[0];
    b->times = BLOCK_LINEAR;
    b->step = (uint32_t)d[0];
    b->n_times_bytes = 0;
    if (is_linear)
        return;
    b->times = BLOCK_PACKED;
    b->step = 0;
    b->times_bytes = bytes;
    b->n_times_bytes = (uint32_t)differences_put(bytes, BLOCK_TIMES_BYTES_MAX, d, n - 1);
    ENSURE(b->n_times_bytes > 0);
}

void block_encode_values(struct block *b, const uint64_t *values, uint32_t n,
                         uint8_t bytes[COLUMN_BYTES_MAX])
{
    b->n_samples = n;
    b->shared = 0;
    b->n_values_bytes = (uint32_t)column_encode(values, n, bytes, &b->encoding);
    b->values = bytes;
}

void block_of_run(struct block *b, slot timeline, uint32_t first, uint32_t n, uint64_t value,
                  uint8_t bytes[RUN_BYTES_MAX])
{
    *b = (struct block){.encoding = BLOCK_RUN,
                        .times = timeline != 0 ? BLOCK_AT : BLOCK_LINEAR,
                        .n_samples = n,
                        .timeline = timeline,
                        .first = first,
                        .values = bytes};
    do {
        bytes[b->n_values_bytes++] = (uint8_t)(value >> 56);
        value <<= 8;
    } while (value != 0);
}

bool block_run_value(const uint8_t *bytes, uint32_t n, uint64_t *ret)
{
    if (n < 1 || n > RUN_BYTES_MAX || (n > 1 && bytes[n - 1] == 0))
        return false;
    *ret = 0;
    for (uint32_t i = 0; i < n; i++)
        *ret |= (uint64_t)bytes[i] << (56 - 8 * i);
    return true;
}

bool block_values(const struct block *b, uint32_t from, uint32_t n, uint64_t *ret)
{
    if (b->encoding != BLOCK_RUN)
        return from == 0 && n == b->n_samples &&
               column_decode(b->encoding, b->values, b->n_values_bytes, n, ret);
    uint64_t value;
    if (!block_run_value(b->values, b->n_values_bytes, &value))
        return false;
    uint32_t i = 0;
    for (; i + FILL_GROUP <= n; i += FILL_GROUP)
        for (uint32_t k = 0; k < FILL_GROUP; k++)
            ret[i + k] = value;
    for (; i < n; i++)
        ret[i] = value;
    return true;
}

void block_values_kept(const struct block *b, uint32_t from, uint32_t n, uint64_t *ret)
{
    if (block_values(b, from, n, ret))
        return;
    for (uint32_t i = 0; i < n; i++)
        ret[i] = STALE_BITS;
}

bool block_is_run(const struct block *b)
{
    uint64_t value;
    return b->encoding == BLOCK_RUN && block_values(b, 0, 1, &value);
}

static bool own_times(const struct block *b, uint32_t *ret)
{
    int64_t d[BLOCK_SAMPLES_MAX];
    const uint8_t *at = b->times_bytes;
    if (!differences_get(&at, b->times_bytes + b->n_times_bytes, d, b->n_samples - 1))
        return false;
    uint64_t t = ret[0] = b->first;
    for (uint32_t i = 1; i < b->n_samples; i++) {
        uint64_t next = t + (uint64_t)d[i - 1];
        if (next <= t || next > UINT32_MAX)
            return false;
        t = next;
        ret[i] = (uint32_t)t;
    }
    return true;
}

bool block_times(const struct arena *a, struct times_cache *t, const struct block *b, uint32_t from,
                 uint32_t n, uint32_t *ret)
{
    if (is_run_alone(b))
        return false;
    if (b->times == BLOCK_PACKED)
        return from == 0 && n == b->n_samples && own_times(b, ret);
    if (b->times == BLOCK_AT) {
        timeline_read(a, t, b->timeline, b->first + from, n, ret);
        return true;
    }
    uint64_t last = b->first + (uint64_t)b->step * (b->n_samples - 1);
    if (last > UINT32_MAX || (b->step == 0 && b->n_samples > 1))
        return false;
    for (uint32_t i = 0; i < n; i++)
        ret[i] = b->first + b->step * (from + i);
    return true;
}

const uint32_t *block_lend_times(const struct arena *a, struct times_cache *t,
                                 const struct block *b, uint32_t from, uint32_t n, uint32_t *room)
{
    if (b->times == BLOCK_AT) {
        const uint32_t *lent = timeline_borrow(a, t, b->timeline, b->first + from, n);
        if (lent != NULL)
            return lent;
    }
    bool is_good = block_times(a, t, b, from, n, room);
    ENSURE(is_good);
    return room;
}

/* Only a run is that long, and it has a timeline's times. */
uint32_t block_first_part(const struct arena *a, struct times_cache *t, const struct block *b,
                          uint32_t min_time)
{
    uint32_t from = 0, to = (b->n_samples - 1) / BLOCK_SAMPLES_MAX;
    while (from < to) {
        uint32_t mid = from + (to - from) / 2;
        uint32_t last = b->first + (mid + 1) * BLOCK_SAMPLES_MAX - 1;
        if (timeline_time(a, t, b->timeline, last) < min_time)
            from = mid + 1;
        else
            to = mid;
    }
    return from * BLOCK_SAMPLES_MAX;
}

void block_span(const struct arena *a, struct times_cache *t, const struct block *b,
                uint32_t *ret_first, uint32_t *ret_last)
{
    uint32_t times[BLOCK_SAMPLES_MAX];
    switch (b->times) {
    case BLOCK_AT:
        *ret_first = timeline_time(a, t, b->timeline, b->first);
        *ret_last = timeline_time(a, t, b->timeline, b->first + b->n_samples - 1);
        return;
    case BLOCK_LINEAR:
        *ret_first = b->first;
        *ret_last = b->first + b->step * (b->n_samples - 1);
        return;
    default:
        ENSURE(own_times(b, times));
        *ret_first = times[0];
        *ret_last = times[b->n_samples - 1];
    }
}
