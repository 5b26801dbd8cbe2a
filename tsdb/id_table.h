/* Ids of records that may be moved: a table from id to slot, 4 bytes an id.
 *
 * Whatever is to survive a move of a record names it by its id; only the table and the chain of the
 * record's hash table know where it lies. Ids that come free are handed out again before the table
 * grows, and a leaf of the table without an id in use returns, wherever it lies. 0 is no id.
 *
 *     leaf = 4096 entries of one page:  | head (4) | slot or next free | slot or next free | ...
 *
 * Invariant: ids in use = sum over the leaves = records of the hash table, and the entry of each of
 * those records names that record.
 *
 * Threads: the caller's lock guards an id table. */
#ifndef HG_TSDB_ID_TABLE_H
#define HG_TSDB_ID_TABLE_H

#include "alloc/hash.h"

struct id_table {
    struct table slots;
    uint32_t open; /* the first leaf with a free id, plus 1; 0 = none has one */
    uint32_t n;    /* ids in use */
};

void id_table_init(struct id_table *t, unsigned owner);
void id_table_release(struct arena *a, struct id_table *t);

/* An id for the record in that slot; 0 without memory. */
uint32_t id_table_get(struct arena *a, struct id_table *t, slot record) WARN_UNUSED;

/* Takes back an id that is in use. Needs no memory. */
void id_table_put(struct arena *a, struct id_table *t, uint32_t id);

enum { ID_LEAF_SHIFT = 12, ID_LEAF_ENTRIES = 1 << ID_LEAF_SHIFT };

/* The entry of an id in use. */
static inline slot *id_table_entry(const struct arena *a, const struct id_table *t, uint32_t id)
{
    page_no leaf = table_leaf(a, &t->slots, id >> ID_LEAF_SHIFT);
    return (slot *)arena_page(a, leaf) + (id & (ID_LEAF_ENTRIES - 1));
}

/* Where the record of an id in use lies, and that it lies elsewhere now. */
static inline slot id_table_at(const struct arena *a, const struct id_table *t, uint32_t id)
{
    return *id_table_entry(a, t, id);
}

static inline void id_table_move(struct arena *a, struct id_table *t, uint32_t id, slot to)
{
    *id_table_entry(a, t, id) = to;
}

/* Recounts the table against the records of `records`, which have their id id_offset bytes from
 * their start. */
bool id_table_check(const struct arena *a, const struct id_table *t, const struct hash *records,
                    size_t id_offset);

#endif
