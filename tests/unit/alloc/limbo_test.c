#include "alloc/limbo.h"
#include "tests/support/random.h"
#include "tests/unit/alloc/test_arena.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>

enum { LIMIT = 64 << 20, SLOT_BYTES = 64 };

static struct test_arena t;
static struct epoch e;
static struct pool p;
static struct limbo l;
static unsigned owner;

static void set_up(void)
{
    test_arena_init(&t, LIMIT);
    owner = budget_owner(&t.budget, "limbo");
    epoch_init(&e);
    pool_init(&p, SLOT_BYTES, t.owner);
    limbo_init(&l, &t.arena, &e, owner);
}

static size_t held(void)
{
    return atomic_load(&t.budget.rows[owner].bytes);
}

static void tear_down(void)
{
    pool_drop(&t.arena, &p);
    limbo_release(&l);
    cr_assert_eq(held(), 0);
    test_arena_release(&t);
}

TestSuite(limbo, .init = set_up, .fini = tear_down);

static slot get(void)
{
    slot s = pool_get(&t.arena, &p);
    cr_assert_neq(s, 0);
    return s;
}

static void retire(slot s)
{
    cr_assert(limbo_reserve(&l, 1));
    limbo_add(&l, &p, s);
}

Test(limbo, takes_no_memory_while_it_is_empty)
{
    cr_assert(limbo_is_empty(&l));
    cr_assert(limbo_check(&l));
    limbo_drain(&l);
    limbo_seal(&l);
    cr_assert_eq(held(), 0);
}

Test(limbo, puts_back_at_once_when_nobody_is_inside)
{
    retire(get());
    cr_assert_eq(limbo_waiting(&l), 1);
    cr_assert_eq(p.n_used, 1, "until the drain it is in use");
    limbo_drain(&l);
    cr_assert_eq(p.n_used, 0);
    cr_assert(limbo_is_empty(&l));
    cr_assert_eq(held(), 0);
}

Test(limbo, waits_for_those_who_could_see_it_and_no_longer)
{
    slot a = get(), b = get(), c = get();
    retire(a);
    limbo_seal(&l);
    unsigned early = epoch_enter(&e);
    retire(b);
    limbo_seal(&l);
    unsigned late = epoch_enter(&e);
    retire(c);

    limbo_drain(&l);
    cr_assert_eq(limbo_waiting(&l), 2, "a was sealed before anybody came");
    cr_assert_eq(get(), a);
    epoch_leave(&e, early);
    limbo_drain(&l);
    cr_assert_eq(limbo_waiting(&l), 1, "the late one came when b was out of reach");
    cr_assert(limbo_check(&l));
    epoch_leave(&e, late);
    limbo_drain(&l);
    cr_assert(limbo_is_empty(&l));
    cr_assert_eq(p.n_used, 1);
}

Test(limbo, the_oldest_goes_first_and_holds_the_rest)
{
    unsigned place = epoch_enter(&e);
    slot a = get(), b = get();
    get();
    retire(a);
    limbo_seal(&l);
    retire(b);
    limbo_drain(&l);
    cr_assert_eq(limbo_waiting(&l), 2);
    epoch_leave(&e, place);
    limbo_drain(&l);
    cr_assert_eq(get(), b, "the pool hands out first what was put last");
    cr_assert_eq(get(), a);
}

Test(limbo, a_batch_has_one_stamp)
{
    enum { BATCH = 3000 };
    cr_assert(limbo_reserve(&l, BATCH));
    uint64_t before = epoch_stamp(&e);
    for (int i = 0; i < BATCH; i++)
        limbo_add(&l, &p, get());
    cr_assert(limbo_check(&l));
    limbo_seal(&l);
    limbo_seal(&l);
    cr_assert_eq(epoch_stamp(&e), before + 2, "nothing new, no stamp");
    cr_assert(limbo_check(&l));
    limbo_drain(&l);
    cr_assert_eq(p.n_used, 0);
}

