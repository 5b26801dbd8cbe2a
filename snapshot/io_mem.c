/* The back end in memory, for tests and the fuzzer. One lock for all: what it holds up is a copy.
 */
#include "snapshot/io.h"

#include <errno.h>
#include <string.h>

enum { GROW_BYTES = 4096 }; /* the least by which a buffer grows */

static struct io_mem *mem_lock(struct io *io)
{
    struct io_mem *m = (struct io_mem *)io;
    pthread_mutex_lock(&m->lock);
    return m;
}

static int mem_unlock(struct io_mem *m, int r)
{
    pthread_mutex_unlock(&m->lock);
    return r;
}

static struct io_mem_file *file_at(struct io_mem *m, int handle)
{
    assert(handle >= 0 && handle < IO_MEM_FILES);
    return &m->files[handle];
}

/* Its index, or -1 and ENOENT. */
static int file_find(struct io_mem *m, const char *name)
{
    assert(strlen(name) < IO_MEM_NAME_BYTES && name[0] != '\0');
    for (int i = 0; i < IO_MEM_FILES; i++)
        if (!strcmp(m->files[i].name, name))
            return i;
    errno = ENOENT;
    return -1;
}

static void name_set(char at[IO_MEM_NAME_BYTES], const char *name)
{
    memset(at, 0, IO_MEM_NAME_BYTES);
    memcpy(at, name, strlen(name));
}

/* An empty file of that name, or -1 and ENOSPC. One that a power cut would bring back keeps its
 * place. */
static int file_new(struct io_mem *m, const char *name)
{
    for (int i = 0; i < IO_MEM_FILES; i++) {
        struct io_mem_file *f = &m->files[i];
        if (f->name[0] != '\0' || (m->is_forgetful && f->synced_name[0] != '\0'))
            continue;
        name_set(f->name, name);
        f->n = f->synced_n = 0;
        return i;
    }
    errno = ENOSPC;
    return -1;
}

static int file_open(struct io_mem *m, const char *name, bool is_for_writing)
{
    int i = file_find(m, name);
    if (i < 0)
        return is_for_writing ? file_new(m, name) : -1;
    if (is_for_writing)
        m->files[i].n = m->files[i].synced_n = 0;
    return i;
}

static int mem_open(struct io *io, const char *name, bool is_for_writing)
{
    struct io_mem *m = mem_lock(io);
    return mem_unlock(m, file_open(m, name, is_for_writing));
}

static int mem_create(struct io *io, const char *name)
{
    struct io_mem *m = mem_lock(io);
    int i = file_find(m, name);
    if (i >= 0)
        errno = EEXIST;
    return mem_unlock(m, i >= 0 ? -1 : file_new(m, name));
}

static ssize_t mem_read(struct io *io, int handle, void *bytes, size_t n, uint64_t from)
{
    struct io_mem *m = mem_lock(io);
    struct io_mem_file *f = file_at(m, handle);
    n = from < f->n ? size_min(n, f->n - from) : 0;
    if (n > 0)
        memcpy(bytes, f->bytes + from, n);
    mem_unlock(m, 0);
    return (ssize_t)n;
}

/* Room for n bytes more; false and ENOSPC. */
static bool file_make_room(struct io_mem *m, struct io_mem_file *f, size_t n)
{
    if (n <= f->capacity - f->n)
        return true;
    size_t capacity = size_max(f->capacity * 2, f->n + n + GROW_BYTES);
    uint8_t *bytes = m->resize ? m->resize(f->bytes, capacity) : NULL;
    if (!bytes) {
        errno = ENOSPC;
        return false;
    }
    f->bytes = bytes;
    f->capacity = capacity;
    return true;
}

static bool file_add(struct io_mem *m, struct io_mem_file *f, const void *bytes, size_t n)
{
    if (!file_make_room(m, f, n))
        return false;
    if (n > 0)
        memcpy(f->bytes + f->n, bytes, n);
    f->n += n;
    return true;
}

static ssize_t mem_write(struct io *io, int handle, const void *bytes, size_t n)
{
    struct io_mem *m = mem_lock(io);
    bool is_there = file_add(m, file_at(m, handle), bytes, n);
    mem_unlock(m, 0);
    return is_there ? (ssize_t)n : -1;
}

/* As a disk does it: what fits is there, and only when nothing does it is an error. */
static ssize_t mem_write_parts(struct io *io, int handle, const struct iovec *parts, int n)
{
    struct io_mem *m = mem_lock(io);
    ssize_t written = 0;
    int i = 0;
    while (i < n && file_add(m, file_at(m, handle), parts[i].iov_base, parts[i].iov_len))
        written += (ssize_t)parts[i++].iov_len;
    mem_unlock(m, 0);
    return written == 0 && i < n ? -1 : written;
}

