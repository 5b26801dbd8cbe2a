/* The reader: files of an io into an empty store. snapshot_load() is this on a directory.
 *
 * Threads: before anything else uses the store. Progress may be read by any thread. */
#ifndef HG_SNAPSHOT_LOAD_H
#define HG_SNAPSHOT_LOAD_H

#include "snapshot/directory.h"
#include "snapshot/snapshot.h"

/* Reads what is there, windows in time order, and fills in *d: of each window the copy of the
 * largest generation. What does not fit into the memory that is left, the oldest windows, stays on
 * disk: a window that only the snapshot has gets a file of its own, so that the next snapshot does
 * not lose it. Memory: spans of fixed size (one; others for window files and label sets) and 8
 * bytes a series and file, in the budget row "snapshot", returned at the end.
 *
 * watch: may be NULL. Errors as snapshot_load(); after one that is not ERR_NOT_FOUND the store may
 * hold a part. */
int load_directory(struct tsdb *db, struct io *io, struct directory *d,
                   const struct snapshot_watch *watch, struct snapshot_report *ret) WARN_UNUSED;

/* The same without a directory to go on with, and nobody who watches. */
int load_store(struct tsdb *db, struct io *io, struct snapshot_report *ret) WARN_UNUSED;

#endif
