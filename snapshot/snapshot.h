/* The whole store in a file, and back. docs/snapshot-format.md specifies every byte.
 *
 * A snapshot is written under a temporary name, synced, renamed over the previous one, and the
 * directory is synced: whatever stops it, the previous one is still good. It is read in pieces
 * through one fixed buffer straight into the store, windows in time order. Each frame of the file
 * has a checksum of its own; damage loses the frames that it touches, is reported, and never stops
 * the start.
 *
 * Threads: one save at a time (the caller's duty); writers and readers of the store go on
 * meanwhile. */
#ifndef HG_SNAPSHOT_SNAPSHOT_H
#define HG_SNAPSHOT_SNAPSHOT_H

#include "tsdb/tsdb.h"

#define SNAPSHOT_NAME      "snapshot.hg"
#define SNAPSHOT_TEMP_NAME "snapshot.hg.tmp"

struct snapshot_report {
    uint64_t series, blocks, tails, samples;
    uint64_t file_bytes;
    uint64_t windows;
    /* load only */
    uint64_t lost_frames; /* damaged or unreadable ones; a file cut short counts as one */
    uint64_t lost_blocks; /* blocks and tails that were not taken: of lost series, at lost times, or
                             not what the store makes */
    uint64_t old_blocks;  /* of windows that are no longer kept */
    char detail[256]; /* what was damaged first and where ("cut short at byte 1234"), or empty; or
                         an error's circumstances */
};

/* Writes dir/SNAPSHOT_NAME. Uses a fixed buffer charged to the budget row "snapshot". Errors:
 * ERR_IO (errno and detail say which call on which file), ERR_NO_MEMORY. On error the previous
 * snapshot is untouched and the temporary file removed. */
int snapshot_save(struct tsdb *db, const char *dir, struct snapshot_report *ret) WARN_UNUSED;

/* Reads dir/SNAPSHOT_NAME into an empty store; a leftover temporary file is removed. Returns 0 also
 * when parts were lost: ret says so. Errors: ERR_NOT_FOUND (no snapshot: a fresh start),
 * ERR_WRONG_WINDOW, ERR_NEWER_FORMAT, ERR_OLDER_FORMAT, ERR_NO_MEMORY, ERR_IO, ERR_CORRUPT (not a
 * snapshot at all: no frame of it can be read). */
int snapshot_load(struct tsdb *db, const char *dir, struct snapshot_report *ret) WARN_UNUSED;

/* Takes the directory for this process: makes it if it is missing, checks that it can be written
 * to, and locks dir/LOCK. *ret_fd is to be closed at exit. Errors: ERR_LOCKED, ERR_IO (errno). */
int snapshot_lock_dir(const char *dir, int *ret_fd) WARN_UNUSED;

#endif
