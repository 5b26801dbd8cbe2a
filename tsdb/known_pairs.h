/* The pairs of the series that were made last, known by their texts.
 *
 * New series come from one target after the other, and share most pairs with those just before.
 * Such a pair is compared with a copy of its text; to find it in the index is a hash of its name,
 * the name's symbol, another hash, a line of the table and its string in a bundle. What making a
 * series wants of a pair is kept beside the text.
 *
 * Of a pair that is not known its name nearly always is, so that only the value is looked up. And
 * mostly it is the one that came next the last time: targets of a kind send their series in the
 * same order, so what followed is noted for each pair, compared, and only then looked for.
 *
 * All is forgotten when a pair goes, so that an id is never that of another pair.
 *
 * Cost: 41 KiB a store. Threads: the store's lock, held for writing, guards what is known. */
#ifndef HG_TSDB_KNOWN_PAIRS_H
#define HG_TSDB_KNOWN_PAIRS_H

#include "tsdb/pair.h"
#include "tsdb/store_limits.h"

enum {
    KNOWN_PAIRS_SHIFT = 8,
    KNOWN_PAIRS = 1 << KNOWN_PAIRS_SHIFT,
    KNOWN_NAMES_SHIFT = 6,
    KNOWN_NAMES = 1 << KNOWN_NAMES_SHIFT,
    KNOWN_FOLLOWERS = 1 << 12,
    KNOWN_TEXT_BYTES = 68, /* of a name and its value; a pair of more is not known */
};

/* A pair, as a series that is being made wants it. */
struct made_pair {
    struct postings *set; /* of its series, at this address until the pair goes */
    uint64_t hash;        /* labels_hash of this label alone */
    uint32_t id;
};

struct known_pair {
    struct made_pair pair;
    uint16_t n_name; /* 0 = nothing is known here */
    uint16_t n_value;
    char text[KNOWN_TEXT_BYTES];
};

struct known_pairs {
    struct known_pair items[KNOWN_PAIRS];    /* by hash; zeros at first */
    uint8_t at_place[LABELS_PER_SERIES_MAX]; /* the item that was used for a label there */
    uint32_t names[KNOWN_NAMES];             /* symbols, by hash; 0 = none */
    uint32_t last[LABELS_PER_SERIES_MAX];    /* the pair of the last label there; 0 = none */
    uint32_t followers[KNOWN_FOLLOWERS];     /* by the id of a pair: what came there next */
    uint64_t n_gone;                         /* pairs.n_gone, when all of this was true */
};

/* The pair of a label, made if it is new, as by pair_intern; place: of the label in its set. False
 * without memory or ids. */
bool known_pair_get(struct known_pairs *k, struct arena *a, struct pairs *p, struct symbols *s,
                    uint32_t place, const struct label *l, struct made_pair *ret) WARN_UNUSED;

/* The same for one who remembers texts himself: of this label only what it follows is noted. */
bool known_pair_find(struct known_pairs *k, struct arena *a, struct pairs *p, struct symbols *s,
                     uint32_t place, const struct label *l, struct made_pair *ret) WARN_UNUSED;

#endif
