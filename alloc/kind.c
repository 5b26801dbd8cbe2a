/* Sizes of records, and moving them together.
 *
 * Compaction empties one page of a pool at a time. It is worth beginning when the pool has a page's
 * worth of free slots in its partly used pages: then whichever page is chosen, its records fit into
 * the others, and no page is taken. The page is out of allocation from then on, so each move brings
 * it nearer to its return, which comes with its last slot: at once without readers, after a drain
 * of the limbo with them. Slots that wait in the limbo look used; they are subtracted from what is
 * to be moved, so that the owner is never asked for a record that is gone already.
 *
 * It ends: each page chosen is either emptied, which leaves one page fewer, or refused, and then
 * not chosen again before kind_retry. (Had a put or a get ended a refusal, two pages with a record
 * each that has to stay could send their others to and fro.)
 *
 * Rejected: the fullest page as target (needs pages sorted by use; the emptiest as source does
 * nearly as well, since a target is filled before the next is begun); compacting in kind_put (a
 * hot path that would call the owner back).
 */
#include "alloc/kind.h"

#include <string.h>

enum { FINE_STEP = 16, FINE_SIZES = 8, FINE_MAX = FINE_STEP * FINE_SIZES };

/* The pool's number for a size: 16 .. 128 in steps of 16, then 160 192 224 256 | 320 384 448 512 |
 * ... | 8192. */
static unsigned index_of(size_t bytes)
{
    assert(bytes >= 1 && bytes <= KIND_BYTES_MAX);
    if (bytes <= FINE_MAX)
        return (unsigned)((bytes - 1) / FINE_STEP);
    unsigned doubling = 31u - (unsigned)__builtin_clz((unsigned)(bytes - 1)) - 7u;
    size_t base = (size_t)FINE_MAX << doubling;
    return FINE_SIZES + doubling * 4 + (unsigned)((bytes - 1 - base) / (base / 4));
}

static size_t size_of(unsigned index)
{
    if (index < FINE_SIZES)
        return (size_t)(index + 1) * FINE_STEP;
    size_t base = (size_t)FINE_MAX << (index - FINE_SIZES) / 4;
    return base + base / 4 * ((index - FINE_SIZES) % 4 + 1);
}

/* The same for a fine kind: steps up to a thirty-second of a page, then by how many fit a page. */
enum { FINE_KIND_STEPS = 32, FINE_KIND_MAX = FINE_STEP * FINE_KIND_STEPS };

_Static_assert(FINE_KIND_MAX * 32 == ARENA_PAGE_BYTES, "31 of the next size fit a page");

static unsigned fine_index_of(size_t bytes)
{
    assert(bytes >= 1 && bytes <= KIND_BYTES_MAX);
    if (bytes <= FINE_KIND_MAX)
        return (unsigned)((bytes - 1) / FINE_STEP);
    unsigned per_page = (unsigned)(ARENA_PAGE_BYTES / align_up(bytes, FINE_STEP));
    return FINE_KIND_STEPS + (31 - per_page);
}

static size_t fine_size_of(unsigned index)
{
    if (index < FINE_KIND_STEPS)
        return (size_t)(index + 1) * FINE_STEP;
    return ARENA_PAGE_BYTES / (31 - (index - FINE_KIND_STEPS)) / FINE_STEP * FINE_STEP;
}

void kind_init(struct kind *k, unsigned owner)
{
    k->n_pools = KIND_POOLS;
    for (unsigned i = 0; i < KIND_POOLS; i++)
        pool_init(&k->pools[i], size_of(i), owner);
}

void kind_init_fine(struct kind *k, unsigned owner)
{
    k->n_pools = KIND_POOLS_FINE;
    for (unsigned i = 0; i < KIND_POOLS_FINE; i++)
        pool_init(&k->pools[i], fine_size_of(i), owner);
}

void kind_drop(struct arena *a, struct kind *k)
{
    for (unsigned i = 0; i < k->n_pools; i++)
        pool_drop(a, &k->pools[i]);
}

static unsigned pool_of(const struct kind *k, size_t bytes)
{
    return k->n_pools == KIND_POOLS ? index_of(bytes) : fine_index_of(bytes);
}

struct pool *kind_pool(struct kind *k, size_t bytes)
{
    return &k->pools[pool_of(k, bytes)];
}

size_t kind_size(const struct kind *k, size_t bytes)
{
    return k->pools[pool_of(k, bytes)].slot_bytes;
}

slot kind_get(struct arena *a, struct kind *k, size_t bytes)
{
    return pool_get(a, kind_pool(k, bytes));
}

void kind_put(struct arena *a, struct kind *k, slot s, size_t bytes)
{
    pool_put(a, kind_pool(k, bytes), s);
}

size_t kind_slot_bytes(size_t bytes)
{
    return size_of(index_of(bytes));
}

