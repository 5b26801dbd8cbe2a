/* The stages by a table of figures; then a ledger that is filled by hand, and a store whose windows
 * go. */
#include "http/ceiling.h"

#include "alloc/arena.h"
#include "tests/support/random.h"
#include "tsdb/append.h"
#include "tsdb/tsdb.h"

#include <criterion/criterion.h>
#include <string.h>

enum { MIB = 1024 * 1024, LIMIT = 200 * MIB };

static enum ceiling_stage decide(enum ceiling_stage now, size_t limit, size_t free)
{
    const struct ceiling_figures f = {.limit_bytes = limit, .kept_bytes = limit - free};
    return ceiling_decide(now, &f);
}

/* --- the table -------------------------------------------------------------------------------- */

Test(ceiling, rows_are_in_order_and_end_above_where_they_begin)
{
    const size_t limits[] = {18 * MIB, 50 * MIB, LIMIT, (size_t)20 << 30};
    for (size_t i = 0; i < ARRAY_LEN(limits); i++)
        for (enum ceiling_stage s = CEILING_QUERIES; s < CEILING_STAGES; s++) {
            cr_assert_lt(ceiling_begin_bytes(s, limits[i]), ceiling_end_bytes(s, limits[i]));
            cr_assert_lt(ceiling_begin_bytes(s, limits[i]), limits[i]);
            if (s > CEILING_QUERIES)
                cr_assert_lt(ceiling_end_bytes(s, limits[i]),
                             ceiling_begin_bytes(s - 1, limits[i]));
            cr_assert_neq(strlen(ceiling_row(s)->effect), 0);
        }
}

