/* Usual samples of a batch: each comes alone to a series that is there, in a window whose times are
 * kept for certain, and needs nothing made (chunk_extend). What they add to the batch's counts is
 * gathered here and counted once for all. Private to append.c.
 *
 *     usual_begin(&u, b, counts);
 *     while (.. && usual_take(&u, series, sample))
 *         ..
 *     usual_end(&u);        // before anything else is done with the batch
 *
 * Threads: as append.h; between usual_begin and usual_end the store's lock is held for reading. */
#ifndef HG_TSDB_APPEND_USUAL_H
#define HG_TSDB_APPEND_USUAL_H

#include "tsdb/append.h"
#include "tsdb/store.h"

struct usual {
    struct append *batch;
    struct append_counts *counts;
    struct window *window; /* whose times are kept up to max_ms; NULL = no sample is usual */
    int64_t max_ms;
    struct chunk_writer writer;
    uint64_t n; /* samples taken */
    int64_t oldest_ms, newest_ms;
};

/* Whether the turn was looked at since samples moved the clock to its window. */
bool append_is_clock_known(const struct append *b);

/* The window whose times are kept for certain, up to *ret_max_ms; or NULL. */
struct window *append_known_window(const struct append *b, int64_t *ret_max_ms);

/* Counts n samples of a window, from min_ms to max_ms. */
void append_took(struct append *b, struct append_counts *counts, struct window *w, size_t n,
                 int64_t min_ms, int64_t max_ms);

/* Adds what is not yet counted in its window. */
void append_flush_tally(struct append *b);

void usual_begin(struct usual *u, struct append *b, struct append_counts *counts);

/* False (nothing has changed) when the sample is not a usual one. */
bool usual_take(struct usual *u, struct series *s, const struct sample *sample);

void usual_end(struct usual *u);

#endif
