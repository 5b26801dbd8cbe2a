/* The body is one snappy literal: doubles at random have nothing to copy. Values and times are
 * patched in place, as in body.h. */
#include "tests/bench/ticks.h"
#include "tests/bench/body.h"

#include <err.h>
#include <stdlib.h>
#include <string.h>

enum { LABELS_MAX = 128, LITERAL_HEAD_BYTES = 5 };

static struct recording_text text_of(const char *zero_terminated)
{
    return (struct recording_text){zero_terminated, (uint32_t)strlen(zero_terminated)};
}

void ticks_init(struct ticks *t, int64_t start_ms, uint32_t batch)
{
    struct recording_pair pairs[2] = {{text_of("__name__"), text_of("bench_ticks")},
                                      {text_of("job"), text_of("ticks")}};
    struct recording_series series = {0, 2, pairs};
    struct body_labels labels = {&series, NULL, 0};
    size_t inner = body_labels_bytes(&labels) + (size_t)batch * TICKS_STRIDE;
    size_t n = 1 + body_varint_bytes(inner) + inner;
    uint8_t *at;
    t->start_ms = start_ms;
    t->batch = batch;
    t->state = 1;
    t->bytes = malloc(n + 2 * LABELS_MAX);
    if (t->bytes == NULL)
        err(1, "memory for a body");
    at = body_put_varint(t->bytes, n);
    *at++ = 63 << 2; /* a literal whose length, less one, is four bytes */
    for (unsigned i = 0; i < LITERAL_HEAD_BYTES - 1; i++)
        *at++ = (uint8_t)((n - 1) >> 8 * i);
    *at++ = 0x0a;
    at = body_put_varint(at, inner);
    at = body_put_labels(at, &labels);
    t->samples = at + 3;
    for (uint32_t i = 0; i < batch; i++) {
        static const uint8_t empty[TICKS_STRIDE] = {0x12, TICKS_STRIDE - 2, 0x09, [11] = 0x10};
        memcpy(at, empty, sizeof(empty));
        at += TICKS_STRIDE;
    }
    t->n_bytes = (size_t)(at - t->bytes);
}

void ticks_release(struct ticks *t)
{
    free(t->bytes);
    memset(t, 0, sizeof(*t));
}

/* splitmix64 (Steele, Lea, Flood 2014) */
static double next_value(struct ticks *t)
{
    uint64_t x = t->state += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (double)((x ^ (x >> 31)) >> 11) * 0x1p-53;
}

void ticks_fill(struct ticks *t, uint64_t n)
{
    t->last_ms = t->start_ms + (int64_t)(n * t->batch) - 1;
    for (uint32_t i = 0; i < t->batch; i++) {
        uint8_t *at = t->samples + (size_t)i * TICKS_STRIDE;
        double value = next_value(t);
        memcpy(&t->last_bits, &value, sizeof(value));
        memcpy(at, &t->last_bits, sizeof(t->last_bits));
        body_put_varint(at + 9, (uint64_t)++t->last_ms);
    }
}
