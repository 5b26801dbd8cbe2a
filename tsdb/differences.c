/* Packed differences.
 *
 * The problem: most numbers need few bits and a few need many, in three shapes. Counters that
 * rarely move are zeros with something in between; gauges lie around a middle; and anything jumps
 * now and then. One width for all pays for the jumps with every number.
 *
 * The idea (patched frame of reference; Zukowski et al., Super-Scalar RAM-CPU Cache Compression,
 * 2006): choose a base and a width that suit most, and keep what the width cuts off, the high half,
 * of the exceptions apart. The high half is signed, so an exception may lie below the base too and
 * a base need not be the least number. Where the exceptions are is a list or a bitmap, whichever is
 * shorter; their high halves are numbers of the same kind and written by the same rule.
 *
 * Which base and width? For a given base a histogram of the numbers' widths tells for every width
 * how many exceptions it has and how many bits these have beyond it, so all widths are judged from
 * one pass. The bases tried are the least number, a typical one, and half a width below the typical
 * one (numbers on both sides of it). Only the best guess is then worked out exactly: over recorded
 * scrapes 1.4 % longer than working out all of them, at a hundredth of the cost.
 */
#include "tsdb/differences.h"
#include "alloc/masks.h"
#include "tsdb/packed.h"
#include "tsdb/varint.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "formats are written as they stand");

enum { HAS_EXCEPTIONS = 0x80, WIDTH_MAX = 64 };

static unsigned bit_width(uint64_t v)
{
    return (63u ^ (unsigned)__builtin_clzll(v | 1)) + (v != 0);
}

/* The numbers that are none of the 2^width from base on. */
static struct place_set places_outside(const int64_t *d, uint32_t n, uint64_t base, unsigned width)
{
    struct place_set ret = {0};
    uint64_t high = width == WIDTH_MAX ? 0 : UINT64_MAX << width;
    for (uint32_t i = 0; i * PLACE_WORD_BITS < n; i++, d += PLACE_WORD_BITS) {
        uint32_t n_here = (uint32_t)size_min(n - i * PLACE_WORD_BITS, PLACE_WORD_BITS), k = 0;
        uint64_t word = 0;
        for (; k + MASKS_NUMBERS <= n_here; k += MASKS_NUMBERS)
            word |= (uint64_t)masks_reach((const uint64_t *)&d[k], base, high) << k;
        for (; k < n_here; k++)
            word |= (uint64_t)((((uint64_t)d[k] - base) & high) != 0) << k;
        ret.words[i] = word;
    }
    return ret;
}

/* What is left above the width of the numbers at some places. Returns how many. */
static uint32_t high_halves(const int64_t *d, const struct place_set *at, uint64_t base,
                            unsigned width, int64_t ret[DIFFERENCES_MAX])
{
    uint32_t k = 0;
    for (uint32_t i = 0; i < PLACE_WORDS; i++, d += PLACE_WORD_BITS)
        for (uint64_t left = at->words[i]; left != 0; left &= left - 1)
            ret[k++] = (int64_t)((uint64_t)d[__builtin_ctzll(left)] - base) >> width;
    return k;
}

/* The level's own bytes, without the next level's. */
static size_t level_bytes(const struct differences_level *l, uint32_t n)
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

/* About how many bits the high halves take when numbers up to the width at place `low` are none;
 * most_bits or more: no fewer. */
static size_t high_bits_of(const struct widths *w, uint32_t low, size_t most_bits)
{
    unsigned most = w->width[w->n - 1];
    uint32_t k = w->n_within[w->n - 1] - (uint32_t)w->n_within[low];
    if (k == 1)
        return 16 + (most - w->width[low]) / 7u * 8;
    size_t best = most_bits;
    for (uint32_t i = low + 1; i < w->n; i++) {
        uint32_t k_high = w->n_within[w->n - 1] - (uint32_t)w->n_within[i];
        size_t bits = 16 + k * (w->width[i] - (size_t)w->width[low]);
        if (bits >= best)
            break;
        if (k_high > 0)
            bits += 24 + k_high * (most - w->width[i]) + places_bytes(k, k_high) * 8;
        best = size_min(best, bits);
    }
    return best;
}

struct guess {
    unsigned width;
    uint32_t n_exceptions;
    size_t bits;
};

