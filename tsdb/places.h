/* A few of up to 128 places: which numbers are exceptions, which values are strangers. Either the
 * places themselves, 7 bits each, or a bit for each number that there is, whichever takes fewer
 * bytes. docs/column-format.md section 2.
 *
 * Threads: pure functions on the caller's memory. */
#ifndef HG_TSDB_PLACES_H
#define HG_TSDB_PLACES_H

#include "tsdb/packed.h"

enum { PLACES_MAX = 128, PLACE_BITS = 7, PLACES_BYTES_MAX = PLACES_MAX / 8 };

/* Bit i of a word is of the i-th place of those that the word has. */
enum { PLACE_WORD_BITS = 64, PLACE_WORDS = PLACES_MAX / PLACE_WORD_BITS };
struct place_set {
    uint64_t words[PLACE_WORDS];
};

/* The bytes of k (1 .. n) places among n (1 .. PLACES_MAX). */
static inline size_t places_bytes(uint32_t n, uint32_t k)
{
    return size_min(packed_bytes(k, PLACE_BITS), packed_bytes(n, 1));
}

/* Writes the k places of a set, all below n: places_bytes(n, k), which it returns. */
size_t places_put(uint8_t *out, uint32_t n, const struct place_set *places, uint32_t k);

/* Reads k places from [*at, end) and moves *at behind them. False, with *at unspecified, when the
 * bytes are cut off or nobody writes them; never reads outside. */
bool places_get(const uint8_t **at, const uint8_t *end, uint32_t n, uint32_t k,
                uint8_t ret[PLACES_MAX]) WARN_UNUSED;

#endif
