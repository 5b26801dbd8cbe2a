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
 * A slab can be taken out of allocation so that whoever moves its records elsewhere (kind.h) sees
 * it become empty: it is then "leaving", pool_get passes over it, and its page goes back to the
 * arena with its last slot like any other.
 *
 * A slot is named by a u32 handle, its offset in the arena in units of 16 bytes; 0 is none.
 * Invariant: n_pages * slots a page == n_used + free slots in its slabs, and each slab is in
 * exactly one of three lists.
 *
 * Threads: none of its own; the caller's lock guards a pool (the arena's own lock is taken
 * underneath). */
#ifndef HG_ALLOC_POOL_H
#define HG_ALLOC_POOL_H

#include "alloc/arena.h"

enum {
    POOL_SLOT_BYTES_MIN = 16,
    POOL_SLOT_BYTES_MAX = 8192,
    POOL_SLOT_ALIGN = 16,
    POOL_SLOTS_MAX = ARENA_PAGE_BYTES / POOL_SLOT_BYTES_MIN, /* in a page */
    POOL_SCAN_MAX = 64, /* slabs that the search for the emptiest looks at */
};

typedef uint32_t slot; /* 0 = none */

struct pool {
    uint16_t slot_bytes;
    uint16_t slots_per_page;
    uint16_t owner;  /* row of the budget that the pages are charged to */
    page_no partial; /* slabs with a free slot, the last one freed into or grown first */
    page_no full;    /* slabs without */
    page_no leaving; /* slabs out of allocation, the one that is being vacated in front */
    uint32_t n_pages;
    uint32_t n_used;
    uint32_t n_leaving;
    uint32_t n_leaving_free; /* free slots that nobody is given, for their slab is leaving */
    uint16_t round;          /* of refusals, from 1 */
    bool is_vacating;        /* the first of `leaving` may have records that are still to move */
    bool is_stuck;           /* the last search for the emptiest found none */
};

/* Slots of one page, by their number in it. */
struct slot_set {
    uint64_t bits[POOL_SLOTS_MAX / 64];
};

/* slot_bytes: a multiple of POOL_SLOT_ALIGN within the two limits. owner: a row of the arena's
 * budget. */
void pool_init(struct pool *p, size_t slot_bytes, unsigned owner);

/* A slot with unspecified content; 0 when the arena has no page. */
slot pool_get(struct arena *a, struct pool *p) WARN_UNUSED;
void pool_put(struct arena *a, struct pool *p, slot s);

/* Returns every page, whatever is in use, and leaves the pool empty and usable. */
void pool_drop(struct arena *a, struct pool *p);

/* The same in parts: returns at most max_pages of them and says how many; fewer than max_pages =
 * the pool is empty. In between nothing else may be done with it. */
size_t pool_drop_some(struct arena *a, struct pool *p, size_t max_pages);

bool pool_check(const struct arena *a, const struct pool *p);

/* The size of the slots of the slab that slot s lies in, in bytes. Needs no lock while s is not
 * put: it is written when the slab is made. */
size_t pool_slot_bytes_at(const struct arena *a, slot s);

/* ---- vacating a slab, one of a pool at a time; for kind.c ---- */

/* As many slots are free in partly used slabs as a page has: then the used slots of any of these
 * slabs fit into the others. */
bool pool_can_shrink(const struct pool *p);

/* Of the first POOL_SCAN_MAX partly used slabs that were not refused in this round, the one with
 * the fewest used slots. 0 = none, and the pool is stuck until a slab becomes partly used or a
 * round begins. */
page_no pool_emptiest(const struct arena *a, struct pool *p);

/* Takes a partly used slab out of allocation. */
void pool_vacate(struct arena *a, struct pool *p, page_no page);

/* Nothing more is to be moved: the slab waits for its last puts. Another can be vacated. */
void pool_vacated(struct pool *p);

/* Gives the slab that is being vacated back to allocation. is_refused: a record of it could not be
 * moved, pool_emptiest passes over it for the rest of the round. */
void pool_readmit(struct arena *a, struct pool *p, bool is_refused);

/* Begins a round: slabs that were refused are candidates again. */
void pool_forget_refusals(struct pool *p);

/* The used slots of a page of the pool. */
void pool_used_slots(const struct arena *a, const struct pool *p, page_no page,
                     struct slot_set *ret_used);

/* The name of slot number `index` (0 .. slots_per_page - 1) of a page, and back. */
slot pool_slot_name(const struct pool *p, page_no page, unsigned index);
page_no pool_slot_page(slot s);
unsigned pool_slot_index(const struct pool *p, slot s);

static inline size_t pool_free_slots(const struct pool *p)
{
    return (size_t)p->n_pages * p->slots_per_page - p->n_used;
}

/* The address of a slot, valid until it is put. */
static inline void *slot_ptr(const struct arena *a, slot s)
{
    return a->base + (size_t)s * 16;
}

#endif
