#include "tests/support/random.h"
#include "tests/unit/alloc/test_arena.h"

#include <sched.h>
#include <string.h>
#include <sys/mman.h>

enum { LIMIT = 64 << 20, PAGE = ARENA_PAGE_BYTES };

static struct test_arena t;

static void set_up(void)
{
    test_arena_init(&t, LIMIT);
}

static void tear_down(void)
{
    test_arena_release(&t);
}

TestSuite(arena, .init = set_up, .fini = tear_down);

static struct arena_stats stats(void)
{
    struct arena_stats s;
    arena_stats(&t.arena, &s);
    return s;
}

Test(arena, hands_out_pages_that_do_not_overlap)
{
    enum { N = 1500 }; /* beyond one page of metadata */
    static page_no pages[N];

    for (uint32_t i = 0; i < N; i++) {
        pages[i] = arena_page_get(&t.arena, t.owner);
        cr_assert_neq(pages[i], 0);
        memset(arena_page(&t.arena, pages[i]), (int)(i & 0xFF), PAGE);
        memset(arena_meta(&t.arena, pages[i]), (int)(i & 0xFF), ARENA_META_BYTES);
    }
    for (uint32_t i = 0; i < N; i++) {
        const uint8_t *bytes = arena_page(&t.arena, pages[i]);
        const uint8_t *meta = arena_meta(&t.arena, pages[i]);
        for (size_t k = 0; k < PAGE; k += 509)
            cr_assert_eq(bytes[k], i & 0xFF);
        for (size_t k = 0; k < ARENA_META_BYTES; k++)
            cr_assert_eq(meta[k], i & 0xFF);
    }
    cr_assert_eq(test_arena_held(&t), (size_t)N * PAGE);
    cr_assert(arena_check(&t.arena));
    for (uint32_t i = 0; i < N; i++)
        arena_page_put(&t.arena, t.owner, pages[i]);
}

Test(arena, keeps_a_few_free_pages_and_returns_the_rest)
{
    enum { N = 3 * ARENA_RETAIN_PAGES_DEFAULT };
    page_no pages[N];
    for (int i = 0; i < N; i++)
        pages[i] = arena_page_get(&t.arena, t.owner);
    size_t used = atomic_load(&t.budget.used_bytes);

    for (int i = 0; i < N; i++)
        arena_page_put(&t.arena, t.owner, pages[i]);

    size_t returned = (size_t)(N - ARENA_RETAIN_PAGES_DEFAULT) * PAGE;
    cr_assert_eq(stats().retained_bytes, (size_t)ARENA_RETAIN_PAGES_DEFAULT * PAGE);
    cr_assert_eq(stats().pages_in_use_bytes, 0);
    cr_assert_eq(atomic_load(&t.budget.used_bytes), used - returned);
    cr_assert(arena_check(&t.arena));

    arena_trim(&t.arena);
    cr_assert_eq(stats().retained_bytes, 0);
    cr_assert(arena_check(&t.arena));
}

Test(arena, uses_free_pages_before_fresh_ones)
{
    page_no pages[100];
    for (size_t i = 0; i < ARRAY_LEN(pages); i++)
        pages[i] = arena_page_get(&t.arena, t.owner);
    uint32_t fresh = t.arena.next_fresh;
    for (size_t i = 0; i < ARRAY_LEN(pages); i++)
        arena_page_put(&t.arena, t.owner, pages[i]);
    for (size_t i = 0; i < ARRAY_LEN(pages); i++) { /* retained ones, then released ones */
        pages[i] = arena_page_get(&t.arena, t.owner);
        cr_assert_neq(pages[i], 0);
    }
    cr_assert_eq(t.arena.next_fresh, fresh);
    for (size_t i = 0; i < ARRAY_LEN(pages); i++)
        arena_page_put(&t.arena, t.owner, pages[i]);
}

