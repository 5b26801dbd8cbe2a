/* The writer: a store into a file of an io. snapshot_save() is this on a directory.
 *
 * Threads: one at a time; the store may be written to and read meanwhile. */
#ifndef HG_SNAPSHOT_SAVE_H
#define HG_SNAPSHOT_SAVE_H

#include "snapshot/io.h"
#include "snapshot/snapshot.h"

struct save_options {
    int64_t created_ms; /* since the epoch */
    uint64_t file_id;   /* random bits, of this file alone */
};

/* Writes SNAPSHOT_TEMP_NAME, syncs it, renames it to SNAPSHOT_NAME and syncs the directory. Memory:
 * one span of fixed size in the budget row "snapshot". Errors: ERR_IO (errno), ERR_NO_MEMORY;
 * ret->detail then says which call on which file. On error the temporary file is removed and the
 * previous snapshot is as it was; only when nothing but the last step, the sync of the directory,
 * has failed, the new one, which is whole, is in its place. */
int save_store(struct tsdb *db, struct io *io, const struct save_options *o,
               struct snapshot_report *ret) WARN_UNUSED;

#endif
