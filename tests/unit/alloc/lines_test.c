#include "alloc/lines.h"
#include "tests/support/random.h"
#include "tests/unit/alloc/test_arena.h"

#include <string.h>

static struct test_arena t;
static struct lines l;

static void set_up(void)
{
    test_arena_init(&t, 256 << 20);
    lines_init(&l, LINES_TRUSTED, t.owner);
}

static void tear_down(void)
{
    lines_release(&t.arena, &l);
    test_arena_release(&t);
}

TestSuite(lines, .init = set_up, .fini = tear_down);

/* A key from a number: splitmix64. */
static uint64_t mixed(uint64_t x)
{
    x += 0x9E3779B97F4A7C15;
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9;
    x = (x ^ x >> 27) * 0x94D049BB133111EB;
    return x ^ x >> 31;
}

static struct lines_key key_of(uint32_t id)
{
    return (struct lines_key){mixed(id), (uint32_t)mixed(~(uint64_t)id)};
}

static bool has_key(const void *ctx, uint32_t id, struct lines_key key)
{
    const struct lines *of = ctx;
    struct lines_key its = key_of(id);
    if (of->kind == LINES_TAGGED)
        return its.high >> 40 == key.high >> 40;
    return its.high == key.high && its.low == key.low;
}

static bool is_same(const void *ctx, uint32_t id)
{
    return *(const uint32_t *)ctx == id;
}

/* By itself and among others. */
static uint32_t find(uint32_t id)
{
    static struct lines_search s;
    s.n = l.kind == LINES_TRUSTED ? LINES_SEARCH_MAX : 0;
    for (uint32_t i = 0; i < s.n; i++)
        s.keys[i] = key_of(id + i);
    if (s.n > 0) {
        lines_ask(&t.arena, &l, &s);
        lines_answer(&t.arena, &l, &s);
    }
    for (uint32_t i = 0; i < s.n; i++)
        cr_assert_eq(s.ids[i], lines_find(&t.arena, &l, key_of(id + i), NULL, NULL));
    return lines_find(&t.arena, &l, key_of(id), l.kind == LINES_TAGGED ? is_same : NULL, &id);
}

static bool insert(uint32_t id)
{
    return lines_insert(&t.arena, &l, key_of(id), id);
}

static bool is_sound(void)
{
    return lines_check(&t.arena, &l, has_key, &l) && lines_bytes(&l) == test_arena_held(&t);
}

static uint32_t segment_entries(void);

/* Of as many bytes as one that grew, whatever was expected. */
static void expect_same_size(uint32_t n_expected, uint32_t n)
{
    for (uint32_t id = 1; id <= n; id++)
        cr_assert(insert(id));
    size_t grown = lines_bytes(&l);
    lines_release(&t.arena, &l);
    lines_reserve(&t.arena, &l, n_expected);
    cr_assert(is_sound());
    cr_assert(n_expected != n || n > segment_entries() || lines_bytes(&l) == grown, "%u", n);
    for (uint32_t id = 1; id <= n; id++)
        cr_assert(insert(id));
    lines_fit(&t.arena, &l);
    cr_assert(is_sound());
    cr_assert_eq(lines_bytes(&l), grown, "%u of %u", n, n_expected);
    for (uint32_t id = 1; id <= n; id++)
        cr_assert_eq(find(id), id);
    lines_release(&t.arena, &l);
}

Test(lines, what_is_reserved_is_what_would_have_grown)
{
    const uint32_t some[] = {0, 1, 1000, 12345, segment_entries(), segment_entries() + 1, 70000};
    for (size_t i = 0; i < ARRAY_LEN(some); i++)
        for (size_t k = 0; k < ARRAY_LEN(some); k++)
            expect_same_size(some[i], some[k]);
    expect_same_size(UINT32_MAX, 5);
}

Test(lines, to_reserve_without_memory_changes_nothing)
{
    for (long nth = 1; nth <= 3; nth++) {
        budget_fail_nth(&t.budget, nth);
        lines_reserve(&t.arena, &l, 5000);
        budget_fail_nth(&t.budget, 0);
        cr_assert(is_sound());
        cr_assert_eq(lines_bytes(&l), 0);
    }
    cr_assert(insert(1));
    lines_reserve(&t.arena, &l, 5000);
    cr_assert(is_sound());
    cr_assert_eq(lines_bytes(&l), (size_t)ARENA_PAGE_BYTES, "it is for a table without entries");
}