Test(ceiling, decides_by_what_is_free)
{
    static const struct {
        enum ceiling_stage now;
        size_t free;
        enum ceiling_stage next;
    } rows[] = {
        {CEILING_NORMAL, LIMIT, CEILING_NORMAL},
        {CEILING_NORMAL, 60 * MIB, CEILING_NORMAL}, /* 30 % */
        {CEILING_NORMAL, 60 * MIB - 100, CEILING_QUERIES},
        {CEILING_QUERIES, 66 * MIB - 100, CEILING_QUERIES}, /* 33 %: between the two */
        {CEILING_QUERIES, 66 * MIB, CEILING_NORMAL},
        {CEILING_QUERIES, 30 * MIB, CEILING_QUERIES}, /* 15 % */
        {CEILING_QUERIES, 30 * MIB - 100, CEILING_SERIES},
        {CEILING_SERIES, 36 * MIB - 100, CEILING_SERIES},
        {CEILING_SERIES, 36 * MIB, CEILING_QUERIES},
        {CEILING_SERIES, 16 * MIB - 100, CEILING_WINDOW}, /* 8 % */
        {CEILING_WINDOW, 22 * MIB - 100, CEILING_WINDOW},
        {CEILING_WINDOW, 22 * MIB, CEILING_SERIES},
        {CEILING_WINDOW, 6 * MIB - 100, CEILING_WRITES}, /* 3 % */
        {CEILING_WRITES, 10 * MIB - 100, CEILING_WRITES},
        {CEILING_WRITES, 10 * MIB, CEILING_WINDOW},
        {CEILING_NORMAL, 0, CEILING_WRITES}, /* several at once, either way */
        {CEILING_NORMAL, 20 * MIB, CEILING_SERIES},
        {CEILING_WRITES, LIMIT, CEILING_NORMAL},
        {CEILING_WRITES, 40 * MIB, CEILING_QUERIES},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        cr_assert_eq(decide(rows[i].now, LIMIT, rows[i].free), rows[i].next, "row %zu", i);
}

Test(ceiling, a_small_limit_keeps_whole_requests_free)
{
    cr_assert_eq(decide(CEILING_NORMAL, 18 * MIB, 8 * MIB), CEILING_NORMAL);
    cr_assert_eq(decide(CEILING_NORMAL, 18 * MIB, 8 * MIB - 1), CEILING_QUERIES);
    cr_assert_eq(decide(CEILING_NORMAL, 18 * MIB, 5 * MIB - 1), CEILING_SERIES);
    cr_assert_eq(decide(CEILING_NORMAL, 18 * MIB, 3 * MIB - 1), CEILING_WINDOW);
    cr_assert_eq(decide(CEILING_NORMAL, 18 * MIB, 3 * MIB / 2 - 1), CEILING_WRITES);
}

Test(ceiling, more_kept_than_the_limit_is_nothing_free)
{
    const struct ceiling_figures f = {.limit_bytes = LIMIT, .kept_bytes = LIMIT + 1};
    cr_assert_eq(ceiling_decide(CEILING_NORMAL, &f), CEILING_WRITES);
    cr_assert_eq(ceiling_query_bytes(CEILING_WRITES, &f, LIMIT), CEILING_QUERY_BYTES_MIN);
    cr_assert_eq(ceiling_request_bytes(&f), CEILING_REQUEST_BYTES_MIN);
}

Test(ceiling, queries_have_half_of_what_is_free)
{
    const struct ceiling_figures f = {.limit_bytes = LIMIT, .kept_bytes = LIMIT - 40 * MIB};
    cr_assert_eq(ceiling_query_bytes(CEILING_NORMAL, &f, 50 * MIB), 50 * MIB);
    cr_assert_eq(ceiling_query_bytes(CEILING_QUERIES, &f, 50 * MIB), 20 * MIB);
    cr_assert_eq(ceiling_query_bytes(CEILING_QUERIES, &f, 10 * MIB), 10 * MIB);
    cr_assert_eq(ceiling_request_bytes(&f), 15 * MIB);
}

/* --- a ledger --------------------------------------------------------------------------------- */

static struct budget budget;
static struct ceiling ceiling;
static unsigned chunks, queries, connections;
static int n_woken;

static void wake(void *ctx)
{
    (void)ctx;
    n_woken++;
}

static void set_up(void)
{
    budget_init(&budget, LIMIT);
    chunks = budget_owner(&budget, "chunks");
    queries = budget_owner(&budget, "queries");
    connections = budget_owner(&budget, "connections");
    ceiling_init(&ceiling, &budget, 50 * MIB, 2);
    ceiling.wake = wake;
    n_woken = 0;
}

TestSuite(ceiling_ledger, .init = set_up);

static void take(unsigned owner, size_t bytes)
{
    cr_assert(budget_take(&budget, owner, bytes));
}

Test(ceiling_ledger, work_is_not_what_is_kept)
{
    struct ceiling_figures f;
    take(chunks, 30 * MIB);
    take(queries, 50 * MIB);
    take(budget_owner(&budget, "requests"), 40 * MIB);
    take(budget_owner(&budget, "retained"), 30 * MIB);
    take(budget_owner(&budget, "snapshot"), 30 * MIB);
    ceiling_read(&ceiling, &f);
    cr_assert_eq(f.kept_bytes, 30 * MIB);
    cr_assert_eq(f.limit_bytes, LIMIT);
    cr_assert_eq(ceiling_update(&ceiling), CEILING_NORMAL);
}

Test(ceiling_ledger, goes_through_all_stages_and_back_by_itself)
{
    static const struct {
        size_t kept;
        enum ceiling_stage stage;
    } way[] = {
        {130 * MIB, CEILING_NORMAL}, {150 * MIB, CEILING_QUERIES}, {171 * MIB, CEILING_SERIES},
        {166 * MIB, CEILING_SERIES}, {185 * MIB, CEILING_WINDOW},  {195 * MIB, CEILING_WRITES},
        {180 * MIB, CEILING_WINDOW}, {170 * MIB, CEILING_SERIES},  {160 * MIB, CEILING_QUERIES},
        {20 * MIB, CEILING_NORMAL},  {199 * MIB, CEILING_WRITES},  {0, CEILING_NORMAL}};
    size_t kept = 0;
    for (size_t i = 0; i < ARRAY_LEN(way); i++) {
        if (way[i].kept > kept)
            take(chunks, way[i].kept - kept);
        else
            budget_give(&budget, chunks, kept - way[i].kept);
        kept = way[i].kept;
        cr_assert_eq(ceiling_tell(&ceiling), way[i].stage, "step %zu", i);
        cr_assert_eq(ceiling_stage(&ceiling), way[i].stage);
        cr_assert_eq(ceiling_has_room(&ceiling), way[i].stage < CEILING_SERIES, "step %zu", i);
    }
    for (int s = CEILING_QUERIES; s < CEILING_STAGES; s++)
        cr_assert_eq(atomic_load(&ceiling.n_begun[s]), 2, "%d", s);
    cr_assert_eq(n_woken, 2);
    cr_assert_eq(atomic_load(&ceiling.queries.limit_bytes), 50 * MIB);
}

Test(ceiling_ledger, room_for_a_series_is_what_the_figures_say)
{
    struct random r;
    random_init(&r, random_seed());
    enum ceiling_stage stage = CEILING_NORMAL;
    for (int i = 0; i < 100000; i++) {
        struct ceiling_figures f;
        size_t kept = random_below(&r, LIMIT), work = random_below(&r, LIMIT - kept + 1);
        take(chunks, kept);
        take(queries, work);
        ceiling_read(&ceiling, &f);
        stage = ceiling_decide(stage, &f);
        cr_assert_eq(ceiling_has_room(&ceiling), stage < CEILING_SERIES, "%zu, %zu", kept, work);
        cr_assert_eq(ceiling_stage(&ceiling), stage, "%zu kept, %zu of work", kept, work);
        budget_give(&budget, chunks, kept);
        budget_give(&budget, queries, work);
    }
}

Test(ceiling_ledger, a_query_leases_its_share_or_what_is_left)
{
    cr_assert_eq(ceiling_lease_query(&ceiling, 2), 25 * MIB);
    cr_assert_eq(ceiling_lease_query(&ceiling, 2), 25 * MIB);
    cr_assert_eq(ceiling_lease_query(&ceiling, 2), 0);
    lease_give(&ceiling.queries, CEILING_LEASE_BYTES_MIN - 1);
    cr_assert_eq(ceiling_lease_query(&ceiling, 2), 0);
    lease_give(&ceiling.queries, 1);
    cr_assert_eq(ceiling_lease_query(&ceiling, 2), CEILING_LEASE_BYTES_MIN);
    lease_give(&ceiling.queries, 50 * MIB);
    cr_assert_eq(ceiling_lease_query(&ceiling, 1), 50 * MIB);
    lease_give(&ceiling.queries, 50 * MIB);
    take(chunks, 180 * MIB); /* 20 are free, queries may have 10 */
    cr_assert_eq(ceiling_lease_query(&ceiling, 2), 5 * MIB);
    cr_assert_eq(atomic_load(&ceiling.queries.n_refused), 2);
}

Test(ceiling_ledger, connections_have_an_eighth_and_one_past_is_refused)
{
    enum { ONE = 8192, MOST = LIMIT / CEILING_CONNECTIONS_SHARE / ONE };
    for (int i = 0; i < MOST; i++)
        cr_assert(ceiling_take_connection(&ceiling, ONE), "%d", i);
    cr_assert_not(ceiling_take_connection(&ceiling, ONE));
    budget_give(&budget, connections, ONE);
    cr_assert(ceiling_take_connection(&ceiling, ONE));
    budget_give(&budget, connections, ONE);
    take(chunks, LIMIT - atomic_load(&budget.used_bytes));
    cr_assert_not(ceiling_take_connection(&ceiling, ONE)); /* its share is there, memory is not */
    cr_assert_eq(atomic_load(&ceiling.n_connections_refused), 2);
}

static size_t heap_holds;

static size_t measure_heap(void *ctx)
{
    cr_assert_eq(ctx, &heap_holds);
    return heap_holds;
}

static size_t charged(void)
{
    return atomic_load(&budget.rows[budget_owner(&budget, CEILING_ROW_HEAP)].bytes);
}

static void settle(size_t holds)
{
    heap_holds = holds;
    ceiling_settle_heap(&ceiling, measure_heap, &heap_holds);
}

Test(ceiling_ledger, the_heap_is_charged_past_what_was_set_aside_for_it)
{
    settle(CEILING_HEAP_BYTES);
    cr_assert_eq(charged(), 0);
    settle(CEILING_HEAP_BYTES + 1);
    cr_assert_eq(charged(), 1);
    settle(30 * MIB);
    cr_assert_eq(charged(), 30 * MIB - CEILING_HEAP_BYTES);
    settle(10 * MIB);
    cr_assert_eq(charged(), 10 * MIB - CEILING_HEAP_BYTES);
    take(chunks, LIMIT - atomic_load(&budget.used_bytes) - MIB);
    settle(40 * MIB);
    cr_assert_eq(charged(), 11 * MIB - CEILING_HEAP_BYTES, "as much as there is");
    settle(0);
    cr_assert_eq(charged(), 0);
    cr_assert(budget_check(&budget));
}

Test(ceiling_ledger, connections_that_have_ended_stay_charged_until_the_heap_was_looked_at)
{
    enum { ONE = 8192 };
    for (int i = 0; i < 100; i++)
        cr_assert(ceiling_take_connection(&ceiling, ONE));
    for (int i = 0; i < 60; i++)
        ceiling_end_connection(&ceiling, ONE);
    cr_assert_eq(charged(), 60 * ONE);
    for (int i = 0; i < 20; i++) /* in the memory of those */
        cr_assert(ceiling_take_connection(&ceiling, ONE));
    cr_assert_eq(charged(), 40 * ONE);
    cr_assert_eq(atomic_load(&budget.used_bytes), 100 * ONE);
    settle(CEILING_HEAP_BYTES + 10 * ONE);
    cr_assert_eq(charged(), 10 * ONE);
    cr_assert_eq(atomic_load(&budget.used_bytes), 70 * ONE);
    cr_assert(ceiling_take_connection(&ceiling, ONE)); /* what was settled is not handed out */
    cr_assert_eq(charged(), 10 * ONE);
    settle(0);
    for (int i = 0; i < 61; i++)
        ceiling_end_connection(&ceiling, ONE);
    settle(0);
    cr_assert_eq(atomic_load(&budget.used_bytes), 0);
    cr_assert(budget_check(&budget));
}

/* --- a store ---------------------------------------------------------------------------------- */

Test(ceiling_ledger, windows_go_one_by_one_while_memory_is_short)
{
    static struct arena arena;
    struct tsdb *db;
    const struct tsdb_options options = {.window_ms = 10000,
                                         .n_windows = 8,
                                         .out_of_order_ms = 1000,
                                         .clock = CLOCK_SAMPLES,
                                         .has_room = ceiling_has_room,
                                         .room_ctx = &ceiling};
    struct label items[] = {{"__name__", "up", 8, 2}};
    struct sample samples[4];
    struct append batch;
    struct append_counts counts = {0};
    struct tsdb_stats stats;
    cr_assert(arena_init(&arena, &budget, LIMIT));
    cr_assert_eq(tsdb_new(&options, &arena, &db), 0);
    for (int i = 0; i < 4; i++)
        samples[i] = (struct sample){.t_ms = 5000 + i * 10000, .value = (uint64_t)i};
    append_begin(&batch, db);
    cr_assert_eq(append_samples(&batch, &(struct labels){items, 1}, samples, 4, &counts), 0);
    append_end(&batch);
    cr_assert_not(ceiling_relieve(&ceiling, db));
    size_t short_bytes = 188 * MIB - atomic_load(&budget.used_bytes);
    take(chunks, short_bytes);
    for (int i = 0; i < 3; i++) {
        cr_assert(ceiling_relieve(&ceiling, db));
        cr_assert_not(ceiling_relieve(&ceiling, db)); /* the first is seen through before */
        tsdb_tick(db);
    }
    cr_assert_not(ceiling_relieve(&ceiling, db)); /* what is left is the present */
    tsdb_stats(db, &stats);
    cr_assert_eq(stats.samples, 1);
    cr_assert_eq(atomic_load(&ceiling.n_windows_dropped), 3);
    cr_assert_eq(atomic_load(&ceiling.n_samples_dropped), 3);
    cr_assert(tsdb_check(db));
    budget_give(&budget, chunks, short_bytes);
    cr_assert_not(ceiling_relieve(&ceiling, db));
    cr_assert_eq(ceiling_stage(&ceiling), CEILING_NORMAL);
    tsdb_free(db);
    arena_release(&arena);
}
