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

#include "http/wire.h"

#include <string.h>

enum { LABELS = 1, SAMPLES = 2, EXEMPLARS = 3, HISTOGRAMS = 4 }; /* of TimeSeries */
enum { TIMESERIES = 1, METADATA = 3 };                           /* of WriteRequest */
enum { LABEL_NAME = 1, LABEL_VALUE = 2 };
enum { SAMPLE_VALUE = 1, SAMPLE_TIME = 2 };

static const struct wire_shape label_shape = {
    2, {{LABEL_NAME, WIRE_BYTES}, {LABEL_VALUE, WIRE_BYTES}}};
static const struct wire_shape exemplar_shape = {2, {{2, WIRE_FIXED64}, {3, WIRE_VARINT}}};
static const struct wire_shape histogram_shape = {1, {{15, WIRE_VARINT}}};
static const struct wire_shape metadata_shape = {1, {{2, WIRE_BYTES}}};

struct walk {
    struct region *region;
    struct write_body *body;
    struct write_block *block; /* the last one, or NULL */
    struct sample *next, *end; /* room for samples */
    size_t left_bytes;         /* that may still be taken of the region */
    const uint8_t *message_end;
    enum write_body_outcome failure; /* why a walk ends early */
};

/* A series under way. */
struct series_part {
    const uint8_t *bytes;
    size_t n;
    const uint8_t *form;
    size_t n_form;
    bool is_scattered; /* the labels do not lie together; form is the first of them */
    struct sample *samples;
    uint32_t n_samples;
};

/* --- what it takes ---------------------------------------------------------------------------- */

static void *take(struct walk *w, size_t bytes)
{
    if (bytes > w->left_bytes) {
        w->failure = WRITE_BODY_SWELLS;
        return NULL;
    }
    w->left_bytes -= bytes;
    void *made = region_alloc(w->region, bytes);
    if (!made)
        w->failure = WRITE_BODY_NO_MEMORY;
    return made;
}

/* Room for one sample more behind those of the series. */
static bool more_samples(struct walk *w, struct series_part *s)
{
    size_t n = size_max(WRITE_BLOCK_SAMPLES, 2 * (size_t)s->n_samples);
    struct sample *block = take(w, n * sizeof(*block));
    if (!block)
        return false;
    if (s->n_samples > 0)
        memcpy(block, s->samples, s->n_samples * sizeof(*block));
    s->samples = block;
    w->next = block + s->n_samples;
    w->end = block + n;
    return true;
}

static inline bool add_sample(struct walk *w, struct series_part *s, struct sample sample)
{
    if (w->next == w->end && !more_samples(w, s))
        return false;
    *w->next++ = sample;
    s->n_samples++;
    return true;
}

static bool more_entries(struct walk *w)
{
    struct write_block *block = take(w, sizeof(*block));
    if (!block)
        return false;
    block->next = NULL;
    block->n = 0;
    *(w->block ? &w->block->next : &w->body->first) = block;
    w->block = block;
    return true;
}

/* Copies the labels of a series together. */
static bool gather_form(struct walk *w, struct series_part *s)
{
    struct wire_field f;
    uint8_t *form = NULL;
    for (int pass = 0; pass < 2; pass++) {
        struct wire rest = {s->bytes, s->bytes + s->n};
        s->n_form = 0;
        while (rest.at < rest.end) {
            const uint8_t *begin = rest.at;
            ENSURE(wire_next(&rest, &f)); /* it was sound before */
            if (f.number != LABELS)
                continue;
            if (pass == 1)
                memcpy(form + s->n_form, begin, (size_t)(rest.at - begin));
            s->n_form += (size_t)(rest.at - begin);
        }
        if (pass == 0 && !(form = take(w, s->n_form)))
            return false;
    }
    s->form = form;
    return true;
}

static bool add_entry(struct walk *w, struct series_part *s)
{
    if (s->is_scattered && !gather_form(w, s))
        return false;
    if ((!w->block || w->block->n == WRITE_BLOCK_ENTRIES) && !more_entries(w))
        return false;
    w->block->entries[w->block->n++] = (struct append_entry){
        .form = s->form,
        .n_form = (uint32_t)s->n_form,
        .n_samples = s->n_samples,
        .samples = s->samples,
    };
    w->body->n_entries++;
    w->body->n_samples += s->n_samples;
    return true;
}

/* --- the usual form --------------------------------------------------------------------------- */

/* How far behind the end of its series a look at the usual form may go: from the last byte on, the
 * head of a label, a name as long as a byte can say, and the head of its value. A series that ends
 * closer to the end of the message goes field by field. */
enum { USUAL_REACH = 4 + UINT8_MAX + 2 - 1 };

static inline uint32_t read_u32(const uint8_t *at)
{
    uint32_t v;
    memcpy(&v, at, sizeof(v));
    return v;
}

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

/* The end of the sample at the start, when it is
 *
 *     12 length  09 value  10 time
 *
 * with a time of up to 8 bytes. NULL when it is not: the same bytes may still be a sample. */
static inline const uint8_t *usual_sample(const uint8_t *at, const uint8_t *end, struct sample *ret)
{
    enum { HEAD = 2, VALUE = 8, BEFORE_TIME = 1 + VALUE + 1, TIME_MAX = 8 };
    const uint32_t mask = 0x00ff00ff, tags = WIRE_TAG(SAMPLE_VALUE, WIRE_FIXED64) << 16 |
                                             WIRE_TAG(SAMPLES, WIRE_BYTES);
    size_t n = at[1], n_time = n - BEFORE_TIME; /* wraps when there is no time */
    uint64_t time;
    if ((read_u32(at) & mask) != tags || n_time - 1 >= TIME_MAX || n + HEAD > (size_t)(end - at) ||
        at[HEAD + 1 + VALUE] != WIRE_TAG(SAMPLE_TIME, WIRE_VARINT) ||
        !wire_varint_of(at + HEAD + BEFORE_TIME, n_time, &time))
        return NULL;
    ret->t_ms = (int64_t)time;
    memcpy(&ret->value, at + HEAD + 1, VALUE);
    return at + HEAD + n;
}

