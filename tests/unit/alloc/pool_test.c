#include "alloc/pool.h"
#include "tests/support/random.h"
#include "tests/unit/alloc/test_arena.h"

#include <string.h>

enum { LIMIT = 64 << 20 };

static struct test_arena t;
static struct pool p;

static void set_up(void)
{
    test_arena_init(&t, LIMIT);
}

static void tear_down(void)
{
    test_arena_release(&t);
}

TestSuite(pool, .init = set_up, .fini = tear_down);

/* Every legal slot size: as many slots as a page holds, none overlapping, all given back. */
Test(pool, fills_a_page_exactly_for_every_size)
{
    for (size_t bytes = POOL_SLOT_BYTES_MIN; bytes <= POOL_SLOT_BYTES_MAX;
         bytes += POOL_SLOT_ALIGN) {
        static slot slots[ARENA_PAGE_BYTES / POOL_SLOT_BYTES_MIN];
        size_t n = ARENA_PAGE_BYTES / bytes;
        pool_init(&p, bytes, t.owner);
        for (size_t i = 0; i < n; i++) {
            slots[i] = pool_get(&t.arena, &p);
            cr_assert_neq(slots[i], 0);
            memset(slot_ptr(&t.arena, slots[i]), (int)(i % 251), bytes);
        }
        cr_assert_eq(p.n_pages, 1, "%zu bytes", bytes);
        cr_assert_eq(pool_free_slots(&p), 0);
        for (size_t i = 0; i < n; i++) {
            const unsigned char *s = slot_ptr(&t.arena, slots[i]);
            cr_assert_eq(s[0], i % 251);
            cr_assert_eq(s[bytes - 1], i % 251);
            pool_put(&t.arena, &p, slots[i]);
        }
        cr_assert_eq(p.n_used, 0);
        cr_assert(pool_check(&t.arena, &p));
        pool_drop(&t.arena, &p);
    }
}

Test(pool, returns_a_page_that_becomes_empty)
{
    slot slots[5 * 128];
    pool_init(&p, 128, t.owner);
    for (size_t i = 0; i < ARRAY_LEN(slots); i++)
        slots[i] = pool_get(&t.arena, &p);
    cr_assert_eq(p.n_pages, 5);
    for (size_t i = 0; i < ARRAY_LEN(slots); i++)
        pool_put(&t.arena, &p, slots[i]);
    cr_assert_eq(p.n_pages, 0);
    cr_assert_eq(test_arena_held(&t), 0);
}

Test(pool, reuses_a_freed_slot_before_it_grows)
{
    slot slots[128];
    pool_init(&p, 128, t.owner);
    for (size_t i = 0; i < ARRAY_LEN(slots); i++)
        slots[i] = pool_get(&t.arena, &p);
    pool_put(&t.arena, &p, slots[77]);
    cr_assert_eq(pool_get(&t.arena, &p), slots[77]);
    cr_assert_eq(p.n_pages, 1);
    pool_drop(&t.arena, &p);
}

Test(pool, drop_leaves_it_empty_and_usable)
{
    pool_init(&p, 256, t.owner);
    for (int i = 0; i < 1000; i++)
        cr_assert_neq(pool_get(&t.arena, &p), 0);
    pool_drop(&t.arena, &p);
    cr_assert_eq(test_arena_held(&t), 0);
    cr_assert_eq(p.n_pages + p.n_used, 0);

    cr_assert_neq(pool_get(&t.arena, &p), 0);
    cr_assert(pool_check(&t.arena, &p));
    pool_drop(&t.arena, &p);
}

Test(pool, a_refused_page_changes_nothing)
{
    pool_init(&p, 128, t.owner);
    budget_fail_nth(&t.budget, 1);
    cr_assert_eq(pool_get(&t.arena, &p), 0);
    cr_assert_eq(p.n_pages, 0);
    cr_assert(pool_check(&t.arena, &p));
    cr_assert_neq(pool_get(&t.arena, &p), 0);
    pool_drop(&t.arena, &p);
}

Test(pool, survives_any_order_of_get_and_put)
{
    enum { ROOM = 2000, ROUNDS = 60000 };
    static slot held[ROOM];
    struct random random;
    random_init(&random, random_seed());
    size_t n = 0;
    pool_init(&p, 384, t.owner);

    for (int round = 0; round < ROUNDS; round++) {
        bool wants_more = random_below(&random, ROOM) >= n;
        if (wants_more && n < ROOM) {
            held[n] = pool_get(&t.arena, &p);
            cr_assert_neq(held[n], 0);
            memset(slot_ptr(&t.arena, held[n]), 0xFF, 384);
            memcpy(slot_ptr(&t.arena, held[n]), &held[n], sizeof(slot));
            n++;
        } else if (n > 0) {
            size_t i = (size_t)random_below(&random, n);
            slot name;
            memcpy(&name, slot_ptr(&t.arena, held[i]), sizeof(name));
            cr_assert_eq(name, held[i], "nobody else wrote here");
            pool_put(&t.arena, &p, held[i]);
            held[i] = held[--n];
        }
        cr_assert_eq(p.n_used, n);
        if (round % 1000 == 0)
            cr_assert(pool_check(&t.arena, &p));
    }
    pool_drop(&t.arena, &p);
}

static void sees_damage(uint32_t *field)
{
    ++*field;
    cr_assert_not(pool_check(&t.arena, &p));
    --*field;
    cr_assert(pool_check(&t.arena, &p));
}

Test(pool, check_sees_every_count_that_is_wrong)
{
    slot slots[200];
    pool_init(&p, 128, t.owner);
    for (size_t i = 0; i < ARRAY_LEN(slots); i++)
        slots[i] = pool_get(&t.arena, &p);
    pool_put(&t.arena, &p, slots[10]);
    pool_put(&t.arena, &p, slots[11]);
    cr_assert(pool_check(&t.arena, &p));

    sees_damage(&p.n_used);
    sees_damage(&p.n_pages);
    page_no partial = p.partial;
    p.partial = 0;
    cr_assert_not(pool_check(&t.arena, &p), "a list that lost its pages");
    p.partial = partial;

    uint16_t wild = 9999; /* a freed slot that was written to afterwards */
    memcpy(slot_ptr(&t.arena, slots[11]), &wild, sizeof(wild));
    cr_assert_not(pool_check(&t.arena, &p));
    pool_drop(&t.arena, &p);
}
