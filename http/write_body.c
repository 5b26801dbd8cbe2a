/* The idea: a sender's body is the same bytes as fifteen seconds ago but for 14 of each series, so
 * nothing is decoded that can be recognised.
 *
 * A label section is recognised by its hash; the walk only has to find where it ends, and to see
 * that it is sound. Labels and samples of the usual form (tags and lengths of one byte, fields in
 * order, nothing else) are held against that form in a few comparisons, which are off the chain
 * that finds the next label by the length of this one. What is not of the usual form goes, from
 * there on to the end of its series, field by field through the cursor of wire.h, which knows no
 * form at all: so the usual form is only ever a shortcut, and one that is taken differently for the
 * same bytes would be a defect that the fuzzer against protobuf-c finds.
 *
 * Entries and samples lie in chains of blocks, not in arrays that move when they grow: what the
 * region gives out it does not take back, and a walk whose length nobody knows beforehand would
 * leave half of it behind. Only the samples of one series must lie together; those that a block has
 * no room for move on to the next one.
 *
 * The walk takes no more of the region than it is told: the shortest series with a sample has four
 * bytes and would become sixty-four. */
#include "http/write_body.h"

#include "http/write_walk.h"

#include <string.h>

enum { LABELS = 1, EXEMPLARS = 3, HISTOGRAMS = 4 }; /* of TimeSeries, beside SAMPLES */
enum { TIMESERIES = 1, METADATA = 3 };              /* of WriteRequest */
enum { LABEL_NAME = 1, LABEL_VALUE = 2 };

static const struct wire_shape label_shape = {
    2, {{LABEL_NAME, WIRE_BYTES}, {LABEL_VALUE, WIRE_BYTES}}};
static const struct wire_shape histogram_shape = {1, {{15, WIRE_VARINT}}};
static const struct wire_shape metadata_shape = {1, {{2, WIRE_BYTES}}};

/* --- the usual form --------------------------------------------------------------------------- */

/* How far behind the end of its series a look at the usual form may go: from the last byte on, the
 * head of a label, a name as long as a byte can say, and the head of its value. A series that ends
 * closer to the end of the message goes field by field. */
enum { USUAL_REACH = 4 + UINT8_MAX + 2 - 1 };

static inline uint32_t read_u16(const uint8_t *at)
{
    uint16_t v;
    memcpy(&v, at, sizeof(v));
    return v;
}

/* The end of the labels at the start that are
 *
 *     0a length  0a length name  12 length value
 *
 * and nothing else, with lengths of one byte. What two of the lengths leave for the third is held
 * against it: then the value ends where the label does, and all three are under 128. */
static inline const uint8_t *usual_labels(const uint8_t *at, const uint8_t *end)
{
    enum { HEAD = 2, INSIDE = 4 }; /* bytes that are not text: around both, and in between */
    const uint32_t mask = 0x00ff80ff,
                   tags = WIRE_TAG(LABEL_NAME, WIRE_BYTES) << 16 | WIRE_TAG(LABELS, WIRE_BYTES);
    const uint8_t *before = at;
    while (at < end) {
        uint32_t head = read_u32(at), n = head >> 8 & 0xff, n_name = head >> 24;
        uint32_t value = (n - n_name - INSIDE) << 8 | WIRE_TAG(LABEL_VALUE, WIRE_BYTES);
        if ((head & mask) != tags || read_u16(at + HEAD + 2 + n_name) != value)
            break;
        before = at;
        at += HEAD + n;
    }
    return at <= end ? at : before; /* the last one is longer than the series */
}

/* Takes what is of the usual form at the start of a series. */
static inline bool walk_usual(struct walk *w, struct series_part *s, struct wire *rest)
{
    struct sample sample;
    const uint8_t *next;
    rest->at = usual_labels(rest->at, rest->end);
    s->n_form = (size_t)(rest->at - s->bytes);
    while (rest->at < rest->end &&
           (next = usual_sample(&w->times, rest->at, rest->end, &sample)) != NULL) {
        if (!walk_add_sample(w, s, sample))
            return false;
        rest->at = next;
    }
    return true;
}

/* --- any form --------------------------------------------------------------------------------- */

static bool has_shape(const struct wire_field *f, const struct wire_shape *shape)
{
    return wire_has_shape(f->bytes, f->n, shape);
}

/* Value and time of an exemplar, and its labels, which lie together or are copied. */
static bool walk_exemplar(struct walk *w, const struct wire_field *field)
{
    struct write_exemplar x = {.form = field->bytes};
    struct wire rest = {field->bytes, field->bytes + field->n};
    struct wire_field f;
    const uint8_t *form = field->bytes;
    size_t n_form = 0;
    bool is_scattered = false;
    while (rest.at < rest.end) {
        const uint8_t *begin = rest.at;
        if (!wire_next(&rest, &f))
            return false;
        if (f.number == EXEMPLAR_LABELS) {
            if (f.type != WIRE_BYTES || !has_shape(&f, &label_shape))
                return false;
            walk_extend(&form, &n_form, &is_scattered, begin, rest.at);
        } else if (!walk_read_exemplar(&f, &x)) {
            return false;
        }
    }
    if (is_scattered &&
        !(form = walk_gather(w, field->bytes, field->n, EXEMPLAR_LABELS, true, &n_form)))
        return false;
    x.form = form;
    x.n_form = (uint32_t)n_form;
    return walk_add_exemplar(w, &x);
}

