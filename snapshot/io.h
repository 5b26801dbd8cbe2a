/* Where a snapshot is kept: a handful of file operations behind a table, so that tests and the
 * fuzzer touch no disk and can make any call fail.
 *
 * The calls of the table follow POSIX: -1 and errno on failure, short reads and writes allowed,
 * EINTR allowed. The io_... functions below it deal with both and return 0 or ERR_IO with errno
 * kept; they are the ones to use.
 *
 * Back ends: struct io_file, a directory on disk; struct io_mem, two buffers of the caller's.
 *
 * Threads: one at a time. */
#ifndef HG_SNAPSHOT_IO_H
#define HG_SNAPSHOT_IO_H

#include "alloc/base.h"
#include "tsdb/err.h"

#include <sys/types.h>

struct io;

struct io_ops {
    /* A handle >= 0. For writing: made or emptied. */
    int (*open)(struct io *io, const char *name, bool is_for_writing);
    ssize_t (*read)(struct io *io, int handle, void *bytes, size_t n); /* 0 = end of file */
    ssize_t (*write)(struct io *io, int handle, const void *bytes, size_t n);
    int (*sync)(struct io *io, int handle);
    int (*close)(struct io *io, int handle);
    int (*rename)(struct io *io, const char *from, const char *to); /* replaces `to` */
    int (*remove)(struct io *io, const char *name);
    int (*sync_dir)(struct io *io); /* makes names durable */
};

struct io {
    const struct io_ops *ops;
    const char *place; /* the directory, for messages; borrowed */
};

int io_write_all(struct io *io, int handle, const void *bytes, size_t n) WARN_UNUSED;

/* Reads until n bytes are there or the file ends; *ret_n says how many. */
int io_read_full(struct io *io, int handle, void *bytes, size_t n, size_t *ret_n) WARN_UNUSED;

int io_sync(struct io *io, int handle) WARN_UNUSED;

/* A directory on disk. io_file_open returns ERR_IO (errno) and leaves nothing to close. */
struct io_file {
    struct io io;
    int dir_fd;
};

int io_file_open(struct io_file *f, const char *dir) WARN_UNUSED;
void io_file_close(struct io_file *f);

/* Two named files in buffers that the caller has set: bytes, capacity and, for one that is there
 * from the start, name and n. A full buffer is ENOSPC. A handle is the file's index. */
enum { IO_MEM_FILES = 2, IO_MEM_NAME_BYTES = 32 };

struct io_mem {
    struct io io;
    struct io_mem_file {
        char name[IO_MEM_NAME_BYTES]; /* "" = there is no such file */
        uint8_t *bytes;
        size_t n, capacity;
        size_t at; /* where reading goes on */
    } files[IO_MEM_FILES];
};

/* Sets the table; the files are left as they are. */
void io_mem_init(struct io_mem *m);

#endif
