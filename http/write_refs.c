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

/* Where the numbers of a label are. */
struct place {
    uint32_t name, value;           /* bytes from the begin */
    uint32_t name_mask, value_mask; /* of a second byte, 0 when there is none */
    uint32_t label;                 /* how many are before it */
    uint32_t end;                   /* of its bytes */
};

/* In one word: what is stored field by field and read as a whole waits for memory. */
static inline uint64_t packed_place(const struct place *p)
{
    return p->name | p->value << 8 | p->label << 16 | p->end << 24 |
           (uint64_t)(p->name_mask | p->value_mask << 16) << 32;
}

static inline struct place place_of(uint64_t packed)
{
    uint32_t masks = (uint32_t)(packed >> 32);
    return (struct place){.name = packed & 0xff,
                          .value = packed >> 8 & 0xff,
                          .name_mask = masks & 0xffff,
                          .value_mask = masks >> 16,
                          .label = packed >> 16 & 0xff,
                          .end = packed >> 24 & 0xff};
}

/* The number there; mask: of its second byte. */
static inline uint32_t short_ref(const uint8_t *at, uint32_t mask)
{
    uint16_t w;
    memcpy(&w, at, sizeof(w));
    return (w & 0x7fU) | ((uint32_t)w >> 1 & mask);
}

/* Notes the name of a label; false when it leads nowhere. */
static ALWAYS_INLINE bool take_name(const struct write_refs *r, const uint8_t *bytes,
                                    const struct place *p, struct write_refs_label *label)
{
    uint32_t name = short_ref(bytes + p->name, p->name_mask);
    if (name >= r->symbols->n)
        return false;
    label->name = series_mix_name(r->hash, p->label, &r->symbols->keys[name]);
    return true;
}

/* The term of a label whose name is noted; false when its value leads nowhere. */
static ALWAYS_INLINE bool term_of(const struct write_refs *r, const uint8_t *bytes,
                                  const struct place *p, const struct write_refs_label *label,
                                  struct series_mix_term *ret)
{
    uint32_t value = short_ref(bytes + p->value, p->value_mask);
    if (value >= r->symbols->n)
        return false;
    *ret = series_mix_term(&label->name, &r->symbols->keys[value]);
    return true;
}

/* Exchanges the terms of the labels that have other bytes than before. */
static ALWAYS_INLINE bool exchange(const struct write_refs *r, struct write_refs_row *row,
                                   const uint8_t *bytes)
{
    uint64_t differ = differing(bytes, row->bytes, row->n);
    uint64_t lo = row->mix.lo, hi = row->mix.hi;
    while (differ != 0) {
        uint32_t first = (uint32_t)__builtin_ctzll(differ);
        struct place place = place_of(row->places[first]);
        struct write_refs_label *label = &row->labels[place.label];
        struct series_mix_term term;
        differ = differ >> place.end << place.end;
        if (first < place.value && !take_name(r, bytes, &place, label))
            return false;
        if (!term_of(r, bytes, &place, label, &term))
            return false;
        lo += term.lo - label->term.lo;
        hi += term.hi - label->term.hi;
        label->term = term;
    }
    row->mix.lo = lo;
    row->mix.hi = hi;
    return true;
}

/* Takes the next number, of one or two bytes; false when it has more. */
static inline bool next_place(uint64_t *io_ends, uint32_t *io_at, uint32_t *ret_mask)
{
    uint32_t end = (uint32_t)__builtin_ctzll(*io_ends), n_more = end - *io_at;
    *io_ends &= *io_ends - 1;
    *io_at = end + 1;
    *ret_mask = 0x3f80 & (0 - n_more);
    return n_more <= 1;
}

/* All labels anew. */
static bool take_all(const struct write_refs *r, struct write_refs_row *row, const uint8_t *bytes,
                     size_t n, uint64_t ends)
{
    uint32_t at = 0;
    row->mix = series_mix_begin();
    for (uint64_t left = ends; left != 0;) {
        struct place p = {.name = at, .label = row->mix.n};
        struct write_refs_label *label = &row->labels[p.label];
        if (!next_place(&left, &at, &p.name_mask) || left == 0)
            return false; /* a name without a value */
        p.value = at;
        if (!next_place(&left, &at, &p.value_mask) || !take_name(r, bytes, &p, label) ||
            !term_of(r, bytes, &p, label, &label->term))
            return false;
        p.end = at;
        series_mix_add_term(&row->mix, &label->term);
        uint64_t packed = packed_place(&p); /* of two bytes a number, or those of the next ones */
        row->places[p.name] = row->places[p.name + 1] = packed;
        row->places[p.value] = row->places[p.value + 1] = packed;
    }
    return at == n;
}

/* Of a row of other places than the one before. */
static bool __attribute__((noinline))
take_other(struct write_refs *r, const uint8_t *bytes, size_t n, uint64_t ends)
{
    struct write_refs_row *row = r->row = &r->rows[row_of(ends)];
    bool is_alike = n == row->n && ends == row->ends && n > 0;
    bool is_taken = is_alike ? exchange(r, row, bytes) : take_all(r, row, bytes, n, ends);
    row->n = is_taken ? n : 0; /* what failed halfway is not remembered */
    row->ends = ends;
    row->bytes = bytes;
    return is_taken;
}

bool write_refs_key_of_short(struct write_refs *r, const uint8_t *bytes, size_t n,
                             struct series_key *ret)
{
    if (n > WRITE_REFS_SHORT)
        return false;
    uint64_t ends = ends_of(bytes, n);
    struct write_refs_row *row = r->row;
    if (row->n == n && row->ends == ends && n > 0) {
        if (!exchange(r, row, bytes)) {
            row->n = 0;
            return false;
        }
        row->bytes = bytes;
    } else if (!take_other(r, bytes, n, ends)) {
        return false;
    }
    *ret = series_mix_end(&r->row->mix);
    return true;
}
