/* The writer: a store into files of an io. snapshot_save() is this on a directory.
 *
 * Threads: one at a time; the store may be written to and read meanwhile. */
#ifndef HG_SNAPSHOT_SAVE_H
#define HG_SNAPSHOT_SAVE_H

#include "snapshot/directory.h"
#include "snapshot/pace.h"
#include "snapshot/snapshot.h"

struct save_options {
    int64_t created_ms; /* since the epoch */
    int64_t boot_ms;    /* ms that never jump: how long windows have been silent */
    uint64_t file_id;   /* random bits, of this save alone */
    uint64_t naming;    /* random bits, of this process and store; 0 = none */
    /* What files there are. NULL: snapshot.hg is all that there will be, and holds every window. */
    struct directory *directory;
    struct pace *pace; /* NULL: as fast as the disk is */
};

/* Writes files of the windows that are due (that have gone a whole out-of-order window without a
 * change, and are not the newest), then snapshot.hg of the windows without a good file, then
 * removes the files of windows that are over or were written into the snapshot. Each is written
 * under a temporary name, synced, renamed, and the directory synced. Memory: one span of fixed size
 * in the budget row "snapshot".
 *
 * Errors: ERR_IO (errno), ERR_NO_MEMORY; ret->detail then says which call on which file. On error
 * the temporary file is removed and what was in the directory still holds all that it held: only
 * when nothing but a sync of the directory has failed, the new file, which is whole, is in its
 * place. */
int save_store(struct tsdb *db, struct io *io, const struct save_options *o,
               struct snapshot_report *ret) WARN_UNUSED;

#endif
