/* Bits in and out of a byte buffer, the lowest bit of a byte first. Both stop at the end of their
 * buffer and say so, instead of running over it. Threads: one stream belongs to one thread. */
#ifndef HG_TSDB_BITS_H
#define HG_TSDB_BITS_H

#include "alloc/base.h"

struct bit_writer {
    uint8_t *at, *end;
    uint64_t pending; /* the low n_pending bits are not yet written; n_pending < 8 between calls */
    unsigned n_pending;
    bool is_full; /* something did not fit */
};

struct bit_reader {
    const uint8_t *at, *end;
    uint64_t pending;
    unsigned n_pending;
    bool is_empty; /* something was read past the end: such bits are 0 */
};

static inline void bits_put_up_to_32(struct bit_writer *w, uint64_t v, unsigned n)
{
    w->pending |= v << w->n_pending;
    w->n_pending += n;
    for (; w->n_pending >= 8; w->n_pending -= 8, w->pending >>= 8) {
        if (w->at == w->end)
            w->is_full = true;
        else
            *w->at++ = (uint8_t)w->pending;
    }
}

/* Appends the low n bits of v, n <= 64; bits above must be 0. */
static inline void bits_put(struct bit_writer *w, uint64_t v, unsigned n)
{
    if (n > 32) {
        bits_put_up_to_32(w, v & 0xFFFFFFFFu, 32);
        v >>= 32;
        n -= 32;
    }
    bits_put_up_to_32(w, v, n);
}

/* Writes what is pending, filled up with zero bits to a whole byte. */
static inline void bits_flush(struct bit_writer *w)
{
    if (w->n_pending > 0)
        bits_put_up_to_32(w, 0, 8 - w->n_pending);
}

static inline uint64_t bits_get_up_to_32(struct bit_reader *r, unsigned n)
{
    for (; r->n_pending < n; r->n_pending += 8) {
        if (r->at == r->end)
            r->is_empty = true;
        else
            r->pending |= (uint64_t)*r->at++ << r->n_pending;
    }
    uint64_t v = r->pending & (((uint64_t)1 << n) - 1);
    r->pending >>= n;
    r->n_pending -= n;
    return v;
}

/* The next n bits, n <= 64. */
static inline uint64_t bits_get(struct bit_reader *r, unsigned n)
{
    if (n <= 32)
        return bits_get_up_to_32(r, n);
    uint64_t low = bits_get_up_to_32(r, 32);
    return low | bits_get_up_to_32(r, n - 32) << 32;
}

#endif
