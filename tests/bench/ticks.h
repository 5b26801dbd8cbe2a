/*
 * One series with a sample every millisecond and values that no encoding shortens: uniform doubles
 * of a fixed seed. A body holds so many samples in a row. Not thread-safe.
 */
#ifndef TESTS_BENCH_TICKS_H
#define TESTS_BENCH_TICKS_H

#include <stddef.h>
#include <stdint.h>

struct ticks {
    int64_t start_ms; /* of sample 0 */
    uint32_t batch;   /* samples of a body, at least 1 */
    uint8_t *bytes;   /* the body */
    size_t n_bytes;
    uint8_t *samples; /* the first sample's value in it; the others follow TICKS_STRIDE apart */
    uint64_t state;
    int64_t last_ms;
    uint64_t last_bits;
};

enum { TICKS_STRIDE = 18 };

/* The series that is written. */
#define TICKS_SELECTOR "bench_ticks{job=\"ticks\"}"

void ticks_init(struct ticks *t, int64_t start_ms, uint32_t batch);
void ticks_release(struct ticks *t);

/* Fills bytes and n_bytes with samples n * batch to (n + 1) * batch - 1. Bodies are asked for in
 * ascending order, each once. */
void ticks_fill(struct ticks *t, uint64_t n);

#endif
