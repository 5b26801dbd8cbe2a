/* What the labels of series refer to: names as symbols, pairs with their values, and the series
 * that have them.
 *
 * All records are reached by ids or through hash tables, so they may move: compaction empties the
 * pages that are used least, and returns them.
 *
 * Threads: the store's lock guards the index. Records are read under it only, so that a slot which
 * was moved out of is free at once. */
#ifndef HG_TSDB_LABEL_INDEX_H
#define HG_TSDB_LABEL_INDEX_H

#include "tsdb/known_pairs.h"
#include "tsdb/pair.h"
#include "tsdb/store_limits.h"

struct label_index {
    struct symbols symbols;
    struct pairs pairs;
    struct postings all; /* all series */
    struct known_pairs known;
};

/* owner_...: rows of the budget. release returns all memory, whatever is there. */
struct label_index_owners {
    unsigned symbols, pairs, postings, tables;
};
void label_index_init(struct label_index *x, const struct label_index_owners *owners);
void label_index_release(struct arena *a, struct label_index *x);

/* Of the slots in pages that have used ones, the bytes that are free, by owner. */
struct label_index_bytes {
    size_t symbols, pairs, postings;
};
struct label_index_bytes label_index_free_bytes(const struct label_index *x);

/* Enters a series in, and takes it out of, the set of all. add: false (nothing changed) without
 * memory. */
bool label_index_add_series(struct arena *a, struct label_index *x, uint32_t series) WARN_UNUSED;
void label_index_remove_series(struct arena *a, struct label_index *x, uint32_t series);

static inline struct label label_index_label(const struct arena *a, const struct label_index *x,
                                             uint32_t pair)
{
    return pair_label(a, &x->pairs, &x->symbols, pair);
}

/* Moves records out of pages that are used least, until at most a tenth of each kind's bytes are
 * free slots or nothing can be gained: at most max_records (> 0) of them, so that whoever holds the
 * lock for writing can do it in slices. Returns how many it moved; 0 = nothing to gain now. Takes
 * no memory. Ids stay, addresses do not. */
size_t label_index_compact(struct arena *a, struct label_index *x, size_t max_records);

bool label_index_check(const struct arena *a, const struct label_index *x);

#endif
