/* The ledger: who holds how much of the process' memory.
 *
 * Rows are counted by their owners: the budget's for the arena, mallinfo2 for libc's heap, the
 * mappings for program and stacks. None is computed from the resident size; what is left over is
 * shown as unaccounted (it may be negative by what was taken and not touched yet).
 *
 * Threads: any. */
#ifndef HG_HTTP_MEMORY_REPORT_H
#define HG_HTTP_MEMORY_REPORT_H

#include "alloc/arena.h"

struct app;

enum { MEMORY_ROWS_MAX = BUDGET_OWNERS_MAX + 3 };

struct memory_report {
    uint64_t rss_bytes;
    uint64_t limit_bytes;
    uint64_t accounted_bytes; /* sum of the rows */
    int64_t unaccounted_bytes;
    struct {
        const char *owner;
        uint64_t bytes;
    } rows[MEMORY_ROWS_MAX];
    size_t n_rows;
    struct arena_stats arena;
};

void memory_report_make(struct app *app, struct memory_report *ret);

#endif
