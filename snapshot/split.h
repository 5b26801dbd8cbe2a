/* A window of a snapshot into a file of its own, without a store: frame by frame, as they are.
 *
 * Threads: one at a time; memory is the caller's. */
#ifndef HG_SNAPSHOT_SPLIT_H
#define HG_SNAPSHOT_SPLIT_H

#include "snapshot/directory.h"
#include "snapshot/frame.h"
#include "snapshot/head.h"
#include "snapshot/series_frame.h"
#include "snapshot/window_frame.h"

struct split_memory {
    struct symbol symbols[SYMBOLS_MAX];
    struct series_reader series;
    struct window_reader window;
    struct window_record record;
    struct head head;
};

struct split_request {
    struct io *io;
    int64_t window, window_ms;
    uint64_t generation; /* of the snapshot, and so of the file */
    uint64_t index_bytes;
    uint8_t *buffers[2]; /* FRAME_BUFFER_BYTES each */
    struct split_memory *memory;
};

/* Writes window-<N>.hg beside snapshot.hg, synced and in place, with all label sets of the snapshot
 * and what can be read of the window. Errors: ERR_IO (errno); detail says which call on which file,
 * and nothing has changed but that a temporary file may be left when it cannot be removed. */
int split_window(const struct split_request *q, char *detail, size_t detail_bytes) WARN_UNUSED;

#endif
