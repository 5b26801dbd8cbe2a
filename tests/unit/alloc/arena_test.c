#include "tests/support/random.h"
#include "tests/unit/alloc/test_arena.h"

#include <string.h>

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

static bool is_zero(const char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (bytes[i] != 0)
            return false;
    return true;
}

Test(arena, spans_are_zeroed_each_time)
{
    for (int round = 0; round < 3; round++) {
        size_t bytes = 5 * PAGE - 7;
        char *span = arena_span_get(&t.arena, t.owner, bytes);
        cr_assert_not_null(span);
        cr_assert_eq((uintptr_t)span % 4096, 0);
        cr_assert(is_zero(span, 5 * PAGE));
        memset(span, 0xAA, 5 * PAGE);
        cr_assert_eq(stats().spans_in_use_bytes, 5 * PAGE);
        arena_span_put(&t.arena, t.owner, span, bytes);
        cr_assert_eq(stats().spans_in_use_bytes, 0);
        cr_assert(arena_check(&t.arena));
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

/* Random gets and puts against what the test itself remembers: each span keeps its bytes, and in
 * the end the range is one free run again. */
Test(arena, spans_survive_any_order_of_get_and_put)
{
    enum { ROOM = 400, ROUNDS = 4000 };
    static struct held held[ROOM];
    struct random random;
    random_init(&random, random_seed());
    size_t n = 0;

    for (int round = 0; round < ROUNDS; round++) {
        if (n < ROOM && random_below(&random, 2) == 0) {
            size_t bytes = 1 + (size_t)random_below(&random, 6 * PAGE);
            unsigned char *at = arena_span_get(&t.arena, t.owner, bytes);
            if (at == NULL)
                continue;
            held[n] = (struct held){at, bytes, (unsigned char)random_next(&random)};
            at[0] = at[bytes - 1] = held[n++].mark;
        } else if (n > 0) {
            size_t i = (size_t)random_below(&random, n);
            cr_assert_eq(held[i].at[0], held[i].mark);
            cr_assert_eq(held[i].at[held[i].bytes - 1], held[i].mark);
            arena_span_put(&t.arena, t.owner, held[i].at, held[i].bytes);
            held[i] = held[--n];
        }
        if (round % 64 == 0)
            cr_assert(arena_check(&t.arena));
    }
    while (n-- > 0)
        arena_span_put(&t.arena, t.owner, held[n].at, held[n].bytes);
    void *all = arena_span_get(&t.arena, t.owner, LIMIT / 2);
    cr_assert_not_null(all, "free runs have merged");
    arena_span_put(&t.arena, t.owner, all, LIMIT / 2);
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

    arena_span_put(&t.arena, t.owner, span, PAGE);
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
