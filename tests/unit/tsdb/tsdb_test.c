/* The store as a whole: turning, expiry, figures, and what it owes when it is gone. */
#include "tests/unit/tsdb/test_store.h"

static struct test_store s;

#define T0 TEST_START_MS

static void set_up(void)
{
    test_store_new(&s, NULL);
}

static void set_up_wall(void)
{
    struct tsdb_options o = test_store_options(&s, CLOCK_WALL);
    test_store_new(&s, &o);
}

static void tear_down(void)
{
    test_store_free(&s);
}

TestSuite(tsdb, .init = set_up, .fini = tear_down);
TestSuite(tsdb_wall, .init = set_up_wall, .fini = tear_down);

static void fill_window(int64_t start_ms, int first, int n)
{
    char series[64];
    for (int i = first; i < first + n; i++) {
        snprintf(series, sizeof(series), "m%d{instance=host%d,job=j%d}", i % 4, i, i % 3);
        for (int k = 0; k < 20; k++)
            cr_assert_eq(test_append(&s, series, start_ms + k * 15000, i * k), 0);
    }
}

Test(tsdb, an_empty_store)
{
    struct tsdb_stats stats = test_stats(&s);
    cr_assert_eq(stats.series + stats.samples + stats.chunks + stats.n_windows, 0);
    cr_assert_gt(stats.min_ms, stats.max_ms);
    cr_assert_eq(tsdb_now_ms(s.db), 0);
    tsdb_tick(s.db);
    cr_assert_eq(tsdb_options(s.db)->n_windows, TEST_WINDOWS);
    cr_assert_eq(tsdb_arena(s.db), &s.arena);
    tsdb_free(NULL);
}

Test(tsdb, new_fails_without_memory)
{
    struct tsdb *db;
    struct tsdb_options o = test_store_options(&s, CLOCK_SAMPLES);
    budget_fail_nth(&s.budget, 1);
    cr_assert_eq(tsdb_new(&o, &s.arena, &db), ERR_NO_MEMORY);
}

Test(tsdb, the_budget_returns_to_its_start)
{
    for (int w = 0; w < 12; w++)
        fill_window(T0 + w * (int64_t)TEST_WINDOW_MS, w * 50, 200);
    cr_assert_gt(atomic_load(&s.budget.used_bytes), s.used_before);
    region_release(&s.region);
    tsdb_free(s.db);
    arena_trim(&s.arena);
    cr_assert_eq(atomic_load(&s.budget.used_bytes), s.used_before);
    struct tsdb_options o = test_store_options(&s, CLOCK_SAMPLES);
    cr_assert_eq(tsdb_new(&o, &s.arena, &s.db), 0, "the arena serves the next one");
}

Test(tsdb, stats_add_up)
{
    for (int w = 0; w < 3; w++)
        fill_window(T0 + w * (int64_t)TEST_WINDOW_MS, 0, 30);
    struct tsdb_stats stats = test_stats(&s);
    cr_assert_eq(stats.series, 30);
    cr_assert_eq(stats.series_created, 30);
    cr_assert_eq(stats.samples, 30 * 20 * 3);
    cr_assert_eq(stats.chunks, 90);
    cr_assert_eq(stats.min_ms, T0);
    cr_assert_eq(stats.max_ms, T0 + 2 * (int64_t)TEST_WINDOW_MS + 19 * 15000);
    cr_assert_eq(stats.n_windows, 3);
    cr_assert_eq(stats.pairs, 4 + 30 + 3);
    cr_assert_eq(stats.symbols, 3 + 4 + 30 + 3);
    uint64_t chunk_bytes = 0, slot_bytes = 0, payload = 0;
    for (uint32_t i = 0; i < stats.n_windows; i++) {
        const struct tsdb_window_stats *w = &stats.windows[i];
        cr_assert_eq(w->start_ms, T0 + i * (int64_t)TEST_WINDOW_MS);
        cr_assert_eq(w->number, tsdb_window_of(s.db, w->start_ms));
        cr_assert_eq(w->series, 30);
        cr_assert_eq(w->samples, 600);
        chunk_bytes += w->bytes;
        payload += w->payload_bytes;
        for (unsigned c = 0; c < SIZE_CLASSES; c++)
            slot_bytes += w->classes[c].used * size_class_bytes(c + 1);
    }
    cr_assert_eq(stats.slack_bytes, slot_bytes - payload);
    cr_assert_eq(atomic_load(&s.budget.rows[budget_owner(&s.budget, "chunks")].bytes), chunk_bytes);
}

