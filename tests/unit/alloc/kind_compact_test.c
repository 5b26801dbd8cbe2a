/* Moving records together. The model is a table of records by number: where each lies, how long it
 * is. A record's bytes all follow from its number, so a lost or mixed up one shows. */
#include "alloc/kind.h"
#include "tests/support/random.h"
#include "tests/unit/alloc/test_arena.h"

#include <string.h>

enum { RECORDS = 30000, SIZES = 5 };

static const size_t sizes[SIZES] = {16, 40, 100, 700, 5000};

static struct test_arena t;
static struct kind k;
static struct epoch e;
static struct limbo l;
static unsigned owner_limbo;
static uint32_t n_used;

static struct {
    slot at; /* 0 = not there */
    size_t bytes;
    bool stays; /* may not be moved */
} records[RECORDS];

static size_t n_asked, n_refused;

static void set_up(void)
{
    test_arena_init(&t, 256 << 20);
    kind_init(&k, t.owner);
    epoch_init(&e);
    owner_limbo = budget_owner(&t.budget, "limbo");
    limbo_init(&l, &t.arena, &e, owner_limbo);
}

static void tear_down(void)
{
    for (unsigned i = 0; i < KIND_POOLS; i++)
        pool_drop(&t.arena, &k.pools[i]);
    limbo_release(&l);
    test_arena_release(&t);
}

TestSuite(kind_compact, .init = set_up, .fini = tear_down);

static unsigned char byte_of(uint32_t number, size_t i)
{
    return (unsigned char)(number * 31 + i * 7 + 1);
}

static void make(uint32_t number, size_t bytes)
{
    slot s = kind_get(&t.arena, &k, bytes);
    cr_assert_neq(s, 0);
    unsigned char *at = slot_ptr(&t.arena, s);
    memcpy(at, &number, sizeof(number));
    for (size_t i = sizeof(number); i < bytes; i++)
        at[i] = byte_of(number, i);
    records[number].at = s;
    records[number].bytes = bytes;
    records[number].stays = false;
    n_used++;
}

static void drop(uint32_t number, struct limbo *limbo)
{
    slot s = records[number].at;
    size_t bytes = records[number].bytes;
    records[number].at = 0;
    n_used--;
    if (limbo == NULL) {
        kind_put(&t.arena, &k, s, bytes);
        return;
    }
    cr_assert(limbo_reserve(limbo, 1));
    limbo_add(limbo, kind_pool(&k, bytes), s);
    limbo_seal(limbo);
}

static void all_are_intact(void)
{
    uint32_t n = 0;
    for (uint32_t r = 0; r < RECORDS; r++) {
        if (records[r].at == 0)
            continue;
        n++;
        const unsigned char *at = slot_ptr(&t.arena, records[r].at);
        uint32_t number;
        memcpy(&number, at, sizeof(number));
        cr_assert_eq(number, r);
        for (size_t i = sizeof(number); i < records[r].bytes; i++)
            if (at[i] != byte_of(r, i))
                cr_assert_fail("record %u, byte %zu", r, i);
    }
    cr_assert_eq(n, n_used);
    cr_assert(kind_check(&t.arena, &k));
}

static bool move(void *ctx, slot from, slot to)
{
    (void)ctx;
    uint32_t number;
    memcpy(&number, slot_ptr(&t.arena, to), sizeof(number));
    n_asked++;
    cr_assert_lt(number, RECORDS);
    cr_assert_eq(records[number].at, from, "only what is alive is moved");
    cr_assert_neq(pool_slot_page(from), pool_slot_page(to));
    if (records[number].stays) {
        n_refused++;
        return false;
    }
    records[number].at = to;
    return true;
}

/* What is left when no pool can shrink: less than a page of free slots in each. */
static void pools_are_tight(void)
{
    for (unsigned i = 0; i < KIND_POOLS; i++) {
        const struct pool *p = &k.pools[i];
        size_t needed = (p->n_used + p->slots_per_page - 1u) / p->slots_per_page;
        cr_assert_eq(p->n_leaving, 0);
        cr_assert_eq(p->n_pages, needed, "%u bytes: %u pages, %zu needed", p->slot_bytes,
                     p->n_pages, needed);
    }
}

static size_t free_slot_bytes(void)
{
    size_t n = 0;
    for (unsigned i = 0; i < KIND_POOLS; i++)
        n += pool_free_slots(&k.pools[i]) * k.pools[i].slot_bytes;
    return n;
}

