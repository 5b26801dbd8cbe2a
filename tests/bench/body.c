#include "tests/bench/body.h"

#include <assert.h>
#include <err.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* A Sample: tag and length, value as fixed64 of field 1, time as varint of field 2. */
enum {
    SAMPLE_HEAD_BYTES = 3,
    SAMPLE_BYTES = SAMPLE_HEAD_BYTES + PACKER_VALUE_BYTES + PACKER_TIME_BYTES,
    TIME_VARINT_BYTES = PACKER_TIME_BYTES - 1,
    METADATA_BYTES = 2
};

/* Texts of a label set at most: those of a recorded one and a host's own. */
enum { NUMBERS_MAX = 2 * (RECORDING_PAIRS_MAX + 8) };

static void *grown(void *array, size_t n_bytes)
{
    void *bigger = realloc(array, n_bytes);
    if (bigger == NULL)
        err(1, "memory for a request body");
    return bigger;
}

static int compare(const struct recording_text *a, const struct recording_text *b)
{
    uint32_t n = a->len < b->len ? a->len : b->len;
    int order = memcmp(a->at, b->at, n);
    return order != 0 ? order : (a->len > b->len) - (a->len < b->len);
}

const struct recording_pair *body_labels_next(const struct body_labels *labels, uint32_t *i,
                                              uint32_t *j)
{
    const struct recording_series *s = labels->series;
    int order = 1;
    if (*i == s->n_pairs && *j == labels->n_extra)
        return NULL;
    if (*j == labels->n_extra)
        return &s->pairs[(*i)++];
    if (*i < s->n_pairs)
        order = compare(&s->pairs[*i].name, &labels->extra[*j].name);
    if (order < 0)
        return &s->pairs[(*i)++];
    if (order == 0)
        (*i)++;
    return &labels->extra[(*j)++];
}

size_t body_varint_bytes(uint64_t number)
{
    size_t n = 1;
    for (; number > 0x7f; number >>= 7)
        n++;
    return n;
}

uint8_t *body_put_varint(uint8_t *at, uint64_t number)
{
    for (; number > 0x7f; number >>= 7)
        *at++ = (uint8_t)(number | 0x80);
    *at++ = (uint8_t)number;
    return at;
}

static size_t text_bytes(const struct recording_text *text)
{
    return 1 + body_varint_bytes(text->len) + text->len;
}

static uint8_t *put_text(uint8_t *at, uint8_t tag, const struct recording_text *text)
{
    *at++ = tag;
    at = body_put_varint(at, text->len);
    memcpy(at, text->at, text->len);
    return at + text->len;
}

size_t body_labels_bytes(const struct body_labels *labels)
{
    size_t n = 0;
    uint32_t i = 0, j = 0;
    for (const struct recording_pair *p; (p = body_labels_next(labels, &i, &j)) != NULL;) {
        size_t inner = text_bytes(&p->name) + text_bytes(&p->value);
        n += 1 + body_varint_bytes(inner) + inner;
    }
    return n;
}

uint8_t *body_put_labels(uint8_t *at, const struct body_labels *labels)
{
    uint32_t i = 0, j = 0;
    for (const struct recording_pair *p; (p = body_labels_next(labels, &i, &j)) != NULL;) {
        *at++ = 0x0a;
        at = body_put_varint(at, text_bytes(&p->name) + text_bytes(&p->value));
        at = put_text(at, 0x0a, &p->name);
        at = put_text(at, 0x12, &p->value);
    }
    return at;
}

void body_draft_clear(struct body_draft *d)
{
    d->n = 0;
    d->n_patches = 0;
    if (d->protocol == BODY_WRITE_2)
        texts_clear(&d->texts);
}

void body_draft_release(struct body_draft *d)
{
    texts_release(&d->texts);
    free(d->plain);
    free(d->patches);
    memset(d, 0, sizeof(*d));
}

static void make_room(struct body_draft *d, size_t n_bytes)
{
    if (d->n + n_bytes > d->capacity) {
        d->capacity = 2 * (d->n + n_bytes);
        d->plain = grown(d->plain, d->capacity);
    }
    if (d->n_patches + 2 > d->patches_capacity) {
        d->patches_capacity = 2 * (d->n_patches + 2);
        d->patches = grown(d->patches, d->patches_capacity * sizeof(*d->patches));
    }
}

/* The numbers of a label set's texts; returns how many bytes they take. */
static size_t add_texts(struct texts *s, const struct body_labels *labels, uint32_t *numbers,
                        uint32_t *ret_n)
{
    size_t n_bytes = 0;
    uint32_t i = 0, j = 0, n = 0;
    for (const struct recording_pair *p; (p = body_labels_next(labels, &i, &j)) != NULL;) {
        assert(n + 2 <= NUMBERS_MAX);
        numbers[n++] = texts_add(s, &p->name);
        numbers[n++] = texts_add(s, &p->value);
        n_bytes += body_varint_bytes(numbers[n - 2]) + body_varint_bytes(numbers[n - 1]);
    }
    *ret_n = n;
    return n_bytes;
}

