/* Who has how many series, and who holds how many bytes: the largest metric names, label names and
 * label pairs.
 *
 * Series and values are counted as Prometheus' head does. Bytes are whole slots, so they can be
 * held against the pages of the ledger; of what lies in strings (alloc/strings.h), where many share
 * a slot, they are the string and its length:
 * - a series holds its record, its row of pairs, its array of older chunks (history), the slots of
 *   its chunks in all live windows, and those of its heads and tails. A pair holds what the series
 * that have it hold; a metric name is the pair of __name__. Every series has one metric name, so
 * the sum over all metric names is what all series hold: used slots of `series` and `tails`,
 * strings of `labels`, and the slots of `chunks` but for timelines and shared values, which many
 * series have.
 * - a label name holds its symbol, its own record and the set of its pairs, their strings with the
 *   texts of the values, and their postings, 8 bytes and slots. The sum over all label names is the
 *   used slots of `symbols`, strings of `pairs` and used slots of names and `postings`, but for the
 *   postings of all series.
 * Tables, free slots and the rest of the pages are nobody's.
 *
 * Time and memory. Two passes: over the series in the order of their ids, then over the pairs of
 * each label name. Both hold the store's lock for a slice only, and the chunks of a slice are
 * counted without it, so nobody waits for more than looking up a thousand records; the names
 * themselves (not their values) are listed in one go. What comes and goes meanwhile may be counted
 * or not, but never as somebody else's. 8 bytes for each pair, in pages charged to the region's
 * owner and held to the region's limit, and the names of the rows. */
#ifndef HG_TSDB_USAGE_H
#define HG_TSDB_USAGE_H

#include "alloc/table.h"
#include "tsdb/top.h"
#include "tsdb/tsdb.h"

#include <stdatomic.h>

struct usage {
    /* As Prometheus' status/tsdb has them. */
    struct top series_by_metric;
    struct top values_by_name;
    struct top text_bytes_by_name; /* of name and value with their lengths, once for each series */
    struct top series_by_pair;     /* named "name=value", as the next but one */
    /* Bytes held, see above. */
    struct top bytes_by_metric;
    struct top bytes_by_name;
    struct top bytes_by_pair;
    /* Series that came in the last hour and are still there (growth.h); no rows with 0. */
    struct top new_by_metric;
    struct top new_by_pair;
    uint64_t n_new;
    uint64_t series_bytes; /* of all series, whatever fits the tables */
    uint64_t label_bytes;  /* of all label names */
};

/* Fills the tables, of max rows at most (>= 1), the largest first, in the region; cancel may be
 * NULL. Threads: any, without a lock of the store. Errors: ERR_NO_MEMORY (the region's limit or the
 * budget), ERR_CANCELED. */
int usage_read(struct tsdb *db, size_t max, const atomic_bool *cancel, struct region *r,
               struct usage *ret) WARN_UNUSED;

/* ---- the same slice by slice ---- */

struct usage_name { /* a label name on the way through its pairs */
    char text[LABEL_NAME_BYTES_MAX];
    uint32_t n_text; /* 0 = its first slice is still to come */
    uint32_t symbol;
    uint32_t next_pair; /* ids below were counted */
    bool is_metric, is_over;
    uint64_t n_values, text_bytes;
    uint64_t held;
};

struct usage_walk {
    struct tsdb *db;
    struct region *region;
    struct usage *usage;
    struct table bytes;   /* of uint64_t: what the series of a pair hold, by the pair's id */
    uint64_t end;         /* ids of series below were there at the beginning */
    uint64_t next_series; /* ids below were counted */
    uint32_t first_new;   /* ids from here on are new */
    uint32_t *names;      /* symbols of the label names; NULL until the series are through */
    size_t n_names, next_name;
    struct usage_name name;
};

/* end: whatever the last step returned. step: 1 = there is more, 0 = the tables are there, or an
 * error as above. */
void usage_walk_begin(struct usage_walk *w, struct tsdb *db, size_t max, struct region *r,
                      struct usage *ret);
int usage_walk_step(struct usage_walk *w) WARN_UNUSED;
void usage_walk_end(struct usage_walk *w);

#endif
