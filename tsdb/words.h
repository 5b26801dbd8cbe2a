/* Small records that one writer changes while others read: moved in and out as 64-bit words, each
 * of them atomic, under a version that tells a reader whether it saw a mixture (a seqlock: Boehm,
 * "Can seqlocks get along with programming language memory models", 2012).
 *
 * The version is also the writer's lock: even = free, odd = somebody changes the record. A reader
 * copies the words out and takes the copy when the version is the same even number before and
 * after. What the words refer to must not change in place and must outlive the reader (epoch.h).
 *
 * Threads: that is what it is for. */
#ifndef HG_TSDB_WORDS_H
#define HG_TSDB_WORDS_H

#include "alloc/base.h"

#include <sched.h>
#include <stdatomic.h>

enum { WORD_BYTES = 8, VERSION_SPINS = 64 };

typedef uint64_t __attribute__((may_alias)) word;

/* Copies n_bytes (a multiple of 8; both ends aligned to 8) out of a shared record. */
static inline void words_load(void *to, const void *shared, size_t n_bytes)
{
    word *out = to;
    const word *in = shared;
    for (size_t i = 0; i < n_bytes / WORD_BYTES; i++)
        out[i] = __atomic_load_n(&in[i], __ATOMIC_ACQUIRE);
}

/* Copies n_bytes into a shared record whose version the caller holds; words that stay the same are
 * not touched. */
static inline void words_store(void *shared, const void *from, size_t n_bytes)
{
    word *out = shared;
    const word *in = from;
    for (size_t i = 0; i < n_bytes / WORD_BYTES; i++)
        if (out[i] != in[i])
            __atomic_store_n(&out[i], in[i], __ATOMIC_RELEASE);
}

static inline void version_lock(_Atomic uint32_t *version)
{
    for (unsigned spins = 0;; spins++) {
        uint32_t even = atomic_load_explicit(version, memory_order_relaxed) & ~1u;
        if (atomic_compare_exchange_weak_explicit(version, &even, even + 1, memory_order_acquire,
                                                  memory_order_relaxed))
            return;
        if (spins >= VERSION_SPINS)
            sched_yield();
    }
}

static inline void version_unlock(_Atomic uint32_t *version)
{
    uint32_t odd = atomic_load_explicit(version, memory_order_relaxed);
    atomic_store_explicit(version, odd + 1, memory_order_release);
}

/* The version to begin reading at: waits while a writer is at it. */
static inline uint32_t version_begin(const _Atomic uint32_t *version)
{
    for (unsigned spins = 0;; spins++) {
        uint32_t v = atomic_load_explicit(version, memory_order_acquire);
        if ((v & 1) == 0)
            return v;
        if (spins >= VERSION_SPINS)
            sched_yield();
    }
}

/* Whether what was loaded since version_begin is of one piece. */
static inline bool version_is(const _Atomic uint32_t *version, uint32_t begun)
{
    return atomic_load_explicit(version, memory_order_relaxed) == begun;
}

#endif