static uint32_t segment_entries(void)
{
    return LINES_SEGMENT_PAGES * (LINES_PER_PAGE * 8 * LINES_TRUSTED_FILL_PERCENT / 100);
}

Test(lines, finds_nothing_while_it_is_empty)
{
    cr_assert_eq(find(1), 0);
    cr_assert_not(lines_remove(&t.arena, &l, key_of(1), 1));
    cr_assert_not(lines_replace(&t.arena, &l, key_of(1), 1, 2));
    cr_assert_eq(lines_bytes(&l), 0);
    cr_assert(is_sound());
}

Test(lines, finds_what_was_entered_and_nothing_else)
{
    enum { N = 100000 };
    for (int kind = LINES_TRUSTED; kind <= LINES_TAGGED; kind++) {
        lines_release(&t.arena, &l);
        lines_init(&l, (enum lines_kind)kind, t.owner);
        for (uint32_t id = 1; id <= N; id++)
            cr_assert(insert(id));
        cr_assert_eq(l.n, N);
        cr_assert(is_sound());
        for (uint32_t id = 1; id <= N; id++)
            cr_assert_eq(find(id), id);
        for (uint32_t id = N + 1; id <= 2 * N; id++)
            cr_assert_eq(find(id), 0);
    }
}

/* All 96 bits count, whichever of them differ. */
Test(lines, trusts_no_key_that_differs_in_a_bit)
{
    struct lines_key key = key_of(7);
    cr_assert(lines_insert(&t.arena, &l, key, 7));
    for (unsigned bit = 0; bit < 96; bit++) {
        struct lines_key other = key;
        if (bit < 64)
            other.high ^= UINT64_C(1) << bit;
        else
            other.low ^= 1u << (bit - 64);
        cr_assert_eq(lines_find(&t.arena, &l, other, NULL, NULL), 0, "bit %u", bit);
    }
    cr_assert_eq(lines_find(&t.arena, &l, key, NULL, NULL), 7);
}

static bool is_entry(const void *ctx, uint32_t id)
{
    (void)ctx;
    cr_assert_neq(id, 0);
    return true;
}

/* A key of zeros looks like an empty entry. */
Test(lines, finds_a_key_of_zeros_only_when_it_is_there)
{
    for (int kind = LINES_TRUSTED; kind <= LINES_TAGGED; kind++) {
        lines_release(&t.arena, &l);
        lines_init(&l, (enum lines_kind)kind, t.owner);
        struct lines_key zero = {0};
        cr_assert(lines_insert(&t.arena, &l, (struct lines_key){1, 0}, 5));
        cr_assert(lines_remove(&t.arena, &l, (struct lines_key){1, 0}, 5));
        cr_assert(insert(9));
        cr_assert_eq(lines_find(&t.arena, &l, zero, NULL, NULL), 0);
        cr_assert_eq(lines_find(&t.arena, &l, zero, is_entry, NULL), 0);
        cr_assert(lines_insert(&t.arena, &l, zero, 3));
        cr_assert_eq(lines_find(&t.arena, &l, zero, NULL, NULL), 3);
    }
}

Test(lines, the_callback_tells_equal_keys_apart)
{
    enum { N = 1000 };
    lines_init(&l, LINES_TAGGED, t.owner);
    struct lines_key key = key_of(1);
    for (uint32_t id = 1; id <= N; id++) {
        key.high ^= id; /* below what is kept */
        cr_assert(lines_insert(&t.arena, &l, key, id));
    }
    for (uint32_t id = 1; id <= N; id++)
        cr_assert_eq(lines_find(&t.arena, &l, key, is_same, &id), id);
    uint32_t none = N + 1;
    cr_assert_eq(lines_find(&t.arena, &l, key, is_same, &none), 0);
    for (uint32_t id = 2; id <= N; id += 2)
        cr_assert(lines_remove(&t.arena, &l, key, id));
    for (uint32_t id = 1; id <= N; id++)
        cr_assert_eq(lines_find(&t.arena, &l, key, is_same, &id), id % 2 == 1 ? id : 0);
    cr_assert(lines_check(&t.arena, &l, NULL, NULL));
}

