/* What the walks over bodies of both versions of remote write share: what they take of the region,
 * series under way, and the shapes that 1.0 and 2.0 have in common. Private to write_body*.c.
 *
 * Threads: pure functions on the caller's memory. */
#ifndef HG_HTTP_WRITE_WALK_H
#define HG_HTTP_WRITE_WALK_H

#include "http/wire.h"
#include "http/write_body.h"

enum { SAMPLES = 2 }; /* of TimeSeries */
enum { SAMPLE_VALUE = 1, SAMPLE_TIME = 2, SAMPLE_START = 3 };
enum { EXEMPLAR_LABELS = 1, EXEMPLAR_VALUE = 2, EXEMPLAR_TIME = 3 };

struct walk {
    struct region *region;
    struct write_body *body;
    struct write_block *block;       /* the last one, or NULL */
    struct sample *next, *end;       /* room for samples */
    struct write_exemplar *exemplar; /* the last one, or NULL */
    size_t left_bytes;               /* that may still be taken of the region */
    const uint8_t *message_end;
    struct wire_memo times;          /* of samples */
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
    struct write_exemplar *before; /* the last exemplar of the series before, or NULL */
};

/* What the body of the walk is made of is taken with these; all are NULL or false when the walk
 * fails, with the reason in w->failure. */
struct walk walk_begin(const void *message, size_t n, size_t max_bytes, struct region *r,
                       struct write_body *body);
void *walk_take(struct walk *w, size_t bytes) WARN_UNUSED;
bool walk_more_samples(struct walk *w, struct series_part *s) WARN_UNUSED;
bool walk_more_entries(struct walk *w) WARN_UNUSED;

/* A copy of all fields of that number in a message that is sound, one behind the other: whole ones,
 * or without tags and lengths. */
const uint8_t *walk_gather(struct walk *w, const uint8_t *bytes, size_t n, uint32_t number,
                           bool has_tags, size_t *ret_n) WARN_UNUSED;

/* An exemplar of the series: value and time are as they were found, its labels lie in form. */
bool walk_add_exemplar(struct walk *w, const struct write_exemplar *exemplar) WARN_UNUSED;

/* Takes a field of an exemplar that is its value or its time, and passes over any other; false:
 * malformed. */
bool walk_read_exemplar(const struct wire_field *field, struct write_exemplar *io) WARN_UNUSED;

/* The sample in a field, or false: malformed. has_start: field 3 is a start time, which is passed
 * over. */
bool walk_read_sample(const struct wire_field *field, bool has_start,
                      struct sample *ret) WARN_UNUSED;

/* Room for so many labels, made in the region; false without memory. */
bool walk_label_room(struct write_labels *room, size_t n_labels, struct region *r) WARN_UNUSED;

/* Twice the room, with what is in it. */
bool walk_more_labels(struct write_labels *room, struct region *r) WARN_UNUSED;

/* Another piece of a form. */
static inline void walk_extend(const uint8_t **form, size_t *n_form, bool *is_scattered,
                               const uint8_t *begin, const uint8_t *end)
{
    if (*n_form == 0)
        *form = begin;
    if (begin == *form + *n_form)
        *n_form += (size_t)(end - begin);
    else
        *is_scattered = true;
}

static inline bool walk_add_sample(struct walk *w, struct series_part *s, struct sample sample)
{
    if (w->next == w->end && !walk_more_samples(w, s))
        return false;
    *w->next++ = sample;
    s->n_samples++;
    return true;
}

static inline struct series_part walk_series_begin(const struct walk *w, const uint8_t *bytes,
                                                   size_t n)
{
    return (struct series_part){
        .bytes = bytes, .n = n, .form = bytes, .samples = w->next, .before = w->exemplar};
}

static inline bool walk_has_exemplars(const struct walk *w, const struct series_part *s)
{
    return w->exemplar != s->before;
}

void walk_own_exemplars(struct walk *w, const struct series_part *s, struct append_entry *e);

/* Makes an entry of a series that has a sample or an exemplar. */
static inline bool walk_add_entry(struct walk *w, const struct series_part *s,
                                  struct series_key key)
{
    if ((!w->block || w->block->n == WRITE_BLOCK_ENTRIES) && !walk_more_entries(w))
        return false;
    struct append_entry *e = &w->block->entries[w->block->n++];
    *e = (struct append_entry){
        .key = key,
        .has_key = w->body->is_v2,
        .is_alias = w->body->is_v2,
        .form = s->form,
        .n_form = (uint32_t)s->n_form,
        .n_samples = s->n_samples,
        .samples = s->samples,
    };
    w->body->n_entries++;
    w->body->n_samples += s->n_samples;
    if (walk_has_exemplars(w, s))
        walk_own_exemplars(w, s, e);
    return true;
}

/* --- the usual form --------------------------------------------------------------------------- */

static inline uint32_t read_u32(const uint8_t *at)
{
    uint32_t v;
    memcpy(&v, at, sizeof(v));
    return v;
}

/* The end of the sample at the start, when it is
 *
 *     12 length  09 value  10 time
 *
 * with a time of up to 8 bytes; mostly that of the sample before. NULL when it is not: the same
 * bytes may still be a sample. */
static inline const uint8_t *usual_sample(struct wire_memo *times, const uint8_t *at,
                                          const uint8_t *end, struct sample *ret)
{
    enum { HEAD = 2, VALUE = 8, BEFORE_TIME = 1 + VALUE + 1, TIME_MAX = 8 };
    const uint32_t mask = 0x00ff00ff, tags = WIRE_TAG(SAMPLE_VALUE, WIRE_FIXED64) << 16 |
                                             WIRE_TAG(SAMPLES, WIRE_BYTES);
    size_t n = at[1], n_time = n - BEFORE_TIME; /* wraps when there is no time */
    uint64_t time;
    if ((read_u32(at) & mask) != tags || n_time - 1 >= TIME_MAX || n + HEAD > (size_t)(end - at) ||
        at[HEAD + 1 + VALUE] != WIRE_TAG(SAMPLE_TIME, WIRE_VARINT) ||
        !wire_varint_again(times, at + HEAD + BEFORE_TIME, n_time, &time))
        return NULL;
    ret->t_ms = (int64_t)time;
    memcpy(&ret->value, at + HEAD + 1, VALUE);
    return at + HEAD + n;
}

/* A series whose tag is that one and whose length is the shortest there is. */
static inline bool usual_series(const struct wire *w, uint8_t tag, const uint8_t **ret_at,
                                size_t *ret_n)
{
    size_t room = (size_t)(w->end - w->at);
    if (room < 3 || w->at[0] != tag)
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

#endif
