#include "snapshot/number_map.h"

#include "tests/support/random.h"
#include "tsdb/err.h"

#include <criterion/criterion.h>

enum { LIMIT_BYTES = 8 << 20 };

static struct budget budget;
static struct arena arena;
static unsigned owner;
static struct number_map map;

static void given_an_empty_map(void)
{
    budget_init(&budget, LIMIT_BYTES);
    cr_assert(arena_init(&arena, &budget, LIMIT_BYTES));
    owner = budget_owner(&budget, "snapshot");
    number_map_init(&map, &arena, owner);
}

static void release(void)
{
    number_map_release(&map);
    cr_assert_eq(atomic_load(&budget.rows[owner].bytes), 0);
    arena_release(&arena);
}

TestSuite(number_map, .init = given_an_empty_map, .fini = release);

Test(number_map, finds_what_was_added_and_nothing_else)
{
    enum { N = 20000 };
    static uint32_t numbers[N];
    struct random random;
    random_init(&random, random_seed());
    uint32_t number = 0;
    for (uint32_t i = 0; i < N; i++) {
        number += 1 + (uint32_t)random_below(&random, i % 2 ? 2 : 100000);
        numbers[i] = number;
        cr_assert_eq(number_map_add(&map, number, i * 3), 0);
    }
    cr_assert(number_map_check(&map));
    uint32_t series = 0;
    for (uint32_t i = 0; i < N; i++) { /* in order, as a window frame does */
        cr_assert(number_map_find(&map, numbers[i], &series));
        cr_assert_eq(series, i * 3);
    }
    for (int round = 0; round < N; round++) { /* in any order */
        uint32_t i = (uint32_t)random_below(&random, N);
        cr_assert(number_map_find(&map, numbers[i], &series));
        cr_assert_eq(series, i * 3);
        if (i > 0 && numbers[i - 1] + 1 < numbers[i])
            cr_assert_not(number_map_find(&map, numbers[i] - 1, &series));
    }
    cr_assert_not(number_map_find(&map, numbers[N - 1] + 1, &series));
    cr_assert_not(number_map_find(&map, 0, &series));
}

Test(number_map, an_empty_one_has_nothing)
{
    uint32_t series;
    cr_assert_not(number_map_find(&map, 0, &series));
}

Test(number_map, numbers_must_ascend)
{
    cr_assert_eq(number_map_add(&map, 5, 0), 0);
    cr_assert_eq(number_map_add(&map, 5, 1), ERR_CORRUPT);
    cr_assert_eq(number_map_add(&map, 4, 1), ERR_CORRUPT);
    cr_assert_eq(map.n, 1);
}

Test(number_map, out_of_memory_changes_nothing)
{
    cr_assert_eq(number_map_add(&map, 1, 10), 0);
    uint32_t n = 1;
    budget_fail_nth(&budget, 1);
    for (; number_map_add(&map, n + 1, 10) == 0; n++)
        ;
    uint32_t series;
    cr_assert_eq(map.n, n);
    cr_assert(number_map_find(&map, n, &series));
    cr_assert_eq(number_map_add(&map, n + 1, 10), 0);
    cr_assert(number_map_check(&map));
}

Test(number_map, the_check_sees_disorder)
{
    for (uint32_t i = 0; i < 10; i++)
        cr_assert_eq(number_map_add(&map, i, i), 0);
    cr_assert(number_map_check(&map));
    *(uint32_t *)table_at(&arena, &map.pairs, 4) = 9;
    cr_assert_not(number_map_check(&map));
}