Test(arena, refuses_pages_beyond_the_budget)
{
    static page_no pages[LIMIT / PAGE];
    size_t n = 0;
    page_no page;
    while ((page = arena_page_get(&t.arena, t.owner)) != 0)
        pages[n++] = page;

    size_t used = atomic_load(&t.budget.used_bytes);
    cr_assert_leq(used, LIMIT);
    cr_assert_gt(used, LIMIT - 2 * PAGE, "the limit is used up to the page");
    cr_assert(arena_check(&t.arena));

    arena_page_put(&t.arena, t.owner, pages[--n]);
    pages[n] = arena_page_get(&t.arena, t.owner);
    cr_assert_neq(pages[n++], 0, "what was given back can be had again");
    while (n > 0)
        arena_page_put(&t.arena, t.owner, pages[--n]);
}

Test(arena, a_refused_page_changes_nothing)
{
    page_no first = arena_page_get(&t.arena, t.owner);
    size_t used = atomic_load(&t.budget.used_bytes);

    budget_fail_nth(&t.budget, 1);
    cr_assert_eq(arena_page_get(&t.arena, t.owner), 0);

    cr_assert_eq(atomic_load(&t.budget.used_bytes), used);
    cr_assert(arena_check(&t.arena));
    cr_assert(budget_check(&t.budget));
    arena_page_put(&t.arena, t.owner, first);
}

Test(arena, moves_a_page_to_another_owner)
{
    unsigned other = budget_owner(&t.budget, "other");
    page_no page = arena_page_get(&t.arena, t.owner);

    arena_page_move(&t.arena, t.owner, other);

    cr_assert_eq(test_arena_held(&t), 0);
    cr_assert_eq(atomic_load(&t.budget.rows[other].bytes), PAGE);
    arena_page_put(&t.arena, other, page);
    cr_assert(budget_check(&t.budget));
}

/* What the kernel holds of a span: not what the arena believes. */
static size_t resident_bytes(void *at, size_t bytes)
{
    enum { KERNEL_PAGE = 4096, MAX = 8 * 1024 * 1024 };
    static unsigned char is_resident[MAX / KERNEL_PAGE];
    size_t n = 0;
    cr_assert_leq(bytes, MAX);
    cr_assert_eq(mincore(at, bytes, is_resident), 0);
    for (size_t i = 0; i < bytes / KERNEL_PAGE; i++)
        n += is_resident[i] & 1;
    return n * KERNEL_PAGE;
}

Test(arena, spans_are_used_again_without_the_kernel_or_the_budget)
{
    size_t bytes = 5 * PAGE - 7;
    char *span = arena_span_get(&t.arena, t.owner, bytes);
    cr_assert_not_null(span);
    cr_assert_eq((uintptr_t)span % 4096, 0);
    memset(span, 0xAA, 5 * PAGE);
    cr_assert_eq(stats().spans_in_use_bytes, 5 * PAGE);
    size_t used = atomic_load(&t.budget.used_bytes);

    arena_span_put(&t.arena, t.owner, span, bytes);
    cr_assert_eq(stats().spans_in_use_bytes, 0);
    cr_assert_eq(stats().retained_bytes, 5 * PAGE);
    cr_assert_eq(test_arena_held(&t), 0);
    cr_assert_eq(atomic_load(&t.budget.used_bytes), used, "it still counts");
    cr_assert_eq(resident_bytes(span, 5 * PAGE), 5 * PAGE);
    cr_assert(arena_check(&t.arena));

    budget_fail_nth(&t.budget, 1); /* to see that it is not asked */
    char *first = arena_span_get(&t.arena, t.owner, 2 * PAGE);
    char *second = arena_span_get(&t.arena, t.owner, 3 * PAGE);
    budget_fail_nth(&t.budget, 0);
    cr_assert_eq(first, span);
    cr_assert_eq(second, span + 2 * PAGE);
    cr_assert_eq(stats().retained_bytes, 0);
    cr_assert_eq(test_arena_held(&t), 5 * PAGE);
    cr_assert(arena_check(&t.arena));
    arena_span_put(&t.arena, t.owner, first, 2 * PAGE);
    arena_span_put(&t.arena, t.owner, second, 3 * PAGE);
}

