/* One file on its way into the store: frame by frame, as far as the caller wants to go, so that the
 * windows of two files can be loaded in time order.
 *
 * Nothing in the file is believed. The frame reader vouches for bytes (checksums), the frame
 * decoders for form (sizes within limits and within the payload), the store for meaning (labels in
 * order, times that ascend). What fails one of the three is left out, counted, and the first of it
 * described; the rest is loaded. A frame that is malformed behind a right checksum was made by a
 * faulty or a hostile writer: what came before the fault is kept.
 *
 * Each frame says by itself of which file, version and window length it is. A file with a damaged
 * head loads.
 *
 * Threads: one at a time. */
#ifndef HG_SNAPSHOT_LOAD_FILE_H
#define HG_SNAPSHOT_LOAD_FILE_H

#include "snapshot/frame.h"
#include "snapshot/head.h"
#include "snapshot/number_map.h"
#include "snapshot/series_frame.h"
#include "snapshot/snapshot.h"
#include "snapshot/window_frame.h"

/* What decoding needs; of any number of files, one after the other. */
struct load_decoders {
    struct symbol symbols[SYMBOLS_MAX];
    struct series_reader series;
    struct window_reader window;
    struct window_record record;
    struct head head;
};

enum load_choice {
    LOAD_TAKE,
    LOAD_IS_OLD, /* no longer kept: counted and passed over */
    LOAD_PASS,   /* another file has it, or it stays on disk */
};

struct file_load {
    /* set by the caller; borrowed */
    struct tsdb *db;
    struct restore *restore;
    struct io *io;
    const char *name;
    struct load_decoders *decoders;
    uint8_t *buffer; /* FRAME_BUFFER_BYTES */
    enum load_choice (*choose)(void *ctx, int64_t window);
    void *ctx;
    struct snapshot_progress *progress; /* or NULL */
    struct number_map *same_ids;        /* of a file that names series as this one does; or NULL */

    struct snapshot_report report; /* of this file */
    int handle;
    struct frame_reader frames;
    struct frame frame; /* the next one, */
    bool has_frame;
    int64_t window; /* of which the last window frame was, */
    bool has_window;
    struct number_map ids;
    struct end counted; /* records decoded so far */
    bool has_end;
    bool is_old, has_passed; /* the window that is being read; some were */
    int64_t last_window;     /* records of it were restored */
    bool has_last_window;
};

/* Opens the file and reads its first frame. Errors: ERR_IO; then there is nothing to close. */
int file_load_open(struct file_load *l) WARN_UNUSED;

/* Restores frames up to the first of a window above `last`. Errors, which end a load: ERR_IO,
 * ERR_NO_MEMORY, ERR_WRONG_WINDOW, ERR_NEWER_FORMAT, ERR_OLDER_FORMAT; report.detail says more. */
int file_load_until(struct file_load *l, int64_t last) WARN_UNUSED;

/* Says of the rest what is to be said, and closes it. */
void file_load_close(struct file_load *l);

#endif
