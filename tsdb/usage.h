/* Who has how many series, and who holds how many bytes: the largest metric names, label names and
 * label pairs.
 *
 * Series and values are counted as Prometheus' head does. Bytes are whole slots, so they can be
 * held against the pages of the ledger:
 * - a series holds its record, its array of older chunks (history), the slots of its chunks in all
 *   live windows, and those of its heads and tails. A pair holds what the series that have it hold;
 *   a metric name is the pair of __name__. Every series has one metric name, so the sum over all
 *   metric names is what all series hold: used slots of `series` and `tails`, and those of `chunks`
 *   but for timelines, which the series of a scrape share.
 * - a label name holds its own record and the set of its pairs, their records, their postings, and
 *   of each symbol that these refer to an equal share for each reference, since names and values
 *   may be the same text. The sum over all label names is the used slots of `symbols`, `pairs` and
 *   `postings`, but for the postings of all series, and to a byte a name.
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

#include "tsdb/top.h"
#include "tsdb/tsdb.h"

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
    uint64_t series_bytes; /* of all series, whatever fits the tables */
    uint64_t label_bytes;  /* of all label names */
};

/* Fills the tables, of max rows at most (>= 1), the largest first, in the region; cancel may be
 * NULL. Threads: any, without a lock of the store. Errors: ERR_NO_MEMORY (the region's limit or the
 * budget), ERR_CANCELED. */
int usage_read(struct tsdb *db, size_t max, const atomic_bool *cancel, struct region *r,
               struct usage *ret) WARN_UNUSED;

#endif
