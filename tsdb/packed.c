#include "tsdb/packed.h"
#include "tsdb/vectors.h"

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
static void get_portable(const uint8_t *in, uint64_t *v, uint32_t n, unsigned width, uint64_t base)
{
    size_t n_bytes = packed_bytes(n, width), bit = 0;
    uint64_t mask = mask_of(width);
    uint32_t i = 0;
    for (; i < n && bit / 8 + LOAD_BYTES <= n_bytes; i++, bit += width)
        v[i] = (number_at(in + bit / 8, bit % 8, width) & mask) + base;
    uint8_t tail[TAIL_BYTES + LOAD_BYTES] = {0};
    size_t from = n_bytes - size_min(n_bytes, TAIL_BYTES);
    memcpy(tail, in + from, n_bytes - from);
    for (; i < n; i++, bit += width)
        v[i] = (number_at(tail + (bit / 8 - from), bit % 8, width) & mask) + base;
}

bool packed_get(const uint8_t *in, size_t n_bytes, uint64_t *v, uint32_t n, unsigned width,
                uint64_t base)
{
    size_t n_bits = (size_t)n * width;
    if (width == 0) {
        for (uint32_t i = 0; i < n; i += PACKED_GROUP)
            for (uint32_t k = 0; k < PACKED_GROUP; k++)
                v[i + k] = base;
        return true;
    }
    if (vectors_in_use() && width <= PACKED_AVX2_WIDTH_MAX)
        packed_get_avx2(in, n_bytes, v, n, width, base);
    else
        get_portable(in, v, n, width, base);
    return n_bits % 8 == 0 || in[n_bits / 8] >> n_bits % 8 == 0;
}
