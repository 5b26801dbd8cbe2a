/* A window with its slots, for the tests of what lies in it: rows, timelines, sheaves, chunks. */
#ifndef TESTS_UNIT_TSDB_TEST_CHUNK_H
#define TESTS_UNIT_TSDB_TEST_CHUNK_H

#include "tests/unit/alloc/test_arena.h"
#include "tests/unit/tsdb/test_samples.h"
#include "tsdb/chunk.h"
#include "tsdb/err.h"

#include <criterion/criterion.h>

enum { TEST_CHUNK_BYTES = 512 << 20, TEST_CHUNK_WINDOW_MS = 4 * 3600 * 1000 };

struct test_window {
    struct test_arena t;
    struct windows windows;
    struct window *w;
    struct slots slots;
    struct recent_timelines recent;
    struct recent_shared shared;
    struct times_memo memo;
    int64_t open_payload;
    struct times_item items[TIMES_CACHE_WRITER];
    struct times_cache times;
};

static inline void test_window_init(struct test_window *x)
{
    memset(x, 0, sizeof(*x));
    test_arena_init(&x->t, TEST_CHUNK_BYTES);
    windows_init(&x->windows, TEST_CHUNK_WINDOW_MS, x->t.owner, x->t.owner);
    slots_init(&x->slots, &x->t.arena, x->t.owner, x->t.owner);
    x->w = window_make(&x->windows, 7);
    times_cache_init(&x->times, x->items, TIMES_CACHE_WRITER);
}

static inline const struct arena *test_arena_of(const struct test_window *x)
{
    return &x->t.arena;
}

/* Drops every window's slots, and the heads and tails of their chunks. Nobody may be inside. */
static inline void test_window_expire(struct test_window *x)
{
    slots_drain(&x->slots);
    cr_assert(limbo_is_empty(&x->slots.limbo));
    cr_assert_eq(x->slots.n_promised, 0);
    cr_assert(windows_check(&x->t.arena, &x->windows));
    cr_assert(pool_check(&x->t.arena, &x->slots.open));
    pool_drop(&x->t.arena, &x->slots.open);
    x->slots.open_payload = 0;
    while (x->windows.n_live > 0)
        window_expire(&x->windows, window_live(&x->windows, 0));
    for (struct window *gone; (gone = window_expiring(&x->windows)) != NULL;)
        window_free(&x->t.arena, &x->windows, gone);
}

/* The same, and another window to go on with. */
static inline void test_window_renew(struct test_window *x)
{
    test_window_expire(x);
    x->w = window_make(&x->windows, 7);
    times_cache_init(&x->times, x->items, TIMES_CACHE_WRITER);
}

/* Also proves that nothing is held any more. */
static inline void test_window_release(struct test_window *x)
{
    test_window_expire(x);
    slots_release(&x->slots);
    arena_trim(&x->t.arena);
    test_arena_release(&x->t);
}

/* Slots in use, by class; what waits for readers that have left is put back first. */
static inline struct chunk_footprint test_window_used(struct test_window *x, const struct window *w)
{
    slots_drain(&x->slots);
    struct chunk_footprint f = {.payload_bytes = w->payload_bytes,
                                .open_payload_bytes = x->slots.open_payload,
                                .open_slots = x->slots.open.n_used};
    for (unsigned c = 0; c < SIZE_CLASSES; c++)
        f.slots[c] = w->classes[c].n_used;
    for (unsigned c = 0; c < CRUMB_SIZES; c++)
        f.crumbs[c] = w->crumbs[c].n_used;
    return f;
}

