#include "tsdb/row.h"

#include <string.h>

static uint32_t per_first(uint32_t item_bytes)
{
    return ROW_FIRST_BYTES / item_bytes;
}

static uint32_t per_leaf(uint32_t item_bytes)
{
    return ROW_LEAF_BYTES / item_bytes;
}

/* Levels of nodes above the leaves of a row of n items. */
static unsigned height_of(uint32_t item_bytes, uint64_t n)
{
    uint64_t leaf = per_leaf(item_bytes);
    return n <= leaf ? 0 : n <= leaf * ROW_FANOUT ? 1 : 2;
}

/* The leaves below one handle of a node at that height. */
static uint32_t leaves_below(unsigned height)
{
    return height == 2 ? ROW_FANOUT : 1;
}

static slot *node_at(const struct arena *a, slot s)
{
    return slot_ptr(a, s);
}

static slot leaf_of(const struct arena *a, const struct row *r, uint32_t item_bytes, uint32_t leaf)
{
    slot s = r->root;
    for (unsigned h = height_of(item_bytes, r->n); h > 0; h--) {
        uint32_t below = leaves_below(h);
        s = node_at(a, s)[leaf / below];
        leaf %= below;
    }
    return s;
}

const void *row_at(const struct arena *a, const struct row *r, uint32_t item_bytes, uint32_t i)
{
    assert(i < r->n);
    uint32_t per = per_leaf(item_bytes);
    const char *leaf = slot_ptr(a, leaf_of(a, r, item_bytes, i / per));
    return leaf + (size_t)(i % per) * item_bytes;
}

/* The first slot is outgrown: its items move to a leaf of full size. */
static bool widen(struct change *c, struct row *r)
{
    slot leaf = change_take(c, ROW_LEAF_BYTES);
    if (leaf == 0)
        return false;
    memcpy(slot_ptr(c->slots->arena, leaf), slot_ptr(c->slots->arena, r->root), ROW_FIRST_BYTES);
    change_replace(c, r->root);
    r->root = leaf;
    return true;
}

static slot new_node(struct change *c, slot first)
{
    slot node = change_take(c, ROW_LEAF_BYTES);
    if (node != 0)
        node_at(c->slots->arena, node)[0] = first;
    return node;
}

/* A leaf for item r->n, the first of it, entered in the tree; 0 without memory. */
static slot grow(struct change *c, struct row *r, uint32_t item_bytes)
{
    const struct arena *a = c->slots->arena;
    uint32_t leaf = r->n / per_leaf(item_bytes);
    slot made = change_take(c, ROW_LEAF_BYTES);
    if (made == 0)
        return 0;
    unsigned now = height_of(item_bytes, r->n), then = height_of(item_bytes, (uint64_t)r->n + 1);
    if (then > now) {
        slot root = new_node(c, r->root);
        if (root == 0)
            return 0;
        r->root = root;
    }
    slot node = r->root;
    if (then == 2) {
        if (leaf % ROW_FANOUT == 0) {
            slot lower = new_node(c, made);
            node_at(a, node)[leaf / ROW_FANOUT] = lower;
            return lower != 0 ? made : 0;
        }
        node = node_at(a, node)[leaf / ROW_FANOUT];
    }
    node_at(a, node)[leaf % ROW_FANOUT] = made;
    return made;
}

bool row_append(struct change *c, struct row *r, uint32_t item_bytes, const void *item)
{
    const struct arena *a = c->slots->arena;
    uint32_t per = per_leaf(item_bytes);
    if (r->n >= row_max(item_bytes)) {
        c->has_failed = true;
        return false;
    }
    slot leaf;
    if (r->n == 0)
        leaf = r->root = change_take(c, ROW_FIRST_BYTES);
    else if (r->n == per_first(item_bytes))
        leaf = widen(c, r) ? r->root : 0;
    else if (r->n % per == 0)
        leaf = grow(c, r, item_bytes);
    else
        leaf = leaf_of(a, r, item_bytes, r->n / per);
    if (leaf == 0)
        return false;
    memcpy((char *)slot_ptr(a, leaf) + (size_t)(r->n % per) * item_bytes, item, item_bytes);
    r->n++;
    return true;
}

/* A copy of a slot of the row, which it replaces. */
static slot copy_slot(struct change *c, slot s)
{
    size_t bytes = pool_slot_bytes_at(c->slots->arena, s);
    slot made = change_take(c, bytes);
    if (made == 0)
        return 0;
    memcpy(slot_ptr(c->slots->arena, made), slot_ptr(c->slots->arena, s), bytes);
    change_replace(c, s);
    return made;
}

