#include "tests/support/random.h"
#include "tests/unit/alloc/test_arena.h"
#include "tsdb/postings.h"

#include <stdlib.h>
#include <string.h>

enum { IDS = 200000, OWNER = 77, CONTAINER = 65472, ROW = 256 * CONTAINER };

static struct test_arena t;
static struct kind k;
static struct postings p;
static bool naive[IDS]; /* who is in the set */
static uint32_t n_naive;
static struct random random_state;

static void set_up(void)
{
    test_arena_init(&t, 64 << 20);
    kind_init(&k, t.owner);
    random_init(&random_state, random_seed());
}

static void tear_down(void)
{
    for (unsigned i = 0; i < KIND_POOLS; i++)
        pool_drop(&t.arena, &k.pools[i]);
    test_arena_release(&t);
}

TestSuite(postings, .init = set_up, .fini = tear_down);

static void add(uint32_t id)
{
    cr_assert(postings_add(&t.arena, &k, &p, OWNER, id));
    naive[id] = true;
    n_naive++;
}

static void drop(uint32_t id)
{
    postings_remove(&t.arena, &k, &p, id);
    naive[id] = false;
    n_naive--;
}

/* The set is in order, and nobody else has slots of the kind. */
static bool is_good(void)
{
    size_t bytes = 0;
    return postings_check(&t.arena, &p, OWNER, &bytes) && bytes == kind_used_bytes(&k);
}

/* Slices from anywhere, of any length, against the whole list. */
static void compare_slices(const uint32_t *ids, uint32_t n)
{
    static uint32_t got[IDS];
    for (int i = 0; i < 4; i++) {
        uint32_t near = n > 0 ? ids[random_below(&random_state, n)] : CONTAINER;
        uint32_t from = near - 1 + (uint32_t)random_below(&random_state, 3);
        uint32_t max = (uint32_t)random_below(&random_state, n + 2), at = 0;
        while (at < n && ids[at] < from)
            at++;
        uint32_t n_wanted = max < n - at ? max : n - at;
        cr_assert_eq(postings_slice(&t.arena, &p, from, got, max), n_wanted, "from %u", from);
        cr_assert_eq(memcmp(got, &ids[at], n_wanted * sizeof(got[0])), 0, "from %u", from);
        cr_assert_eq(postings_count_from(&t.arena, &p, from), n - at, "from %u", from);
    }
    cr_assert_eq(postings_count_from(&t.arena, &p, 0), n);
    cr_assert_eq(postings_count_from(&t.arena, &p, UINT32_MAX), 0);
    cr_assert_eq(postings_slice(&t.arena, &p, 0, got, IDS), n);
    cr_assert_eq(postings_slice(&t.arena, &p, UINT32_MAX, got, IDS), 0);
    cr_assert_eq(postings_slice(&t.arena, &p, POSTINGS_ID_MAX, got, IDS),
                 n > 0 && ids[n - 1] == POSTINGS_ID_MAX);
}

static void compare(void)
{
    static uint32_t ids[IDS];
    cr_assert(is_good());
    cr_assert(kind_check(&t.arena, &k));
    cr_assert_eq(p.n, n_naive);
    postings_list(&t.arena, &p, ids);
    uint32_t i = 0;
    for (uint32_t id = 0; id < IDS; id++) {
        if (naive[id])
            cr_assert_eq(ids[i++], id);
        if (naive[id] != postings_contains(&t.arena, &p, id))
            cr_assert_fail("id %u", id);
    }
    cr_assert_eq(i, n_naive);
    cr_assert_eq(postings_bytes(&t.arena, &p), kind_used_bytes(&k));
    compare_slices(ids, n_naive);
}

Test(postings, one_id_takes_no_memory)
{
    cr_assert_eq(sizeof(struct postings), 8);
    compare();
    add(77);
    compare();
    cr_assert_eq(test_arena_held(&t), 0);
    add(5);
    compare();
    cr_assert_eq(kind_used_bytes(&k), 16, "a container and no row");
    drop(77);
    compare();
    cr_assert_eq(test_arena_held(&t), 0);
    drop(5);
    compare();
    add(0);
    add(1);
    add(2);
    add(3);
    compare();
    cr_assert_eq(kind_used_bytes(&k), 16, "four ids");
    add(IDS - 1);
    compare();
    cr_assert_eq(kind_used_bytes(&k), 32 + 16 + 16, "a row and two containers");
    drop(IDS - 1);
    compare();
    cr_assert_eq(kind_used_bytes(&k), 16, "the row goes with the second");
}

Test(postings, ascending_ids_cross_arrays_and_containers)
{
    for (uint32_t id = 1; id < IDS; id++) {
        add(id);
        if ((id & 4095) < 3 || (id % CONTAINER > 3578 && id % CONTAINER < 3584) ||
            (id + 2) % CONTAINER < 5)
            compare();
    }
    cr_assert_leq(kind_used_bytes(&k), 4 * 8192 + 48, "bitmaps and a row");
}

