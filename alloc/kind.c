#include "alloc/kind.h"

enum { FINE_STEP = 16, FINE_SIZES = 8, FINE_MAX = FINE_STEP * FINE_SIZES };

/* The pool's number for a size: 16 .. 128 in steps of 16, then 160 192 224 256 | 320 384 448 512 |
 * ... | 8192. */
static unsigned index_of(size_t bytes)
{
    assert(bytes >= 1 && bytes <= KIND_BYTES_MAX);
    if (bytes <= FINE_MAX)
        return (unsigned)((bytes - 1) / FINE_STEP);
    unsigned doubling = 31u - (unsigned)__builtin_clz((unsigned)(bytes - 1)) - 7u;
    size_t base = (size_t)FINE_MAX << doubling;
    return FINE_SIZES + doubling * 4 + (unsigned)((bytes - 1 - base) / (base / 4));
}

static size_t size_of(unsigned index)
{
    if (index < FINE_SIZES)
        return (size_t)(index + 1) * FINE_STEP;
    size_t base = (size_t)FINE_MAX << (index - FINE_SIZES) / 4;
    return base + base / 4 * ((index - FINE_SIZES) % 4 + 1);
}

void kind_init(struct kind *k, unsigned owner)
{
    for (unsigned i = 0; i < KIND_POOLS; i++)
        pool_init(&k->pools[i], size_of(i), owner);
}

slot kind_get(struct arena *a, struct kind *k, size_t bytes)
{
    return pool_get(a, &k->pools[index_of(bytes)]);
}

void kind_put(struct arena *a, struct kind *k, slot s, size_t bytes)
{
    pool_put(a, &k->pools[index_of(bytes)], s);
}

size_t kind_slot_bytes(size_t bytes)
{
    return size_of(index_of(bytes));
}

size_t kind_pages(const struct kind *k)
{
    size_t n = 0;
    for (unsigned i = 0; i < KIND_POOLS; i++)
        n += k->pools[i].n_pages;
    return n;
}

size_t kind_used_bytes(const struct kind *k)
{
    size_t n = 0;
    for (unsigned i = 0; i < KIND_POOLS; i++)
        n += (size_t)k->pools[i].n_used * k->pools[i].slot_bytes;
    return n;
}

size_t kind_free_bytes(const struct kind *k)
{
    return kind_pages(k) * ARENA_PAGE_BYTES - kind_used_bytes(k);
}

bool kind_check(const struct arena *a, const struct kind *k)
{
    for (unsigned i = 0; i < KIND_POOLS; i++)
        if (!pool_check(a, &k->pools[i]))
            return false;
    return true;
}

struct pool *kind_pool(struct kind *k, size_t bytes)
{
    return &k->pools[index_of(bytes)];
}
