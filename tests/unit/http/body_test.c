#include "http/body.h"

#include <criterion/criterion.h>
#include <string.h>

static struct budget budget;
static struct arena arena;
static struct body_store store;
static unsigned owner;

static void setup(void)
{
    budget_init(&budget, 64 << 20);
    cr_assert(arena_init(&arena, &budget, 64 << 20));
    owner = budget_owner(&budget, "requests");
    body_store_init(&store, &arena, owner);
}

static void teardown(void)
{
    body_store_release(&store);
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
        cr_assert(body_append(&store, b, bytes, piece));
    }
}

Test(body, grows_and_keeps_what_it_holds)
{
    struct body b = {0};
    fill(&b, 3000000, 3000);
    cr_assert_eq(b.n, 3000000);
    for (size_t i = 0; i < b.n; i++)
        cr_assert_eq(b.bytes[i], (char)(i % 251));
    body_release(&store, &b);
    cr_assert_null(b.bytes);
}

Test(body, ordinary_buffers_are_used_again_and_large_ones_given_back)
{
    struct body b = {0};
    fill(&b, 1000, 1000);
    char *first = b.bytes;
    body_release(&store, &b);
    fill(&b, 1000, 1000);
    cr_assert_eq(b.bytes, first);
    fill(&b, BODY_KEPT_BYTES_MAX, 512);
    body_release(&store, &b);
    cr_assert_leq(atomic_load(&budget.rows[owner].bytes),
                  (size_t)BODY_KEPT_MAX * BODY_KEPT_BYTES_MAX);
    size_t kept = atomic_load(&budget.rows[owner].bytes);
    fill(&b, 8 * BODY_KEPT_BYTES_MAX, 4096);
    body_release(&store, &b);
    cr_assert_leq(atomic_load(&budget.rows[owner].bytes), kept + BODY_KEPT_BYTES_MAX);
}

Test(body, the_number_of_kept_buffers_is_limited)
{
    struct body many[BODY_KEPT_MAX * 2] = {0};
    for (size_t i = 0; i < ARRAY_LEN(many); i++)
        fill(&many[i], 10, 10);
    for (size_t i = 0; i < ARRAY_LEN(many); i++)
        body_release(&store, &many[i]);
    cr_assert_eq(atomic_load(&budget.rows[owner].bytes), (size_t)BODY_KEPT_MAX * BODY_FIRST_BYTES);
}

Test(body, refused_memory_changes_nothing)
{
    struct body b = {0};
    static char bytes[200000];
    budget_fail_nth(&budget, 1);
    cr_assert_not(body_append(&store, &b, bytes, 10));
    cr_assert_null(b.bytes);
    fill(&b, 1000, 1000);
    budget_fail_nth(&budget, 1);
    cr_assert_not(body_append(&store, &b, bytes, sizeof(bytes)));
    cr_assert_eq(b.n, 1000);
    cr_assert_eq(b.bytes[999], (char)(999 % 251));
    body_release(&store, &b);
}