Test(arena, the_smallest_retained_span_that_does_is_taken)
{
    static const size_t pages[] = {4, 1, 2, 1, 3, 1}; /* the single ones keep the others apart */
    char *spans[ARRAY_LEN(pages)];
    for (size_t i = 0; i < ARRAY_LEN(pages); i++)
        spans[i] = arena_span_get(&t.arena, t.owner, pages[i] * PAGE);
    for (size_t i = 0; i < ARRAY_LEN(pages); i += 2)
        arena_span_put(&t.arena, t.owner, spans[i], pages[i] * PAGE);

    cr_assert_eq(arena_span_get(&t.arena, t.owner, 2 * PAGE), spans[2]);
    cr_assert_eq(arena_span_get(&t.arena, t.owner, 2 * PAGE), spans[4]);
    arena_span_put(&t.arena, t.owner, spans[2], 2 * PAGE);
    arena_span_put(&t.arena, t.owner, spans[4], 2 * PAGE);
    for (size_t i = 1; i < ARRAY_LEN(pages); i += 2)
        arena_span_put(&t.arena, t.owner, spans[i], pages[i] * PAGE);
    cr_assert(arena_check(&t.arena));
}

Test(arena, keeps_free_spans_up_to_a_bound_and_returns_the_rest)
{
    enum { N = 6, BYTES = 1024 * 1024 };
    char *spans[N];
    for (int i = 0; i < N; i++)
        spans[i] = arena_span_get(&t.arena, t.owner, BYTES);
    size_t used = atomic_load(&t.budget.used_bytes);
    for (int i = 0; i < N; i++)
        arena_span_put(&t.arena, t.owner, spans[i], BYTES);

    size_t kept = ARENA_RETAIN_SPAN_BYTES_DEFAULT;
    cr_assert_eq(stats().retained_bytes, kept);
    cr_assert_eq(atomic_load(&t.budget.used_bytes), used - ((size_t)N * BYTES - kept));
    cr_assert_eq(resident_bytes(spans[0], (size_t)N * BYTES), kept);
    cr_assert(arena_check(&t.arena));

    arena_trim(&t.arena);
    cr_assert_eq(stats().retained_bytes, 0);
    cr_assert_eq(resident_bytes(spans[0], (size_t)N * BYTES), 0);
    cr_assert(arena_check(&t.arena));
}

Test(arena, gives_back_what_nobody_has_wanted_since_the_last_time)
{
    size_t bytes = 20 * PAGE;
    char *span = arena_span_get(&t.arena, t.owner, bytes);
    arena_span_put(&t.arena, t.owner, span, bytes);
    arena_trim_idle(&t.arena);
    cr_assert_eq(stats().retained_bytes, bytes, "it has just come");

    cr_assert_eq(arena_span_get(&t.arena, t.owner, 8 * PAGE), span);
    arena_span_put(&t.arena, t.owner, span, 8 * PAGE);
    arena_trim_idle(&t.arena);
    cr_assert_eq(stats().retained_bytes, 8 * PAGE);
    cr_assert_eq(resident_bytes(span, bytes), 8 * PAGE);
    cr_assert_eq(resident_bytes(span, 8 * PAGE), 8 * PAGE, "the part that was used stays");
    cr_assert(arena_check(&t.arena));

    arena_trim_idle(&t.arena);
    cr_assert_eq(stats().retained_bytes, 0);
    cr_assert(arena_check(&t.arena));
}

/* Takes all that the budget has left, beside what is retained. */
static size_t fill_budget(struct budget *b, unsigned owner)
{
    size_t n = b->limit_bytes - atomic_load(&b->used_bytes);
    cr_assert(budget_take(b, owner, n));
    return n;
}

Test(arena, how_much_is_retained_can_be_said)
{
    size_t before = t.arena.retain_span_bytes;
    void *a = arena_span_get(&t.arena, t.owner, 3 * ARENA_PAGE_BYTES);
    void *b = arena_span_get(&t.arena, t.owner, 2 * ARENA_PAGE_BYTES);
    arena_span_put(&t.arena, t.owner, a, 3 * ARENA_PAGE_BYTES);
    cr_assert_eq(arena_retain_spans(&t.arena, 3 * ARENA_PAGE_BYTES), before);
    cr_assert_eq(t.arena.span_retained_bytes, 3 * ARENA_PAGE_BYTES);
    cr_assert_eq(arena_retain_spans(&t.arena, 3 * ARENA_PAGE_BYTES - 1), 3 * ARENA_PAGE_BYTES);
    cr_assert_lt(t.arena.span_retained_bytes, 3 * ARENA_PAGE_BYTES);
    (void)arena_retain_spans(&t.arena, 0);
    cr_assert_eq(t.arena.span_retained_bytes, 0);
    arena_span_put(&t.arena, t.owner, b, 2 * ARENA_PAGE_BYTES);
    cr_assert_eq(t.arena.span_retained_bytes, 0);
}

