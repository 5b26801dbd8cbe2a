/* A set of series ids, ascending: who has this label pair.
 *
 * Ids are split by their upper 16 bits into containers of at most 65,536: a sorted array of u16
 * while it has at most 4096 members, a bitmap of 8 KiB beyond (the layout of Roaring bitmaps,
 * Chambi et al. 2016). Adding or removing touches one container, never the whole list. A set of one
 * id, the most common of all, is the id itself and takes no memory.
 *
 * Threads: the store's lock guards postings. */
#ifndef HG_TSDB_POSTINGS_H
#define HG_TSDB_POSTINGS_H

#include "alloc/kind.h"

struct postings {
    uint32_t n;
    uint32_t only; /* n == 1: the id */
    slot first;    /* n > 1: containers, ascending by key */
    slot last;     /* the one that the next new id is added to */
};

/* Adds an id that is not in the set. False (nothing changed) without memory. */
bool postings_add(struct arena *a, struct kind *k, struct postings *p, uint32_t id) WARN_UNUSED;

/* Takes an id out that is in the set. Never fails. */
void postings_remove(struct arena *a, struct kind *k, struct postings *p, uint32_t id);

bool postings_contains(const struct arena *a, const struct postings *p, uint32_t id);

/* Writes all p->n ids, ascending. */
void postings_list(const struct arena *a, const struct postings *p, uint32_t *ret_ids);

bool postings_check(const struct arena *a, const struct postings *p);

#endif
