#include "alloc/strings.h"

#include "tests/support/random.h"
#include "tests/unit/alloc/test_arena.h"

#include <string.h>

/* The model is the length of each id's string, by id. All bytes of a string follow from id and
 * length, so a lost or mixed up one shows. */
enum { IDS = 64 * 512, FIRST = STRINGS_BUNDLE };

static struct test_arena t;
static struct strings s;
static uint32_t length_of[IDS];
static uint64_t n_strings, n_bytes;

static void set_up(void)
{
    test_arena_init(&t, 256 << 20);
    strings_init(&s, t.owner, t.owner);
}

static void tear_down(void)
{
    cr_assert(strings_check(&t.arena, &s));
    strings_release(&t.arena, &s);
    cr_assert(strings_check(&t.arena, &s));
    test_arena_release(&t);
}

TestSuite(strings, .init = set_up, .fini = tear_down);

static const char *text_of(uint32_t seed, size_t n)
{
    static char text[STRINGS_BYTES_MAX];
    for (size_t i = 0; i < n; i++)
        text[i] = (char)(seed * 31 + i * 7 + n);
    return text;
}

static void expect(uint32_t id)
{
    cr_assert_eq(strings_has(&t.arena, &s, id), length_of[id] > 0, "id %u", id);
    if (length_of[id] == 0)
        return;
    struct bytes found = strings_at(&t.arena, &s, id);
    cr_assert_eq(found.n, length_of[id], "id %u", id);
    cr_assert_eq(memcmp(found.at, text_of(id, found.n), found.n), 0, "id %u", id);
}

static void expect_all(void)
{
    uint32_t next = 0;
    for (uint32_t id = 0; id < IDS; id++) {
        expect(id);
        if (id > 0 && length_of[id] > 0) {
            next = strings_next(&t.arena, &s, next);
            cr_assert_eq(next, id);
        }
    }
    cr_assert_eq(strings_next(&t.arena, &s, next), 0);
    cr_assert_eq(s.n, n_strings);
    cr_assert_eq(s.n_bytes, n_bytes);
    cr_assert(strings_check(&t.arena, &s));
}

static void count(uint32_t id, size_t n)
{
    cr_assert(id < IDS && length_of[id] == 0);
    length_of[id] = (uint32_t)n;
    n_strings++;
    n_bytes += n;
}

/* Writes the bytes that the model expects once the id is known. */
static uint32_t add(size_t n)
{
    uint32_t id = strings_add(&t.arena, &s, text_of(0, n), n);
    if (id != 0) {
        count(id, n);
        memcpy((char *)(uintptr_t)strings_at(&t.arena, &s, id).at, text_of(id, n), n);
    }
    return id;
}

static bool put(uint32_t id, size_t n)
{
    bool is_in = strings_put(&t.arena, &s, id, text_of(id, n), n);
    if (is_in)
        count(id, n);
    return is_in;
}

static void drop(uint32_t id)
{
    strings_remove(&t.arena, &s, id);
    n_strings--;
    n_bytes -= length_of[id];
    length_of[id] = 0;
}

Test(strings, an_id_leads_to_its_string)
{
    uint32_t a = add(3), b = add(100), c = add(1);
    cr_assert_eq(a, FIRST, "0 is no id");
    cr_assert(b == a + 1 && c == b + 1);
    expect_all();
    drop(b);
    expect_all();
    cr_assert_eq(add(5), b, "used again");
    expect_all();
    cr_assert_not(strings_has(&t.arena, &s, 0));
    cr_assert_not(strings_has(&t.arena, &s, UINT32_MAX));
}

Test(strings, strings_of_all_lengths_are_kept)
{
    static uint32_t ids[STRINGS_BYTES_MAX + 1];
    for (size_t n = 1; n <= STRINGS_BYTES_MAX; n++)
        cr_assert_neq(ids[n] = add(n), 0);
    expect_all();
    for (size_t n = STRINGS_BYTES_MAX; n > 0; n--)
        drop(ids[n]);
    expect_all();
    cr_assert_eq(test_arena_held(&t), 0, "the last one leaves nothing");
}

Test(strings, take_their_bytes_and_little_more)
{
    enum { N = 30000 };
    for (uint32_t i = 0; i < N; i++)
        cr_assert_neq(add(10 + i % 11), 0);
    cr_assert_leq(kind_used_bytes(&s.slots), n_bytes + N + N / 2, "a byte and a half each");
    cr_assert_lt(s.n_bundles * STRINGS_BUNDLE, N + N / 10, "ids are dense");
    expect_all();
}