Test(tsdb, eight_windows_are_kept_and_the_ninth_turns_the_glass)
{
    for (int w = 0; w < 8; w++) {
        fill_window(T0 + w * (int64_t)TEST_WINDOW_MS, w * 10, 10);
        cr_assert_eq(test_stats(&s).n_windows, (uint32_t)w + 1);
    }
    cr_assert_eq(test_stats(&s).series, 80);
    fill_window(T0 + 8 * (int64_t)TEST_WINDOW_MS, 80, 10);
    struct tsdb_stats stats = test_stats(&s);
    cr_assert_eq(stats.n_windows, 8);
    cr_assert_eq(stats.min_ms, T0 + TEST_WINDOW_MS);
    cr_assert_eq(stats.series, 80);
    cr_assert_eq(stats.series_removed, 10);
    cr_assert_eq(stats.chunks_removed, 10);
}

Test(tsdb, expiry_removes_dead_series_with_their_symbols_and_pairs)
{
    fill_window(T0, 0, 500);
    fill_window(T0 + TEST_WINDOW_MS, 0, 1); /* one lives on */
    struct tsdb_stats before = test_stats(&s);
    cr_assert_eq(test_append(&s, "clock", T0 + 8 * (int64_t)TEST_WINDOW_MS, 1), 0);
    tsdb_tick(s.db);
    struct tsdb_stats after = test_stats(&s);
    cr_assert_eq(after.series, 2);
    cr_assert_eq(after.series_removed, before.series - 1);
    cr_assert_eq(after.pairs, 3 + 1);
    cr_assert_eq(after.symbols, 3 + 3 + 1);
    struct read_set set = test_select(&s, "m0", INT64_MIN, INT64_MAX);
    cr_assert_eq(set.n, 1);
    cr_assert_eq(set.series[0].n, 20, "of its newer window only");
    test_store_check(&s);
}

static size_t held_by(const char *owner)
{
    return atomic_load(&s.budget.rows[budget_owner(&s.budget, owner)].bytes);
}

Test(tsdb, a_tick_moves_together_what_expiry_left_scattered)
{
    enum { N = 6000, STAY = 7 };
    char series[64];
    for (int i = 0; i < N; i++) {
        snprintf(series, sizeof(series), "m%d{path=/%06d}", i % 4, i);
        cr_assert_eq(test_append(&s, series, T0, i), 0);
    }
    size_t symbols = held_by("symbols"), pairs = held_by("pairs");
    for (int i = 0; i < N; i += STAY) {
        snprintf(series, sizeof(series), "m%d{path=/%06d}", i % 4, i);
        cr_assert_eq(test_append(&s, series, T0 + TEST_WINDOW_MS, i), 0);
    }
    cr_assert_eq(test_append(&s, "clock", T0 + 8 * (int64_t)TEST_WINDOW_MS, 1), 0);
    tsdb_tick(s.db);
    cr_assert_eq(test_stats(&s).series, N / STAY + 2);
    cr_assert_lt(held_by("symbols"), symbols / 4);
    cr_assert_lt(held_by("pairs"), pairs / 4);
    test_store_check(&s);
    struct read_set set = test_select(&s, "m0", INT64_MIN, INT64_MAX);
    cr_assert_eq(set.n, (N / STAY + 1 + 3) / 4);
}

Test(tsdb, memory_does_not_grow_from_turn_to_turn)
{
    size_t used = 0;
    for (int w = 0; w < 40; w++) {
        fill_window(T0 + w * (int64_t)TEST_WINDOW_MS, w * 20, 100); /* a fifth of them is new */
        arena_trim(&s.arena);
        if (w == 20)
            used = atomic_load(&s.budget.used_bytes);
    }
    cr_assert_leq(atomic_load(&s.budget.used_bytes), used + used / 20);
    test_store_check(&s);
}

Test(tsdb, many_dead_series_go_in_slices)
{
    char series[32];
    for (int i = 0; i < EXPIRE_SLICE_SERIES * 2 + 10; i++) {
        snprintf(series, sizeof(series), "m{i=x%d}", i);
        cr_assert_eq(test_append(&s, series, T0, i), 0);
    }
    cr_assert_eq(test_append(&s, "clock", T0 + 100 * (int64_t)TEST_WINDOW_MS, 1), 0);
    uint64_t left = test_stats(&s).series;
    cr_assert_eq(left, EXPIRE_SLICE_SERIES + 10 + 1, "one slice with the request");
    cr_assert_eq(test_select(&s, "m", INT64_MIN, INT64_MAX).n, 0, "out of sight at once");
    test_store_check(&s);
    tsdb_tick(s.db);
    cr_assert_eq(test_stats(&s).series, 1);
}

Test(tsdb, a_series_that_comes_back_while_its_window_is_swept_stays)
{
    char series[32];
    for (int i = 0; i < EXPIRE_SLICE_SERIES * 2 + 10; i++) {
        snprintf(series, sizeof(series), "m{i=x%d}", i);
        cr_assert_eq(test_append(&s, series, T0, i), 0);
    }
    int64_t now = T0 + 100 * (int64_t)TEST_WINDOW_MS;
    cr_assert_eq(test_append(&s, "clock", now, 1), 0);
    cr_assert_eq(test_append(&s, "m{i=x5}", now, 1), 0); /* made first: swept last */
    tsdb_tick(s.db);
    cr_assert_eq(test_stats(&s).series, 2);
    cr_assert_eq(test_select(&s, "m", INT64_MIN, INT64_MAX).n, 1);
}

