/* Keys of references.
 *
 * Where numbers end is found for all of them at once, bit by bit, and as many bytes are read
 * however many count, because the end of a loop would be a wrong guess. Where one begins is then
 * known without having read the one before, so that numbers do not wait for each other.
 */
#include "http/write_refs.h"

_Static_assert((int)WRITE_REFS_LABELS <= (int)SERIES_HASH_PAIRS,
               "labels have factors of their own");

bool write_refs_next(struct wire *w, uint32_t *ret)
{
    enum { VARINT_BYTES_MAX = 10 };
    uint64_t v = 0;
    for (unsigned i = 0; i < VARINT_BYTES_MAX && w->at < w->end; i++) {
        uint8_t byte = *w->at++;
        v |= i < VARINT_BYTES_MAX - 1 ? (uint64_t)(byte & 0x7f) << (7 * i) : 0;
        if (byte <= WIRE_SHORT_MAX) {
            *ret = (uint32_t)v;
            return true;
        }
    }
    return false;
}

bool write_refs_are_sound(const uint8_t *bytes, size_t n)
{
    struct wire w = {bytes, bytes + n};
    uint32_t ref;
    while (w.at < w.end)
        if (!write_refs_next(&w, &ref))
            return false;
    return true;
}

struct series_key write_refs_key(const struct write_refs *r, const uint8_t *bytes, size_t n)
{
    static const struct series_key no_key;
    struct wire w = {bytes, bytes + n};
    struct series_mix mix = series_mix_begin();
    while (w.at < w.end) {
        uint32_t name, value;
        ENSURE(write_refs_next(&w, &name));
        if (w.at == w.end)
            return no_key;
        ENSURE(write_refs_next(&w, &value));
        if (name >= r->symbols->n || value >= r->symbols->n)
            return no_key;
        series_mix_add(r->hash, &mix, &r->symbols->keys[name], &r->symbols->keys[value]);
    }
    return series_mix_end(&mix);
}

/* --- short ones ------------------------------------------------------------------------------- */

static inline uint64_t low_bits(size_t n)
{
    return (UINT64_C(1) << n) - 1; /* n < 64 */
}

/* Which of n bytes are the last ones of a number. */
static inline uint64_t ends_of(const uint8_t *bytes, size_t n)
{
    uint64_t open = masks_tops(bytes) | masks_tops(bytes + MASKS_BYTES) << MASKS_BYTES;
    if (n > 2 * MASKS_BYTES)
        open |= (uint64_t)masks_tops(bytes + 2 * MASKS_BYTES) << 2 * MASKS_BYTES;
    return ~open & low_bits(n);
}

/* Which of n bytes differ. */
static inline uint64_t differing(const uint8_t *a, const uint8_t *b, size_t n)
{
    enum { SECOND = MASKS_BYTES, THIRD = 2 * MASKS_BYTES };
    uint64_t same = masks_same(a, b) | masks_same(a + SECOND, b + SECOND) << SECOND;
    if (n > THIRD)
        same |= (uint64_t)masks_same(a + THIRD, b + THIRD) << THIRD;
    return ~same & low_bits(n);
}

/* Which row is for references that end so. */
static inline unsigned row_of(uint64_t ends)
{
    _Static_assert(WRITE_REFS_ROWS == 1 << 3, "three bits of the product");
    return (unsigned)(ends * UINT64_C(0x9E3779B97F4A7C15) >> 61);
}

/* The number there; mask: of its second byte. */
static inline uint32_t short_ref(const uint8_t *at, uint16_t mask)
{
    uint16_t w;
    memcpy(&w, at, sizeof(w));
    return (w & 0x7fU) | (w >> 1 & mask);
}

/* The term of a label; false when it leads nowhere. */
static inline bool term_of(const struct write_refs *r, const uint8_t *bytes,
                           const struct write_refs_place *p, struct series_mix_term *ret)
{
    uint32_t name = short_ref(bytes + p->name, p->name_mask);
    uint32_t value = short_ref(bytes + p->value, p->value_mask);
    const struct write_symbols *s = r->symbols;
    if (name >= s->n || value >= s->n)
        return false;
    *ret = series_mix_term(r->hash, p->label, &s->keys[name], &s->keys[value]);
    return true;
}

/* Exchanges the terms of the labels that have other bytes than before. */
static inline bool exchange(const struct write_refs *r, struct write_refs_row *row,
                            const uint8_t *bytes)
{
    uint64_t differ = differing(bytes, row->bytes, row->n);
    uint64_t lo = row->mix.lo, hi = row->mix.hi;
    while (differ != 0) {
        const struct write_refs_place *place = &row->places[__builtin_ctzll(differ)];
        struct series_mix_term *before = &row->terms[place->label], term;
        differ &= place->behind;
        if (!term_of(r, bytes, place, &term))
            return false;
        lo += term.lo - before->lo;
        hi += term.hi - before->hi;
        *before = term;
    }
    row->mix.lo = lo;
    row->mix.hi = hi;
    return true;
}

/* Takes the next number, of one or two bytes; false when it has more. */
static inline bool next_place(uint64_t *io_ends, uint8_t *io_at, uint16_t *ret_mask)
{
    unsigned end = (unsigned)__builtin_ctzll(*io_ends), n_more = end - *io_at;
    *io_ends &= *io_ends - 1;
    *io_at = (uint8_t)(end + 1);
    *ret_mask = (uint16_t)(0x3f80 & (0 - n_more));
    return n_more <= 1;
}

/* All labels anew. */
static bool take_all(const struct write_refs *r, struct write_refs_row *row, const uint8_t *bytes,
                     size_t n, uint64_t ends)
{
    uint8_t at = 0;
    row->mix = series_mix_begin();
    for (uint64_t left = ends; left != 0;) {
        struct write_refs_place p = {.name = at, .label = (uint8_t)row->mix.n};
        struct series_mix_term *term = &row->terms[p.label];
        if (!next_place(&left, &at, &p.name_mask) || left == 0)
            return false; /* a name without a value */
        p.value = at;
        if (!next_place(&left, &at, &p.value_mask) || !term_of(r, bytes, &p, term))
            return false;
        p.behind = ~low_bits(at);
        series_mix_add_term(&row->mix, term);
        for (unsigned i = 0; i < 4; i++) /* it has so many at most; the next one may begin sooner */
            row->places[p.name + i] = p;
    }
    return at == n;
}

bool write_refs_key_of_short(struct write_refs *r, const uint8_t *bytes, size_t n,
                             struct series_key *ret)
{
    if (n > WRITE_REFS_SHORT)
        return false;
    uint64_t ends = ends_of(bytes, n);
    struct write_refs_row *row = r->row;
    if (row->ends != ends || row->n != n)
        row = r->row = &r->rows[row_of(ends)];
    bool is_alike = n == row->n && ends == row->ends && n > 0;
    bool is_taken = is_alike ? exchange(r, row, bytes) : take_all(r, row, bytes, n, ends);
    row->bytes = bytes;
    row->n = is_taken ? n : 0; /* what failed halfway is not remembered */
    row->ends = ends;
    if (is_taken)
        *ret = series_mix_end(&row->mix);
    return is_taken;
}
