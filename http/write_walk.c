#include "http/write_walk.h"

#include <string.h>

struct walk walk_begin(const void *message, size_t n, size_t max_bytes, struct region *r,
                       struct write_body *body)
{
    *body = (struct write_body){0};
    return (struct walk){.region = r,
                         .body = body,
                         .left_bytes = max_bytes,
                         .message_end = (const uint8_t *)message + n,
                         .failure = WRITE_BODY_MALFORMED};
}

void *walk_take(struct walk *w, size_t bytes)
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
bool walk_more_samples(struct walk *w, struct series_part *s)
{
    size_t n = size_max(WRITE_BLOCK_SAMPLES, 2 * (size_t)s->n_samples);
    struct sample *block = walk_take(w, n * sizeof(*block));
    if (!block)
        return false;
    if (s->n_samples > 0)
        memcpy(block, s->samples, s->n_samples * sizeof(*block));
    s->samples = block;
    w->next = block + s->n_samples;
    w->end = block + n;
    return true;
}

bool walk_more_entries(struct walk *w)
{
    struct write_block *block = walk_take(w, sizeof(*block));
    if (!block)
        return false;
    block->next = NULL;
    block->n = 0;
    *(w->block ? &w->block->next : &w->body->first) = block;
    w->block = block;
    return true;
}

const uint8_t *walk_gather(struct walk *w, const uint8_t *bytes, size_t n, uint32_t number,
                           bool has_tags, size_t *ret_n)
{
    struct wire_field f;
    uint8_t *form = NULL;
    for (int pass = 0; pass < 2; pass++) {
        struct wire rest = {bytes, bytes + n};
        *ret_n = 0;
        while (rest.at < rest.end) {
            const uint8_t *begin = rest.at;
            ENSURE(wire_next(&rest, &f)); /* it was sound before */
            if (f.number != number)
                continue;
            begin = has_tags ? begin : f.bytes;
            if (pass == 1)
                memcpy(form + *ret_n, begin, (size_t)(rest.at - begin));
            *ret_n += (size_t)(rest.at - begin);
        }
        if (pass == 0 && !(form = walk_take(w, *ret_n)))
            return NULL;
    }
    return form;
}

bool walk_add_exemplar(struct walk *w, const struct write_exemplar *exemplar)
{
    struct write_exemplar *made = walk_take(w, sizeof(*made));
    if (!made)
        return false;
    *made = *exemplar;
    made->next = NULL;
    *(w->exemplar ? &w->exemplar->next : &w->body->exemplars) = made;
    w->exemplar = made;
    return true;
}

bool walk_read_exemplar(const struct wire_field *field, struct write_exemplar *io)
{
    switch (field->number) {
    case EXEMPLAR_VALUE:
        if (field->type == WIRE_FIXED64)
            io->value = wire_fixed64(field);
        return field->type == WIRE_FIXED64;
    case EXEMPLAR_TIME:
        if (field->type == WIRE_VARINT)
            io->t_ms = (int64_t)wire_varint(field);
        return field->type == WIRE_VARINT;
    default:
        return true;
    }
}

void walk_own_exemplars(struct walk *w, const struct series_part *s, struct append_entry *e)
{
    for (struct write_exemplar *x = s->before ? s->before->next : w->body->exemplars; x;
         x = x->next)
        x->entry = e;
}

bool walk_read_sample(const struct wire_field *field, bool has_start, struct sample *ret)
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
        } else if (f.number == SAMPLE_START && has_start && f.type != WIRE_VARINT) {
            return false;
        }
    }
    return true;
}

enum { LABELS_ROOM = 32 }; /* the shortest array */

static bool make_label_room(struct write_labels *room, size_t n, struct region *r)
{
    struct label *items = region_alloc(r, n * sizeof(*items));
    if (!items)
        return false;
    if (room->n_items > 0)
        memcpy(items, room->items, room->n_items * sizeof(*items));
    *room = (struct write_labels){items, (uint32_t)n};
    return true;
}

bool walk_label_room(struct write_labels *room, size_t n_labels, struct region *r)
{
    if (n_labels <= room->n_items)
        return true;
    size_t n = size_max(n_labels, size_max(2 * (size_t)room->n_items, LABELS_ROOM));
    return make_label_room(room, n, r);
}

bool walk_more_labels(struct write_labels *room, struct region *r)
{
    return make_label_room(room, size_max(2 * (size_t)room->n_items, LABELS_ROOM), r);
}
