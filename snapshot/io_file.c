/* The back end on disk: nothing but the system calls, relative to a directory that is opened once,
 * so that a directory which is renamed meanwhile stays the one that was locked. One that was
 * removed is another matter: nothing can be made in it any more, so there is a way to its
 * successor. */
#include "snapshot/io.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    FILE_MODE = 0640,             /* label values may name what is nobody else's business */
    EVICT_PAGE_BYTES = 64 * 1024, /* a multiple of the pages of all systems */
};

static int dir_of(const struct io *io)
{
    return ((const struct io_file *)io)->dir_fd;
}

static int open_with(struct io *io, const char *name, int flags)
{
    int fd;
    do
        fd = openat(dir_of(io), name, flags | O_CLOEXEC | O_NOFOLLOW, FILE_MODE);
    while (fd < 0 && errno == EINTR);
    return fd;
}

static int file_open(struct io *io, const char *name, bool is_for_writing)
{
    return open_with(io, name, is_for_writing ? O_WRONLY | O_CREAT | O_TRUNC : O_RDONLY);
}

static int file_create(struct io *io, const char *name)
{
    return open_with(io, name, O_WRONLY | O_CREAT | O_EXCL);
}

static ssize_t file_read(struct io *io, int handle, void *bytes, size_t n, uint64_t from)
{
    (void)io;
    return pread(handle, bytes, n, (off_t)from);
}

static ssize_t file_write(struct io *io, int handle, const void *bytes, size_t n)
{
    (void)io;
    return write(handle, bytes, n);
}

static ssize_t file_write_parts(struct io *io, int handle, const struct iovec *parts, int n)
{
    (void)io;
    return writev(handle, parts, n);
}

static int file_truncate(struct io *io, int handle, uint64_t n_bytes)
{
    (void)io;
    return ftruncate(handle, (off_t)n_bytes);
}

static int64_t file_size(struct io *io, const char *name)
{
    struct stat st;
    if (fstatat(dir_of(io), name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return -1;
    return st.st_size;
}

static int file_sync_data(struct io *io, int handle)
{
    (void)io;
    return fdatasync(handle);
}

/* The page in which `to` lies stays: who writes on there would have to wait until it is read. */
static void file_evict(struct io *io, int handle, uint64_t from, uint64_t to)
{
    (void)io;
    off_t first = (off_t)(from / EVICT_PAGE_BYTES * EVICT_PAGE_BYTES);
    off_t end = (off_t)(to / EVICT_PAGE_BYTES * EVICT_PAGE_BYTES);
    if (first < end)
        (void)posix_fadvise(handle, first, end - first, POSIX_FADV_DONTNEED);
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

static int visit_all(DIR *dir, int (*visit)(void *ctx, const char *name), void *ctx)
{
    for (;;) {
        errno = 0;
        const struct dirent *e = readdir(dir);
        if (!e)
            return errno == 0 ? 0 : -1;
        int r = e->d_name[0] == '.' ? 0 : visit(ctx, e->d_name);
        if (r != 0)
            return r;
    }
}

static int file_list(struct io *io, int (*visit)(void *ctx, const char *name), void *ctx)
{
    /* a description of its own: the place in the list belongs to it */
    int fd = openat(dir_of(io), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    DIR *dir = fdopendir(fd);
    int r = dir ? visit_all(dir, visit, ctx) : -1;
    int saved = errno;
    (void)(dir ? closedir(dir) : close(fd));
    errno = saved;
    return r;
}

static int file_link(struct io *io, const char *name, struct io *to, const char *to_name)
{
    return linkat(dir_of(io), name, dir_of(to), to_name, 0);
}

static int file_renew(struct io *io)
{
    struct stat st;
    if (fstat(dir_of(io), &st) < 0)
        return -1;
    if (st.st_nlink > 0)
        return 0;
    int fd = open(io->place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    /* the number stays, so that no other thread sees it closed */
    int r = dup3(fd, dir_of(io), O_CLOEXEC);
    int saved = errno;
    (void)close(fd);
    errno = saved;
    return r < 0 ? -1 : 0;
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
    .create = file_create,
    .write_parts = file_write_parts,
    .sync_data = file_sync_data,
    .evict = file_evict,
    .truncate = file_truncate,
    .size = file_size,
    .list = file_list,
    .link = file_link,
    .renew = file_renew,
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