Test(arena, nothing_is_refused_while_something_is_retained)
{
    size_t bytes = 8 * PAGE;
    unsigned other = budget_owner(&t.budget, "other");
    char *span = arena_span_get(&t.arena, t.owner, bytes);
    page_no pages[3];
    for (size_t i = 0; i < ARRAY_LEN(pages); i++)
        pages[i] = arena_page_get(&t.arena, t.owner);
    for (size_t i = 0; i < ARRAY_LEN(pages); i++)
        arena_page_put(&t.arena, t.owner, pages[i]);
    arena_span_put(&t.arena, t.owner, span, bytes);
    size_t filled = fill_budget(&t.budget, other);
    uint64_t refused = atomic_load(&t.budget.n_refused);

    cr_assert(budget_take(&t.budget, other, 1000), "somebody who has no page");
    cr_assert_eq(stats().retained_bytes, 7 * PAGE + 3 * PAGE, "one page's worth, of the span");
    char *larger = arena_span_get(&t.arena, t.owner, 9 * PAGE);
    cr_assert_not_null(larger, "a span in place of smaller ones and of pages");
    cr_assert_eq(stats().retained_bytes, PAGE);
    page_no page = arena_page_get(&t.arena, t.owner);
    cr_assert_neq(page, 0);
    cr_assert_eq(stats().retained_bytes, 0);
    cr_assert_eq(atomic_load(&t.budget.n_refused), refused);
    cr_assert_eq(arena_page_get(&t.arena, t.owner), 0, "now there is nothing left");
    cr_assert(arena_check(&t.arena) && budget_check(&t.budget));

    arena_page_put(&t.arena, t.owner, page);
    arena_span_put(&t.arena, t.owner, larger, 9 * PAGE);
    budget_give(&t.budget, other, filled + 1000);
}

Test(arena, retained_spans_do_not_stand_in_the_way_of_longer_ones)
{
    enum { RANGE = 64, HALF = 30 };
    struct budget b;
    struct arena a;
    budget_init(&b, LIMIT);
    cr_assert(arena_init(&a, &b, RANGE * PAGE));
    unsigned owner = budget_owner(&b, "one");
    void *first = arena_span_get(&a, owner, HALF * PAGE);
    void *second = arena_span_get(&a, owner, HALF * PAGE);
    arena_span_put(&a, owner, first, HALF * PAGE);
    arena_span_put(&a, owner, second, HALF * PAGE);

    void *whole = arena_span_get(&a, owner, RANGE * PAGE);
    cr_assert_eq(whole, first, "there is room for it, if only in the range");
    cr_assert(arena_check(&a));
    arena_span_put(&a, owner, whole, RANGE * PAGE);
    arena_release(&a);
}

Test(arena, a_test_sees_its_refusal_whatever_is_retained)
{
    char *span = arena_span_get(&t.arena, t.owner, 4 * PAGE);
    arena_span_put(&t.arena, t.owner, span, 4 * PAGE);

    budget_fail_nth(&t.budget, 1);
    cr_assert_null(arena_span_get(&t.arena, t.owner, 5 * PAGE));
    budget_fail_nth(&t.budget, 1);
    cr_assert_eq(arena_page_get(&t.arena, t.owner), 0);

    cr_assert_eq(stats().retained_bytes, 4 * PAGE);
    t.arena.retain_span_bytes = 0;
    arena_trim(&t.arena);
    for (int i = 0; i < 2; i++) { /* each time anew */
        budget_fail_nth(&t.budget, 1);
        cr_assert_null(arena_span_get(&t.arena, t.owner, 4 * PAGE));
        span = arena_span_get(&t.arena, t.owner, 4 * PAGE);
        arena_span_put(&t.arena, t.owner, span, 4 * PAGE);
    }
}

