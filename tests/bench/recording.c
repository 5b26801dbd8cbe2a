#include "tests/bench/recording.h"

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Where the next field of the file is; a field past the end ends the program. */
struct cursor {
    const char *at, *end;
    const char *path;
};

static const char *take(struct cursor *c, size_t n)
{
    const char *at = c->at;
    if ((size_t)(c->end - c->at) < n)
        errx(1, "%s: ends too early", c->path);
    c->at += n;
    return at;
}

static uint32_t take_u32(struct cursor *c)
{
    uint32_t number;
    memcpy(&number, take(c, sizeof(number)), sizeof(number));
    return number;
}

static uint32_t take_u16(struct cursor *c)
{
    uint16_t number;
    memcpy(&number, take(c, sizeof(number)), sizeof(number));
    return number;
}

static struct recording_text take_text(struct cursor *c)
{
    struct recording_text text;
    text.len = take_u16(c);
    text.at = take(c, text.len);
    return text;
}

static void *array_of(size_t n, size_t size)
{
    void *array = calloc(n, size);
    if (array == NULL)
        err(1, "memory for a recording");
    return array;
}

static char *read_whole(const char *path, size_t *ret_n)
{
    FILE *f = fopen(path, "rb");
    long n;
    char *bytes;
    if (f == NULL || fseek(f, 0, SEEK_END) != 0 || (n = ftell(f)) < 0)
        err(1, "%s", path);
    rewind(f);
    bytes = array_of((size_t)n + 1, 1);
    if (fread(bytes, 1, (size_t)n, f) != (size_t)n)
        err(1, "%s", path);
    fclose(f);
    *ret_n = (size_t)n;
    return bytes;
}

static void read_series(struct recording *r, struct recording_series *s, struct cursor *c)
{
    struct recording_pair *pairs;
    s->target = take_u16(c);
    s->n_pairs = take_u16(c);
    if (s->target >= r->n_targets || s->n_pairs == 0 || s->n_pairs > RECORDING_PAIRS_MAX)
        errx(1, "%s: not a recording", c->path);
    pairs = array_of(s->n_pairs, sizeof(*pairs));
    for (uint32_t i = 0; i < s->n_pairs; i++) {
        pairs[i].name = take_text(c);
        pairs[i].value = take_text(c);
    }
    s->pairs = pairs;
}

void recording_load(struct recording *r, const char *path)
{
    size_t n_bytes, values_at, n_values;
    struct cursor c;
    struct recording_target *targets;
    struct recording_series *series;
    r->file = read_whole(path, &n_bytes);
    c = (struct cursor){r->file, (const char *)r->file + n_bytes, path};
    if (memcmp(take(&c, 8), "HGREC001", 8) != 0)
        errx(1, "%s: not a recording", path);
    r->n_targets = take_u32(&c);
    r->n_series = take_u32(&c);
    r->n_scrapes = take_u32(&c);
    values_at = take_u32(&c);
    n_values = (size_t)r->n_series * r->n_scrapes;
    if (r->n_targets == 0 || n_values == 0 || values_at % 8 != 0 ||
        n_bytes != values_at + n_values * sizeof(uint64_t))
        errx(1, "%s: not a recording, or cut off", path);
    targets = array_of(r->n_targets, sizeof(*targets));
    for (uint32_t i = 0; i < r->n_targets; i++) {
        targets[i].job = take_text(&c);
        targets[i].port = take_text(&c);
    }
    series = array_of(r->n_series, sizeof(*series));
    for (uint32_t i = 0; i < r->n_series; i++)
        read_series(r, &series[i], &c);
    r->targets = targets;
    r->series = series;
    r->values = (const uint64_t *)(const void *)((const char *)r->file + values_at);
}

void recording_release(struct recording *r)
{
    for (uint32_t i = 0; i < r->n_series; i++)
        free((void *)(uintptr_t)r->series[i].pairs);
    free((void *)(uintptr_t)r->series);
    free((void *)(uintptr_t)r->targets);
    free(r->file);
    memset(r, 0, sizeof(*r));
}

const uint64_t *recording_scrape(const struct recording *r, uint64_t n)
{
    return r->values + n % r->n_scrapes * r->n_series;
}