static bool share_is_small(void)
{
    return free_slot_bytes() * 100 <= kind_pages(&k) * ARENA_PAGE_BYTES * KIND_FREE_SHARE_MAX;
}

static void fill(size_t bytes, uint32_t n)
{
    for (uint32_t r = 0; r < n; r++)
        make(r, bytes);
}

Test(kind_compact, an_empty_kind_wants_nothing)
{
    cr_assert_not(kind_wants_compaction(&k));
    cr_assert_eq(kind_compact(&t.arena, &k, NULL, move, NULL, 100), 0);
}

Test(kind_compact, one_partly_used_page_for_each_size_is_as_good_as_it_gets)
{
    for (uint32_t r = 0; r < KIND_POOLS; r++)
        make(r, k.pools[r].slot_bytes);
    cr_assert_not(share_is_small());
    cr_assert_not(kind_wants_compaction(&k));
    cr_assert_eq(kind_compact(&t.arena, &k, NULL, move, NULL, 100), 0);
    cr_assert_eq(n_asked, 0);
}

Test(kind_compact, leaves_a_small_share_of_free_slots_alone)
{
    enum { PER_PAGE = ARENA_PAGE_BYTES / 128 };
    fill(128, 100 * PER_PAGE);
    for (uint32_t r = 0; r < KIND_FREE_SHARE_MAX * PER_PAGE; r++)
        drop(r * 20, NULL);
    cr_assert_not(kind_wants_compaction(&k), "exactly the share");
    drop(1, NULL);
    cr_assert(kind_wants_compaction(&k));
    cr_assert_gt(kind_compact(&t.arena, &k, NULL, move, NULL, 1000), 0);
    cr_assert_not(kind_wants_compaction(&k));
    cr_assert_eq(kind_pages(&k), 99);
    all_are_intact();
}

Test(kind_compact, empties_the_emptiest_page_first)
{
    enum { PER_PAGE = ARENA_PAGE_BYTES / 2048 };
    fill(2048, 4 * PER_PAGE);
    for (uint32_t r = 0; r < 3 * PER_PAGE; r++)
        if (r % PER_PAGE > (r / PER_PAGE == 1 ? 1 : 3))
            drop(r, NULL);
    slot others[] = {records[0].at, records[2 * PER_PAGE].at};
    cr_assert_eq(kind_compact(&t.arena, &k, NULL, move, NULL, 2), 2);
    cr_assert_eq(records[0].at, others[0]);
    cr_assert_eq(records[2 * PER_PAGE].at, others[1]);
    cr_assert_eq(kind_pages(&k), 3);
    all_are_intact();
}

Test(kind_compact, goes_on_where_it_stopped)
{
    fill(64, 20000);
    for (uint32_t r = 0; r < 20000; r++)
        if (r % 5 != 0)
            drop(r, NULL);
    size_t pages = kind_pages(&k), n_moved = 0, n;
    while ((n = kind_compact(&t.arena, &k, NULL, move, NULL, 7)) > 0) {
        cr_assert_leq(n, 7);
        cr_assert_leq(kind_pages(&k), pages);
        pages = kind_pages(&k);
        n_moved += n;
    }
    cr_assert_eq(n_moved, n_asked);
    cr_assert_lt(n_moved, n_used, "most records are moved once, the last page's worth not at all");
    cr_assert_not(kind_wants_compaction(&k));
    cr_assert(share_is_small());
    all_are_intact();
}

/* A page that is half emptied is taken up again although the share has become small meanwhile, and
 * given up when the free slots elsewhere are gone. */
Test(kind_compact, a_half_emptied_page_is_not_forgotten)
{
    enum { PER_PAGE = ARENA_PAGE_BYTES / 1024 };
    fill(1024, 2 * PER_PAGE);
    for (uint32_t r = 0; r < 2 * PER_PAGE; r++)
        if (r % 2 == 0)
            drop(r, NULL);
    cr_assert_eq(kind_compact(&t.arena, &k, NULL, move, NULL, 3), 3);
    cr_assert(kind_wants_compaction(&k));
    uint32_t next = 2 * PER_PAGE;
    for (int i = 0; i < PER_PAGE / 2 - 3; i++)
        make(next++, 1024);
    cr_assert_eq(kind_pages(&k), 2);
    cr_assert_eq(kind_compact(&t.arena, &k, NULL, move, NULL, 3), 0, "where to?");
    cr_assert_not(kind_wants_compaction(&k));
    cr_assert_eq(k.pools[19].n_leaving, 0);
    for (int i = 0; i < PER_PAGE / 2 + 3; i++)
        make(next++, 1024);
    cr_assert_eq(kind_pages(&k), 2, "its slots are handed out again");
    all_are_intact();
}

