#include "alloc/kind.h"
#include "tests/unit/alloc/test_arena.h"

#include <string.h>

static struct test_arena t;
static struct kind k;

static void set_up(void)
{
    test_arena_init(&t, 64 << 20);
    kind_init(&k, t.owner);
}

static void tear_down(void)
{
    for (unsigned i = 0; i < KIND_POOLS; i++)
        pool_drop(&t.arena, &k.pools[i]);
    test_arena_release(&t);
}

TestSuite(kind, .init = set_up, .fini = tear_down);

/* The smallest size of the table in kind.h that holds n bytes, found by walking it. */
static size_t naive_slot_bytes(size_t n)
{
    size_t size = 16;
    while (size < n && size < 128)
        size += 16;
    for (size_t base = 128; size < n; base *= 2)
        for (size_t step = 1; step <= 4 && size < n; step++)
            size = base + base / 4 * step;
    return size;
}

Test(kind, rounds_every_size_as_its_table_says)
{
    for (size_t n = 1; n <= KIND_BYTES_MAX; n++)
        cr_assert_eq(kind_slot_bytes(n), naive_slot_bytes(n), "%zu bytes", n);
    cr_assert_eq(kind_slot_bytes(KIND_BYTES_MAX), (size_t)KIND_BYTES_MAX);
}

Test(kind, wastes_less_than_a_fifth_beyond_128_bytes)
{
    for (size_t n = 129; n <= KIND_BYTES_MAX; n++)
        cr_assert_lt((kind_slot_bytes(n) - n) * 5, kind_slot_bytes(n), "%zu bytes", n);
}

/* The smallest of the sizes in kind.h: steps of 16 bytes up to 512, then whole shares of a page. */
static size_t naive_fine_bytes(size_t n)
{
    size_t size = 16;
    while (size < n && size < 512)
        size += 16;
    for (size_t per_page = 31; size < n; per_page--)
        size = ARENA_PAGE_BYTES / per_page / 16 * 16;
    return size;
}

Test(kind, a_fine_one_has_all_sizes_that_make_a_difference)
{
    struct kind fine;
    kind_init_fine(&fine, t.owner);
    for (size_t n = 1; n <= KIND_BYTES_MAX; n++) {
        cr_assert_eq(kind_size(&fine, n), naive_fine_bytes(n), "%zu bytes", n);
        cr_assert_eq(kind_pool(&fine, n)->slot_bytes, naive_fine_bytes(n), "%zu bytes", n);
        cr_assert_eq(kind_size(&k, n), kind_slot_bytes(n));
    }
    for (unsigned i = 1; i < fine.n_pools; i++)
        cr_assert_gt(fine.pools[i].slot_bytes, fine.pools[i - 1].slot_bytes, "no size is double");
    cr_assert_eq(fine.pools[fine.n_pools - 1].slot_bytes, KIND_BYTES_MAX);
    slot a = kind_get(&t.arena, &fine, KIND_BYTES_MAX), b = kind_get(&t.arena, &fine, 913);
    cr_assert(a != 0 && b != 0);
    cr_assert_eq(kind_used_bytes(&fine), KIND_BYTES_MAX + 960);
    cr_assert(kind_check(&t.arena, &fine));
    fine.pools[fine.n_pools - 1].n_used++;
    cr_assert_not(kind_check(&t.arena, &fine), "the last pool as well");
    kind_drop(&t.arena, &fine);
    cr_assert_eq(kind_pages(&fine), 0);
}

Test(kind, gives_slots_that_hold_what_was_asked)
{
    for (size_t n = 1; n <= KIND_BYTES_MAX; n += 13) {
        slot a = kind_get(&t.arena, &k, n), b = kind_get(&t.arena, &k, n);
        cr_assert(a != 0 && b != 0 && a != b);
        memset(slot_ptr(&t.arena, a), 1, n);
        memset(slot_ptr(&t.arena, b), 2, n);
        cr_assert_eq(((char *)slot_ptr(&t.arena, a))[n - 1], 1);
        kind_put(&t.arena, &k, a, n);
        kind_put(&t.arena, &k, b, n);
    }
    cr_assert_eq(kind_used_bytes(&k), 0);
    cr_assert(kind_check(&t.arena, &k));
}

Test(kind, names_the_pool_of_each_size)
{
    for (size_t n = 1; n <= KIND_BYTES_MAX; n++)
        cr_assert_eq(kind_pool(&k, n)->slot_bytes, kind_slot_bytes(n));
}

Test(kind, sums_over_its_pools)
{
    slot a = kind_get(&t.arena, &k, 10), b = kind_get(&t.arena, &k, 5000);
    cr_assert(a != 0 && b != 0);
    cr_assert_eq(kind_pages(&k), 2);
    cr_assert_eq(kind_used_bytes(&k), 16 + 5120);
    cr_assert_eq(kind_free_bytes(&k), 2 * ARENA_PAGE_BYTES - 16 - 5120);
    cr_assert_eq(test_arena_held(&t), 2 * ARENA_PAGE_BYTES);
}

Test(kind, check_sees_a_damaged_pool)
{
    slot a = kind_get(&t.arena, &k, 40);
    cr_assert(kind_check(&t.arena, &k));
    k.pools[2].n_used++;
    cr_assert_not(kind_check(&t.arena, &k));
    k.pools[2].n_used--;
    kind_put(&t.arena, &k, a, 40);
}
