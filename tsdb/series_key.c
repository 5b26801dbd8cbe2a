/* Keys of forms.
 *
 * The secret and not a seed: XXH3 makes a secret of 192 bytes from a seed for each input above 240
 * bytes, and a seed is 64 bits of key where a secret takes all 128.
 *
 * Labels that come without a form (a restart, our own metrics) are written out as the canonical
 * form. Nearly all fit a small buffer and are hashed in one go; longer ones go through XXH3's
 * streaming interface a buffer at a time, which gives the same value.
 */
#include "tsdb/series_key.h"
#include "tsdb/text.h"
#include "tsdb/varint.h"

#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

enum {
    FIELD_LABEL = 0x0A, /* of TimeSeries: number 1, length-delimited */
    FIELD_NAME = 0x0A,  /* of Label: 1 */
    FIELD_VALUE = 0x12, /* and 2 */
    BUFFER_BYTES = 512,
    LABEL_HEAD_BYTES_MAX = 2 + 2 * VARINT_BYTES_MAX,
    LABEL_HEADS_SHORT = 6, /* three tags, and three lengths of one byte */
};

_Static_assert(SERIES_HASH_SECRET_BYTES >= XXH3_SECRET_SIZE_MIN, "a secret for XXH3");
_Static_assert((int)BUFFER_BYTES >= (int)LABEL_HEAD_BYTES_MAX, "room for what is not text");

/* What makes the factors others than the secret, and others than each other. */
static const char factors_of[] = "factors", text_factors_of[] = "words  ";

static void make_factors(const uint8_t key[SERIES_HASH_KEY_BYTES],
                         const char what[static sizeof(factors_of)], void *ret, size_t n_bytes)
{
    uint8_t seed[SERIES_HASH_KEY_BYTES + sizeof(factors_of)];
    memcpy(seed, key, SERIES_HASH_KEY_BYTES);
    memcpy(seed + SERIES_HASH_KEY_BYTES, what, sizeof(factors_of));
    ENSURE(XXH3_generateSecret(ret, n_bytes, seed, sizeof(seed)) == XXH_OK);
}

void series_hash_init(struct series_hash *h, const uint8_t key[SERIES_HASH_KEY_BYTES])
{
    uint64_t words[XXH3_SECRET_SIZE_MIN / sizeof(uint64_t)];
    memcpy(h->key, key, sizeof(h->key));
    ENSURE(XXH3_generateSecret(h->secret, sizeof(h->secret), key, SERIES_HASH_KEY_BYTES) == XXH_OK);
    make_factors(key, factors_of, h->factors, sizeof(h->factors));
    make_factors(key, text_factors_of, words, sizeof(words));
    memcpy(h->text_factors, words, sizeof(h->text_factors));
}

static struct series_key key_of(XXH128_hash_t hash)
{
    return (struct series_key){hash.low64, hash.high64};
}

struct series_key series_key_of_form(const struct series_hash *h, const void *form, size_t n)
{
    return key_of(XXH3_128bits_withSecret(form, n, h->secret, sizeof(h->secret)));
}

/* ---- texts ---- */

enum { TEXT_WORDS = SERIES_TEXT_SHORT / 8 };

_Static_assert(sizeof(((struct series_hash *)0)->text_factors) <= XXH3_SECRET_SIZE_MIN,
               "the shortest that XXH3 makes");

/* Ones before zeros: from SERIES_TEXT_SHORT - n on, a mask for n bytes. */
static const uint8_t text_masks[2 * SERIES_TEXT_SHORT] = {
#define ONES 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff
    ONES, ONES, ONES, ONES, ONES, ONES, ONES, ONES,
#undef ONES
};

/* Adds the products of two pairs of words. */
static inline void add_words(const struct series_hash *h, struct series_mix *m, unsigned from,
                             const uint8_t *text, size_t n)
{
    uint64_t w[4], masks[4];
    const uint64_t *f = &h->text_factors[from];
    memcpy(w, text + 8 * from, sizeof(w));
    memcpy(masks, text_masks + SERIES_TEXT_SHORT - n + 8 * from, sizeof(masks));
    for (unsigned i = 0; i < 4; i++)
        w[i] &= masks[i];
    m->lo += series_folded(w[0] + f[0], w[1] + f[1]) + series_folded(w[2] + f[2], w[3] + f[3]);
    m->hi += series_folded(w[0] + f[2], w[1] + f[3]) + series_folded(w[2] + f[4], w[3] + f[5]);
}

/* Behind its begin SERIES_TEXT_SHORT bytes may be read. */
static inline struct series_key key_of_inside(const struct series_hash *h, const uint8_t *text,
                                              size_t n)
{
    struct series_mix m = {.n = (uint32_t)n};
    if (n > SERIES_TEXT_SHORT)
        return series_key_of_form(h, text, n);
    add_words(h, &m, 0, text, n);
    if (n > SERIES_TEXT_SHORT / 2)
        add_words(h, &m, TEXT_WORDS / 2, text, n);
    return series_mix_end(&m);
}

struct series_key series_key_of_text(const struct series_hash *h, const void *text, size_t n)
{
    uint8_t copy[SERIES_TEXT_SHORT];
    if (n > SERIES_TEXT_SHORT)
        return series_key_of_form(h, text, n);
    memset(copy, 0, sizeof(copy));
    if (n > 0)
        memcpy(copy, text, n);
    return key_of_inside(h, copy, n);
}

