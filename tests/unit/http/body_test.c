#include "http/body.h"

#include <criterion/criterion.h>
#include <string.h>

static struct budget budget;
static struct arena arena;
static unsigned owner;

static void setup(void)
{
    budget_init(&budget, 64 << 20);
    cr_assert(arena_init(&arena, &budget, 64 << 20));
    owner = budget_owner(&budget, "requests");
}

static void teardown(void)
{
    cr_assert_eq(atomic_load(&budget.rows[owner].bytes), 0);
    arena_release(&arena);
}

TestSuite(body, .init = setup, .fini = teardown);

static void fill(struct body *b, size_t n, size_t piece)
{
    static char bytes[100000];
    for (size_t at = 0; at < n; at += piece) {
        for (size_t i = 0; i < piece; i++)
            bytes[i] = (char)((at + i) % 251);
        cr_assert(body_append(b, bytes, piece));
    }
}

Test(body, grows_and_keeps_what_it_holds)
{
    struct body b;
    body_init(&b, &arena, owner);
    fill(&b, 3000000, 3000);
    cr_assert_eq(b.n, 3000000);
    for (size_t i = 0; i < b.n; i++)
        cr_assert_eq(b.bytes[i], (char)(i % 251));
    body_release(&b);
    cr_assert_null(b.bytes);
}

Test(body, gives_its_memory_back_and_can_be_used_again)
{
    struct body b, zeroed = {0};
    body_init(&b, &arena, owner);
    fill(&b, 1000, 1000);
    const char *first = b.bytes;
    cr_assert_eq(atomic_load(&budget.rows[owner].bytes), BODY_FIRST_BYTES);
    body_release(&b);
    cr_assert_eq(b.n, 0);
    cr_assert_eq(atomic_load(&budget.rows[owner].bytes), 0);
    fill(&b, 1000, 1000);
    cr_assert_eq(b.bytes, first, "the arena kept it");
    fill(&b, 400000, 4000);
    cr_assert_eq(atomic_load(&budget.rows[owner].bytes), b.capacity, "smaller ones are gone");
    body_release(&b);
    body_release(&b);
    body_release(&zeroed);
}

Test(body, capacity_doubles)
{
    cr_assert_eq(body_capacity(0), 0);
    cr_assert_eq(body_capacity(1), BODY_FIRST_BYTES);
    cr_assert_eq(body_capacity(BODY_FIRST_BYTES), BODY_FIRST_BYTES);
    cr_assert_eq(body_capacity(BODY_FIRST_BYTES + 1), 2 * BODY_FIRST_BYTES);
    cr_assert_eq(body_capacity(SIZE_MAX), SIZE_MAX);
}

Test(body, refused_memory_changes_nothing)
{
    struct body b;
    body_init(&b, &arena, owner);
    static char bytes[200000];
    budget_fail_nth(&budget, 1);
    cr_assert_not(body_append(&b, bytes, 10));
    cr_assert_null(b.bytes);
    fill(&b, 1000, 1000);
    budget_fail_nth(&budget, 1);
    cr_assert_not(body_append(&b, bytes, sizeof(bytes)));
    cr_assert_eq(b.n, 1000);
    cr_assert_eq(b.bytes[999], (char)(999 % 251));
    body_release(&b);
}