Test(strings, a_bundle_is_filled_to_the_last_byte_and_not_past_it)
{
    enum { HEAD = 16, ROOM = STRINGS_BUNDLE_BYTES - HEAD };
    size_t n_left = ROOM - 63 * (1 + 14);
    for (int i = 0; i < 63; i++)
        cr_assert_neq(add(14), 0);
    cr_assert_eq(add(n_left), FIRST + 64 * 1, "a byte too many with its length");
    drop(FIRST + 64);
    drop(FIRST + 5); /* opens the bundle again */
    cr_assert_eq(add(14), FIRST + 5);
    cr_assert_eq(add(n_left - 1), FIRST + 63, "the last byte");
    cr_assert_eq(s.n_bundles, 1);
    cr_assert_eq(kind_used_bytes(&s.slots), STRINGS_BUNDLE_BYTES);
    cr_assert_eq(s.open, 0);
    expect_all();
}

/* Bundles of 63 that are full to the last byte, and open with room for 15 bytes. */
Test(strings, a_long_list_of_nearly_full_bundles_is_not_walked_at_once)
{
    enum { N = 20, TRIES = 8, PER_BUNDLE = 63, LONG = 40 };
    for (int i = 0; i < PER_BUNDLE * N; i++)
        cr_assert_neq(add(15), 0);
    cr_assert_eq(s.n_bundles, N);
    for (uint32_t i = 0; i < N; i++)
        drop(FIRST + 64 * i + 7);
    cr_assert_eq(add(LONG), FIRST + 64 * N, "a new one");
    int n_room = (STRINGS_BUNDLE_BYTES - 16 - (LONG + 1)) / 16;
    for (int i = 0; i < n_room + N - TRIES; i++)
        cr_assert_neq(add(15), 0);
    cr_assert_eq(s.n_bundles, N + 1, "those that were not tried take it");
    cr_assert_neq(add(15), 0);
    cr_assert_eq(s.n_bundles, N + 2, "those that were tried do not");
    expect_all();
}

Test(strings, places_that_came_free_are_used_before_there_are_more)
{
    for (int i = 0; i < 20000; i++)
        cr_assert_neq(add(12), 0);
    uint32_t n_bundles = s.n_bundles;
    struct random random;
    random_init(&random, random_seed());
    for (int i = 0; i < 20000; i++) {
        uint32_t id;
        do
            id = (uint32_t)random_below(&random, IDS);
        while (length_of[id] == 0);
        drop(id);
        cr_assert_neq(add(12), 0);
    }
    cr_assert_eq(s.n_bundles, n_bundles);
    expect_all();
}

Test(strings, numbers_of_bundles_that_went_are_used_again)
{
    for (int i = 0; i < 64 * 40; i++)
        cr_assert_neq(add(10), 0);
    uint32_t last = FIRST + 64 * 40;
    for (uint32_t id = FIRST; id < FIRST + 64 * 2; id++)
        drop(id);
    for (uint32_t id = FIRST + 64 * 9; id < FIRST + 64 * 10; id++)
        drop(id);
    for (int i = 0; i < 64 * 3; i++)
        cr_assert_lt(add(10), FIRST + 64 * 10);
    cr_assert_eq(add(10), last);
    expect_all();
}

Test(strings, full_leaves_of_the_table_are_passed_by)
{
    const uint32_t per_leaf = s.bundles.per_leaf;
    uint32_t made = 0;
    for (uint32_t i = 0; i < per_leaf + 10; i++)
        for (int k = 0; k < 64; k++)
            cr_assert_neq(made = strings_add(&t.arena, &s, "0123456789", 10), 0);
    cr_assert_eq(made, (per_leaf + 10) * 64 + 63);
    for (uint32_t id = 7 * 64; id < 8 * 64; id++)
        strings_remove(&t.arena, &s, id);
    cr_assert_eq(strings_add(&t.arena, &s, "x", 1), 7 * 64);
    for (int k = 0; k < 63; k++)
        cr_assert_neq(strings_add(&t.arena, &s, "x", 1), 0);
    cr_assert_eq(strings_add(&t.arena, &s, "x", 1), (per_leaf + 11) * 64);
}

/* ---- ids of the caller's ---- */