Test(kind_compact, a_page_that_is_given_up_does_not_keep_other_sizes_from_their_turn)
{
    enum { PER_PAGE = ARENA_PAGE_BYTES / 1024 };
    fill(1024, 2 * PER_PAGE);
    for (uint32_t r = 0; r < 2 * PER_PAGE; r += 2)
        drop(r, NULL);
    cr_assert_eq(kind_compact(&t.arena, &k, NULL, move, NULL, 1), 1);
    for (uint32_t i = 0; i < PER_PAGE / 2 - 1; i++)
        make(RECORDS - 1 - i, 1024);
    for (uint32_t r = 1000; r < 1020; r++)
        make(r, 4096);
    for (uint32_t r = 1000; r < 1020; r++)
        if (r % 4 != 0)
            drop(r, NULL);
    cr_assert_eq(kind_compact(&t.arena, &k, NULL, move, NULL, 100), 3);
    cr_assert_eq(kind_pool(&k, 4096)->n_pages, 2);
    all_are_intact();
}

Test(kind_compact, a_record_that_stays_keeps_its_page_for_the_round)
{
    enum { PER_PAGE = ARENA_PAGE_BYTES / 256 };
    fill(256, 10 * PER_PAGE);
    for (uint32_t r = 0; r < 10 * PER_PAGE; r++) {
        if (r % 4 != 0)
            drop(r, NULL);
        else /* one of each page but the last, in the middle of it */
            records[r].stays = r % PER_PAGE == PER_PAGE / 2 && r < 9 * PER_PAGE;
    }
    int n_calls = 0;
    while (kind_compact(&t.arena, &k, NULL, move, NULL, 50) > 0)
        cr_assert_lt(++n_calls, 100);
    cr_assert_not(kind_wants_compaction(&k), "no busy loop");
    cr_assert_eq(kind_compact(&t.arena, &k, NULL, move, NULL, 50), 0);
    cr_assert_leq(n_refused, 9, "a page is tried once");
    cr_assert_gt(n_refused, 0);
    all_are_intact();

    for (uint32_t r = 0; r < RECORDS; r++)
        records[r].stays = false;
    kind_retry(&k);
    cr_assert(kind_wants_compaction(&k));
    while (kind_compact(&t.arena, &k, NULL, move, NULL, 50) > 0)
        cr_assert_lt(++n_calls, 200);
    pools_are_tight();
    all_are_intact();
}

Test(kind_compact, with_readers_inside_a_page_returns_after_the_drain)
{
    enum { PER_PAGE = ARENA_PAGE_BYTES / 512 };
    fill(512, 4 * PER_PAGE);
    for (uint32_t r = 0; r < 4 * PER_PAGE; r++)
        if (r % 2 == 0)
            drop(r, NULL);
    slot before = records[1].at;
    unsigned place = epoch_enter(&e);
    cr_assert_eq(kind_compact(&t.arena, &k, &l, move, NULL, 1000), PER_PAGE);
    limbo_seal(&l);
    limbo_drain(&l);
    cr_assert_eq(kind_pages(&k), 4);
    cr_assert_eq(limbo_waiting(&l), PER_PAGE);
    uint32_t number;
    memcpy(&number, slot_ptr(&t.arena, before), sizeof(number));
    cr_assert_eq(number, 1, "who is inside can still read the old copy");
    cr_assert_not(kind_wants_compaction(&k), "nothing left to gain");
    cr_assert(kind_check(&t.arena, &k));
    make(4 * PER_PAGE, 512);
    cr_assert_eq(kind_pages(&k), 5, "pages that leave are not handed out");

    epoch_leave(&e, place);
    limbo_drain(&l);
    cr_assert_eq(kind_pages(&k), 3);
    all_are_intact();
}