Test(lines, agrees_with_a_plain_array)
{
    enum { IDS = 60000, ROUNDS = 600000 };
    static bool naive[IDS];
    struct random random;
    random_init(&random, random_seed());
    for (int kind = LINES_TRUSTED; kind <= LINES_TAGGED; kind++) {
        uint32_t n = 0;
        memset(naive, 0, sizeof(naive));
        lines_release(&t.arena, &l);
        lines_init(&l, (enum lines_kind)kind, t.owner);
        for (int round = 0; round < ROUNDS; round++) {
            /* waxes and wanes, so that segments split and merge again and again */
            uint32_t id = 1 + (uint32_t)random_below(&random, IDS - 1);
            bool wants_it = random_below(&random, 10) < (round / 150000 % 2 == 0 ? 9 : 1);
            cr_assert_eq(find(id), naive[id] ? id : 0);
            if (wants_it && !naive[id])
                cr_assert(insert(id));
            else if (!wants_it)
                cr_assert_eq(lines_remove(&t.arena, &l, key_of(id), id), naive[id]);
            n += (uint32_t)wants_it - naive[id];
            naive[id] = wants_it;
            cr_assert_eq(l.n, n);
            if (round % 20000 == 0)
                cr_assert(is_sound(), "round %d", round);
        }
        for (uint32_t id = 1; id < IDS; id++)
            cr_assert_eq(find(id), naive[id] ? id : 0);
    }
}

/* ---- memory ---- */

Test(lines, a_small_table_takes_one_page)
{
    uint32_t n = segment_entries() / LINES_SEGMENT_PAGES;
    for (uint32_t id = 1; id <= n; id++)
        cr_assert(insert(id));
    cr_assert_eq(lines_bytes(&l), ARENA_PAGE_BYTES);
    cr_assert(insert(n + 1));
    cr_assert_eq(lines_bytes(&l), 2 * ARENA_PAGE_BYTES);
    cr_assert(is_sound());
}

Test(lines, a_large_table_is_mostly_entries)
{
    enum { N = 300000 };
    for (uint32_t id = 1; id <= N; id++) {
        cr_assert(insert(id));
        if (id % 10000 == 0 && id > 2 * segment_entries()) /* of 100 bytes at least 79 */
            cr_assert_lt(lines_bytes(&l) * 79, 1600 * (size_t)id, "%u", id);
    }
}

Test(lines, its_bytes_follow_from_its_entries)
{
    enum { N = 80000 };
    for (uint32_t id = 1; id <= N; id++)
        cr_assert(insert(id));
    size_t bytes = lines_bytes(&l);
    lines_release(&t.arena, &l);
    for (uint32_t id = N; id > 0; id--)
        cr_assert(insert(id));
    cr_assert_eq(lines_bytes(&l), bytes);
}

Test(lines, shrinks_with_what_it_holds)
{
    enum { N = 200000 };
    for (uint32_t id = 1; id <= N; id++)
        cr_assert(insert(id));
    size_t most = lines_bytes(&l);
    struct lines fresh;
    for (uint32_t left = N; left > 0;) {
        uint32_t until = left - left / 3 - 1;
        for (; left > until; left--)
            cr_assert(lines_remove(&t.arena, &l, key_of(left), left));
        cr_assert(is_sound());
        lines_init(&fresh, LINES_TRUSTED, t.owner);
        for (uint32_t id = 1; id <= left; id++)
            cr_assert(lines_insert(&t.arena, &fresh, key_of(id), id));
        cr_assert_leq(l.n_segments, 2 * fresh.n_segments + 2, "%u left", left);
        size_t bound = lines_bytes(&fresh) + lines_bytes(&fresh) / 8 +
                       (l.n_segments + 1) * (size_t)ARENA_PAGE_BYTES;
        cr_assert_leq(lines_bytes(&l), left > 0 ? bound : 0, "%u left", left);
        lines_release(&t.arena, &fresh);
        for (uint32_t id = 1; id <= left; id++)
            cr_assert_eq(find(id), id);
    }
    cr_assert_eq(lines_bytes(&l), 0);
    for (uint32_t id = 1; id <= N; id++)
        cr_assert(insert(id));
    cr_assert_eq(lines_bytes(&l), most, "as if it had never been emptied");
}

/* On the way from nothing through the first split and the first growth of its halves, each page
 * that is wanted is refused once. */