void series_keys_of_texts(const struct series_hash *h, const uint8_t *bytes, size_t n_bytes,
                          const struct series_text *texts, size_t n, struct series_key *ret)
{
    for (size_t i = 0; i < n; i++) {
        const uint8_t *text = bytes + texts[i].at;
        bool is_inside = n_bytes - texts[i].at >= SERIES_TEXT_SHORT;
        ret[i] = is_inside ? key_of_inside(h, text, texts[i].n)
                           : series_key_of_text(h, text, texts[i].n);
    }
}

/* ---- the canonical form ---- */

/* What is between the length of a label's field and its end. */
static size_t label_bytes(const struct label *l)
{
    return 2 + varint_bytes(l->name_len) + l->name_len + varint_bytes(l->value_len) + l->value_len;
}

static inline size_t put_name_head(const struct label *l, uint8_t *out)
{
    size_t n = 0, n_short = LABEL_HEADS_SHORT - 2 + (size_t)l->name_len + l->value_len;
    out[n++] = FIELD_LABEL;
    if (n_short < 0x80) {
        out[n++] = (uint8_t)n_short;
        out[n++] = FIELD_NAME;
        out[n++] = (uint8_t)l->name_len;
        return n;
    }
    n += varint_put(out + n, label_bytes(l));
    out[n++] = FIELD_NAME;
    return n + varint_put(out + n, l->name_len);
}

static inline size_t put_value_head(const struct label *l, uint8_t *out)
{
    out[0] = FIELD_VALUE;
    return 1 + varint_put(out + 1, l->value_len);
}

/* The same with the tag and the length of the field. */
size_t series_form_label_bytes(const struct label *l)
{
    size_t n_text = (size_t)l->name_len + l->value_len;
    if (n_text + LABEL_HEADS_SHORT - 2 < 0x80) /* as nearly all: so are the three lengths */
        return LABEL_HEADS_SHORT + n_text;
    size_t n_label = label_bytes(l);
    return 1 + varint_bytes(n_label) + n_label;
}

size_t series_form_bytes(const struct labels *ls)
{
    size_t n = 0;
    for (uint32_t i = 0; i < ls->n; i++)
        n += series_form_label_bytes(&ls->items[i]);
    return n;
}

bool series_form_is_canonical(const struct labels *ls, const void *form, size_t n)
{
    uintptr_t at = (uintptr_t)form, end = at + n;
    size_t n_bytes = 0;
    for (uint32_t i = 0; i < ls->n; i++) {
        const struct label *l = &ls->items[i];
        uintptr_t name = (uintptr_t)l->name, value = (uintptr_t)l->value;
        if (name < at || value < name + l->name_len || end - value < l->value_len || value > end)
            return false;
        at = value + l->value_len;
        n_bytes += series_form_label_bytes(l);
    }
    return n_bytes == n;
}

size_t series_form_put_label(const struct label *l, uint8_t *out)
{
    size_t n = put_name_head(l, out);
    text_copy(out + n, l->name, l->name_len);
    n += l->name_len;
    n += put_value_head(l, out + n);
    text_copy(out + n, l->value, l->value_len);
    return n + l->value_len;
}

void series_form_put(const struct labels *ls, uint8_t *ret)
{
    for (uint32_t i = 0; i < ls->n; i++)
        ret += series_form_put_label(&ls->items[i], ret);
}

/* ---- in pieces ---- */

struct stream {
    XXH3_state_t state;
    uint8_t buffer[BUFFER_BYTES];
    size_t n;
};

static void flush(struct stream *s)
{
    (void)XXH3_128bits_update(&s->state, s->buffer, s->n);
    s->n = 0;
}

static uint8_t *head_room(struct stream *s)
{
    if (s->n + LABEL_HEAD_BYTES_MAX > BUFFER_BYTES)
        flush(s);
    return s->buffer + s->n;
}

static void put_text(struct stream *s, const char *text, size_t n)
{
    while (n > 0) {
        if (s->n == BUFFER_BYTES)
            flush(s);
        size_t part = size_min(n, BUFFER_BYTES - s->n);
        memcpy(s->buffer + s->n, text, part);
        s->n += part;
        text += part;
        n -= part;
    }
}

static struct series_key key_of_long(const struct series_hash *h, const struct labels *ls)
{
    struct stream s;
    s.n = 0;
    (void)XXH3_128bits_reset_withSecret(&s.state, h->secret, sizeof(h->secret));
    for (uint32_t i = 0; i < ls->n; i++) {
        const struct label *l = &ls->items[i];
        s.n += put_name_head(l, head_room(&s));
        put_text(&s, l->name, l->name_len);
        s.n += put_value_head(l, head_room(&s));
        put_text(&s, l->value, l->value_len);
    }
    flush(&s);
    return key_of(XXH3_128bits_digest(&s.state));
}

struct series_key series_key_of_labels(const struct series_hash *h, const struct labels *ls)
{
    uint8_t form[BUFFER_BYTES];
    size_t n = series_form_bytes(ls);
    if (n > sizeof(form))
        return key_of_long(h, ls);
    series_form_put(ls, form);
    return series_key_of_form(h, form, n);
}
