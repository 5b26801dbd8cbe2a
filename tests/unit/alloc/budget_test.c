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

struct hoard {
    struct budget *b;
    unsigned owner;
    size_t step; /* released at a time */
    int n_asked;
};

static bool release_some(void *ctx, size_t bytes)
{
    struct hoard *h = ctx;
    size_t n = size_min(size_min(bytes, h->step), atomic_load(&h->b->rows[h->owner].bytes));
    h->n_asked++;
    budget_give(h->b, h->owner, n);
    return n > 0;
}

Test(budget, the_reserve_is_asked_before_a_take_is_refused)
{
    struct budget b = made_budget(100);
    unsigned owner = budget_owner(&b, "a");
    struct hoard hoard = {.b = &b, .owner = budget_owner(&b, "reserve"), .step = 10};
    budget_set_reserve(&b, (struct budget_reserve){release_some, &hoard});
    cr_assert(budget_take(&b, hoard.owner, 50));

    cr_assert(budget_take(&b, owner, 50));
    cr_assert_eq(hoard.n_asked, 0, "there was room");
    cr_assert(budget_take(&b, owner, 25));
    cr_assert_eq(atomic_load(&b.rows[hoard.owner].bytes), 20, "as much as was needed");
    cr_assert_eq(atomic_load(&b.n_refused), 0);
    budget_fail_nth(&b, 1);
    cr_assert_not(budget_take(&b, owner, 1));
    cr_assert_eq(atomic_load(&b.rows[hoard.owner].bytes), 20, "a test's refusal is one");
    cr_assert_not(budget_take(&b, owner, 101));
    cr_assert_eq(atomic_load(&b.rows[hoard.owner].bytes), 20, "in vain");
    cr_assert_not(budget_take(&b, owner, 26));
    cr_assert_eq(atomic_load(&b.n_refused), 3);
    cr_assert_eq(atomic_load(&b.rows[owner].bytes), 75);
    cr_assert(budget_check(&b));
}

Test(budget, a_caller_may_bring_a_reserve_of_its_own)
{
    struct budget b = made_budget(100);
    unsigned owner = budget_owner(&b, "a");
    struct hoard common = {.b = &b, .owner = budget_owner(&b, "common"), .step = 100};
    struct hoard own = {.b = &b, .owner = budget_owner(&b, "own"), .step = 100};
    budget_set_reserve(&b, (struct budget_reserve){release_some, &common});
    cr_assert(budget_take(&b, common.owner, 50));
    cr_assert(budget_take(&b, own.owner, 50));

    cr_assert(budget_take_or(&b, owner, 30, (struct budget_reserve){release_some, &own}));
    cr_assert_eq(atomic_load(&b.rows[own.owner].bytes), 20);
    cr_assert_eq(common.n_asked, 0);
    cr_assert_not(budget_take_or(&b, owner, 1, (struct budget_reserve){0}));
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