Test(kind_compact, does_not_ask_for_records_that_wait_already)
{
    enum { PER_PAGE = ARENA_PAGE_BYTES / 512 };
    fill(512, 4 * PER_PAGE);
    for (uint32_t r = 0; r < 4 * PER_PAGE; r++)
        if (r % 2 == 0)
            drop(r, NULL);
    unsigned place = epoch_enter(&e);
    for (uint32_t r = 1; r < 4 * PER_PAGE; r += 4)
        drop(r, &l); /* move() would see that these are gone */
    for (int i = 0; i < 10; i++)
        (void)kind_compact(&t.arena, &k, &l, move, NULL, 5);
    limbo_seal(&l);
    epoch_leave(&e, place);
    limbo_drain(&l);
    cr_assert(limbo_is_empty(&l));
    while (kind_compact(&t.arena, &k, NULL, move, NULL, 50) > 0)
        ;
    cr_assert_eq(kind_pages(&k), 1);
    all_are_intact();
}

Test(kind_compact, waits_when_too_many_wait)
{
    fill(16, RECORDS);
    unsigned place = epoch_enter(&e);
    for (uint32_t r = 0; r < RECORDS; r++)
        if (r % 3 != 0)
            drop(r, NULL);
    size_t n = 0, n_moved = 0;
    while ((n = kind_compact(&t.arena, &k, &l, move, NULL, 100)) > 0)
        n_moved += n;
    limbo_seal(&l);
    cr_assert_geq(limbo_waiting(&l), KIND_WAITING_MAX);
    cr_assert_eq(limbo_waiting(&l), n_moved);
    cr_assert_lt(limbo_waiting(&l), KIND_WAITING_MAX + 100);
    cr_assert(kind_wants_compaction(&k), "it has more to do");
    epoch_leave(&e, place);
    limbo_drain(&l);
    cr_assert_gt(kind_compact(&t.arena, &k, &l, move, NULL, 100), 0);
    limbo_drain(&l);
    all_are_intact();
}

Test(kind_compact, without_memory_the_page_goes_back_to_allocation)
{
    enum { LIMBO_PER_PAGE = ARENA_PAGE_BYTES / 24 };
    fill(64, 20000);
    for (uint32_t r = 0; r < 20000; r++)
        if (r % 4 != 0)
            drop(r, NULL);
    arena_trim(&t.arena);
    t.arena.retain_pages = 0;
    size_t n_moved = 0;
    int n_calls = 0;
    for (long nth = 1; kind_wants_compaction(&k); nth++) {
        unsigned place = epoch_enter(&e);
        page_no emptiest = pool_emptiest(&t.arena, &k.pools[3]);
        budget_fail_nth(&t.budget, nth);
        size_t n = kind_compact(&t.arena, &k, &l, move, NULL, RECORDS);
        budget_fail_nth(&t.budget, 0);
        n_moved += n;
        if (kind_wants_compaction(&k))
            cr_assert_eq(n, (size_t)(nth - 1) * LIMBO_PER_PAGE, "the limbo asked for a page");
        cr_assert_not(k.pools[3].is_vacating);
        if (nth == 1)
            cr_assert_eq(pool_emptiest(&t.arena, &k.pools[3]), emptiest, "no refusal");
        n_calls++;
        cr_assert(limbo_check(&l));
        all_are_intact();
        epoch_leave(&e, place);
        limbo_seal(&l);
        limbo_drain(&l);
        cr_assert(limbo_is_empty(&l));
        cr_assert_eq(k.pools[3].n_leaving, 0);
    }
    cr_assert_gt(n_calls, 2, "several failed");
    cr_assert_eq(n_moved, n_asked);
    cr_assert(share_is_small());
    all_are_intact();
}

/* Slots that wait look used, so the share is taken of what stays. */
Test(kind_compact, pages_that_leave_count_in_neither_side_of_the_share)
{
    enum { PER_PAGE = ARENA_PAGE_BYTES / 512 };
    struct pool *p = &k.pools[15];
    fill(512, 40 * PER_PAGE);
    for (uint32_t i = 0; i < 10; i++) {
        page_no page = pool_slot_page(records[i * PER_PAGE].at);
        drop(i * PER_PAGE, NULL);
        pool_vacate(&t.arena, p, page);
        pool_vacated(p);
    }
    for (uint32_t r = 10 * PER_PAGE; r < 40 * PER_PAGE; r += 18)
        drop(r, NULL);
    cr_assert_leq((size_t)free_slot_bytes() * 100, 40 * ARENA_PAGE_BYTES * KIND_FREE_SHARE_MAX);
    cr_assert(kind_wants_compaction(&k), "an eighteenth of the thirty pages that stay");
}

