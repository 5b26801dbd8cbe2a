/* Records into frames for one write: the headers are made here, what a record holds is referred to
 * where it lies. A record of more than FRAME_PAYLOAD_MAX bytes goes over several frames, and may go
 * over several batches.
 *
 * Threads: one at a time. */
#ifndef HG_SNAPSHOT_JOURNAL_BATCH_H
#define HG_SNAPSHOT_JOURNAL_BATCH_H

#include "snapshot/journal.h"

enum { JOURNAL_BATCH_FRAMES = 256 };

struct journal_batch {
    const struct frame_kind *kind; /* of the frames; NULL = the journal's own */
    struct iovec parts[IO_PARTS_MAX];
    int n_parts;
    int n_frames;
    uint64_t bytes;
    uint8_t headers[JOURNAL_BATCH_FRAMES][FRAME_HEADER_BYTES];
};

void journal_batch_clear(struct journal_batch *b);

/* Puts the next frame of a record in, the one that begins with its byte `at`; e->head is made.
 * Returns the bytes of the record that are in it, or 0 when the batch is full: an empty one never
 * is, others are after JOURNAL_WRITE_BYTES. number: of the frame in its file. */
size_t journal_batch_add(struct journal_batch *b, const struct journal_entry *e, uint64_t at,
                         uint64_t file_id, uint32_t number);

/* Puts a frame of n bytes in, which the caller keeps until they are written, into a batch that has
 * room for it. */
void journal_batch_add_frame(struct journal_batch *b, unsigned type, const void *payload, size_t n,
                             uint64_t file_id, uint32_t number);

/* The same for the head of a segment, which the caller keeps until it is written. */
void journal_batch_add_head(struct journal_batch *b, const uint8_t head[JOURNAL_HEAD_BYTES],
                            uint64_t file_id);

#endif
