#include "alloc/table.h"

#include <string.h>

enum { FANOUT = ARENA_PAGE_BYTES / sizeof(page_no) };

void table_init(struct table *t, size_t item_bytes, unsigned owner)
{
    ENSURE(item_bytes >= 1 && item_bytes <= ARENA_PAGE_BYTES && ARENA_PAGE_BYTES % item_bytes == 0);
    *t = (struct table){
        .item_bytes = (uint32_t)item_bytes,
        .per_leaf = (uint32_t)(ARENA_PAGE_BYTES / item_bytes),
        .owner = owner,
    };
}

/* The page that *entry names, made and zeroed if it is missing; 0 when memory is exhausted. */
static page_no make_page(struct arena *a, struct table *t, page_no *entry)
{
    if (*entry == 0) {
        *entry = arena_page_get(a, t->owner);
        if (*entry == 0)
            return 0;
        memset(arena_page(a, *entry), 0, ARENA_PAGE_BYTES);
        t->n_pages++;
    }
    return *entry;
}

static void put_page(struct arena *a, struct table *t, page_no *entry)
{
    arena_page_put(a, t->owner, *entry);
    *entry = 0;
    t->n_pages--;
}

/* The entry of a directory page that leads to item `index`, on level 1 (root) or 2. */
static page_no *entry_at(const struct arena *a, const struct table *t, page_no dir, int level,
                         uint64_t index)
{
    uint64_t leaf = index / t->per_leaf;
    uint64_t at = level == 1 ? leaf / FANOUT : leaf % FANOUT;
    assert(at < FANOUT);
    return (page_no *)arena_page(a, dir) + at;
}

static bool is_empty(const struct arena *a, page_no dir)
{
    const page_no *entries = arena_page(a, dir);
    for (size_t i = 0; i < FANOUT; i++)
        if (entries[i] != 0)
            return false;
    return true;
}

/* Returns directories on the way to `index` that lead nowhere. */
static void prune(struct arena *a, struct table *t, uint64_t index)
{
    page_no *mid = entry_at(a, t, t->root, 1, index);
    if (*mid != 0 && is_empty(a, *mid))
        put_page(a, t, mid);
    if (is_empty(a, t->root))
        put_page(a, t, &t->root);
}

void *table_make(struct arena *a, struct table *t, uint64_t index)
{
    if (make_page(a, t, &t->root) == 0)
        return NULL;
    page_no *mid = entry_at(a, t, t->root, 1, index);
    page_no *leaf = make_page(a, t, mid) != 0 ? entry_at(a, t, *mid, 2, index) : NULL;
    if (leaf == NULL || make_page(a, t, leaf) == 0) {
        prune(a, t, index);
        return NULL;
    }
    return (char *)arena_page(a, *leaf) + index % t->per_leaf * t->item_bytes;
}

void *table_at(const struct arena *a, const struct table *t, uint64_t index)
{
    if (t->root == 0 || index / t->per_leaf / FANOUT >= FANOUT)
        return NULL;
    page_no mid = *entry_at(a, t, t->root, 1, index);
    page_no leaf = mid != 0 ? *entry_at(a, t, mid, 2, index) : 0;
    if (leaf == 0)
        return NULL;
    return (char *)arena_page(a, leaf) + index % t->per_leaf * t->item_bytes;
}

void table_clear_leaf(struct arena *a, struct table *t, uint64_t index)
{
    if (table_at(a, t, index) == NULL)
        return;
    page_no mid = *entry_at(a, t, t->root, 1, index);
    put_page(a, t, entry_at(a, t, mid, 2, index));
    prune(a, t, index);
}

void table_release(struct arena *a, struct table *t)
{
    if (t->root == 0)
        return;
    page_no *mids = arena_page(a, t->root);
    for (size_t i = 0; i < FANOUT; i++) {
        page_no *leaves = mids[i] != 0 ? arena_page(a, mids[i]) : NULL;
        for (size_t j = 0; leaves != NULL && j < FANOUT; j++)
            if (leaves[j] != 0)
                put_page(a, t, &leaves[j]);
        if (leaves != NULL)
            put_page(a, t, &mids[i]);
    }
    put_page(a, t, &t->root);
}
