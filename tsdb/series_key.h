/* The key by which a label set is found: 128 bits of a keyed hash of the bytes in which it came.
 *
 * A form is the label section of a series as a sender of remote write 1.0 wrote it: the `labels`
 * fields of a TimeSeries message one behind the other, each with its tag and length:
 *
 *     0a len  0a len name  12 len value      for each label; lengths are varints
 *
 * The canonical form of a label set has its labels sorted by name, the name before the value, and
 * the shortest varints: what Prometheus sends. Its key is the key of the label set. Any other form
 * of the same set has a key of its own, which leads to the same series as an alias (series.h).
 *
 * A sender of remote write 2.0 names the texts of its labels by their places in a table of the
 * request. The form's key is made of the keys of those texts, each hashed once a request, in the
 * order in which they came; places and their encoding do not matter. It leads to the series as an
 * alias does.
 *
 * Whoever does not know the hash's key cannot make two forms that agree, so a hit is trusted and no
 * label is compared; docs/decisions/0013-keyed-forms.md says how probable an accident is.
 *
 * Threads: pure functions on the caller's memory; a series_hash does not change once it is made. */
#ifndef HG_TSDB_SERIES_KEY_H
#define HG_TSDB_SERIES_KEY_H

#include "tsdb/labels.h"

enum {
    SERIES_HASH_KEY_BYTES = 16,
    SERIES_HASH_SECRET_BYTES = 192,
    SERIES_HASH_PAIRS = 64, /* labels that have factors of their own */
    SERIES_TEXT_SHORT = 64, /* bytes of a text that is hashed by multiplications */
};

/* What a store hashes with: XXH3 with a secret that is made of the key. */
struct series_hash {
    uint8_t key[SERIES_HASH_KEY_BYTES];
    uint8_t secret[SERIES_HASH_SECRET_BYTES];
    uint64_t factors[2 * SERIES_HASH_PAIRS + 4]; /* of what is made of texts; the last two of more
                                                    labels than there are factors */
    uint64_t text_factors[SERIES_TEXT_SHORT / 8 + 2]; /* of the words of a short text */
};

struct series_key {
    uint64_t lo, hi;
};

/* key: random bytes that no sender knows. Equal keys give equal hashes in every process. */
void series_hash_init(struct series_hash *h, const uint8_t key[SERIES_HASH_KEY_BYTES]);

/* The key of a form; any n, 0 among them. */
struct series_key series_key_of_form(const struct series_hash *h, const void *form, size_t n);

/* The key of the canonical form of normalised labels, in little memory however long they are. */
struct series_key series_key_of_labels(const struct series_hash *h, const struct labels *ls);

/* How many bytes the canonical form has. */
size_t series_form_bytes(const struct labels *ls);

/* Whether a form is the canonical one of labels that were taken out of it: their texts lie in it in
 * order, and no byte is more than there must be. False as well for labels whose texts lie
 * elsewhere. */
bool series_form_is_canonical(const struct labels *ls, const void *form, size_t n);

/* Writes it, for tests and benchmarks. */
void series_form_put(const struct labels *ls, uint8_t *ret);

/* The part of it that a label is, and how many bytes that has. */
size_t series_form_put_label(const struct label *l, uint8_t *ret);
size_t series_form_label_bytes(const struct label *l);

/* The key of a text, of which keys of series are made below. Of up to SERIES_TEXT_SHORT bytes it is
 * NH as well, over the words of the text, with zeros behind its end and its length stirred in: so
 * many bytes are multiplied whatever they are, for lengths of texts are wrong guesses. Longer ones
 * have the key of a form. Threads: as the others. */
struct series_key series_key_of_text(const struct series_hash *h, const void *text, size_t n);

/* Where a text lies: bytes from the begin of something, and how many. */
struct series_text {
    uint32_t at, n;
};

/* The keys of many texts in n_bytes bytes. */
void series_keys_of_texts(const struct series_hash *h, const uint8_t *bytes, size_t n_bytes,
                          const struct series_text *texts, size_t n, struct series_key *ret);

