#include "tests/support/random.h"
#include "tests/unit/alloc/test_arena.h"
#include "tsdb/window.h"

static struct test_arena t;
static struct windows ws;

enum { WINDOW_MS = 1000 };

static void set_up(void)
{
    test_arena_init(&t, 64 << 20);
    windows_init(&ws, WINDOW_MS, t.owner, t.owner);
}

static void tear_down(void)
{
    for (struct window *w; ws.n_live > 0;) {
        w = window_live(&ws, 0);
        window_expire(&ws, w);
    }
    for (struct window *w; (w = window_expiring(&ws)) != NULL;)
        window_free(&t.arena, &ws, w);
    cr_assert(windows_check(&t.arena, &ws));
    test_arena_release(&t);
}

TestSuite(window, .init = set_up, .fini = tear_down);

Test(window, is_found_by_number_and_serial)
{
    static const int64_t numbers[] = {5, -3, 100, 7, INT64_MIN, INT64_MAX, 0};
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        cr_assert_not_null(window_make(&ws, numbers[i]));
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        struct window *w = window_of_number(&ws, numbers[i]);
        cr_assert_not_null(w);
        cr_assert_eq(w->number, numbers[i]);
        cr_assert_neq(w->serial, 0);
        cr_assert_eq(window_of_serial(&ws, w->serial), w);
    }
    for (uint32_t i = 1; i < ws.n_live; i++)
        cr_assert_lt(window_live(&ws, i - 1)->number, window_live(&ws, i)->number);
    cr_assert_null(window_of_number(&ws, 6));
    cr_assert_null(window_of_serial(&ws, 0));
    cr_assert(windows_check(&t.arena, &ws));
}

Test(window, a_serial_never_comes_back)
{
    uint32_t seen[500];
    for (size_t i = 0; i < ARRAY_LEN(seen); i++) {
        struct window *w = window_make(&ws, (int64_t)i);
        seen[i] = w->serial;
        window_expire(&ws, w);
        window_free(&t.arena, &ws, w);
        for (size_t k = 0; k <= i; k++) {
            cr_assert_null(window_of_serial(&ws, seen[k]));
            cr_assert(k == i || seen[k] != seen[i]);
        }
    }
}

Test(window, expiring_ones_are_out_of_sight_and_keep_their_pages)
{
    struct window *w = window_make(&ws, 1), *next = window_make(&ws, 2);
    cr_assert_neq(pool_get(&t.arena, &w->classes[3]), 0);
    uint32_t serial = w->serial;
    window_expire(&ws, w);
    cr_assert_null(window_of_number(&ws, 1));
    cr_assert_null(window_of_serial(&ws, serial));
    cr_assert_eq(window_of_number(&ws, 2), next);
    cr_assert_eq(window_expiring(&ws), w);
    cr_assert_eq(window_page_bytes(w), ARENA_PAGE_BYTES);
    cr_assert_not_null(window_make(&ws, 1), "the number can be made again beside it");
    window_free(&t.arena, &ws, w);
    cr_assert_null(window_expiring(&ws));
    cr_assert_eq(test_arena_held(&t), 0);
}

Test(window, there_are_128_places)
{
    for (int64_t i = 0; i < WINDOW_SLOTS; i++)
        cr_assert_not_null(window_make(&ws, i));
    cr_assert_null(window_make(&ws, WINDOW_SLOTS));
    struct window *w = window_live(&ws, 50);
    window_expire(&ws, w);
    cr_assert_null(window_make(&ws, WINDOW_SLOTS), "an expiring one still has its place");
    window_free(&t.arena, &ws, w);
    cr_assert_not_null(window_make(&ws, WINDOW_SLOTS));
}

Test(window, starts_at_a_multiple_of_its_length)
{
    struct window *w = window_make(&ws, 5), *before = window_make(&ws, -3);
    cr_assert_eq(w->start_ms, 5000);
    cr_assert_eq(before->start_ms, -3000);
    cr_assert_eq(w->min_ms, INT64_MAX);
    cr_assert_eq(w->max_ms, INT64_MIN);
    cr_assert_eq(w->n_samples, 0);
    cr_assert_eq(w->last_timeline, 0);
}

