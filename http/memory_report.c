#include "http/memory_report.h"

#include "http/app.h"
#include "http/mappings.h"

#include <malloc.h>
#include <string.h>

static void add_row(struct memory_report *m, const char *owner, uint64_t bytes)
{
    m->rows[m->n_rows].owner = owner;
    m->rows[m->n_rows].bytes = bytes;
    m->n_rows++;
    m->accounted_bytes += bytes;
}

/* What libc holds from the kernel, without the memory of connections, which is charged to a row of
 * the budget as they come and go. */
static uint64_t libc_bytes(uint64_t connections_bytes)
{
    struct mallinfo2 m = mallinfo2();
    uint64_t held = m.arena + m.hblkhd;
    return held > connections_bytes ? held - connections_bytes : 0;
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
    add_row(ret, "libc", libc_bytes(connections));
    add_row(ret, "program", maps.program_bytes);
    add_row(ret, "stacks", maps.stacks_bytes);
    ret->rss_bytes = maps.rss_bytes;
    ret->limit_bytes = app->config.storage_memory_limit_bytes;
    ret->unaccounted_bytes = (int64_t)ret->rss_bytes - (int64_t)ret->accounted_bytes;
}
