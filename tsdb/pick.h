/* The newest sample at each of many times: what an instant selector sees at its steps.
 *
 * Steps are mostly much farther apart than samples, and two series in three do not change. So a
 * series' samples are not unpacked to be looked through: its blocks are, by their times, and only
 * one in which something is seen is decoded; a run never is.
 *
 * Threads: inside the epoch, as chunk_read. */
#ifndef HG_TSDB_PICK_H
#define HG_TSDB_PICK_H

#include "tsdb/chunk.h"

#define PICK_NONE INT64_MIN

struct picker {
    const int64_t *at_ms; /* times that are asked for, ascending, several may be equal; borrowed */
    size_t n;
    int64_t lookback_ms; /* > 0: a sample is seen until it is that old, exclusive */
    int64_t *t_ms;       /* the answers, n of each; t_ms is PICK_NONE where no sample is seen */
    uint64_t *values;    /* stale markers are samples */
    size_t n_found;
    size_t n_answered; /* pick.c: of at_ms */
    int64_t last_ms;   /* pick.c: of the newest sample so far, or PICK_NONE */
    uint64_t last_value;
    uint32_t stride; /* pick.c: samples from one answer to the next */
};

/* For each series: first the one, then its chunks in the order of time (start_ms: of the chunk's
 * window), then the last, and everything is answered. */
void pick_begin(struct picker *p);
void pick_chunk(struct picker *p, const struct arena *a, struct times_cache *t,
                const struct chunk_view *v, int64_t start_ms);
void pick_end(struct picker *p);

#endif