Test(limbo, keeps_the_pages_that_it_needs)
{
    enum { N = 20000, PER_PAGE = ARENA_PAGE_BYTES / 24 };
    unsigned place = epoch_enter(&e);
    for (int i = 0; i < N; i++)
        retire(get());
    limbo_seal(&l);
    cr_assert_eq(held(), (N + PER_PAGE - 1) / PER_PAGE * ARENA_PAGE_BYTES);
    cr_assert_eq(held(), l.n_pages * (size_t)ARENA_PAGE_BYTES);
    epoch_leave(&e, place);

    unsigned late = epoch_enter(&e);
    for (int i = 0; i < 10; i++)
        retire(get());
    limbo_drain(&l);
    cr_assert_eq(limbo_waiting(&l), 10);
    cr_assert_leq(held(), 2 * ARENA_PAGE_BYTES, "10 entries lie on two pages at most");
    epoch_leave(&e, late);
    limbo_drain(&l);
    cr_assert_eq(held(), 0);
}

Test(limbo, a_reservation_outlives_drains_and_ends_with_the_seal)
{
    enum { N = 1000 };
    cr_assert(limbo_reserve(&l, N));
    size_t reserved = held();
    cr_assert(limbo_reserve(&l, N / 2));
    cr_assert_eq(held(), reserved, "reservations do not add up");
    limbo_add(&l, &p, get());
    limbo_drain(&l);
    cr_assert_eq(held(), reserved, "room for the rest was promised");

    arena_trim(&t.arena);
    budget_fail_nth(&t.budget, 1);
    cr_assert(limbo_reserve(&l, N - 1), "which takes nothing");
    budget_fail_nth(&t.budget, 0);
    for (int i = 1; i < N; i++)
        limbo_add(&l, &p, get());
    cr_assert_eq(held(), reserved);
    limbo_drain(&l);

    cr_assert(limbo_reserve(&l, N));
    limbo_seal(&l);
    cr_assert_eq(held(), 0, "fewer adds than reserved, none here");
}

Test(limbo, an_add_without_reservation_is_refused, .signal = SIGABRT)
{
    cr_assert(limbo_reserve(&l, 1));
    limbo_add(&l, &p, get());
    limbo_add(&l, &p, get());
}

Test(limbo, without_memory_nothing_changes)
{
    enum { N = 5000 };
    slot s = get(), q = get();
    unsigned place = epoch_enter(&e);
    retire(s);
    cr_assert(limbo_reserve(&l, 3));
    t.arena.retain_pages = 0;
    size_t before = held();
    for (long nth = 1;; nth++) {
        budget_fail_nth(&t.budget, nth);
        bool is_reserved = limbo_reserve(&l, N);
        budget_fail_nth(&t.budget, 0);
        cr_assert(limbo_check(&l));
        if (is_reserved) {
            cr_assert_eq(nth, N / (ARENA_PAGE_BYTES / 24) + 1, "a failure for each page");
            break;
        }
        cr_assert_eq(held(), before);
        cr_assert_eq(limbo_waiting(&l), 1);
    }
    limbo_add(&l, &p, q);
    limbo_seal(&l);
    cr_assert_eq(held(), before);
    epoch_leave(&e, place);
    limbo_drain(&l);
    cr_assert_eq(p.n_used, 0);
}

Test(limbo, release_forgets_what_waits)
{
    for (int i = 0; i < 2000; i++)
        retire(get());
    pool_drop(&t.arena, &p);
    limbo_release(&l);
    cr_assert_eq(held(), 0);
    cr_assert(limbo_is_empty(&l));
    retire(get());
    limbo_drain(&l);
    cr_assert_eq(p.n_used, 0, "and it can be used again");
}

Test(limbo, names_pools_wherever_they_lie)
{
    page_no page = arena_page_get(&t.arena, t.owner);
    struct pool *inside = arena_page(&t.arena, page), on_stack;
    pool_init(inside, 512, t.owner);
    pool_init(&on_stack, 32, t.owner);
    slot a = pool_get(&t.arena, inside), b = pool_get(&t.arena, &on_stack);
    cr_assert(limbo_reserve(&l, 2));
    limbo_add(&l, inside, a);
    limbo_add(&l, &on_stack, b);
    cr_assert(limbo_check(&l));
    limbo_drain(&l);
    cr_assert_eq(inside->n_used + on_stack.n_used, 0);
    arena_page_put(&t.arena, t.owner, page);
}

