#include "http/heap.h"

#include <malloc.h>

void heap_tick(struct heap *h, bool may_trim)
{
    size_t released = atomic_load(&h->released_bytes);
    struct mallinfo2 m = mallinfo2();
    released = size_min(released, m.fordblks);
    if (may_trim && m.fordblks - released >= HEAP_TRIM_BYTES_MIN) {
        malloc_trim(0);
        released = mallinfo2().fordblks;
    }
    atomic_store(&h->released_bytes, released);
}

size_t heap_bytes(const struct heap *h)
{
    struct mallinfo2 m = mallinfo2();
    size_t released = size_min(atomic_load(&h->released_bytes), m.fordblks);
    return m.arena + m.hblkhd - released;
}
