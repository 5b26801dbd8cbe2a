#include "tests/unit/alloc/test_arena.h"
#include "tsdb/label_name.h"

#include <string.h>

enum { OWNER = 9 };

static struct test_arena t;
static struct label_names names;
static struct kind k;

static void set_up(void)
{
    test_arena_init(&t, 16 << 20);
    label_names_init(&names, t.owner, t.owner);
    kind_init(&k, t.owner);
}

static void tear_down(void)
{
    cr_assert(label_names_check(&t.arena, &names));
    label_names_release(&t.arena, &names);
    for (unsigned i = 0; i < KIND_POOLS; i++)
        pool_drop(&t.arena, &k.pools[i]);
    test_arena_release(&t);
}

TestSuite(label_name, .init = set_up, .fini = tear_down);

static bool add(uint32_t symbol, uint32_t pair)
{
    return label_name_add(&t.arena, &names, &k, OWNER, symbol, pair);
}

static const struct label_name *find(uint32_t symbol)
{
    return label_name_find(&t.arena, &names, symbol);
}

Test(label_name, is_there_while_it_has_a_pair)
{
    cr_assert_null(find(5));
    cr_assert(add(5, 100) && add(5, 7) && add(6, 8));
    cr_assert_eq(names.n, 2);
    uint32_t ids[2];
    postings_list(&t.arena, &find(5)->pairs, ids);
    cr_assert(ids[0] == 7 && ids[1] == 100 && find(5)->pairs.n == 2);
    label_name_remove(&t.arena, &names, &k, 5, 7);
    cr_assert_eq(find(5)->pairs.n, 1);
    label_name_remove(&t.arena, &names, &k, 5, 100);
    cr_assert_null(find(5));
    cr_assert_eq(names.n, 1);
}

Test(label_name, may_move)
{
    for (uint32_t i = 1; i <= 200; i++)
        cr_assert(add(i, i) && add(i, i + 1));
    struct label_name_mover mover = {&t.arena, &names};
    static slot old[200];
    size_t n = 0, bytes = kind_slot_bytes(sizeof(struct label_name));
    for (slot at = 0; (at = hash_next(&t.arena, &names.by_symbol, at)) != 0;)
        old[n++] = at;
    for (size_t i = 0; i < n; i++) {
        slot to = kind_get(&t.arena, &names.records, bytes);
        memcpy(slot_ptr(&t.arena, to), slot_ptr(&t.arena, old[i]), bytes);
        cr_assert(label_name_move(&mover, old[i], to));
        memset(slot_ptr(&t.arena, old[i]), 0xdd, bytes);
    }
    for (size_t i = 0; i < n; i++)
        kind_put(&t.arena, &names.records, old[i], bytes);
    for (uint32_t i = 1; i <= 200; i++)
        cr_assert(find(i)->symbol == i && find(i)->pairs.n == 2);
}

Test(label_name, without_memory_nothing_changes)
{
    bool is_made = false;
    t.arena.retain_pages = 0;
    for (long nth = 1; !is_made; nth++) {
        budget_fail_nth(&t.budget, nth);
        is_made = add(5, 1);
        cr_assert_eq(names.n, is_made);
        if (!is_made)
            cr_assert_eq(test_arena_held(&t), 0);
    }
    budget_fail_nth(&t.budget, 0);
    for (long nth = 1; nth <= 2; nth++) { /* the page of its container */
        budget_fail_nth(&t.budget, nth);
        bool is_added = add(5, 2);
        cr_assert_eq(find(5)->pairs.n, 1 + is_added);
        cr_assert_eq(is_added, nth == 2);
    }
    budget_fail_nth(&t.budget, 0);
}

Test(label_name, check_sees_damage)
{
    cr_assert(add(5, 1));
    struct label_name *name = label_name_find(&t.arena, &names, 5);
    names.n++;
    cr_assert_not(label_names_check(&t.arena, &names), "count");
    names.n--;
    name->symbol++;
    cr_assert_not(label_names_check(&t.arena, &names), "symbol");
    name->symbol--;
    name->pairs.n = 0;
    cr_assert_not(label_names_check(&t.arena, &names), "a name without a pair");
    name->pairs.n = 1;
}