Test(limbo, subtracts_what_waits_of_a_page)
{
    slot slots[2 * ARENA_PAGE_BYTES / SLOT_BYTES];
    for (size_t i = 0; i < ARRAY_LEN(slots); i++)
        slots[i] = get();
    page_no page = pool_slot_page(slots[0]);
    for (size_t i = 0; i < ARRAY_LEN(slots); i += 3)
        retire(slots[i]);
    struct slot_set left;
    pool_used_slots(&t.arena, &p, page, &left);
    limbo_subtract(&l, &p, page, &left);
    for (size_t i = 0; i < ARRAY_LEN(slots); i++) {
        if (pool_slot_page(slots[i]) != page)
            continue;
        unsigned index = pool_slot_index(&p, slots[i]);
        bool is_left = left.bits[index / 64] >> index % 64 & 1;
        cr_assert_eq(is_left, i % 3 != 0, "slot %zu", i);
    }
}

/* The model: a plain array of what waits, each with the smallest stamp that would do. */
Test(limbo, agrees_with_a_plain_queue)
{
    enum { ROOM = 4000, ROUNDS = 40000, INSIDE = 5 };
    static struct {
        slot s;
        uint64_t stamp; /* UINT64_MAX until it is sealed */
    } waiting[ROOM];
    size_t head = 0, tail = 0;
    struct {
        bool is_inside;
        unsigned place;
        uint64_t in;
    } visitors[INSIDE] = {0};
    uint64_t now = 1;
    struct random random;
    random_init(&random, random_seed());
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t dice = random_below(&random, 100);
        unsigned v = (unsigned)random_below(&random, INSIDE);
        if (dice < 60 && tail - head < ROOM - 1) {
            cr_assert(limbo_reserve(&l, 1 + random_below(&random, 3)));
            waiting[tail % ROOM].s = get();
            waiting[tail % ROOM].stamp = UINT64_MAX;
            limbo_add(&l, &p, waiting[tail++ % ROOM].s);
        } else if (dice < 70) {
            if (visitors[v].is_inside)
                epoch_leave(&e, visitors[v].place);
            else
                visitors[v].place = epoch_enter(&e);
            visitors[v].is_inside = !visitors[v].is_inside;
            visitors[v].in = now;
        } else if (dice < 99) {
            bool is_unsealed = tail > head && waiting[(tail - 1) % ROOM].stamp == UINT64_MAX;
            for (size_t i = tail; i > head && waiting[(i - 1) % ROOM].stamp == UINT64_MAX; i--)
                waiting[(i - 1) % ROOM].stamp = now;
            now += is_unsealed;
            limbo_seal(&l);
            if (dice < 90)
                continue;
            limbo_drain(&l);
            uint64_t oldest = UINT64_MAX;
            for (unsigned i = 0; i < INSIDE; i++)
                if (visitors[i].is_inside && visitors[i].in < oldest)
                    oldest = visitors[i].in;
            while (head < tail && waiting[head % ROOM].stamp < oldest)
                head++;
        } else {
            cr_assert(limbo_check(&l));
        }
        cr_assert_eq(limbo_waiting(&l), tail - head, "round %d", round);
        cr_assert_eq(p.n_used, tail - head);
    }
    for (unsigned i = 0; i < INSIDE; i++)
        if (visitors[i].is_inside)
            epoch_leave(&e, visitors[i].place);
    limbo_drain(&l);
    limbo_seal(&l);
    cr_assert_eq(p.n_used, 0);
    cr_assert_eq(held(), 0);
}

Test(limbo, check_sees_damage)
{
    for (int i = 0; i < 1000; i++) {
        retire(get());
        if (i % 100 == 99)
            limbo_seal(&l);
    }
    retire(get());
    cr_assert(limbo_check(&l));
    size_t *counts[] = {&l.n_waiting, &l.n_unstamped};
    for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
        *counts[i] += 1000;
        cr_assert_not(limbo_check(&l), "count %zu", i);
        *counts[i] -= 1000;
    }
    l.n_promised += 5000;
    cr_assert_not(limbo_check(&l), "more promised than there is room for");
    l.n_promised -= 5000;
    page_no *pages[] = {&l.first, &l.newest, &l.unstamped, &l.last};
    for (size_t i = 0; i < ARRAY_LEN(pages); i++) {
        page_no good = *pages[i];
        *pages[i] = 0;
        cr_assert_not(limbo_check(&l), "page %zu", i);
        *pages[i] = good;
    }
    l.n_pages++;
    cr_assert_not(limbo_check(&l));
    l.n_pages--;
    uint64_t *stamp = (uint64_t *)arena_page(&t.arena, l.first) + 3 * 150 + 1;
    *stamp += 5; /* the batches behind are older now */
    cr_assert_not(limbo_check(&l));
    *stamp -= 5;
    cr_assert(limbo_check(&l));
}

