/* Exemplars: single observations beside the samples of a series, with labels of their own, the
 * newest of all series in a ring of fixed size.
 *
 *     units of 32 bytes     | head | text | text | head | text | text | head | ..
 *                             ^ oldest                            ^ newest of a series
 *                             '- before --------------------------'
 *     table id -> newest    open addressing, half full at most
 *
 * An exemplar is a head and its labels as text. Each knows how far behind the one before it of the
 * same series begins, and a table knows the newest of each series. Both are tables of the arena,
 * whose pages are made as they are reached, so that who sends no exemplars pays nothing. The ring
 * holds so many exemplars and has room for EXEMPLAR_UNITS units for each of them: that is 96 bytes
 * of labels, where a trace's and a span's id with their names take 67. When it is full the oldest
 * goes.
 *
 * Series are named by their ids, which are not used again: exemplars of a series that has gone are
 * out of reach until they leave the ring. They are in no snapshot; the journal brings back those
 * that came since the last one.
 *
 * Invariant: the heads from tail to head add up to n and to the units between them, and the table
 * leads to the newest head of each series in it and to no other.
 *
 * Threads: every function may be called from any; one lock, a leaf but for the arena's. */
#ifndef HG_TSDB_EXEMPLARS_H
#define HG_TSDB_EXEMPLARS_H

#include "alloc/region.h"
#include "alloc/table.h"
#include "tsdb/err.h"
#include "tsdb/labels.h"

#include <pthread.h>

enum {
    EXEMPLAR_UNIT_BYTES = 32,
    EXEMPLAR_UNITS = 4,
    EXEMPLAR_RUNES_MAX = 128,   /* of all names and values together, as Prometheus has it */
    EXEMPLARS_MAX = 10000000,   /* of --storage.max-exemplars: places are compared in 32 bits */
    EXEMPLAR_LOOK_BACK_MAX = 64 /* exemplars that are newer than a repeat */
};

struct exemplar {
    int64_t t_ms;
    uint64_t value; /* bits of a double */
    struct labels labels;
};

struct exemplars {
    struct arena *arena;
    struct table units, newest;
    uint32_t max;         /* exemplars; 0 = none are kept */
    uint32_t max_units;   /* of the ring */
    uint32_t newest_mask; /* entries of the table, less one */
    pthread_mutex_t lock; /* guards the rest, and the tables */
    uint64_t tail, head;  /* units so far: where the oldest begins, where the next one will */
    uint32_t n, n_series; /* exemplars, and series that have one */
    uint64_t n_added, n_dropped; /* since the start; dropped: to make room */
};

struct exemplars_stats {
    uint64_t n, series; /* kept now; series that have one */
    uint64_t added, dropped;
    uint32_t max;
    int64_t oldest_ms; /* of the one that came first; 0 without one */
};

/* max: at most EXEMPLARS_MAX. Takes no memory yet; a is borrowed. */
void exemplars_init(struct exemplars *x, struct arena *a, unsigned owner, uint32_t max);
void exemplars_release(struct exemplars *x);

/* Keeps one of the series of that id. 0, also for a repeat of one that is kept; else
 *
 *     ERR_LABELS_EMPTY_NAME, _NOT_UTF8, _DUPLICATE, ERR_LABELS_TOO_LONG (in runes)
 *     ERR_OUT_OF_ORDER   older than the newest of its series
 *     ERR_NO_EXEMPLARS   none are kept (max is 0)
 *     ERR_NO_MEMORY
 *
 * Labels may be in any order and are kept in that; a label without a value is kept as well. */
int exemplars_add(struct exemplars *x, uint32_t series, const struct exemplar *e) WARN_UNUSED;

/* Copies those of a series with times in the range to the region, the oldest first. *ret_n may be
 * 0. Errors: ERR_NO_MEMORY. */
int exemplars_read(struct exemplars *x, uint32_t series, int64_t min_ms, int64_t max_ms,
                   struct region *r, struct exemplar **ret, size_t *ret_n) WARN_UNUSED;

void exemplars_stats(struct exemplars *x, struct exemplars_stats *ret);

/* Recounts the invariant. */
bool exemplars_check(struct exemplars *x);

#endif