Test(strings, put_takes_any_id_and_any_length)
{
    for (uint32_t id = 0; id < 64; id++)
        cr_assert(put(id, STRINGS_IN_BUNDLE_MAX));
    cr_assert_eq(s.n_bundles, 1);
    for (uint32_t id = 64; id < 128; id++)
        cr_assert(put(id, STRINGS_IN_BUNDLE_MAX + 1));
    for (uint32_t id = 128; id < 192; id++)
        cr_assert(put(id, id % 2 == 0 ? STRINGS_BYTES_MAX : 1));
    cr_assert(put(1000 * 16 + 63, 5));
    cr_assert(put(1000 * 16 + 60, 6), "below one that is there");
    cr_assert_eq(s.n_bundles, 4);
    cr_assert_eq(s.open, 0, "no string is added to these");
    expect_all();
    for (uint32_t id = 0; id < IDS; id++)
        if (length_of[id] > 0)
            drop(id);
    cr_assert_eq(s.open, 0);
    expect_all();
    cr_assert_eq(test_arena_held(&t), 0);
}

Test(strings, put_at_both_ends_of_the_ids)
{
    cr_assert(strings_put(&t.arena, &s, UINT32_MAX, "last", 4));
    cr_assert(strings_put(&t.arena, &s, 0, "first", 5));
    cr_assert_eq(strings_next(&t.arena, &s, 0), UINT32_MAX);
    cr_assert_eq(strings_next(&t.arena, &s, UINT32_MAX), 0);
    cr_assert_eq(memcmp(strings_at(&t.arena, &s, UINT32_MAX).at, "last", 4), 0);
    cr_assert_eq(memcmp(strings_at(&t.arena, &s, 0).at, "first", 5), 0);
    cr_assert(strings_check(&t.arena, &s));
    strings_remove(&t.arena, &s, 0);
    strings_remove(&t.arena, &s, UINT32_MAX);
    cr_assert_eq(test_arena_held(&t), 0);
}

Test(strings, leaves_of_the_table_go_with_their_last_bundle)
{
    uint32_t far_away = s.bundles.per_leaf * 64 * 2;
    cr_assert(strings_put(&t.arena, &s, 5, "abc", 3) &&
              strings_put(&t.arena, &s, far_away, "abc", 3));
    uint32_t n_pages = s.bundles.n_pages;
    strings_remove(&t.arena, &s, 5);
    cr_assert_eq(s.bundles.n_pages, n_pages - 1);
    strings_remove(&t.arena, &s, far_away);
    cr_assert_eq(s.bundles.n_pages, 0);
}

/* ---- slots ---- */

Test(strings, a_bundle_gets_a_smaller_slot_when_it_is_two_sizes_smaller)
{
    for (uint32_t id = 0; id < 64; id++)
        cr_assert(put(id, 16));
    size_t full = kind_used_bytes(&s.slots); /* 16 + 64 * 17 = 1104 */
    cr_assert_eq(full, 1168);
    drop(63); /* 1087: one size */
    cr_assert_eq(kind_used_bytes(&s.slots), full);
    for (uint32_t id = 3; id < 6; id++)
        drop(id); /* 1039, as the places stay: one size */
    cr_assert_eq(kind_used_bytes(&s.slots), full);
    drop(6); /* 1023: two */
    cr_assert_eq(kind_used_bytes(&s.slots), 1024);
    for (uint32_t id = 62; id > 6; id--)
        drop(id);
    cr_assert_leq(kind_used_bytes(&s.slots), 96);
    expect_all();
}

Test(strings, a_bundle_of_ascending_ids_moves_once_and_fits_in_the_end)
{
    size_t n_moves = 0, used = 0;
    for (uint32_t id = 0; id < 128; id++) {
        size_t before = used;
        cr_assert(put(id, id < 64 ? 10 : id - 63)); /* longer than expected: some more */
        used = kind_used_bytes(&s.slots);
        n_moves += id % 64 > 0 && used != before;
        if (id == 0)
            cr_assert_geq(used, 16 + 64 * 11);
        if (id == 63) {
            cr_assert_eq(used, kind_size(&s.slots, 16 + 64 * 11));
            cr_assert_leq(n_moves, 1);
        }
    }
    cr_assert_eq(used, kind_size(&s.slots, 16 + 64 * 11) +
                           kind_size(&s.slots, 16 + 64 + 64 * 65 / 2)); /* 1 + 2 + .. + 64 */
    cr_assert_leq(n_moves, 16);
    expect_all();
}

