/*
 * What the library unsynced.so writes down about a directory, and what it obeys. The library is
 * loaded with a program (LD_PRELOAD) and knows of it
 *   UNSYNCED_DIR      the directory that is watched, with all below it; exists
 *   UNSYNCED_SIDE     a directory on the same file system, for the log and a link to every file:
 *                     what was not synced can be taken back with them (cut.h)
 *   UNSYNCED_CONTROL  a file of sizeof(struct unsynced_control) bytes: faults, at run time
 * Each of the last two may be missing.
 *
 * The log: records in the order of what was done, each followed by its bytes: name, other name, and
 * the bytes that a write overwrote or a truncation cut off. Files and directories are named by
 * their inode number; the side directory's link SIDE/<inode in decimal> keeps a number from being
 * given to another file.
 */
#ifndef TESTS_CRASH_UNSYNCED_H
#define TESTS_CRASH_UNSYNCED_H

#include <stdint.h>

#define UNSYNCED_LOG_NAME "log"

enum unsynced_kind {
    UNSYNCED_BASE,   /* was there at the start: inode as `name` in dir; offset: 1 = a directory */
    UNSYNCED_BEGIN,  /* that is all that was there; the program begins */
    UNSYNCED_ENTER,  /* name in dir is the inode now: made or linked; offset as above */
    UNSYNCED_REMOVE, /* name in dir is gone */
    UNSYNCED_RENAME, /* name in dir became the other name in other_dir */
    UNSYNCED_WRITE,  /* length bytes from offset; old bytes from offset. Noted before it is done */
    UNSYNCED_TRUNCATE,    /* to offset bytes; old bytes from there. Noted before it is done */
    UNSYNCED_SYNC,        /* inode: what was noted up to `until` is on disk. Noted afterwards */
    UNSYNCED_SYNC_FAILED, /* the same, and it is lost: a later sync says nothing about it */
};

struct unsynced_record {
    uint64_t sequence; /* from 1 */
    uint64_t inode, dir, other_dir;
    uint64_t offset, length, old_size, until;
    uint32_t kind;
    uint32_t n_name, n_other, n_old;
    uint64_t n_bytes; /* of all that follows, a multiple of 8: zeros fill it up */
};

/* Kinds of calls that can be made to fail, as bits. Only calls on the watched directory count. */
enum unsynced_call {
    UNSYNCED_CALL_OPEN = 1, /* to write or to make */
    UNSYNCED_CALL_WRITE = 2,
    UNSYNCED_CALL_SYNC = 4,
    UNSYNCED_CALL_RENAME = 8,
    UNSYNCED_CALL_TRUNCATE = 16,
    UNSYNCED_CALL_LINK = 32,
    UNSYNCED_CALL_REMOVE = 64,
    UNSYNCED_CALL_MAKE_DIR = 128,
};

/* Mapped by both sides; each number is read and written whole. tests/crash/disk.py has it too. */
struct unsynced_control {
    uint64_t calls;             /* bits of what is counted, and fails */
    uint64_t first, last;       /* the calls that fail, from 1; none when first is 0 */
    uint64_t error;             /* errno */
    uint64_t is_short;          /* a write that fails writes half before */
    uint64_t delay_us;          /* before each call that is counted */
    uint64_t n_calls, n_failed; /* written by the library */
};

#endif