Test(window, counts_samples_and_their_bounds)
{
    struct window *w = window_make(&ws, 5);
    window_count(w, 10, 5100, 5200);
    cr_assert_eq(w->n_samples, 10);
    cr_assert_eq(w->min_ms, 5100);
    cr_assert_eq(w->max_ms, 5200);
    window_count(w, 1, 5150, 5150);
    cr_assert_eq(w->min_ms, 5100);
    cr_assert_eq(w->max_ms, 5200);
    window_count(w, 2, 5000, 5999);
    cr_assert_eq(w->n_samples, 13);
    cr_assert_eq(w->min_ms, 5000);
    cr_assert_eq(w->max_ms, 5999);
}

enum { IDS = 3000000 };

/* Members against an array of flags: ids close together, far apart, at the ends of words and of the
 * table's leaves. */
Test(window, finds_its_members_in_order)
{
    static bool is_member[IDS];
    struct window *w = window_make(&ws, 1);
    struct random r;
    random_init(&r, random_seed());
    cr_assert_eq(window_next_member(&t.arena, w, 0, IDS), UINT64_MAX);
    for (int i = 0; i < 3000; i++) {
        uint32_t id = (uint32_t)random_below(&r, i % 2 == 0 ? 500 : IDS);
        if (i % 10 == 9)
            id = (uint32_t)(random_below(&r, IDS / 131072) * 131072 + (i % 20 == 9 ? 131071 : 0));
        cr_assert(window_add_member(&t.arena, w, id));
        is_member[id] = true;
    }
    uint64_t found = 0;
    for (uint32_t id = 0; id < IDS; id++) {
        if (!is_member[id])
            continue;
        cr_assert_eq(window_next_member(&t.arena, w, found, IDS), id);
        cr_assert_eq(window_next_member(&t.arena, w, id, IDS), id, "from itself");
        cr_assert_eq(window_next_member(&t.arena, w, id, id), UINT64_MAX, "the end is not in it");
        cr_assert_eq(window_next_member(&t.arena, w, id, id + 1), id);
        found = (uint64_t)id + 1;
    }
    cr_assert_eq(window_next_member(&t.arena, w, found, IDS), UINT64_MAX);
    cr_assert_eq(window_next_member(&t.arena, w, IDS, IDS), UINT64_MAX);
}

Test(window, the_largest_id_can_be_a_member)
{
    struct window *w = window_make(&ws, 1);
    cr_assert(window_add_member(&t.arena, w, UINT32_MAX));
    cr_assert_eq(window_next_member(&t.arena, w, 0, (uint64_t)UINT32_MAX + 1), UINT32_MAX);
    cr_assert_eq(window_next_member(&t.arena, w, 0, UINT32_MAX), UINT64_MAX);
}

Test(window, a_member_without_memory_is_none)
{
    struct window *w = window_make(&ws, 1);
    for (long nth = 1;; nth++) {
        budget_fail_nth(&t.budget, nth);
        t.arena.retain_pages = 0;
        arena_trim(&t.arena);
        bool is_in = window_add_member(&t.arena, w, 12345);
        budget_fail_nth(&t.budget, 0);
        cr_assert_eq(window_next_member(&t.arena, w, 0, IDS), is_in ? 12345 : UINT64_MAX);
        if (is_in)
            break;
        cr_assert_lt(nth, 10);
    }
}

enum { ROW = 32 };

static uint32_t make_row(struct random *r, uint32_t row[ROW])
{
    uint32_t n = 1 + (uint32_t)random_below(r, ROW), id = (uint32_t)random_below(r, IDS / 2);
    for (uint32_t i = 0; i < n; i++, id += 1 + (uint32_t)random_below(r, i % 8 == 7 ? 90000 : 40))
        row[i] = id;
    return n;
}