Test(lines, without_memory_nothing_changes)
{
    uint32_t n = segment_entries() + 4000, n_failed = 0;
    t.arena.retain_pages = 0;
    arena_trim(&t.arena);
    for (uint32_t id = 1; id <= n; id++) {
        for (long nth = 1;; nth++) {
            struct lines before = l;
            budget_fail_nth(&t.budget, nth);
            if (insert(id))
                break;
            n_failed++;
            cr_assert_eq(memcmp(&before, &l, sizeof(l)), 0, "failure %ld", nth);
            cr_assert(is_sound(), "failure %ld", nth);
            cr_assert_eq(find(id), 0);
        }
        budget_fail_nth(&t.budget, 0);
    }
    cr_assert_gt(n_failed, LINES_SEGMENT_PAGES * LINES_SEGMENT_PAGES / 4);
    cr_assert(is_sound());
    for (uint32_t id = 1; id <= n; id++)
        cr_assert_eq(find(id), id);
}

Test(lines, becomes_smaller_later_when_there_is_no_memory_for_it)
{
    uint32_t n = 3 * segment_entries();
    for (uint32_t id = 1; id <= n; id++)
        cr_assert(insert(id));
    t.arena.retain_pages = 0;
    for (uint32_t id = 1; id < n; id++) {
        budget_fail_nth(&t.budget, 1 + id % 40);
        cr_assert(lines_remove(&t.arena, &l, key_of(id), id));
        if (id % 5000 == 0)
            cr_assert(is_sound());
    }
    budget_fail_nth(&t.budget, 0);
    cr_assert_eq(find(n), n);
    cr_assert(lines_remove(&t.arena, &l, key_of(n), n));
    cr_assert_eq(lines_bytes(&l), 0);
}

/* Keys that agree in as many bits as segments have: a segment's worth, and one more. */
Test(lines, refuses_what_no_split_can_part)
{
    struct lines_key key;
    for (uint32_t id = 1; id <= segment_entries(); id++) {
        key = key_of(id);
        key.high >>= LINES_DEPTH_MAX;
        cr_assert(lines_insert(&t.arena, &l, key, id));
    }
    size_t bytes = lines_bytes(&l);
    key = key_of(segment_entries() + 1);
    key.high >>= LINES_DEPTH_MAX;
    cr_assert_not(lines_insert(&t.arena, &l, key, 1));
    cr_assert_eq(l.n, segment_entries());
    cr_assert_geq(lines_bytes(&l), bytes);
    cr_assert(lines_check(&t.arena, &l, NULL, NULL));
    key.high |= UINT64_C(1) << (64 - LINES_DEPTH_MAX); /* the next segment */
    cr_assert(lines_insert(&t.arena, &l, key, 1));
    cr_assert_eq(lines_find(&t.arena, &l, key, NULL, NULL), 1);
    cr_assert(lines_check(&t.arena, &l, NULL, NULL));
}

/* ---- the rest ---- */

Test(lines, replaces_an_id_where_it_is)
{
    enum { N = 50000 };
    for (uint32_t id = 1; id <= N; id++)
        cr_assert(insert(id));
    budget_fail_nth(&t.budget, 1);
    for (uint32_t id = 1; id <= N; id++)
        cr_assert(lines_replace(&t.arena, &l, key_of(id), id, id + N));
    cr_assert_not(lines_replace(&t.arena, &l, key_of(1), 1, 2));
    budget_fail_nth(&t.budget, 0);
    for (uint32_t id = 1; id <= N; id++)
        cr_assert_eq(find(id), id + N);
    cr_assert(lines_check(&t.arena, &l, NULL, NULL));
    cr_assert_eq(l.n, N);
}

static bool is_multiple(const void *ctx, uint32_t id)
{
    return id % *(const uint32_t *)ctx != 0;
}

Test(lines, drops_the_dead)
{
    enum { N = 100000 };
    for (uint32_t of = 1; of <= 1000; of *= 10) {
        uint32_t at = 0, n_dropped = 0;
        lines_release(&t.arena, &l);
        for (uint32_t id = 1; id <= N; id++)
            cr_assert(insert(id));
        size_t bytes = lines_bytes(&l);
        for (int i = 0; i < 64; i++)
            n_dropped += lines_purge(&t.arena, &l, &at, is_multiple, &of);
        cr_assert_eq(n_dropped, N - N / of);
        cr_assert_eq(l.n, N / of);
        cr_assert(is_sound());
        cr_assert_leq(lines_bytes(&l), bytes / of + (l.n_segments + 2) * ARENA_PAGE_BYTES * 2);
        for (uint32_t id = 1; id <= N; id++)
            cr_assert_eq(find(id), id % of == 0 ? id : 0);
    }
    lines_release(&t.arena, &l);
    for (uint32_t id = 1; id <= segment_entries(); id++)
        cr_assert(insert(id));
    uint32_t at = 0, none = UINT32_MAX, seven = 7;
    (void)lines_purge(&t.arena, &l, &at, is_multiple, &seven);
    cr_assert_eq(l.n, segment_entries() / 7, "at one go, where there is one segment");
    while (l.n > 0)
        (void)lines_purge(&t.arena, &l, &at, is_multiple, &none);
    cr_assert_eq(lines_bytes(&l), 0);
    cr_assert_eq(lines_purge(&t.arena, &l, &at, is_multiple, &none), 0);
}

