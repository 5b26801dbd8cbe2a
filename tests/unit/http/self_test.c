#include "http/self.h"

#include "http/app.h"
#include "tsdb/append.h"
#include "tsdb/read.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

enum { MEMORY = 64 << 20 };

static struct app app;

static void start(enum tsdb_clock clock)
{
    char error[CONFIG_ERROR_MAX];
    char *argv[] = {NULL, NULL};
    const struct tsdb_options options = {
        .window_ms = 4 * 3600 * 1000, .n_windows = 8, .out_of_order_ms = 1000, .clock = clock};
    cr_assert_eq(config_parse(&app.config, 1, argv, error), CONFIG_OK);
    app.config.storage_clock = clock == CLOCK_WALL ? CONFIG_CLOCK_WALL : CONFIG_CLOCK_SAMPLES;
    snprintf(app.address, sizeof(app.address), "localhost:9090");
    budget_init(&app.budget, MEMORY);
    app.owner_requests = budget_owner(&app.budget, "requests");
    ceiling_init(&app.ceiling, &app.budget, MEMORY / 4, 1);
    cr_assert(arena_init(&app.arena, &app.budget, MEMORY));
    cr_assert_eq(tsdb_new(&options, &app.arena, &app.db), 0);
    recorder_init(&app.recorder, app.db, &app.arena);
    saver_init(&app.saver, app.db, &app.recorder, "");
    atomic_store(&app.phase, APP_READY);
}

static void stop(void)
{
    cr_assert_eq(atomic_load(&app.budget.rows[app.owner_requests].bytes), 0);
    tsdb_free(app.db);
    arena_release(&app.arena);
}

/* The samples of up{job="hourglass",instance="localhost:9090"}. */
static size_t read_up(struct region *r, struct read_series *ret)
{
    static const char *const pairs[][2] = {
        {"__name__", "up"}, {"job", "hourglass"}, {"instance", "localhost:9090"}};
    struct matcher items[ARRAY_LEN(pairs)];
    struct matcher_set set = {items, ARRAY_LEN(items)};
    const struct read_options o = {.min_ms = INT64_MIN, .max_ms = INT64_MAX};
    struct read_set found;
    char error[64];
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++)
        cr_assert_eq(matcher_init(&items[i], MATCH_EQUAL, pairs[i][0], strlen(pairs[i][0]),
                                  pairs[i][1], strlen(pairs[i][1]), error, sizeof(error)),
                     0);
    cr_assert_eq(read_select(app.db, &set, &o, r, &found), 0);
    if (found.n > 0)
        *ret = found.series[0];
    return found.n;
}

Test(self, stores_a_scrape_of_ourselves)
{
    struct region region;
    struct read_series up;
    struct tsdb_stats stats;
    start(CLOCK_WALL);
    self_store(&app);
    tsdb_stats(app.db, &stats);
    cr_assert_gt(stats.series, 50);
    cr_assert_eq(stats.samples, stats.series);
    region_init(&region, &app.arena, app.owner_requests, 0);
    cr_assert_eq(read_up(&region, &up), 1);
    cr_assert_eq(up.n, 1);
    cr_assert_eq(up.values[0], 0x3ff0000000000000); /* 1 */
    region_release(&region);
    stop();
}

Test(self, keeps_to_the_time_of_the_samples)
{
    struct region region;
    struct read_series up;
    struct tsdb_stats stats;
    struct append batch;
    struct append_counts counts = {0};
    struct label name = {"__name__", "old", 8, 3};
    const struct sample s = {.t_ms = 1000000000000};
    start(CLOCK_SAMPLES);
    self_store(&app);
    tsdb_stats(app.db, &stats);
    cr_assert_eq(stats.samples, 0, "there is no time yet");
    append_begin(&batch, app.db);
    cr_assert_eq(append_samples(&batch, &(struct labels){&name, 1}, &s, 1, &counts), 0);
    append_end(&batch);
    self_store(&app);
    region_init(&region, &app.arena, app.owner_requests, 0);
    cr_assert_eq(read_up(&region, &up), 1);
    cr_assert_eq(up.t_ms[0], s.t_ms);
    region_release(&region);
    stop();
}

Test(self, without_memory_nothing_is_stored_and_nothing_is_kept)
{
    struct tsdb_stats stats;
    start(CLOCK_WALL);
    budget_fail_nth(&app.budget, 1);
    self_store(&app);
    budget_fail_nth(&app.budget, 0);
    tsdb_stats(app.db, &stats);
    cr_assert_eq(stats.samples, 0);
    stop();
}