/* Takes what is of the usual form at the start of a series. */
static inline bool walk_usual(struct walk *w, struct series_part *s, struct wire *rest)
{
    struct sample sample;
    const uint8_t *next;
    rest->at = usual_labels(rest->at, rest->end);
    s->n_form = (size_t)(rest->at - s->bytes);
    while (rest->at < rest->end && (next = usual_sample(rest->at, rest->end, &sample)) != NULL) {
        if (!add_sample(w, s, sample))
            return false;
        rest->at = next;
    }
    return true;
}

/* --- any form --------------------------------------------------------------------------------- */

static bool read_sample(const struct wire_field *field, struct sample *ret)
{
    struct wire w = {field->bytes, field->bytes + field->n};
    struct wire_field f;
    *ret = (struct sample){0, 0};
    while (w.at < w.end) {
        if (!wire_next(&w, &f))
            return false;
        if (f.number == SAMPLE_VALUE) {
            if (f.type != WIRE_FIXED64)
                return false;
            ret->value = wire_fixed64(&f);
        } else if (f.number == SAMPLE_TIME) {
            if (f.type != WIRE_VARINT)
                return false;
            ret->t_ms = (int64_t)wire_varint(&f);
        }
    }
    return true;
}

static bool has_shape(const struct wire_field *f, const struct wire_shape *shape)
{
    return wire_has_shape(f->bytes, f->n, shape);
}

static void extend_form(struct series_part *s, const uint8_t *begin, const uint8_t *end)
{
    if (s->n_form == 0)
        s->form = begin;
    if (begin == s->form + s->n_form)
        s->n_form += (size_t)(end - begin);
    else
        s->is_scattered = true;
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
        extend_form(s, begin, rest->at);
        return has_shape(&f, &label_shape);
    case SAMPLES:
        return read_sample(&f, &sample) && add_sample(w, s, sample);
    case EXEMPLARS:
        w->body->n_exemplars++;
        return has_shape(&f, &exemplar_shape);
    default:
        w->body->n_histograms++;
        return has_shape(&f, &histogram_shape);
    }
}

static bool walk_series(struct walk *w, const uint8_t *bytes, size_t n)
{
    struct series_part s = {.bytes = bytes, .n = n, .form = bytes, .samples = w->next};
    struct wire rest = {bytes, bytes + n};
    if (w->message_end - rest.end >= USUAL_REACH && !walk_usual(w, &s, &rest))
        return false;
    while (rest.at < rest.end)
        if (!walk_field(w, &s, &rest))
            return false;
    return s.n_samples == 0 || add_entry(w, &s);
}

/* A series whose tag and length are the shortest there are. */
static inline bool usual_series(const struct wire *w, const uint8_t **ret_at, size_t *ret_n)
{
    size_t room = (size_t)(w->end - w->at);
    if (room < 3 || w->at[0] != WIRE_TAG(TIMESERIES, WIRE_BYTES))
        return false;
    size_t n = w->at[1], head = 2;
    if (n > WIRE_SHORT_MAX) {
        if (w->at[2] > WIRE_SHORT_MAX)
            return false;
        n = (n & 0x7f) | (size_t)w->at[2] << 7;
        head = 3;
    }
    *ret_at = w->at + head;
    *ret_n = n;
    return n <= room - head;
}

static bool walk_message(struct walk *w, struct wire *rest)
{
    struct wire_field f;
    while (rest->at < rest->end) {
        const uint8_t *bytes;
        size_t n;
        if (usual_series(rest, &bytes, &n)) {
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
    struct walk w = {
        .region = r,
        .body = ret,
        .left_bytes = max_bytes,
        .message_end = rest.end,
        .failure = WRITE_BODY_MALFORMED,
    };
    *ret = (struct write_body){0};
    return walk_message(&w, &rest) ? WRITE_BODY_TAKEN : w.failure;
}

/* --- labels ----------------------------------------------------------------------------------- */

enum { LABELS_ROOM = 32 }; /* the shortest array */

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

static bool make_room(struct write_labels *room, size_t n_labels, struct region *r)
{
    if (n_labels <= room->n_items)
        return true;
    size_t n = size_max(n_labels, size_max(2 * (size_t)room->n_items, LABELS_ROOM));
    struct label *items = region_alloc(r, n * sizeof(*items));
    if (!items)
        return false;
    *room = (struct write_labels){items, (uint32_t)n};
    return true;
}

int write_form_labels(const void *form, size_t n, struct region *r, struct write_labels *room,
                      struct labels *ret)
{
    const uint8_t *bytes = form;
    struct wire_field f;
    uint32_t n_labels = 0;
    for (struct wire w = {bytes, bytes + n}; w.at < w.end; n_labels++)
        ENSURE(wire_next(&w, &f));
    if (!make_room(room, n_labels, r))
        return ERR_NO_MEMORY;
    struct label *items = room->items;
    *ret = (struct labels){items, n_labels};
    for (struct wire w = {bytes, bytes + n}; w.at < w.end; items++) {
        ENSURE(wire_next(&w, &f));
        *items = read_label(&f);
    }
    return 0;
}