Test(strings, without_memory_the_last_place_is_taken_in_a_slot_that_does_not_fit)
{
    for (uint32_t id = 0; id < 63; id++)
        cr_assert(put(id, id == 0 ? 100 : 1));
    size_t used = kind_used_bytes(&s.slots);
    t.arena.retain_pages = 0;
    arena_trim(&t.arena);
    budget_fail_nth(&t.budget, 1);
    cr_assert(put(63, 1));
    budget_fail_nth(&t.budget, 0);
    cr_assert_eq(kind_used_bytes(&s.slots), used);
    expect_all();
}

Test(strings, without_memory_a_bundle_stays_in_its_slot)
{
    for (uint32_t id = 0; id < 64; id++)
        cr_assert(put(id, 40));
    t.arena.retain_pages = 0;
    arena_trim(&t.arena);
    budget_fail_nth(&t.budget, 1);
    for (uint32_t id = 0; id < 63; id++)
        drop(id);
    budget_fail_nth(&t.budget, 0);
    expect_all();
}

Test(strings, without_memory_nothing_changes)
{
    static const size_t lengths[] = {1, 50, STRINGS_IN_BUNDLE_MAX, 1000, STRINGS_BYTES_MAX};
    t.arena.retain_pages = 0;
    for (size_t i = 0; i < ARRAY_LEN(lengths) * 200; i++) {
        size_t n = lengths[i % ARRAY_LEN(lengths)], held = test_arena_held(&t);
        size_t used = kind_used_bytes(&s.slots);
        for (long nth = 1;; nth++) {
            budget_fail_nth(&t.budget, nth);
            uint32_t id = add(n);
            budget_fail_nth(&t.budget, 0);
            if (id != 0)
                break;
            cr_assert_eq(test_arena_held(&t), held);
            cr_assert_eq(kind_used_bytes(&s.slots), used);
            cr_assert(strings_check(&t.arena, &s));
        }
    }
    expect_all();
}

Test(strings, without_memory_nothing_is_put)
{
    t.arena.retain_pages = 0;
    long most = 0;
    for (uint32_t id = 0; id < 600; id++) {
        size_t held = test_arena_held(&t), n = id % 7 == 3 ? 300 : 20;
        for (long nth = 1;; nth++) {
            budget_fail_nth(&t.budget, nth);
            bool is_in = put(id, n);
            budget_fail_nth(&t.budget, 0);
            most = nth > most ? nth : most;
            if (is_in)
                break;
            cr_assert_eq(test_arena_held(&t), held);
            cr_assert(strings_check(&t.arena, &s));
        }
    }
    cr_assert_gt(most, 2, "a leaf of the table and a page of slots");
    expect_all();
}

/* ---- against the model ---- */

static size_t random_length(struct random *random)
{
    switch (random_below(random, 40)) {
    case 0:
        return 1 + random_below(random, STRINGS_BYTES_MAX);
    case 1:
    case 2:
        return STRINGS_IN_BUNDLE_MAX - 2 + random_below(random, 5);
    default:
        return 1 + random_below(random, 30);
    }
}

static void compact(struct random *random)
{
    struct strings_mover mover = {&t.arena, &s};
    size_t pages = kind_pages(&s.slots), n_calls = 0;
    while (kind_compact(&t.arena, &s.slots, NULL, strings_move, &mover,
                        1 + random_below(random, 100)) > 0)
        cr_assert_lt(++n_calls, IDS);
    cr_assert_leq(kind_pages(&s.slots), pages);
    cr_assert_not(kind_wants_compaction(&s.slots));
}

static void agree(bool is_put)
{
    struct random random;
    random_init(&random, random_seed());
    for (int round = 0; round < 10; round++) {
        uint64_t percent = round % 2 == 0 ? 75 : 10 + random_below(&random, 30);
        for (int i = 0; i < 15000; i++) {
            uint32_t id = (uint32_t)random_below(&random, IDS);
            bool wants_it = random_below(&random, 100) < percent;
            if (wants_it && is_put && length_of[id] == 0)
                cr_assert(put(id, random_length(&random)));
            else if (wants_it && !is_put && n_strings < IDS / 3) /* a full bundle may have 31 */
                cr_assert_neq(add(random_length(&random)), 0);
            else if (!wants_it && length_of[id] > 0)
                drop(id);
        }
        expect_all();
        compact(&random);
        expect_all();
    }
    for (uint32_t id = 0; id < IDS; id++)
        if (length_of[id] > 0)
            drop(id);
    cr_assert_eq(test_arena_held(&t), 0);
}

