#include "snapshot/journal_assembly.h"

#include <errno.h>
#include <string.h>

void journal_assembly_init(struct journal_assembly *a, struct arena *arena,
                           uint64_t record_bytes_max)
{
    *a = (struct journal_assembly){
        .arena = arena,
        .owner = budget_owner(arena->budget, "requests"),
        .record_bytes_max = record_bytes_max > 0 ? record_bytes_max : JOURNAL_RECORD_MAX,
    };
}

void journal_assembly_begin(struct journal_assembly *a, uint64_t file_bytes)
{
    a->file_bytes = file_bytes;
    a->is_within = false;
}

void journal_assembly_release(struct journal_assembly *a)
{
    int saved = errno;
    if (a->record_capacity > 0)
        arena_span_put(a->arena, a->owner, a->record, a->record_capacity);
    a->record = NULL;
    a->record_capacity = 0;
    a->is_within = false;
    errno = saved;
}

static int make_room(struct journal_assembly *a, size_t bytes)
{
    if (bytes <= a->record_capacity)
        return 0;
    journal_assembly_release(a);
    a->record = arena_span_get(a->arena, a->owner, bytes);
    if (a->record == NULL)
        return ERR_NO_MEMORY;
    a->record_capacity = bytes;
    return 0;
}

static int lose_frame(struct journal_assembly *a)
{
    a->is_within = false;
    return JOURNAL_ASSEMBLED_LOST_FRAME;
}

static int hand_out(struct journal_assembly *a, const uint8_t *bytes, struct journal_record *ret)
{
    const struct journal_record_head *h = &a->head;
    a->is_within = false;
    *ret = (struct journal_record){
        .sequence = h->sequence,
        .time_ms = h->time_ms,
        .kind = h->kind,
        .meta = bytes + JOURNAL_RECORD_BYTES,
        .meta_bytes = h->meta_bytes,
        .body = bytes + JOURNAL_RECORD_BYTES + h->meta_bytes,
        .body_bytes = (size_t)h->body_bytes,
        .offset = a->offset,
    };
    return JOURNAL_ASSEMBLED_RECORD;
}

/* The first frame of a record, or the only one. */
static int begin(struct journal_assembly *a, const struct frame *f, struct journal_record *ret)
{
    size_t n = f->header.payload_bytes;
    bool is_whole = f->header.type == JOURNAL_FRAME_WHOLE;
    struct journal_record_head h;
    if (journal_record_decode(f->payload, n, &h) < 0 ||
        (is_whole ? journal_record_size(&h) != n : journal_record_size(&h) <= n))
        return lose_frame(a);
    a->is_within = false;
    a->head = h;
    a->offset = f->offset;
    if (journal_record_size(&h) > a->record_bytes_max)
        return JOURNAL_ASSEMBLED_TOO_LONG;
    if (is_whole)
        return hand_out(a, f->payload, ret);
    if (f->offset > a->file_bytes || journal_record_size(&h) > a->file_bytes - f->offset)
        return JOURNAL_ASSEMBLED_MORE;
    int err = make_room(a, (size_t)journal_record_size(&h));
    if (err < 0)
        return err;
    memcpy(a->record, f->payload, n);
    a->is_within = true;
    a->n_bytes = n;
    a->next_frame = f->header.number + 1;
    return JOURNAL_ASSEMBLED_MORE;
}

static int go_on(struct journal_assembly *a, const struct frame *f, struct journal_record *ret)
{
    size_t n = f->header.payload_bytes;
    if (!a->is_within || f->header.number != a->next_frame) {
        a->is_within = false; /* what is missing is counted by the numbers of frames */
        return JOURNAL_ASSEMBLED_MORE;
    }
    uint64_t rest = journal_record_size(&a->head) - a->n_bytes;
    bool is_last = f->header.type == JOURNAL_FRAME_LAST;
    if (n > rest || is_last != (n == rest))
        return lose_frame(a);
    memcpy(a->record + a->n_bytes, f->payload, n);
    a->n_bytes += n;
    a->next_frame++;
    return is_last ? hand_out(a, a->record, ret) : JOURNAL_ASSEMBLED_MORE;
}

int journal_assembly_take(struct journal_assembly *a, const struct frame *f,
                          struct journal_record *ret)
{
    switch (f->header.type) {
    case JOURNAL_FRAME_WHOLE:
    case JOURNAL_FRAME_FIRST:
        return begin(a, f, ret);
    case JOURNAL_FRAME_MIDDLE:
    case JOURNAL_FRAME_LAST:
        return go_on(a, f, ret);
    default:
        return lose_frame(a);
    }
}
