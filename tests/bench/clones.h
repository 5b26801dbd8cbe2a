/*
 * Many series that say the same: at each scrape all of them have one value and one time, and no
 * encoding shortens a value: sign, mantissa and four bits of the exponent are random, of a fixed
 * seed. They differ by a label `id`. Not thread-safe.
 */
#ifndef TESTS_BENCH_CLONES_H
#define TESTS_BENCH_CLONES_H

#include "tests/bench/body.h"

#include <stdint.h>

struct clones {
    int64_t start_ms, step_ms;
    uint32_t n_series, n_bodies;
    struct body *bodies;
    uint64_t scrape; /* the one that was begun */
    uint64_t bits;   /* its value */
};

enum { CLONES_LABELS = 3, CLONES_ID_BYTES = 16 };

struct clones_labels {
    struct recording_pair pairs[CLONES_LABELS];
    char id[CLONES_ID_BYTES];
};

/* n_series of them in bodies of `batch` series; both at least 1. Scrape n stands at exactly
 * start_ms + n * step_ms. Exits without memory. */
void clones_init(struct clones *c, uint32_t n_series, uint32_t batch, int64_t start_ms,
                 int64_t step_ms, enum body_protocol protocol);
void clones_release(struct clones *c);

/* Prepares scrape n. */
void clones_begin(struct clones *c, uint64_t scrape);

/* Body i of the scrape that was begun, i < n_bodies. Valid until the next call for the same i. */
const struct body *clones_body(struct clones *c, uint32_t i);

/* The time of the scrape that was begun, in ms. */
int64_t clones_time(const struct clones *c);

/* The labels of a series, to compare with what a server answers. */
void clones_labels(uint32_t series, struct clones_labels *ret);

#endif
