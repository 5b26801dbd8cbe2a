/* An io that makes trouble on the way to another one: the nth call fails, reads and writes come
 * back short, or are interrupted. */
#ifndef TESTS_UNIT_SNAPSHOT_FAULTY_IO_H
#define TESTS_UNIT_SNAPSHOT_FAULTY_IO_H

#include "snapshot/io.h"

#include <errno.h>
#include <stdatomic.h>

struct faulty_io {
    struct io io;
    struct io *inner;
    long fail_at; /* this call (1 = the first) fails; 0 = none */
    long fail_n;  /* and so many in all; 0 = 1 */
    bool is_dead; /* and all that come after it: the process was killed there */
    int fail_errno;
    atomic_long n_calls; /* so far, of all kinds, from any thread */
    size_t most;         /* bytes that one read or write moves; 0 = all */
    unsigned eintr;      /* each read, write or sync is interrupted this many times first */
    atomic_uint n_eintr;
    const char *failed; /* the call that was made to fail */
};

static inline struct faulty_io *faulty(struct io *io)
{
    return (struct faulty_io *)io;
}

static inline bool faulty_fails(struct io *io, const char *call)
{
    struct faulty_io *f = faulty(io);
    long n = atomic_fetch_add(&f->n_calls, 1) + 1;
    bool is_of_row = n >= f->fail_at && n - f->fail_at < (f->fail_n ? f->fail_n : 1);
    if (f->fail_at == 0 || !(is_of_row || (f->is_dead && n > f->fail_at)))
        return false;
    if (n == f->fail_at)
        f->failed = call;
    errno = f->fail_errno;
    return true;
}

static inline bool faulty_interrupts(struct io *io)
{
    struct faulty_io *f = faulty(io);
    if (atomic_fetch_add(&f->n_eintr, 1) < f->eintr) {
        errno = EINTR;
        return true;
    }
    atomic_store(&f->n_eintr, 0);
    return false;
}

static inline size_t faulty_size(struct io *io, size_t n)
{
    size_t most = faulty(io)->most;
    return most && most < n ? most : n;
}

static inline int faulty_open(struct io *io, const char *name, bool is_for_writing)
{
    struct io *inner = faulty(io)->inner;
    return faulty_fails(io, "open") ? -1 : inner->ops->open(inner, name, is_for_writing);
}

static inline ssize_t faulty_read(struct io *io, int handle, void *bytes, size_t n, uint64_t from)
{
    struct io *inner = faulty(io)->inner;
    if (faulty_interrupts(io) || faulty_fails(io, "read"))
        return -1;
    return inner->ops->read(inner, handle, bytes, faulty_size(io, n), from);
}

static inline ssize_t faulty_write(struct io *io, int handle, const void *bytes, size_t n)
{
    struct io *inner = faulty(io)->inner;
    if (faulty_interrupts(io) || faulty_fails(io, "write"))
        return -1;
    return inner->ops->write(inner, handle, bytes, faulty_size(io, n));
}

static inline int faulty_sync(struct io *io, int handle)
{
    struct io *inner = faulty(io)->inner;
    if (faulty_interrupts(io) || faulty_fails(io, "sync"))
        return -1;
    return inner->ops->sync(inner, handle);
}

/* As on Linux: a close that fails has closed all the same. */
static inline int faulty_close(struct io *io, int handle)
{
    struct io *inner = faulty(io)->inner;
    int r = inner->ops->close(inner, handle);
    return faulty_fails(io, "close") ? -1 : r;
}

static inline int faulty_rename(struct io *io, const char *from, const char *to)
{
    struct io *inner = faulty(io)->inner;
    return faulty_fails(io, "rename") ? -1 : inner->ops->rename(inner, from, to);
}

static inline int faulty_remove(struct io *io, const char *name)
{
    struct io *inner = faulty(io)->inner;
    return faulty_fails(io, "remove") ? -1 : inner->ops->remove(inner, name);
}

static inline int faulty_sync_dir(struct io *io)
{
    struct io *inner = faulty(io)->inner;
    return faulty_fails(io, "sync_dir") ? -1 : inner->ops->sync_dir(inner);
}

static inline int faulty_create(struct io *io, const char *name)
{
    struct io *inner = faulty(io)->inner;
    return faulty_fails(io, "create") ? -1 : inner->ops->create(inner, name);
}

/* When a call is short, it is the first part or a piece of it. */
static inline ssize_t faulty_write_parts(struct io *io, int handle, const struct iovec *parts,
                                         int n)
{
    struct io *inner = faulty(io)->inner;
    if (faulty_interrupts(io) || faulty_fails(io, "write_parts"))
        return -1;
    if (faulty(io)->most == 0)
        return inner->ops->write_parts(inner, handle, parts, n);
    return inner->ops->write(inner, handle, parts->iov_base, faulty_size(io, parts->iov_len));
}

static inline int faulty_sync_data(struct io *io, int handle)
{
    struct io *inner = faulty(io)->inner;
    if (faulty_interrupts(io) || faulty_fails(io, "sync_data"))
        return -1;
    return inner->ops->sync_data(inner, handle);
}

static inline int faulty_truncate(struct io *io, int handle, uint64_t n_bytes)
{
    struct io *inner = faulty(io)->inner;
    return faulty_fails(io, "truncate") ? -1 : inner->ops->truncate(inner, handle, n_bytes);
}

static inline int64_t faulty_file_size(struct io *io, const char *name)
{
    struct io *inner = faulty(io)->inner;
    return faulty_fails(io, "size") ? -1 : inner->ops->size(inner, name);
}

static inline int faulty_list(struct io *io, int (*visit)(void *ctx, const char *name), void *ctx)
{
    struct io *inner = faulty(io)->inner;
    return faulty_fails(io, "list") ? -1 : inner->ops->list(inner, visit, ctx);
}

/* `to` may be one that makes trouble as well, or not. */
static inline int faulty_link(struct io *io, const char *name, struct io *to, const char *to_name)
{
    struct io *inner = faulty(io)->inner;
    struct io *there = to->ops == io->ops ? faulty(to)->inner : to;
    return faulty_fails(io, "link") ? -1 : inner->ops->link(inner, name, there, to_name);
}

static inline int faulty_renew(struct io *io)
{
    struct io *inner = faulty(io)->inner;
    return faulty_fails(io, "renew") ? -1 : inner->ops->renew(inner);
}

static inline void faulty_init(struct faulty_io *f, struct io *inner)
{
    static const struct io_ops ops = {
        .open = faulty_open,
        .read = faulty_read,
        .write = faulty_write,
        .sync = faulty_sync,
        .close = faulty_close,
        .rename = faulty_rename,
        .remove = faulty_remove,
        .sync_dir = faulty_sync_dir,
        .create = faulty_create,
        .write_parts = faulty_write_parts,
        .sync_data = faulty_sync_data,
        .truncate = faulty_truncate,
        .size = faulty_file_size,
        .list = faulty_list,
        .link = faulty_link,
        .renew = faulty_renew,
    };
    *f = (struct faulty_io){
        .io = {.ops = &ops, .place = inner->place}, .inner = inner, .fail_errno = ENOSPC};
}

#endif
