/* Remote write 2.0: the idea is that of write_body.c, but the texts of labels lie once in a table
 * of the request, and a series refers to them.
 *
 * Each text is hashed once, and the key of a series is made of those of its texts with a
 * multiplication for each (series_key.h): that is less than to hash the labels, let alone to write
 * them out. A key that the store does not know leads to the labels, which are looked up in the
 * table then and not before.
 *
 * The table comes before the series that refer to it from every sender, but may lie anywhere in
 * the message. So the symbols at its start are taken to be all, and when another one comes the walk
 * begins anew with those of the whole message.
 *
 * A reference that leads nowhere is no matter of the wire's format and costs its series alone: that
 * has a key of 0, which no series has, and its labels are refused when they are asked for. */
#include "http/write_walk.h"

#include <string.h>

enum { SYMBOLS = 4, TIMESERIES = 5 };                                  /* of Request */
enum { LABELS_REFS = 1, HISTOGRAMS = 3, EXEMPLARS = 4, METADATA = 5 }; /* of TimeSeries */
enum { METADATA_TYPE = 1, METADATA_HELP = 3, METADATA_UNIT = 4 };
enum { HISTOGRAM_TIME = 15 };

static const struct wire_shape histogram_shape = {1, {{HISTOGRAM_TIME, WIRE_VARINT}}};

/* --- references ------------------------------------------------------------------------------- */

/* The next number of a packed run, of which 32 bits count; false when it does not end. */
static bool next_ref(struct wire *w, uint32_t *ret)
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

static bool are_refs(const uint8_t *bytes, size_t n)
{
    struct wire w = {bytes, bytes + n};
    uint32_t ref;
    while (w.at < w.end)
        if (!next_ref(&w, &ref))
            return false;
    return true;
}

/* Piece by piece, whether numbers are in one packed run or by themselves. */
static bool extend_refs(const struct wire_field *f, const uint8_t **form, size_t *n_form,
                        bool *is_scattered)
{
    if (f->type != WIRE_VARINT && (f->type != WIRE_BYTES || !are_refs(f->bytes, f->n)))
        return false;
    walk_extend(form, n_form, is_scattered, f->bytes, f->bytes + f->n);
    return true;
}

static const struct series_key no_key;

/* The key of a form whose numbers all end. */
static struct series_key key_of_any(const struct series_hash *h, const struct write_symbols *s,
                                    const uint8_t *form, size_t n)
{
    struct wire w = {form, form + n};
    struct series_mix mix = series_mix_begin();
    while (w.at < w.end) {
        uint32_t name, value;
        ENSURE(next_ref(&w, &name));
        if (w.at == w.end)
            return no_key;
        ENSURE(next_ref(&w, &value));
        if (name >= s->n || value >= s->n)
            return no_key;
        series_mix_add(h, &mix, &s->keys[name], &s->keys[value]);
    }
    return series_mix_end(&mix);
}

enum { SHORT_BYTES = 40 };

/* Which of the n bytes, at most SHORT_BYTES, are the last ones of a number: bit by bit. As many are
 * read, however many count, because the end of a loop would be a wrong guess. */
static inline uint64_t ends_of(const uint8_t *bytes, size_t n)
{
    uint64_t open = 0;
    for (size_t i = 0; i < SHORT_BYTES; i += 8) {
        uint64_t word;
        memcpy(&word, bytes + i, sizeof(word));
        /* the top bits of eight bytes, gathered in the highest byte */
        open |= (word >> 7 & 0x0101010101010101) * 0x0102040810204080 >> 56 << i;
    }
    return ~open & ((UINT64_C(1) << n) - 1);
}

/* The number that begins at *io_at and ends at the lowest of *io_ends, of one or two bytes;
 * UINT32_MAX when it has more. Where it begins is known without having read the one before, so that
 * numbers do not wait for each other. */
static inline uint32_t short_ref(const uint8_t *bytes, unsigned *io_at, uint64_t *io_ends)
{
    unsigned at = *io_at, end = (unsigned)__builtin_ctzll(*io_ends), is_two = end - at;
    uint16_t w;
    memcpy(&w, bytes + at, sizeof(w));
    *io_ends &= *io_ends - 1;
    *io_at = end + 1;
    uint32_t ref = (w & 0x7fU) | ((uint32_t)w >> 1 & 0x3f80U & (0 - is_two));
    return is_two > 1 ? UINT32_MAX : ref;
}

/* The same for references of one or two bytes, in pairs that lead somewhere: false for any others,
 * sound or not. SHORT_BYTES behind their begin may be read. */
