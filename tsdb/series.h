/* Series: a label set as a row of pair ids, its newest chunk, and the ways to find it (by
 * labels, by id, through postings).
 *
 * Ids are handed out ascending and never again in this process, so postings grow at their end and
 * an id that is remembered across a slice of a read either means the same series or none.
 *
 * Threads: the store's lock guards series. */
#ifndef HG_TSDB_SERIES_H
#define HG_TSDB_SERIES_H

#include "tsdb/chunk.h"
#include "tsdb/label_index.h"

struct series {
    struct hash_node node; /* first: hash.h */
    uint32_t id;
    uint32_t n_pairs;
    int64_t newest_ms; /* of its samples; means nothing while newest_serial is not live */
    slot newest_chunk; /* of the newest window it has samples in; older ones follow by chunk.prev */
    uint32_t newest_serial; /* the window of newest_chunk; 0 = no chunk */
    uint32_t pairs[];       /* ids of pairs, sorted by label name */
};

struct series_index {
    struct hash by_labels;
    struct kind records;
    struct table by_id; /* of slot: id -> record, 0 = gone */
    struct table
        live; /* of uint32_t: series alive in each leaf of by_id, so that empty leaves return */
    uint64_t next_id;
    uint32_t n;
};

void series_index_init(struct series_index *x, unsigned owner_records, unsigned owner_tables);

/* The series of a normalised label set, or 0. hash: labels_hash(ls). */
slot series_find(const struct arena *a, const struct series_index *x, const struct label_index *li,
                 const struct labels *ls, uint64_t hash);

/* Makes a series that is not there yet, entered in every index; 0 (nothing changed) without memory
 * or ids. */
slot series_new(struct arena *a, struct series_index *x, struct label_index *li,
                const struct labels *ls, uint64_t hash) WARN_UNUSED;

/* Takes a series out of every index; its pairs and symbols go with their last user. Its chunks are
 * not touched. */
void series_remove(struct arena *a, struct series_index *x, struct label_index *li, slot series);

/* The series of an id, or 0. */
slot series_of_id(const struct arena *a, const struct series_index *x, uint32_t id);

static inline struct series *series_at(const struct arena *a, slot series)
{
    return slot_ptr(a, series);
}

/* Its i-th label, i < n_pairs; the bytes are borrowed from the symbols. */
static inline struct label series_label(const struct arena *a, const struct label_index *li,
                                        const struct series *s, uint32_t i)
{
    return label_index_label(a, li, s->pairs[i]);
}

/* The series' chunk in that window, or 0. */
slot series_chunk(const struct arena *a, struct windows *ws, const struct series *s,
                  const struct window *w);

/* Its newest live chunk and that chunk's window, or 0; and the one before a chunk. */
slot series_newest_chunk(struct windows *ws, const struct series *s, struct window **ret);
slot chunk_before(const struct arena *a, struct windows *ws, slot chunk, struct window **ret);

/* Enters a new chunk of a window into the series' chain, which runs from the newest window to the
 * oldest. */
void series_link_chunk(struct arena *a, struct windows *ws, struct series *s, slot chunk,
                       const struct window *w);

bool series_index_check(const struct arena *a, const struct series_index *x,
                        const struct label_index *li);

#endif
