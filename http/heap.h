/* libc's heap: how much of it is in use and how much is kept free, and giving back what is free
 * after a burst.
 *
 * Ours is small (the HTTP library's connections, regular expressions, libraries), but a burst of
 * connections makes it large, and libc keeps what was freed until it is asked. The figures are
 * mallinfo2's, which counts as free also what has no pages: what malloc_trim has given back, and
 * what was never touched. The kernel knows how much that is (heap_holes_bytes of mappings.h). What
 * is in use has pages, because main has malloc fill what it hands out.
 *
 * Threads: heap_tick from one; heap_stats_read from any. */
#ifndef HG_HTTP_HEAP_H
#define HG_HTTP_HEAP_H

#include "http/mappings.h"

enum { HEAP_TRIM_BYTES_MIN = 1024 * 1024 }; /* free memory that is worth a trim */

struct heap {
    /* Free memory that the last trim could not give back (pieces of pages beside used ones), and
     * never more than what was free at any look since. */
    size_t left_bytes;
};

struct heap_stats {
    size_t used_bytes; /* handed out, malloc's headers included */
    size_t free_bytes; /* kept free, resident */
};

/* m: read just now. */
void heap_stats_read(const struct mappings *m, struct heap_stats *ret);

/* Gives free memory back when HEAP_TRIM_BYTES_MIN more of it is resident than the last trim had to
 * leave; to be called about twice a minute. skip: as for mappings_read. */
void heap_tick(struct heap *h, const void *skip, size_t skip_bytes);

/* What the heap holds: handed out, and free but resident. */
size_t heap_resident(const void *skip, size_t skip_bytes);

#endif
