/* The payload of a series frame: label sets, each with the number by which window frames name it. A
 * name or value is spelled out where it first occurs in the frame and is a small number from then
 * on, so a frame needs no other to be read.
 *
 * Threads: one at a time; memory is the caller's. */
#ifndef HG_SNAPSHOT_SERIES_FRAME_H
#define HG_SNAPSHOT_SERIES_FRAME_H

#include "snapshot/decoder.h"
#include "snapshot/encoder.h"
#include "snapshot/format.h"
#include "tsdb/restore_labels.h"

/* The writer's symbols: a hash table that finds a string which is already in the payload. */
enum { SYMBOL_SLOTS = 2 * SYMBOLS_MAX };

struct symbol_table {
    uint32_t n;
    struct {
        uint32_t offset; /* of the string's bytes in the payload; 0 = free (none lies at 0) */
        uint16_t len;
        uint16_t number;
    } slots[SYMBOL_SLOTS];
};

struct series_writer {
    struct encoder out;
    struct symbol_table *symbols; /* borrowed */
    bool has_record;
    uint32_t last_number;
};

/* Starts a frame in payload (FRAME_PAYLOAD_MAX bytes). Both pointers are borrowed until the next
 * start. */
void series_writer_init(struct series_writer *w, uint8_t *payload, struct symbol_table *symbols,
                        int64_t window_ms);

/* number must be above the last one's; ls must keep the limits of store_limits.h. */
void series_writer_add(struct series_writer *w, uint32_t number, const struct labels *ls);

/* True when the frame must be written before another series is added. */
bool series_writer_is_full(const struct series_writer *w);

/* The reader's symbols, in the order of their numbers. */
struct symbol {
    const char *bytes; /* in the payload */
    uint32_t len;
};

struct series_reader {
    struct decoder in;
    struct symbol *symbols; /* borrowed: SYMBOLS_MAX of them */
    uint32_t n_symbols;
    bool has_record;
    uint32_t last_number;
    uint32_t n_labels; /* of the last series: */
    struct label labels[LABELS_PER_SERIES_MAX];
    struct label_ref refs[LABELS_PER_SERIES_MAX]; /* which symbols these are */
};

/* payload and symbols are borrowed until the next init. ERR_CORRUPT. */
int series_reader_init(struct series_reader *r, const uint8_t *payload, size_t n,
                       struct symbol *symbols, int64_t *ret_window_ms) WARN_UNUSED;

/* 1 and the next series (labels, not to be changed, and refs of the reader, valid until the next
 * call), 0 at the end,
 * or ERR_CORRUPT. Numbers ascend; that the labels are sorted is not checked here. */
int series_reader_next(struct series_reader *r, uint32_t *ret_number,
                       struct labels *ret) WARN_UNUSED;

#endif
