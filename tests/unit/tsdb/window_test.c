#include "tests/unit/alloc/test_arena.h"
#include "tsdb/window.h"

static struct test_arena t;
static struct windows ws;

static void set_up(void)
{
    test_arena_init(&t, 64 << 20);
    windows_init(&ws, t.owner);
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
}