Test(window, several_members_are_those_one_by_one)
{
    struct window *at_once = window_make(&ws, 1), *one_by_one = window_make(&ws, 2);
    struct random r;
    random_init(&r, random_seed());
    for (int round = 0; round < 500; round++) {
        uint32_t row[ROW], n = make_row(&r, row), n_new = 0;
        for (uint32_t i = 0; i < n; i++)
            if (!window_has_member(&t.arena, one_by_one, row[i]))
                row[n_new++] = row[i];
        cr_assert(window_add_members(&t.arena, at_once, row, n_new));
        for (uint32_t i = 0; i < n_new; i++)
            cr_assert(window_add_member(&t.arena, one_by_one, row[i]));
    }
    for (uint64_t id = 0, next; id != UINT64_MAX; id = next == UINT64_MAX ? next : next + 1) {
        next = window_next_member(&t.arena, one_by_one, id, UINT32_MAX);
        cr_assert_eq(window_next_member(&t.arena, at_once, id, UINT32_MAX), next);
    }
}

Test(window, several_members_without_memory_are_none)
{
    struct window *w = window_make(&ws, 1);
    const uint32_t row[] = {3, 5, 131072, 131073, 900000};
    bool are_in = false;
    for (long nth = 1; !are_in; nth++) {
        budget_fail_nth(&t.budget, nth);
        t.arena.retain_pages = 0;
        arena_trim(&t.arena);
        are_in = window_add_members(&t.arena, w, row, ARRAY_LEN(row));
        budget_fail_nth(&t.budget, 0);
        cr_assert_eq(window_next_member(&t.arena, w, 0, IDS), are_in ? 3 : UINT64_MAX);
        cr_assert_lt(nth, 20);
    }
}

Test(window, members_go_with_it)
{
    struct window *w = window_make(&ws, 1);
    cr_assert(window_add_member(&t.arena, w, 7));
    window_expire(&ws, w);
    cr_assert_eq(window_next_member(&t.arena, w, 0, IDS), 7, "while it expires");
    window_free(&t.arena, &ws, w);
    cr_assert_eq(test_arena_held(&t), 0);
    w = window_make(&ws, 1);
    cr_assert_eq(window_next_member(&t.arena, w, 0, IDS), UINT64_MAX);
}

Test(window, check_sees_damage)
{
    window_make(&ws, 1);
    struct window *w = window_make(&ws, 2);
    cr_assert(windows_check(&t.arena, &ws));
    ws.n_live--;
    cr_assert_not(windows_check(&t.arena, &ws));
    ws.n_live++;
    ws.n_expiring++;
    cr_assert_not(windows_check(&t.arena, &ws));
    ws.n_expiring--;
    w->number = 0;
    cr_assert_not(windows_check(&t.arena, &ws), "order");
    w->number = 2;
    w->classes[0].n_used++;
    cr_assert_not(windows_check(&t.arena, &ws), "a pool");
    w->classes[0].n_used--;
    w->crumbs[CRUMB_SIZES - 1].n_used++;
    cr_assert_not(windows_check(&t.arena, &ws), "a pool of crumbs");
    w->crumbs[CRUMB_SIZES - 1].n_used--;
}

Test(window, has_a_pool_for_each_size_of_slot)
{
    struct window *w = window_make(&ws, 1);
    for (size_t bytes = 1; bytes <= SIZE_CLASS_BYTES_MAX; bytes++) {
        const struct pool *p = window_pool(w, bytes);
        cr_assert_geq(p->slot_bytes, bytes);
        cr_assert_lt(p->slot_bytes,
                     bytes + (bytes <= CRUMB_BYTES_MAX ? CRUMB_STEP_BYTES : SIZE_CLASS_STEP_BYTES));
    }
    cr_assert_neq(pool_get(&t.arena, window_pool(w, 1)), 0);
    cr_assert_neq(pool_get(&t.arena, window_pool(w, SIZE_CLASS_BYTES_MAX)), 0);
    cr_assert_eq(window_page_bytes(w), 2 * ARENA_PAGE_BYTES);
}
