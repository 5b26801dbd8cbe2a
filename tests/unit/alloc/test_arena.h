/* An arena with a budget of its own, for the tests of what lies on top of it. */
#ifndef TESTS_UNIT_ALLOC_TEST_ARENA_H
#define TESTS_UNIT_ALLOC_TEST_ARENA_H

#include "alloc/arena.h"

#include <criterion/criterion.h>

struct test_arena {
    struct budget budget;
    struct arena arena;
    unsigned owner;
};

static inline void test_arena_init(struct test_arena *t, size_t limit_bytes)
{
    budget_init(&t->budget, limit_bytes);
    cr_assert(arena_init(&t->arena, &t->budget, limit_bytes));
    t->owner = budget_owner(&t->budget, "test");
}

/* What the owner of the tests holds. */
static inline size_t test_arena_held(const struct test_arena *t)
{
    return atomic_load(&t->budget.rows[t->owner].bytes);
}

/* Also proves that the test gave everything back. */
static inline void test_arena_release(struct test_arena *t)
{
    cr_assert_eq(test_arena_held(t), 0);
    cr_assert(arena_check(&t->arena));
    cr_assert(budget_check(&t->budget));
    arena_release(&t->arena);
    cr_assert_eq(atomic_load(&t->budget.used_bytes), 0);
}

#endif