/* The next field of a series. */
static bool walk_field(struct walk *w, struct series_part *s, struct wire *rest)
{
    const uint8_t *begin = rest->at;
    struct wire_field f;
    struct sample sample;
    if (!wire_next(rest, &f))
        return false;
    if (f.number < LABELS || f.number > HISTOGRAMS)
        return true;
    if (f.type != WIRE_BYTES)
        return false;
    switch (f.number) {
    case LABELS:
        walk_extend(&s->form, &s->n_form, &s->is_scattered, begin, rest->at);
        return has_shape(&f, &label_shape);
    case SAMPLES:
        return walk_read_sample(&f, false, &sample) && walk_add_sample(w, s, sample);
    case EXEMPLARS:
        w->body->n_exemplars++;
        return walk_exemplar(w, &f);
    default:
        w->body->n_histograms++;
        return has_shape(&f, &histogram_shape);
    }
}

static bool walk_series(struct walk *w, const uint8_t *bytes, size_t n)
{
    struct series_part s = walk_series_begin(w, bytes, n);
    struct wire rest = {bytes, bytes + n};
    if (w->message_end - rest.end >= USUAL_REACH && !walk_usual(w, &s, &rest))
        return false;
    while (rest.at < rest.end)
        if (!walk_field(w, &s, &rest))
            return false;
    if (s.n_samples == 0 && !walk_has_exemplars(w, &s))
        return true;
    if (s.is_scattered && !(s.form = walk_gather(w, bytes, n, LABELS, true, &s.n_form)))
        return false;
    return walk_add_entry(w, &s, (struct series_key){0, 0});
}

static bool walk_message(struct walk *w, struct wire *rest)
{
    struct wire_field f;
    while (rest->at < rest->end) {
        const uint8_t *bytes;
        size_t n;
        if (usual_series(rest, WIRE_TAG(TIMESERIES, WIRE_BYTES), &bytes, &n)) {
            rest->at = bytes + n;
            if (!walk_series(w, bytes, n))
                return false;
            continue;
        }
        if (!wire_next(rest, &f))
            return false;
        if (f.number != TIMESERIES && f.number != METADATA)
            continue;
        if (f.type != WIRE_BYTES)
            return false;
        w->body->n_metadata += f.number == METADATA;
        bool is_sound =
            f.number == METADATA ? has_shape(&f, &metadata_shape) : walk_series(w, f.bytes, f.n);
        if (!is_sound)
            return false;
    }
    return true;
}

enum write_body_outcome write_body_walk(const void *message, size_t n, size_t max_bytes,
                                        struct region *r, struct write_body *ret)
{
    const uint8_t *bytes = message;
    struct wire rest = {bytes, bytes + n};
    struct walk w = walk_begin(message, n, max_bytes, r, ret);
    return walk_message(&w, &rest) ? WRITE_BODY_TAKEN : w.failure;
}

/* --- labels ----------------------------------------------------------------------------------- */

static struct label read_label(const struct wire_field *field)
{
    struct label l = {.name = "", .value = ""};
    struct wire w = {field->bytes, field->bytes + field->n};
    struct wire_field f;
    while (w.at < w.end) {
        ENSURE(wire_next(&w, &f));
        if (f.number == LABEL_NAME) {
            l.name = (const char *)f.bytes;
            l.name_len = (uint32_t)f.n;
        } else if (f.number == LABEL_VALUE) {
            l.value = (const char *)f.bytes;
            l.value_len = (uint32_t)f.n;
        }
    }
    return l;
}

/* The end of the label at the start, when it is of the usual form; else NULL. */
static const uint8_t *usual_label(const uint8_t *at, const uint8_t *end, struct label *ret)
{
    enum { HEAD = 2 }; /* bytes, of the label, its name and its value */
    size_t room = (size_t)(end - at);
    if (room < 3 * HEAD || at[0] != WIRE_TAG(LABELS, WIRE_BYTES) || at[1] > WIRE_SHORT_MAX ||
        at[1] < 2 * HEAD || at[1] > room - HEAD)
        return NULL;
    size_t n = at[1], n_name = at[HEAD + 1];
    const uint8_t *name = at + HEAD, *value = name + HEAD + n_name;
    if (name[0] != WIRE_TAG(LABEL_NAME, WIRE_BYTES) || n_name > n - 2 * HEAD ||
        value[0] != WIRE_TAG(LABEL_VALUE, WIRE_BYTES) || value[1] != n - n_name - 2 * HEAD)
        return NULL;
    *ret = (struct label){(const char *)name + HEAD, (const char *)value + HEAD, (uint32_t)n_name,
                          value[1]};
    return at + HEAD + n;
}

static void next_label(struct wire *w, struct label *ret)
{
    struct wire_field f;
    const uint8_t *next = usual_label(w->at, w->end, ret);
    if (next != NULL) {
        w->at = next;
        return;
    }
    ENSURE(wire_next(w, &f));
    *ret = read_label(&f);
}

int write_form_labels(const void *form, size_t n, struct region *r, struct write_labels *room,
                      struct labels *ret)
{
    const uint8_t *bytes = form;
    struct wire w = {bytes, bytes + n};
    *ret = (struct labels){room->items, 0};
    for (; w.at < w.end; ret->n++) {
        if (ret->n == room->n_items && !walk_more_labels(room, r))
            return ERR_NO_MEMORY;
        next_label(&w, &room->items[ret->n]);
    }
    ret->items = room->items;
    return 0;
}