/* The key of labels that are known by the keys of their texts (series_key_of_text), a label after
 * the other:
 *
 *     m = series_mix_begin()
 *     series_mix_add(h, &m, name, value)
 *     key = series_mix_end(&m)
 *
 * A sum of products, one for each label, as NH of Black and others (UMAC: Fast and Secure Message
 * Authentication, 1999) has it, with other factors for each place and half of the keys; they are as
 * secret as the hash's key. A product of 128 bits is folded before it is added, which takes NH's
 * proof and leaves what every hash made of multiplications relies on: folded products of words that
 * nobody knows are as good as random ones. Then stirred, since tables take some of the bits. */
struct series_mix {
    uint64_t lo, hi;
    uint32_t n;
};

static inline struct series_mix series_mix_begin(void)
{
    return (struct series_mix){0, 0, 0};
}

static inline uint64_t series_folded(uint64_t a, uint64_t b)
{
    __extension__ typedef unsigned __int128 product;
    product p = (product)a * b;
    return (uint64_t)p ^ (uint64_t)(p >> 64);
}

/* What a label adds to the sums. */
struct series_mix_term {
    uint64_t lo, hi;
};

/* The same of its name, and the factors of its value: what the terms of a name at a place have in
 * common. */
struct series_mix_name {
    uint64_t lo, hi, lo_factor, hi_factor;
};

/* place: how many labels are before it, less than SERIES_HASH_PAIRS. */
static inline struct series_mix_name series_mix_name(const struct series_hash *h, uint32_t place,
                                                     const struct series_key *name)
{
    const uint64_t *f = &h->factors[2 * (size_t)place];
    return (struct series_mix_name){name->lo + f[0], name->hi + f[2], f[1], f[3]};
}

static inline struct series_mix_term series_mix_term(const struct series_mix_name *name,
                                                     const struct series_key *value)
{
    return (struct series_mix_term){series_folded(name->lo, value->lo + name->lo_factor),
                                    series_folded(name->hi, value->hi + name->hi_factor)};
}

static inline void series_mix_add_term(struct series_mix *m, const struct series_mix_term *term)
{
    m->lo += term->lo;
    m->hi += term->hi;
    m->n++;
}

static inline void series_mix_add(const struct series_hash *h, struct series_mix *m,
                                  const struct series_key *name, const struct series_key *value)
{
    uint32_t at = m->n % SERIES_HASH_PAIRS;
    if (at == 0 && m->n > 0) { /* the factors begin anew */
        m->lo *= h->factors[2 * SERIES_HASH_PAIRS + 2] | 1;
        m->hi *= h->factors[2 * SERIES_HASH_PAIRS + 3] | 1;
    }
    struct series_mix_name mixed = series_mix_name(h, at, name);
    struct series_mix_term term = series_mix_term(&mixed, value);
    series_mix_add_term(m, &term);
}

static inline uint64_t series_mix_stir(uint64_t v)
{
    v = (v ^ v >> 37) * 0x165667919E3779F9; /* XXH3's last steps */
    return v ^ v >> 32;
}

static inline struct series_key series_mix_end(const struct series_mix *m)
{
    return (struct series_key){series_mix_stir(m->lo ^ m->n), series_mix_stir(m->hi ^ m->n)};
}

/* Which keys have been seen, of few: a yes may be wrong, of 64 keys one in 16. */
struct series_keys_seen {
    uint64_t bits[16];
};

/* Whether a key has been seen before; it has from now on. */
static inline bool series_key_see(struct series_keys_seen *s, struct series_key key)
{
    uint64_t *bits = &s->bits[key.lo / 64 % 16], bit = UINT64_C(1) << key.lo % 64;
    bool was_seen = (*bits & bit) != 0;
    *bits |= bit;
    return was_seen;
}

static inline bool series_keys_are_equal(struct series_key a, struct series_key b)
{
    return ((a.lo ^ b.lo) | (a.hi ^ b.hi)) == 0;
}

#endif