Test(kind_compact, a_call_visits_a_bounded_number_of_pages)
{
    enum { PER_PAGE = ARENA_PAGE_BYTES / 512, PAGES = 20 };
    fill(512, PAGES * PER_PAGE);
    unsigned place = epoch_enter(&e);
    for (uint32_t r = 0; r < PAGES * PER_PAGE; r++)
        drop(r, r % 2 == 0 ? NULL : &l);
    cr_assert_eq(kind_compact(&t.arena, &k, &l, move, NULL, 3), 0, "all wait, none is to move");
    cr_assert_eq(k.pools[15].n_leaving, 3);
    epoch_leave(&e, place);
    limbo_drain(&l);
    cr_assert_eq(kind_pages(&k), 0);
}

static void random_phase(struct random *random, struct limbo *limbo, uint64_t percent_makes)
{
    for (int i = 0; i < 20000; i++) {
        uint32_t r = (uint32_t)random_below(random, RECORDS);
        bool wants_it = random_below(random, 100) < percent_makes;
        if (wants_it && records[r].at == 0)
            make(r, sizes[random_below(random, 100) < 95 ? random_below(random, 3)
                                                         : random_below(random, SIZES)]);
        else if (!wants_it && records[r].at != 0)
            drop(r, limbo);
    }
}

Test(kind_compact, loses_nothing_and_leaves_no_room)
{
    struct random random;
    random_init(&random, random_seed());
    for (int phase = 0; phase < 12; phase++) {
        random_phase(&random, NULL, phase % 3 == 0 ? 80 : 25);
        size_t pages = kind_pages(&k), calls = 0, moved = 0, n;
        n_asked = 0;
        while ((n = kind_compact(&t.arena, &k, NULL, move, NULL, 1 + random_below(&random, 300))) >
               0) {
            moved += n;
            cr_assert_lt(++calls, RECORDS);
        }
        cr_assert_eq(moved, n_asked);
        cr_assert_leq(kind_pages(&k), pages);
        cr_assert_not(kind_wants_compaction(&k));
        if (!share_is_small())
            pools_are_tight();
        all_are_intact();
    }
}

Test(kind_compact, loses_nothing_while_readers_come_and_go)
{
    enum { INSIDE = 3 };
    unsigned places[INSIDE] = {0};
    bool is_inside[INSIDE] = {false};
    struct random random;
    random_init(&random, random_seed());
    for (int phase = 0; phase < 12; phase++) {
        random_phase(&random, &l, phase % 3 == 0 ? 80 : 25);
        for (uint32_t r = 0; r < RECORDS; r++)
            records[r].stays = phase % 4 == 3 && random_below(&random, 500) == 0;
        kind_retry(&k);
        for (int step = 0; step < 400; step++) {
            uint64_t v = random_below(&random, INSIDE);
            if (random_below(&random, 4) == 0) {
                if (is_inside[v])
                    epoch_leave(&e, places[v]);
                else
                    places[v] = epoch_enter(&e);
                is_inside[v] = !is_inside[v];
            }
            size_t pages = kind_pages(&k);
            (void)kind_compact(&t.arena, &k, &l, move, NULL, 1 + random_below(&random, 100));
            cr_assert_eq(kind_pages(&k), pages, "pages come back with the drain");
            if (random_below(&random, 3) == 0)
                limbo_seal(&l);
            if (random_below(&random, 3) == 0)
                limbo_drain(&l);
            if (step % 50 == 0)
                cr_assert(limbo_check(&l) && kind_check(&t.arena, &k));
        }
        all_are_intact();
    }
    for (unsigned v = 0; v < INSIDE; v++)
        if (is_inside[v])
            epoch_leave(&e, places[v]);
    for (uint32_t r = 0; r < RECORDS; r++)
        records[r].stays = false;
    kind_retry(&k);
    do
        limbo_drain(&l);
    while (kind_compact(&t.arena, &k, &l, move, NULL, 1000) > 0);
    limbo_seal(&l);
    limbo_drain(&l);
    cr_assert_eq(atomic_load(&t.budget.rows[owner_limbo].bytes), 0);
    cr_assert_not(kind_wants_compaction(&k));
    if (!share_is_small())
        pools_are_tight();
    all_are_intact();
}
