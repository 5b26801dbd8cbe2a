#include "tests/bench/clones.h"

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct recording_text text_of(const char *zero_terminated)
{
    return (struct recording_text){zero_terminated, (uint32_t)strlen(zero_terminated)};
}

void clones_labels(uint32_t series, struct clones_labels *ret)
{
    snprintf(ret->id, sizeof(ret->id), "%08u", series);
    ret->pairs[0] = (struct recording_pair){text_of("__name__"), text_of("bench_clone")};
    ret->pairs[1] = (struct recording_pair){text_of("id"), text_of(ret->id)};
    ret->pairs[2] = (struct recording_pair){text_of("job"), text_of("clones")};
}

static void build(struct body *b, struct body_draft *d, uint32_t from, uint32_t to)
{
    body_draft_clear(d);
    for (uint32_t series = from; series < to; series++) {
        struct clones_labels made;
        clones_labels(series, &made);
        struct recording_series recorded = {0, CLONES_LABELS, made.pairs};
        struct body_labels labels = {&recorded, NULL, 0};
        body_draft_add(d, &labels, 0);
    }
    body_build(b, d);
}

void clones_init(struct clones *c, uint32_t n_series, uint32_t batch, int64_t start_ms,
                 int64_t step_ms, enum body_protocol protocol)
{
    struct body_draft draft = {.protocol = protocol};
    *c = (struct clones){.start_ms = start_ms,
                         .step_ms = step_ms,
                         .n_series = n_series,
                         .n_bodies = (n_series + batch - 1) / batch};
    c->bodies = calloc(c->n_bodies, sizeof(*c->bodies));
    if (c->bodies == NULL)
        err(1, "memory for clones");
    for (uint32_t i = 0; i < c->n_bodies; i++) {
        uint32_t from = i * batch;
        build(&c->bodies[i], &draft, from, n_series - from < batch ? n_series : from + batch);
    }
    body_draft_release(&draft);
}

void clones_release(struct clones *c)
{
    for (uint32_t i = 0; i < c->n_bodies; i++)
        body_release(&c->bodies[i]);
    free(c->bodies);
    memset(c, 0, sizeof(*c));
}

/* splitmix64 (Steele, Lea, Flood 2014) of the scrape's number, so that any scrape may be begun. The
 * seven upper bits of the exponent are those of 1.0: neither NaN nor infinity comes up. */
static uint64_t value_of(uint64_t scrape)
{
    const uint64_t exponent = UINT64_C(0x7f) << 56, of_one = UINT64_C(0x3f) << 56;
    uint64_t x = (scrape + 1) * UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return ((x ^ (x >> 31)) & ~exponent) | of_one;
}

void clones_begin(struct clones *c, uint64_t scrape)
{
    c->scrape = scrape;
    c->bits = value_of(scrape);
}

int64_t clones_time(const struct clones *c)
{
    return c->start_ms + (int64_t)c->scrape * c->step_ms;
}

const struct body *clones_body(struct clones *c, uint32_t i)
{
    struct body *b = &c->bodies[i];
    int64_t time_ms = clones_time(c);
    body_set_times(b, &time_ms, 0);
    for (uint32_t s = 0; s < b->n_samples; s++)
        body_set_value(b, s, c->bits);
    return b;
}
