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

TestSuite(tsdb, .init = set_up, .fini = tear_down, .timeout = 60);
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
    /* what describes pages that were once used stays */
    const struct budget_row *arena = &s.budget.rows[budget_owner(&s.budget, "arena")];
    cr_assert_eq(atomic_load(&s.budget.used_bytes), atomic_load(&arena->bytes));
    cr_assert_leq(atomic_load(&arena->bytes), s.used_before + ARENA_PAGE_BYTES);
    struct tsdb_options o = test_store_options(&s, CLOCK_SAMPLES);
    cr_assert_eq(tsdb_new(&o, &s.arena, &s.db), 0, "the arena serves the next one");
}

Test(tsdb, series_that_fell_silent_are_sealed_when_nothing_can_be_late_any_more)
{
    const struct tsdb_options *o = tsdb_options(s.db);
    int64_t ends_ms = T0 + (int64_t)TEST_WINDOW_MS;
    fill_window(T0, 0, 50);
    struct tsdb_stats open = test_stats(&s);
    cr_assert_geq(open.open.used, 40, "a constant has no head");
    cr_assert_eq(test_append(&s, "clock", ends_ms + o->out_of_order_ms - 1, 1), 0);
    tsdb_tick(s.db);
    cr_assert_eq(test_stats(&s).open.used, open.open.used);
    cr_assert_eq(test_append(&s, "clock", ends_ms + o->out_of_order_ms, 1), 0);
    tsdb_tick(s.db);
    cr_assert_eq(test_stats(&s).open.used, 0);
    cr_assert_eq(test_stats(&s).samples, open.samples + 2);
    cr_assert(tsdb_check(s.db));
    for (int k = 20; k < 200; k++) /* one comes back, in the same window */
        cr_assert_eq(test_append(&s, "m1{instance=host1,job=j1}", T0 + k * 15000, k), 0);
    cr_assert_gt(test_stats(&s).open.used, 0);
    cr_assert_eq(test_stats(&s).samples, open.samples + 2 + 180);
    cr_assert(tsdb_check(s.db));
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
    cr_assert_eq(stats.symbols, 3, "names");
    uint64_t chunk_bytes = 0, slot_bytes = 0, payload = 0;
    for (uint32_t i = 0; i < stats.n_windows; i++) {
        const struct tsdb_window_stats *w = &stats.windows[i];
        cr_assert_eq(w->start_ms, T0 + i * (int64_t)TEST_WINDOW_MS);
        cr_assert_eq(w->number, tsdb_window_of(s.db, w->start_ms));
        cr_assert_eq(w->series, 30);
        cr_assert_eq(w->samples, 600);
        chunk_bytes += w->bytes;
        payload += w->payload_bytes;
        for (unsigned c = 0; c < TSDB_POOLS; c++)
            slot_bytes += w->classes[c].used * tsdb_pool_bytes(c);
    }
    slot_bytes += stats.open.used * (uint64_t)SIZE_CLASS_STEP_BYTES;
    payload += stats.open_payload_bytes;
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

Test(tsdb, the_oldest_window_may_go_before_its_time)
{
    struct tsdb_dropped dropped;
    cr_assert_not(tsdb_drop_oldest(s.db, &dropped), "there is none");
    for (int w = 0; w < 4; w++)
        fill_window(T0 + w * (int64_t)TEST_WINDOW_MS, w * 10, 10);
    uint64_t bytes = test_stats(&s).windows[0].bytes;
    cr_assert(tsdb_drop_oldest(s.db, &dropped));
    cr_assert_eq(dropped.start_ms, T0);
    cr_assert_eq(dropped.samples, 200);
    cr_assert_eq(dropped.bytes, bytes);
    cr_assert_not(tsdb_drop_oldest(s.db, &dropped), "one at a time");
    tsdb_tick(s.db);
    struct tsdb_stats stats = test_stats(&s);
    cr_assert_eq(stats.n_windows, 3);
    cr_assert_eq(stats.min_ms, T0 + TEST_WINDOW_MS);
    cr_assert_eq(stats.series, 30);
    cr_assert_eq(test_append(&s, "late", T0 + TEST_WINDOW_MS - 1, 1), ERR_TOO_OLD);
    cr_assert_eq(test_append(&s, "late", T0 + TEST_WINDOW_MS, 1), 0);
    for (int w = 1; w < 3; w++) {
        cr_assert(tsdb_drop_oldest(s.db, &dropped));
        tsdb_tick(s.db);
    }
    cr_assert_not(tsdb_drop_oldest(s.db, &dropped), "the present one stays");
    cr_assert_eq(test_stats(&s).samples, 200);
    fill_window(T0 + 10 * (int64_t)TEST_WINDOW_MS, 0, 10);
    cr_assert_eq(test_stats(&s).n_windows, 2, "and fill again as time goes on");
}

Test(tsdb_wall, a_window_ahead_does_not_make_the_present_one_old)
{
    struct tsdb_dropped dropped;
    test_store_pass(&s, TEST_WINDOW_MS - 60000);
    cr_assert_eq(test_append(&s, "a", s.wall_ms, 1), 0);
    cr_assert_eq(test_append(&s, "a", s.wall_ms + 120000, 1), 0);
    cr_assert_eq(test_stats(&s).n_windows, 2);
    cr_assert_not(tsdb_drop_oldest(s.db, &dropped));
    test_store_pass(&s, 120000);
    cr_assert(tsdb_drop_oldest(s.db, &dropped));
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
    cr_assert_eq(after.symbols, 3);
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
    enum { N = 24000, STAY = 7 };
    char series[64];
    for (int i = 0; i < N; i++) {
        snprintf(series, sizeof(series), "m%d{path=/%06d}", i % 4, i);
        cr_assert_eq(test_append(&s, series, T0, i), 0);
    }
    size_t pairs = held_by("pairs");
    for (int i = 0; i < N; i += STAY) {
        snprintf(series, sizeof(series), "m%d{path=/%06d}", i % 4, i);
        cr_assert_eq(test_append(&s, series, T0 + TEST_WINDOW_MS, i), 0);
    }
    cr_assert_eq(test_append(&s, "clock", T0 + 8 * (int64_t)TEST_WINDOW_MS, 1), 0);
    tsdb_tick(s.db);
    cr_assert_eq(test_stats(&s).series, N / STAY + 2);
    /* bundles keep a byte for each place that was used, beside the seventh */
    cr_assert_lt(held_by("pairs"), pairs / 2);
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

/* What a series' history of n chunks takes. */
static size_t history_bytes(int n)
{
    return n > 0 ? kind_slot_bytes(sizeof(struct history) + (size_t)n * sizeof(struct chunk)) : 0;
}

/* They do not move on, so nobody but the turn can take from them what is gone. */
Test(tsdb, series_that_are_silent_keep_no_room_for_windows_that_went)
{
    enum { N_LIVED = 5, N = 50 };
    for (int w = 0; w < N_LIVED; w++)
        fill_window(T0 + w * (int64_t)TEST_WINDOW_MS, 0, N);
    const struct kind *histories = &s.db->series.histories;
    for (int w = N_LIVED; w < N_LIVED + TEST_WINDOWS; w++) {
        cr_assert_eq(test_append(&s, "clock", T0 + w * (int64_t)TEST_WINDOW_MS, 1), 0);
        tsdb_tick(s.db);
        int n_gone = w + 1 > TEST_WINDOWS ? w + 1 - TEST_WINDOWS : 0, n_left = N_LIVED - n_gone;
        cr_assert_eq(test_stats(&s).samples, (uint64_t)(n_left * N * 20 + w - N_LIVED + 1));
        cr_assert_eq(kind_used_bytes(histories),
                     N * history_bytes(n_left - 1) + history_bytes(w - N_LIVED), "window %d", w);
        test_store_check(&s);
    }
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
    struct restore r;
    uint32_t id;
    struct dump_tail old = {.n = 1};
    restore_begin(&r, s.db);
    cr_assert_eq(restore_series(&r, test_labels(&l, "old"), &id), 0);
    cr_assert_eq(restore_window(&r, tsdb_window_of(s.db, T0) - 10), 0);
    cr_assert_eq(restore_tail(&r, id, &old), 0);
    restore_end(&r);
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

/* ---- those who look while the glass turns ---- */

static uint32_t serial_of(int64_t t_ms)
{
    return window_of_number(&s.db->windows, tsdb_window_of(s.db, t_ms))->serial;
}

static const struct series *series_named(const char *name)
{
    struct test_labels l;
    const struct labels *ls = test_labels(&l, name);
    slot at = series_find(&s.arena, &s.db->series, series_key_of_labels(&s.db->series.hash, ls));
    cr_assert_neq(at, 0);
    return series_at(&s.arena, at);
}

static size_t read_at(const struct series *series, uint32_t serial, uint64_t *values)
{
    static struct times_item items[TIMES_CACHE_READER];
    struct times_cache times;
    struct chunk_view v;
    int64_t t_ms[1000];
    if (!series_view(&s.arena, series, serial, &v))
        return 0;
    times_cache_init(&times, items, TIMES_CACHE_READER);
    return chunk_read(&s.arena, &times, &v, 0, UINT32_MAX, 0, t_ms, values);
}

Test(tsdb, an_expired_window_stays_for_those_who_came_before)
{
    uint64_t values[1000];
    for (int k = 0; k < 500; k++)
        cr_assert_eq(test_append(&s, "dies", T0 + k * 15000, k * k), 0);
    const struct series *dies = series_named("dies");
    uint32_t serial = serial_of(T0);
    unsigned place = slots_enter(&s.db->slots);
    cr_assert_eq(test_append(&s, "clock", T0 + 100 * (int64_t)TEST_WINDOW_MS, 1), 0);
    for (int i = 0; i < 5; i++)
        tsdb_tick(s.db);
    cr_assert_eq(test_stats(&s).series, 1, "out of the index");
    cr_assert_eq(test_stats(&s).n_windows, 1);
    cr_assert_eq(s.db->windows.n_expiring, 1, "but its pages are still there");
    cr_assert_eq(test_stats(&s).chunks_removed, 0);
    for (int i = 0; i < 300; i++) { /* what would take them */
        char series[32];
        snprintf(series, sizeof(series), "n{i=x%d}", i);
        for (int k = 0; k < 20; k++)
            cr_assert_eq(
                test_append(&s, series, T0 + 100 * (int64_t)TEST_WINDOW_MS + k * 1000, k * i), 0);
    }
    cr_assert_eq(read_at(dies, serial, values), 500);
    for (int k = 0; k < 500; k++)
        cr_assert_eq(values[k], test_bits(k * k));
    slots_leave(&s.db->slots, place);
    tsdb_tick(s.db);
    cr_assert_eq(s.db->windows.n_expiring, 0);
    cr_assert_eq(test_stats(&s).chunks_removed, 1);
}

Test(tsdb, who_comes_after_the_turn_does_not_hold_the_window)
{
    cr_assert_eq(test_append(&s, "dies", T0, 1), 0);
    unsigned early = slots_enter(&s.db->slots);
    cr_assert_eq(test_append(&s, "clock", T0 + 100 * (int64_t)TEST_WINDOW_MS, 1), 0);
    tsdb_tick(s.db);
    cr_assert_eq(s.db->windows.n_expiring, 1);
    unsigned late = slots_enter(&s.db->slots);
    slots_leave(&s.db->slots, early);
    tsdb_tick(s.db);
    cr_assert_eq(s.db->windows.n_expiring, 0);
    slots_leave(&s.db->slots, late);
}

/* A slot of the window waits unsealed, because another writer was at work when it retired. It must
 * not be given back to a pool that has gone. */
Test(tsdb, a_window_takes_along_what_waits_of_it)
{
    struct tsdb *db = s.db;
    for (int k = 0; k < 300; k++)
        cr_assert_eq(test_append(&s, "up", T0 + k * 15000, k * k), 0);
    unsigned early = slots_enter(&db->slots);
    cr_assert(slots_promise(&db->slots, 1));
    cr_assert_eq(test_append(&s, "up", T0 + 299 * 15000 - 3500001, 0.5), 0);
    slots_unpromise(&db->slots, 1);
    cr_assert_gt(db->slots.limbo.n_waiting, 0);

    pthread_rwlock_wrlock(&db->lock);
    clock_sample(&db->clock, T0 + 100 * (int64_t)TEST_WINDOW_MS);
    store_turn_locked(db);
    cr_assert_not(store_sweep_locked(db, SIZE_MAX));
    pthread_rwlock_unlock(&db->lock);
    unsigned late = slots_enter(&db->slots);
    slots_drain(&db->slots);
    slots_leave(&db->slots, early);
    tsdb_tick(db);
    cr_assert_eq(db->windows.n_expiring, 0);
    size_t of_the_window = db->slots.limbo.n_waiting;
    slots_leave(&db->slots, late);
    cr_assert_eq(of_the_window, 0);
}

Test(tsdb, a_window_ahead_and_old_ones_go_in_their_order)
{
    for (int w = 0; w < 30; w++) { /* every third is skipped */
        if (w % 3 == 2)
            continue;
        fill_window(T0 + w * (int64_t)TEST_WINDOW_MS, w, 5);
        struct tsdb_stats stats = test_stats(&s);
        for (uint32_t i = 1; i < stats.n_windows; i++)
            cr_assert_lt(stats.windows[i - 1].number, stats.windows[i].number);
        int64_t newest = tsdb_window_of(s.db, T0) + w;
        cr_assert_gt(stats.windows[0].number, newest - TEST_WINDOWS);
        cr_assert_eq(stats.chunks_created - stats.chunks_removed, stats.chunks);
        test_store_check(&s);
    }
}

/* ---- the check ---- */

#define EXPECT_SEEN(what, field)                                                                   \
    do {                                                                                           \
        (field)++;                                                                                 \
        cr_assert_not(tsdb_check(s.db), what);                                                     \
        (field)--;                                                                                 \
        cr_assert(tsdb_check(s.db), what);                                                         \
    } while (0)

static void fill_every_form(void)
{
    for (int k = 0; k < 1500; k++) { /* sheaves in a directory, and one that is sealed */
        cr_assert_eq(test_append(&s, "long", T0 + k * 5000, k * k), 0);
        cr_assert_eq(test_append(&s, "constant", T0 + k * 5000, 1), 0);
        if (k < 400)
            cr_assert_eq(test_append(&s, "short", T0 + k * 5000, k * k), 0);
    }
    cr_assert_eq(test_append(&s, "short", T0 + TEST_WINDOW_MS, 1), 0);
    cr_assert_eq(test_append(&s, "later", T0 + TEST_WINDOW_MS, 1), 0);
}

static struct series *changeable(const char *name)
{
    return (struct series *)(uintptr_t)series_named(name);
}

Test(tsdb, check_sees_damage_to_a_window)
{
    fill_every_form();
    struct window *w = window_live(&s.db->windows, 0);
    EXPECT_SEEN("samples", w->n_samples);
    EXPECT_SEEN("chunks", w->n_chunks);
    EXPECT_SEEN("payload", w->payload_bytes);
    EXPECT_SEEN("timelines", w->n_timelines);
    EXPECT_SEEN("state", *(unsigned *)&w->state);
    for (unsigned c = 0; c < SIZE_CLASSES; c++)
        EXPECT_SEEN("used slots", w->classes[c].n_used);
    slot leaked = pool_get(&s.arena, &w->classes[1]);
    cr_assert_not(tsdb_check(s.db), "a slot that no chunk has");
    pool_put(&s.arena, &w->classes[1], leaked);
    cr_assert(tsdb_check(s.db));
    uint32_t id = series_named("later")->id;
    cr_assert(window_add_member(&s.arena, w, id));
    cr_assert_not(tsdb_check(s.db), "a member without a chunk");
    window_drop_member(&s.arena, w, id);
    id = series_named("long")->id;
    window_drop_member(&s.arena, w, id);
    cr_assert_not(tsdb_check(s.db), "a chunk of no member");
    cr_assert(window_add_member(&s.arena, w, id));
    EXPECT_SEEN("expiring", s.db->windows.n_expiring);
    s.db->windows.n_live--;
    cr_assert_not(tsdb_check(s.db), "live windows");
    s.db->windows.n_live++;
    int64_t number = w->number;
    w->number = window_live(&s.db->windows, 1)->number;
    cr_assert_not(tsdb_check(s.db), "a number twice");
    w->number = number;
    cr_assert(tsdb_check(s.db));
}

Test(tsdb, check_sees_damage_to_a_series)
{
    fill_every_form();
    struct series *constant = changeable("constant"), *moved = changeable("short");
    EXPECT_SEEN("how many", s.db->series.n);
    EXPECT_SEEN("id", constant->id);
    char *row = (char *)(uintptr_t)strings_at(&s.arena, &s.db->series.rows, constant->id).at;
    EXPECT_SEEN("pair", *row);
    EXPECT_SEEN("samples of a chunk", constant->state.newest.n_samples);
    EXPECT_SEEN("window of a chunk", constant->state.newest.serial);
    struct chunk *old = &((struct history *)slot_ptr(&s.arena, moved->state.history))->items[0];
    cr_assert_eq(old->kind, CHUNK_SHEAF);
    EXPECT_SEEN("samples of an old chunk", old->n_samples);
    struct chunk swapped = *old;
    *old = moved->state.newest;
    moved->state.newest = swapped;
    cr_assert_not(tsdb_check(s.db), "chunks in the wrong order");
    moved->state.newest = *old;
    *old = swapped;
    cr_assert(tsdb_check(s.db));
}

Test(tsdb, check_sees_damage_to_a_head)
{
    fill_every_form();
    struct chunk_head *h = chunk_head_at(&s.arena, changeable("long")->state.newest.at);
    cr_assert_gt(h->sheaves.n, 0);
    EXPECT_SEEN("places of the tail", h->tail.first);
    EXPECT_SEEN("samples of the last sheaf", h->last.n_samples);
    EXPECT_SEEN("blocks of the last sheaf", h->last.n_blocks);
    EXPECT_SEEN("first time of the last sheaf", h->last.first_time);
    struct sheaf *first =
        (struct sheaf *)(uintptr_t)row_at(&s.arena, &h->sheaves, sizeof(*first), 0);
    EXPECT_SEEN("samples of a closed sheaf", first->n_samples);
    EXPECT_SEEN("blocks of a closed sheaf", first->n_blocks);
    EXPECT_SEEN("first time of a closed sheaf", first->first_time);
    EXPECT_SEEN("heads and tails", s.db->slots.open.n_used);
    EXPECT_SEEN("bytes of heads and tails", s.db->slots.open_payload);
    EXPECT_SEEN("promises", s.db->slots.n_promised);
}

Test(tsdb, check_sees_damage_to_shared_values)
{
    fill_every_form();
    struct window *w = window_live(&s.db->windows, 0);
    uint8_t bytes[300] = {0};
    unsigned place = slots_enter(&s.db->slots);
    slot at = shared_new(&s.db->slots, w, bytes, sizeof(bytes));
    slots_leave(&s.db->slots, place);
    cr_assert_neq(at, 0);
    struct shared *kept = shared_at(&s.arena, at);
    cr_assert(tsdb_check(s.db));
    EXPECT_SEEN("how many", w->n_shared);
    EXPECT_SEEN("window", kept->serial);
    EXPECT_SEEN("length", kept->n_bytes);
    w->last_shared = 0;
    w->n_shared = 0;
    cr_assert_not(tsdb_check(s.db), "slots that nobody has");
    w->last_shared = at;
    w->n_shared = 1;
    cr_assert(tsdb_check(s.db));
}

Test(tsdb, check_sees_damage_to_a_timeline)
{
    fill_every_form();
    struct window *w = window_live(&s.db->windows, 0);
    struct timeline *t = timeline_at(&s.arena, w->last_timeline);
    struct timeline_state *state = &t->state;
    EXPECT_SEEN("newest time", state->last);
    EXPECT_SEEN("segments", state->segments.n);
    struct segment *g =
        (struct segment *)(uintptr_t)row_at(&s.arena, &state->segments, sizeof(*g), 1);
    uint32_t was = g->first;
    g->first = 0;
    cr_assert_not(tsdb_check(s.db), "times of a segment");
    g->first = was;
    uint32_t *open = slot_ptr(&s.arena, state->pieces[0]);
    was = open[1];
    open[1] = open[0];
    cr_assert_not(tsdb_check(s.db), "times of the open segment");
    open[1] = was;
    cr_assert(tsdb_check(s.db));
}
