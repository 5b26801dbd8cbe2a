/* Where snapshots and the journal are kept: a handful of file operations behind a table, so that
 * tests and the fuzzer touch no disk and can make any call fail.
 *
 * The calls of the table follow POSIX: -1 and errno on failure, short reads and writes allowed,
 * EINTR allowed. The io_... functions below it deal with both and return 0 or ERR_IO with errno
 * kept; they are the ones to use.
 *
 * Back ends: struct io_file, a directory on disk; struct io_mem, files in buffers.
 *
 * Threads: any, but a handle is one thread's at a time, unless it says otherwise below. */
#ifndef HG_SNAPSHOT_IO_H
#define HG_SNAPSHOT_IO_H

#include "alloc/base.h"
#include "tsdb/err.h"

#include <pthread.h>
#include <sys/types.h>
#include <sys/uio.h>

struct io;

struct io_ops {
    /* A handle >= 0. For writing: made or emptied. */
    int (*open)(struct io *io, const char *name, bool is_for_writing);
    /* From a place on; a handle has none of its own, so several threads may read by one. 0 = end of
     * file. */
    ssize_t (*read)(struct io *io, int handle, void *bytes, size_t n, uint64_t from);
    ssize_t (*write)(struct io *io, int handle, const void *bytes, size_t n);
    int (*sync)(struct io *io, int handle);
    int (*close)(struct io *io, int handle);
    int (*rename)(struct io *io, const char *from, const char *to); /* replaces `to` */
    int (*remove)(struct io *io, const char *name);
    int (*sync_dir)(struct io *io); /* makes names durable; called by io_sync_dir alone */

    int (*create)(struct io *io, const char *name); /* a handle for writing; EEXIST */
    ssize_t (*write_parts)(struct io *io, int handle, const struct iovec *parts, int n);
    /* The bytes and the length, not the times of a file. While another thread writes to it: what
     * was written before the call is durable when it returns 0. */
    int (*sync_data)(struct io *io, int handle);
    /* A hint; NULL = there is nothing to be said. The whole pages between two places, which are
     * durable, are not read in a hurry: memory that the system keeps of them may go. */
    void (*evict)(struct io *io, int handle, uint64_t from, uint64_t to);
    int (*truncate)(struct io *io, int handle, uint64_t n_bytes);
    int64_t (*size)(struct io *io, const char *name); /* bytes of a file by name */
    /* Calls visit with each name but those that begin with a dot, in no order; one that returns
     * something else than 0 ends the list, and list returns it. visit may remove what it sees. */
    int (*list)(struct io *io, int (*visit)(void *ctx, const char *name), void *ctx);
    /* A second name for a file in another directory of the same back end and disk. EEXIST, EXDEV,
     * EPERM where the file system has no links. */
    int (*link)(struct io *io, const char *name, struct io *to, const char *to_name);
    /* Where the directory was removed and there is one in its place: that one from now on. No
     * handle that is open is touched. */
    int (*renew)(struct io *io);
};

struct io {
    const struct io_ops *ops;
    const char *place; /* the directory, for messages; borrowed */
};

int io_write_all(struct io *io, int handle, const void *bytes, size_t n) WARN_UNUSED;

/* Writes all parts, and changes them on the way; *ret_written says how many bytes there are in the
 * file for certain, also on failure. At most IO_PARTS_MAX parts. */
enum { IO_PARTS_MAX = 1024 }; /* Linux' IOV_MAX */
int io_write_parts(struct io *io, int handle, struct iovec *parts, int n,
                   size_t *ret_written) WARN_UNUSED;

/* Reads from byte `from` on until n bytes are there or the file ends; *ret_n says how many. */
int io_read_full(struct io *io, int handle, void *bytes, size_t n, uint64_t from,
                 size_t *ret_n) WARN_UNUSED;

int io_sync(struct io *io, int handle) WARN_UNUSED;
int io_sync_data(struct io *io, int handle) WARN_UNUSED;
void io_evict(struct io *io, int handle, uint64_t from, uint64_t to);

/* Makes names durable that were made, changed or removed since the mark was taken. A sync of a
 * directory that fails may have lost them, whoever asked for it: the system says so once, and a
 * later sync that succeeds says nothing of them. So a mark is taken before a name is made, and the
 * sync fails with EIO when one has failed since, of any directory of this process; one at a time.
 */
unsigned io_names_mark(void);
int io_sync_dir(struct io *io, unsigned mark) WARN_UNUSED;

/* A directory on disk. */
struct io_file {
    struct io io;
    int dir_fd;
};

/* dir is borrowed for f's life. Errors: ERR_IO (errno); there is nothing to close then. */
int io_file_open(struct io_file *f, const char *dir) WARN_UNUSED;
void io_file_close(struct io_file *f);

/* Named files in buffers. A file has the buffer that the caller has set, bytes and capacity (and,
 * when it is there from the start, name and n), or one from `resize`, if there is one, which is
 * realloc: then files grow. A full buffer is ENOSPC, as is one file too many. A handle is the
 * file's index.
 *
 * Where is_forgetful, a power cut can be played: only what was synced, under names that were
 * synced, is there afterwards.
 *
 * Threads: any. */
enum { IO_MEM_FILES = 64, IO_MEM_NAME_BYTES = 40 };

struct io_mem {
    struct io io;
    struct io_mem_file {
        char name[IO_MEM_NAME_BYTES]; /* "" = there is no such file */
        uint8_t *bytes;
        size_t n, capacity;
        size_t synced_n;                     /* bytes that outlive a power cut */
        char synced_name[IO_MEM_NAME_BYTES]; /* under this name */
    } files[IO_MEM_FILES];
    void *(*resize)(void *bytes, size_t n); /* NULL = buffers stay as they are */
    bool is_forgetful;
    pthread_mutex_t lock;
};

/* Sets the table and makes the lock; the files are left as they are. */
void io_mem_init(struct io_mem *m);

/* Forgets what was not synced. Nobody may be using the files. */
void io_mem_cut_power(struct io_mem *m);

#endif