/* ---- the wall clock ---- */

Test(tsdb_wall, turns_with_the_wall)
{
    for (int w = 0; w < 20; w++) {
        fill_window(s.wall_ms, w, 10);
        test_store_pass(&s, TEST_WINDOW_MS);
        tsdb_tick(s.db);
        cr_assert_eq(test_stats(&s).n_windows, w < 7 ? (uint32_t)w + 1 : 7, "window %d", w);
    }
    cr_assert_eq(tsdb_now_ms(s.db), s.wall_ms);
}

Test(tsdb_wall, a_sample_ahead_opens_the_next_window_early)
{
    for (int w = 0; w < 8; w++) {
        fill_window(s.wall_ms, 0, 2);
        test_store_pass(&s, w < 7 ? TEST_WINDOW_MS : 0);
    }
    test_store_pass(&s, TEST_WINDOW_MS - 60000);
    cr_assert_eq(test_append(&s, "m0{instance=host0,job=j0}", s.wall_ms + 120000, 1), 0);
    cr_assert_eq(test_stats(&s).n_windows, 9, "beside the eight, until the clock has caught up");
    test_store_pass(&s, 60000);
    tsdb_tick(s.db);
    cr_assert_eq(test_stats(&s).n_windows, 8);
}

Test(tsdb_wall, a_jump_of_the_clock_does_not_empty_the_glass)
{
    for (int w = 0; w < 8; w++) {
        fill_window(s.wall_ms, 0, 3);
        test_store_pass(&s, w < 7 ? TEST_WINDOW_MS : 0);
    }
    s.wall_ms += (int64_t)365 * 86400 * 1000;
    for (int i = 0; i < 100; i++)
        tsdb_tick(s.db);
    cr_assert_eq(test_stats(&s).n_windows, 7);
    cr_assert_eq(test_append(&s, "m0{instance=host0,job=j0}", s.wall_ms, 1), 0);
    cr_assert_eq(test_stats(&s).n_windows, 8);
}

Test(tsdb_wall, after_a_restore_a_new_sample_confirms_the_time)
{
    struct test_labels l;
    uint32_t id;
    cr_assert_eq(restore_series(s.db, test_labels(&l, "old"), &id), 0);
    struct sample old = {T0 - 10 * (int64_t)TEST_WINDOW_MS, 1};
    cr_assert_eq(restore_tail(s.db, id, &old, 1), 0);
    restore_end(s.db);
    tsdb_tick(s.db);
    cr_assert_eq(test_stats(&s).samples, 1, "the clock may be wrong");
    cr_assert_eq(test_append(&s, "up", s.wall_ms - TEST_HOUR_MS / 2, 1), 0);
    tsdb_tick(s.db);
    cr_assert_eq(test_stats(&s).samples, 1, "now the old one goes");
    cr_assert_eq(test_select(&s, "old", INT64_MIN, INT64_MAX).n, 0);
}

Test(tsdb_wall, a_clock_that_runs_wild_cannot_use_up_the_windows)
{
    for (int i = 0; i < 400; i++) {
        s.wall_ms += 50 * (int64_t)TEST_WINDOW_MS;
        cr_assert_eq(test_append(&s, "up", s.wall_ms, i), 0, "jump %d", i);
        cr_assert_leq(test_stats(&s).n_windows, WINDOWS_MAX + 2);
    }
    test_store_check(&s);
}

/* ---- the check ---- */

Test(tsdb, check_sees_damage)
{
    fill_window(T0, 0, 20);
    cr_assert(tsdb_check(s.db));
    struct window *w = window_live(&s.db->windows, 0);
    w->n_samples++;
    cr_assert_not(tsdb_check(s.db), "samples of a window");
    w->n_samples--;
    w->n_chunks++;
    cr_assert_not(tsdb_check(s.db), "chunks of a window");
    w->n_chunks--;
    w->payload_bytes++;
    cr_assert_not(tsdb_check(s.db), "payload of a window");
    w->payload_bytes--;
    slot leaked = pool_get(&s.arena, &w->classes[1]);
    cr_assert_not(tsdb_check(s.db), "a slot that no chunk has");
    pool_put(&s.arena, &w->classes[1], leaked);
    s.db->series.n++;
    cr_assert_not(tsdb_check(s.db), "series");
    s.db->series.n--;
    struct chunk *c = chunk_at(&s.arena, w->first_chunk);
    c->series++;
    cr_assert_not(tsdb_check(s.db), "whose chunk");
    c->series--;
    w->number++;
    cr_assert_not(tsdb_check(s.db), "samples outside their window");
    w->number--;
    cr_assert(tsdb_check(s.db));
}
