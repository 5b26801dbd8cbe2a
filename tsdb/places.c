#include "tsdb/places.h"

#include <string.h>

static bool is_list(uint32_t n, uint32_t k)
{
    return packed_bytes(k, PLACE_BITS) <= packed_bytes(n, 1);
}

/* The places themselves one behind the other. */
static struct place_set list_of(const struct place_set *places)
{
    struct place_set list = {0};
    unsigned bit = 0;
    for (uint32_t i = 0; i < PLACE_WORDS; i++)
        for (uint64_t left = places->words[i]; left != 0; left &= left - 1, bit += PLACE_BITS) {
            uint64_t place = PLACE_WORD_BITS * i + (unsigned)__builtin_ctzll(left);
            unsigned shift = bit % PLACE_WORD_BITS;
            list.words[bit / PLACE_WORD_BITS] |= place << shift;
            if (shift + PLACE_BITS > PLACE_WORD_BITS)
                list.words[bit / PLACE_WORD_BITS + 1] |= place >> (PLACE_WORD_BITS - shift);
        }
    return list;
}

size_t places_put(uint8_t *out, uint32_t n, const struct place_set *places, uint32_t k)
{
    assert(k >= 1 && k <= n && n <= PLACES_MAX);
    size_t n_bytes = places_bytes(n, k);
    struct place_set list = is_list(n, k) ? list_of(places) : *places;
    memcpy(out, list.words, n_bytes);
    return n_bytes;
}

static bool get_list(const uint64_t *words, uint32_t n, uint32_t k, uint8_t *places)
{
    uint64_t low = words[0], high = words[1];
    unsigned mask = (1u << PLACE_BITS) - 1;
    bool is_ascending = true;
    for (uint32_t i = 0; i < k; i++) {
        places[i] = (uint8_t)(low & mask);
        is_ascending &= i == 0 || places[i] > places[i - 1];
        low = low >> PLACE_BITS | high << (PLACE_WORD_BITS - PLACE_BITS);
        high >>= PLACE_BITS;
    }
    /* what is left fills up the last byte */
    return is_ascending && low == 0 && high == 0 && places[k - 1] < n;
}

static bool get_bits(const uint64_t *words, uint32_t n, uint32_t k, uint8_t *places)
{
    uint32_t n_found = 0;
    for (uint32_t i = 0; i < PLACE_WORDS; i++)
        for (uint64_t left = words[i]; left != 0; left &= left - 1) {
            if (n_found == k)
                return false;
            places[n_found++] = (uint8_t)(PLACE_WORD_BITS * i + (unsigned)__builtin_ctzll(left));
        }
    return n_found == k && places[k - 1] < n;
}

/* The next n_bytes (at most two words) with zeros behind them. Whole words are loaded where they
 * are there: copying a number of bytes that the compiler does not know costs more than the rest. */
static void load_words(const uint8_t *at, const uint8_t *end, size_t n_bytes, uint64_t *words)
{
    if (end - at < (ptrdiff_t)PLACES_BYTES_MAX) {
        words[0] = words[1] = 0;
        memcpy(words, at, n_bytes);
        return;
    }
    memcpy(words, at, PLACES_BYTES_MAX);
    unsigned n_low = (unsigned)size_min(n_bytes, sizeof(uint64_t)) * 8;
    unsigned n_high = (unsigned)n_bytes * 8 - n_low;
    words[0] &= UINT64_MAX >> (PLACE_WORD_BITS - n_low);
    words[1] &= n_high == 0 ? 0 : UINT64_MAX >> (PLACE_WORD_BITS - n_high);
}

bool places_get(const uint8_t **at, const uint8_t *end, uint32_t n, uint32_t k,
                uint8_t ret[PLACES_MAX])
{
    uint64_t words[PLACE_WORDS];
    size_t n_bytes = places_bytes(n, k);
    assert(k >= 1 && k <= n && n <= PLACES_MAX);
    if ((size_t)(end - *at) < n_bytes)
        return false;
    load_words(*at, end, n_bytes, words);
    *at += n_bytes;
    return is_list(n, k) ? get_list(words, n, k, ret) : get_bits(words, n, k, ret);
}
