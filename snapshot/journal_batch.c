#include "snapshot/journal_batch.h"

#include "snapshot/checksum.h"

enum { RECORD_PARTS_MAX = JOURNAL_PARTS_MAX + 2 };

void journal_batch_clear(struct journal_batch *b)
{
    b->n_parts = b->n_frames = 0;
    b->bytes = 0;
}

/* The next `left` bytes of a record, as far as they lie in this part of it; *skip bytes are still
 * in front of them. */
static void add_part(struct journal_batch *b, const void *bytes, size_t n, uint64_t *skip,
                     size_t *left)
{
    if (*skip >= n) {
        *skip -= n;
        return;
    }
    size_t from = (size_t)*skip, take = size_min(n - from, *left);
    *skip = 0;
    *left -= take;
    if (take > 0)
        b->parts[b->n_parts++] =
            (struct iovec){.iov_base = (uint8_t *)bytes + from, .iov_len = take};
}

static void add_payload(struct journal_batch *b, const struct journal_entry *e, uint64_t at,
                        size_t n)
{
    uint64_t skip = at;
    add_part(b, e->head, JOURNAL_RECORD_BYTES, &skip, &n);
    add_part(b, e->meta, e->meta_bytes, &skip, &n);
    for (int i = 0; i < e->n_parts && n > 0; i++)
        add_part(b, e->parts[i].iov_base, e->parts[i].iov_len, &skip, &n);
    assert(n == 0);
}

/* The header of the payload that the parts from first_part on are; its place was kept before them.
 */
static void add_header(struct journal_batch *b, int first_part, size_t n, unsigned type,
                       uint64_t file_id, uint32_t number)
{
    const struct frame_kind *kind = b->kind != NULL ? b->kind : &frame_kind_journal;
    struct frame_header h = {
        .version = kind->version,
        .type = (uint16_t)type,
        .payload_bytes = (uint32_t)n,
        .number = number,
        .file_id = file_id,
        .payload_checksum = checksum64_parts(b->parts + first_part, b->n_parts - first_part),
    };
    uint8_t *bytes = b->headers[b->n_frames++];
    frame_header_encode_as(kind, &h, bytes);
    b->parts[first_part - 1] = (struct iovec){.iov_base = bytes, .iov_len = FRAME_HEADER_BYTES};
    b->bytes += FRAME_HEADER_BYTES + n;
}

size_t journal_batch_add(struct journal_batch *b, const struct journal_entry *e, uint64_t at,
                         uint64_t file_id, uint32_t number)
{
    assert(at < e->bytes);
    uint64_t left = e->bytes - at;
    size_t n = left < FRAME_PAYLOAD_MAX ? (size_t)left : FRAME_PAYLOAD_MAX;
    bool is_full = b->bytes + FRAME_HEADER_BYTES + n > JOURNAL_WRITE_BYTES;
    if ((is_full && b->n_frames > 0) || b->n_frames == JOURNAL_BATCH_FRAMES ||
        b->n_parts + 1 + RECORD_PARTS_MAX > IO_PARTS_MAX)
        return 0;
    bool is_first = at == 0, is_last = n == left;
    enum journal_frame type = is_first  ? is_last ? JOURNAL_FRAME_WHOLE : JOURNAL_FRAME_FIRST
                              : is_last ? JOURNAL_FRAME_LAST
                                        : JOURNAL_FRAME_MIDDLE;
    int first_part = ++b->n_parts;
    add_payload(b, e, at, n);
    add_header(b, first_part, n, type, file_id, number);
    return n;
}

void journal_batch_add_frame(struct journal_batch *b, unsigned type, const void *payload, size_t n,
                             uint64_t file_id, uint32_t number)
{
    int first_part = ++b->n_parts;
    b->parts[b->n_parts++] =
        (struct iovec){.iov_base = (uint8_t *)(uintptr_t)payload, .iov_len = n};
    add_header(b, first_part, n, type, file_id, number);
}

void journal_batch_add_head(struct journal_batch *b, const uint8_t head[JOURNAL_HEAD_BYTES],
                            uint64_t file_id)
{
    journal_batch_add_frame(b, JOURNAL_FRAME_HEAD, head, JOURNAL_HEAD_BYTES, file_id, 0);
}
