/* Label pairs: a name symbol and a value symbol, kept once, owning the postings of the series that
 * have it.
 *
 * A pair exists as long as a series has it. All pairs of one name are linked from the name's
 * symbol, so that a regular expression visits the values of its label and nothing else.
 *
 * Threads: the store's lock guards pairs. */
#ifndef HG_TSDB_PAIR_H
#define HG_TSDB_PAIR_H

#include "tsdb/labels.h"
#include "tsdb/postings.h"
#include "tsdb/symbol.h"

struct pair {
    struct hash_node node; /* first: hash.h */
    slot name, value;      /* symbols; the pair holds a reference to each */
    slot next, prev;       /* among the pairs of the same name */
    struct postings postings;
};

struct pairs {
    struct hash by_symbols;
    struct kind records;
    struct kind postings; /* memory of all postings */
    uint32_t n;
};

void pairs_init(struct pairs *p, unsigned owner_records, unsigned owner_postings,
                unsigned owner_tables);

/* The pair of a label, made (with empty postings) if it is new; 0 without memory. A pair whose
 * postings stay empty must be given to pair_drop_if_unused. */
slot pair_intern(struct arena *a, struct pairs *p, struct symbols *s,
                 const struct label *l) WARN_UNUSED;

/* The pair of a label, or 0. */
slot pair_find(const struct arena *a, const struct pairs *p, const struct symbols *s,
               const char *name, size_t name_len, const char *value, size_t value_len);

/* Frees the pair when no series has it. */
void pair_drop_if_unused(struct arena *a, struct pairs *p, struct symbols *s, slot pair);

static inline struct pair *pair_at(const struct arena *a, slot pair)
{
    return slot_ptr(a, pair);
}

/* The pair as a label, whose bytes are borrowed from the symbols. */
struct label pair_label(const struct arena *a, slot pair);

bool pairs_check(const struct arena *a, const struct pairs *p);

#endif
