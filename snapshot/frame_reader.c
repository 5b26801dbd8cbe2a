/* Frames out of a file that may be damaged anywhere.
 *
 * The buffer is a window on the file. At its start a frame is expected: if the header is whole, is
 * of this file and the payload's checksum is right, that is the next frame. If not, the window
 * moves on by one byte, to the next byte that looks like the start of a magic, until a frame
 * begins there or the file ends. A header alone is never trusted to say how far to jump: when its
 * payload is wrong the search goes on right behind the header, so bytes that were lost from the
 * middle of a payload do not take the following frames with them.
 *
 * The search looks into payloads, and a payload holds strings that strangers chose. A label value
 * that contains a whole frame with right checksums must not be taken for one: hence the file id, 64
 * random bits that no stranger has seen, and the numbers, which only go up.
 *
 * The gaps in the numbers say how many frames were lost. */
#include "snapshot/frame.h"

#include <string.h>

/* What the disk cannot read costs this much of what is before it, at most. */
enum { READ_BYTES = 16 * 1024 };

void frame_reader_init(struct frame_reader *r, struct io *io, int handle, uint8_t *buffer)
{
    *r = (struct frame_reader){.kind = &frame_kind_snapshot,
                               .io = io,
                               .handle = handle,
                               .buffer = buffer,
                               .buffer_bytes = FRAME_BUFFER_BYTES,
                               .to = UINT64_MAX};
}

void frame_reader_move(struct frame_reader *r, uint32_t number, uint64_t digest, uint64_t from,
                       uint64_t to)
{
    r->next_number = number;
    r->digest = digest;
    r->start = r->end = 0;
    r->base = from;
    r->to = to;
    r->is_at_eof = false;
}

static size_t buffered(const struct frame_reader *r)
{
    return r->end - r->start;
}

/* Brings at least n bytes into the buffer, or all that the file still has. */
static int fill(struct frame_reader *r, size_t n)
{
    assert(n <= r->buffer_bytes);
    if (buffered(r) >= n || r->is_at_eof)
        return 0;
    memmove(r->buffer, r->buffer + r->start, buffered(r));
    r->base += r->start;
    r->end -= r->start;
    r->start = 0;
    int err = 0;
    while (err == 0 && r->end < r->buffer_bytes && !r->is_at_eof) {
        uint64_t at = r->base + r->end;
        size_t room = size_min(r->buffer_bytes - r->end, READ_BYTES), got = 0;
        if (r->to - at < room)
            room = (size_t)(r->to - at);
        err = io_read_full(r->io, r->handle, r->buffer + r->end, room, at, &got);
        r->end += got;
        r->is_at_eof = err == 0 && (got < room || at + got == r->to);
    }
    return buffered(r) >= n ? 0 : err; /* an error behind what is wanted is met again */
}

static void mark_damage(struct frame_reader *r)
{
    if (!r->is_damaged) {
        r->is_damaged = true;
        r->damaged_at = r->base + r->start;
    }
}

/* To the next byte in the buffer at which a frame could begin. */
static void skip(struct frame_reader *r)
{
    mark_damage(r);
    r->is_searching = true;
    const uint8_t *from = r->buffer + r->start + 1;
    const uint8_t *at = memchr(from, r->kind->magic[0] & 0xff, buffered(r) - 1);
    r->start = at ? (size_t)(at - r->buffer) : r->end;
}

/* 1 and the frame when a whole one lies at the start of the buffer, else 0. */
static int frame_here(struct frame_reader *r, struct frame *ret)
{
    const uint8_t *bytes = r->buffer + r->start;
    struct frame_header h;
    if (buffered(r) < FRAME_HEADER_BYTES) {
        r->is_cut |= !r->is_searching;
        return 0;
    }
    if (!frame_header_decode_as(r->kind, bytes, &h))
        return 0;
    if (r->has_id && (h.file_id != r->file_id || h.number < r->next_number))
        return 0;
    r->version = h.version;
    if (h.version > r->kind->version)
        return ERR_NEWER_FORMAT;
    if (h.version < r->kind->version_min)
        return ERR_OLDER_FORMAT;
    if (FRAME_HEADER_BYTES + h.payload_bytes > r->buffer_bytes)
        return 0;
    int err = fill(r, FRAME_HEADER_BYTES + h.payload_bytes);
    if (err < 0)
        return err;
    if (buffered(r) < FRAME_HEADER_BYTES + h.payload_bytes) {
        r->is_cut = true;
        return 0;
    }
    bytes = r->buffer + r->start;
    const uint8_t *payload = bytes + FRAME_HEADER_BYTES;
    if (frame_payload_checksum(payload, h.payload_bytes) != h.payload_checksum)
        return 0;
    *ret = (struct frame){
        .header = h,
        .payload = payload,
        .offset = r->base + r->start,
        .digest_before = r->digest,
    };
    return 1;
}

int frame_reader_next(struct frame_reader *r, struct frame *ret)
{
    for (;;) {
        int err = fill(r, FRAME_HEADER_BYTES);
        if (err < 0)
            return err;
        if (buffered(r) == 0)
            return 0;
        int found = frame_here(r, ret);
        if (found < 0)
            return found;
        if (found > 0)
            break;
        skip(r);
    }
    const uint8_t *header = r->buffer + r->start;
    r->digest = frame_digest(r->digest, header);
    r->start += FRAME_HEADER_BYTES + ret->header.payload_bytes;
    r->n_lost += ret->header.number - r->next_number;
    r->next_number = ret->header.number + 1;
    r->file_id = ret->header.file_id;
    r->has_id = true;
    r->is_searching = false;
    r->is_cut = false; /* what looked cut was damage: the file goes on */
    return 1;
}
