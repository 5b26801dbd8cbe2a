/* Long-lived records of one kind (symbols, label rows, series, postings) in sizes from 16 bytes to
 * 8 KiB.
 *
 * Each kind has pages of its own, so that records which outlive a window never share a page with
 * those that do not, and one pool a size: steps of 16 bytes up to 128, then four sizes for each
 * doubling, so that slack stays under a fifth.
 *
 * Threads: the caller's lock guards a kind. */
#ifndef HG_ALLOC_KIND_H
#define HG_ALLOC_KIND_H

#include "alloc/pool.h"

enum { KIND_BYTES_MAX = POOL_SLOT_BYTES_MAX, KIND_POOLS = 8 + 4 * 6 };

struct kind {
    struct pool pools[KIND_POOLS];
};

void kind_init(struct kind *k, unsigned owner);

/* A slot of at least `bytes` (1 .. KIND_BYTES_MAX) with unspecified content; 0 when memory is
 * exhausted. put takes the same number of bytes. */
slot kind_get(struct arena *a, struct kind *k, size_t bytes) WARN_UNUSED;
void kind_put(struct arena *a, struct kind *k, slot s, size_t bytes);

/* The bytes that a record of `bytes` occupies. */
size_t kind_slot_bytes(size_t bytes);

/* Sums over the pools. */
size_t kind_pages(const struct kind *k);
size_t kind_used_bytes(const struct kind *k);
size_t kind_free_bytes(const struct kind *k);
bool kind_check(const struct arena *a, const struct kind *k);

/* The pool of records of that size. */
struct pool *kind_pool(struct kind *k, size_t bytes);

#endif
