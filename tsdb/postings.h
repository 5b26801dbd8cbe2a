/* A set of ids, ascending: the series that have a label pair, the pairs that have a label name.
 *
 * One id, the most common set of all, is kept in place and takes no memory. More are split into
 * containers of 65,472 ids: a sorted array of u16, or a bitmap of 8 KiB where that is not larger
 * (after the layout of Roaring bitmaps, Chambi et al. 2016). The set leads to its only container;
 * to several leads a row of 8 bytes each. A row covers 256 containers, and beyond one row there is
 * a row of rows.
 *
 *     n, row --> | owner | key | u16 u16 u16 ... |  or  | owner | key | bits |
 *     n, row --> | owner | container, key, n | ... |      (beyond 16.7 million ids: row --> rows)
 *                             |
 *                             '--> as above
 *
 * Cost. Finding a container is two binary searches (at most 8 steps each), whatever the ids.
 * Adding or removing moves at most the 7 KiB of one array and the 2 KiB of each of two rows; growth
 * by slots (kind.h) copies them about once for a fifth more. Old ids leave from the front: an array
 * is then moved once for each, 65,472 ids of a bitmap cost a bit each.
 *
 * A set of two or more may be moved: each of its slots names the owner of the set, a number that
 * the caller gives and can find the set by.
 *
 * Threads: the store's lock guards postings. */
#ifndef HG_TSDB_POSTINGS_H
#define HG_TSDB_POSTINGS_H

#include "alloc/kind.h"

#define POSTINGS_ID_MAX UINT32_C(4290772991) /* 65,536 containers of 65,472 */

struct postings {
    uint32_t n;
    union {
        uint32_t only; /* n = 1: the id */
        slot row;      /* n > 1: the container, row or row of rows; n = 0: 0 */
    };
};

/* Adds an id (at most POSTINGS_ID_MAX) that is not in the set. owner: the same for all adds to one
 * set. False (nothing changed) without memory. */
bool postings_add(struct arena *a, struct kind *k, struct postings *p, uint32_t owner,
                  uint32_t id) WARN_UNUSED;

/* Takes an id out that is in the set. Never fails. */
void postings_remove(struct arena *a, struct kind *k, struct postings *p, uint32_t id);

bool postings_contains(const struct arena *a, const struct postings *p, uint32_t id);

/* Writes all p->n ids, ascending. */
void postings_list(const struct arena *a, const struct postings *p, uint32_t *ret_ids);

/* Writes the ids at or after `from`, ascending, max at most; returns how many. So a set can be
 * walked in slices while it changes between them. */
uint32_t postings_slice(const struct arena *a, const struct postings *p, uint32_t from,
                        uint32_t *ret_ids, uint32_t max);

/* How many ids are at or above `from`: a look at each container above it, and into one. */
uint32_t postings_count_from(const struct arena *a, const struct postings *p, uint32_t from);

/* The bytes of its slots. */
size_t postings_bytes(const struct arena *a, const struct postings *p);

/* A row or a container was copied from one slot to another: redirects what leads to it. A kind_move
 * whose ctx is a struct postings_mover. */
struct postings_mover {
    struct arena *arena;
    struct postings *(*set_of)(void *ctx, uint32_t owner);
    void *ctx;
};
bool postings_move(void *mover, slot from, slot to);

/* Recounts a set of that owner; adds the bytes of its slots to *sum_bytes. */
bool postings_check(const struct arena *a, const struct postings *p, uint32_t owner,
                    size_t *sum_bytes);

#endif
