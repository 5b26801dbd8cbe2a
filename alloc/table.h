/* An array of equal items that grows and shrinks a page at a time and never moves what it holds.
 *
 * Items live in leaf pages. A table of one leaf is that page; a longer one finds its leaves through
 * directory pages, one level for 4096 leaves and two for more, so growing costs at most four pages
 * and copies nothing: no doubling, no peak. A leaf that was never written, or whose range was
 * cleared, takes no memory and reads as zero; levels go when one leaf in front is left.
 *
 * Items that come and go can be counted (table_hold, table_drop): each leaf knows how many of its
 * items are held, in its page's metadata, and returns with the last.
 *
 * Threads: the caller's lock guards a table. */
#ifndef HG_ALLOC_TABLE_H
#define HG_ALLOC_TABLE_H

#include "alloc/arena.h"

enum { TABLE_FANOUT_SHIFT = 12, TABLE_FANOUT = 1 << TABLE_FANOUT_SHIFT, TABLE_LEVELS_MAX = 2 };

struct table {
    page_no root;      /* the only leaf, or the directory at the top; 0 = no item */
    uint32_t per_leaf; /* items, 1 << leaf_shift */
    uint32_t n_pages;
    uint16_t owner;
    uint8_t n_levels; /* directories between root and leaf: 0 .. TABLE_LEVELS_MAX */
    uint8_t leaf_shift;
    uint8_t item_shift; /* an item has 1 << item_shift bytes */
};

/* item_bytes: a power of two, 1 .. ARENA_PAGE_BYTES. */
void table_init(struct table *t, size_t item_bytes, unsigned owner);

/* The item's address for writing, its page made (zeroed) if need be; NULL when memory is exhausted.
 * Valid until the table is cleared there. */
void *table_make(struct arena *a, struct table *t, uint64_t index) WARN_UNUSED;

/* The page of leaf number `leaf` (index / per_leaf), which is known to be there. */
static inline page_no table_leaf(const struct arena *a, const struct table *t, uint64_t leaf)
{
    page_no page = t->root;
    for (unsigned shift = t->n_levels * (unsigned)TABLE_FANOUT_SHIFT; shift > 0;) {
        shift -= TABLE_FANOUT_SHIFT;
        page = ((const page_no *)arena_page(a, page))[leaf >> shift & (TABLE_FANOUT - 1)];
    }
    return page;
}
/* The item's address, or NULL when its page was never made (it then counts as zero). */
static inline void *table_at(const struct arena *a, const struct table *t, uint64_t index)
{
    uint64_t leaf = index >> t->leaf_shift;
    unsigned shift = t->n_levels * (unsigned)TABLE_FANOUT_SHIFT;
    page_no page = leaf >> shift == 0 ? t->root : 0;
    while (shift > 0 && page != 0) {
        shift -= TABLE_FANOUT_SHIFT;
        page = ((const page_no *)arena_page(a, page))[leaf >> shift & (TABLE_FANOUT - 1)];
    }
    if (page == 0)
        return NULL;
    return (char *)arena_page(a, page) + ((index & (t->per_leaf - 1u)) << t->item_shift);
}

/* Returns the leaf that holds `index` to the arena: its items read as zero again. Returns
 * directories that become empty. */
void table_clear_leaf(struct arena *a, struct table *t, uint64_t index);

/* ---- items that come and go ---- */

/* As table_make, for an item that is not held yet and is from now on; NULL (nothing changed) when
 * memory is exhausted. A table whose items are held has no other items. */
void *table_hold(struct arena *a, struct table *t, uint64_t index) WARN_UNUSED;

/* Makes an item that is held zero, and no longer held; the last of its leaf returns the leaf. */
void table_drop(struct arena *a, struct table *t, uint64_t index);

/* How many items are held of the leaf that `index` is in, 0 when there is none. */
uint32_t table_held(const struct arena *a, const struct table *t, uint64_t index);

/* Returns every page. */
void table_release(struct arena *a, struct table *t);

#endif