Test(strings, agrees_with_a_model_when_it_chooses_ids)
{
    agree(false);
}

Test(strings, agrees_with_a_model_when_ids_are_given)
{
    agree(true);
}

Test(strings, compaction_returns_pages)
{
    struct random random;
    random_init(&random, random_seed());
    for (uint32_t i = 0; i < 30000; i++)
        cr_assert_neq(add(12), 0);
    for (uint32_t id = 0; id < IDS; id++)
        if (length_of[id] > 0 && id % 64 > 15)
            drop(id);
    for (uint32_t id = 0; id < IDS; id++)
        if (length_of[id] > 0 && id / 64 % 4 != 0)
            drop(id);
    size_t pages = kind_pages(&s.slots);
    compact(&random);
    cr_assert_lt(kind_pages(&s.slots), pages);
    expect_all();
}

/* ---- the check ---- */

static bool is_good(void)
{
    return strings_check(&t.arena, &s);
}

Test(strings, check_sees_damage_to_its_counts)
{
    for (int i = 0; i < 100; i++)
        cr_assert_neq(add(15), 0);
    uint32_t *const words[] = {&s.open, &s.n_bundles, (uint32_t *)&s.n, (uint32_t *)&s.n_bytes};
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        for (int step = -1; step <= 1; step += 2) {
            *words[i] += (uint32_t)step;
            cr_assert_not(is_good(), "word %zu %+d", i, step);
            *words[i] -= (uint32_t)step;
        }
    }
    s.next_free++;
    cr_assert_not(is_good(), "a number that is free");
    s.next_free = 0;
    cr_assert_not(is_good(), "bundle 0 is none");
    s.next_free = 3;
    slot lost = kind_get(&t.arena, &s.slots, 100);
    cr_assert_not(is_good(), "a slot that nobody has");
    kind_put(&t.arena, &s.slots, lost, 100);
    slot *entry = table_at(&t.arena, &s.bundles, 1), kept = *entry;
    *entry = *(slot *)table_at(&t.arena, &s.bundles, 2);
    cr_assert_not(is_good(), "two numbers of one bundle");
    *entry = kept;
    cr_assert_neq((void *)table_hold(&t.arena, &s.bundles, 9), NULL);
    cr_assert_not(is_good(), "an entry that is held for nothing");
    table_drop(&t.arena, &s.bundles, 9);
}

Test(strings, check_sees_damage_to_a_bundle)
{
    for (int i = 0; i < 100; i++)
        cr_assert_neq(add(15), 0);
    drop(FIRST + 3); /* so that both bundles are open */
    unsigned char *b = slot_ptr(&t.arena, *(slot *)table_at(&t.arena, &s.bundles, 1));
    /* number, place, places, used, state, next and previous, lengths */
    static const int at[] = {0, 4, 5, 6, 7, 8, 12, 16, 16 + 3, 16 + 62};
    for (size_t i = 0; i < ARRAY_LEN(at); i++) {
        unsigned char kept = b[at[i]];
        for (int step = -1; step <= 1; step += 2) {
            b[at[i]] = (unsigned char)(kept + step);
            cr_assert_not(is_good(), "byte %d %+d", at[i], step);
        }
        b[at[i]] = kept;
    }
    cr_assert(is_good());
}

Test(strings, check_sees_damage_to_a_string_alone)
{
    uint32_t id = add(200);
    cr_assert_neq(add(201), 0);
    unsigned char *alone = (unsigned char *)(uintptr_t)strings_at(&t.arena, &s, id).at - 8;
    static const int at[] = {0, 4, 6, 7}; /* number, place, length */
    for (size_t i = 0; i < ARRAY_LEN(at); i++) {
        ++alone[at[i]];
        cr_assert_not(is_good(), "byte %d", at[i]);
        --alone[at[i]];
    }
    unsigned char *b = slot_ptr(&t.arena, *(slot *)table_at(&t.arena, &s.bundles, 1));
    memset(&b[16 + 2], 0, 4);
    cr_assert_not(is_good(), "no slot");
    memcpy(&b[16 + 2], &b[16 + 6], 4);
    cr_assert_not(is_good(), "the other one's");
    uint32_t handle = (uint32_t)((size_t)((char *)alone - t.arena.base) / 16);
    memcpy(&b[16 + 2], &handle, 4);
}