static int mem_sync(struct io *io, int handle)
{
    struct io_mem *m = mem_lock(io);
    struct io_mem_file *f = file_at(m, handle);
    f->synced_n = f->n;
    return mem_unlock(m, 0);
}

static int mem_close(struct io *io, int handle)
{
    struct io_mem *m = mem_lock(io);
    (void)file_at(m, handle);
    return mem_unlock(m, 0);
}

static int mem_truncate(struct io *io, int handle, uint64_t n_bytes)
{
    struct io_mem *m = mem_lock(io);
    struct io_mem_file *f = file_at(m, handle);
    f->n = (size_t)(n_bytes < f->n ? n_bytes : f->n);
    f->synced_n = size_min(f->synced_n, f->n);
    return mem_unlock(m, 0);
}

static int64_t mem_size(struct io *io, const char *name)
{
    struct io_mem *m = mem_lock(io);
    int i = file_find(m, name);
    int64_t n = i < 0 ? -1 : (int64_t)m->files[i].n;
    mem_unlock(m, 0);
    return n;
}

static int mem_remove(struct io *io, const char *name)
{
    struct io_mem *m = mem_lock(io);
    int i = file_find(m, name);
    if (i >= 0)
        name_set(m->files[i].name, "");
    return mem_unlock(m, i < 0 ? -1 : 0);
}

static int mem_rename(struct io *io, const char *from, const char *to)
{
    struct io_mem *m = mem_lock(io);
    int i = file_find(m, from);
    if (i >= 0 && strcmp(from, to) != 0) {
        int replaced = file_find(m, to);
        if (replaced >= 0)
            name_set(m->files[replaced].name, "");
        name_set(m->files[i].name, to);
    }
    return mem_unlock(m, i < 0 ? -1 : 0);
}

static int mem_sync_dir(struct io *io)
{
    struct io_mem *m = mem_lock(io);
    for (int i = 0; i < IO_MEM_FILES; i++)
        name_set(m->files[i].synced_name, m->files[i].name);
    return mem_unlock(m, 0);
}

static int mem_list(struct io *io, int (*visit)(void *ctx, const char *name), void *ctx)
{
    int r = 0;
    for (int i = 0; r == 0 && i < IO_MEM_FILES; i++) {
        char name[IO_MEM_NAME_BYTES];
        struct io_mem *m = mem_lock(io);
        memcpy(name, m->files[i].name, sizeof name);
        mem_unlock(m, 0);
        if (name[0] != '\0' && name[0] != '.')
            r = visit(ctx, name);
    }
    return r;
}

/* A copy: nobody writes to a file that has two names. */
static int mem_link(struct io *io, const char *name, struct io *to, const char *to_name)
{
    struct io_mem *m = mem_lock(io);
    int i = file_find(m, name);
    if (i < 0)
        return mem_unlock(m, -1);
    struct io_mem_file from = m->files[i];
    mem_unlock(m, 0);
    int handle = mem_create(to, to_name);
    if (handle < 0 || mem_write(to, handle, from.bytes, from.n) < 0)
        return -1;
    struct io_mem *there = mem_lock(to);
    there->files[handle].synced_n = from.synced_n;
    return mem_unlock(there, 0);
}

static int mem_renew(struct io *io)
{
    (void)io;
    return 0;
}

static const struct io_ops mem_ops = {
    .open = mem_open,
    .read = mem_read,
    .write = mem_write,
    .sync = mem_sync,
    .close = mem_close,
    .rename = mem_rename,
    .remove = mem_remove,
    .sync_dir = mem_sync_dir,
    .create = mem_create,
    .write_parts = mem_write_parts,
    .sync_data = mem_sync,
    .truncate = mem_truncate,
    .size = mem_size,
    .list = mem_list,
    .link = mem_link,
    .renew = mem_renew,
};

void io_mem_init(struct io_mem *m)
{
    m->io = (struct io){.ops = &mem_ops, .place = "memory"};
    pthread_mutex_init(&m->lock, NULL);
}

void io_mem_cut_power(struct io_mem *m)
{
    for (int i = 0; i < IO_MEM_FILES; i++) {
        struct io_mem_file *f = &m->files[i];
        name_set(f->name, f->synced_name);
        f->n = f->synced_n;
    }
}
