#include "alloc/budget.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>

static struct budget made_budget(size_t limit_bytes)
{
    struct budget b;
    budget_init(&b, limit_bytes);
    return b;
}

Test(budget, takes_up_to_the_limit_and_not_a_byte_more)
{
    struct budget b = made_budget(100);
    unsigned owner = budget_owner(&b, "a");

    cr_assert(budget_take(&b, owner, 99));
    cr_assert_not(budget_take(&b, owner, 2));
    cr_assert(budget_take(&b, owner, 1));
    cr_assert_not(budget_take(&b, owner, 1));

    cr_assert_eq(atomic_load(&b.used_bytes), 100);
    cr_assert_eq(atomic_load(&b.n_refused), 2);
    cr_assert(budget_check(&b));
}

Test(budget, refuses_what_would_overflow_the_sum)
{
    struct budget b = made_budget(SIZE_MAX);
    unsigned owner = budget_owner(&b, "a");

    cr_assert(budget_take(&b, owner, SIZE_MAX - 1));
    cr_assert_not(budget_take(&b, owner, SIZE_MAX));
    cr_assert_not(budget_take(&b, owner, 2));
    cr_assert_eq(atomic_load(&b.used_bytes), SIZE_MAX - 1);
}

Test(budget, zero_bytes_fit_a_full_budget)
{
    struct budget b = made_budget(1);
    unsigned owner = budget_owner(&b, "a");
    cr_assert(budget_take(&b, owner, 1));
    cr_assert(budget_take(&b, owner, 0));
}

Test(budget, names_an_owner_once)
{
    struct budget b = made_budget(10);
    unsigned chunks = budget_owner(&b, "chunks"), series = budget_owner(&b, "series");

    cr_assert_neq(chunks, series);
    cr_assert_eq(budget_owner(&b, "chunks"), chunks);
    cr_assert_eq(b.n_rows, 2);
}

Test(budget, keeps_a_row_for_each_owner)
{
    struct budget b = made_budget(100);
    unsigned x = budget_owner(&b, "x"), y = budget_owner(&b, "y");

    cr_assert(budget_take(&b, x, 30));
    cr_assert(budget_take(&b, y, 50));
    budget_give(&b, x, 10);
    budget_move(&b, y, x, 25);

    cr_assert_eq(atomic_load(&b.rows[x].bytes), 45);
    cr_assert_eq(atomic_load(&b.rows[y].bytes), 25);
    cr_assert_eq(atomic_load(&b.rows[x].peak_bytes), 45);
    cr_assert_eq(atomic_load(&b.rows[y].peak_bytes), 50);
    cr_assert_eq(atomic_load(&b.used_bytes), 70);
    cr_assert_eq(atomic_load(&b.peak_bytes), 80);
    cr_assert(budget_check(&b));
}

Test(budget, fails_the_nth_take_once)
{
    struct budget b = made_budget(100);
    unsigned owner = budget_owner(&b, "a");

    budget_fail_nth(&b, 3);
    cr_assert(budget_take(&b, owner, 1));
    cr_assert(budget_take(&b, owner, 1));
    cr_assert_not(budget_take(&b, owner, 1));
    cr_assert(budget_take(&b, owner, 1));
    cr_assert_eq(atomic_load(&b.used_bytes), 3);

    budget_fail_nth(&b, 1);
    budget_fail_nth(&b, 0);
    cr_assert(budget_take(&b, owner, 1), "switched off again");
}

Test(budget, giving_more_than_is_held_ends_the_process, .signal = SIGABRT)
{
    struct budget b = made_budget(100);
    unsigned owner = budget_owner(&b, "a"), other = budget_owner(&b, "b");
    cr_assert(budget_take(&b, other, 50));
    budget_give(&b, owner, 1);
}

Test(budget, one_owner_too_many_ends_the_process, .signal = SIGABRT)
{
    static char names[BUDGET_OWNERS_MAX + 1][8];
    struct budget b = made_budget(100);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        snprintf(names[i], sizeof(names[i]), "o%zu", i);
        (void)budget_owner(&b, names[i]);
    }
}

Test(budget, check_sees_a_row_that_does_not_add_up)
{
    struct budget b = made_budget(100);
    unsigned owner = budget_owner(&b, "a");
    cr_assert(budget_take(&b, owner, 10));
    cr_assert(budget_check(&b));

    atomic_fetch_add(&b.rows[owner].bytes, 1);
    cr_assert_not(budget_check(&b));
}

Test(budget, check_sees_more_used_than_the_limit)
{
    struct budget b = made_budget(100);
    unsigned owner = budget_owner(&b, "a");
    cr_assert(budget_take(&b, owner, 100));
    b.limit_bytes = 99;
    cr_assert_not(budget_check(&b));
}
