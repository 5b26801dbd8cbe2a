#include "http/heap.h"

#include <malloc.h>

void heap_stats_read(const struct mappings *m, struct heap_stats *ret)
{
    struct mallinfo2 i = mallinfo2();
    ret->used_bytes = i.uordblks + i.hblkhd;
    ret->free_bytes = i.fordblks - size_min(i.fordblks, m->heap_holes_bytes);
}

size_t heap_resident(const void *skip, size_t skip_bytes)
{
    struct mappings m;
    struct heap_stats s;
    mappings_read("/proc/self", skip, skip_bytes, &m);
    heap_stats_read(&m, &s);
    return s.used_bytes + s.free_bytes;
}

static size_t free_bytes(const void *skip, size_t skip_bytes)
{
    struct mappings m;
    struct heap_stats s;
    mappings_read("/proc/self", skip, skip_bytes, &m);
    heap_stats_read(&m, &s);
    return s.free_bytes;
}

void heap_tick(struct heap *h, const void *skip, size_t skip_bytes)
{
    size_t n = free_bytes(skip, skip_bytes);
    if (n >= h->left_bytes + HEAP_TRIM_BYTES_MIN) {
        malloc_trim(0);
        n = free_bytes(skip, skip_bytes);
        h->left_bytes = n;
    }
    h->left_bytes = size_min(h->left_bytes, n);
}
