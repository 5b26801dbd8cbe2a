/* Label sets on their way in, a frame of them at a time, whose texts are numbered: the same number
 * is the same text. So each text is checked once, each pair of texts looked up in the index once,
 * and of what a set is found by only that is written anew in which it differs from the one before.
 * The store is afterwards what restore_series makes of the same sets.
 *
 *     restore_labels_begin(m, r)                  a frame
 *     restore_labels_add(m, ls, refs, &series)    for each set
 *     restore_labels_end(m)
 *
 * From the first add to the end the store's lock is held for writing and no other function of the
 * store may be called, and no I/O be done.
 *
 * Nothing is believed but the numbers: a pair is known by those of its name and its value, found by
 * that of the value, since nearly every value belongs to one name. One that belongs to several
 * costs what it costs restore_series.
 *
 * Threads: as a restorer (dump.h). */
#ifndef HG_TSDB_RESTORE_LABELS_H
#define HG_TSDB_RESTORE_LABELS_H

#include "tsdb/labels.h"
#include "tsdb/store_limits.h"

enum {
    RESTORE_TEXTS_MAX = 4096,
    RESTORE_FORM_BYTES = 512, /* a set whose form (series_key.h) is longer is hashed without it */
};

/* The numbers, below RESTORE_TEXTS_MAX, of a label's texts. */
struct label_ref {
    uint32_t name, value;
};

struct postings;

/* What is known of a value: the pair that it made with a name. */
struct restored_pair {
    struct postings *set; /* known_pairs.h; while id is not 0 */
    uint64_t hash;
    uint32_t id;   /* 0 = not looked up yet */
    uint16_t name; /* number plus 1; 0 = none */
    bool is_metric_name;
};

/* A label of the set before. */
struct restored_label {
    struct label_ref ref;
    uint32_t begin, end; /* where it lies in the form */
    bool is_metric_name;
    bool has_pair; /* pair is right */
    struct restored_pair pair;
};

struct restored_labels {
    struct restore *restore;
    bool is_held;
    uint32_t n; /* of the set before: 0 = there is none */
    struct restored_label before[LABELS_PER_SERIES_MAX];
    uint8_t form[RESTORE_FORM_BYTES];
    uint64_t n_gone;  /* of the store's pairs, when all was right */
    uint32_t n_pairs; /* entries that are in use; those behind them are zeros */
    struct restored_pair pairs[RESTORE_TEXTS_MAX]; /* by the number of the value */
};

struct restore;

/* Before the first begin. */
void restore_labels_init(struct restored_labels *m);

/* r is borrowed until the end. */
void restore_labels_begin(struct restored_labels *m, struct restore *r);

/* restore_series: the same answers, and a store that nothing has changed in when it is an error.
 * refs: one for each label. */
int restore_labels_add(struct restored_labels *m, const struct labels *ls,
                       const struct label_ref *refs, uint32_t *ret_series) WARN_UNUSED;

void restore_labels_end(struct restored_labels *m);

#endif
