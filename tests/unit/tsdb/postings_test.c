#include "tests/support/random.h"
#include "tests/unit/alloc/test_arena.h"
#include "tsdb/postings.h"

#include <stdlib.h>
#include <string.h>

enum { IDS = 200000 };

static struct test_arena t;
static struct kind k;
static struct postings p;
static bool naive[IDS]; /* who is in the set */
static uint32_t n_naive;
static struct random random_state;

static void set_up(void)
{
    test_arena_init(&t, 64 << 20);
    kind_init(&k, t.owner);
    random_init(&random_state, random_seed());
}

static void tear_down(void)
{
    for (unsigned i = 0; i < KIND_POOLS; i++)
        pool_drop(&t.arena, &k.pools[i]);
    test_arena_release(&t);
}

TestSuite(postings, .init = set_up, .fini = tear_down);

static void add(uint32_t id)
{
    cr_assert(postings_add(&t.arena, &k, &p, id));
    naive[id] = true;
    n_naive++;
}

static void drop(uint32_t id)
{
    postings_remove(&t.arena, &k, &p, id);
    naive[id] = false;
    n_naive--;
}

static void compare(void)
{
    static uint32_t ids[IDS];
    cr_assert(postings_check(&t.arena, &p));
    cr_assert(kind_check(&t.arena, &k));
    cr_assert_eq(p.n, n_naive);
    postings_list(&t.arena, &p, ids);
    uint32_t i = 0;
    for (uint32_t id = 0; id < IDS; id++) {
        if (naive[id])
            cr_assert_eq(ids[i++], id);
        if (naive[id] != postings_contains(&t.arena, &p, id))
            cr_assert_fail("id %u", id);
    }
    cr_assert_eq(i, n_naive);
}

Test(postings, one_id_takes_no_memory)
{
    compare();
    add(77);
    compare();
    cr_assert_eq(test_arena_held(&t), 0);
    drop(77);
    compare();
    add(0);
    compare();
}

Test(postings, ascending_ids_cross_4096_and_65536)
{
    for (uint32_t id = 1; id < IDS; id++) {
        add(id);
        if ((id & 4095) < 3 || (id & 65535) < 3)
            compare();
    }
    cr_assert_lt(kind_used_bytes(&k), 4 * 8192 + 200, "bitmaps");
}

Test(postings, goes_down_to_none_and_leaves_nothing)
{
    for (uint32_t id = 1; id < 140000; id++)
        add(id);
    for (uint32_t id = 139999; id > 0; id--) {
        drop(id);
        if ((id & 4095) < 2 || id < 5)
            compare();
    }
    cr_assert_eq(p.n, 0);
    cr_assert_eq(kind_used_bytes(&k), 0);
}

Test(postings, removal_from_the_front_frees_containers)
{
    for (uint32_t id = 0; id < IDS; id++)
        add(id);
    for (uint32_t id = 0; id < IDS - 1; id++)
        drop(id);
    compare();
    cr_assert_eq(kind_used_bytes(&k), 0, "one id is itself");
    add(5);
    add(IDS - 2);
    compare();
}

Test(postings, scattered_ids_come_in_any_order)
{
    static const uint32_t ids[] = {130000, 5, 65536, 65535, 199999, 0, 131072, 131071, 70000};
    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        add(ids[i]);
        compare();
    }
    for (size_t i = ARRAY_LEN(ids); i-- > 0;) {
        drop(ids[i]);
        compare();
    }
    cr_assert_eq(kind_used_bytes(&k), 0);
}

Test(postings, agrees_with_a_plain_array_at_random)
{
    for (int round = 0; round < 8; round++) {
        /* each round aims at another density, so that arrays and bitmaps turn into each other */
        uint64_t target = round % 2 == 0 ? 90 : 2, spread = round < 4 ? 12000 : IDS;
        for (int i = 0; i < 40000; i++) {
            uint32_t id = (uint32_t)random_below(&random_state, spread);
            bool wants_it = random_below(&random_state, 100) < target;
            if (wants_it && !naive[id])
                add(id);
            else if (!wants_it && naive[id])
                drop(id);
        }
        compare();
    }
}

Test(postings, a_failed_add_changes_nothing)
{
    size_t n_failed = 0;
    for (uint32_t id = 1; id < 70000; id++) {
        if (id % 64 == 0 || (id & 4095) < 2 || id < 40) {
            arena_trim(&t.arena);
            for (unsigned i = 0; i < KIND_POOLS; i++) /* the free slots, too, shall be gone */
                while (pool_free_slots(&k.pools[i]) > 0)
                    cr_assert_neq(pool_get(&t.arena, &k.pools[i]), 0);
            t.budget.limit_bytes = atomic_load(&t.budget.used_bytes);
            struct postings before = p;
            if (postings_add(&t.arena, &k, &p, id)) {
                postings_remove(&t.arena, &k, &p, id);
            } else {
                n_failed++;
                cr_assert_eq(memcmp(&before, &p, sizeof(p)), 0);
            }
            cr_assert_eq(p.n, n_naive);
            cr_assert(postings_check(&t.arena, &p));
            cr_assert_not(postings_contains(&t.arena, &p, id));
            t.budget.limit_bytes = 64 << 20;
        }
        add(id);
    }
    cr_assert_gt(n_failed, 5);
    compare();
}

Test(postings, removal_needs_no_memory)
{
    for (uint32_t id = 0; id < 80000; id++)
        add(id);
    t.budget.limit_bytes = 0;
    for (uint32_t id = 0; id < 80000; id++)
        if (id % 3 != 0)
            drop(id);
    compare();
    for (uint32_t id = 0; id < 80000; id += 3)
        drop(id);
    compare();
    t.budget.limit_bytes = 64 << 20;
}

Test(postings, check_sees_damage)
{
    for (uint32_t id = 0; id < 70000; id += 2)
        add(id);
    cr_assert(postings_check(&t.arena, &p));
    const struct postings good = p;
    p.n++;
    cr_assert_not(postings_check(&t.arena, &p), "count");
    p = good;
    p.last = p.first;
    cr_assert_not(postings_check(&t.arena, &p), "last");
    p = good;
    uint32_t *n_of_first = (uint32_t *)slot_ptr(&t.arena, p.first) + 2;
    ++*n_of_first;
    cr_assert_not(postings_check(&t.arena, &p), "members of a container");
    --*n_of_first;
    uint64_t *words = slot_ptr(&t.arena, ((slot *)slot_ptr(&t.arena, p.first))[1]);
    words[3] ^= 2;
    cr_assert_not(postings_check(&t.arena, &p), "bits");
    words[3] ^= 2;
    cr_assert(postings_check(&t.arena, &p));
    struct postings alone = {.n = 1, .only = 5, .first = 3};
    cr_assert_not(postings_check(&t.arena, &alone));
}
