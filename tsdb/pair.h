/* Label pairs: a name symbol and the text of a value, kept once, and the postings of the series
 * that have it.
 *
 * Both lie in strings (alloc/strings.h), 64 pairs in a slot, and nowhere else: nearly every value
 * belongs to one name, and a record or a symbol of its own would cost more than the text
 * (docs/decisions/0014-pairs-in-bundles.md).
 *
 *     string = varint of the name's symbol, bytes of the value
 *
 * A pair exists as long as a series has it, and is named by the id of its string. Ids are used
 * again. It is found by 24 bits of its hash and then by its text. Names know their pairs
 * (label_name.h).
 *
 * Threads: the store's lock guards pairs. */
#ifndef HG_TSDB_PAIR_H
#define HG_TSDB_PAIR_H

#include "alloc/lines.h"
#include "alloc/strings.h"
#include "tsdb/label_name.h"
#include "tsdb/labels.h"
#include "tsdb/postings.h"
#include "tsdb/symbol.h"

struct pairs {
    struct strings texts;
    struct lines by_label; /* the hash of a pair's text -> its id */
    struct label_names names;
    struct table sets;    /* of struct postings, held: the series of each pair, by its id */
    struct kind postings; /* memory of all sets: of pairs, of names, of all series */
    uint32_t n;
    uint64_t n_text_bytes; /* of all values */
    uint64_t n_gone;       /* how many pairs have gone so far */
};

/* A pair as it is read. */
struct pair {
    uint32_t name;     /* a symbol, to which the pair holds a reference */
    uint32_t n_bytes;  /* of the value */
    const char *value; /* borrowed until pairs are made, go or are moved */
};

/* Owners of sets (postings.h): a pair's is its id, all series' is 0, a name's is its symbol and a
 * bit. The bit is free in ids of symbols, since 64 GiB have no more room for records of 32 bytes;
 * pairs get no id that has it. */
enum { POSTINGS_OF_ALL = 0 };
#define POSTINGS_OF_NAME (UINT32_C(1) << 31)

/* release returns all memory, whatever is there. */
void pairs_init(struct pairs *p, unsigned owner_records, unsigned owner_postings,
                unsigned owner_tables);
void pairs_release(struct arena *a, struct pairs *p);

/* The pair of a label, made (with empty postings) if it is new; 0 without memory or ids. A pair
 * whose postings stay empty must be given to pair_drop_if_unused. */
uint32_t pair_intern(struct arena *a, struct pairs *p, struct symbols *s,
                     const struct label *l) WARN_UNUSED;

/* The pair of a label, or 0. */
uint32_t pair_find(const struct arena *a, const struct pairs *p, const struct symbols *s,
                   const char *name, size_t name_len, const char *value, size_t value_len);

/* Whether a pair that exists has that name and value. */
bool pair_is(const struct arena *a, const struct pairs *p, uint32_t pair, uint32_t symbol,
             const char *value, size_t value_len);

/* pair_find for a name whose symbol is known. */
uint32_t pair_find_of(const struct arena *a, const struct pairs *p, uint32_t symbol,
                      const char *value, size_t value_len);

/* pair_intern for a name whose symbol is known, of a pair that is not there. */
uint32_t pair_make_of(struct arena *a, struct pairs *p, struct symbols *s, uint32_t symbol,
                      const char *value, size_t value_len) WARN_UNUSED;

/* Frees the pair when no series has it. */
void pair_drop_if_unused(struct arena *a, struct pairs *p, struct symbols *s, uint32_t pair);

/* What is kept of it. */
struct pair pair_at(const struct arena *a, const struct pairs *p, uint32_t pair);

/* The bytes that its string holds, with its length. What 64 of them share is nobody's. */
size_t pair_bytes(const struct arena *a, const struct pairs *p, uint32_t pair);

/* The set of its series, at this address until the pair goes. */
static inline struct postings *pair_postings(const struct arena *a, const struct pairs *p,
                                             uint32_t pair)
{
    return table_at(a, &p->sets, pair);
}

/* Enters and takes out a series. add: false (nothing changed) without memory; set: the pair's. */
bool pair_add_series(struct arena *a, struct pairs *p, uint32_t pair, struct postings *set,
                     uint32_t series) WARN_UNUSED;
void pair_remove_series(struct arena *a, struct pairs *p, uint32_t pair, uint32_t series);

/* The pair as a label, whose bytes are borrowed from pairs and symbols. */
struct label pair_label(const struct arena *a, const struct pairs *p, const struct symbols *s,
                        uint32_t pair);

/* The set of an owner other than POSTINGS_OF_ALL. */
struct postings *pair_postings_of(const struct arena *a, const struct pairs *p, uint32_t owner);

/* Recounts all pairs, their names and sets. all_bytes: slots of `postings` that another set, that
 * of all series, has. */
bool pairs_check(const struct arena *a, const struct pairs *p, const struct symbols *s,
                 size_t all_bytes);

#endif
