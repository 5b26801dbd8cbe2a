/* Bump memory of one request or one query: everything is dropped at once.
 *
 * A region takes spans from the arena as it grows (the first REGION_FIRST_BYTES long, then doubling
 * up to REGION_BLOCK_BYTES_MAX, or larger for one large piece) and charges them to an owner of the
 * budget and to its own limit; an allocation that would exceed either returns NULL and the region
 * stays usable.
 *
 * Threads: one region belongs to one thread at a time; region_live_bytes from any. */
#ifndef HG_ALLOC_REGION_H
#define HG_ALLOC_REGION_H

#include "alloc/arena.h"

enum {
    REGION_FIRST_BYTES = 64 * 1024,
    REGION_BLOCK_BYTES_MAX = 4 * 1024 * 1024,
    REGION_ALIGN = 16
};

struct region_block; /* the head of each span */

struct region {
    struct arena *arena;
    unsigned owner;
    size_t limit_bytes; /* of the spans together; may be changed, also below what is taken */
    size_t taken_bytes; /* spans taken so far; set by its own thread, see region_live_bytes */
    struct region_block *last;
    size_t first_block_bytes, next_block_bytes;
};

/* Bytes of spans that it holds, from any thread while the region lives. */
static inline size_t region_live_bytes(const struct region *r)
{
    return __atomic_load_n(&r->taken_bytes, __ATOMIC_RELAXED);
}

/* A place to return to: what was allocated since is dropped by region_rewind. */
struct region_mark {
    struct region_block *block;
    size_t used_bytes;
};

/* Takes no memory yet. a is borrowed for the region's life. limit_bytes: 0 = only the budget limits
 * it. */
void region_init(struct region *r, struct arena *a, unsigned owner, size_t limit_bytes);

/* Its first span is one page instead, of which there may be thousands. Before the first
 * allocation. */
void region_start_small(struct region *r);

/* Drops everything; the region can be used again. Accepts a zeroed region. */
void region_release(struct region *r);

/* `bytes` (0 is taken as 1), aligned to REGION_ALIGN, content unspecified (calloc: zeroed; overflow
 * of n * size is NULL). */
void *region_alloc(struct region *r, size_t bytes) WARN_UNUSED;
void *region_calloc(struct region *r, size_t n, size_t size) WARN_UNUSED;

/* A copy with a NUL after it. */
char *region_copy(struct region *r, const char *bytes, size_t n) WARN_UNUSED;

/* Text by format, as printf; NULL when memory is exhausted. */
char *region_printf(struct region *r, const char *format, ...) PRINTF_LIKE(2, 3) WARN_UNUSED;

struct region_mark region_mark(const struct region *r);
void region_rewind(struct region *r, struct region_mark mark);

#endif
