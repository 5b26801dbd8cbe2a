/* What lies in the directory: the snapshot, and files of windows.
 *
 *     snapshot.hg      the windows that have no good file of their own
 *     window-<N>.hg    window N = floor(start / length), whole, in decimal
 *     *.tmp            of a save that runs, or was stopped: nobody reads it
 *
 * Each file has a generation, a number that grows by one with each file that is written as long as
 * the directory lives. Of a window that is in two files, the copy of the larger generation counts
 * and the other is passed over. So there is no list of files that would have to be changed together
 * with them: whatever stops a save between two renames, what lies there is consistent.
 *
 * struct directory is what a process knows of it: filled in by the load, kept by the saves.
 *
 * Threads: one at a time. */
#ifndef HG_SNAPSHOT_DIRECTORY_H
#define HG_SNAPSHOT_DIRECTORY_H

#include "snapshot/format.h"
#include "snapshot/io.h"

#define SNAPSHOT_NAME "snapshot.hg"
#define TEMP_SUFFIX   ".tmp"

enum {
    /* Windows of the store, and files of windows that it does not keep. When there are more, those
     * of the oldest windows are not looked at. */
    DIRECTORY_WINDOWS_MAX = 4 * HEAD_WINDOWS_MAX,
    FILE_NAME_BYTES = 40, /* room for the longest name, and for TEMP_SUFFIX behind it */
};

struct directory_window {
    int64_t number;
    bool has_file;         /* of its own, in place: */
    bool is_left;          /* and not in memory, for which it was too large; it stays until its time
                              is over */
    uint64_t generation;   /* of the file */
    uint64_t file_changes; /* the window's changes (tsdb_window_stats) that are all in the file */
    uint64_t seen_changes; /* at the last save, */
    int64_t seen_boot_ms;  /* and the save at which this number was met first */
};

struct directory {
    uint64_t generation; /* the largest so far */
    uint32_t n;
    struct directory_window windows[DIRECTORY_WINDOWS_MAX]; /* by number, ascending */
};

/* window-<number>.hg, and back; false: not such a name. */
void directory_window_name(int64_t number, char ret[FILE_NAME_BYTES]);
bool directory_window_number(const char *name, int64_t *ret);

/* NULL: not there. */
struct directory_window *directory_find(struct directory *d, int64_t number);

/* The same, made if it is not there. When there is no room, that of the oldest window makes place;
 * NULL when number itself is older. */
struct directory_window *directory_make(struct directory *d, int64_t number);

void directory_drop(struct directory *d, struct directory_window *w);

/* Looks what files there are: notes those of windows in an empty d, and removes what saves that
 * were stopped have left behind. ERR_IO (errno). */
int directory_list(struct directory *d, struct io *io, bool *ret_has_snapshot) WARN_UNUSED;

#endif
