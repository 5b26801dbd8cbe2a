#include "alloc/table.h"
#include "tests/support/random.h"
#include "tests/unit/alloc/test_arena.h"

#include <string.h>

static struct test_arena t;
static struct table table;

static void set_up(void)
{
    test_arena_init(&t, 128 << 20);
    table_init(&table, sizeof(uint32_t), t.owner);
}

static void tear_down(void)
{
    table_release(&t.arena, &table);
    cr_assert_eq(table.n_pages, 0);
    test_arena_release(&t);
}

TestSuite(table, .init = set_up, .fini = tear_down);

static uint32_t value_at(uint64_t index)
{
    const uint32_t *item = table_at(&t.arena, &table, index);
    return item != NULL ? *item : 0;
}

static void put(uint64_t index, uint32_t value)
{
    uint32_t *item = table_make(&t.arena, &table, index);
    cr_assert_not_null(item);
    *item = value;
}

Test(table, takes_no_memory_before_its_first_item)
{
    cr_assert_null(table_at(&t.arena, &table, 0));
    cr_assert_null(table_at(&t.arena, &table, UINT64_MAX));
    table_clear_leaf(&t.arena, &table, 5);
    table_release(&t.arena, &table);
    cr_assert_eq(test_arena_held(&t), 0);
}

Test(table, has_no_more_levels_than_its_leaves_need)
{
    const uint64_t leaf = table.per_leaf, directory = leaf * 4096;
    put(1, 2);
    cr_assert_eq(table.n_pages, 1, "a leaf alone");
    put(leaf, 3);
    cr_assert_eq(table.n_pages, 3, "a directory and two leaves");
    put(directory - 1, 4);
    cr_assert_eq(table.n_pages, 4);
    put(directory, 5);
    cr_assert_eq(table.n_pages, 7, "a directory of directories, another one and its leaf");
    cr_assert(value_at(1) == 2 && value_at(leaf) == 3);
    cr_assert(value_at(directory - 1) == 4 && value_at(directory) == 5);
    cr_assert_null(table_at(&t.arena, &table, directory * 4096), "beyond what it can have");
    cr_assert_null(table_at(&t.arena, &table, UINT64_MAX));

    table_clear_leaf(&t.arena, &table, directory);
    cr_assert_eq(table.n_pages, 4);
    table_clear_leaf(&t.arena, &table, directory - 1);
    table_clear_leaf(&t.arena, &table, leaf);
    cr_assert_eq(table.n_pages, 1);
    cr_assert_eq(value_at(1), 2);
}

Test(table, may_begin_and_end_anywhere)
{
    const uint64_t far_away = (uint64_t)table.per_leaf * 4096 * 4095;
    put(far_away, 1);
    cr_assert_eq(table.n_pages, 3);
    put(0, 2);
    cr_assert_eq(table.n_pages, 5);
    table_clear_leaf(&t.arena, &table, 0);
    cr_assert_eq(table.n_pages, 3);
    cr_assert_eq(value_at(far_away), 1);
    table_clear_leaf(&t.arena, &table, far_away);
    cr_assert_eq(table.n_pages, 0);
    put(5, 3);
    cr_assert_eq(table.n_pages, 1);
}

Test(table, new_items_read_as_zero)
{
    put(10, 7);
    for (uint64_t i = 0; i < table.per_leaf; i++)
        cr_assert_eq(value_at(i), i == 10 ? 7 : 0);
}

Test(table, never_moves_an_item)
{
    uint32_t *first = table_make(&t.arena, &table, 3);
    for (uint64_t i = 0; i < 200000; i += 777)
        put(i, (uint32_t)i);
    cr_assert_eq((void *)first, table_at(&t.arena, &table, 3));
}

Test(table, works_for_items_of_every_size)
{
    for (size_t bytes = 1; bytes <= ARENA_PAGE_BYTES; bytes *= 2) {
        struct table sized;
        table_init(&sized, bytes, t.owner);
        char *a = table_make(&t.arena, &sized, 0), *b = table_make(&t.arena, &sized, 1);
        cr_assert(a != NULL && b != NULL);
        if (sized.per_leaf > 1)
            cr_assert_eq((size_t)(b - a), bytes);
        table_release(&t.arena, &sized);
    }
}

