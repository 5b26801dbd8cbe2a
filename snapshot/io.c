#include "snapshot/io.h"

#include <errno.h>
#include <stdatomic.h>

int io_write_all(struct io *io, int handle, const void *bytes, size_t n)
{
    const uint8_t *at = bytes;
    while (n > 0) {
        ssize_t written = io->ops->write(io, handle, at, n);
        if (written < 0 && errno == EINTR)
            continue;
        if (written == 0) /* no file system does; it must not become an endless loop */
            errno = EIO;
        if (written <= 0)
            return ERR_IO;
        assert((size_t)written <= n);
        at += written;
        n -= (size_t)written;
    }
    return 0;
}

/* Takes n bytes from the front of the parts; returns the first one that has something left. */
static struct iovec *parts_skip(struct iovec *parts, const struct iovec *end, size_t n)
{
    while (parts < end && n >= parts->iov_len)
        n -= (parts++)->iov_len;
    if (n > 0) {
        parts->iov_base = (uint8_t *)parts->iov_base + n;
        parts->iov_len -= n;
    }
    return parts;
}

int io_write_parts(struct io *io, int handle, struct iovec *parts, int n, size_t *ret_written)
{
    assert(n <= IO_PARTS_MAX);
    struct iovec *end = parts + n;
    *ret_written = 0;
    for (parts = parts_skip(parts, end, 0); parts < end;) {
        ssize_t written = io->ops->write_parts(io, handle, parts, (int)(end - parts));
        if (written < 0 && errno == EINTR)
            continue;
        if (written == 0)
            errno = EIO;
        if (written <= 0)
            return ERR_IO;
        *ret_written += (size_t)written;
        parts = parts_skip(parts, end, (size_t)written);
    }
    return 0;
}

int io_read_full(struct io *io, int handle, void *bytes, size_t n, uint64_t from, size_t *ret_n)
{
    uint8_t *at = bytes;
    size_t got = 0;
    while (got < n) {
        ssize_t r = io->ops->read(io, handle, at + got, n - got, from + got);
        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return ERR_IO;
        if (r == 0)
            break;
        assert((size_t)r <= n - got);
        got += (size_t)r;
    }
    *ret_n = got;
    return 0;
}

int io_sync(struct io *io, int handle)
{
    int r;
    do
        r = io->ops->sync(io, handle);
    while (r < 0 && errno == EINTR);
    return r < 0 ? ERR_IO : 0;
}

int io_sync_data(struct io *io, int handle)
{
    int r;
    do
        r = io->ops->sync_data(io, handle);
    while (r < 0 && errno == EINTR);
    return r < 0 ? ERR_IO : 0;
}

void io_evict(struct io *io, int handle, uint64_t from, uint64_t to)
{
    if (io->ops->evict)
        io->ops->evict(io, handle, from, to);
}

/* Syncs of directories that have failed. The lock is held across a sync, or one that succeeds
 * behind one that fails could be done with before the failure is counted. */
static atomic_uint n_names_lost;
static pthread_mutex_t names_lock = PTHREAD_MUTEX_INITIALIZER;

unsigned io_names_mark(void)
{
    return atomic_load(&n_names_lost);
}

int io_sync_dir(struct io *io, unsigned mark)
{
    int r;
    pthread_mutex_lock(&names_lock);
    do
        r = io->ops->sync_dir(io);
    while (r < 0 && errno == EINTR);
    if (r < 0)
        atomic_fetch_add(&n_names_lost, 1);
    else if (atomic_load(&n_names_lost) != mark) {
        errno = EIO;
        r = -1;
    }
    pthread_mutex_unlock(&names_lock);
    return r < 0 ? ERR_IO : 0;
}
