/* A hash table of handles that grows and shrinks one bucket at a time (linear hashing, Litwin
 * 1980).
 *
 * Buckets are heads of chains; the chain runs through the records themselves (struct hash_node is
 * their first member), so the table costs 4 bytes a bucket and no record is ever copied. There is
 * no moment at which everything is rehashed: each insert splits at most one bucket, each remove
 * merges at most two, so a table that shrank is within an eighth of one that never grew.
 *
 *   buckets in use: n_buckets = 2^level + split;  bucket of h = h mod 2^(level+1), or h mod 2^level
 * if that is >= n_buckets
 *
 * Threads: the caller's lock guards a table. */
#ifndef HG_ALLOC_HASH_H
#define HG_ALLOC_HASH_H

#include "alloc/pool.h"
#include "alloc/table.h"

struct hash_node {
    uint32_t next; /* the next record of the chain, 0 = end */
    uint32_t hash;
};

struct hash {
    struct table buckets; /* of uint32_t handles */
    uint32_t n_buckets;
    uint32_t n_items;
};

/* Compares a record with the key that is sought; ctx is the caller's. */
typedef bool (*hash_equal)(const void *ctx, const struct hash_node *record);

void hash_init(struct hash *h, unsigned owner);
void hash_release(struct arena *a, struct hash *h);

/* The record with that hash for which equal() says yes, or 0. */
slot hash_find(const struct arena *a, const struct hash *h, uint32_t hash_value, hash_equal equal,
               const void *ctx);

/* For finding many at once: asks the processor for the bucket of a hash; then the first record of
 * its chain (hash_node.next leads on), or 0. */
void hash_fetch(const struct arena *a, const struct hash *h, uint32_t hash_value);
slot hash_chain(const struct arena *a, const struct hash *h, uint32_t hash_value);

/* Enters a record that is not in the table. False (nothing changed) when memory is exhausted. */
bool hash_insert(struct arena *a, struct hash *h, slot record, uint32_t hash_value) WARN_UNUSED;

/* Takes a record out that is in the table. */
void hash_remove(struct arena *a, struct hash *h, slot record);

/* Redirects the link to record `from`, which is in the table, to `to`: a copy of all its bytes.
 * Takes no memory. */
void hash_replace(struct arena *a, struct hash *h, slot from, slot to);

/* Walks all records, bucket by bucket: the one after `record` (0 = the first), or 0 after the last.
 * The table must not change meanwhile. */
slot hash_next(const struct arena *a, const struct hash *h, slot record);

bool hash_check(const struct arena *a, const struct hash *h);

#endif