Test(postings, goes_down_to_none_and_leaves_nothing)
{
    for (uint32_t id = 1; id < 140000; id++)
        add(id);
    for (uint32_t id = 139999; id > 0; id--) {
        drop(id);
        if ((id & 4095) < 2 || id < 5)
            compare();
    }
    cr_assert_eq(p.n, 0);
    cr_assert_eq(kind_used_bytes(&k), 0);
}

Test(postings, removal_from_the_front_frees_containers)
{
    for (uint32_t id = 0; id < IDS; id++)
        add(id);
    for (uint32_t id = 0; id < IDS - 1; id++)
        drop(id);
    compare();
    cr_assert_eq(kind_used_bytes(&k), 0, "one id is itself");
    add(5);
    add(IDS - 3);
    compare();
}

Test(postings, scattered_ids_come_in_any_order)
{
    static const uint32_t ids[] = {130000, 5, 65472, 65471, 199999, 0, 130944, 130943, 70000};
    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        add(ids[i]);
        compare();
    }
    for (size_t i = ARRAY_LEN(ids); i-- > 0;) {
        drop(ids[i]);
        compare();
    }
    cr_assert_eq(kind_used_bytes(&k), 0);
}

Test(postings, agrees_with_a_plain_array_at_random)
{
    for (int round = 0; round < 8; round++) {
        /* each round aims at another density, so that arrays and bitmaps turn into each other */
        uint64_t target = round % 2 == 0 ? 90 : 2, spread = round < 4 ? 12000 : IDS;
        for (int i = 0; i < 40000; i++) {
            uint32_t id = (uint32_t)random_below(&random_state, spread);
            bool wants_it = random_below(&random_state, 100) < target;
            if (wants_it && !naive[id])
                add(id);
            else if (!wants_it && naive[id])
                drop(id);
        }
        compare();
    }
}

/* Ids far apart, against a sorted list. */
static uint32_t far[4000];
static uint32_t n_far;

static void far_insert(uint32_t id)
{
    uint32_t at = n_far;
    while (at > 0 && far[at - 1] > id)
        at--;
    if (at > 0 && far[at - 1] == id)
        return;
    cr_assert(postings_add(&t.arena, &k, &p, OWNER, id));
    memmove(&far[at + 1], &far[at], (n_far - at) * sizeof(far[0]));
    far[at] = id;
    n_far++;
}

static void far_remove(uint32_t at)
{
    postings_remove(&t.arena, &k, &p, far[at]);
    n_far--;
    memmove(&far[at], &far[at + 1], (n_far - at) * sizeof(far[0]));
}

static void far_compare(void)
{
    static uint32_t ids[ARRAY_LEN(far)];
    cr_assert(is_good());
    cr_assert_eq(p.n, n_far);
    postings_list(&t.arena, &p, ids);
    cr_assert_eq(memcmp(ids, far, n_far * sizeof(ids[0])), 0);
    compare_slices(far, n_far);
    for (uint32_t i = 0; i < n_far; i++) {
        cr_assert(postings_contains(&t.arena, &p, far[i]));
        uint32_t next = far[i] + 1;
        bool is_there = i + 1 < n_far && far[i + 1] == next;
        cr_assert_eq(postings_contains(&t.arena, &p, next), is_there);
    }
}

Test(postings, ids_may_lie_anywhere_up_to_the_last)
{
    static const uint32_t edges[] = {0,       CONTAINER - 1, CONTAINER,           ROW - 1,
                                     ROW,     ROW + 1,       POSTINGS_ID_MAX - 1, POSTINGS_ID_MAX,
                                     ROW * 5, ROW * 5 - 1,   2147483648};
    for (size_t i = 0; i < ARRAY_LEN(edges); i++) {
        far_insert(edges[i]);
        far_compare();
    }
    while (n_far > 0) {
        far_remove((uint32_t)random_below(&random_state, n_far));
        far_compare();
    }
    cr_assert_eq(kind_used_bytes(&k), 0);
    cr_assert_not(postings_contains(&t.arena, &p, UINT32_MAX));
}