size_t kind_pages(const struct kind *k)
{
    size_t n = 0;
    for (unsigned i = 0; i < k->n_pools; i++)
        n += k->pools[i].n_pages;
    return n;
}

size_t kind_used_bytes(const struct kind *k)
{
    size_t n = 0;
    for (unsigned i = 0; i < k->n_pools; i++)
        n += (size_t)k->pools[i].n_used * k->pools[i].slot_bytes;
    return n;
}

size_t kind_free_bytes(const struct kind *k)
{
    return kind_pages(k) * ARENA_PAGE_BYTES - kind_used_bytes(k);
}

bool kind_check(const struct arena *a, const struct kind *k)
{
    for (unsigned i = 0; i < k->n_pools; i++)
        if (!pool_check(a, &k->pools[i]))
            return false;
    return true;
}

/* ---- moving records ---- */

struct compaction {
    struct arena *arena;
    struct kind *kind;
    struct limbo *limbo; /* or NULL */
    kind_move move;
    void *ctx;
    size_t tries_left, pages_left;
    size_t n_moved;
};

enum fate { MOVED, STAYS, NO_ROOM };

static bool has_much_free(const struct kind *k)
{
    size_t bytes = 0, free_bytes = 0;
    for (unsigned i = 0; i < k->n_pools; i++) {
        const struct pool *p = &k->pools[i];
        bytes += (size_t)(p->n_pages - p->n_leaving) * ARENA_PAGE_BYTES;
        free_bytes += (pool_free_slots(p) - p->n_leaving_free) * p->slot_bytes;
    }
    return free_bytes * 100 > bytes * KIND_FREE_SHARE_MAX;
}

bool kind_wants_compaction(const struct kind *k)
{
    bool has_candidate = false;
    for (unsigned i = 0; i < k->n_pools; i++) {
        const struct pool *p = &k->pools[i];
        if (p->is_vacating)
            return true;
        has_candidate = has_candidate || (!p->is_stuck && pool_can_shrink(p));
    }
    return has_candidate && has_much_free(k);
}

static enum fate move_record(struct compaction *c, struct pool *p, slot from)
{
    if (p->partial == 0)
        return NO_ROOM;
    if (c->limbo != NULL && !limbo_reserve(c->limbo, 1)) {
        c->tries_left = 0;
        return NO_ROOM;
    }
    slot to = pool_get(c->arena, p);
    ENSURE(to != 0);
    memcpy(slot_ptr(c->arena, to), slot_ptr(c->arena, from), p->slot_bytes);
    if (!c->move(c->ctx, from, to)) {
        pool_put(c->arena, p, to);
        return STAYS;
    }
    if (c->limbo != NULL)
        limbo_add(c->limbo, p, from);
    else
        pool_put(c->arena, p, from);
    c->n_moved++;
    return MOVED;
}

/* Moves what is left of the page that the pool is vacating. */
static void go_on_vacating(struct compaction *c, struct pool *p)
{
    page_no page = p->leaving;
    struct slot_set to_move;
    pool_used_slots(c->arena, p, page, &to_move);
    if (c->limbo != NULL)
        limbo_subtract(c->limbo, p, page, &to_move);
    for (unsigned i = 0; i < p->slots_per_page; i++) {
        if ((to_move.bits[i / 64] >> i % 64 & 1) == 0)
            continue;
        if (c->tries_left == 0)
            return;
        c->tries_left--;
        enum fate fate = move_record(c, p, pool_slot_name(p, page, i));
        if (fate != MOVED) {
            pool_readmit(c->arena, p, fate == STAYS);
            return;
        }
    }
    if (p->is_vacating)
        pool_vacated(p);
}

static void compact_pool(struct compaction *c, struct pool *p)
{
    while (c->tries_left > 0 && c->pages_left > 0) {
        if (!p->is_vacating) {
            if (!pool_can_shrink(p) || !has_much_free(c->kind))
                return;
            page_no page = pool_emptiest(c->arena, p);
            if (page == 0)
                return;
            pool_vacate(c->arena, p, page);
        }
        c->pages_left--;
        go_on_vacating(c, p);
    }
}

size_t kind_compact(struct arena *a, struct kind *k, struct limbo *l, kind_move move, void *ctx,
                    size_t max_records)
{
    if (l != NULL && limbo_waiting(l) >= KIND_WAITING_MAX)
        return 0;
    struct compaction c = {.arena = a,
                           .kind = k,
                           .limbo = l,
                           .move = move,
                           .ctx = ctx,
                           .tries_left = max_records,
                           .pages_left = max_records};
    for (unsigned i = 0; i < k->n_pools; i++)
        compact_pool(&c, &k->pools[i]);
    return c.n_moved;
}

void kind_retry(struct kind *k)
{
    for (unsigned i = 0; i < k->n_pools; i++)
        pool_forget_refusals(&k->pools[i]);
}
