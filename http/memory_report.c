#include "http/memory_report.h"

#include "http/app.h"
#include "http/server.h"

#include <string.h>
#include <time.h>

/* Between two readings, doubled each time: a span of 4 MiB is committed in about 1 ms, in many when
 * others have the cores. */
enum { PAUSE_MIN_NS = 500000, PAUSE_MAX_NS = 8000000, STEADY_BYTES = 64 * 1024 };

static void add_row(struct memory_report *m, const char *owner, uint64_t bytes)
{
    m->rows[m->n_rows].owner = owner;
    m->rows[m->n_rows].bytes = bytes;
    m->n_rows++;
    m->accounted_bytes += bytes;
}

/* libc's memory that the budget has a row for: each connection is charged as it comes and goes. */
static uint64_t charged_heap_bytes(struct app *app)
{
    return (uint64_t)atomic_load(&app->metrics.connections) * SERVER_CONNECTION_BYTES;
}

static void read_once(struct app *app, bool is_exact, struct memory_report *ret)
{
    struct mappings maps;
    memset(ret, 0, sizeof(*ret));
    mappings_read("/proc/self", app->arena.base, app->arena.reserved_bytes, &maps);
    heap_stats_read(&maps, &ret->heap);
    arena_stats(&app->arena, &ret->arena);
    for (unsigned i = 0, n = atomic_load(&app->budget.n_rows); i < n; i++)
        if (strcmp(app->budget.rows[i].name, CEILING_ROW_HEAP) != 0)
            add_row(ret, app->budget.rows[i].name, atomic_load(&app->budget.rows[i].bytes));
    uint64_t heap = ret->heap.used_bytes + ret->heap.free_bytes;
    add_row(ret, "libc", heap - size_min(heap, charged_heap_bytes(app)));
    add_row(ret, "program", maps.program_bytes);
    add_row(ret, "stacks", maps.stacks_bytes);
    ret->rss_bytes = mappings_rss("/proc/self", is_exact);
    ret->limit_bytes = app->config.storage_memory_limit_bytes;
    ret->unaccounted_bytes = (int64_t)ret->rss_bytes - (int64_t)ret->accounted_bytes;
}

static uint64_t distance(const struct memory_report *m)
{
    return (uint64_t)(m->unaccounted_bytes < 0 ? -m->unaccounted_bytes : m->unaccounted_bytes);
}

uint64_t memory_report_tolerance(uint64_t rss_bytes)
{
    return size_max(rss_bytes / 50, 2 * 1024 * 1024);
}

/* A leak: more is resident than owned, and stays so. (Less is what a span on its way looks like,
 * and its thread may have to wait for a core, so that never counts as steady.) */
static bool is_leak(const struct memory_report *last, const struct memory_report *now)
{
    int64_t moved = now->unaccounted_bytes - last->unaccounted_bytes;
    return now->unaccounted_bytes > 0 && last->accounted_bytes == now->accounted_bytes &&
           moved > -STEADY_BYTES && moved < STEADY_BYTES;
}

void memory_report_make(struct app *app, struct memory_report *ret)
{
    struct memory_report last, now;
    long pause_ns = PAUSE_MIN_NS;
    bool is_done = false;
    read_once(app, false, ret);
    last = *ret;
    for (int n = 1; n < MEMORY_READINGS_MAX && !is_done; n++) {
        if (distance(ret) <= memory_report_tolerance(ret->rss_bytes))
            return;
        nanosleep(&(struct timespec){.tv_nsec = pause_ns}, NULL);
        read_once(app, true, &now);
        if (distance(&now) < distance(ret))
            *ret = now;
        is_done = is_leak(&last, &now);
        last = now;
        pause_ns = pause_ns < PAUSE_MAX_NS ? pause_ns * 2 : PAUSE_MAX_NS;
    }
}

struct memory_window memory_window_waste(const struct tsdb_window_stats *w)
{
    uint64_t pages_bytes = 0, used_bytes = 0;
    for (unsigned c = 0; c < TSDB_POOLS; c++) {
        pages_bytes += (uint64_t)w->classes[c].pages * ARENA_PAGE_BYTES;
        used_bytes += (uint64_t)w->classes[c].used * tsdb_pool_bytes(c);
    }
    return (struct memory_window){
        .slack_bytes = used_bytes - size_min(used_bytes, w->payload_bytes),
        .free_slot_bytes = pages_bytes - size_min(pages_bytes, used_bytes),
    };
}
