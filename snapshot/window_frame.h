/* The payload of a window frame: blocks, as they stand in memory, and tails, as samples, of the
 * series that have some in that window, in the order of their numbers and, within a series, of
 * time.
 *
 * Threads: one at a time; memory is the caller's. */
#ifndef HG_SNAPSHOT_WINDOW_FRAME_H
#define HG_SNAPSHOT_WINDOW_FRAME_H

#include "snapshot/decoder.h"
#include "snapshot/encoder.h"
#include "snapshot/format.h"
#include "tsdb/dump.h"

/* What the times of the next record are told from; see window_frame.c. */
struct window_guess {
    bool has_record;
    uint32_t number;           /* of the series of the last record */
    uint64_t start, last, gap; /* ms; differences are modulo 2^64 */
    uint64_t span;
};

struct window_writer {
    struct encoder out;
    struct window_guess guess;
};

/* Starts a frame in payload (FRAME_PAYLOAD_MAX bytes, borrowed until the next start). */
void window_writer_init(struct window_writer *w, uint8_t *payload, int64_t window_ms,
                        int64_t window);

/* Numbers must not descend. */
void window_writer_block(struct window_writer *w, uint32_t number, const struct dump_block *b);
void window_writer_tail(struct window_writer *w, uint32_t number, const struct sample *samples,
                        size_t n);

/* True when the frame must be written before another record is added. */
bool window_writer_is_full(const struct window_writer *w);

struct window_reader {
    struct decoder in;
    struct window_guess guess;
    int64_t window_ms, window;
};

struct window_record {
    uint32_t number;
    bool is_tail;
    struct dump_block block; /* when it is not; bytes lie in the payload */
    uint32_t n_samples;      /* of the tail */
    struct sample samples[BLOCK_SAMPLES_MAX];
};

/* payload is borrowed until the next init. ERR_CORRUPT. */
int window_reader_init(struct window_reader *r, const uint8_t *payload, size_t n) WARN_UNUSED;

/* 1 and the next record, 0 at the end, or ERR_CORRUPT. Numbers do not descend; what the bytes and
 * the times say is not checked here. */
int window_reader_next(struct window_reader *r, struct window_record *ret) WARN_UNUSED;

#endif
