/* The payloads of the first and the last frame of a file. The first says what the file is about and
 * how much memory it will need; a file whose first frame is damaged can be read without it. The
 * last says what went before it: a file without one was cut.
 *
 * Threads: pure functions on the caller's memory. */
#ifndef HG_SNAPSHOT_HEAD_H
#define HG_SNAPSHOT_HEAD_H

#include "snapshot/decoder.h"
#include "snapshot/encoder.h"
#include "snapshot/format.h"
#include "tsdb/err.h"

struct head_window {
    int64_t number;             /* ascending, none twice */
    uint64_t slots[HEAD_POOLS]; /* used ones of each pool (tsdb_pool_bytes), when the file was
                                   begun */
};

struct head {
    int64_t created_ms;  /* since the epoch, by the wall clock */
    int64_t window_ms;   /* > 0 */
    enum file_kind kind; /* of a version below FORMAT_VERSION_WINDOWS a snapshot, */
    uint64_t generation; /* and 0: grows with each file that is written in a directory */
    uint64_t naming; /* random bits: files with the same ones were written by the same process, and
                        name a series by the same number; 0 = by nobody who is known */
    uint64_t index_bytes; /* what the store held beside its windows, whole MiB; 0 = not known */
    uint64_t n_series;    /* about: some may come and go while the file is written */
    int64_t newest_ms;    /* the newest sample's time; 0 when there is none */
    uint64_t n_open;      /* slots for heads and tails, of all windows */
    uint8_t hash_key[SERIES_HASH_KEY_BYTES]; /* tsdb_series_hash, so that the store that is loaded
                                                has tables of the same size */
    bool has_hash_key;  /* read: from FORMAT_VERSION_HASH_KEY on; what is written has one */
    uint32_t n_windows; /* <= HEAD_WINDOWS_MAX */
    struct head_window windows[HEAD_WINDOWS_MAX];
};

struct end {
    uint64_t n_series, n_blocks, n_tails, n_samples; /* records in the file, and samples in them */
    uint64_t generation;                             /* as in the head */
    uint64_t digest;                                 /* frame_digest() of the frames before it */
};

/* At most HEAD_PAYLOAD_MAX bytes. */
void head_encode(const struct head *h, struct encoder *e);

/* version: of the frame. ERR_CORRUPT when the payload is not one that head_encode of that version
 * made. */
int head_decode(uint16_t version, const uint8_t *payload, size_t n, struct head *ret) WARN_UNUSED;

void end_encode(const struct end *end, struct encoder *e);
int end_decode(uint16_t version, const uint8_t *payload, size_t n, struct end *ret) WARN_UNUSED;

#endif
