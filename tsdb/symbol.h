/* Interned strings: label names, each kept once, named by an id. (Values lie in pairs: pair.h.)
 *
 * A symbol lives as long as something refers to it: intern counts a reference, drop takes one back
 * and frees the symbol with the last. A record is 18 bytes and its text; it may move, its id stays
 * (id_table.h). Ids are used again.
 *
 * Threads: the store's lock guards symbols. */
#ifndef HG_TSDB_SYMBOL_H
#define HG_TSDB_SYMBOL_H

#include "alloc/kind.h"
#include "tsdb/id_table.h"

struct symbol {
    struct hash_node node; /* first: hash.h */
    uint32_t id;
    uint32_t n_refs;
    uint16_t n_bytes;
    char bytes[];
};

struct symbols {
    struct hash by_text;
    struct id_table ids;
    struct kind records;
    uint32_t n;
    uint64_t n_text_bytes;
};

/* owner_records, owner_tables: rows of the budget. release returns all memory, whatever is there.
 */
void symbols_init(struct symbols *s, unsigned owner_records, unsigned owner_tables);
void symbols_release(struct arena *a, struct symbols *s);

/* The symbol of that text (n at most LABEL_VALUE_BYTES_MAX), made if it is new, with one more
 * reference; 0 without memory. */
uint32_t symbol_intern(struct arena *a, struct symbols *s, const char *text, size_t n) WARN_UNUSED;

/* The symbol of that text, or 0; counts no reference. */
uint32_t symbol_find(const struct arena *a, const struct symbols *s, const char *text, size_t n);

void symbol_keep(struct arena *a, struct symbols *s, uint32_t symbol);
void symbol_drop(struct arena *a, struct symbols *s, uint32_t symbol);

/* Its record, at this address until records are moved or the symbol goes. */
static inline struct symbol *symbol_at(const struct arena *a, const struct symbols *s,
                                       uint32_t symbol)
{
    return slot_ptr(a, id_table_at(a, &s->ids, symbol));
}

/* The bytes of its slot. */
size_t symbol_slot_bytes(const struct symbol *s);

/* A record was copied from one slot to another: redirects what leads to it. A kind_move whose ctx
 * is a struct symbol_mover. */
struct symbol_mover {
    struct arena *arena;
    struct symbols *symbols;
};
bool symbol_move(void *mover, slot from, slot to);

/* The references to all symbols; for checks. */
uint64_t symbols_refs(const struct arena *a, const struct symbols *s);

bool symbols_check(const struct arena *a, const struct symbols *s);

#endif
