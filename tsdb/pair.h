/* Label pairs: a name symbol and the text of a value, kept once, and the postings of the series
 * that have it.
 *
 * The text lies in the pair and nowhere else: nearly every value belongs to one name, and a symbol
 * of its own would cost more than the text (docs/decisions/0011-values-in-pairs.md).
 *
 * A pair exists as long as a series has it, and is named by an id; its record (18 bytes and the
 * text) may move. Ids are used again. Names know their pairs (label_name.h).
 *
 * Threads: the store's lock guards pairs. */
#ifndef HG_TSDB_PAIR_H
#define HG_TSDB_PAIR_H

#include "tsdb/label_name.h"
#include "tsdb/labels.h"
#include "tsdb/postings.h"
#include "tsdb/symbol.h"

struct pair {
    struct hash_node node; /* first: hash.h */
    uint32_t id;
    uint32_t name; /* a symbol, to which the pair holds a reference */
    uint16_t n_bytes;
    char value[];
};

struct pairs {
    struct hash by_label;
    struct id_table ids;
    struct label_names names;
    struct kind records;
    struct table sets;    /* of struct postings, held: the series of each pair, by its id */
    struct kind postings; /* memory of all sets: of pairs, of names, of all series */
    uint32_t n;
    uint64_t n_text_bytes; /* of all values */
};

/* Owners of sets (postings.h): a pair's is its id, all series' is 0, a name's is its symbol and a
 * bit, which is free in ids of records of 32 bytes or more: 64 GiB have room for no more. */
enum { POSTINGS_OF_ALL = 0 };
#define POSTINGS_OF_NAME (UINT32_C(1) << 31)

/* release returns all memory, whatever is there. */
void pairs_init(struct pairs *p, unsigned owner_records, unsigned owner_postings,
                unsigned owner_tables);
void pairs_release(struct arena *a, struct pairs *p);

/* The pair of a label, made (with empty postings) if it is new; 0 without memory. A pair whose
 * postings stay empty must be given to pair_drop_if_unused. */
uint32_t pair_intern(struct arena *a, struct pairs *p, struct symbols *s,
                     const struct label *l) WARN_UNUSED;

/* The pair of a label, or 0. */
uint32_t pair_find(const struct arena *a, const struct pairs *p, const struct symbols *s,
                   const char *name, size_t name_len, const char *value, size_t value_len);

/* Frees the pair when no series has it. */
void pair_drop_if_unused(struct arena *a, struct pairs *p, struct symbols *s, uint32_t pair);

/* The slot that its record takes. */
size_t pair_slot_bytes(const struct pair *p);

/* Its record, at this address until records are moved or the pair goes. */
static inline struct pair *pair_at(const struct arena *a, const struct pairs *p, uint32_t pair)
{
    return slot_ptr(a, id_table_at(a, &p->ids, pair));
}

/* The set of its series, at this address until the pair goes. */
static inline struct postings *pair_postings(const struct arena *a, const struct pairs *p,
                                             uint32_t pair)
{
    return table_at(a, &p->sets, pair);
}

/* Enters and takes out a series. add: false (nothing changed) without memory. */
bool pair_add_series(struct arena *a, struct pairs *p, uint32_t pair, uint32_t series) WARN_UNUSED;
void pair_remove_series(struct arena *a, struct pairs *p, uint32_t pair, uint32_t series);

/* The pair as a label, whose bytes are borrowed from the symbols. */
struct label pair_label(const struct arena *a, const struct pairs *p, const struct symbols *s,
                        uint32_t pair);

/* A record was copied from one slot to another: redirects what leads to it. A kind_move whose ctx
 * is a struct pair_mover. */
struct pair_mover {
    struct arena *arena;
    struct pairs *pairs;
};
bool pair_move(void *mover, slot from, slot to);

/* The set of an owner other than POSTINGS_OF_ALL. */
struct postings *pair_postings_of(const struct arena *a, const struct pairs *p, uint32_t owner);

/* Recounts all pairs, their names and sets. all_bytes: slots of `postings` that another set, that
 * of all series, has. */
bool pairs_check(const struct arena *a, const struct pairs *p, const struct symbols *s,
                 size_t all_bytes);

#endif
