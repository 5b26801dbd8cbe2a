/* Taking a slab out of allocation, as kind_compact does it; pool_test.c has the rest of pool.c. */
#include "alloc/pool.h"
#include "tests/support/random.h"
#include "tests/unit/alloc/test_arena.h"

#include <string.h>

enum { SLOT_BYTES = 2048, PER_PAGE = ARENA_PAGE_BYTES / SLOT_BYTES, ROOM = 80 * PER_PAGE };

static struct test_arena t;
static struct pool p;
static slot slots[ROOM];

static void set_up(void)
{
    test_arena_init(&t, 64 << 20);
    pool_init(&p, SLOT_BYTES, t.owner);
}

static void tear_down(void)
{
    pool_drop(&t.arena, &p);
    test_arena_release(&t);
}

TestSuite(pool_vacate, .init = set_up, .fini = tear_down);

/* Full pages: slots[PER_PAGE * i ..] lie in the page number i. */
static void fill_pages(unsigned n)
{
    for (unsigned i = 0; i < n * PER_PAGE; i++) {
        slots[i] = pool_get(&t.arena, &p);
        cr_assert_neq(slots[i], 0);
        cr_assert_eq(pool_slot_page(slots[i]), pool_slot_page(slots[i / PER_PAGE * PER_PAGE]));
    }
}

static page_no page_of(unsigned i)
{
    return pool_slot_page(slots[i * PER_PAGE]);
}

/* Leaves `n_left` slots of page i in use. */
static void thin_out(unsigned i, unsigned n_left)
{
    for (unsigned j = n_left; j < PER_PAGE; j++)
        pool_put(&t.arena, &p, slots[i * PER_PAGE + j]);
}

Test(pool_vacate, tells_the_size_and_the_place_of_every_slot)
{
    for (size_t bytes = POOL_SLOT_BYTES_MIN; bytes <= POOL_SLOT_BYTES_MAX; bytes += 16) {
        struct pool q;
        pool_init(&q, bytes, t.owner);
        for (unsigned i = 0; i < q.slots_per_page; i++) {
            slot s = pool_get(&t.arena, &q);
            cr_assert_eq(pool_slot_bytes_at(&t.arena, s), bytes);
            cr_assert_eq(pool_slot_index(&q, s), i);
            cr_assert_eq(pool_slot_name(&q, pool_slot_page(s), i), s);
        }
        pool_drop(&t.arena, &q);
    }
}

Test(pool_vacate, finds_the_used_slots_of_a_page)
{
    struct random random;
    random_init(&random, random_seed());
    bool is_used[PER_PAGE] = {false};
    fill_pages(3);
    for (unsigned i = 0; i < PER_PAGE; i++) {
        is_used[i] = i == 0 || random_below(&random, 2) == 0;
        if (!is_used[i])
            pool_put(&t.arena, &p, slots[PER_PAGE + i]);
    }
    struct slot_set used;
    pool_used_slots(&t.arena, &p, page_of(1), &used);
    for (unsigned i = 0; i < POOL_SLOTS_MAX; i++) {
        bool expected = i < PER_PAGE && is_used[i];
        cr_assert_eq(used.bits[i / 64] >> i % 64 & 1, expected, "slot %u", i);
    }
}

Test(pool_vacate, slots_that_were_never_handed_out_are_not_used)
{
    slots[0] = pool_get(&t.arena, &p);
    slots[1] = pool_get(&t.arena, &p);
    pool_put(&t.arena, &p, slots[0]);
    struct slot_set used;
    pool_used_slots(&t.arena, &p, pool_slot_page(slots[1]), &used);
    cr_assert_eq(used.bits[0], 2);
}

