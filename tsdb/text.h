/* Short texts as two words: names and values of labels are mostly under 16 bytes, so that comparing
 * and hashing them is a few instructions when nothing is called for it.
 *
 * Threads: pure functions on the caller's memory. */
#ifndef HG_TSDB_TEXT_H
#define HG_TSDB_TEXT_H

#include "tsdb/labels.h"

#include <string.h>

enum { TEXT_WORDS_MAX = 16 };

/* All n <= TEXT_WORDS_MAX bytes of a text: two of equal length are equal when their words are. The
 * words overlap where they must. */
struct text_words {
    uint64_t low, high;
};

static inline struct text_words text_words(const char *text, size_t n)
{
    struct text_words w = {0, 0};
    if (n >= sizeof(uint64_t)) {
        memcpy(&w.low, text, sizeof(w.low));
        memcpy(&w.high, text + n - sizeof(w.high), sizeof(w.high));
    } else if (n >= sizeof(uint32_t)) {
        uint32_t low, high;
        memcpy(&low, text, sizeof(low));
        memcpy(&high, text + n - sizeof(high), sizeof(high));
        w = (struct text_words){low, high};
    } else if (n > 0) {
        w.low = (uint64_t)(unsigned char)text[0] | (uint64_t)(unsigned char)text[n / 2] << 8 |
                (uint64_t)(unsigned char)text[n - 1] << 16;
    }
    return w;
}

/* Copies a text; short ones as overlapping words. */
static ALWAYS_INLINE void text_copy(void *to, const char *text, size_t n)
{
    char *out = to;
    if (n > 2 * TEXT_WORDS_MAX) {
        memcpy(out, text, n);
    } else if (n >= TEXT_WORDS_MAX) {
        memcpy(out + n - TEXT_WORDS_MAX, text + n - TEXT_WORDS_MAX, TEXT_WORDS_MAX);
        memcpy(out, text, TEXT_WORDS_MAX);
    } else if (n >= sizeof(uint64_t)) {
        memcpy(out + n - sizeof(uint64_t), text + n - sizeof(uint64_t), sizeof(uint64_t));
        memcpy(out, text, sizeof(uint64_t));
    } else if (n >= sizeof(uint32_t)) {
        memcpy(out + n - sizeof(uint32_t), text + n - sizeof(uint32_t), sizeof(uint32_t));
        memcpy(out, text, sizeof(uint32_t));
    } else if (n > 0) {
        out[0] = text[0];
        out[n / 2] = text[n / 2];
        out[n - 1] = text[n - 1];
    }
}

static inline bool text_words_equal(struct text_words a, struct text_words b)
{
    return ((a.low ^ b.low) | (a.high ^ b.high)) == 0;
}

static ALWAYS_INLINE bool texts_are_equal(const char *a, const char *b, size_t n)
{
    const size_t most = TEXT_WORDS_MAX;
    if (n > 2 * most)
        return memcmp(a, b, n) == 0;
    if (n > most)
        return text_words_equal(text_words(a, most), text_words(b, most)) &&
               text_words_equal(text_words(a + n - most, most), text_words(b + n - most, most));
    return text_words_equal(text_words(a, n), text_words(b, n));
}

/* wyhash's way with 16 bytes (Wang Yi, 2019): a product of 128 bits, and another of its halves. */
static inline uint64_t text_words_hash(struct text_words w, size_t n, uint64_t seed)
{
    const uint64_t k0 = 0xa0761d6478bd642f, k1 = 0xe7037ed1a0b428db;
    __uint128_t product = (__uint128_t)(w.low ^ k1) * (w.high ^ seed ^ k0);
    product = (__uint128_t)((uint64_t)product ^ k0 ^ n) * ((uint64_t)(product >> 64) ^ k1);
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* The same in every process. */
static inline uint64_t text_hash(const char *text, size_t n, uint64_t seed)
{
    return n <= TEXT_WORDS_MAX ? text_words_hash(text_words(text, n), n, seed)
                               : bytes_hash(text, n, seed);
}

#endif
