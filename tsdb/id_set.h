/* A set of series ids as a bitmap in a region: for unions, whose members come in no order and are
 * wanted in order. Threads: belongs to one thread, as its region does. */
#ifndef HG_TSDB_ID_SET_H
#define HG_TSDB_ID_SET_H

#include "alloc/region.h"

struct id_set {
    uint64_t *words;
    size_t n_words;
    size_t n; /* members */
};

/* An empty set for ids below end. False without memory. */
bool id_set_init(struct id_set *s, struct region *r, uint64_t end) WARN_UNUSED;

void id_set_add(struct id_set *s, uint32_t id);

/* The members, ascending, in the region. False without memory. */
bool id_set_list(const struct id_set *s, struct region *r, uint32_t **ret) WARN_UNUSED;

#endif
