#include "tests/unit/tsdb/test_window_suite.h"
#include "tsdb/labels.h"

static struct test_dry dry;

TestSuite(shared, .init = test_window_set_up, .fini = test_window_tear_down);

static void random_bytes(uint8_t *bytes, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        bytes[i] = (uint8_t)random_next(&random_state);
}

static slot find(const uint8_t *bytes, uint32_t n)
{
    unsigned place = slots_enter(&x.slots);
    slot s = shared_find(&x.shared, &x.slots, x.w, bytes, n);
    slots_leave(&x.slots, place);
    return s;
}

static void expect_values(slot s, const uint8_t *bytes, uint32_t n)
{
    cr_assert_neq(s, 0);
    cr_assert_eq(shared_at(&x.t.arena, s)->n_bytes, n);
    cr_assert_eq(memcmp(shared_bytes(&x.t.arena, s), bytes, n), 0);
    cr_assert(shared_check(&x.t.arena, s, x.w->serial));
}

static void expect_footprint(void)
{
    struct chunk_footprint used = test_window_used(&x, x.w), counted = {0};
    uint32_t n = 0;
    for (slot s = x.w->last_shared; s != 0; s = shared_at(&x.t.arena, s)->before)
        cr_assert_eq(shared_at(&x.t.arena, s)->number, x.w->n_shared - ++n);
    cr_assert_eq(n, x.w->n_shared);
    test_add_shared(&x, x.w, &counted);
    test_same_footprint(&counted, &used, "shared values");
}

Test(shared, the_third_one_makes_them_and_all_others_find_them)
{
    uint8_t bytes[COLUMN_BYTES_MAX];
    random_bytes(bytes, sizeof(bytes));
    for (uint32_t n = SHARED_BYTES_MIN; n <= COLUMN_BYTES_MAX; n++) {
        for (int i = 0; i < SHARED_SIGHTS; i++)
            cr_assert_eq(find(bytes, n), 0, "%u bytes, sight %d", n, i);
        slot s = find(bytes, n);
        expect_values(s, bytes, n);
        for (int i = 0; i < 3; i++)
            cr_assert_eq(find(bytes, n), s);
        expect_footprint();
        test_window_renew(&x);
    }
}

Test(shared, what_is_short_is_left_alone)
{
    uint8_t bytes[SHARED_BYTES_MIN] = {0};
    for (int i = 0; i < 10; i++)
        cr_assert_eq(find(bytes, SHARED_BYTES_MIN - 1), 0);
    cr_assert_eq(x.w->n_shared, 0);
    for (int i = 0; i < 10; i++)
        (void)find(bytes, SHARED_BYTES_MIN);
    cr_assert_eq(x.w->n_shared, 1);
}

Test(shared, a_single_bit_makes_another)
{
    uint8_t bytes[200], other[200];
    random_bytes(bytes, sizeof(bytes));
    for (int i = 0; i <= SHARED_SIGHTS; i++)
        (void)find(bytes, sizeof(bytes));
    for (uint32_t bit = 0; bit < 8 * sizeof(bytes); bit += 37) {
        memcpy(other, bytes, sizeof(bytes));
        other[bit / 8] ^= (uint8_t)(1 << bit % 8);
        cr_assert_eq(find(other, sizeof(other)), 0);
    }
    cr_assert_eq(find(bytes, sizeof(bytes) - 1), 0, "or one byte less");
    expect_values(find(bytes, sizeof(bytes)), bytes, sizeof(bytes));
}

/* Bytes that both windows look for in the same set, or the two never meet. */
static void random_bytes_of_one_set(uint8_t *bytes, uint32_t n, const struct window *v,
                                    const struct window *w)
{
    uint64_t differing;
    do {
        random_bytes(bytes, n);
        differing = bytes_hash(bytes, n, v->serial) ^ bytes_hash(bytes, n, w->serial);
    } while ((differing & (SHARED_KEPT_SETS - 1)) != 0);
}

Test(shared, windows_share_nothing_with_each_other)
{
    uint8_t bytes[300];
    struct window *first = x.w, *second = window_make(&x.windows, 8);
    random_bytes_of_one_set(bytes, sizeof(bytes), first, second);
    for (int i = 0; i <= SHARED_SIGHTS; i++)
        (void)find(bytes, sizeof(bytes));
    slot of_first = find(bytes, sizeof(bytes));
    x.w = second;
    for (int i = 0; i < SHARED_SIGHTS; i++)
        cr_assert_eq(find(bytes, sizeof(bytes)), 0);
    slot of_second = find(bytes, sizeof(bytes));
    expect_values(of_second, bytes, sizeof(bytes));
    cr_assert_neq(of_first, of_second);
    cr_assert_not(shared_check(&x.t.arena, of_first, x.w->serial));
    expect_footprint();
    x.w = first;
    cr_assert_eq(find(bytes, sizeof(bytes)), of_first);
    expect_footprint();
}

