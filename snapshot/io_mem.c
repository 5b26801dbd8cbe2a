/* The back end in memory, for tests and the fuzzer. */
#include "snapshot/io.h"

#include <errno.h>
#include <string.h>

static struct io_mem_file *file_at(struct io *io, int handle)
{
    assert(handle >= 0 && handle < IO_MEM_FILES);
    return &((struct io_mem *)io)->files[handle];
}

/* Its index, or -1 and ENOENT; name "" finds a free one. */
static int file_find(struct io *io, const char *name)
{
    assert(strlen(name) < IO_MEM_NAME_BYTES);
    for (int i = 0; i < IO_MEM_FILES; i++)
        if (!strcmp(file_at(io, i)->name, name))
            return i;
    errno = ENOENT;
    return -1;
}

static void file_set_name(struct io_mem_file *f, const char *name)
{
    memset(f->name, 0, sizeof f->name);
    memcpy(f->name, name, strlen(name));
}

static int mem_open(struct io *io, const char *name, bool is_for_writing)
{
    int i = file_find(io, name);
    if (i < 0 && is_for_writing) {
        i = file_find(io, "");
        if (i < 0)
            errno = ENOSPC;
    }
    if (i < 0)
        return -1;
    struct io_mem_file *f = file_at(io, i);
    f->at = 0;
    if (is_for_writing) {
        file_set_name(f, name);
        f->n = 0;
    }
    return i;
}

static ssize_t mem_read(struct io *io, int handle, void *bytes, size_t n)
{
    struct io_mem_file *f = file_at(io, handle);
    n = size_min(n, f->n - f->at);
    if (n > 0)
        memcpy(bytes, f->bytes + f->at, n);
    f->at += n;
    return (ssize_t)n;
}

static ssize_t mem_write(struct io *io, int handle, const void *bytes, size_t n)
{
    struct io_mem_file *f = file_at(io, handle);
    if (n > f->capacity - f->n) {
        errno = ENOSPC;
        return -1;
    }
    memcpy(f->bytes + f->n, bytes, n);
    f->n += n;
    return (ssize_t)n;
}

static int mem_nothing(struct io *io, int handle)
{
    (void)file_at(io, handle);
    return 0;
}

static int mem_remove(struct io *io, const char *name)
{
    int i = file_find(io, name);
    if (i < 0)
        return -1;
    file_set_name(file_at(io, i), "");
    return 0;
}

static int mem_rename(struct io *io, const char *from, const char *to)
{
    int i = file_find(io, from);
    if (i < 0)
        return -1;
    (void)mem_remove(io, to);
    file_set_name(file_at(io, i), to);
    return 0;
}

static int mem_sync_dir(struct io *io)
{
    (void)io;
    return 0;
}

static const struct io_ops mem_ops = {
    .open = mem_open,
    .read = mem_read,
    .write = mem_write,
    .sync = mem_nothing,
    .close = mem_nothing,
    .rename = mem_rename,
    .remove = mem_remove,
    .sync_dir = mem_sync_dir,
};

void io_mem_init(struct io_mem *m)
{
    m->io = (struct io){.ops = &mem_ops, .place = "memory"};
}