Test(arena, refuses_spans_of_nothing_and_of_too_much)
{
    cr_assert_null(arena_span_get(&t.arena, t.owner, 0));
    cr_assert_null(arena_span_get(&t.arena, t.owner, LIMIT + 1));
    cr_assert_null(arena_span_get(&t.arena, t.owner, SIZE_MAX));
    cr_assert_eq(test_arena_held(&t), 0);
}

Test(arena, a_refused_span_changes_nothing)
{
    for (long nth = 1; nth <= 2; nth++) { /* the span itself, and the page of its first nodes */
        size_t used = atomic_load(&t.budget.used_bytes);
        budget_fail_nth(&t.budget, nth);
        cr_assert_null(arena_span_get(&t.arena, t.owner, 100));
        cr_assert_eq(atomic_load(&t.budget.used_bytes), used);
        cr_assert(arena_check(&t.arena));
    }
    budget_fail_nth(&t.budget, 0);
    void *span = arena_span_get(&t.arena, t.owner, 100);
    cr_assert_not_null(span);
    arena_span_put(&t.arena, t.owner, span, 100);
}

struct held {
    unsigned char *at;
    size_t bytes;
    unsigned char mark;
};

static void mark_span(struct held *h, struct random *random)
{
    h->mark = (unsigned char)random_next(random);
    h->at[0] = h->at[h->bytes - 1] = h->mark;
}

static void put_marked(struct held *h)
{
    cr_assert_eq(h->at[0], h->mark);
    cr_assert_eq(h->at[h->bytes - 1], h->mark);
    arena_span_put(&t.arena, t.owner, h->at, h->bytes);
}

/* Random gets and puts against what the test itself remembers: each span keeps its bytes, a refusal
 * means that what is in use leaves no room, and in the end the range is one free run again. */
static void spans_in_any_order(struct random *random, size_t room_bytes)
{
    enum { ROOM = 400, ROUNDS = 4000 };
    static struct held held[ROOM];
    size_t n = 0, n_refused = 0;
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t dice = random_below(random, 100);
        if (n < ROOM && dice < 50) {
            struct held *h = &held[n];
            h->bytes = 1 + (size_t)random_below(random, 6 * PAGE);
            h->at = arena_span_get(&t.arena, t.owner, h->bytes);
            if (h->at != NULL) {
                mark_span(h, random);
                n++;
                continue;
            }
            n_refused++;
            cr_assert_eq(stats().retained_bytes, 0);
            cr_assert_gt(test_arena_held(&t) + arena_span_bytes(h->bytes), room_bytes);
        } else if (n > 0 && dice < 98) {
            size_t i = (size_t)random_below(random, n);
            put_marked(&held[i]);
            held[i] = held[--n];
        } else if (dice == 98) {
            arena_trim_idle(&t.arena);
        }
        if (round % 64 == 0)
            cr_assert(arena_check(&t.arena));
    }
    cr_assert_eq(n_refused > 0, room_bytes < LIMIT / 2);
    while (n > 0)
        put_marked(&held[--n]);
}

Test(arena, spans_survive_any_order_of_get_and_put)
{
    struct random random;
    random_init(&random, random_seed());
    spans_in_any_order(&random, LIMIT);
    void *all = arena_span_get(&t.arena, t.owner, LIMIT - LIMIT / 16);
    cr_assert_not_null(all, "free runs have merged");
    arena_span_put(&t.arena, t.owner, all, LIMIT - LIMIT / 16);
}

Test(arena, spans_survive_any_order_where_memory_is_short)
{
    struct random random;
    unsigned other = budget_owner(&t.budget, "other");
    size_t room = 40 * PAGE;
    random_init(&random, random_seed());
    /* what the arena needs for itself comes with the first span */
    arena_span_put(&t.arena, t.owner, arena_span_get(&t.arena, t.owner, 1), 1);
    arena_trim(&t.arena);
    size_t rest = LIMIT - atomic_load(&t.budget.used_bytes) - room;
    cr_assert(budget_take(&t.budget, other, rest));
    spans_in_any_order(&random, room);
    budget_give(&t.budget, other, rest);
}

static atomic_bool is_over;

