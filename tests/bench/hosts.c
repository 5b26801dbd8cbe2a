#include "tests/bench/hosts.h"

#include <assert.h>
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { JITTER_MS = 5, N_CLUSTERS = 12, N_DATACENTERS = 3 };

/* The finaliser of splitmix64: a number from a number, well spread. */
static uint64_t mixed(uint64_t x)
{
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static void *grown(void *array, size_t n, size_t size)
{
    void *bigger = realloc(array, n * size);
    if (bigger == NULL && n > 0)
        err(1, "memory for a fleet");
    return bigger;
}

void hosts_init(struct hosts *h, const struct recording *r, const struct hosts_options *options)
{
    memset(h, 0, sizeof(*h));
    h->recording = r;
    h->options = *options;
    h->random = 1;
    h->draft.protocol = options->protocol;
}

void hosts_release(struct hosts *h)
{
    hosts_set_copies(h, 0);
    free(h->gens);
    free(h->bodies);
    free(h->is_stale);
    free(h->times_ms);
    body_draft_release(&h->draft);
}

void hosts_set_copies(struct hosts *h, uint32_t n_copies)
{
    uint32_t n_series = n_copies * h->recording->n_series;
    uint32_t n_bodies = (n_series + h->options.batch - 1) / h->options.batch;
    for (uint32_t i = n_bodies; i < h->n_bodies; i++)
        body_release(&h->bodies[i]);
    if (n_copies > h->n_copies) {
        h->gens = grown(h->gens, n_series, sizeof(*h->gens));
        memset(h->gens + h->n_series, 0, (n_series - h->n_series) * sizeof(*h->gens));
        h->times_ms = grown(h->times_ms, n_copies * h->recording->n_targets, sizeof(*h->times_ms));
        h->bodies = grown(h->bodies, n_bodies, sizeof(*h->bodies));
        memset(h->bodies + h->n_bodies, 0, (n_bodies - h->n_bodies) * sizeof(*h->bodies));
        h->is_stale = grown(h->is_stale, n_bodies, sizeof(*h->is_stale));
    }
    for (uint32_t i = 0; i < n_bodies; i++)
        h->is_stale[i] = true;
    h->n_copies = n_copies;
    h->n_series = n_series;
    h->n_bodies = n_bodies;
}

static struct recording_text text_of(const char *zero_terminated)
{
    return (struct recording_text){zero_terminated, (uint32_t)strlen(zero_terminated)};
}

void hosts_labels(const struct hosts *h, uint32_t series, struct hosts_labels *ret)
{
    const struct recording *r = h->recording;
    uint32_t copy = series / r->n_series, n = 0;
    const struct recording_series *s = &r->series[series % r->n_series];
    const struct recording_target *target = &r->targets[s->target];
    snprintf(ret->cluster, sizeof(ret->cluster), "cluster-%02u", copy % N_CLUSTERS);
    snprintf(ret->datacenter, sizeof(ret->datacenter), "dc-%u", copy % N_DATACENTERS);
    snprintf(ret->gen, sizeof(ret->gen), "%u", h->gens[series]);
    snprintf(ret->instance, sizeof(ret->instance), "10.20.%u.%u:%.*s", copy / 250, copy % 250 + 1,
             (int)(target->port.len < 8 ? target->port.len : 8), target->port.at);
    ret->extra[n++] = (struct recording_pair){text_of("cluster"), text_of(ret->cluster)};
    ret->extra[n++] = (struct recording_pair){text_of("datacenter"), text_of(ret->datacenter)};
    if (h->gens[series] > 0)
        ret->extra[n++] = (struct recording_pair){text_of("gen"), text_of(ret->gen)};
    ret->extra[n++] = (struct recording_pair){text_of("instance"), text_of(ret->instance)};
    ret->extra[n++] = (struct recording_pair){text_of("job"), target->job};
    ret->labels = (struct body_labels){s, ret->extra, n};
}

static uint32_t run_of(const struct hosts *h, uint32_t series)
{
    const struct recording *r = h->recording;
    return series / r->n_series * r->n_targets + r->series[series % r->n_series].target;
}

static void build(struct hosts *h, uint32_t i)
{
    uint32_t from = i * h->options.batch, to = from + h->options.batch;
    body_draft_clear(&h->draft);
    for (uint32_t series = from; series < to && series < h->n_series; series++) {
        struct hosts_labels made;
        hosts_labels(h, series, &made);
        body_draft_add(&h->draft, &made.labels, run_of(h, series));
    }
    body_build(&h->bodies[i], &h->draft);
    h->is_stale[i] = false;
}

static void replace(struct hosts *h, uint32_t series, uint32_t gen)
{
    h->gens[series] = gen;
    h->is_stale[series / h->options.batch] = true;
}

static bool is_churning(const struct hosts *h, uint64_t scrape)
{
    const struct hosts_options *o = &h->options;
    return o->churn_every > 0 && scrape > 0 && scrape % o->churn_every == 0;
}

static void churn(struct hosts *h)
{
    const struct hosts_options *o = &h->options;
    if (is_churning(h, h->scrape)) {
        uint32_t n = (uint32_t)((double)h->n_series * o->churn_percent / 100 + 0.5);
        uint32_t gen = (uint32_t)(h->scrape / o->churn_every);
        for (; n > 0; n--) {
            h->random = mixed(h->random);
            replace(h, (uint32_t)(h->random % h->n_series), gen);
        }
    }
}

/* How far a scrape is off its place. */
static int64_t jitter_of(const struct hosts_options *o, uint64_t luck)
{
    if (o->jitter_ms > 0)
        return (int64_t)(luck % (uint64_t)(2 * o->jitter_ms + 1)) - o->jitter_ms;
    if (luck % 10 != 0)
        return 0;
    int64_t off = 1 + (int64_t)(luck / 10 % JITTER_MS);
    return luck / 100 % 2 == 0 ? off : -off;
}

static int64_t time_of(const struct hosts *h, uint64_t scrape, uint32_t run)
{
    const struct hosts_options *o = &h->options;
    int64_t most = o->jitter_ms > 0 ? o->jitter_ms : JITTER_MS;
    int64_t room = o->step_ms - 2 * (most + 1) + 1;
    int64_t phase = most + 1 + (int64_t)(mixed(run) % (uint64_t)room);
    return o->start_ms + (int64_t)scrape * o->step_ms + phase +
           jitter_of(o, mixed(scrape << 24 ^ run));
}

bool hosts_must_pack(const struct hosts *h, uint64_t scrape)
{
    for (uint32_t i = 0; i < h->n_bodies; i++)
        if (h->is_stale[i])
            return true;
    return is_churning(h, scrape);
}

void hosts_begin(struct hosts *h, uint64_t scrape)
{
    assert(h->n_copies > 0 && h->n_copies * h->recording->n_targets < 1 << 24);
    h->scrape = scrape;
    churn(h);
    for (uint32_t i = 0; i < h->n_bodies; i++)
        if (h->is_stale[i])
            build(h, i);
    for (uint32_t run = 0; run < h->n_copies * h->recording->n_targets; run++)
        h->times_ms[run] = time_of(h, scrape, run);
}

static const uint64_t *values_of(const struct hosts *h, uint64_t scrape, uint32_t copy)
{
    return recording_scrape(h->recording, scrape + mixed(copy) % h->recording->n_scrapes);
}

const struct body *hosts_body(struct hosts *h, uint32_t i)
{
    struct body *b = &h->bodies[i];
    uint32_t n = h->recording->n_series;
    uint32_t copy = i * h->options.batch / n, at = i * h->options.batch % n;
    const uint64_t *values = values_of(h, h->scrape, copy);
    body_set_times(b, h->times_ms, 0);
    for (uint32_t s = 0; s < b->n_samples; s++) {
        body_set_value(b, s, values[at]);
        if (++at == n) {
            at = 0;
            values = values_of(h, h->scrape, ++copy);
        }
    }
    return b;
}

void hosts_sample(const struct hosts *h, uint64_t scrape, uint32_t series, int64_t *ret_ms,
                  uint64_t *ret_bits)
{
    uint32_t n = h->recording->n_series;
    *ret_ms = time_of(h, scrape, run_of(h, series));
    *ret_bits = values_of(h, scrape, series / n)[series % n];
}