Test(table, clearing_returns_leaves_and_directories)
{
    uint64_t far_away = (uint64_t)table.per_leaf * 4096 * 3 + 1; /* under another directory */
    put(0, 1);
    put(table.per_leaf, 2);
    put(far_away, 3);
    cr_assert_eq(table.n_pages, 6);

    table_clear_leaf(&t.arena, &table, 5); /* any index of the leaf */
    cr_assert_eq(value_at(0), 0);
    cr_assert_eq(value_at(table.per_leaf), 2);
    cr_assert_eq(table.n_pages, 5);

    table_clear_leaf(&t.arena, &table, far_away);
    cr_assert_eq(table.n_pages, 2);
    table_clear_leaf(&t.arena, &table, table.per_leaf);
    cr_assert_eq(table.n_pages, 0);
    cr_assert_eq(table.root, 0);
}

Test(table, without_memory_nothing_is_left_behind)
{
    t.arena.retain_pages = 0;             /* retained pages would not ask the budget again */
    for (long nth = 1; nth <= 2; nth++) { /* directory, leaf */
        budget_fail_nth(&t.budget, nth);
        cr_assert_null(table_make(&t.arena, &table, 12345));
        cr_assert_eq(table.n_pages, 0);
    }
    budget_fail_nth(&t.budget, 0);
    put(1, 7);
    for (long nth = 1; nth <= 4; nth++) { /* two on top, a directory, a leaf */
        budget_fail_nth(&t.budget, nth);
        cr_assert_null(table_make(&t.arena, &table, (uint64_t)table.per_leaf * 5000));
        cr_assert_eq(table.n_pages, 1);
        cr_assert_eq(value_at(1), 7);
    }
    budget_fail_nth(&t.budget, 0);
    put((uint64_t)table.per_leaf * 5000, 8);
    cr_assert_eq(value_at(1), 7);
}

Test(table, agrees_with_a_plain_array)
{
    enum { N = 60000 };
    static uint32_t naive[N];
    struct random random;
    random_init(&random, random_seed());
    for (int round = 0; round < 20000; round++) {
        uint64_t i = random_below(&random, N);
        if (random_below(&random, 200) == 0) {
            table_clear_leaf(&t.arena, &table, i);
            uint64_t from = i / table.per_leaf * table.per_leaf;
            for (uint64_t k = from; k < from + table.per_leaf && k < N; k++)
                naive[k] = 0;
        } else {
            naive[i] = (uint32_t)random_next(&random);
            put(i, naive[i]);
        }
    }
    for (uint64_t i = 0; i < N; i++)
        cr_assert_eq(value_at(i), naive[i]);
}

Test(table, a_leaf_goes_with_the_last_item_that_is_held)
{
    for (uint64_t i = 0; i < 2 * table.per_leaf; i++)
        *(uint32_t *)table_hold(&t.arena, &table, i) = 7;
    cr_assert_eq(table_held(&t.arena, &table, 5), table.per_leaf);
    for (uint64_t i = 1; i < table.per_leaf; i++) {
        table_drop(&t.arena, &table, i);
        cr_assert_eq(value_at(i), 0);
        cr_assert_eq(table_held(&t.arena, &table, 0), table.per_leaf - i);
    }
    uint32_t n_pages = table.n_pages;
    cr_assert_eq(value_at(0), 7);
    table_drop(&t.arena, &table, 0);
    cr_assert_eq(table.n_pages, n_pages - 1);
    cr_assert_eq(table_held(&t.arena, &table, 0), 0);
    cr_assert_eq(table_held(&t.arena, &table, table.per_leaf), table.per_leaf);
    *(uint32_t *)table_hold(&t.arena, &table, 3) = 1;
    cr_assert_eq(table_held(&t.arena, &table, 3), 1, "a page that was used begins at none");
    cr_assert_eq(table_held(&t.arena, &table, (uint64_t)table.per_leaf << 20), 0, "out of range");
}

Test(table, a_leaf_begins_at_none_whatever_its_page_was)
{
    page_no page = arena_page_get(&t.arena, t.owner);
    memset(arena_meta(&t.arena, page), 0xff, ARENA_META_BYTES);
    arena_page_put(&t.arena, t.owner, page);
    cr_assert_neq((void *)table_hold(&t.arena, &table, 3), NULL);
    cr_assert_eq(table.root, page, "or this test shows nothing");
    cr_assert_eq(table_held(&t.arena, &table, 3), 1);
}

Test(table, without_memory_nothing_is_held)
{
    t.arena.retain_pages = 0;
    uint64_t far_away = (uint64_t)table.per_leaf * 5000;
    cr_assert_neq((void *)table_hold(&t.arena, &table, 0), NULL);
    for (long nth = 1; nth <= 3; nth++) {
        budget_fail_nth(&t.budget, nth);
        cr_assert_eq((void *)table_hold(&t.arena, &table, far_away), NULL);
        cr_assert_eq(table_held(&t.arena, &table, far_away), 0);
        cr_assert_eq(table.n_pages, 1);
    }
    budget_fail_nth(&t.budget, 0);
}
