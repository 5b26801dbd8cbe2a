/* Label names: for each symbol that is the name of a pair, the set of its pairs.
 *
 * Most symbols are values and never names, so this is no part of the symbol. A name is here while a
 * pair has it. A regular expression visits the pairs of its name and nothing else.
 *
 * Threads: the store's lock guards names. */
#ifndef HG_TSDB_LABEL_NAME_H
#define HG_TSDB_LABEL_NAME_H

#include "alloc/hash.h"
#include "tsdb/postings.h"

struct label_name {
    struct hash_node node; /* first: hash.h */
    uint32_t symbol;
    struct postings pairs; /* ids of pairs; never empty */
};

struct label_names {
    struct hash by_symbol;
    struct kind records;
    uint32_t n;
};

void label_names_init(struct label_names *x, unsigned owner_records, unsigned owner_tables);
void label_names_release(struct arena *a, struct label_names *x);

/* The record of a name's symbol, or NULL; at this address until records are moved or it goes. */
struct label_name *label_name_find(const struct arena *a, const struct label_names *x,
                                   uint32_t symbol);

/* Adds a pair to its name, whose record is made if need be; false (nothing changed) without memory.
 * k: memory of the set; owner: postings.h, the same for all pairs of the name. */
bool label_name_add(struct arena *a, struct label_names *x, struct kind *k, uint32_t owner,
                    uint32_t symbol, uint32_t pair) WARN_UNUSED;

/* Takes a pair out that is there; the name goes with its last pair. */
void label_name_remove(struct arena *a, struct label_names *x, struct kind *k, uint32_t symbol,
                       uint32_t pair);

/* A record was copied from one slot to another: redirects what leads to it. A kind_move whose ctx
 * is a struct label_name_mover. */
struct label_name_mover {
    struct arena *arena;
    struct label_names *names;
};
bool label_name_move(void *mover, slot from, slot to);

/* The records and their table; the sets are checked by whoever gave their owners. */
bool label_names_check(const struct arena *a, const struct label_names *x);

#endif
