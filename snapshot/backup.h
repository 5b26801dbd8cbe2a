/* A copy of the directory that stays as it is: hard links to the files, which are never written to
 * again once they have their names; where there are no links, copies.
 *
 *     DIR/snapshots/<name>/snapshot.hg, window-<N>.hg, left-<N>.hg
 *
 * It is made under a name with ".tmp" behind it and renamed when it is whole. hourglass started
 * with
 * --storage.path on it (or on a copy of it) has the data. A load does not look into snapshots/.
 *
 * Threads: one at a time, and no save meanwhile. */
#ifndef HG_SNAPSHOT_BACKUP_H
#define HG_SNAPSHOT_BACKUP_H

#include "snapshot/directory.h"

#include <time.h>

#define BACKUP_DIR "snapshots"

enum {
    BACKUP_NAME_BYTES = 40,
    BACKUP_BUFFER_BYTES = 64 * 1024, /* for copies */
};

/* <UTC time>-<16 hex digits>, as Prometheus names them: 20260102T030405Z-0123456789abcdef. */
void backup_name(time_t now, uint64_t random, char ret[BACKUP_NAME_BYTES]);

/* Links or copies the snapshot, if there is one, and the windows' files. buffer:
 * BACKUP_BUFFER_BYTES. Errors: ERR_IO (errno); detail says which call on which file. */
int backup_files(struct directory *d, struct io *from, struct io *to, uint8_t *buffer, char *detail,
                 size_t detail_bytes) WARN_UNUSED;

/* The same into dir/snapshots/<name>. What an earlier one that was stopped has left is removed. On
 * error nothing stays. */
int backup_make(struct directory *d, const char *dir, const char *name, uint8_t *buffer,
                char *detail, size_t detail_bytes) WARN_UNUSED;

/* Removes what a backup that was stopped has left. */
void backup_clean(const char *dir);

#endif
