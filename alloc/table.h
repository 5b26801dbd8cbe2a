/* An array of equal items that grows and shrinks a page at a time and never moves what it holds.
 *
 * Items live in leaf pages, found through two levels of directory pages, so growing costs at most
 * three pages and copies nothing: no doubling, no peak. A leaf that was never written, or whose
 * range was cleared, takes no memory and reads as zero.
 *
 * Threads: the caller's lock guards a table. */
#ifndef HG_ALLOC_TABLE_H
#define HG_ALLOC_TABLE_H

#include "alloc/arena.h"

struct table {
    page_no root;        /* page of page numbers of directories, or 0 */
    uint32_t item_bytes; /* divides ARENA_PAGE_BYTES */
    uint32_t per_leaf;
    uint32_t n_pages;
    uint32_t owner;
};

/* item_bytes: a power of two, 1 .. ARENA_PAGE_BYTES. */
void table_init(struct table *t, size_t item_bytes, unsigned owner);

/* The item's address for writing, its page made (zeroed) if need be; NULL when memory is exhausted.
 * Valid until the table is cleared there. */
void *table_make(struct arena *a, struct table *t, uint64_t index) WARN_UNUSED;

/* The item's address, or NULL when its page was never made (it then counts as zero). */
void *table_at(const struct arena *a, const struct table *t, uint64_t index);

/* Returns the leaf that holds `index` to the arena: its items read as zero again. Returns
 * directories that become empty. */
void table_clear_leaf(struct arena *a, struct table *t, uint64_t index);

/* Returns every page. */
void table_release(struct arena *a, struct table *t);

#endif
