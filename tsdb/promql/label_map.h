/* Numbers label sets in the order in which they come: equal sets have one number. A hash table in
 * the region, open addressing, at most half full.
 *
 * Threads: belongs to the query's thread. */
#ifndef HG_TSDB_PROMQL_LABEL_MAP_H
#define HG_TSDB_PROMQL_LABEL_MAP_H

#include "alloc/region.h"
#include "tsdb/labels.h"

struct label_map_key {
    uint64_t hash;
    struct labels labels;
};

/* What a map does with a set that is new to it; the rest of it is borrowed. */
enum label_map_keeps { LABEL_MAP_BORROWS, LABEL_MAP_COPIES_ROWS, LABEL_MAP_COPIES_TEXTS };

struct label_map {
    struct region *region;
    enum label_map_keeps keeps; /* LABEL_MAP_BORROWS at first; changed while there is nothing */
    struct label_map_key *keys; /* by number */
    uint32_t n;
    uint32_t cap;
    uint32_t *slots; /* number + 1, 0 = free; a power of two of them */
    size_t n_slots;
};

void label_map_init(struct label_map *m, struct region *r);

/* True when a set has a number. */
bool label_map_has(const struct label_map *m, const struct labels *ls);

/* The number of a set; *ret_is_new tells whether it got it now. False when memory ran out. */
bool label_map_put(struct label_map *m, const struct labels *ls, uint32_t *ret_number,
                   bool *ret_is_new) WARN_UNUSED;

#endif
