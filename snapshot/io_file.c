/* The back end on disk: nothing but the system calls, relative to a directory that is opened once,
 * so that a directory which is renamed meanwhile stays the one that was locked. */
#include "snapshot/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

enum { FILE_MODE = 0640 }; /* label values may name what is nobody else's business */

static int dir_of(const struct io *io)
{
    return ((const struct io_file *)io)->dir_fd;
}

static int file_open(struct io *io, const char *name, bool is_for_writing)
{
    int flags = is_for_writing ? O_WRONLY | O_CREAT | O_TRUNC : O_RDONLY;
    int fd;
    do
        fd = openat(dir_of(io), name, flags | O_CLOEXEC | O_NOFOLLOW, FILE_MODE);
    while (fd < 0 && errno == EINTR);
    return fd;
}

static ssize_t file_read(struct io *io, int handle, void *bytes, size_t n)
{
    (void)io;
    return read(handle, bytes, n);
}

static ssize_t file_write(struct io *io, int handle, const void *bytes, size_t n)
{
    (void)io;
    return write(handle, bytes, n);
}

static int file_sync(struct io *io, int handle)
{
    (void)io;
    return fsync(handle);
}

static int file_close(struct io *io, int handle)
{
    (void)io;
    /* after EINTR Linux has closed it all the same */
    return close(handle) < 0 && errno != EINTR ? -1 : 0;
}

static int file_rename(struct io *io, const char *from, const char *to)
{
    return renameat(dir_of(io), from, dir_of(io), to);
}

static int file_remove(struct io *io, const char *name)
{
    return unlinkat(dir_of(io), name, 0);
}

static int file_sync_dir(struct io *io)
{
    return fsync(dir_of(io));
}

static const struct io_ops file_ops = {
    .open = file_open,
    .read = file_read,
    .write = file_write,
    .sync = file_sync,
    .close = file_close,
    .rename = file_rename,
    .remove = file_remove,
    .sync_dir = file_sync_dir,
};

int io_file_open(struct io_file *f, const char *dir)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return ERR_IO;
    *f = (struct io_file){.io = {.ops = &file_ops, .place = dir}, .dir_fd = fd};
    return 0;
}

void io_file_close(struct io_file *f)
{
    (void)close(f->dir_fd);
    f->dir_fd = -1;
}
