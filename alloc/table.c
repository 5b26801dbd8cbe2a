#include "alloc/table.h"

#include <string.h>

_Static_assert(TABLE_FANOUT * sizeof(page_no) == ARENA_PAGE_BYTES, "a directory is a page");

void table_init(struct table *t, size_t item_bytes, unsigned owner)
{
    ENSURE(item_bytes >= 1 && item_bytes <= ARENA_PAGE_BYTES && ARENA_PAGE_BYTES % item_bytes == 0);
    uint32_t per_leaf = (uint32_t)(ARENA_PAGE_BYTES / item_bytes);
    *t = (struct table){
        .per_leaf = per_leaf,
        .owner = (uint16_t)owner,
        .leaf_shift = (uint8_t)__builtin_ctz(per_leaf),
        .item_shift = (uint8_t)__builtin_ctz((unsigned)item_bytes),
    };
}

struct leaf { /* in the page's metadata */
    uint32_t n_held;
};

_Static_assert(sizeof(struct leaf) <= ARENA_META_BYTES, "a leaf's count fits the metadata");

/* A zeroed page; 0 when memory is exhausted. */
static page_no get_page(struct arena *a, struct table *t)
{
    page_no page = arena_page_get(a, t->owner);
    if (page == 0)
        return 0;
    memset(arena_page(a, page), 0, ARENA_PAGE_BYTES);
    *(struct leaf *)arena_meta(a, page) = (struct leaf){0};
    t->n_pages++;
    return page;
}

static void put_page(struct arena *a, struct table *t, page_no page)
{
    arena_page_put(a, t->owner, page);
    t->n_pages--;
}

/* Whether a leaf's number is within what `levels` of directories cover. */
static bool covers(unsigned levels, uint64_t leaf)
{
    return leaf >> levels * TABLE_FANOUT_SHIFT == 0;
}

/* The entry of a directory on `level` (1 = just above the leaves) that leads to a leaf. */
static page_no *entry_at(const struct arena *a, page_no dir, unsigned level, uint64_t leaf)
{
    uint64_t at = leaf >> (level - 1) * TABLE_FANOUT_SHIFT;
    return (page_no *)arena_page(a, dir) + (at & (TABLE_FANOUT - 1));
}

/* How many entries of a directory lead somewhere; counts to 2 at most. */
static unsigned count_entries(const struct arena *a, page_no dir)
{
    const page_no *entries = arena_page(a, dir);
    unsigned n = 0;
    for (size_t i = 0; n < 2 && i < TABLE_FANOUT; i++)
        n += entries[i] != 0;
    return n;
}

/* Puts directories on top until they cover the leaf. */
static bool grow(struct arena *a, struct table *t, uint64_t leaf)
{
    while (!covers(t->n_levels, leaf)) {
        ENSURE(t->n_levels < TABLE_LEVELS_MAX);
        if (t->root != 0) {
            page_no top = get_page(a, t);
            if (top == 0)
                return false;
            *entry_at(a, top, t->n_levels + 1u, 0) = t->root;
            t->root = top;
        }
        t->n_levels++;
    }
    return true;
}

/* Returns directories on the way to a leaf that lead nowhere, and those on top that lead to what is
 * in front alone. */
static void prune(struct arena *a, struct table *t, uint64_t leaf)
{
    if (t->root != 0 && t->n_levels == 2 && covers(2, leaf)) {
        page_no *mid = entry_at(a, t->root, 2, leaf);
        if (*mid != 0 && count_entries(a, *mid) == 0) {
            put_page(a, t, *mid);
            *mid = 0;
        }
    }
    while (t->root != 0 && t->n_levels > 0) {
        page_no front = *entry_at(a, t->root, t->n_levels, 0);
        unsigned n = count_entries(a, t->root);
        if (n > 1 || (n == 1 && front == 0))
            break;
        put_page(a, t, t->root);
        t->root = front;
        t->n_levels--;
    }
    if (t->root == 0)
        t->n_levels = 0;
}

void *table_make(struct arena *a, struct table *t, uint64_t index)
{
    uint64_t leaf = index >> t->leaf_shift;
    page_no *entry = &t->root;
    if (!grow(a, t, leaf))
        goto fail;
    for (unsigned level = t->n_levels;; level--) {
        if (*entry == 0)
            *entry = get_page(a, t);
        if (*entry == 0)
            goto fail;
        if (level == 0)
            break;
        entry = entry_at(a, *entry, level, leaf);
    }
    return (char *)arena_page(a, *entry) + ((index & (t->per_leaf - 1u)) << t->item_shift);
fail:
    prune(a, t, leaf);
    return NULL;
}

void table_clear_leaf(struct arena *a, struct table *t, uint64_t index)
{
    if (table_at(a, t, index) == NULL)
        return;
    uint64_t leaf = index >> t->leaf_shift;
    page_no *entry = &t->root;
    for (unsigned level = t->n_levels; level > 0; level--)
        entry = entry_at(a, *entry, level, leaf);
    put_page(a, t, *entry);
    *entry = 0;
    prune(a, t, leaf);
}

/* ---- items that come and go ---- */

static struct leaf *leaf_of(const struct arena *a, const struct table *t, uint64_t index)
{
    return arena_meta(a, table_leaf(a, t, index >> t->leaf_shift));
}

void *table_hold(struct arena *a, struct table *t, uint64_t index)
{
    void *item = table_make(a, t, index);
    if (item != NULL)
        leaf_of(a, t, index)->n_held++;
    return item;
}

void table_drop(struct arena *a, struct table *t, uint64_t index)
{
    struct leaf *leaf = leaf_of(a, t, index);
    assert(leaf->n_held > 0);
    if (--leaf->n_held == 0)
        table_clear_leaf(a, t, index);
    else
        memset(table_at(a, t, index), 0, (size_t)1 << t->item_shift);
}

uint32_t table_held(const struct arena *a, const struct table *t, uint64_t index)
{
    return table_at(a, t, index) != NULL ? leaf_of(a, t, index)->n_held : 0;
}

/* ---- releasing ---- */

/* Returns a page and what is below it; at most TABLE_LEVELS_MAX levels. */
static void release_below(struct arena *a, struct table *t, page_no page, unsigned level)
{
    for (size_t i = 0; level > 0 && i < TABLE_FANOUT; i++) {
        page_no below = ((const page_no *)arena_page(a, page))[i];
        if (below != 0)
            release_below(a, t, below, level - 1);
    }
    put_page(a, t, page);
}

void table_release(struct arena *a, struct table *t)
{
    if (t->root != 0)
        release_below(a, t, t->root, t->n_levels);
    t->root = 0;
    t->n_levels = 0;
}
