#include "tests/bench/body_v2.h"

#include <stdbool.h>
#include <string.h>

enum { TABLE = 1 << 16, TEXTS_MAX = TABLE / 2, REFS_MAX = 256 };

/* Texts of one message. */
static struct {
    const uint8_t *at;
    uint32_t n, place;
} table[TABLE];
static const uint8_t *texts[TEXTS_MAX];
static uint32_t lengths[TEXTS_MAX], n_texts;

static uint32_t place_of(const uint8_t *at, uint32_t n)
{
    uint64_t h = 14695981039346656037U;
    for (uint32_t i = 0; i < n; i++)
        h = (h ^ at[i]) * 1099511628211U;
    size_t slot = (h ^ h >> 29) % TABLE;
    while (table[slot].at != NULL && !(table[slot].n == n && memcmp(table[slot].at, at, n) == 0))
        slot = (slot + 1) % TABLE;
    if (table[slot].at == NULL && n_texts < TEXTS_MAX) {
        table[slot].at = at;
        table[slot].n = n;
        table[slot].place = n_texts;
        texts[n_texts] = at;
        lengths[n_texts++] = n;
    }
    return table[slot].place;
}

struct writer {
    uint8_t *at, *end;
    bool is_full;
};

static void put(struct writer *w, const void *bytes, size_t n)
{
    if ((size_t)(w->end - w->at) < n) {
        w->is_full = true;
        return;
    }
    memcpy(w->at, bytes, n);
    w->at += n;
}

static void put_varint(struct writer *w, uint64_t v)
{
    uint8_t bytes[10];
    size_t n = 0;
    for (; v > 0x7f; v >>= 7)
        bytes[n++] = (uint8_t)(v | 0x80);
    bytes[n++] = (uint8_t)v;
    put(w, bytes, n);
}

static uint32_t get_varint(const uint8_t **at)
{
    uint32_t v = 0;
    for (unsigned shift = 0;; shift += 7) {
        v |= (uint32_t)(**at & 0x7f) << shift;
        if (*(*at)++ < 0x80)
            return v;
    }
}

static void put_field(struct writer *w, uint8_t tag, const void *bytes, size_t n)
{
    put(w, &tag, 1);
    put_varint(w, n);
    put(w, bytes, n);
}

/* 0a len { 0a len { 0a len name 12 len value } .. 12 len sample }; is_counting: only the texts. */
static bool put_series(struct writer *w, const uint8_t *at, const uint8_t *end, bool is_counting)
{
    uint8_t refs[REFS_MAX], content[2 * REFS_MAX];
    struct writer r = {refs, refs + sizeof(refs), false};
    struct writer c = {content, content + sizeof(content), false};
    while (at < end && *at == 0x0a) {
        at++;
        (void)get_varint(&at);
        for (int part = 0; part < 2; part++) {
            at++;
            uint32_t n = get_varint(&at);
            put_varint(&r, place_of(at, n));
            at += n;
        }
    }
    put_field(&c, 0x0a, refs, (size_t)(r.at - refs));
    put(&c, at, (size_t)(end - at)); /* the sample, as it is */
    put_field(&c, 0x2a, "\x08\x01\x18\x02", 4);
    if (!is_counting)
        put_field(w, 0x2a, content, (size_t)(c.at - content));
    return !r.is_full && !c.is_full;
}

static bool each_series(struct writer *w, const uint8_t *message, size_t n, bool is_counting)
{
    for (const uint8_t *at = message, *end = message + n; at < end;) {
        if (*at++ != 0x0a)
            return false;
        uint32_t len = get_varint(&at);
        if (!put_series(w, at, at + len, is_counting))
            return false;
        at += len;
    }
    return true;
}

size_t body_v2_of(const uint8_t *message, size_t n, uint8_t *to, size_t room)
{
    struct writer w = {to, to + room, false};
    memset(table, 0, sizeof(table));
    n_texts = 0;
    (void)place_of((const uint8_t *)"", 0);
    if (!each_series(&w, message, n, true) || n_texts == TEXTS_MAX)
        return 0;
    for (uint32_t i = 0; i < n_texts; i++)
        put_field(&w, 0x22, texts[i], lengths[i]);
    return each_series(&w, message, n, false) && !w.is_full ? (size_t)(w.at - to) : 0;
}