/* Slots are published one after another and the ones before retired; each is poisoned as soon as
 * the pool hands it out again. A reader that finds poison, or two numbers in one slot, was let down
 * by limbo or epoch. Their content is not atomic: ThreadSanitizer sees every edge that is missing.
 */
enum { PUBLISHED = 16, READERS = 3, WORDS = SLOT_BYTES / 8 };

static _Atomic slot published[PUBLISHED];
static atomic_bool is_over;
static atomic_uint n_bad;

static void *reader(void *arg)
{
    struct random random;
    random_init(&random, *(const uint64_t *)arg);
    while (!atomic_load_explicit(&is_over, memory_order_relaxed)) {
        unsigned place = epoch_enter(&e);
        for (int i = 0; i < 4; i++) {
            slot s = atomic_load_explicit(&published[random_below(&random, PUBLISHED)],
                                          memory_order_acquire);
            const uint64_t *words = slot_ptr(&t.arena, s);
            uint64_t first = words[0];
            if (random_below(&random, 100) == 0)
                sched_yield();
            for (int w = 0; w < WORDS; w++)
                if (words[w] != first || first == UINT64_MAX)
                    atomic_fetch_add(&n_bad, 1);
        }
        epoch_leave(&e, place);
    }
    return NULL;
}

/* volatile: the poison is written although it is soon overwritten. */
static slot new_slot(uint64_t number)
{
    slot s = get();
    volatile uint64_t *words = slot_ptr(&t.arena, s);
    for (int w = 0; w < WORDS; w++)
        words[w] = UINT64_MAX;
    for (int w = 0; w < WORDS; w++)
        words[w] = number;
    return s;
}

Test(limbo, readers_find_every_slot_intact, .timeout = 120)
{
    pthread_t threads[READERS];
    uint64_t seeds[READERS], seed = random_seed();
    uint64_t rounds = random_setting("ROUNDS", 50000), number = 1;
    struct random random;
    random_init(&random, seed);
    for (int i = 0; i < PUBLISHED; i++)
        atomic_store(&published[i], new_slot(number++));
    for (uint64_t i = 0; i < READERS; i++) {
        seeds[i] = seed + 1 + i;
        cr_assert_eq(pthread_create(&threads[i], NULL, reader, &seeds[i]), 0);
    }
    size_t most = 0;
    unsigned place = EPOCH_READERS_MAX;
    for (uint64_t round = 0; round < rounds; round++) {
        if (round % 64 == 32) /* whatever the scheduler does, somebody is waited for */
            place = epoch_enter(&e);
        if (round % 64 == 63)
            epoch_leave(&e, place);
        unsigned n = 1 + (unsigned)random_below(&random, 8);
        cr_assert(limbo_reserve(&l, n));
        for (unsigned i = 0; i < n; i++) {
            unsigned at = (unsigned)random_below(&random, PUBLISHED);
            slot old = atomic_load_explicit(&published[at], memory_order_relaxed);
            atomic_store_explicit(&published[at], new_slot(number++), memory_order_release);
            limbo_add(&l, &p, old);
        }
        limbo_seal(&l);
        most = size_max(most, limbo_waiting(&l));
        limbo_drain(&l);
        while (round % 64 == 63 && limbo_waiting(&l) > 10000) {
            sched_yield();
            limbo_drain(&l);
        }
    }
    if (rounds % 64 > 32)
        epoch_leave(&e, place);
    atomic_store(&is_over, true);
    for (unsigned i = 0; i < READERS; i++)
        cr_assert_eq(pthread_join(threads[i], NULL), 0);
    cr_assert_eq(atomic_load(&n_bad), 0);
    cr_assert_geq(most, 31, "those of 31 rounds");
    cr_assert(limbo_check(&l));
    limbo_drain(&l);
    cr_assert_eq(p.n_used, PUBLISHED);
    cr_assert_eq(held(), 0);
}
