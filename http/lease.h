/* Memory that is promised before the work that needs it begins: so many bytes for all who share a
 * pool, and who gets none is told so at once instead of failing half way. A lease is a promise, not
 * memory: what is really taken is charged to the budget as always (alloc/budget.h).
 *
 * Invariant: leased_bytes == sum of what was granted and not given back. It may exceed limit_bytes
 * after the limit was lowered; nobody gets anything then until enough came back.
 *
 * Threads: all functions from any. */
#ifndef HG_HTTP_LEASE_H
#define HG_HTTP_LEASE_H

#include "alloc/base.h"

#include <stdatomic.h>

struct lease_pool {
    atomic_size_t limit_bytes;
    atomic_size_t leased_bytes;
    atomic_ullong n_refused; /* leases that were not granted */
};

static inline void lease_limit(struct lease_pool *p, size_t limit_bytes)
{
    atomic_store_explicit(&p->limit_bytes, limit_bytes, memory_order_relaxed);
}

/* What is left, at most `most` bytes; 0 when that is less than `least` (> 0). */
size_t lease_take(struct lease_pool *p, size_t most, size_t least) WARN_UNUSED;

/* more bytes for one who holds own_bytes. Granted when they fit, and also when nobody else holds
 * anything: what is larger than the whole pool must be possible at some time, and the budget has
 * the last word. */
bool lease_grow(struct lease_pool *p, size_t own_bytes, size_t more) WARN_UNUSED;

void lease_give(struct lease_pool *p, size_t bytes);

#endif
