/* Slots of one size, cut from pages: the slabs of one (window, size class), or of one kind of
 * long-lived record.
 *
 * A slab is one page of the arena; what describes it (free list, high-water mark, links) lies in
 * the page's metadata, so that eight slots of 2 KiB fit a page of 16 KiB exactly. Freed slots are
 * threaded through their own first two bytes. A pool fills partly used slabs first and returns a
 * slab that becomes empty to the arena, which keeps some free pages committed, so that a slot freed
 * and taken in turn does not call the kernel. It can be dropped whole: that is how a window
 * expires.
 *
 * A slot is named by a u32 handle, its offset in the arena in units of 16 bytes; 0 is none.
 * Invariant: n_pages * slots a page == n_used + free slots in its slabs.
 *
 * Threads: none of its own; the caller's lock guards a pool (the arena's own lock is taken
 * underneath). */
#ifndef HG_ALLOC_POOL_H
#define HG_ALLOC_POOL_H

#include "alloc/arena.h"

enum { POOL_SLOT_BYTES_MIN = 16, POOL_SLOT_BYTES_MAX = 8192, POOL_SLOT_ALIGN = 16 };

typedef uint32_t slot; /* 0 = none */

struct pool {
    uint16_t slot_bytes;
    uint16_t slots_per_page;
    uint16_t owner;  /* row of the budget that the pages are charged to */
    page_no partial; /* slabs with a free slot, the last one freed into or grown first */
    page_no full;    /* slabs without */
    uint32_t n_pages;
    uint32_t n_used;
};

/* slot_bytes: a multiple of POOL_SLOT_ALIGN within the two limits. owner: a row of the arena's
 * budget. */
void pool_init(struct pool *p, size_t slot_bytes, unsigned owner);

/* A slot with unspecified content; 0 when the arena has no page. */
slot pool_get(struct arena *a, struct pool *p) WARN_UNUSED;
void pool_put(struct arena *a, struct pool *p, slot s);

/* Returns every page, whatever is in use, and leaves the pool empty and usable. */
void pool_drop(struct arena *a, struct pool *p);

bool pool_check(const struct arena *a, const struct pool *p);

static inline size_t pool_free_slots(const struct pool *p)
{
    return (size_t)p->n_pages * p->slots_per_page - p->n_used;
}

size_t pool_slot_bytes_at(const struct arena *a, slot s);

/* The address of a slot, valid until it is put. */
static inline void *slot_ptr(const struct arena *a, slot s)
{
    return a->base + (size_t)s * 16;
}

#endif