/* The tables still name slots of a window that has gone, whose pages are used again. */
Test(shared, what_expired_is_not_found)
{
    enum { COLUMNS = 300, BYTES = 500 };
    static uint8_t bytes[COLUMNS][BYTES];
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < COLUMNS; i++) {
            if (round == 0)
                random_bytes(bytes[i], BYTES);
            for (int k = 0; k < SHARED_SIGHTS; k++)
                cr_assert_eq(find(bytes[i], BYTES), 0);
            expect_values(find(bytes[i], BYTES), bytes[i], BYTES);
        }
        cr_assert_eq(x.w->n_shared, COLUMNS);
        expect_footprint();
        test_window_renew(&x);
    }
}

/* Columns of a scrape or two in any order: nearly all are found, however many others were between.
 */
Test(shared, the_tables_remember_what_a_scrape_brings)
{
    enum { COLUMNS = 128, COPIES = 40, BYTES = 130 };
    static uint8_t bytes[COLUMNS][BYTES];
    uint32_t n_private = 0;
    for (int i = 0; i < COLUMNS; i++)
        random_bytes(bytes[i], BYTES);
    for (int n = 0; n < COLUMNS * COPIES; n++) {
        uint64_t i = random_below(&random_state, COLUMNS);
        slot s = find(bytes[i], BYTES);
        n_private += s == 0;
        if (s != 0)
            expect_values(s, bytes[i], BYTES);
    }
    cr_assert_leq(n_private, COLUMNS * (SHARED_SIGHTS + 2));
    cr_assert_leq(x.w->n_shared, COLUMNS + 8);
    expect_footprint();
}

/* Random bytes whose hash has these low bits: they meet in one set of a table. */
static void bytes_of_set(uint8_t *bytes, uint32_t n, uint64_t set, uint64_t n_sets)
{
    do
        random_bytes(bytes + n - 8, 8);
    while (bytes_hash(bytes, n, x.w->serial) % n_sets != set);
}

/* They differ in their last bytes only. */
Test(shared, columns_that_meet_in_a_set_are_told_apart)
{
    enum { BYTES = 400, OTHERS = 40 };
    uint8_t bytes[BYTES] = {0}, other[BYTES] = {0};
    bytes_of_set(bytes, BYTES, 7, SHARED_KEPT_SETS);
    for (int i = 0; i < SHARED_SIGHTS; i++)
        (void)find(bytes, BYTES);
    slot s = find(bytes, BYTES);
    expect_values(s, bytes, BYTES);
    for (int i = 0; i < OTHERS; i++) {
        bytes_of_set(other, BYTES, 7, SHARED_KEPT_SETS);
        cr_assert_eq(find(other, BYTES), 0);
    }
    cr_assert_eq(find(bytes, BYTES), s);
}

Test(shared, each_set_remembers_as_many_as_it_has_ways)
{
    enum { BYTES = 200 };
    uint8_t bytes[SHARED_WAYS][BYTES] = {{0}};
    slot kept[SHARED_WAYS];
    for (int i = 0; i < SHARED_WAYS; i++)
        bytes_of_set(bytes[i], BYTES, 5,
                     SHARED_SEEN_SETS > SHARED_KEPT_SETS ? SHARED_SEEN_SETS : SHARED_KEPT_SETS);
    for (int sight = 0; sight < SHARED_SIGHTS; sight++)
        for (int i = 0; i < SHARED_WAYS; i++)
            cr_assert_eq(find(bytes[i], BYTES), 0);
    for (int i = 0; i < SHARED_WAYS; i++) {
        kept[i] = find(bytes[i], BYTES);
        expect_values(kept[i], bytes[i], BYTES);
    }
    for (int i = 0; i < SHARED_WAYS; i++)
        cr_assert_eq(find(bytes[i], BYTES), kept[i]);
    cr_assert_eq(x.w->n_shared, SHARED_WAYS);
}

/* Far more than the tables have room for: what is found is right, and there is at most one set of
 * shared values for every SHARED_SIGHTS + 1 columns. */
