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
#include "snapshot/stretch.h"
#include "snapshot/window_frame.h"

/* What decoding needs; of any number of files, one after the other. */
struct load_decoders {
    struct symbol *symbols;         /* SYMBOLS_MAX of them; NULL: no series frame will be met */
    struct restored_labels *labels; /* NULL: of few, or no memory */
    struct series_reader series;
    struct window_reader window;
    struct window_record record;
    struct dump_constants row;
    struct window_record tail; /* of a sheaf */
    struct head head;
};

enum load_choice {
    LOAD_TAKE,
    LOAD_IS_OLD,     /* no longer kept: counted and passed over */
    LOAD_PASS,       /* another file has it, or it stays on disk */
    LOAD_IS_FOREIGN, /* it cannot be there: lost */
};

struct file_load {
    /* set by the caller; borrowed */
    struct tsdb *db;
    struct restore *restore;
    struct io *io;
    const char *name;
    struct load_decoders *decoders;
    uint8_t *buffer; /* FRAME_BUFFER_BYTES, of a stretch its longest frame */
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

/* ---- a file by several threads: each restores stretches of it ---- */

/* What one of them found: report (of this part) and counted. */
struct file_part {
    struct snapshot_report report;
    struct end counted;
    bool has_passed;
};

/* Where the windows are in a file that has been read up to the first of them, or to its end. False:
 * unknown; it is to be read in one go. */
bool file_load_stretches(const struct file_load *l, struct stretches *ret) WARN_UNUSED;

/* Restores one stretch. l: set by the caller as for file_load_open, not opened; whole: the file,
 * open and read up to its windows, which is not changed. buffer_bytes: of l->buffer, enough for
 * `payload_max`. Errors as file_load_until. */
int file_load_stretch(struct file_load *l, const struct file_load *whole, const struct stretch *s,
                      size_t buffer_bytes, struct file_part *ret) WARN_UNUSED;

/* Leaves one out. */
void file_load_pass(struct file_load *l, const struct stretch *s);

/* Goes on behind the stretches, with what was found in them, in their order. */
void file_load_add_part(struct file_load *l, const struct file_part *part);
int file_load_skip(struct file_load *l, const struct stretches *s) WARN_UNUSED;

/* Says of the rest what is to be said, and closes it. */
void file_load_close(struct file_load *l);

#endif
