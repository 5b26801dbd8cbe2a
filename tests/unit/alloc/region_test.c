#include "alloc/region.h"
#include "tests/unit/alloc/test_arena.h"

#include <string.h>

static struct test_arena t;
static struct region r;

static void set_up(void)
{
    test_arena_init(&t, 64 << 20);
    region_init(&r, &t.arena, t.owner, 0);
}

static void tear_down(void)
{
    region_release(&r);
    test_arena_release(&t);
}

TestSuite(region, .init = set_up, .fini = tear_down);

Test(region, takes_nothing_before_the_first_allocation)
{
    cr_assert_eq(r.taken_bytes, 0);
    cr_assert_eq(test_arena_held(&t), 0);
    region_release(&r);
    struct region zeroed = {0};
    region_release(&zeroed);
}

Test(region, gives_aligned_pieces_that_do_not_overlap)
{
    static unsigned char *pieces[2000];
    for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
        pieces[i] = region_alloc(&r, i);
        cr_assert_not_null(pieces[i]);
        cr_assert_eq((uintptr_t)pieces[i] % REGION_ALIGN, 0);
        memset(pieces[i], (int)(i % 255) + 1, i);
    }
    for (size_t i = 1; i < ARRAY_LEN(pieces); i++) {
        cr_assert_eq(pieces[i][0], i % 255 + 1);
        cr_assert_eq(pieces[i][i - 1], i % 255 + 1);
    }
    cr_assert_neq((void *)pieces[0], (void *)pieces[1], "nothing has an address too");
}

Test(region, one_piece_may_be_larger_than_a_block)
{
    size_t bytes = 3 * (size_t)REGION_BLOCK_BYTES_MAX + 5;
    char *big = region_alloc(&r, bytes);
    cr_assert_not_null(big);
    big[bytes - 1] = 1;
    cr_assert_not_null(region_alloc(&r, 1));
}

Test(region, keeps_its_limit_and_stays_usable)
{
    struct region small;
    region_init(&small, &t.arena, t.owner, 2 * ARENA_PAGE_BYTES);

    cr_assert_not_null(region_alloc(&small, 100), "the limit is below the first block");
    cr_assert_null(region_alloc(&small, 2 * ARENA_PAGE_BYTES));
    cr_assert_not_null(region_alloc(&small, ARENA_PAGE_BYTES / 2));
    cr_assert_leq(small.taken_bytes, 2 * (size_t)ARENA_PAGE_BYTES);

    region_release(&small);
    cr_assert_eq(small.taken_bytes, 0);
    cr_assert_not_null(region_alloc(&small, 100), "after release it starts again");
    region_release(&small);
}

Test(region, a_refusal_of_the_budget_is_null)
{
    budget_fail_nth(&t.budget, 1);
    cr_assert_null(region_alloc(&r, 10));
    cr_assert_eq(r.taken_bytes, 0);
    cr_assert_not_null(region_alloc(&r, 10));
}

Test(region, may_start_with_a_page_and_grows_from_there)
{
    region_start_small(&r);
    for (size_t at = ARENA_PAGE_BYTES; at <= 4 * ARENA_PAGE_BYTES; at *= 2) {
        size_t before = r.taken_bytes;
        while (r.taken_bytes == before)
            cr_assert_not_null(region_alloc(&r, 1000));
        cr_assert_eq(r.taken_bytes - before, at);
    }
    region_release(&r);
    cr_assert_not_null(region_alloc(&r, 1000));
    cr_assert_eq(r.taken_bytes, ARENA_PAGE_BYTES);
}

Test(region, a_limit_below_what_is_taken_gives_nothing_more)
{
    cr_assert_not_null(region_alloc(&r, REGION_FIRST_BYTES / 2));
    r.limit_bytes = 1;
    cr_assert_null(region_alloc(&r, REGION_FIRST_BYTES));
}

Test(region, refuses_sizes_that_overflow)
{
    cr_assert_null(region_alloc(&r, SIZE_MAX));
    cr_assert_null(region_alloc(&r, SIZE_MAX / 2));
    cr_assert_null(region_calloc(&r, SIZE_MAX / 2, 3));
    cr_assert_null(region_copy(&r, "", SIZE_MAX));
}

Test(region, calloc_zeroes_memory_that_was_used_before)
{
    struct region_mark mark = region_mark(&r);
    memset(region_alloc(&r, 1000), 0xFF, 1000);
    region_rewind(&r, mark);
    memset(region_alloc(&r, 1000), 0xFF, 1000);
    region_rewind(&r, mark);
    const unsigned char *zeroed = region_calloc(&r, 10, 100);
    for (size_t i = 0; i < 1000; i++)
        cr_assert_eq(zeroed[i], 0);
}

Test(region, copy_adds_a_nul)
{
    cr_assert_str_eq(region_copy(&r, "hourglass", 4), "hour");
    cr_assert_str_eq(region_copy(&r, NULL, 0), "");
}

Test(region, printf_makes_text)
{
    cr_assert_str_eq(region_printf(&r, "%d of %s", 3, "four"), "3 of four");
    char *spaces = region_printf(&r, "%100000s", "x");
    cr_assert_eq(strlen(spaces), 100000);
}

Test(region, rewind_drops_what_came_after_the_mark)
{
    char *kept = region_copy(&r, "kept", 4);
    struct region_mark mark = region_mark(&r);
    size_t taken = r.taken_bytes;

    char *first = region_alloc(&r, 16);
    for (int i = 0; i < 100; i++)
        cr_assert_not_null(region_alloc(&r, REGION_FIRST_BYTES));
    region_rewind(&r, mark);

    cr_assert_eq(r.taken_bytes, taken);
    cr_assert_str_eq(kept, "kept");
    cr_assert_eq((char *)region_alloc(&r, 16), first, "the room is used again");
}

Test(region, rewind_to_the_beginning_gives_everything_back)
{
    struct region_mark start = region_mark(&r);
    for (int i = 0; i < 100; i++)
        cr_assert_not_null(region_alloc(&r, REGION_FIRST_BYTES));
    region_rewind(&r, start);
    cr_assert_eq(test_arena_held(&t), 0);
}
