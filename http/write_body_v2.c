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
#include "http/write_refs.h"
#include "http/write_walk.h"

#include <string.h>

enum { SYMBOLS = 4, TIMESERIES = 5 };                                  /* of Request */
enum { LABELS_REFS = 1, HISTOGRAMS = 3, EXEMPLARS = 4, METADATA = 5 }; /* of TimeSeries */
enum { METADATA_TYPE = 1, METADATA_HELP = 3, METADATA_UNIT = 4 };
enum { HISTOGRAM_TIME = 15 };

static const struct wire_shape histogram_shape = {1, {{HISTOGRAM_TIME, WIRE_VARINT}}};

/* --- references ------------------------------------------------------------------------------- */

/* Piece by piece, whether numbers are in one packed run or by themselves. */
static bool extend_refs(const struct wire_field *f, const uint8_t **form, size_t *n_form,
                        bool *is_scattered)
{
    if (f->type != WIRE_VARINT && (f->type != WIRE_BYTES || !write_refs_are_sound(f->bytes, f->n)))
        return false;
    walk_extend(form, n_form, is_scattered, f->bytes, f->bytes + f->n);
    return true;
}

/* --- a series --------------------------------------------------------------------------------- */

/* A series under way, and what 2.0 has besides. */
struct part {
    struct series_part s;
    struct series_key key;
    bool has_key; /* of the labels so far */
    uint64_t n_histograms;
    uint32_t last; /* the greatest reference of its metadata */
};

/* Metadata of the usual form, of a series before. */
struct metadata_memo {
    const uint8_t *bytes;
    ptrdiff_t n; /* 0 = none */
    uint32_t last;
};

struct walk_v2 {
    struct walk w;
    struct write_refs refs;
    struct metadata_memo metadata;
    size_t n_room;      /* for texts of symbols */
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
    p->last = help > unit ? help : unit;
    return true;
}

/* The end of metadata at the start with tags and lengths of one byte, each number once, of up to
 * four bytes and in order; or NULL. */
static inline const uint8_t *usual_metadata(const uint8_t *at, const uint8_t *end, uint32_t *ret)
{
    size_t n = at[1];
    if (end - at < 2 || at[0] != WIRE_TAG(METADATA, WIRE_BYTES) || n > (size_t)(end - at) - 2 ||
        n > WIRE_SHORT_MAX)
        return NULL;
    uint32_t before = 0, last = 0;
    for (at += 2, end = at + n; at < end;) {
        uint32_t tag = *at++, v = *at & 0x7f;
        for (unsigned shift = 7; *at > WIRE_SHORT_MAX; shift += 7) {
            at++;
            if (shift > 21)
                return NULL;
            v |= (uint32_t)(*at & 0x7f) << shift;
        }
        at++;
        if ((tag & 7) != WIRE_VARINT || tag >> 3 > METADATA_UNIT || tag <= before)
            return NULL;
        before = tag | 7;
        if (tag >= WIRE_TAG(METADATA_HELP, WIRE_VARINT) && v > last)
            last = v;
    }
    *ret = last;
    return at == end ? at : NULL;
}

