/* The one source of memory that grows with data: a reserved address range, handed out in pages and
 * spans.
 *
 *     base                                   base + pages_bytes                      end
 *      | page 0: root | page metadata ... | page | page | page ... | span | free | span ... |
 *      '------------ pages of 16 KiB, one common free list --------'---- contiguous runs ---'
 *
 * A page is the unit of everything that stays (slabs, tables). A span is a contiguous run of pages
 * for what is short-lived and large (bodies of requests, regions of queries); spans have an address
 * range of their own, so they never leave holes between pages. Pages are committed and released by
 * two functions of arena.c, which alone talk to the kernel. The range is advised against huge
 * pages: with them one touched page counts 2 MiB, and giving memory back is not seen by the cgroup.
 *
 * Of what is free a bounded part stays committed (retained) for the next taker: the kernel's price
 * for a page, filling it in, clearing it and taking it away, is a multiple of what a request does
 * in it. Retained memory counts as used in the budget, in a row of its own, and is given back
 * before anybody's take is refused, pages and connections included.
 *
 * Invariant: every page is in exactly one state (never used, in use, free and retained, free and
 * released), and committed bytes == bytes that the arena has taken from the budget.
 *
 * Threads: get and put take the arena's own lock (a leaf: nothing is locked under it). Reading a
 * page needs no lock. */
#ifndef HG_ALLOC_ARENA_H
#define HG_ALLOC_ARENA_H

#include "alloc/budget.h"

#include <pthread.h>

enum {
    ARENA_PAGE_BYTES = 16384,
    ARENA_META_BYTES = 32,           /* metadata of one page, owned by whoever holds the page */
    ARENA_RETAIN_PAGES_DEFAULT = 64, /* free pages kept committed: 1 MiB */
    /* Free spans kept committed: a write of 2,000 series takes 1 to 1.5 MiB, and at most four are
     * worked on at a time. */
    ARENA_RETAIN_SPAN_BYTES_DEFAULT = 4 * 1024 * 1024,
};

/* slot handles count 16-byte units, so the pages' part of the range ends here */
#define ARENA_PAGES_BYTES_MAX ((size_t)64 << 30)

typedef uint32_t page_no; /* 0 = none: page 0 is the root */

struct arena_span; /* a free or used run; lives in arena.c */

struct arena {
    struct budget *budget;
    char *base;
    size_t reserved_bytes;
    uint32_t pages_max; /* pages [first_page, pages_max) can be handed out */
    uint32_t first_page;
    uint32_t next_fresh;   /* pages at and above were never used; guarded by lock from here on */
    page_no free_retained; /* free pages that are still committed, linked through their metadata */
    page_no free_released; /* free pages without memory */
    uint32_t n_retained;
    uint32_t n_in_use;
    uint32_t retain_pages;
    size_t retain_span_bytes;
    size_t span_used_bytes, span_retained_bytes;
    size_t span_idle_bytes;   /* the least that was retained since the last arena_trim_idle */
    struct arena_span *spans; /* address-ordered runs of the span range */
    struct arena_span *span_nodes_free;
    uint32_t n_span_nodes;
    unsigned owner_self, owner_retained;
    pthread_mutex_t lock;
};

struct arena_stats {
    size_t reserved_bytes; /* address space, not memory */
    size_t pages_in_use_bytes;
    size_t retained_bytes; /* free pages and spans that are still committed */
    size_t spans_in_use_bytes;
};

/* Reserves the range: pages for limit_bytes (at most ARENA_PAGES_BYTES_MAX) and as much again for
 * spans. The memory itself is charged to b as it is committed. b is borrowed for the arena's life,
 * and the arena becomes its reserve: a must stay where it is. False when the address space is
 * refused. */
bool arena_init(struct arena *a, struct budget *b, size_t limit_bytes) WARN_UNUSED;

/* Unmaps everything and gives it back to the budget. Accepts an arena whose init failed. */
void arena_release(struct arena *a);

/* A page for an owner of the budget; its content is unspecified. 0 when the budget or the range is
 * exhausted. */
page_no arena_page_get(struct arena *a, unsigned owner) WARN_UNUSED;
void arena_page_put(struct arena *a, unsigned owner, page_no page);

/* Moves a page's bytes between two rows of the budget. */
void arena_page_move(struct arena *a, unsigned from, unsigned to);

/* A contiguous run of at least `bytes` (> 0), aligned to the kernel's page; its content is
 * unspecified. NULL when the budget or the range is exhausted. put takes the same number of bytes.
 */
void *arena_span_get(struct arena *a, unsigned owner, size_t bytes) WARN_UNUSED;
void arena_span_put(struct arena *a, unsigned owner, void *span, size_t bytes);

/* How many bytes a span of `bytes` really takes. */
static inline size_t arena_span_bytes(size_t bytes)
{
    return align_up(bytes, ARENA_PAGE_BYTES);
}

/* Gives every retained free page and span back to the kernel. */
void arena_trim(struct arena *a);

/* From now on spans that come back are retained up to that many bytes together; what is more goes.
 * Returns the bound before. */
size_t arena_retain_spans(struct arena *a, size_t bytes);

/* Gives back the part of the retained spans that nobody has wanted since the last call. Called at
 * intervals it returns all within two of them after a burst, and nothing while requests come. */
void arena_trim_idle(struct arena *a);

void arena_stats(struct arena *a, struct arena_stats *ret);
bool arena_check(struct arena *a);

/* Addresses. A page's metadata is ARENA_META_BYTES, zeroed at the page's first use only. */
static inline void *arena_page(const struct arena *a, page_no page)
{
    return a->base + (size_t)page * ARENA_PAGE_BYTES;
}

static inline void *arena_meta(const struct arena *a, page_no page)
{
    return a->base + ARENA_PAGE_BYTES + (size_t)page * ARENA_META_BYTES;
}

#endif
