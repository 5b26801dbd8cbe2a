#include "tsdb/packed.h"

#include <string.h>

enum { WORD_BITS = 64, WORD_BYTES = 8, LOAD_BYTES = WORD_BYTES + 1, TAIL_BYTES = 16 };

static uint64_t mask_of(unsigned width)
{
    return width == 0 ? 0 : UINT64_MAX >> (WORD_BITS - width);
}

void packed_put(uint8_t *out, const uint64_t *v, uint32_t n, unsigned width)
{
    uint64_t mask = mask_of(width), word = 0;
    unsigned n_bits = 0;
    if (width == 0)
        return;
    for (uint32_t i = 0; i < n; i++) {
        uint64_t bits = v[i] & mask;
        word |= bits << n_bits;
        n_bits += width;
        if (n_bits < WORD_BITS)
            continue;
        memcpy(out, &word, WORD_BYTES);
        out += WORD_BYTES;
        n_bits -= WORD_BITS;
        word = n_bits == 0 ? 0 : bits >> (width - n_bits);
    }
    memcpy(out, &word, (n_bits + 7) / 8);
}

/* The number that begins `shift` bits into p. Reads 9 bytes where it does not lie in 8. */
static uint64_t number_at(const uint8_t *p, unsigned shift, unsigned width)
{
    uint64_t word;
    memcpy(&word, p, WORD_BYTES);
    word >>= shift;
    if (shift + width > WORD_BITS)
        word |= (uint64_t)p[WORD_BYTES] << (WORD_BITS - shift);
    return word;
}

/* Whole words are loaded wherever a number begins; for the last few numbers they would reach behind
 * the end, so these are read from a copy with zeros after it. */
bool packed_get(const uint8_t *in, uint64_t *v, uint32_t n, unsigned width)
{
    size_t n_bytes = packed_bytes(n, width), n_bits = (size_t)n * width, bit = 0;
    uint64_t mask = mask_of(width);
    uint32_t i = 0;
    if (n_bytes == 0) {
        memset(v, 0, n * sizeof(*v));
        return true;
    }
    for (; i < n && bit / 8 + LOAD_BYTES <= n_bytes; i++, bit += width)
        v[i] = number_at(in + bit / 8, bit % 8, width) & mask;
    uint8_t tail[TAIL_BYTES + LOAD_BYTES] = {0};
    size_t from = n_bytes - size_min(n_bytes, TAIL_BYTES);
    memcpy(tail, in + from, n_bytes - from);
    for (; i < n; i++, bit += width)
        v[i] = number_at(tail + (bit / 8 - from), bit % 8, width) & mask;
    return n_bits % 8 == 0 || in[n_bytes - 1] >> n_bits % 8 == 0;
}
