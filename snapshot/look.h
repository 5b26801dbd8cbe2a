/* What a file says of itself, without what is in it: its head; or, where that is damaged, what all
 * its frames say together.
 *
 * Threads: one at a time; memory is the caller's. */
#ifndef HG_SNAPSHOT_LOOK_H
#define HG_SNAPSHOT_LOOK_H

#include "snapshot/head.h"
#include "snapshot/io.h"

struct file_look {
    uint16_t version;
    bool has_head;
    /* Without a head: only window_ms (0 = not even that), kind, and the windows, of which the
     * number is known; the generation if there is an end. */
    struct head head;
    uint64_t file_bytes;
};

/* buffer: FRAME_BUFFER_BYTES. Errors: ERR_NOT_FOUND, ERR_IO (errno), ERR_CORRUPT (no frame can be
 * read, or the disk says EIO), ERR_NEWER_FORMAT, ERR_OLDER_FORMAT (ret->version). */
int file_look(struct io *io, const char *name, uint8_t *buffer, struct file_look *ret) WARN_UNUSED;

#endif