Test(postings, rows_come_and_go_with_their_ids)
{
    for (uint32_t i = 0; i < 200; i++)
        far_insert(i * CONTAINER);
    cr_assert_eq(kind_used_bytes(&k), 1792 + 200 * 16, "one row");
    far_insert(ROW * 5);
    far_compare();
    cr_assert_eq(kind_used_bytes(&k), 1792 + 200 * 16 + 32 + 2 * 16, "two, and the one above");
    far_remove(n_far - 1);
    far_compare();
    cr_assert_eq(kind_used_bytes(&k), 1792 + 200 * 16);
    while (n_far > 3)
        far_remove(0);
    far_compare();
    cr_assert_leq(kind_used_bytes(&k), 64 + 3 * 16, "a row shrinks");
    far_remove(2);
    far_insert(ROW * 9);
    far_insert(ROW * 9 + 1);
    far_compare();
    far_remove(0);
    far_remove(0);
    far_compare();
    cr_assert_eq(kind_used_bytes(&k), 16, "both rows go when one container is left");
    while (n_far > 0)
        far_remove(0);
}

Test(postings, agrees_with_a_sorted_list_of_ids_far_apart)
{
    for (int round = 0; round < 6; round++) {
        uint64_t spread = round % 2 == 0 ? (uint64_t)POSTINGS_ID_MAX + 1 : (uint64_t)ROW * 3;
        uint32_t aim = round < 4 ? (uint32_t)ARRAY_LEN(far) - 100 : 30;
        for (int i = 0; i < 6000; i++) {
            if (random_below(&random_state, 2 * aim) < n_far)
                far_remove((uint32_t)random_below(&random_state, n_far));
            else if (n_far < ARRAY_LEN(far) - 1)
                far_insert((uint32_t)random_below(&random_state, spread));
            if (i % 500 == 0)
                far_compare();
        }
        far_compare();
    }
    while (n_far > 0)
        far_remove(0);
    far_compare();
    cr_assert_eq(kind_used_bytes(&k), 0);
}

/* ---- moving ---- */

struct entry { /* as postings.c lays it out */
    slot at;
    uint16_t key, n_less_1;
};

struct row {
    uint32_t owner;
    uint16_t form, n;
    struct entry entries[];
};

static struct postings *set_of(void *ctx, uint32_t owner)
{
    cr_assert_eq(owner, OWNER);
    return ctx;
}

static slot move_slot(slot from)
{
    unsigned i = 0;
    size_t bytes = ((const struct row *)slot_ptr(&t.arena, from))->form; /* of an array */
    bytes = bytes == 0 ? 8192 : bytes < 0x8000 ? 8 + bytes * 2 : 8 + (bytes & 0x3fff) * 8;
    bytes = kind_slot_bytes(bytes);
    for (; k.pools[i].slot_bytes != bytes;)
        i++;
    slot to = pool_get(&t.arena, &k.pools[i]);
    memcpy(slot_ptr(&t.arena, to), slot_ptr(&t.arena, from), bytes);
    struct postings_mover mover = {&t.arena, set_of, &p};
    cr_assert(postings_move(&mover, from, to));
    memset(slot_ptr(&t.arena, from), 0xdd, bytes);
    pool_put(&t.arena, &k.pools[i], from);
    return to;
}

static void move_row(slot at)
{
    at = move_slot(at);
    const struct row *r = slot_ptr(&t.arena, at);
    for (uint32_t i = 0; i < r->n; i++) {
        if (r->form >= 0xc000)
            move_row(r->entries[i].at);
        else
            move_slot(r->entries[i].at);
    }
}

Test(postings, every_slot_of_a_set_may_move)
{
    for (uint32_t id = 0; id < IDS; id += id < 70000 ? 1 : 50)
        add(id);
    compare();
    move_row(p.row);
    compare();
    while (n_naive > 0)
        for (uint32_t id = 0; id < IDS; id++)
            if (naive[id])
                drop(id);
    for (int i = 0; i < 2000; i++)
        far_insert((uint32_t)random_below(&random_state, (uint64_t)POSTINGS_ID_MAX + 1));
    move_row(p.row);
    far_compare();
}

/* ---- memory ---- */

static void take_free_slots(void)
{
    for (unsigned i = 0; i < KIND_POOLS; i++)
        while (pool_free_slots(&k.pools[i]) > 0)
            cr_assert_neq(pool_get(&t.arena, &k.pools[i]), 0);
}

Test(postings, a_failed_add_changes_nothing)
{
    size_t n_failed = 0, bytes = 0;
    for (uint32_t id = 1; id < 70000; id++) {
        if (id % 64 == 0 || (id & 4095) < 2 || id < 40 || id > 65471) {
            arena_trim(&t.arena);
            take_free_slots();
            t.budget.limit_bytes = atomic_load(&t.budget.used_bytes);
            if (postings_add(&t.arena, &k, &p, OWNER, id))
                postings_remove(&t.arena, &k, &p, id);
            else
                n_failed++;
            cr_assert_eq(p.n, n_naive);
            cr_assert(postings_check(&t.arena, &p, OWNER, &bytes));
            cr_assert_not(postings_contains(&t.arena, &p, id));
            t.budget.limit_bytes = 64 << 20;
        }
        add(id);
    }
    cr_assert_gt(n_failed, 5);
}

