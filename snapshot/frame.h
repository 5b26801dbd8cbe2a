/* A file of ours is a row of frames: a header of FRAME_HEADER_BYTES and a payload. Each has
 * checksums of its own, knows its number and the file that it belongs to, and can be read without
 * those before it, so that damage costs the frames that it touches.
 *
 *      0      4        6     8         12      16       24                 32                40
 *      | magic| version| type| payload | number| file id| payload checksum | header checksum | ...
 *      '--------------------- the header checksum covers these 32 bytes ---'
 *
 * frame_writer puts frames into a file, frame_reader gets them back and skips what is damaged, both
 * through one fixed buffer of FRAME_BUFFER_BYTES that the caller has taken from the budget. The
 * payload of the next frame is made in place in the writer's buffer.
 *
 * Threads: one at a time. */
#ifndef HG_SNAPSHOT_FRAME_H
#define HG_SNAPSHOT_FRAME_H

#include "snapshot/format.h"
#include "snapshot/io.h"

enum { FRAME_BUFFER_BYTES = FRAME_HEADER_BYTES + FRAME_PAYLOAD_MAX };

/* What tells files of one kind from those of another, and how old or new they may be. */
struct frame_kind {
    char magic[FRAME_MAGIC_BYTES];
    uint16_t version;     /* the newest that is read */
    uint16_t version_min; /* the oldest */
};

extern const struct frame_kind frame_kind_snapshot; /* of snapshots and window files */

struct frame_header {
    uint16_t version;
    uint16_t type;
    uint32_t payload_bytes; /* <= FRAME_PAYLOAD_MAX */
    uint32_t number;        /* in the file, from 0 without gaps */
    uint64_t file_id;       /* the same in all frames of a file, unlike any other file's */
    uint64_t payload_checksum;
};

void frame_header_encode(const struct frame_header *h, uint8_t *ret_bytes);

/* False when these FRAME_HEADER_BYTES bytes are no header. One of a version that we do not read is
 * one: its magic, version and header checksum are where ours are; nothing else of it may be
 * trusted. */
bool frame_header_decode(const uint8_t *bytes, struct frame_header *ret);

/* The same for files of another kind. */
void frame_header_encode_as(const struct frame_kind *kind, const struct frame_header *h,
                            uint8_t *ret_bytes);
bool frame_header_decode_as(const struct frame_kind *kind, const uint8_t *bytes,
                            struct frame_header *ret);

uint64_t frame_payload_checksum(const uint8_t *payload, size_t n);

/* Chains the headers of a file, in order, from 0; equal digests mean equal files. */
uint64_t frame_digest(uint64_t digest, const uint8_t *header);

struct frame_writer {
    struct io *io; /* borrowed, as are handle and buffer */
    int handle;
    uint8_t *buffer;
    uint64_t file_id;
    uint32_t number;     /* of the next frame */
    uint64_t file_bytes; /* written so far */
    uint64_t digest;     /* of the frames written so far */
};

/* Where the payload of the next frame is to be put; FRAME_PAYLOAD_MAX bytes. */
static inline uint8_t *frame_writer_payload(const struct frame_writer *w)
{
    return w->buffer + FRAME_HEADER_BYTES;
}

/* Writes a frame of the payload_bytes that lie at frame_writer_payload(). Errors: ERR_IO (errno).
 */
int frame_writer_put(struct frame_writer *w, enum frame_type type,
                     size_t payload_bytes) WARN_UNUSED;

struct frame {
    struct frame_header header;
    const uint8_t *payload; /* header.payload_bytes; valid until the next frame is asked for */
    uint64_t offset;        /* of its header in the file */
    uint64_t digest_before; /* of the frames read before it */
};

struct frame_reader {
    const struct frame_kind *kind;
    struct io *io; /* borrowed, as are handle and buffer */
    int handle;
    uint8_t *buffer;
    size_t buffer_bytes; /* FRAME_BUFFER_BYTES, unless the caller knows that its frames are short */
    size_t start, end;   /* what is in the buffer and not consumed yet */
    uint64_t base;       /* the file's offset of buffer[0] */
    uint64_t to;         /* where reading stops; UINT64_MAX: at the end of the file */
    bool is_at_eof;      /* the file, or what is to be read, ends with what is in the buffer */
    bool has_id;         /* file_id is known: a frame was found */
    uint64_t file_id;
    uint32_t next_number; /* the number that the next frame ought to have */
    uint64_t digest;
    uint64_t n_lost;     /* frames known to be missing between those that were found */
    bool is_damaged;     /* some bytes were skipped: */
    uint64_t damaged_at; /* the first of them */
    bool is_searching;   /* no frame was found where one was expected */
    bool is_cut;         /* the file ends inside a frame */
    uint16_t version;    /* of the frame that was refused for it */
};

/* For a snapshot; who reads files of another kind sets r->kind before the first frame. */
void frame_reader_init(struct frame_reader *r, struct io *io, int handle, uint8_t *buffer);

/* Lets it go on at the frame of that number, which begins at byte `from`, and read up to byte `to`;
 * digest: of all frames before it. */
void frame_reader_move(struct frame_reader *r, uint32_t number, uint64_t digest, uint64_t from,
                       uint64_t to);

/* 1 and the next whole frame, or 0 at the end of the file. Errors: ERR_IO (errno),
 * ERR_NEWER_FORMAT, ERR_OLDER_FORMAT (r->version says which it is). */
int frame_reader_next(struct frame_reader *r, struct frame *ret) WARN_UNUSED;

#endif