Test(shared, the_tables_forget_and_never_lie)
{
    enum { COLUMNS = 6000, SIGHTS = 60000, BYTES = 128 };
    static uint8_t bytes[COLUMNS][BYTES];
    for (int i = 0; i < COLUMNS; i++)
        random_bytes(bytes[i], BYTES);
    for (int n = 0; n < SIGHTS; n++) {
        uint64_t i = random_below(&random_state, n % 2 == 0 ? COLUMNS : COLUMNS / 50);
        slot s = find(bytes[i], BYTES);
        if (s != 0)
            expect_values(s, bytes[i], BYTES);
    }
    cr_assert_gt(x.w->n_shared, COLUMNS / 50);
    cr_assert_leq(x.w->n_shared, SIGHTS / (SHARED_SIGHTS + 1));
    expect_footprint();
}

Test(shared, columns_that_differ_cost_nothing)
{
    uint8_t bytes[150];
    for (int i = 0; i < 200000; i++) {
        random_bytes(bytes, 16);
        cr_assert_eq(find(bytes, sizeof(bytes)), 0);
    }
    cr_assert_eq(x.w->n_shared, 0);
}

Test(shared, new_ones_have_any_length)
{
    uint8_t bytes[COLUMN_BYTES_MAX];
    random_bytes(bytes, sizeof(bytes));
    for (uint32_t n = 1; n <= COLUMN_BYTES_MAX; n++)
        expect_values(shared_new(&x.slots, x.w, bytes, n), bytes, n);
    expect_footprint();
}

/* Without memory the block keeps its bytes, and nothing is taken. */
Test(shared, without_memory_nothing_changes)
{
    uint8_t bytes[700];
    for (int with_limbo = 0; with_limbo < 2; with_limbo++) {
        random_bytes(bytes, sizeof(bytes));
        for (int i = 0; i < SHARED_SIGHTS; i++)
            cr_assert_eq(find(bytes, sizeof(bytes)), 0);
        struct chunk_footprint before = test_window_used(&x, x.w);
        test_dry_begin(&x, &dry, 0, with_limbo != 0);
        cr_assert_eq(find(bytes, sizeof(bytes)), 0);
        cr_assert_eq(shared_new(&x.slots, x.w, bytes, sizeof(bytes)), 0);
        test_dry_end(&x, &dry, with_limbo != 0);
        struct chunk_footprint after = test_window_used(&x, x.w);
        test_same_footprint(&before, &after, "without memory");
        cr_assert_eq(x.w->n_shared, (uint32_t)with_limbo);
        for (int i = 0; i < SHARED_SIGHTS; i++)
            cr_assert_eq(find(bytes, sizeof(bytes)), 0, "they are counted anew");
        expect_values(find(bytes, sizeof(bytes)), bytes, sizeof(bytes));
        expect_footprint();
    }
}

/* The record is there, its bytes are not. */
Test(shared, with_half_of_what_is_needed_nothing_changes)
{
    uint8_t bytes[SIZE_CLASS_BYTES_MAX];
    random_bytes(bytes, sizeof(bytes));
    cr_assert_neq(shared_new(&x.slots, x.w, bytes, 32), 0, "a page of crumbs");
    struct chunk_footprint before = test_window_used(&x, x.w);
    arena_trim(&x.t.arena);
    x.t.budget.limit_bytes = atomic_load(&x.t.budget.used_bytes);
    cr_assert_eq(shared_new(&x.slots, x.w, bytes, sizeof(bytes)), 0);
    x.t.budget.limit_bytes = TEST_CHUNK_BYTES;
    struct chunk_footprint after = test_window_used(&x, x.w);
    test_same_footprint(&before, &after, "half");
    cr_assert_eq(x.w->n_shared, 1);
}

Test(shared, a_check_sees_each_field)
{
    uint8_t bytes[200];
    random_bytes(bytes, sizeof(bytes));
    slot s = shared_new(&x.slots, x.w, bytes, sizeof(bytes));
    struct shared *h = shared_at(&x.t.arena, s);
    const struct shared good = *h;
    uint32_t serial = x.w->serial;
    cr_assert(shared_check(&x.t.arena, s, serial));
    h->serial++;
    cr_assert_not(shared_check(&x.t.arena, s, serial));
    *h = good;
    h->n_bytes = 0;
    cr_assert_not(shared_check(&x.t.arena, s, serial));
    h->n_bytes = 257;
    cr_assert_not(shared_check(&x.t.arena, s, serial), "more than the slot has");
    h->n_bytes = COLUMN_BYTES_MAX + 1;
    cr_assert_not(shared_check(&x.t.arena, s, serial));
    *h = good;
    h->bytes = 0;
    cr_assert_not(shared_check(&x.t.arena, s, serial));
    *h = good;
    cr_assert(shared_check(&x.t.arena, s, serial));
}
