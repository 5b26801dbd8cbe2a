#include "tests/bench/texts.h"
#include "tests/bench/body.h"

#include <err.h>
#include <stdlib.h>
#include <string.h>

enum { SLOTS_FIRST = 4096, TEXT_HEAD_BYTES_MAX = 6 };

static void *grown(void *array, size_t n_bytes)
{
    void *bigger = realloc(array, n_bytes);
    if (bigger == NULL)
        err(1, "memory for texts");
    return bigger;
}

/* FNV-1a */
static uint32_t hash_of(const struct recording_text *text)
{
    uint32_t h = UINT32_C(2166136261);
    for (uint32_t i = 0; i < text->len; i++)
        h = (h ^ (uint8_t)text->at[i]) * UINT32_C(16777619);
    return h;
}

/* The slot of a text, or the free one where it belongs. */
static uint32_t *slot_of(const struct texts *s, const struct recording_text *text)
{
    for (uint32_t i = hash_of(text);; i++) {
        uint32_t *slot = &s->slots[i & (s->n_slots - 1)];
        uint32_t number = *slot - 1;
        if (*slot == 0 || (s->len[number] == text->len &&
                           memcmp(s->bytes + s->at[number], text->at, text->len) == 0))
            return slot;
    }
}

static void widen(struct texts *s)
{
    s->n_slots = s->n_slots == 0 ? SLOTS_FIRST : 2 * s->n_slots;
    s->slots = grown(s->slots, s->n_slots * sizeof(*s->slots));
    memset(s->slots, 0, s->n_slots * sizeof(*s->slots));
    for (uint32_t i = 0; i < s->n; i++) {
        struct recording_text text = {(const char *)s->bytes + s->at[i], s->len[i]};
        *slot_of(s, &text) = i + 1;
    }
}

static void make_room(struct texts *s, uint32_t len)
{
    size_t needed = s->n_bytes + TEXT_HEAD_BYTES_MAX + len;
    if (needed > s->capacity) {
        s->capacity = 2 * needed;
        s->bytes = grown(s->bytes, s->capacity);
    }
    if (s->n == s->numbers_capacity) {
        s->numbers_capacity = 2 * s->n + 64;
        s->at = grown(s->at, s->numbers_capacity * sizeof(*s->at));
        s->len = grown(s->len, s->numbers_capacity * sizeof(*s->len));
    }
    if (2 * (s->n + 1) > s->n_slots)
        widen(s);
}

uint32_t texts_add(struct texts *s, const struct recording_text *text)
{
    uint32_t *slot;
    make_room(s, text->len);
    slot = slot_of(s, text);
    if (*slot == 0) {
        uint8_t *at = s->bytes + s->n_bytes;
        *at++ = 0x22;
        at = body_put_varint(at, text->len);
        memcpy(at, text->at, text->len);
        s->at[s->n] = (uint32_t)(at - s->bytes);
        s->len[s->n] = text->len;
        s->n_bytes = s->at[s->n] + text->len;
        *slot = ++s->n;
    }
    return *slot - 1;
}

void texts_clear(struct texts *s)
{
    s->n = 0;
    s->n_bytes = 0;
    if (s->slots != NULL)
        memset(s->slots, 0, s->n_slots * sizeof(*s->slots));
    texts_add(s, &(struct recording_text){"", 0});
}

void texts_release(struct texts *s)
{
    free(s->bytes);
    free(s->at);
    free(s->len);
    free(s->slots);
    memset(s, 0, sizeof(*s));
}
