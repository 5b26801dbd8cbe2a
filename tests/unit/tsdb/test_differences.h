/* How differences.c chose and wrote its bytes at first: slowly, each number looked at for each
 * question. What it writes now must be the same. */
#ifndef TESTS_UNIT_TSDB_TEST_DIFFERENCES_H
#define TESTS_UNIT_TSDB_TEST_DIFFERENCES_H

#include "tsdb/differences.h"
#include "tsdb/packed.h"
#include "tsdb/varint.h"

#include <string.h>

struct model_level {
    int64_t base;
    uint8_t width, n_exceptions;
};

enum { HAS_EXCEPTIONS = 0x80, WIDTH_MAX = 64 };

static unsigned bit_width(uint64_t v)
{
    return 64u - (unsigned)__builtin_clzll(v | 1) - (v == 0);
}

/* What is left of a number above the width; 0 when it is no exception. */
static int64_t high_half(int64_t d, const struct model_level *l)
{
    int64_t above = (int64_t)((uint64_t)d - (uint64_t)l->base);
    return l->width == WIDTH_MAX ? 0 : above >> l->width;
}

/* The level's own bytes, without the next level's. */
static size_t level_bytes(const struct model_level *l, uint32_t n)
{
    size_t bytes = varint_bytes(zigzag(l->base)) + 1 + packed_bytes(n, l->width);
    return l->n_exceptions == 0 ? bytes : bytes + 1 + places_bytes(n, l->n_exceptions);
}

/* ---- planning ---- */

/* How many numbers need how many bits, and from this the widths that occur, ascending, with how
 * many numbers are of at most that width. The width 0 is always among them. */
struct widths {
    uint8_t n_of[WIDTH_MAX + 1];
    uint8_t width[WIDTH_MAX + 1];
    uint8_t n_within[WIDTH_MAX + 1];
    uint32_t n;
};

static void widths_sum(struct widths *w, uint32_t n)
{
    uint32_t n_within = w->n_of[0];
    w->width[0] = 0;
    w->n_within[0] = (uint8_t)n_within;
    w->n = 1;
    for (unsigned i = 1; n_within < n; i++) {
        if (w->n_of[i] == 0)
            continue;
        n_within += w->n_of[i];
        w->width[w->n] = (uint8_t)i;
        w->n_within[w->n++] = (uint8_t)n_within;
    }
}

/* About how many bits the high halves take when numbers up to the width at place `low` are none. */
static size_t high_bits_of(const struct widths *w, uint32_t low)
{
    unsigned most = w->width[w->n - 1];
    uint32_t k = w->n_within[w->n - 1] - (uint32_t)w->n_within[low];
    if (k == 1)
        return 16 + (most - w->width[low]) / 7u * 8;
    size_t best = SIZE_MAX;
    for (uint32_t i = low + 1; i < w->n; i++) {
        uint32_t k_high = w->n_within[w->n - 1] - (uint32_t)w->n_within[i];
        size_t bits = k * (w->width[i] - (unsigned)w->width[low]);
        if (k_high > 0)
            bits += 24 + k_high * (most - w->width[i]) + places_bytes(k, k_high) * 8;
        best = size_min(best, bits);
    }
    return best + 16;
}

struct guess {
    unsigned width;
    uint32_t n_exceptions;
    size_t bits;
};

static struct guess guess_of(struct widths *w, uint32_t n, int64_t base)
{
    struct guess best = {.bits = SIZE_MAX};
    size_t head_bits = (varint_bytes(zigzag(base)) + 1) * 8;
    widths_sum(w, n);
    for (uint32_t i = 0; i < w->n; i++) {
        uint32_t k = n - w->n_within[i];
        size_t bits = head_bits + packed_bytes(n, w->width[i]) * 8;
        if (bits >= best.bits)
            break;
        if (k > 0)
            bits += 8 + places_bytes(n, k) * 8 + high_bits_of(w, i);
        if (bits < best.bits)
            best = (struct guess){w->width[i], k, bits};
    }
    return best;
}

static int64_t middle_of(int64_t a, int64_t b, int64_t c)
{
    return i64_max(i64_min(a, b), i64_min(i64_max(a, b), c));
}

/* The exceptions of a level: their high halves and places. Returns how many. */
static uint32_t exceptions_of(const int64_t *d, uint32_t n, const struct model_level *l,
                              int64_t *high, uint8_t *places)
{
    uint32_t k = 0;
    for (uint32_t i = 0; i < n; i++) {
        high[k] = high_half(d[i], l);
        places[k] = (uint8_t)i;
        k += high[k] != 0;
    }
    return k;
}

static size_t plan_levels(const int64_t *d, uint32_t n, struct model_level *l, unsigned n_levels);