/* The best from a base on; most_bits or more: none takes fewer. */
static struct guess guess_of(struct widths *w, uint32_t n, uint64_t base, size_t most_bits)
{
    size_t head_bits = (varint_bytes(zigzag((int64_t)base)) + 1) * 8;
    widths_sum(w, n);
    /* None is worse than without exceptions, which comes last. */
    size_t plain_bits = head_bits + packed_bytes(n, w->width[w->n - 1]) * 8;
    struct guess best = {.bits = size_min(most_bits, plain_bits + 1)};
    for (uint32_t i = 0; i < w->n; i++) {
        uint32_t k = n - w->n_within[i];
        size_t bits = head_bits + packed_bytes(n, w->width[i]) * 8;
        if (bits >= best.bits)
            break;
        if (k > 0) {
            bits += 8 + places_bytes(n, k) * 8;
            if (bits >= best.bits)
                continue;
            bits += high_bits_of(w, i, best.bits - bits);
        }
        if (bits < best.bits)
            best = (struct guess){w->width[i], k, bits};
    }
    return best;
}

static int64_t middle_of(int64_t a, int64_t b, int64_t c)
{
    return i64_max(i64_min(a, b), i64_min(i64_max(a, b), c));
}

/* Numbers seen from a typical one: where the others are, and how far off. */
struct spread {
    uint64_t typical;
    struct place_set at;
    uint32_t n_others;
    int64_t others[DIFFERENCES_MAX];
};

/* Returns how the numbers are written from the least one up. */
static struct differences_level spread_of(const int64_t *d, uint32_t n, struct spread *ret)
{
    int64_t typical = middle_of(d[0], d[n / 2], d[n - 1]), least = typical, most = typical;
    ret->typical = (uint64_t)typical;
    ret->at = places_outside(d, n, ret->typical, 0);
    ret->n_others = high_halves(d, &ret->at, ret->typical, 0, ret->others);
    for (uint32_t i = 0; i < ret->n_others; i++) {
        int64_t v = (int64_t)((uint64_t)ret->others[i] + ret->typical);
        least = i64_min(least, v);
        most = i64_max(most, v);
    }
    return (struct differences_level){
        .base = least, .width = (uint8_t)bit_width((uint64_t)most - (uint64_t)least)};
}

/* From the least number up; or, where numbers lie on both sides of the typical one, around that. */
static struct guess best_guess(const struct spread *s, uint32_t n, uint64_t least,
                               uint64_t *ret_base)
{
    uint64_t below = s->typical - least;
    struct widths up = {.n_of = {0}}, both = {.n_of = {0}};
    both.n_of[0] = up.n_of[bit_width(below)] = (uint8_t)(n - s->n_others);
    for (uint32_t i = 0; i < s->n_others; i++) {
        up.n_of[bit_width((uint64_t)s->others[i] + below)]++;
        both.n_of[bit_width(zigzag(s->others[i]))]++;
    }
    struct guess best = guess_of(&up, n, least, SIZE_MAX);
    *ret_base = least;
    if (below == 0)
        return best;
    struct guess around = guess_of(&both, n, s->typical, best.bits);
    if (around.bits >= best.bits)
        return best;
    *ret_base = s->typical - (around.width == 0 ? 0 : UINT64_C(1) << (around.width - 1));
    return around;
}

static size_t plan_levels(const int64_t *d, uint32_t n, struct differences_level *l,
                          unsigned n_levels)
{
    struct spread s;
    uint64_t base;
    const struct differences_level plain = *l = spread_of(d, n, &s);
    size_t plain_bytes = level_bytes(l, n);
    if (n_levels == 1 || plain.width == 0)
        return plain_bytes;

    struct guess guess = best_guess(&s, n, (uint64_t)plain.base, &base);
    *l = (struct differences_level){(int64_t)base, (uint8_t)guess.width,
                                    (uint8_t)guess.n_exceptions, s.at};
    size_t bytes = level_bytes(l, n);
    if (guess.n_exceptions > 0) {
        uint32_t k = s.n_others;
        if (guess.width > 0 || base != s.typical) { /* or the exceptions are the others */
            l->exceptions = places_outside(d, n, base, guess.width);
            k = high_halves(d, &l->exceptions, base, guess.width, s.others);
        }
        assert(k == guess.n_exceptions);
        bytes += plan_levels(s.others, k, l + 1, n_levels - 1);
    }
    if (bytes < plain_bytes)
        return bytes;
    *l = plain;
    return plain_bytes;
}

