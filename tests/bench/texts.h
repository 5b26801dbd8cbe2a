/*
 * The table of texts of one remote-write 2.0 request: each once, numbered as they come, the empty
 * text first, as Prometheus' senders do it. Not thread-safe.
 */
#ifndef TESTS_BENCH_TEXTS_H
#define TESTS_BENCH_TEXTS_H

#include "tests/bench/recording.h"

#include <stddef.h>
#include <stdint.h>

struct texts {
    uint8_t *bytes; /* the table as it goes into the request: field 4, once a text */
    size_t n_bytes, capacity;
    uint32_t *at;  /* [n]: where the text of a number begins in bytes */
    uint32_t *len; /* [n] */
    uint32_t n, numbers_capacity;
    uint32_t *slots; /* number plus one by hash, open addressing; 0: free */
    uint32_t n_slots;
};

/* Makes the table hold the empty text alone. It starts zeroed. Exits without memory, as all do. */
void texts_clear(struct texts *s);
void texts_release(struct texts *s);

/* The number of a text, which is added if it is new. The table has been cleared before. */
uint32_t texts_add(struct texts *s, const struct recording_text *text);

#endif