/* Works the guess out. Returns the bytes. */
static size_t plan_exceptions(const int64_t *d, uint32_t n, uint64_t base,
                              const struct guess *guess, struct model_level *l, unsigned n_levels)
{
    int64_t high[DIFFERENCES_MAX];
    uint8_t places[DIFFERENCES_MAX];
    *l = (struct model_level){(int64_t)base, (uint8_t)guess->width, (uint8_t)guess->n_exceptions};
    if (guess->n_exceptions == 0)
        return level_bytes(l, n);
    uint32_t k = exceptions_of(d, n, l, high, places);
    assert(k == guess->n_exceptions);
    return level_bytes(l, n) + plan_levels(high, k, l + 1, n_levels - 1);
}

/* Those that are not the typical number, less it. */
static uint32_t others_of(const int64_t *d, uint32_t n, int64_t typical, int64_t *others)
{
    uint32_t k = 0;
    for (uint32_t i = 0; i < n; i++) {
        others[k] = (int64_t)((uint64_t)d[i] - (uint64_t)typical);
        k += others[k] != 0;
    }
    return k;
}

static size_t plan_levels(const int64_t *d, uint32_t n, struct model_level *l, unsigned n_levels)
{
    int64_t typical = middle_of(d[0], d[n / 2], d[n - 1]), least = typical, most = typical;
    int64_t others[DIFFERENCES_MAX];
    uint32_t n_others = others_of(d, n, typical, others);
    for (uint32_t i = 0; i < n_others; i++) {
        int64_t v = (int64_t)((uint64_t)others[i] + (uint64_t)typical);
        least = i64_min(least, v);
        most = i64_max(most, v);
    }
    uint64_t below = (uint64_t)typical - (uint64_t)least;
    const struct model_level plain = {least, (uint8_t)bit_width((uint64_t)most - (uint64_t)least),
                                      0};
    *l = plain;
    size_t plain_bytes = level_bytes(l, n);
    if (n_levels == 1 || plain.width == 0)
        return plain_bytes;

    /* From the least number up; or, where numbers lie on both sides of a typical one, around that.
     */
    struct widths widths = {.n_of = {0}};
    widths.n_of[bit_width(below)] = (uint8_t)(n - n_others);
    for (uint32_t i = 0; i < n_others; i++)
        widths.n_of[bit_width((uint64_t)others[i] + below)]++;
    struct guess best = guess_of(&widths, n, least), around = {.bits = SIZE_MAX};
    uint64_t base = (uint64_t)least;
    if (below > 0) {
        memset(&widths, 0, sizeof(widths));
        widths.n_of[0] = (uint8_t)(n - n_others);
        for (uint32_t i = 0; i < n_others; i++)
            widths.n_of[bit_width(zigzag(others[i]))]++;
        around = guess_of(&widths, n, typical);
    }
    if (around.bits < best.bits) {
        best = around;
        base = (uint64_t)typical - (best.width == 0 ? 0 : UINT64_C(1) << (best.width - 1));
    }
    size_t bytes = plan_exceptions(d, n, base, &best, l, n_levels);
    if (bytes < plain_bytes)
        return bytes;
    *l = plain;
    return plain_bytes;
}

/* ---- writing ---- */

static void model_places_put(uint8_t *out, uint32_t n, const uint8_t *places, uint32_t k)
{
    bool is_list = packed_bytes(k, PLACE_BITS) <= packed_bytes(n, 1);
    memset(out, 0, places_bytes(n, k));
    for (uint32_t i = 0; i < k; i++)
        for (unsigned bit = 0; bit < (is_list ? PLACE_BITS : 1); bit++) {
            unsigned to = is_list ? i * PLACE_BITS + bit : places[i];
            out[to / 8] |= (uint8_t)((is_list ? places[i] >> bit & 1 : 1) << to % 8);
        }
}

static uint8_t *model_put_levels(uint8_t *out, const int64_t *d, uint32_t n,
                                 const struct model_level *l)
{
    uint64_t low[DIFFERENCES_MAX];
    uint8_t places[DIFFERENCES_MAX];
    int64_t high[DIFFERENCES_MAX];
    out += varint_put(out, zigzag(l->base));
    *out++ = (uint8_t)(l->width | (l->n_exceptions > 0 ? HAS_EXCEPTIONS : 0));
    if (l->width > 0) {
        for (uint32_t i = 0; i < n; i++)
            low[i] = (uint64_t)d[i] - (uint64_t)l->base;
        packed_put(out, low, n, l->width);
        out += packed_bytes(n, l->width);
    }
    if (l->n_exceptions == 0)
        return out;
    uint32_t k = exceptions_of(d, n, l, high, places);
    assert(k == l->n_exceptions);
    *out++ = (uint8_t)(k - 1);
    model_places_put(out, n, places, k);
    return model_put_levels(out + places_bytes(n, k), high, k, l + 1);
}

/* out: DIFFERENCES_BYTES_MAX; returns how many. */
static size_t model_put(uint8_t *out, const int64_t *d, uint32_t n)
{
    struct model_level levels[DIFFERENCES_LEVELS];
    size_t n_bytes = plan_levels(d, n, levels, DIFFERENCES_LEVELS);
    const uint8_t *end = model_put_levels(out, d, n, levels);
    assert((size_t)(end - out) == n_bytes);
    (void)end;
    return n_bytes;
}

#endif
