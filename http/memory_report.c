#include "http/memory_report.h"

#include "http/app.h"
#include "http/mappings.h"

#include <string.h>

static void add_row(struct memory_report *m, const char *owner, uint64_t bytes)
{
    m->rows[m->n_rows].owner = owner;
    m->rows[m->n_rows].bytes = bytes;
    m->n_rows++;
    m->accounted_bytes += bytes;
}

void memory_report_make(struct app *app, struct memory_report *ret)
{
    struct mappings maps;
    uint64_t connections = 0;
    memset(ret, 0, sizeof(*ret));
    arena_stats(&app->arena, &ret->arena);
    mappings_read("/proc/self/smaps", app->arena.base, app->arena.reserved_bytes, &maps);
    for (unsigned i = 0; i < app->budget.n_rows; i++) {
        uint64_t bytes = atomic_load(&app->budget.rows[i].bytes);
        if (i == app->owner_connections)
            connections = bytes;
        add_row(ret, app->budget.rows[i].name, bytes);
    }
    /* connections are libc's memory as well, charged to a row of the budget as they come and go */
    uint64_t heap = heap_bytes(&app->heap);
    add_row(ret, "libc", heap > connections ? heap - connections : 0);
    add_row(ret, "program", maps.program_bytes);
    add_row(ret, "stacks", maps.stacks_bytes);
    ret->rss_bytes = maps.rss_bytes;
    ret->limit_bytes = app->config.storage_memory_limit_bytes;
    ret->unaccounted_bytes = (int64_t)ret->rss_bytes - (int64_t)ret->accounted_bytes;
}