static inline bool key_of_short(const struct series_hash *h, const struct write_symbols *s,
                                const uint8_t *form, size_t n, struct series_key *ret)
{
    struct series_mix mix = series_mix_begin();
    unsigned at = 0;
    if (n > SHORT_BYTES)
        return false;
    for (uint64_t ends = ends_of(form, n); ends != 0;) {
        uint32_t name = short_ref(form, &at, &ends);
        if (ends == 0)
            return false;
        uint32_t value = short_ref(form, &at, &ends);
        if (name >= s->n || value >= s->n)
            return false;
        series_mix_add(h, &mix, &s->keys[name], &s->keys[value]);
    }
    *ret = series_mix_end(&mix);
    return at == n;
}

/* --- a series --------------------------------------------------------------------------------- */

/* A series under way, and what 2.0 has besides. */
struct part {
    struct series_part s;
    struct series_key key;
    bool has_key; /* of the labels so far */
    uint64_t n_histograms;
    uint32_t help, unit; /* references */
};

struct walk_v2 {
    struct walk w;
    const struct series_hash *hash;
    const struct write_symbols *symbols;
    bool is_table_late; /* a symbol came after a series */
};

/* Of several, the last one counts. */
static bool walk_metadata(struct part *p, const struct wire_field *field)
{
    struct wire w = {field->bytes, field->bytes + field->n};
    struct wire_field f;
    uint32_t help = 0, unit = 0;
    while (w.at < w.end) {
        if (!wire_next(&w, &f))
            return false;
        if (f.number != METADATA_TYPE && f.number != METADATA_HELP && f.number != METADATA_UNIT)
            continue;
        if (f.type != WIRE_VARINT)
            return false;
        if (f.number == METADATA_HELP)
            help = (uint32_t)wire_varint(&f);
        else if (f.number == METADATA_UNIT)
            unit = (uint32_t)wire_varint(&f);
    }
    p->help = help;
    p->unit = unit;
    return true;
}

/* The end of metadata at the start with tags and lengths of one byte and numbers of up to four, or
 * NULL. */
static inline const uint8_t *usual_metadata(const uint8_t *at, const uint8_t *end, struct part *p)
{
    size_t n = at[1];
    if (end - at < 2 || at[0] != WIRE_TAG(METADATA, WIRE_BYTES) || n > (size_t)(end - at) - 2 ||
        n > WIRE_SHORT_MAX)
        return NULL;
    uint32_t refs[METADATA_UNIT + 1] = {0};
    for (at += 2, end = at + n; at < end;) {
        uint32_t tag = *at++, v = *at & 0x7f;
        for (unsigned shift = 7; *at > WIRE_SHORT_MAX; shift += 7) {
            at++;
            if (shift > 21)
                return NULL;
            v |= (uint32_t)(*at & 0x7f) << shift;
        }
        at++;
        if ((tag & 7) != WIRE_VARINT || tag >> 3 > METADATA_UNIT || tag < 8)
            return NULL;
        refs[tag >> 3] = v;
    }
    p->help = refs[METADATA_HELP];
    p->unit = refs[METADATA_UNIT];
    return at == end ? at : NULL;
}

static bool walk_exemplar(struct walk *w, const struct wire_field *field)
{
    struct write_exemplar x = {0};
    struct wire rest = {field->bytes, field->bytes + field->n};
    struct wire_field f;
    const uint8_t *form = field->bytes;
    size_t n_form = 0;
    bool is_scattered = false;
    while (rest.at < rest.end) {
        if (!wire_next(&rest, &f))
            return false;
        if (f.number == EXEMPLAR_LABELS) {
            if (!extend_refs(&f, &form, &n_form, &is_scattered))
                return false;
        } else if (!walk_read_exemplar(&f, &x)) {
            return false;
        }
    }
    if (is_scattered &&
        !(form = walk_gather(w, field->bytes, field->n, EXEMPLAR_LABELS, false, &n_form)))
        return false;
    x.form = form;
    x.n_form = (uint32_t)n_form;
    return walk_add_exemplar(w, &x);
}

/* The next field of a series. */
static bool walk_field(struct walk *w, struct part *p, struct wire *rest)
{
    struct wire_field f;
    struct sample sample;
    if (!wire_next(rest, &f))
        return false;
    if (f.number < LABELS_REFS || f.number > METADATA)
        return true;
    if (f.number == LABELS_REFS) {
        p->has_key = false;
        return extend_refs(&f, &p->s.form, &p->s.n_form, &p->s.is_scattered);
    }
    if (f.type != WIRE_BYTES)
        return false;
    switch (f.number) {
    case SAMPLES:
        return walk_read_sample(&f, true, &sample) && walk_add_sample(w, &p->s, sample);
    case HISTOGRAMS:
        p->n_histograms++;
        return wire_has_shape(f.bytes, f.n, &histogram_shape);
    case EXEMPLARS:
        w->body->n_exemplars++;
        return walk_exemplar(w, &f);
    default:
        return walk_metadata(p, &f);
    }
}