/* Each page on the way to the second row, or from few ids to many, may be the one that is missing.
 */
Test(postings, any_page_may_be_missing)
{
    static const uint32_t before[][3] = {{1, 0, 0}, {1, 2, 0}, {1, 2, 3}, {ROW * 2, ROW * 9, 5}};
    static const uint32_t added[] = {7, ROW + 1, POSTINGS_ID_MAX};
    t.arena.retain_pages = 0;
    for (size_t i = 0; i < ARRAY_LEN(before); i++) {
        for (size_t j = 0; j < ARRAY_LEN(added); j++) {
            bool is_added = false;
            for (long nth = 1; !is_added; nth++) {
                p = (struct postings){0};
                for (size_t m = 0; m < 3 && before[i][m] != 0; m++)
                    cr_assert(postings_add(&t.arena, &k, &p, OWNER, before[i][m]));
                uint32_t n = p.n;
                size_t used = kind_used_bytes(&k), others = 0, bytes = 0;
                take_free_slots();
                others = kind_used_bytes(&k) - used;
                budget_fail_nth(&t.budget, nth);
                is_added = postings_add(&t.arena, &k, &p, OWNER, added[j]);
                budget_fail_nth(&t.budget, 0);
                cr_assert_eq(p.n, n + is_added);
                cr_assert(postings_check(&t.arena, &p, OWNER, &bytes));
                cr_assert_eq(bytes + others, kind_used_bytes(&k), "page %ld", nth);
                for (unsigned pool = 0; pool < KIND_POOLS; pool++)
                    pool_drop(&t.arena, &k.pools[pool]);
            }
        }
    }
    p = (struct postings){0};
}

Test(postings, removal_needs_no_memory)
{
    for (uint32_t id = 0; id < 80000; id++)
        add(id);
    t.budget.limit_bytes = 0;
    for (uint32_t id = 0; id < 80000; id++)
        if (id % 3 != 0)
            drop(id);
    compare();
    for (uint32_t id = 0; id < 80000; id += 3)
        drop(id);
    compare();
    t.budget.limit_bytes = 64 << 20;
}

Test(postings, check_sees_damage)
{
    for (uint32_t id = 0; id < 70000; id += 2)
        add(id);
    far_insert(ROW * 3);
    cr_assert(is_good());
    struct row *upper = slot_ptr(&t.arena, p.row);
    struct row *lower = slot_ptr(&t.arena, upper->entries[0].at);
    struct row *bitmap = slot_ptr(&t.arena, lower->entries[0].at);
    struct row *array = slot_ptr(&t.arena, lower->entries[1].at);
    uint64_t *words = (uint64_t *)(void *)bitmap + 1;
    uint16_t *items = (uint16_t *)(void *)array + 4;
    uint16_t *fields[] = {
        &upper->n,
        &upper->entries[1].key,
        &lower->form,
        &lower->entries[0].n_less_1,
        &array->n,
        /* the key of a container */ &array->form,
        &lower->entries[1].key,

        &bitmap->n,
    };
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        ++*fields[i];
        cr_assert_not(is_good(), "field %zu", i);
        --*fields[i];
    }
    uint32_t *owners[] = {&upper->owner, &lower->owner, &bitmap->owner, &array->owner, &p.n};
    for (size_t i = 0; i < ARRAY_LEN(owners); i++) {
        ++*owners[i];
        cr_assert_not(is_good(), "owner %zu", i);
        --*owners[i];
    }
    words[3] ^= 2;
    cr_assert_not(is_good(), "bits");
    words[3] ^= 2;
    items[3] += 2;
    cr_assert_not(is_good(), "a member twice");
    items[3] -= 2;
    cr_assert(is_good());
    size_t bytes = 0;
    struct postings none = {.n = 0, .only = 5}, one = {.n = 1, .only = UINT32_MAX};
    cr_assert_not(postings_check(&t.arena, &none, OWNER, &bytes));
    cr_assert_not(postings_check(&t.arena, &one, OWNER, &bytes));
}

Test(postings, check_sees_damage_to_a_container_without_a_row)
{
    for (uint32_t id = 10; id < 20; id += 2)
        add(id);
    cr_assert(is_good());
    uint32_t *owner = slot_ptr(&t.arena, p.row);
    uint16_t *form = (uint16_t *)(void *)owner + 2, *items = form + 2;
    ++*owner;
    cr_assert_not(is_good(), "owner");
    --*owner;
    *form = 4;
    cr_assert_not(is_good(), "capacity");
    *form = 12;
    items[1] = items[2];
    cr_assert_not(is_good(), "a member twice");
    items[1] = 12;
    p.n++;
    cr_assert_not(is_good(), "one more");
    p.n -= 2;
    cr_assert_not(is_good(), "one less");
    p.n++;
}
