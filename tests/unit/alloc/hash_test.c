#include "alloc/hash.h"
#include "tests/support/random.h"
#include "tests/unit/alloc/test_arena.h"

#include <signal.h>

struct record {
    struct hash_node node;
    uint64_t key;
};

static struct test_arena t;
static struct pool records;
static struct hash h;

static void set_up(void)
{
    test_arena_init(&t, 128 << 20);
    pool_init(&records, sizeof(struct record), t.owner);
    hash_init(&h, t.owner);
}

static void tear_down(void)
{
    hash_release(&t.arena, &h);
    pool_drop(&t.arena, &records);
    test_arena_release(&t);
}

TestSuite(hash, .init = set_up, .fini = tear_down);

static bool has_key(const void *ctx, const struct hash_node *node)
{
    return ((const struct record *)node)->key == *(const uint64_t *)ctx;
}

static uint32_t hash_of(uint64_t key)
{
    return (uint32_t)(key * UINT64_C(0x9E3779B97F4A7C15) >> 32);
}

static slot find(uint64_t key)
{
    return hash_find(&t.arena, &h, hash_of(key), has_key, &key);
}

static slot insert_hashed(uint64_t key, uint32_t hash_value)
{
    slot made = pool_get(&t.arena, &records);
    cr_assert_neq(made, 0);
    ((struct record *)slot_ptr(&t.arena, made))->key = key;
    cr_assert(hash_insert(&t.arena, &h, made, hash_value));
    return made;
}

static slot insert(uint64_t key)
{
    return insert_hashed(key, hash_of(key));
}

Test(hash, finds_nothing_while_it_is_empty)
{
    cr_assert_eq(find(1), 0);
    cr_assert(hash_check(&t.arena, &h));
    cr_assert_eq(h.buckets.n_pages, 0);
}

Test(hash, keeps_as_many_buckets_as_items)
{
    for (uint64_t i = 1; i <= 5000; i++) {
        insert(i);
        cr_assert_eq(h.n_buckets, i);
    }
    cr_assert(hash_check(&t.arena, &h));
}

Test(hash, tells_records_of_equal_hash_apart)
{
    slot a = insert_hashed(1, 7), b = insert_hashed(2, 7), c = insert_hashed(3, 7);
    uint64_t two = 2, four = 4;
    cr_assert_eq(hash_find(&t.arena, &h, 7, has_key, &two), b);
    cr_assert_eq(hash_find(&t.arena, &h, 7, has_key, &four), 0);
    hash_remove(&t.arena, &h, b);
    cr_assert_eq(hash_find(&t.arena, &h, 7, has_key, &two), 0);
    hash_remove(&t.arena, &h, a);
    hash_remove(&t.arena, &h, c);
    cr_assert_eq(h.n_items, 0);
}

Test(hash, a_table_that_was_emptied_takes_no_memory)
{
    static slot slots[20000];
    for (uint64_t i = 0; i < ARRAY_LEN(slots); i++)
        slots[i] = insert(i);
    uint32_t pages = h.buckets.n_pages;
    for (uint64_t i = 0; i < ARRAY_LEN(slots) - 100; i++)
        hash_remove(&t.arena, &h, slots[i]);
    cr_assert_leq(h.n_buckets, 114, "100 items: it shrinks with what it holds");
    cr_assert_lt(h.buckets.n_pages, pages);
    for (uint64_t i = ARRAY_LEN(slots) - 100; i < ARRAY_LEN(slots); i++)
        hash_remove(&t.arena, &h, slots[i]);
    cr_assert_eq(h.n_buckets, 0);
    cr_assert_eq(h.buckets.n_pages, 0);
}

Test(hash, agrees_with_a_plain_array)
{
    enum { KEYS = 9000, ROUNDS = 60000 };
    static slot naive[KEYS];
    struct random random;
    random_init(&random, random_seed());
    uint32_t n = 0;
    for (int round = 0; round < ROUNDS; round++) {
        /* waxes and wanes, so that buckets split and merge again and again */
        uint64_t key = random_below(&random, KEYS);
        bool wants_it = random_below(&random, 10) < (round / 10000 % 2 == 0 ? 8 : 1);
        cr_assert_eq(find(key), naive[key]);
        if (wants_it && naive[key] == 0) {
            naive[key] = insert(key);
            n++;
        } else if (!wants_it && naive[key] != 0) {
            hash_remove(&t.arena, &h, naive[key]);
            pool_put(&t.arena, &records, naive[key]);
            naive[key] = 0;
            n--;
        }
        cr_assert_eq(h.n_items, n);
        if (round % 2000 == 0)
            cr_assert(hash_check(&t.arena, &h));
    }
    for (uint64_t key = 0; key < KEYS; key++)
        cr_assert_eq(find(key), naive[key]);
}