Test(pool_vacate, chooses_the_emptiest_of_the_slabs_it_looks_at)
{
    fill_pages(5);
    cr_assert_eq(pool_emptiest(&t.arena, &p), 0, "all are full");
    cr_assert(p.is_stuck);
    slot fresh = pool_get(&t.arena, &p);
    cr_assert_not(p.is_stuck, "a page was added");
    pool_put(&t.arena, &p, fresh);
    cr_assert_eq(pool_emptiest(&t.arena, &p), 0);
    thin_out(1, 5);
    cr_assert_not(p.is_stuck);
    thin_out(3, 2);
    thin_out(4, 3);
    cr_assert_eq(pool_emptiest(&t.arena, &p), page_of(3));
    cr_assert_not(p.is_stuck);
}

Test(pool_vacate, looks_at_a_bounded_number_of_slabs)
{
    fill_pages(POOL_SCAN_MAX + 2);
    thin_out(0, 1);
    for (unsigned i = 1; i < POOL_SCAN_MAX + 2; i++)
        thin_out(i, 3 + i % 2);
    cr_assert_eq(pool_emptiest(&t.arena, &p), page_of(POOL_SCAN_MAX),
                 "the emptiest lies too far behind, of equals the first one does");
}

Test(pool_vacate, can_shrink_when_a_page_s_worth_is_free)
{
    fill_pages(4);
    cr_assert_not(pool_can_shrink(&p));
    thin_out(0, 3); /* 5 free */
    thin_out(1, 6); /* 7 */
    cr_assert_not(pool_can_shrink(&p));
    thin_out(2, 7);
    cr_assert(pool_can_shrink(&p));
    pool_vacate(&t.arena, &p, page_of(1));
    cr_assert_not(pool_can_shrink(&p), "what leaves does not count");
}

Test(pool_vacate, a_slab_that_leaves_is_not_handed_out)
{
    fill_pages(3);
    thin_out(1, 2);
    pool_vacate(&t.arena, &p, page_of(1));
    cr_assert(p.is_vacating);
    cr_assert(pool_check(&t.arena, &p));
    slot fresh = pool_get(&t.arena, &p);
    cr_assert_neq(pool_slot_page(fresh), page_of(1));
    cr_assert_eq(p.n_pages, 4);

    pool_put(&t.arena, &p, slots[PER_PAGE]);
    cr_assert(pool_check(&t.arena, &p));
    cr_assert(p.is_vacating);
    pool_put(&t.arena, &p, slots[PER_PAGE + 1]);
    cr_assert_eq(p.n_pages, 3, "its last slot, put by whomever, sends it home");
    cr_assert_not(p.is_vacating);
    cr_assert_eq(p.n_leaving + p.n_leaving_free, 0);
    cr_assert(pool_check(&t.arena, &p));
}

Test(pool_vacate, several_may_wait_while_one_is_vacated)
{
    fill_pages(4);
    for (unsigned i = 0; i < 3; i++) {
        thin_out(i, 2);
        pool_vacate(&t.arena, &p, page_of(i));
        if (i < 2)
            pool_vacated(&p);
    }
    cr_assert_eq(p.n_leaving, 3);
    cr_assert_eq(p.n_leaving_free, 3 * (PER_PAGE - 2));
    cr_assert(pool_check(&t.arena, &p));
    pool_put(&t.arena, &p, slots[0]);
    pool_put(&t.arena, &p, slots[1]);
    cr_assert(p.is_vacating, "the one in front is still being vacated");
    cr_assert_eq(p.leaving, page_of(2));
    pool_readmit(&t.arena, &p, false);
    cr_assert_eq(p.n_leaving, 1);
    cr_assert(pool_check(&t.arena, &p));
    cr_assert_eq(pool_slot_page(pool_get(&t.arena, &p)), page_of(2));
}

Test(pool_vacate, passes_over_what_was_refused_until_the_next_round)
{
    fill_pages(2);
    thin_out(0, 1);
    thin_out(1, 2);
    pool_vacate(&t.arena, &p, page_of(0));
    pool_readmit(&t.arena, &p, true);
    cr_assert_eq(pool_emptiest(&t.arena, &p), page_of(1));
    pool_vacate(&t.arena, &p, page_of(1));
    pool_readmit(&t.arena, &p, true);
    cr_assert_eq(pool_emptiest(&t.arena, &p), 0);
    cr_assert(p.is_stuck);
    pool_forget_refusals(&p);
    cr_assert_not(p.is_stuck);
    cr_assert_eq(pool_emptiest(&t.arena, &p), page_of(0));
}

