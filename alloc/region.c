#include "alloc/region.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct region_block {
    struct region_block *prev;
    size_t span_bytes; /* as asked from the arena: a multiple of the page */
    size_t used_bytes; /* this head included */
};

_Static_assert(sizeof(struct region_block) <= 2 * REGION_ALIGN, "the head is two units");

enum { HEAD_BYTES = 2 * REGION_ALIGN };

void region_init(struct region *r, struct arena *a, unsigned owner, size_t limit_bytes)
{
    *r = (struct region){
        .arena = a,
        .owner = owner,
        .limit_bytes = limit_bytes != 0 ? limit_bytes : SIZE_MAX,
        .first_block_bytes = REGION_FIRST_BYTES,
        .next_block_bytes = REGION_FIRST_BYTES,
    };
}

void region_start_small(struct region *r)
{
    r->first_block_bytes = r->next_block_bytes = ARENA_PAGE_BYTES;
}

/* Others may look (region_live_bytes). */
static void set_taken(struct region *r, size_t bytes)
{
    __atomic_store_n(&r->taken_bytes, bytes, __ATOMIC_RELAXED);
}

static void drop_last(struct region *r)
{
    struct region_block *block = r->last;
    r->last = block->prev;
    set_taken(r, r->taken_bytes - block->span_bytes);
    arena_span_put(r->arena, r->owner, block, block->span_bytes);
}

void region_release(struct region *r)
{
    while (r->last != NULL)
        drop_last(r);
    r->next_block_bytes = r->first_block_bytes;
}

static bool add_block(struct region *r, size_t bytes)
{
    size_t want = size_max(bytes + HEAD_BYTES, r->next_block_bytes);
    want = arena_span_bytes(want);
    size_t room = r->limit_bytes - size_min(r->limit_bytes, r->taken_bytes);
    if (want > room)
        want = arena_span_bytes(bytes + HEAD_BYTES); /* the least that does */
    if (want > room)
        return false;
    struct region_block *block = arena_span_get(r->arena, r->owner, want);
    if (block == NULL)
        return false;
    *block = (struct region_block){.prev = r->last, .span_bytes = want, .used_bytes = HEAD_BYTES};
    r->last = block;
    set_taken(r, r->taken_bytes + want);
    r->next_block_bytes = size_min(2 * r->next_block_bytes, REGION_BLOCK_BYTES_MAX);
    return true;
}

void *region_alloc(struct region *r, size_t bytes)
{
    if (bytes > SIZE_MAX / 2)
        return NULL;
    bytes = align_up(size_max(bytes, 1), REGION_ALIGN);
    if (r->last == NULL || r->last->span_bytes - r->last->used_bytes < bytes)
        if (!add_block(r, bytes))
            return NULL;
    void *at = (char *)r->last + r->last->used_bytes;
    r->last->used_bytes += bytes;
    return at;
}

void *region_calloc(struct region *r, size_t n, size_t size)
{
    size_t bytes;
    if (mul_overflows(n, size, &bytes))
        return NULL;
    void *at = region_alloc(r, bytes);
    return at != NULL ? memset(at, 0, bytes) : NULL;
}

char *region_copy(struct region *r, const char *bytes, size_t n)
{
    char *copy = n < SIZE_MAX ? region_alloc(r, n + 1) : NULL;
    if (copy == NULL)
        return NULL;
    if (n > 0)
        memcpy(copy, bytes, n);
    copy[n] = '\0';
    return copy;
}

char *region_printf(struct region *r, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = n >= 0 ? region_alloc(r, (size_t)n + 1) : NULL;
    if (text == NULL)
        return NULL;
    va_start(args, format);
    vsnprintf(text, (size_t)n + 1, format, args);
    va_end(args);
    return text;
}

struct region_mark region_mark(const struct region *r)
{
    return (struct region_mark){r->last, r->last != NULL ? r->last->used_bytes : 0};
}

void region_rewind(struct region *r, struct region_mark mark)
{
    while (r->last != mark.block)
        drop_last(r);
    if (r->last != NULL)
        r->last->used_bytes = mark.used_bytes;
    else
        r->next_block_bytes = REGION_FIRST_BYTES;
}
