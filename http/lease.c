#include "http/lease.h"

size_t lease_take(struct lease_pool *p, size_t most, size_t least)
{
    size_t limit = atomic_load_explicit(&p->limit_bytes, memory_order_relaxed);
    size_t leased = atomic_load_explicit(&p->leased_bytes, memory_order_relaxed);
    size_t got;
    assert(least > 0 && least <= most);
    do {
        got = size_min(most, limit - size_min(limit, leased));
        if (got < least) {
            atomic_fetch_add_explicit(&p->n_refused, 1, memory_order_relaxed);
            return 0;
        }
    } while (!atomic_compare_exchange_weak_explicit(&p->leased_bytes, &leased, leased + got,
                                                    memory_order_relaxed, memory_order_relaxed));
    return got;
}

bool lease_grow(struct lease_pool *p, size_t own_bytes, size_t more)
{
    size_t limit = atomic_load_explicit(&p->limit_bytes, memory_order_relaxed);
    size_t leased = atomic_load_explicit(&p->leased_bytes, memory_order_relaxed);
    do {
        bool fits = leased <= limit && more <= limit - leased;
        if (!fits && leased > own_bytes) {
            atomic_fetch_add_explicit(&p->n_refused, 1, memory_order_relaxed);
            return false;
        }
    } while (!atomic_compare_exchange_weak_explicit(&p->leased_bytes, &leased, leased + more,
                                                    memory_order_relaxed, memory_order_relaxed));
    return true;
}

void lease_give(struct lease_pool *p, size_t bytes)
{
    size_t before = atomic_fetch_sub_explicit(&p->leased_bytes, bytes, memory_order_relaxed);
    ENSURE(before >= bytes);
}
