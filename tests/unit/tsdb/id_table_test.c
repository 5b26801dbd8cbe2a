#include "tests/support/random.h"
#include "tests/unit/alloc/test_arena.h"
#include "tsdb/id_table.h"

#include <stddef.h>
#include <string.h>

struct record {
    struct hash_node node;
    uint32_t id;
};

enum { LEAF_IDS = 4092, RECORDS = 3 * LEAF_IDS };

static struct test_arena t;
static struct id_table ids;
static struct hash h;
static struct pool records;

static void set_up(void)
{
    test_arena_init(&t, 64 << 20);
    id_table_init(&ids, t.owner);
    hash_init(&h, t.owner);
    pool_init(&records, 16, t.owner);
}

static bool is_good(void)
{
    return id_table_check(&t.arena, &ids, &h, offsetof(struct record, id));
}

static void tear_down(void)
{
    cr_assert(is_good());
    id_table_release(&t.arena, &ids);
    hash_release(&t.arena, &h);
    pool_drop(&t.arena, &records);
    test_arena_release(&t);
}

TestSuite(id_table, .init = set_up, .fini = tear_down);

static struct record *record_of(uint32_t id)
{
    return slot_ptr(&t.arena, id_table_at(&t.arena, &ids, id));
}

static uint32_t make(void)
{
    slot at = pool_get(&t.arena, &records);
    uint32_t id = id_table_get(&t.arena, &ids, at);
    cr_assert(at != 0 && id != 0);
    ((struct record *)slot_ptr(&t.arena, at))->id = id;
    cr_assert(hash_insert(&t.arena, &h, at, id));
    return id;
}

static void drop(uint32_t id)
{
    slot at = id_table_at(&t.arena, &ids, id);
    hash_remove(&t.arena, &h, at);
    id_table_put(&t.arena, &ids, id);
    pool_put(&t.arena, &records, at);
}

Test(id_table, an_id_leads_to_its_record_wherever_it_is)
{
    uint32_t a = make(), b = make();
    cr_assert(a != 0 && b != 0 && a != b);
    cr_assert_eq(record_of(a)->id, a);
    slot from = id_table_at(&t.arena, &ids, b), to = pool_get(&t.arena, &records);
    memcpy(slot_ptr(&t.arena, to), slot_ptr(&t.arena, from), 16);
    hash_replace(&t.arena, &h, from, to);
    id_table_move(&t.arena, &ids, b, to);
    pool_put(&t.arena, &records, from);
    cr_assert_eq(id_table_at(&t.arena, &ids, b), to);
    cr_assert(is_good());
}

Test(id_table, ids_are_used_again_before_the_table_grows)
{
    static uint32_t made[LEAF_IDS];
    for (int i = 0; i < LEAF_IDS; i++)
        made[i] = make();
    uint32_t n_pages = ids.slots.n_pages;
    drop(made[7]);
    drop(made[4000]);
    cr_assert_eq(make(), made[4000]);
    cr_assert_eq(make(), made[7]);
    cr_assert_eq(ids.slots.n_pages, n_pages);
    cr_assert_gt(make(), LEAF_IDS);
    cr_assert_gt(ids.slots.n_pages, n_pages);
}

Test(id_table, leaves_without_ids_return_and_are_made_again)
{
    static uint32_t made[RECORDS];
    for (int i = 0; i < RECORDS; i++)
        made[i] = make();
    uint32_t n_pages = ids.slots.n_pages;
    for (int i = LEAF_IDS; i < 2 * LEAF_IDS; i++)
        drop(made[i]);
    cr_assert_eq(ids.slots.n_pages, n_pages - 1);
    cr_assert(is_good());
    for (int i = LEAF_IDS; i < 2 * LEAF_IDS; i++)
        cr_assert_eq(make(), made[i], "the lowest missing leaf");
    cr_assert_eq(ids.slots.n_pages, n_pages);
    for (int i = 0; i < RECORDS; i++)
        drop(made[i]);
    cr_assert_eq(ids.slots.n_pages, 0);
}

Test(id_table, agrees_with_a_list_at_random)
{
    static uint32_t live[RECORDS];
    uint32_t n = 0;
    struct random random;
    random_init(&random, random_seed());
    for (int round = 0; round < 6; round++) {
        uint32_t aim = round % 2 == 0 ? RECORDS - 100 : 300;
        for (int i = 0; i < 30000; i++) {
            if (n > 0 && (n == RECORDS || random_below(&random, 2 * aim) < n)) {
                uint32_t at = (uint32_t)random_below(&random, n);
                cr_assert_eq(record_of(live[at])->id, live[at]);
                drop(live[at]);
                live[at] = live[--n];
            } else {
                live[n++] = make();
            }
        }
        cr_assert(is_good());
        cr_assert_eq(ids.n, n);
        for (uint32_t i = 0; i < n; i++)
            cr_assert_eq(record_of(live[i])->id, live[i]);
    }
}

Test(id_table, without_memory_nothing_changes)
{
    uint32_t id = 0;
    t.arena.retain_pages = 0;
    for (long nth = 1; id == 0; nth++) {
        cr_assert_lt(nth, 10);
        budget_fail_nth(&t.budget, nth);
        id = id_table_get(&t.arena, &ids, 1);
        cr_assert_eq(id != 0, nth > 1 && ids.n == 1);
        if (id == 0)
            cr_assert_eq(test_arena_held(&t), 0);
    }
    budget_fail_nth(&t.budget, 0);
    id_table_put(&t.arena, &ids, id);
    cr_assert_eq(test_arena_held(&t), 0);
}

Test(id_table, check_sees_damage)
{
    for (int i = 0; i < LEAF_IDS; i++)
        make();
    uint32_t a = make(), b = make(), c = make();
    drop(b);
    cr_assert(is_good());
    uint32_t *const words[] = {&ids.n, &ids.open, &record_of(a)->id};
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        --*words[i];
        cr_assert_not(is_good(), "word %zu", i);
        ++*words[i];
    }
    uint16_t *head = table_at(&t.arena, &ids.slots, a / 4096 * 4096);
    for (size_t i = 0; i < 3; i++) { /* used, touched, first free */
        ++head[i];
        cr_assert_not(is_good(), "head %zu", i);
        --head[i];
    }
    slot at = id_table_at(&t.arena, &ids, c);
    id_table_move(&t.arena, &ids, c, at + 1);
    cr_assert_not(is_good(), "an entry");
    id_table_move(&t.arena, &ids, c, at);
    id_table_move(&t.arena, &ids, b, 2); /* an entry of the head */
    cr_assert_not(is_good(), "a free id");
    id_table_move(&t.arena, &ids, b, 0);
}
