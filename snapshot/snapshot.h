/* The store in a directory, and back. docs/snapshot-format.md specifies every byte; directory.h
 * says what files there are.
 *
 * A file is written under a temporary name, synced, renamed over the previous one, and the
 * directory is synced: whatever stops it, the previous one is still good. Files are read in pieces
 * through fixed buffers straight into the store, windows in time order. Each frame of a file has a
 * checksum of its own; damage loses the frames that it touches, is reported, and never stops the
 * start.
 *
 * Threads: one load, save or backup at a time (the caller's duty); writers and readers of the store
 * go on during a save. */
#ifndef HG_SNAPSHOT_SNAPSHOT_H
#define HG_SNAPSHOT_SNAPSHOT_H

#include "snapshot/backup.h"
#include "snapshot/directory.h"
#include "snapshot/pace.h"
#include "tsdb/tsdb.h"

#define SNAPSHOT_DAMAGED_SUFFIX ".damaged"

enum { SNAPSHOT_DETAIL_BYTES = 256, LOAD_THREADS_MAX = 4 };

struct snapshot_report {
    uint64_t series, blocks, tails, samples; /* written, or loaded */
    uint64_t file_bytes;
    uint64_t windows;
    uint64_t window_files; /* those among them that were written to, or read from, their own */
    /* load only */
    uint64_t lost_frames; /* damaged or unreadable ones; a file cut short counts as one */
    uint64_t lost_blocks; /* blocks and tails that were not taken: of lost series, at lost times, or
                             not what the store makes */
    uint64_t old_blocks;  /* of windows that are no longer kept */
    uint64_t old_files;   /* the same, and of windows of which there was a newer copy */
    uint64_t damaged_files;             /* of which something was lost */
    uint64_t left_windows;              /* that are on disk and did not fit into memory */
    char detail[SNAPSHOT_DETAIL_BYTES]; /* what was damaged first and where ("cut short at byte
                                           1234"), or empty; or an error's circumstances */
};

/* How far a load has come. */
struct snapshot_progress {
    _Atomic uint64_t bytes, total_bytes;
    _Atomic uint32_t windows, total_windows;
};

/* Who wants to hear of a load. Each may be NULL. */
struct snapshot_watch {
    void *ctx;
    struct snapshot_progress *progress;
    /* To be left free beside the windows: what the journal will take, and what is always to be
     * free. */
    uint64_t reserve_bytes;
    /* That load at the same time: 1 .. LOAD_THREADS_MAX, or 0: as many as there are processors. */
    uint32_t n_threads;
    /* A file of which something was lost: a second name under which it is kept, or "" */
    void (*damaged)(void *ctx, const char *name, const struct snapshot_report *file,
                    const char *kept_as);
    /* A window that does not fit into memory and stays in a file. */
    void (*left)(void *ctx, int64_t start_ms, const char *name);
    /* The newest windows are there and can be read, from that time on (restore_let_read); not
     * called, or once, by any thread. NULL: nobody may read before the end. */
    void (*newest)(void *ctx, int64_t from_ms);
    uint64_t newest_bytes; /* to be left free for them, or nobody may */
};

/* A directory that is in use. */
struct snapshot {
    const char *dir; /* borrowed */
    struct directory directory;
    struct pace pace;
    uint64_t naming; /* head.h; random */
};

void snapshot_init(struct snapshot *s, const char *dir);

/* Reads the directory into an empty store; what saves that were stopped have left is removed.
 * Before the first save. Returns 0 also when parts were lost: ret says so; a file that cannot be
 * read at all is moved aside (SNAPSHOT_DAMAGED_SUFFIX), of one that can be read in part a second
 * name is kept. Errors: ERR_NOT_FOUND (nothing there: a fresh start), ERR_WRONG_WINDOW,
 * ERR_NEWER_FORMAT, ERR_OLDER_FORMAT (nothing was loaded), ERR_NO_MEMORY, ERR_IO. */
int snapshot_load(struct snapshot *s, struct tsdb *db, const struct snapshot_watch *watch,
                  struct snapshot_report *ret) WARN_UNUSED;

/* Writes what has changed (save.h). Uses a fixed buffer charged to the budget row "snapshot".
 * Errors: ERR_IO (errno and detail say which call on which file), ERR_NO_MEMORY. On error what was
 * there is still good, and temporary files are removed. */
int snapshot_save(struct snapshot *s, struct tsdb *db, struct snapshot_report *ret) WARN_UNUSED;

/* Saves, and makes a backup of what the directory holds then (backup.h). ret_name is its name.
 * Errors as those of a save. */
int snapshot_backup(struct snapshot *s, struct tsdb *db, char ret_name[BACKUP_NAME_BYTES],
                    struct snapshot_report *ret) WARN_UNUSED;

/* Lets a save that runs, and later ones, go on without sleeping: the process is about to end. Any
 * thread. */
static inline void snapshot_hurry(struct snapshot *s)
{
    pace_hurry(&s->pace);
}

/* Takes the directory for this process: makes it if it is missing, checks that it can be written
 * to, and locks dir/LOCK. *ret_fd is to be closed at exit. Errors: ERR_LOCKED, ERR_IO (errno). */
int snapshot_lock_dir(const char *dir, int *ret_fd) WARN_UNUSED;

#endif