size_t differences_plain_bytes(const int64_t *d, uint32_t n)
{
    int64_t least = d[0], most = d[0];
    assert(n >= 1 && n <= DIFFERENCES_MAX);
    for (uint32_t i = 1; i < n; i++) {
        least = i64_min(least, d[i]);
        most = i64_max(most, d[i]);
    }
    const struct differences_level l = {
        .base = least, .width = (uint8_t)bit_width((uint64_t)most - (uint64_t)least)};
    return level_bytes(&l, n);
}

void differences_plan(const int64_t *d, uint32_t n, struct differences_plan *ret)
{
    assert(n >= 1 && n <= DIFFERENCES_MAX);
    ret->n_bytes = plan_levels(d, n, ret->levels, DIFFERENCES_LEVELS);
}

/* ---- writing ---- */

static uint8_t *put_levels(uint8_t *out, const int64_t *d, uint32_t n,
                           const struct differences_level *l)
{
    uint64_t low[DIFFERENCES_MAX];
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
    uint32_t k = high_halves(d, &l->exceptions, (uint64_t)l->base, l->width, high);
    assert(k == l->n_exceptions);
    *out++ = (uint8_t)(k - 1);
    return put_levels(out + places_put(out, n, &l->exceptions, k), high, k, l + 1);
}

void differences_put_planned(uint8_t *out, const int64_t *d, uint32_t n,
                             const struct differences_plan *plan)
{
    uint8_t *end = put_levels(out, d, n, plan->levels);
    assert((size_t)(end - out) == plan->n_bytes);
    (void)end;
}

size_t differences_put(uint8_t *out, size_t room, const int64_t *d, uint32_t n)
{
    struct differences_plan plan;
    differences_plan(d, n, &plan);
    if (plan.n_bytes > room)
        return 0;
    differences_put_planned(out, d, n, &plan);
    return plan.n_bytes;
}

/* ---- reading ---- */

static bool get_numbers(const uint8_t **at, const uint8_t *end, int64_t *d, uint32_t n,
                        unsigned width, uint64_t base)
{
    size_t n_bytes = packed_bytes(n, width), n_left = (size_t)(end - *at);
    if (n_left < n_bytes || !packed_get(*at, n_left, (uint64_t *)d, n, width, base))
        return false;
    *at += n_bytes;
    return true;
}

static bool get_levels(const uint8_t **at, const uint8_t *end, int64_t *d, uint32_t n,
                       unsigned n_levels)
{
    uint64_t base;
    uint8_t places[DIFFERENCES_MAX];
    int64_t high[DIFFERENCES_MAX];
    if (!varint_get_shortest(at, end, &base) || *at == end)
        return false;
    unsigned width = **at & ~(unsigned)HAS_EXCEPTIONS;
    bool has_exceptions = (*(*at)++ & HAS_EXCEPTIONS) != 0;
    if (width > WIDTH_MAX || !get_numbers(at, end, d, n, width, (uint64_t)unzigzag(base)))
        return false;
    if (!has_exceptions)
        return true;
    if (n_levels == 1 || width == WIDTH_MAX || *at == end)
        return false;
    uint32_t n_exceptions = *(*at)++ + 1u;
    if (n_exceptions > n || !places_get(at, end, n, n_exceptions, places) ||
        !get_levels(at, end, high, n_exceptions, n_levels - 1))
        return false;
    bool is_good = true;
    for (uint32_t i = 0; i < n_exceptions; i++) {
        uint64_t above = (uint64_t)high[i] << width;
        is_good &= high[i] != 0 && (int64_t)above >> width == high[i];
        d[places[i]] = (int64_t)((uint64_t)d[places[i]] + above);
    }
    return is_good;
}

bool differences_get(const uint8_t **at, const uint8_t *end, int64_t *d, uint32_t n)
{
    assert(n >= 1 && n <= DIFFERENCES_MAX);
    return get_levels(at, end, d, n, DIFFERENCES_LEVELS);
}