/* How far behind the end of a series its usual form may be looked for. */
enum { USUAL_REACH = SHORT_BYTES };

/* Takes what is of the usual form at the start of a series: a packed run of short references, then
 * samples, then metadata. */
static inline bool walk_usual(struct walk_v2 *v, struct part *p, struct wire *rest)
{
    struct sample sample;
    const uint8_t *next, *refs = rest->at + 2;
    size_t n = rest->at[1];
    if (rest->end - rest->at < 2 || rest->at[0] != WIRE_TAG(LABELS_REFS, WIRE_BYTES) ||
        n > WIRE_SHORT_MAX || n > (size_t)(rest->end - refs) ||
        !key_of_short(v->hash, v->symbols, refs, n, &p->key))
        return true;
    p->has_key = true;
    p->s.form = refs;
    p->s.n_form = n;
    rest->at = refs + n;
    while (rest->at < rest->end && (next = usual_sample(rest->at, rest->end, &sample)) != NULL) {
        if (!walk_add_sample(&v->w, &p->s, sample))
            return false;
        rest->at = next;
    }
    if (rest->at < rest->end && (next = usual_metadata(rest->at, rest->end, p)) != NULL)
        rest->at = next;
    return true;
}

/* A series that is through. */
static bool end_series(struct walk_v2 *v, struct part *p)
{
    struct walk *w = &v->w;
    struct series_part *s = &p->s;
    w->body->n_histograms += p->n_histograms;
    if (s->n_samples == 0 && !walk_has_exemplars(w, s)) {
        w->body->n_empty += p->n_histograms == 0;
        return true;
    }
    if (s->is_scattered &&
        !(s->form = walk_gather(w, s->bytes, s->n, LABELS_REFS, false, &s->n_form)))
        return false;
    if (!p->has_key)
        p->key = key_of_any(v->hash, v->symbols, s->form, s->n_form);
    uint32_t last = p->help > p->unit ? p->help : p->unit;
    if (last >= v->symbols->n && last > 0) {
        p->key = no_key;
        s->form = NULL;
        s->n_form = 0;
    }
    return walk_add_entry(w, s, p->key);
}

static bool walk_series(struct walk_v2 *v, const uint8_t *bytes, size_t n)
{
    struct part p = {.s = walk_series_begin(&v->w, bytes, n)};
    struct wire rest = {bytes, bytes + n};
    if (v->w.message_end - rest.end >= USUAL_REACH && !walk_usual(v, &p, &rest))
        return false;
    while (rest.at < rest.end)
        if (!walk_field(&v->w, &p, &rest))
            return false;
    return end_series(v, &p);
}

/* --- the table -------------------------------------------------------------------------------- */

/* The next field as far as it is a symbol with the shortest tag and length. */
static inline bool usual_symbol(const struct wire *w, const uint8_t **ret_at, size_t *ret_n)
{
    size_t room = (size_t)(w->end - w->at);
    if (room < 2 || w->at[0] != WIRE_TAG(SYMBOLS, WIRE_BYTES) || w->at[1] > WIRE_SHORT_MAX)
        return false;
    *ret_at = w->at + 2;
    *ret_n = w->at[1];
    return *ret_n <= room - 2;
}

/* Goes over the symbols at the start, or over those of the whole message, and notes them when there
 * is room for that. Leaves *rest behind the last one looked at. False when it is malformed. */
static bool each_symbol(struct walk_v2 *v, struct write_symbols *s, bool is_whole, bool has_room,
                        struct wire *rest)
{
    s->n = 0;
    while (rest->at < rest->end) {
        struct wire_field f = {.number = SYMBOLS, .type = WIRE_BYTES};
        struct wire next = *rest;
        if (usual_symbol(&next, &f.bytes, &f.n))
            next.at = f.bytes + f.n;
        else if (!wire_next(&next, &f))
            return false;
        if (f.number == SYMBOLS && f.type != WIRE_BYTES)
            return false;
        if (f.number != SYMBOLS && !is_whole)
            return true;
        *rest = next;
        if (f.number != SYMBOLS)
            continue;
        if (has_room) {
            s->texts[s->n] = (struct write_symbol){(uint32_t)(f.bytes - s->message), (uint32_t)f.n};
            s->keys[s->n] = series_key_of_form(v->hash, f.bytes, f.n);
        }
        s->n++;
    }
    return true;
}