bool row_replace(struct change *c, struct row *r, uint32_t item_bytes, uint32_t i, const void *item)
{
    assert(i < r->n);
    uint32_t per = per_leaf(item_bytes), leaf = i / per;
    slot *link = &r->root;
    for (unsigned h = height_of(item_bytes, r->n); h > 0; h--) {
        slot node = copy_slot(c, *link);
        if (node == 0)
            return false;
        *link = node;
        uint32_t below = leaves_below(h);
        link = &node_at(c->slots->arena, node)[leaf / below];
        leaf %= below;
    }
    slot made = copy_slot(c, *link);
    if (made == 0)
        return false;
    *link = made;
    memcpy((char *)slot_ptr(c->slots->arena, made) + (size_t)(i % per) * item_bytes, item,
           item_bytes);
    return true;
}

/* ---- cutting ---- */

struct cut {
    struct change *change;
    const struct row *old;
    uint32_t item_bytes, n;
};

/* The node of height 1 that leaf belongs to. */
static slot lower_node(const struct cut *k, uint32_t leaf)
{
    const struct arena *a = k->change->slots->arena;
    bool is_root = height_of(k->item_bytes, k->old->n) == 1;
    return is_root ? k->old->root : node_at(a, k->old->root)[leaf / ROW_FANOUT];
}

static slot cut_leaf(const struct cut *k, uint32_t leaf)
{
    const struct arena *a = k->change->slots->arena;
    bool is_first = k->n <= per_first(k->item_bytes);
    slot made = change_take(k->change, is_first ? ROW_FIRST_BYTES : ROW_LEAF_BYTES);
    uint32_t n = k->n - leaf * per_leaf(k->item_bytes);
    if (made != 0)
        memcpy(slot_ptr(a, made), slot_ptr(a, leaf_of(a, k->old, k->item_bytes, leaf)),
               (size_t)n * k->item_bytes);
    return made;
}

/* A node with the first n handles of an old one and one more. */
static slot cut_node(const struct cut *k, slot old, uint32_t n, slot last)
{
    const struct arena *a = k->change->slots->arena;
    slot made = change_take(k->change, ROW_LEAF_BYTES);
    if (made == 0)
        return 0;
    memcpy(slot_ptr(a, made), slot_ptr(a, old), n * sizeof(slot));
    node_at(a, made)[n] = last;
    return made;
}

/* Leaves from `leaf` on, and the nodes that do not stay. */
static void replace_rest(const struct cut *k, uint32_t leaf, unsigned height)
{
    const struct arena *a = k->change->slots->arena;
    uint32_t per = per_leaf(k->item_bytes), n_leaves = (k->old->n + per - 1) / per;
    unsigned height_before = height_of(k->item_bytes, k->old->n);
    for (uint32_t i = leaf; i < n_leaves; i++)
        change_replace(k->change, leaf_of(a, k->old, k->item_bytes, i));
    uint32_t node = height == 2 ? leaf / ROW_FANOUT : 0;
    for (; height_before == 2 && node * ROW_FANOUT < n_leaves; node++)
        change_replace(k->change, node_at(a, k->old->root)[node]);
    if (height_before > 0)
        change_replace(k->change, k->old->root);
}

bool row_cut(struct change *c, struct row *r, uint32_t item_bytes, uint32_t n)
{
    const struct row old = *r;
    const struct cut k = {c, &old, item_bytes, n};
    assert(n <= old.n);
    if (n == old.n)
        return true;
    uint32_t leaf = n > 0 ? (n - 1) / per_leaf(item_bytes) : 0;
    unsigned height = height_of(item_bytes, n);
    slot root = n > 0 ? cut_leaf(&k, leaf) : 0;
    if (height > 0 && root != 0)
        root = cut_node(&k, lower_node(&k, leaf), leaf % ROW_FANOUT, root);
    if (height == 2 && root != 0)
        root = cut_node(&k, old.root, leaf / ROW_FANOUT, root);
    replace_rest(&k, leaf, height);
    *r = (struct row){root, n};
    return !c->has_failed;
}

uint32_t row_each_slot(const struct arena *a, const struct row *r, uint32_t item_bytes,
                       void (*visit)(void *ctx, slot s), void *ctx)
{
    if (r->n == 0)
        return 0;
    uint32_t per = per_leaf(item_bytes), n_leaves = (r->n + per - 1) / per, n = 0;
    for (uint32_t i = 0; i < n_leaves; i++, n++)
        if (visit != NULL)
            visit(ctx, leaf_of(a, r, item_bytes, i));
    unsigned height = height_of(item_bytes, r->n);
    for (uint32_t i = 0; height == 2 && i * ROW_FANOUT < n_leaves; i++, n++)
        if (visit != NULL)
            visit(ctx, node_at(a, r->root)[i]);
    if (height > 0) {
        n++;
        if (visit != NULL)
            visit(ctx, r->root);
    }
    return n;
}
