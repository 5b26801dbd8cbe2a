#include "tsdb/id_set.h"

#include <criterion/criterion.h>

static struct budget b;
static struct arena a;
static struct region r;

static void set_up(void)
{
    budget_init(&b, 16 << 20);
    cr_assert(arena_init(&a, &b, 16 << 20));
    region_init(&r, &a, budget_owner(&b, "test"), 1 << 20);
}

static void tear_down(void)
{
    region_release(&r);
    arena_release(&a);
}

TestSuite(id_set, .init = set_up, .fini = tear_down);

Test(id_set, lists_its_members_ascending_and_once)
{
    const uint32_t added[] = {63, 0, 64, 1000, 65, 63, 127, 999, 0};
    const uint32_t expected[] = {0, 63, 64, 65, 127, 999, 1000};
    struct id_set s;
    uint32_t *ids;
    cr_assert(id_set_init(&s, &r, 1001));
    for (size_t i = 0; i < ARRAY_LEN(added); i++)
        id_set_add(&s, added[i]);
    cr_assert_eq(s.n, ARRAY_LEN(expected));
    cr_assert(id_set_list(&s, &r, &ids));
    for (size_t i = 0; i < s.n; i++)
        cr_assert_eq(ids[i], expected[i]);
}

Test(id_set, may_be_empty)
{
    struct id_set s;
    uint32_t *ids;
    cr_assert(id_set_init(&s, &r, 0));
    cr_assert(id_set_list(&s, &r, &ids));
    cr_assert_eq(s.n, 0);
}

Test(id_set, says_when_memory_is_exhausted)
{
    struct id_set s;
    cr_assert_not(id_set_init(&s, &r, (uint64_t)1 << 32));
}