static inline void test_same_footprint(const struct chunk_footprint *a,
                                       const struct chunk_footprint *b, const char *what)
{
    for (unsigned c = 0; c < SIZE_CLASSES; c++)
        cr_assert_eq(a->slots[c], b->slots[c], "%s: %d and %d slots of class %u", what,
                     (int)a->slots[c], (int)b->slots[c], c + 1);
    for (unsigned c = 0; c < CRUMB_SIZES; c++)
        cr_assert_eq(a->crumbs[c], b->crumbs[c], "%s: %d and %d crumbs of %u bytes", what,
                     (int)a->crumbs[c], (int)b->crumbs[c], (c + 1) * CRUMB_STEP_BYTES);
    cr_assert_eq(a->open_slots, b->open_slots, "%s: %d and %d open slots", what, (int)a->open_slots,
                 (int)b->open_slots);
    cr_assert_eq(a->payload_bytes, b->payload_bytes, "%s: payload %lld and %lld", what,
                 (long long)a->payload_bytes, (long long)b->payload_bytes);
    cr_assert_eq(a->open_payload_bytes, b->open_payload_bytes, "%s: open payload %lld and %lld",
                 what, (long long)a->open_payload_bytes, (long long)b->open_payload_bytes);
}

/* Adds what the window's timelines take. */
static inline void test_add_timelines(const struct test_window *x, const struct window *w,
                                      struct chunk_footprint *io)
{
    for (slot t = w->last_timeline; t != 0; t = timeline_at(&x->t.arena, t)->before)
        timeline_add_footprint(&x->t.arena, t, io);
}

/* The same of its shared values. */
static inline void test_add_shared(const struct test_window *x, const struct window *w,
                                   struct chunk_footprint *io)
{
    for (slot s = w->last_shared; s != 0; s = shared_at(&x->t.arena, s)->before)
        shared_add_footprint(&x->t.arena, s, io);
}

/* ---- without memory ---- */

enum { TEST_DRY_HELD_MAX = 2048, TEST_DRY_ROOM = 200, TEST_POOLS = SIZE_CLASSES + CRUMB_SIZES + 1 };

static inline struct pool *test_pool(struct test_window *x, unsigned i)
{
    if (i < SIZE_CLASSES)
        return &x->w->classes[i];
    return i + 1 < TEST_POOLS ? &x->w->crumbs[i - SIZE_CLASSES] : &x->slots.open;
}

struct test_dry {
    slot held[TEST_POOLS][TEST_DRY_HELD_MAX];
    uint32_t n[TEST_POOLS];
};

static inline bool test_dry_take(struct test_window *x, struct test_dry *d, unsigned i)
{
    slot s = pool_get(&x->t.arena, test_pool(x, i));
    if (s == 0)
        return false;
    cr_assert_lt(d->n[i], TEST_DRY_HELD_MAX);
    d->held[i][d->n[i]++] = s;
    return true;
}

static inline void test_dry_put(struct test_window *x, struct test_dry *d, unsigned i)
{
    pool_put(&x->t.arena, test_pool(x, i), d->held[i][--d->n[i]]);
}

/* From here on there are n_left free slots in each pool, and no page more. with_limbo: there is
 * room for slots that are replaced. */
static inline void test_dry_begin(struct test_window *x, struct test_dry *d, uint32_t n_left,
                                  bool with_limbo)
{
    slots_drain(&x->slots);
    memset(d->n, 0, sizeof(d->n));
    for (unsigned i = 0; i < TEST_POOLS; i++)
        while (d->n[i] <= n_left)
            cr_assert(test_dry_take(x, d, i));
    if (with_limbo) { /* the room stays while anything is promised */
        cr_assert(slots_promise(&x->slots, TEST_DRY_ROOM));
        slots_unpromise(&x->slots, TEST_DRY_ROOM - 1);
    }
    arena_trim(&x->t.arena);
    x->t.budget.limit_bytes = atomic_load(&x->t.budget.used_bytes);
    for (unsigned i = 0; i < TEST_POOLS; i++) {
        while (test_dry_take(x, d, i))
            ;
        /* one at least stays: an empty page would go back */
        for (uint32_t k = 0; k < n_left; k++)
            test_dry_put(x, d, i);
    }
}

static inline void test_dry_end(struct test_window *x, struct test_dry *d, bool with_limbo)
{
    x->t.budget.limit_bytes = TEST_CHUNK_BYTES;
    if (with_limbo)
        slots_unpromise(&x->slots, 1);
    for (unsigned i = 0; i < TEST_POOLS; i++)
        while (d->n[i] > 0)
            test_dry_put(x, d, i);
    slots_drain(&x->slots);
}

#endif