static void *take_and_put(void *seed)
{
    struct random random;
    random_init(&random, *(uint64_t *)seed);
    for (int round = 0; round < 3000; round++) {
        struct held h = {.bytes = 1 + (size_t)random_below(&random, 20 * PAGE)};
        h.at = arena_span_get(&t.arena, t.owner, h.bytes);
        page_no page = arena_page_get(&t.arena, t.owner);
        if (h.at != NULL) {
            mark_span(&h, &random);
            put_marked(&h);
        }
        if (page != 0) {
            memset(arena_page(&t.arena, page), 1, PAGE);
            arena_page_put(&t.arena, t.owner, page);
        }
    }
    return NULL;
}

static void *trim_always(void *unused)
{
    while (!atomic_load(&is_over)) {
        arena_trim_idle(&t.arena);
        cr_assert(arena_check(&t.arena));
        sched_yield();
    }
    return unused;
}

/* So little memory that threads take each other's retained runs away. */
Test(arena, threads_share_a_short_budget, .timeout = 60)
{
    enum { THREADS = 4 };
    pthread_t threads[THREADS], trimmer;
    uint64_t seeds[THREADS];
    unsigned other = budget_owner(&t.budget, "other");
    uint64_t seed = random_seed();
    arena_span_put(&t.arena, t.owner, arena_span_get(&t.arena, t.owner, 1), 1);
    size_t rest = LIMIT - atomic_load(&t.budget.used_bytes) - 30 * PAGE;
    cr_assert(budget_take(&t.budget, other, rest));
    pthread_create(&trimmer, NULL, trim_always, NULL);
    for (size_t i = 0; i < THREADS; i++) {
        seeds[i] = seed + i;
        pthread_create(&threads[i], NULL, take_and_put, &seeds[i]);
    }
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    atomic_store(&is_over, true);
    pthread_join(trimmer, NULL);
    budget_give(&t.budget, other, rest);
}

Test(arena, init_fails_where_the_budget_has_no_room_for_it)
{
    struct budget b;
    struct arena a;
    budget_init(&b, PAGE - 1);
    cr_assert_not(arena_init(&a, &b, LIMIT));
    cr_assert_eq(atomic_load(&b.used_bytes), 0);
    arena_release(&a); /* accepts it */
}

Test(arena, a_tiny_limit_still_makes_an_arena)
{
    struct budget b;
    struct arena a;
    budget_init(&b, 8 * PAGE);
    cr_assert(arena_init(&a, &b, 1));
    unsigned owner = budget_owner(&b, "one");
    page_no page = arena_page_get(&a, owner);
    cr_assert_neq(page, 0);
    cr_assert_eq(arena_page_get(&a, owner), 0, "the range ends");
    arena_page_put(&a, owner, page);
    cr_assert(arena_check(&a));
    arena_release(&a);
}

/* One field is damaged, the check must see it, and the field is mended again for the rest. */
#define SEES_DAMAGE(field)                                                                         \
    do {                                                                                           \
        (field)++;                                                                                 \
        cr_assert_not(arena_check(&t.arena), #field);                                              \
        (field)--;                                                                                 \
        cr_assert(arena_check(&t.arena));                                                          \
    } while (0)

Test(arena, check_sees_every_count_that_is_wrong)
{
    page_no page = arena_page_get(&t.arena, t.owner), other = arena_page_get(&t.arena, t.owner);
    void *span = arena_span_get(&t.arena, t.owner, PAGE);
    arena_page_put(&t.arena, t.owner, other);

    SEES_DAMAGE(t.arena.n_in_use);
    SEES_DAMAGE(t.arena.n_retained);
    SEES_DAMAGE(t.arena.next_fresh);
    SEES_DAMAGE(t.arena.span_used_bytes);
    SEES_DAMAGE(t.arena.span_retained_bytes);

    arena_span_put(&t.arena, t.owner, span, PAGE);
    SEES_DAMAGE(t.arena.span_used_bytes);
    SEES_DAMAGE(t.arena.span_retained_bytes);
    arena_trim(&t.arena);
    SEES_DAMAGE(t.arena.span_idle_bytes);
    arena_page_put(&t.arena, t.owner, page);
}

Test(arena, check_sees_a_lost_free_page)
{
    page_no page = arena_page_get(&t.arena, t.owner);
    arena_page_put(&t.arena, t.owner, page);
    page_no head = t.arena.free_retained;
    t.arena.free_retained = 0;
    cr_assert_not(arena_check(&t.arena));
    t.arena.free_retained = head;
}