Test(hash, the_first_insert_fails_without_memory_and_later_ones_do_not)
{
    slot made = pool_get(&t.arena, &records);
    budget_fail_nth(&t.budget, 1);
    cr_assert_not(hash_insert(&t.arena, &h, made, 1));
    cr_assert_eq(h.n_items, 0);
    pool_put(&t.arena, &records, made);

    for (uint64_t i = 0; i < h.buckets.per_leaf; i++)
        insert(i);
    arena_trim(&t.arena);
    slot next = pool_get(&t.arena, &records);
    budget_fail_nth(&t.budget, 1); /* the next bucket would need a page */
    cr_assert(hash_insert(&t.arena, &h, next, 5), "the chains grow longer instead");
    cr_assert_eq(h.n_buckets, h.buckets.per_leaf);
    cr_assert(hash_check(&t.arena, &h));
}

/* Moves a record as kind_compact does: a copy first, then the link. */
static slot move(slot from)
{
    slot to = pool_get(&t.arena, &records);
    cr_assert_neq(to, 0);
    *(struct record *)slot_ptr(&t.arena, to) = *(struct record *)slot_ptr(&t.arena, from);
    budget_fail_nth(&t.budget, 1);
    hash_replace(&t.arena, &h, from, to);
    cr_assert_eq(atomic_load(&t.budget.fail_in), 1, "takes no memory");
    budget_fail_nth(&t.budget, 0);
    return to;
}

static void spoil(slot s)
{
    *(struct record *)slot_ptr(&t.arena, s) = (struct record){{UINT32_MAX, UINT32_MAX}, UINT64_MAX};
}

Test(hash, replaces_a_record_wherever_it_is_in_its_chain)
{
    slot slots[4];
    for (uint64_t i = 0; i < 4; i++)
        slots[i] = insert_hashed(i, 7);
    for (uint64_t i = 0; i < 4; i++) {
        slot moved = move(slots[i]);
        spoil(slots[i]);
        slots[i] = moved;
        for (uint64_t key = 0; key < 4; key++)
            cr_assert_eq(hash_find(&t.arena, &h, 7, has_key, &key), slots[key]);
        cr_assert(hash_check(&t.arena, &h));
    }
    for (uint64_t i = 0; i < 4; i++)
        hash_remove(&t.arena, &h, slots[i]);
    cr_assert_eq(h.n_items, 0);
}

Test(hash, replaces_every_record_of_a_table)
{
    enum { N = 5000 };
    static slot slots[N], old[N];
    for (uint64_t i = 0; i < N; i++)
        slots[i] = insert(i);
    for (uint64_t i = 0; i < N; i++) {
        old[i] = slots[i];
        slots[i] = move(slots[i]);
    }
    for (uint64_t i = 0; i < N; i++)
        spoil(old[i]);
    cr_assert(hash_check(&t.arena, &h));
    for (uint64_t i = 0; i < N; i++)
        cr_assert_eq(find(i), slots[i]);
}

Test(hash, replacing_what_is_not_there_is_a_programmer_s_error, .signal = SIGABRT)
{
    slot stranger = pool_get(&t.arena, &records), copy = pool_get(&t.arena, &records);
    insert(1);
    struct record *r = slot_ptr(&t.arena, stranger);
    *r = (struct record){.key = 2};
    *(struct record *)slot_ptr(&t.arena, copy) = *r;
    hash_replace(&t.arena, &h, stranger, copy);
}

Test(hash, check_sees_damage)
{
    slot a = insert(1);
    for (uint64_t i = 2; i < 100; i++)
        insert(i);
    cr_assert(hash_check(&t.arena, &h));

    h.n_items++;
    cr_assert_not(hash_check(&t.arena, &h));
    h.n_items -= 2;
    cr_assert_not(hash_check(&t.arena, &h));
    h.n_items++;

    struct hash_node *node = slot_ptr(&t.arena, a);
    node->hash ^= 1; /* now it lies in the wrong bucket */
    cr_assert_not(hash_check(&t.arena, &h));
    node->hash ^= 1;
    cr_assert(hash_check(&t.arena, &h));
}

Test(hash, a_walk_meets_every_record_once)
{
    enum { N = 3000 };
    static bool is_met[N];
    cr_assert_eq(hash_next(&t.arena, &h, 0), 0);
    for (uint64_t key = 0; key < N; key++)
        insert_hashed(key, hash_of(key) % 500);
    size_t n = 0;
    for (slot at = 0; (at = hash_next(&t.arena, &h, at)) != 0; n++) {
        const struct record *record = slot_ptr(&t.arena, at);
        cr_assert_not(is_met[record->key]);
        is_met[record->key] = true;
    }
    cr_assert_eq(n, N);
}

Test(hash, chains_lead_to_every_record)
{
    enum { N = 2000 };
    hash_fetch(&t.arena, &h, 7); /* of nothing, and of anything: only asks */
    cr_assert_eq(hash_chain(&t.arena, &h, 7), 0);
    for (uint64_t key = 0; key < N; key++)
        insert_hashed(key, hash_of(key) % 300);
    for (uint64_t key = 0; key < N; key++) {
        uint32_t hash_value = hash_of(key) % 300;
        hash_fetch(&t.arena, &h, hash_value);
        slot at = hash_chain(&t.arena, &h, hash_value);
        while (at != 0 && ((const struct record *)slot_ptr(&t.arena, at))->key != key)
            at = ((const struct hash_node *)slot_ptr(&t.arena, at))->next;
        cr_assert_neq(at, 0, "%lu", (unsigned long)key);
    }
}
