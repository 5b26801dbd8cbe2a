/* What lies in the directory: the snapshot, and files of windows.
 *
 *     snapshot.hg      the windows that have no good file of their own
 *     window-<N>.hg    window N = floor(start / length), whole, in decimal
 *     left-<N>.hg      what the journal held for window N, which is not in memory (left.h)
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
    bool has_file;      /* of its own, in place: */
    bool is_left;       /* it is not in memory, which was too small; what there is of it stays
                           until its time is over */
    bool has_left;      /* a file left-<N>.hg is there */
    bool is_left_stale; /* .. which belongs to a copy that there was before; the next save removes
                           it */
    uint64_t left_generation; /* of the copy that it belongs to; 0 = there was none */
    uint64_t left_below;      /* what the journal had for it in segments below is in it */
    uint64_t generation;      /* of the file */
    uint64_t file_changes; /* the window's changes (tsdb_window_stats) that are all in the file */
    uint64_t seen_changes; /* at the last save, */
    int64_t seen_boot_ms;  /* and the save at which this number was met first */
};

struct directory {
    uint64_t generation; /* the largest so far */
    bool are_left;       /* there were windows that did not fit when it was loaded: */
    int64_t left_floor;  /* those below */
    uint32_t n;
    struct directory_window windows[DIRECTORY_WINDOWS_MAX]; /* by number, ascending */
};

/* window-<number>.hg, and back; false: not such a name. */
void directory_window_name(int64_t number, char ret[FILE_NAME_BYTES]);
bool directory_window_number(const char *name, int64_t *ret);

/* The same for left-<number>.hg. */
void directory_left_name(int64_t number, char ret[FILE_NAME_BYTES]);
bool directory_left_number(const char *name, int64_t *ret);

/* NULL: not there. */
struct directory_window *directory_find(struct directory *d, int64_t number);

/* The same, made if it is not there. When there is no room, that of the oldest window makes place;
 * NULL when number itself is older. */
struct directory_window *directory_make(struct directory *d, int64_t number);

void directory_drop(struct directory *d, struct directory_window *w);

/* Looks what files there are: notes those of windows (has_file, has_left) in an empty d, and
 * removes what saves that were stopped have left behind. ERR_IO (errno). */
int directory_list(struct directory *d, struct io *io, bool *ret_has_snapshot) WARN_UNUSED;

#endif