Test(lines, a_walk_meets_every_entry_once)
{
    enum { N = 70000 };
    static bool is_met[N + 1];
    uint64_t at = 0;
    cr_assert_eq(lines_next(&t.arena, &l, &at), 0);
    for (uint32_t id = 1; id <= N; id++)
        cr_assert(insert(id));
    at = 0;
    uint32_t n = 0;
    for (uint32_t id; (id = lines_next(&t.arena, &l, &at)) != 0; n++) {
        cr_assert(id <= N && !is_met[id]);
        is_met[id] = true;
    }
    cr_assert_eq(n, N);
    cr_assert_eq(lines_next(&t.arena, &l, &at), 0);
}

static bool is_broken(void)
{
    return !lines_check(&t.arena, &l, has_key, &l);
}

#define BREAK(field, with)                                                                         \
    do {                                                                                           \
        __typeof__(field) good = (field);                                                          \
        (field) = (__typeof__(field))(with);                                                       \
        cr_assert(is_broken(), "%s", #field);                                                      \
        (field) = good;                                                                            \
        cr_assert_not(is_broken());                                                                \
    } while (0)

static struct lines_segment *first_segment(void)
{
    return table_at(&t.arena, &l.segments, 0);
}

Test(lines, check_sees_damage)
{
    uint32_t n = 2 * segment_entries();
    for (uint32_t id = 1; id <= n; id++)
        cr_assert(insert(id));
    cr_assert_not(is_broken());
    struct lines_segment *s = first_segment();
    uint16_t *entries = arena_page(&t.arena, l.directory);
    BREAK(l.n, l.n + 1);
    BREAK(l.n, l.n - 1);
    BREAK(l.n_pages, l.n_pages + 1);
    BREAK(l.n_segments, l.n_segments - 1);
    BREAK(l.n_segments, 0);
    BREAK(l.directory, 0);
    BREAK(l.depth, l.depth - 1);
    BREAK(l.depth, LINES_DEPTH_MAX + 1);
    BREAK(l.only.n, 1);
    BREAK(l.only.n_pages, 1);
    BREAK(s->n, s->n - 1);
    BREAK(s->n_pages, s->n_pages - 1);
    BREAK(s->prefix, s->prefix ^ 1);
    BREAK(s->depth, s->depth + 1);
    BREAK(entries[0], entries[0] ^ 1);
    BREAK(entries[0], l.n_segments);
    page_no other = s->pages[1];
    BREAK(s->pages[0], other);
}

struct trusted_entry { /* as in lines.c */
    uint64_t high;
    uint32_t low, id;
};

Test(lines, check_sees_damage_in_a_line)
{
    for (uint32_t id = 1; id <= 900; id++)
        cr_assert(insert(id));
    struct trusted_entry *e = arena_page(&t.arena, l.only.pages[0]);
    uint32_t full = 0, empty = 0; /* lines */
    while (e[4 * full + 3].id == 0)
        full++;
    while (e[4 * empty].id == 0 || e[4 * empty + 1].id != 0)
        empty++; /* with one entry */
    BREAK(e[4 * full].id, 0);
    BREAK(e[4 * full].id, 901);
    BREAK(e[4 * full].low, e[4 * full].low ^ 1);
    BREAK(e[4 * full].high, ~e[4 * full].high);
    BREAK(e[4 * empty + 3].id, 1); /* behind a gap */
    e[4 * full].high = ~e[4 * full].high;
    cr_assert_not(lines_check(&t.arena, &l, NULL, NULL), "out of reach from its home");
    e[4 * full].high = ~e[4 * full].high;
    BREAK(e[4 * empty].id, 0);
}
