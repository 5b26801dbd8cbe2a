/* The list of what is under way, and the ring of what was heavy. */
#include "http/queries.h"

#include "tests/unit/alloc/test_arena.h"

#include <string.h>

enum { QUERY_MEMORY = 4 << 20 };

static struct test_arena t;
static struct queries qs;
static struct region answer, out;
static struct query_row *running, *heavy, row;
static size_t n_running, n_heavy;
static atomic_bool cancel[3];

static void setup(void)
{
    test_arena_init(&t, 64 << 20);
    queries_init(&qs, QUERY_MEMORY);
    region_init(&answer, &t.arena, t.owner, 0);
    region_init(&out, &t.arena, t.owner, 0);
}

static void teardown(void)
{
    queries_release(&qs);
    region_release(&answer);
    region_release(&out);
    test_arena_release(&t);
}

TestSuite(queries, .init = setup, .fini = teardown);

static void enter(struct query *q, const char *text, atomic_bool *flag)
{
    queries_enter(&qs, q, "/api/v1/query", text, strlen(text), 1000, &answer, flag);
}

static void list(int64_t now_ns)
{
    cr_assert(queries_list(&qs, now_ns, &out, &running, &n_running, &heavy, &n_heavy));
}

Test(queries, wait_run_and_end)
{
    struct query a = {0}, b = {0};
    struct region work;
    region_init(&work, &t.arena, t.owner, 0);
    enter(&a, "up", &cancel[0]);
    enter(&b, "down", &cancel[1]);
    queries_start(&qs, &a, 3000);
    queries_work(&qs, &a, &work);
    cr_assert_not_null(region_alloc(&work, 100000));
    list(10000);
    cr_assert_eq(n_running, 2);
    cr_assert_eq(n_heavy, 0);
    cr_assert_str_eq(running[0].text, "up");
    cr_assert_str_eq(running[0].path, "/api/v1/query");
    cr_assert(running[0].is_running);
    cr_assert_eq(running[0].arrived_boot_ns, 1000);
    cr_assert_eq(running[0].waited_ns, 2000);
    cr_assert_eq(running[0].ran_ns, 7000);
    cr_assert_eq(running[0].bytes, work.taken_bytes);
    cr_assert_eq(running[0].status, 0);
    cr_assert_not(running[1].is_running);
    cr_assert_eq(running[1].waited_ns, 9000);
    cr_assert_eq(running[1].ran_ns, 0);
    cr_assert_neq(running[0].id, running[1].id);
    queries_work(&qs, &a, NULL);
    region_release(&work);
    cr_assert_not(queries_leave(&qs, &a, 200, 11000, &row));
    cr_assert_gt(row.bytes, 100000, "what it held at its end");
    list(12000);
    cr_assert_eq(n_running, 1);
    cr_assert_str_eq(running[0].text, "down");
    cr_assert_not(queries_leave(&qs, &b, 200, 12000, &row));
    list(12000);
    cr_assert_eq(n_running, 0);
}

Test(queries, the_one_that_is_meant_is_cancelled)
{
    struct query q[3] = {0};
    for (size_t i = 0; i < 3; i++)
        enter(&q[i], "x", &cancel[i]);
    cr_assert(queries_cancel(&qs, q[1].id));
    cr_assert_not(atomic_load(&cancel[0]));
    cr_assert(atomic_load(&cancel[1]));
    cr_assert_not(atomic_load(&cancel[2]));
    cr_assert_not(queries_cancel(&qs, q[2].id + 1));
    uint64_t id = q[0].id;
    static const size_t order[] = {1, 0, 2}; /* from the middle, the front, the rest */
    for (size_t i = 0; i < 3; i++)
        queries_leave(&qs, &q[order[i]], 200, 2000, &row);
    cr_assert_not(queries_cancel(&qs, id));
    cr_assert_null(qs.first);
    cr_assert_null(qs.last);
}

static bool is_heavy(int64_t ran_ns, size_t bytes)
{
    struct query q = {0};
    struct region work;
    region_init(&work, &t.arena, t.owner, 0);
    enter(&q, "x", &cancel[0]);
    queries_start(&qs, &q, 1000);
    queries_work(&qs, &q, &work);
    if (bytes > 0)
        cr_assert_not_null(region_alloc(&work, bytes));
    queries_work(&qs, &q, NULL);
    region_release(&work);
    q.n_samples = 7;
    return queries_leave(&qs, &q, 422, 1000 + ran_ns, &row);
}

Test(queries, heavy_is_a_second_or_a_quarter_of_the_memory)
{
    cr_assert_not(is_heavy(QUERIES_HEAVY_NS - 1, 0));
    cr_assert(is_heavy(QUERIES_HEAVY_NS, 0));
    cr_assert_eq(row.n_samples, 7);
    cr_assert_eq(row.status, 422);
    cr_assert_not(is_heavy(0, QUERY_MEMORY / QUERIES_HEAVY_SHARE / 2));
    cr_assert(is_heavy(0, QUERY_MEMORY / QUERIES_HEAVY_SHARE));
    list(0);
    cr_assert_eq(n_heavy, 2);
    cr_assert_eq(heavy[0].ran_ns, 0, "the newest first");
    cr_assert_eq(heavy[1].ran_ns, QUERIES_HEAVY_NS);
    for (int64_t i = 0; i < QUERIES_HEAVY_MAX + 1; i++)
        cr_assert(is_heavy(QUERIES_HEAVY_NS + i, 0));
    list(0);
    cr_assert_eq(n_heavy, QUERIES_HEAVY_MAX);
    cr_assert_eq(heavy[0].ran_ns, QUERIES_HEAVY_NS + QUERIES_HEAVY_MAX);
    cr_assert_eq(heavy[QUERIES_HEAVY_MAX - 1].ran_ns, QUERIES_HEAVY_NS + 1);
}

Test(queries, a_long_text_is_cut_between_characters)
{
    static char text[2 * QUERIES_TEXT_BYTES];
    for (size_t shift = 0; shift < 4; shift++) {
        struct query q = {0};
        memset(text, 'a', sizeof(text));
        memcpy(text + QUERIES_TEXT_BYTES - 1 - shift, "\xf0\x9f\x98\x80", 4);
        queries_enter(&qs, &q, "/", text, sizeof(text), 0, &answer, &cancel[0]);
        size_t want = shift == 0 ? QUERIES_TEXT_BYTES - 1 : QUERIES_TEXT_BYTES - 1 - shift;
        cr_assert_eq(strlen(q.text), want, "%zu", shift);
        queries_leave(&qs, &q, 200, 0, &row);
    }
    struct query q = {0};
    queries_enter(&qs, &q, "/", text, QUERIES_TEXT_BYTES - 1, 0, &answer, &cancel[0]);
    cr_assert_eq(strlen(q.text), QUERIES_TEXT_BYTES - 1, "at the limit");
    queries_leave(&qs, &q, 200, 0, &row);
}

Test(queries, listing_without_memory)
{
    budget_fail_nth(&t.budget, 1);
    cr_assert_not(queries_list(&qs, 0, &out, &running, &n_running, &heavy, &n_heavy));
    budget_fail_nth(&t.budget, 0);
}
