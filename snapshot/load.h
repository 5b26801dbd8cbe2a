/* The reader: a file of an io into an empty store. snapshot_load() is this on a directory.
 *
 * Threads: before anything else uses the store. */
#ifndef HG_SNAPSHOT_LOAD_H
#define HG_SNAPSHOT_LOAD_H

#include "snapshot/io.h"
#include "snapshot/snapshot.h"

/* As snapshot_load(). Memory: one span of fixed size and 8 bytes a series, in the budget row
 * "snapshot", returned at the end. After an error that is not ERR_NOT_FOUND the store may hold a
 * part of the file. */
int load_store(struct tsdb *db, struct io *io, struct snapshot_report *ret) WARN_UNUSED;

#endif
