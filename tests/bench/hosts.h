/*
 * A fleet made of copies of the recorded targets: each copy is a host with its own instance,
 * cluster and datacenter beside the target's job, its own place in the scrape interval and its own
 * place in the recording. Everything follows from the options: two fleets with the same ones, asked
 * for the same scrapes, are equal to the byte.
 *
 * Times: scrape n of a target stands at start + n * step + phase, phase by target, exact for nine
 * scrapes of ten and otherwise off by 1 to 5 ms; or, with jitter, each off by up to so many ms. All
 * series of a target share it. Scrape n lies within [start + n * step, start + (n + 1) * step).
 *
 * Churn: every so many scrapes, a share of all series, chosen at random, gets a new value of the
 * label `gen`: the old label set has had its last sample and a new one begins.
 *
 * Not thread-safe.
 */
#ifndef TESTS_BENCH_HOSTS_H
#define TESTS_BENCH_HOSTS_H

#include "tests/bench/body.h"
#include "tests/bench/recording.h"

#include <stdbool.h>
#include <stdint.h>

struct hosts_options {
    int64_t start_ms;
    int64_t step_ms;      /* at least 12, and 2 * (jitter + 1) */
    int64_t jitter_ms;    /* 0: nine of ten exact */
    uint32_t batch;       /* series of a body, at least 1 */
    double churn_percent; /* of all series each time; 0: none */
    uint32_t churn_every; /* scrapes; 0: none */
    enum body_protocol protocol;
};

struct hosts {
    const struct recording *recording;
    struct hosts_options options;
    uint32_t n_copies, n_series, n_bodies;
    uint32_t *gens; /* [n_series]; 0: no such label */
    struct body *bodies;
    bool *is_stale; /* [n_bodies] must be built before use */
    int64_t *times_ms;
    struct body_draft draft;
    uint64_t scrape; /* the one that was begun */
    uint64_t random;
};

void hosts_init(struct hosts *h, const struct recording *r, const struct hosts_options *options);
void hosts_release(struct hosts *h);

/* From the next scrape on the fleet has so many copies. Those that stay go on as they are. */
void hosts_set_copies(struct hosts *h, uint32_t n_copies);

/* Whether beginning scrape n will pack bodies, which takes long. */
bool hosts_must_pack(const struct hosts *h, uint64_t scrape);

/* Prepares scrape n: churn, label sets packed anew, times. Scrapes are begun in ascending order. */
void hosts_begin(struct hosts *h, uint64_t scrape);

/* Body i of the scrape that was begun, i < n_bodies. Valid until the next call for the same i. */
const struct body *hosts_body(struct hosts *h, uint32_t i);

/* The extra labels of a series, to compare with what a server answers. */
struct hosts_labels {
    struct recording_pair extra[5];
    char instance[40], cluster[24], datacenter[24], gen[24];
    struct body_labels labels;
};
void hosts_labels(const struct hosts *h, uint32_t series, struct hosts_labels *ret);

/* The sample of a series in any scrape in which it was there. */
void hosts_sample(const struct hosts *h, uint64_t scrape, uint32_t series, int64_t *ret_ms,
                  uint64_t *ret_bits);

#endif