/* A TimeSeries up to its sample. */
static uint8_t *put_series_2(struct body_draft *d, const struct body_labels *labels)
{
    uint32_t numbers[NUMBERS_MAX], n;
    size_t n_bytes = add_texts(&d->texts, labels, numbers, &n);
    size_t inner = 1 + body_varint_bytes(n_bytes) + n_bytes + SAMPLE_BYTES + METADATA_BYTES;
    uint8_t *at;
    make_room(d, 1 + body_varint_bytes(inner) + inner);
    at = d->plain + d->n;
    *at++ = 0x2a;
    at = body_put_varint(at, inner);
    *at++ = 0x0a;
    at = body_put_varint(at, n_bytes);
    for (uint32_t i = 0; i < n; i++)
        at = body_put_varint(at, numbers[i]);
    return at;
}

static uint8_t *put_series_1(struct body_draft *d, const struct body_labels *labels)
{
    size_t inner = body_labels_bytes(labels) + SAMPLE_BYTES;
    uint8_t *at;
    make_room(d, 1 + body_varint_bytes(inner) + inner);
    at = d->plain + d->n;
    *at++ = 0x0a;
    at = body_put_varint(at, inner);
    return body_put_labels(at, labels);
}

void body_draft_add(struct body_draft *d, const struct body_labels *labels, uint32_t run)
{
    bool is_2 = d->protocol == BODY_WRITE_2;
    uint8_t *at = is_2 ? put_series_2(d, labels) : put_series_1(d, labels);
    uint32_t value_at;
    *at++ = 0x12;
    *at++ = SAMPLE_BYTES - 2;
    *at++ = 0x09;
    value_at = (uint32_t)(at - d->plain);
    memset(at, 0, PACKER_VALUE_BYTES);
    at += PACKER_VALUE_BYTES;
    *at++ = 0x10;
    /* a number of exactly six bytes stands for the time of this run until there is one */
    at = body_put_varint(at, (uint64_t)BODY_TIME_MIN_MS | run);
    if (is_2) {
        *at++ = 0x2a;
        *at++ = 0;
    }
    d->patches[d->n_patches++] = (struct packer_patch){value_at, PACKER_VALUE};
    d->patches[d->n_patches++] = (struct packer_patch){value_at + PACKER_VALUE_BYTES, PACKER_TIME};
    d->n = (size_t)(at - d->plain);
}

static uint32_t run_at(const uint8_t *time)
{
    uint64_t number = 0;
    for (unsigned i = 0; i < TIME_VARINT_BYTES; i++)
        number |= (uint64_t)(time[1 + i] & 0x7f) << 7 * i;
    return (uint32_t)(number & 0xffffff);
}

/* Moves the series behind the table. */
static void put_texts_first(struct body_draft *d)
{
    size_t n = d->texts.n_bytes;
    if (d->n + n > d->capacity) {
        d->capacity = d->n + n;
        d->plain = grown(d->plain, d->capacity);
    }
    memmove(d->plain + n, d->plain, d->n);
    memcpy(d->plain, d->texts.bytes, n);
    d->n += n;
    for (uint32_t i = 0; i < d->n_patches; i++)
        d->patches[i].at += (uint32_t)n;
}

void body_build(struct body *b, struct body_draft *d)
{
    body_release(b);
    if (d->protocol == BODY_WRITE_2)
        put_texts_first(d);
    b->packed = grown(NULL, packer_bound(d->n));
    b->n_plain = d->n;
    b->n_packed = packer_pack(d->plain, d->n, d->patches, d->n_patches, b->packed);
    b->packed = grown(b->packed, b->n_packed);
    b->n_samples = d->n_patches / 2;
    b->values_at = grown(NULL, b->n_samples * sizeof(*b->values_at));
    b->times = grown(NULL, b->n_samples * sizeof(*b->times));
    for (uint32_t i = 0; i < b->n_samples; i++) {
        uint32_t time_at = d->patches[2 * i + 1].at;
        b->values_at[i] = d->patches[2 * i].at;
        if (time_at != PACKER_NOWHERE)
            b->times[b->n_times++] = (struct body_time){time_at, run_at(b->packed + time_at)};
    }
}

void body_release(struct body *b)
{
    free(b->packed);
    free(b->values_at);
    free(b->times);
    memset(b, 0, sizeof(*b));
}

void body_set_times(struct body *b, const int64_t *times_ms, uint32_t first_run)
{
    for (uint32_t i = 0; i < b->n_times; i++) {
        const struct body_time *t = &b->times[i];
        int64_t time_ms = times_ms[t->run - first_run];
        assert(time_ms >= BODY_TIME_MIN_MS && time_ms <= BODY_TIME_MAX_MS);
        body_put_varint(b->packed + t->at + 1, (uint64_t)time_ms);
    }
}
