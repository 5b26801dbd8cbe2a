/* Long-lived records of one kind (symbols, strings, series, postings) in sizes from 16 bytes to
 * 8 KiB.
 *
 * Each kind has pages of its own, so that records which outlive a window never share a page with
 * those that do not, and one pool a size: steps of 16 bytes up to 128, then four sizes for each
 * doubling, so that slack stays under a fifth. A fine kind has all sizes that make a difference:
 * steps of 16 bytes up to 512, then the largest of which 31, 30, .. 2 fit a page, so that slack is
 * about a fiftieth at 1 KiB. It is for records that end anywhere and are few sizes at a time, since
 * each size may have a page that is partly used.
 *
 * Records that come and go leave pages half empty. When more than KIND_FREE_SHARE_MAX percent of a
 * kind's bytes are free slots, kind_compact moves records out of the emptiest pages and returns
 * these; the owner of the records redirects what refers to them.
 *
 * Threads: the caller's lock guards a kind. */
#ifndef HG_ALLOC_KIND_H
#define HG_ALLOC_KIND_H

#include "alloc/limbo.h"

enum {
    KIND_BYTES_MAX = POOL_SLOT_BYTES_MAX,
    KIND_POOLS = 8 + 4 * 6,
    KIND_POOLS_FINE = 32 + 30,
    KIND_FREE_SHARE_MAX = 5, /* percent of its bytes that may be free slots */
    KIND_WAITING_MAX = 4096, /* entries of a limbo beyond which kind_compact waits for a drain */
};

struct kind {
    struct pool pools[KIND_POOLS_FINE]; /* the first n_pools of them */
    uint8_t n_pools;                    /* KIND_POOLS or KIND_POOLS_FINE */
};

void kind_init(struct kind *k, unsigned owner);
void kind_init_fine(struct kind *k, unsigned owner);

/* Returns every page, whatever is in use, and leaves the kind empty and usable. */
void kind_drop(struct arena *a, struct kind *k);

/* A slot of at least `bytes` (1 .. KIND_BYTES_MAX) with unspecified content; 0 when memory is
 * exhausted. put takes the same number of bytes. */
slot kind_get(struct arena *a, struct kind *k, size_t bytes) WARN_UNUSED;
void kind_put(struct arena *a, struct kind *k, slot s, size_t bytes);

/* The pool of records of `bytes`: for limbo_add, where readers may still see what is put. */
struct pool *kind_pool(struct kind *k, size_t bytes);

/* The bytes that a record of `bytes` occupies in this kind, and in any that is not fine. */
size_t kind_size(const struct kind *k, size_t bytes);
size_t kind_slot_bytes(size_t bytes);

/* Sums over the pools. */
size_t kind_pages(const struct kind *k);
size_t kind_used_bytes(const struct kind *k);
size_t kind_free_bytes(const struct kind *k);
bool kind_check(const struct arena *a, const struct kind *k);

/* ---- moving records ---- */

/* Redirects every reference to the record in slot `from` to slot `to`, which holds a copy of all
 * its bytes (pool_slot_bytes_at: the slot's whole size). False, with nothing redirected, when the
 * record has to stay where it is. Must neither take nor put records of this kind, nor add to its
 * limbo. From its return on nobody who comes in may find `from`; who is inside may read it still,
 * so its bytes are not to be changed. */
typedef bool (*kind_move)(void *ctx, slot from, slot to);

/* Free slots exceed KIND_FREE_SHARE_MAX percent of the bytes in pages (those that are on their way
 * out count in neither), and some pool has a page's worth of them and a page that might be emptied;
 * or a page is half emptied. Says no when all pages in question were refused. */
bool kind_wants_compaction(const struct kind *k);

/* While kind_wants_compaction: empties the emptiest page of a pool into its other pages, by at most
 * max_records (> 0) moves, tried or done; a later call goes on where this one stopped. Returns how
 * many records were moved; 0 = nothing to gain now, so ask again only after a drain or when records
 * have come or gone.
 *
 * l: NULL puts the old slots at once; otherwise they wait in l, through which all slots of this
 * kind must then go, and a page returns when l has been drained of it. Uses up l's reservations:
 * whoever has one reserves again. The caller seals. When a record stays or l has no memory, its
 * page goes back to allocation; after a refusal it is not tried again until kind_retry.
 *
 * Takes no page for records, and depends on nothing but the order of calls. */
size_t kind_compact(struct arena *a, struct kind *k, struct limbo *l, kind_move move, void *ctx,
                    size_t max_records);

/* Pages that were refused may be tried again: for the owner to say when what kept records in place
 * may be over (at the turn of a window). */
void kind_retry(struct kind *k);

#endif