/* Takes the table; *rest is left behind the symbols at the start. */
static bool take_symbols(struct walk_v2 *v, bool is_whole, struct wire *rest)
{
    struct write_symbols *s = &v->w.body->symbols;
    struct wire counted = *rest, noted = *rest;
    s->message = rest->at;
    if (!each_symbol(v, s, is_whole, false, &counted))
        return false;
    s->keys = walk_take(&v->w, s->n * sizeof(*s->keys));
    s->texts = s->keys ? walk_take(&v->w, s->n * sizeof(*s->texts)) : NULL;
    if (!s->texts || !each_symbol(v, s, is_whole, true, &noted))
        return false;
    if (!is_whole)
        *rest = noted;
    return true;
}

/* --- the message ------------------------------------------------------------------------------ */

/* False also when a symbol comes that is not in the table. */
static bool walk_all(struct walk_v2 *v, struct wire *rest, bool is_whole)
{
    struct wire_field f;
    while (rest->at < rest->end) {
        const uint8_t *bytes;
        size_t n;
        if (usual_series(rest, WIRE_TAG(TIMESERIES, WIRE_BYTES), &bytes, &n)) {
            rest->at = bytes + n;
            if (!walk_series(v, bytes, n))
                return false;
            continue;
        }
        if (!wire_next(rest, &f))
            return false;
        if (f.number == SYMBOLS && !is_whole) {
            v->is_table_late = true;
            return false;
        }
        if (f.number == TIMESERIES && (f.type != WIRE_BYTES || !walk_series(v, f.bytes, f.n)))
            return false;
    }
    return true;
}

static bool walk_once(struct walk_v2 *v, struct wire rest, bool is_whole)
{
    v->w.body->is_v2 = true;
    v->symbols = &v->w.body->symbols;
    return take_symbols(v, is_whole, &rest) && walk_all(v, &rest, is_whole);
}

enum write_body_outcome write_body_walk_v2(const struct series_hash *hash, const void *message,
                                           size_t n, size_t max_bytes, struct region *r,
                                           struct write_body *ret)
{
    const uint8_t *bytes = message;
    const struct wire rest = {bytes, bytes + n};
    struct walk_v2 v = {.w = walk_begin(message, n, max_bytes, r, ret), .hash = hash};
    if (n > UINT32_MAX) /* places of texts have 32 bits */
        return WRITE_BODY_SWELLS;
    struct region_mark mark = region_mark(r);
    if (walk_once(&v, rest, false))
        return WRITE_BODY_TAKEN;
    if (!v.is_table_late)
        return v.w.failure;
    region_rewind(r, mark);
    v.w = walk_begin(message, n, max_bytes, r, ret);
    return walk_once(&v, rest, true) ? WRITE_BODY_TAKEN : v.w.failure;
}

/* --- labels ----------------------------------------------------------------------------------- */

static bool text_of(const struct write_symbols *s, uint32_t ref, const char **ret, uint32_t *ret_n)
{
    if (ref >= s->n)
        return false;
    *ret = (const char *)s->message + s->texts[ref].at;
    *ret_n = s->texts[ref].n;
    return true;
}

int write_refs_labels(const struct write_symbols *s, const void *form, size_t n, struct region *r,
                      struct write_labels *room, struct labels *ret)
{
    if (form == NULL)
        return ERR_LABELS_REFS;
    const uint8_t *bytes = form;
    struct wire w = {bytes, bytes + n};
    uint32_t n_refs = 0, ref;
    for (; w.at < w.end; n_refs++)
        ENSURE(next_ref(&w, &ref));
    if (n_refs % 2 != 0)
        return ERR_LABELS_REFS;
    if (!walk_label_room(room, n_refs / 2, r))
        return ERR_NO_MEMORY;
    struct label *items = room->items;
    *ret = (struct labels){items, n_refs / 2};
    w.at = bytes;
    for (uint32_t i = 0; i < ret->n; i++) {
        struct label *l = &items[i];
        uint32_t value;
        ENSURE(next_ref(&w, &ref) && next_ref(&w, &value));
        if (!text_of(s, ref, &l->name, &l->name_len) ||
            !text_of(s, value, &l->value, &l->value_len))
            return ERR_LABELS_REFS;
    }
    return 0;
}

int write_any_labels(const struct write_body *body, const void *form, size_t n, struct region *r,
                     struct write_labels *room, struct labels *ret)
{
    return body->is_v2 ? write_refs_labels(&body->symbols, form, n, r, room, ret)
                       : write_form_labels(form, n, r, room, ret);
}
