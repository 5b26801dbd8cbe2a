/* The payload of a window frame: the blocks and tails, as they stand in memory, of the series that
 * have some in that window, in the order of their numbers and, within a series, of time; and before
 * them the times, and the shared values, that they refer to.
 *
 * Threads: one at a time; memory is the caller's. */
#ifndef HG_SNAPSHOT_WINDOW_FRAME_H
#define HG_SNAPSHOT_WINDOW_FRAME_H

#include "snapshot/decoder.h"
#include "snapshot/encoder.h"
#include "snapshot/format.h"
#include "tsdb/dump.h"

/* What the next record is told from; see window_frame.c. */
struct window_guess {
    bool has_record;
    uint32_t number;   /* of the series of the last record */
    uint32_t timeline; /* of the last record that had one */
    uint32_t start;    /* the place at which the last series began */
    uint32_t next;     /* the place behind the last record of the same series */
};

struct window_writer {
    struct encoder out;
    struct window_guess guess;
    bool has_record;
};

/* Starts a frame in payload (FRAME_PAYLOAD_MAX bytes, borrowed until the next start). */
void window_writer_init(struct window_writer *w, uint8_t *payload, int64_t window_ms,
                        int64_t window);

/* Numbers must not descend. */
void window_writer_times(struct window_writer *w, const struct dump_times *times);
void window_writer_shared(struct window_writer *w, const struct dump_shared *shared);
void window_writer_block(struct window_writer *w, uint32_t number, const struct dump_block *b);
void window_writer_sheaf(struct window_writer *w, uint32_t number, const struct dump_sheaf *s);
void window_writer_tail(struct window_writer *w, uint32_t number, const struct dump_tail *t);

/* True when the frame must be written before another record is added. */
bool window_writer_is_full(const struct window_writer *w);

struct window_reader {
    struct decoder in;
    struct window_guess guess;
    int64_t window_ms, window;
    bool may_share, may_bind; /* as the version says: shared values, sheaves */
};

enum window_record_kind {
    RECORD_BLOCK = 0,
    RECORD_TAIL = 1,
    RECORD_TIMES = 2,
    RECORD_SHARED = 3,
    RECORD_SHEAF = 4, /* in the file a kind of block */
};

struct window_record {
    enum window_record_kind kind;
    uint32_t number; /* of the series, if it is a block, a sheaf or a tail */
    bool is_last; /* a block or sheaf; the next record is of another series: not always noticed */
    union {
        struct dump_sheaf sheaf; /* its bytes lie in the payload */
        struct dump_block block; /* its bytes lie in the payload */
        struct dump_tail tail;
        struct dump_times times;
        struct dump_shared shared; /* its bytes as well */
    };
};

/* Whether it is what a series has in the window, and not what that refers to. */
static inline bool window_record_is_of_series(const struct window_record *r)
{
    return r->kind == RECORD_BLOCK || r->kind == RECORD_SHEAF || r->kind == RECORD_TAIL;
}

/* What it adds to the totals of its file. */
struct window_totals {
    uint32_t n_blocks, n_tails;
    uint64_t n_samples;
};
struct window_totals window_record_totals(const struct window_record *r);

/* payload is borrowed until the next init; version: of the frame, one that is read. ERR_CORRUPT. */
int window_reader_init(struct window_reader *r, uint16_t version, const uint8_t *payload,
                       size_t n) WARN_UNUSED;

/* 1 and the next record, 0 at the end, or ERR_CORRUPT. Numbers do not descend; what the bytes and
 * the times say is not checked here. */
int window_reader_next(struct window_reader *r, struct window_record *ret) WARN_UNUSED;

/* Behind a record of a series: takes the next one too when it is a tail of the same series. False,
 * and nothing was read, when it is not, or is not good. */
bool window_reader_tail(struct window_reader *r, struct dump_tail *ret);

/* Takes the next records at once when they are constants that make a row (their series are numbers
 * of the file), each the only one of its series here. Returns how many; 0, and nothing was read,
 * when the next record is something else, or may be. */
uint32_t window_reader_constants(struct window_reader *r, struct dump_constants *ret);

#endif
