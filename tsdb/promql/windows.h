/* Where the windows of a range's steps lie in the samples of a series. They follow from the times
 * alone, and series that are scraped together have the same: the windows of the series before are
 * kept, and comparing the times is all that the next one costs.
 *
 * Threads: belongs to the query's thread. */
#ifndef HG_TSDB_PROMQL_WINDOWS_H
#define HG_TSDB_PROMQL_WINDOWS_H

#include "tsdb/promql/eval.h"

struct window {
    uint32_t first, n; /* of the series' samples; n 0: none is inside */
};

struct windows {
    struct window *of_step; /* one a step */
    uint64_t n_samples;     /* in all of them: a sample counts in each that it is in */
    uint64_t timeline; /* 1 for the first, one more for each that differs from the one before */
    int64_t *t_ms;     /* the times that they are of, a copy */
    size_t n_times, cap;
};

/* Makes them those of such samples, at least one. w: zeroed before the first. 0, or -1 with the
 * error in e. */
int windows_fit(struct windows *w, struct eval *e, const struct range *range,
                const struct samples *samples) WARN_UNUSED;

#endif