Test(pool_vacate, rounds_never_get_the_number_of_no_refusal)
{
    fill_pages(1);
    thin_out(0, 1);
    for (int i = 0; i < 70000; i++) {
        pool_forget_refusals(&p);
        cr_assert_eq(pool_emptiest(&t.arena, &p), page_of(0), "round %d", i);
    }
}

Test(pool_vacate, drop_returns_slabs_that_leave)
{
    fill_pages(3);
    thin_out(1, 2);
    pool_vacate(&t.arena, &p, page_of(1));
    pool_drop(&t.arena, &p);
    cr_assert_eq(test_arena_held(&t), 0);
    cr_assert(pool_check(&t.arena, &p));
}

Test(pool_vacate, check_sees_wrong_accounts_of_leaving)
{
    fill_pages(3);
    thin_out(1, 2);
    pool_vacate(&t.arena, &p, page_of(1));
    cr_assert(pool_check(&t.arena, &p));
    uint32_t *fields[] = {&p.n_leaving, &p.n_leaving_free};
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        ++*fields[i];
        cr_assert_not(pool_check(&t.arena, &p));
        --*fields[i];
    }
    page_no leaving = p.leaving;
    p.leaving = 0;
    p.partial = leaving; /* in the wrong list, whatever the counts say */
    p.n_leaving = p.n_leaving_free = 0;
    p.is_vacating = false;
    cr_assert_not(pool_check(&t.arena, &p));
    p.partial = 0;
    p.leaving = leaving;
    p.n_leaving = 1;
    p.n_leaving_free = PER_PAGE - 2;
    cr_assert(pool_check(&t.arena, &p));
    pool_put(&t.arena, &p, slots[PER_PAGE]);
    pool_put(&t.arena, &p, slots[PER_PAGE + 1]);
    p.is_vacating = true;
    cr_assert_not(pool_check(&t.arena, &p), "nothing leaves");
    p.is_vacating = false;
}

/* Gets, puts and slabs that leave and come back, against arrays of what is held. */
Test(pool_vacate, survives_any_order)
{
    enum { ROUNDS = 60000 };
    struct random random;
    random_init(&random, random_seed());
    size_t n = 0;
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t dice = random_below(&random, 100);
        bool wants_more = random_below(&random, ROOM) >= n;
        if (dice < 90 && wants_more && n < ROOM) {
            slot s = pool_get(&t.arena, &p);
            cr_assert_neq(s, 0);
            cr_assert(!p.is_vacating || pool_slot_page(s) != p.leaving);
            memset(slot_ptr(&t.arena, s), 0xFF, SLOT_BYTES);
            memcpy(slot_ptr(&t.arena, s), &s, sizeof(s));
            slots[n++] = s;
        } else if (dice < 90 && n > 0) {
            size_t i = (size_t)random_below(&random, n);
            slot name;
            memcpy(&name, slot_ptr(&t.arena, slots[i]), sizeof(name));
            cr_assert_eq(name, slots[i], "nobody else wrote here");
            pool_put(&t.arena, &p, slots[i]);
            slots[i] = slots[--n];
        } else if (!p.is_vacating) {
            page_no page = pool_emptiest(&t.arena, &p);
            if (page != 0)
                pool_vacate(&t.arena, &p, page);
        } else if (dice < 94) {
            pool_vacated(&p);
        } else {
            pool_readmit(&t.arena, &p, dice < 97);
        }
        if (dice == 99)
            pool_forget_refusals(&p);
        cr_assert_eq(p.n_used, n);
        if (round % 500 == 0)
            cr_assert(pool_check(&t.arena, &p));
    }
    while (n > 0)
        pool_put(&t.arena, &p, slots[--n]);
    cr_assert_eq(p.n_pages, 0);
    cr_assert(pool_check(&t.arena, &p));
}
