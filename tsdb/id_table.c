/* The first entries of a leaf describe it: how many of its ids are in use, how many were ever used,
 * and the first that came free since. Free ids of a leaf are chained through their own entries, so
 * the chain goes with the leaf when it returns. Leaves with a free id are in a list. Rejected: one
 * chain of free ids through the whole table, which pins every leaf that it passes; always taking
 * the lowest free id, which wants a search.
 */
#include "tsdb/id_table.h"

#include <string.h>

struct id_leaf {
    uint16_t n_used;
    uint16_t n_touched;  /* entries below were handed out at least once, the head included */
    uint16_t first_free; /* an entry, 0 = none */
    uint16_t unused;
    uint32_t next, prev; /* among the leaves with a free id: number plus 1, 0 = none */
};

enum {
    LEAF_ENTRIES = ID_LEAF_ENTRIES,
    LEAF_HEAD = sizeof(struct id_leaf) / sizeof(slot),
    LEAF_IDS = LEAF_ENTRIES - LEAF_HEAD,
};

#define LEAVES_MAX (((uint64_t)UINT32_MAX + 1) / LEAF_ENTRIES)

_Static_assert(LEAF_ENTRIES * sizeof(slot) == ARENA_PAGE_BYTES, "a leaf is a page");
_Static_assert(sizeof(struct id_leaf) % sizeof(slot) == 0, "a leaf's head is whole entries");

static struct id_leaf *leaf_at(const struct arena *a, const struct id_table *t, uint64_t leaf)
{
    return table_at(a, &t->slots, leaf * LEAF_ENTRIES);
}

static void list_push(const struct arena *a, struct id_table *t, uint32_t leaf)
{
    struct id_leaf *l = leaf_at(a, t, leaf);
    l->prev = 0;
    l->next = t->open;
    if (l->next != 0)
        leaf_at(a, t, l->next - 1)->prev = leaf + 1;
    t->open = leaf + 1;
}

static void list_remove(const struct arena *a, struct id_table *t, uint32_t leaf)
{
    const struct id_leaf *l = leaf_at(a, t, leaf);
    if (l->prev != 0)
        leaf_at(a, t, l->prev - 1)->next = l->next;
    else
        t->open = l->next;
    if (l->next != 0)
        leaf_at(a, t, l->next - 1)->prev = l->prev;
}

void id_table_init(struct id_table *t, unsigned owner)
{
    *t = (struct id_table){0};
    table_init(&t->slots, sizeof(slot), owner);
}

void id_table_release(struct arena *a, struct id_table *t)
{
    table_release(a, &t->slots);
    t->open = t->n = 0;
}

/* Makes sure that the list has a leaf in front. The lowest missing leaf is the next to be made: so
 * the table stays dense; the search is a step for each leaf there is, once for 4092 ids. */
static bool have_open(struct arena *a, struct id_table *t)
{
    if (t->open != 0)
        return true;
    uint64_t leaf = 0;
    while (leaf < LEAVES_MAX && leaf_at(a, t, leaf) != NULL)
        leaf++;
    if (leaf == LEAVES_MAX)
        return false;
    struct id_leaf *made = table_make(a, &t->slots, leaf * LEAF_ENTRIES);
    if (made == NULL)
        return false;
    *made = (struct id_leaf){.n_touched = LEAF_HEAD};
    list_push(a, t, (uint32_t)leaf);
    return true;
}

uint32_t id_table_get(struct arena *a, struct id_table *t, slot record)
{
    if (!have_open(a, t))
        return 0;
    uint32_t number = t->open - 1;
    struct id_leaf *leaf = leaf_at(a, t, number);
    slot *entries = (slot *)leaf;
    uint32_t at = leaf->first_free;
    if (at != 0)
        leaf->first_free = (uint16_t)entries[at];
    else
        at = leaf->n_touched++;
    entries[at] = record;
    t->n++;
    if (++leaf->n_used == LEAF_IDS)
        list_remove(a, t, number);
    return number * LEAF_ENTRIES + at;
}

void id_table_put(struct arena *a, struct id_table *t, uint32_t id)
{
    uint32_t number = id / LEAF_ENTRIES, at = id % LEAF_ENTRIES;
    struct id_leaf *leaf = leaf_at(a, t, number);
    assert(leaf != NULL && leaf->n_used > 0 && at >= LEAF_HEAD && at < leaf->n_touched);
    if (leaf->n_used == LEAF_IDS)
        list_push(a, t, number);
    ((slot *)leaf)[at] = leaf->first_free;
    leaf->first_free = (uint16_t)at;
    t->n--;
    if (--leaf->n_used == 0) {
        list_remove(a, t, number);
        table_clear_leaf(a, &t->slots, id);
    }
}

/* ---- the check ---- */

static bool leaf_is_good(const struct id_leaf *leaf)
{
    if (leaf->n_used == 0 || leaf->n_used > LEAF_IDS || leaf->n_touched > LEAF_ENTRIES)
        return false;
    uint32_t n_free = 0;
    for (uint32_t at = leaf->first_free; at != 0; at = ((const slot *)leaf)[at])
        if (at < LEAF_HEAD || at >= leaf->n_touched || ++n_free > LEAF_IDS)
            return false;
    return (uint32_t)leaf->n_used + n_free + LEAF_HEAD == leaf->n_touched;
}

/* Counts the leaves that the list of those with a free id has; false when it is out of order. */
static bool count_open(const struct arena *a, const struct id_table *t, uint64_t *ret)
{
    uint32_t before = 0;
    *ret = 0;
    for (uint32_t at = t->open; at != 0; (*ret)++) {
        const struct id_leaf *leaf = leaf_at(a, t, at - 1);
        if (leaf == NULL || leaf->prev != before || leaf->n_used == LEAF_IDS || *ret > LEAVES_MAX)
            return false;
        before = at;
        at = leaf->next;
    }
    return true;
}

static bool entries_name_records(const struct arena *a, const struct id_table *t,
                                 const struct hash *records, size_t id_offset)
{
    for (slot at = 0; (at = hash_next(a, records, at)) != 0;) {
        uint32_t id;
        memcpy(&id, (const char *)slot_ptr(a, at) + id_offset, sizeof(id));
        if (id % LEAF_ENTRIES < LEAF_HEAD || table_at(a, &t->slots, id) == NULL ||
            id_table_at(a, t, id) != at)
            return false;
    }
    return true;
}

bool id_table_check(const struct arena *a, const struct id_table *t, const struct hash *records,
                    size_t id_offset)
{
    uint64_t n_leaves = t->slots.n_pages, n_used = 0, n_open = 0, n_listed;
    for (uint64_t leaf = 0; n_leaves > 0 && n_used < t->n && leaf < LEAVES_MAX; leaf++) {
        const struct id_leaf *l = leaf_at(a, t, leaf);
        if (l == NULL)
            continue;
        if (!leaf_is_good(l))
            return false;
        n_used += l->n_used;
        n_open += l->n_used < LEAF_IDS;
    }
    return n_used == t->n && t->n == records->n_items && count_open(a, t, &n_listed) &&
           n_listed == n_open && entries_name_records(a, t, records, id_offset);
}
