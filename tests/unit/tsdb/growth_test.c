#include "tsdb/growth.h"

#include <criterion/criterion.h>

enum { SLICE = GROWTH_SLICE_MS };

Test(growth, nothing_is_new_before_the_first_look)
{
    struct growth g = {0};
    cr_assert_eq(growth_first_id(&g), UINT32_MAX);
}

Test(growth, what_was_there_at_the_first_look_is_not_new)
{
    for (int64_t begin = 0; begin < 30; begin++) {
        struct growth g = {0};
        growth_note(&g, begin * SLICE + 17, 1000);
        cr_assert_eq(growth_first_id(&g), 1000);
        growth_note(&g, begin * SLICE + 1017, 1500);
        cr_assert_eq(growth_first_id(&g), 1000, "a slice knows its beginning");
    }
}

Test(growth, new_is_what_came_in_the_last_twelve_slices)
{
    struct growth g = {0};
    for (int64_t slice = 5; slice < 100; slice++) {
        growth_note(&g, slice * SLICE, (uint64_t)slice * 10);
        growth_note(&g, slice * SLICE + SLICE - 1, (uint64_t)slice * 10 + 9);
        int64_t first = slice - GROWTH_SLICES + 1;
        cr_assert_eq(growth_first_id(&g), (first > 5 ? first : 5) * 10);
    }
}

Test(growth, slices_that_nobody_looked_at_begin_with_what_is_there_now)
{
    struct growth g = {0};
    growth_note(&g, 0, 10);
    growth_note(&g, 3 * SLICE, 20);
    cr_assert_eq(growth_first_id(&g), 10);
    growth_note(&g, 12 * SLICE, 30);
    cr_assert_eq(growth_first_id(&g), 20);
    growth_note(&g, 500 * SLICE, 40);
    cr_assert_eq(growth_first_id(&g), 40);
}

Test(growth, ids_beyond_all_are_never_new)
{
    struct growth g = {0};
    growth_note(&g, 0, (uint64_t)UINT32_MAX + 5);
    cr_assert_eq(growth_first_id(&g), UINT32_MAX);
}
