#include "http/ticker.h"

#include "http/app.h"
#include "http/clock.h"
#include "http/self.h"
#include "http/server.h"
#include "http/thread.h"

#include <string.h>

enum {
    TICK_MS = 400, /* what a query took is given back within a second: two ticks */
    TRIM_INTERVAL_MS = 30000,
    SAVE_RETRY_MS = 10000, /* after one that failed */
};

#define NEVER_NS INT64_MAX

/* Sleeps until a time of the monotonic clock, until *is_wanted (guarded by the lock) which it
 * resets, or until the end; true at the end. */
static bool sleep_until(struct ticker *t, int64_t until_ns, bool *is_wanted)
{
    struct timespec at = {.tv_sec = until_ns / 1000000000, .tv_nsec = until_ns % 1000000000};
    pthread_mutex_lock(&t->lock);
    int rc = 0;
    while (!t->is_stopping && !*is_wanted && rc == 0)
        rc = pthread_cond_timedwait(&t->changed, &t->lock, &at);
    bool is_stopping = t->is_stopping;
    *is_wanted = false;
    pthread_mutex_unlock(&t->lock);
    return is_stopping;
}

static int64_t monotonic_ns(void)
{
    return clock_read_ns(CLOCK_MONOTONIC);
}

/* As the clock says, and before their time as long as memory is short and that gives some back:
 * what readers still see does so at a later tick. */
static void turn_windows(struct app *app)
{
    do
        tsdb_tick(app->db);
    while (ceiling_relieve(&app->ceiling, app->db));
}

static size_t heap_without_connections(void *ctx)
{
    struct app *app = ctx;
    size_t held = heap_resident(app->arena.base, app->arena.reserved_bytes);
    size_t open = (size_t)atomic_load(&app->metrics.connections) * SERVER_CONNECTION_BYTES;
    return held - size_min(held, open);
}

static void *tick_main(void *arg)
{
    struct ticker *t = arg;
    struct app *app = t->app;
    int64_t self_ms = app->config.self_interval_ms;
    int64_t next_self_ms = clock_boot_ms(), next_trim_ms = next_self_ms + TRIM_INTERVAL_MS;
    int64_t at_ns = monotonic_ns();
    thread_name("hg-tick");
    do {
        int64_t now_ms = clock_boot_ms();
        turn_windows(app);
        if (self_ms > 0 && now_ms >= next_self_ms) {
            self_store(app);
            next_self_ms = i64_max(next_self_ms + self_ms, now_ms);
        }
        arena_trim_idle(&app->arena);
        ceiling_settle_heap(&app->ceiling, heap_without_connections, app);
        if (now_ms >= next_trim_ms || ceiling_stage(&app->ceiling) > CEILING_NORMAL) {
            heap_tick(&app->heap, app->arena.base, app->arena.reserved_bytes);
            next_trim_ms = now_ms + TRIM_INTERVAL_MS;
        }
        int64_t step_ms = self_ms > 0 ? i64_min(self_ms, TICK_MS) : TICK_MS;
        at_ns = i64_max(i64_min(at_ns, monotonic_ns()) + step_ms * 1000000, monotonic_ns());
    } while (!sleep_until(t, at_ns, &t->is_tick_wanted));
    return NULL;
}

static void *save_main(void *arg)
{
    struct ticker *t = arg;
    int64_t interval_ns = t->app->config.snapshot_interval_ms * 1000000;
    int64_t at_ns = interval_ns > 0 ? monotonic_ns() + interval_ns : NEVER_NS;
    thread_name("hg-save");
    thread_lower_priority();
    while (!sleep_until(t, at_ns, &t->is_save_wanted)) {
        struct snapshot_report report;
        int64_t began_ns = monotonic_ns();
        int err = saver_save(&t->app->saver, &report); /* logged */
        int64_t now_ns = monotonic_ns();
        at_ns = interval_ns > 0 ? i64_max(began_ns + interval_ns, now_ns) : NEVER_NS;
        if (err != 0)
            at_ns = i64_min(at_ns, now_ns + SAVE_RETRY_MS * INT64_C(1000000));
    }
    return NULL;
}

void ticker_init(struct ticker *t, struct app *app)
{
    pthread_condattr_t attr;
    memset(t, 0, sizeof(*t));
    t->app = app;
    pthread_mutex_init(&t->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&t->changed, &attr);
    pthread_condattr_destroy(&attr);
}

static void want(struct ticker *t, bool *what)
{
    pthread_mutex_lock(&t->lock);
    *what = true;
    pthread_cond_broadcast(&t->changed);
    pthread_mutex_unlock(&t->lock);
}

void ticker_save_soon(struct ticker *t)
{
    want(t, &t->is_save_wanted);
}

void ticker_tick_soon(struct ticker *t)
{
    want(t, &t->is_tick_wanted);
}

bool ticker_start(struct ticker *t)
{
    if (!thread_start(&t->tick_thread, tick_main, t))
        return false;
    if (!saver_is_on(&t->app->saver))
        return true;
    t->has_save_thread = thread_start(&t->save_thread, save_main, t);
    if (!t->has_save_thread)
        ticker_stop(t);
    return t->has_save_thread;
}

void ticker_stop(struct ticker *t)
{
    pthread_mutex_lock(&t->lock);
    t->is_stopping = true;
    pthread_cond_broadcast(&t->changed);
    pthread_mutex_unlock(&t->lock);
    pthread_join(t->tick_thread, NULL);
    if (t->has_save_thread)
        pthread_join(t->save_thread, NULL);
}
