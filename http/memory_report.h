/* The ledger: who holds how much of the process' memory.
 *
 * Rows are counted by their owners: the budget's for the arena, mallinfo2 for libc's heap, the
 * mappings for program and stacks. None is computed from the resident size; what is left over is
 * shown as unaccounted. It should stay within max(2 % of the resident size, 2 MiB), in either
 * direction: above is memory that nobody owns up to, a leak past malloc and the arena; below is
 * memory that an owner counts and has not got.
 *
 * The rows and the resident size cannot be read in one moment: a query that takes a span of 4 MiB
 * between the two would show as a leak. So a reading that does not add up is taken again until one
 * does or a leak stands still, up to MEMORY_READINGS_MAX times within 50 ms, and the one with the
 * least unaccounted counts: what comes and goes is different each time, a leak is in all of them.
 * (The arena charges a span before it is committed, so what is on its way shows below zero.)
 *
 * Nothing is cached. A reading takes about 0.5 ms, and up to 256 MiB as much again for the kernel's
 * count of each 25 MiB; beyond, only what does not add up at first is counted (mappings.h).
 *
 * Threads: any. Takes the arena's lock for a moment, never the store's. */
#ifndef HG_HTTP_MEMORY_REPORT_H
#define HG_HTTP_MEMORY_REPORT_H

#include "alloc/arena.h"
#include "http/heap.h"

struct app;
struct tsdb_window_stats;

enum { MEMORY_ROWS_MAX = BUDGET_OWNERS_MAX + 3, MEMORY_READINGS_MAX = 10 };

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
    struct heap_stats heap; /* connections included, which have a row of their own */
};

void memory_report_make(struct app *app, struct memory_report *ret);

/* The most that may be unaccounted, in either direction, without being a defect. */
uint64_t memory_report_tolerance(uint64_t rss_bytes);

/* What a window's pages hold: payload + slack + free = the sum over its classes of pages. */
struct memory_window {
    uint64_t slack_bytes;     /* in used slots, past what is in them */
    uint64_t free_slot_bytes; /* in pages that the window holds */
};

struct memory_window memory_window_waste(const struct tsdb_window_stats *w);

#endif
