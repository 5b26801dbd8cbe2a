/* Interned strings: label names and values, each kept once, named by a handle.
 *
 * A symbol lives as long as something refers to it: intern counts a reference, drop takes one back
 * and frees the symbol with the last. As a label name it is also the head of the list of its pairs
 * (pair.h).
 *
 * Threads: the store's lock guards symbols. */
#ifndef HG_TSDB_SYMBOL_H
#define HG_TSDB_SYMBOL_H

#include "alloc/hash.h"
#include "alloc/kind.h"

struct symbol {
    struct hash_node node; /* first: hash.h */
    uint32_t n_refs;
    uint32_t n_bytes;
    slot first_pair;  /* pairs that have this symbol as their name */
    uint32_t n_pairs; /* length of that list */
    char bytes[];
};

struct symbols {
    struct hash by_text;
    struct kind records;
    uint32_t n;
    uint64_t n_text_bytes;
};

/* owner_records, owner_tables: rows of the budget. */
void symbols_init(struct symbols *s, unsigned owner_records, unsigned owner_tables);

/* The symbol of that text (n at most LABEL_VALUE_BYTES_MAX), made if it is new, with one more
 * reference; 0 without memory. */
slot symbol_intern(struct arena *a, struct symbols *s, const char *text, size_t n) WARN_UNUSED;

/* The symbol of that text, or 0; counts no reference. */
slot symbol_find(const struct arena *a, const struct symbols *s, const char *text, size_t n);

void symbol_keep(struct arena *a, slot symbol);
void symbol_drop(struct arena *a, struct symbols *s, slot symbol);

static inline struct symbol *symbol_at(const struct arena *a, slot symbol)
{
    return slot_ptr(a, symbol);
}

bool symbols_check(const struct arena *a, const struct symbols *s);

#endif
