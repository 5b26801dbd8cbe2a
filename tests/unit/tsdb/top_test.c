/* The k largest against all of them, sorted. */
#include "tests/support/random.h"
#include "tests/unit/alloc/test_arena.h"
#include "tsdb/labels.h"
#include "tsdb/top.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct test_arena t;
static struct region r;

static void set_up(void)
{
    test_arena_init(&t, 64 << 20);
    region_init(&r, &t.arena, t.owner, 0);
}

static void tear_down(void)
{
    region_release(&r);
    test_arena_release(&t);
}

TestSuite(top, .init = set_up, .fini = tear_down);

static bool offer(struct top *top, uint64_t value, const char *name)
{
    return top_offer(top, value, name, strlen(name), NULL, 0);
}

static void expect_row(const struct top *top, size_t i, uint64_t value, const char *name)
{
    cr_assert_lt(i, top->n);
    cr_assert_eq(top->rows[i].value, value, "row %zu", i);
    cr_assert_eq(top->rows[i].n_bytes, strlen(name));
    cr_assert_eq(memcmp(top->rows[i].name, name, strlen(name)), 0, "row %zu: %.*s", i,
                 (int)top->rows[i].n_bytes, top->rows[i].name);
}

Test(top, of_none_and_of_one)
{
    struct top top;
    top_init(&top, &r, 1);
    top_finish(&top);
    cr_assert_eq(top.n, 0);
    cr_assert_eq(r.taken_bytes, 0);
    cr_assert(offer(&top, 0, "b"));
    cr_assert(offer(&top, 0, "c"));
    cr_assert(offer(&top, 0, "a"));
    top_finish(&top);
    cr_assert_eq(top.n, 1);
    expect_row(&top, 0, 0, "a");
}

Test(top, equal_ones_by_name_and_two_texts_as_one)
{
    struct top top;
    top_init(&top, &r, 3);
    cr_assert(top_offer(&top, 7, "job", 3, "b", 1));
    cr_assert(top_offer(&top, 7, "job", 3, "", 0));
    cr_assert(offer(&top, UINT64_MAX, "x\n"));
    cr_assert(top_offer(&top, 7, "job", 3, "a", 1));
    cr_assert(offer(&top, 6, "a"));
    top_finish(&top);
    cr_assert_eq(top.n, 3);
    expect_row(&top, 0, UINT64_MAX, "x\n");
    expect_row(&top, 1, 7, "job=");
    expect_row(&top, 2, 7, "job=a");
}

struct offered {
    uint64_t value;
    char name[32];
};

static int by_rank(const void *a, const void *b)
{
    const struct offered *x = a, *y = b;
    if (x->value != y->value)
        return x->value < y->value ? 1 : -1;
    return strcmp(x->name, y->name);
}

Test(top, agrees_with_sorting_all)
{
    enum { OFFERS = 3000 };
    static struct offered all[OFFERS];
    struct random random;
    random_init(&random, random_seed());
    for (int round = 0; round < 40; round++) {
        struct top top;
        size_t n = random_below(&random, OFFERS + 1), max = 1 + random_below(&random, 200);
        uint64_t spread = 1 + random_below(&random, round % 2 == 0 ? 5 : 100000);
        top_init(&top, &r, max);
        for (size_t i = 0; i < n; i++) {
            all[i].value = random_below(&random, spread);
            snprintf(all[i].name, sizeof(all[i].name), "%.*s%zu", (int)random_below(&random, 8),
                     "xxxxxxxx", i);
            cr_assert(offer(&top, all[i].value, all[i].name));
        }
        top_finish(&top);
        qsort(all, n, sizeof(all[0]), by_rank);
        cr_assert_eq(top.n, size_min(n, max));
        for (size_t i = 0; i < top.n; i++)
            expect_row(&top, i, all[i].value, all[i].name);
        region_release(&r);
    }
}

/* The worst order: each gets in. */
Test(top, memory_is_that_of_the_rows)
{
    char name[32];
    struct top top;
    top_init(&top, &r, 10);
    for (uint64_t i = 0; i < 100000; i++) {
        snprintf(name, sizeof(name), "some_name_%020lu", i);
        cr_assert(offer(&top, i, name));
    }
    cr_assert_eq(r.taken_bytes, REGION_FIRST_BYTES);
    top_finish(&top);
    expect_row(&top, 0, 99999, "some_name_00000000000000099999");
}

Test(top, names_up_to_the_longest_label)
{
    static char a[LABEL_NAME_BYTES_MAX], b[LABEL_VALUE_BYTES_MAX];
    struct top top;
    memset(a, 'a', sizeof(a));
    memset(b, 'b', sizeof(b));
    top_init(&top, &r, 2);
    cr_assert(offer(&top, 1, "short"));
    cr_assert(offer(&top, 2, "shorter"));
    cr_assert(top_offer(&top, 3, a, sizeof(a), b, sizeof(b)));
    top_finish(&top);
    cr_assert_eq(top.rows[0].n_bytes, TOP_NAME_BYTES_MAX);
    cr_assert_eq(top.rows[0].name[LABEL_NAME_BYTES_MAX], '=');
    cr_assert_eq(top.rows[0].name[TOP_NAME_BYTES_MAX - 1], 'b');
    expect_row(&top, 1, 2, "shorter");
}

Test(top, a_name_past_that_is_a_programmers_error, .signal = SIGABRT)
{
    static char a[LABEL_NAME_BYTES_MAX + 1], b[LABEL_VALUE_BYTES_MAX];
    struct top top;
    top_init(&top, &r, 2);
    cr_assert(top_offer(&top, 3, a, sizeof(a), b, sizeof(b)));
}

Test(top, any_piece_of_memory_may_be_missing)
{
    static char name[3000];
    memset(name, 'n', sizeof(name));
    bool is_through = false;
    for (long nth = 1; !is_through; nth++) {
        struct top top;
        top_init(&top, &r, 5000);
        budget_fail_nth(&t.budget, nth);
        bool is_kept = true;
        for (uint64_t i = 0; i < 200 && is_kept; i++)
            is_kept = top_offer(&top, i, name, sizeof(name), NULL, 0);
        is_through = is_kept;
        budget_fail_nth(&t.budget, 0);
        cr_assert(is_kept || nth < 20);
        cr_assert_eq(is_through, nth > 4, "%ld", nth);
        region_release(&r);
        arena_trim(&t.arena);
    }
}
