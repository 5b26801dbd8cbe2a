/*
 * Latencies of the requests of one leg: kept one by one, so that a percentile is exact. Not
 * thread-safe.
 */
#ifndef TESTS_BENCH_LATENCIES_H
#define TESTS_BENCH_LATENCIES_H

#include <stddef.h>
#include <stdint.h>

struct latencies {
    uint64_t *ns;
    size_t n, capacity;
};

struct latencies_summary {
    double max_ms, p999_ms, p99_ms, p90_ms, p50_ms, sum_ms; /* 0 without requests */
};

/* `l` starts zeroed. Exits without memory. */
void latencies_add(struct latencies *l, uint64_t ns);

/* What was added since the last call, which begins anew. */
struct latencies_summary latencies_take(struct latencies *l);

void latencies_release(struct latencies *l);

#endif
