/* libc's heap: how much of it is resident, and giving back what is free after a burst.
 *
 * Ours is small (the HTTP library's connections, regular expressions, libraries), but a burst of
 * connections makes it large, and libc keeps what was freed until it is asked. What malloc_trim has
 * given back stays in mallinfo2's figures as free memory, so it is remembered here.
 *
 * Threads: heap_tick from one; heap_bytes from any. */
#ifndef HG_HTTP_HEAP_H
#define HG_HTTP_HEAP_H

#include "alloc/base.h"

#include <stdatomic.h>

enum { HEAP_TRIM_BYTES_MIN = 1024 * 1024 }; /* free memory that is worth a trim */

struct heap {
    /* Free memory of the heap that has no pages: what was free after the last trim, and never more
     * than what was free at any look since. */
    atomic_size_t released_bytes;
};

/* Looks at the heap; may_trim: gives free memory back when it is worth it. About once a second. */
void heap_tick(struct heap *h, bool may_trim);

/* Resident bytes, by libc's own count. */
size_t heap_bytes(const struct heap *h);

#endif