/* The same, for a sender describes one metric after the other, and its series alike. */
static inline const uint8_t *alike_metadata(struct metadata_memo *m, const uint8_t *at,
                                            const uint8_t *end, uint32_t *ret)
{
    if (m->n != 0 && m->n <= end - at && (~masks_same(at, m->bytes) & ((1u << m->n) - 1)) == 0) {
        *ret = m->last;
        return at + m->n;
    }
    const uint8_t *next = usual_metadata(at, end, ret);
    m->bytes = at;
    m->n = next != NULL && next - at <= MASKS_BYTES ? next - at : 0;
    m->last = *ret;
    return next;
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
enum { USUAL_REACH = WRITE_REFS_SHORT };

/* Takes what is of the usual form at the start of a series: a packed run of short references, then
 * samples, then metadata. */
static inline bool walk_usual(struct walk_v2 *v, struct part *p, struct wire *rest)
{
    struct sample sample;
    const uint8_t *next, *refs = rest->at + 2;
    size_t n = rest->at[1];
    if (rest->end - rest->at < 2 || rest->at[0] != WIRE_TAG(LABELS_REFS, WIRE_BYTES) ||
        n > WIRE_SHORT_MAX || n > (size_t)(rest->end - refs) ||
        !write_refs_key_of_short(&v->refs, refs, n, &p->key))
        return true;
    p->has_key = true;
    p->s.form = refs;
    p->s.n_form = n;
    rest->at = refs + n;
    while (rest->at < rest->end &&
           (next = usual_sample(&v->w.times, rest->at, rest->end, &sample)) != NULL) {
        if (!walk_add_sample(&v->w, &p->s, sample))
            return false;
        rest->at = next;
    }
    if (rest->at < rest->end &&
        (next = alike_metadata(&v->metadata, rest->at, rest->end, &p->last)) != NULL)
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
        p->key = write_refs_key(&v->refs, s->form, s->n_form);
    if (p->last >= w->body->symbols.n && p->last > 0) {
        p->key = (struct series_key){0, 0};
        s->form = NULL;
        s->n_form = 0;
    }
    return walk_add_entry(w, s, p->key);
}

/* Takes a series that is of the usual form, has one sample, and finds room for it and its entry;
 * false, and nothing has changed, when it is not so. */
static inline bool walk_alone(struct walk_v2 *v, const uint8_t *bytes, size_t n)
{
    struct walk *w = &v->w;
    const uint8_t *at, *end = bytes + n, *refs = bytes + 2;
    size_t n_refs = bytes[1];
    uint32_t last = 0;
    if (w->next == w->end || w->block == NULL || w->block->n == WRITE_BLOCK_ENTRIES || n < 2 ||
        bytes[0] != WIRE_TAG(LABELS_REFS, WIRE_BYTES) || n_refs > n - 2 ||
        (at = usual_sample(&w->times, refs + n_refs, end, w->next)) == NULL ||
        (at < end && alike_metadata(&v->metadata, at, end, &last) != end) ||
        (last >= w->body->symbols.n && last > 0))
        return false;
    struct append_entry *e = &w->block->entries[w->block->n];
    if (!write_refs_key_of_short(&v->refs, refs, n_refs, &e->key))
        return false;
    e->form = refs;
    e->n_form = (uint32_t)n_refs;
    e->n_samples = 1;
    e->samples = w->next++;
    e->err = 0;
    e->series = 0;
    e->has_key = e->is_alias = true;
    w->block->n++;
    w->body->n_entries++;
    w->body->n_samples++;
    return true;
}

static bool walk_series(struct walk_v2 *v, const uint8_t *bytes, size_t n)
{
    if (v->w.message_end - (bytes + n) >= USUAL_REACH && walk_alone(v, bytes, n))
        return true;
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

enum { SYMBOLS_ROOM = 64, SYMBOL_SHARE = 64 }; /* at first, or one in so many bytes */

/* The text there as far as it is a symbol with the shortest tag and length, else NULL; *ret_n: its
 * bytes. */
static inline const uint8_t *usual_symbol(const uint8_t *at, const uint8_t *end, size_t *ret_n)
{
    if (end - at < 2 || at[0] != WIRE_TAG(SYMBOLS, WIRE_BYTES))
        return NULL;
    *ret_n = at[1];
    return *ret_n <= WIRE_SHORT_MAX && *ret_n <= (size_t)(end - at) - 2 ? at + 2 : NULL;
}

/* Room for one symbol more. */
static bool more_symbols(struct walk_v2 *v)
{
    struct write_symbols *s = &v->w.body->symbols;
    size_t n_bytes = (size_t)(v->w.message_end - s->message);
    size_t n = s->n > 0 ? 2 * (size_t)s->n : size_max(SYMBOLS_ROOM, n_bytes / SYMBOL_SHARE);
    struct series_text *texts = walk_take(&v->w, n * sizeof(*texts));
    if (!texts)
        return false;
    if (s->n > 0)
        memcpy(texts, s->texts, s->n * sizeof(*texts));
    s->texts = texts;
    v->n_room = n;
    return true;
}

static inline bool add_symbol(struct walk_v2 *v, const uint8_t *text, size_t n)
{
    struct write_symbols *s = &v->w.body->symbols;
    if (s->n == v->n_room && !more_symbols(v))
        return false;
    s->texts[s->n++] = (struct series_text){(uint32_t)(text - s->message), (uint32_t)n};
    return true;
}

/* Notes the symbols at the start, or those of the whole message. Leaves *rest behind the last one
 * looked at. False when it is malformed. */
static bool note_symbols(struct walk_v2 *v, bool is_whole, struct wire *rest)
{
    for (;;) {
        const uint8_t *text, *at = rest->at;
        size_t n;
        while ((text = usual_symbol(at, rest->end, &n)) != NULL) {
            if (!add_symbol(v, text, n))
                return false;
            at = text + n;
        }
        rest->at = at;
        if (at == rest->end)
            return true;
        struct wire next = *rest;
        struct wire_field f;
        if (!wire_next(&next, &f) || (f.number == SYMBOLS && f.type != WIRE_BYTES))
            return false;
        if (f.number != SYMBOLS && !is_whole)
            return true;
        if (f.number == SYMBOLS && !add_symbol(v, f.bytes, f.n))
            return false;
        *rest = next;
    }
}

/* Takes the table; *rest is left behind the symbols at the start. */
static bool take_symbols(struct walk_v2 *v, bool is_whole, struct wire *rest)
{
    struct write_symbols *s = &v->w.body->symbols;
    struct wire noted = *rest;
    size_t n_bytes = (size_t)(rest->end - rest->at);
    s->message = rest->at;
    v->n_room = 0;
    if (!note_symbols(v, is_whole, &noted) ||
        !(s->keys = walk_take(&v->w, s->n * sizeof(*s->keys))))
        return false;
    series_keys_of_texts(v->refs.hash, s->message, n_bytes, s->texts, s->n, s->keys);
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
    return take_symbols(v, is_whole, &rest) && walk_all(v, &rest, is_whole);
}

enum write_body_outcome write_body_walk_v2(const struct series_hash *hash, const void *message,
                                           size_t n, size_t max_bytes, struct region *r,
                                           struct write_body *ret)
{
    const uint8_t *bytes = message;
    const struct wire rest = {bytes, bytes + n};
    struct walk_v2 v = {.w = walk_begin(message, n, max_bytes, r, ret)};
    write_refs_init(&v.refs, hash, &ret->symbols);
    if (n > UINT32_MAX) /* places of texts have 32 bits */
        return WRITE_BODY_SWELLS;
    struct region_mark mark = region_mark(r);
    if (walk_once(&v, rest, false))
        return WRITE_BODY_TAKEN;
    if (!v.is_table_late)
        return v.w.failure;
    region_rewind(r, mark);
    v.w = walk_begin(message, n, max_bytes, r, ret);
    v.metadata.n = 0;
    write_refs_init(&v.refs, hash, &ret->symbols);
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
        ENSURE(write_refs_next(&w, &ref));
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
        ENSURE(write_refs_next(&w, &ref) && write_refs_next(&w, &value));
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
