#include "snapshot/backup.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BACKUP_DIR_MODE = 0750, BACKUP_PATH_BYTES = 4096 };

struct backup {
    struct io *from, *to;
    uint8_t *buffer;
    char *detail;
    size_t detail_bytes;
};

static int failed(const struct backup *b, const char *call, const char *place, const char *name)
{
    int saved = errno;
    snprintf(b->detail, b->detail_bytes, "%s %s/%s: %s", call, place, name, strerror(saved));
    errno = saved;
    return ERR_IO;
}

void backup_name(time_t now, uint64_t random, char ret[BACKUP_NAME_BYTES])
{
    struct tm tm;
    gmtime_r(&now, &tm);
    size_t n = strftime(ret, BACKUP_NAME_BYTES, "%Y%m%dT%H%M%SZ", &tm);
    snprintf(ret + n, BACKUP_NAME_BYTES - n, "-%016" PRIx64, random);
}

/* ---- a file ---- */

static int copy_bytes(const struct backup *b, int in, int out, const char *name)
{
    size_t n;
    uint64_t at = 0;
    do {
        if (io_read_full(b->from, in, b->buffer, BACKUP_BUFFER_BYTES, at, &n) < 0)
            return failed(b, "read", b->from->place, name);
        if (n > 0 && io_write_all(b->to, out, b->buffer, n) < 0)
            return failed(b, "write", b->to->place, name);
        at += n;
    } while (n == BACKUP_BUFFER_BYTES);
    return io_sync(b->to, out) < 0 ? failed(b, "sync", b->to->place, name) : 0;
}

static int copy_into(const struct backup *b, int in, const char *name)
{
    int out = b->to->ops->open(b->to, name, true);
    if (out < 0)
        return failed(b, "create", b->to->place, name);
    int err = copy_bytes(b, in, out, name);
    int saved = errno;
    if (b->to->ops->close(b->to, out) < 0 && err == 0)
        return failed(b, "close", b->to->place, name);
    errno = saved;
    return err;
}

static int copy_file(const struct backup *b, const char *name)
{
    int in = b->from->ops->open(b->from, name, false);
    if (in < 0)
        return failed(b, "open", b->from->place, name);
    int err = copy_into(b, in, name);
    int saved = errno;
    (void)b->from->ops->close(b->from, in);
    errno = saved;
    return err;
}

/* Another disk, a file system without links, or too many of them. */
static bool wants_copy(int error)
{
    return error == EXDEV || error == EPERM || error == EMLINK || error == EOPNOTSUPP ||
           error == ENOSYS;
}

static int take_file(const struct backup *b, const char *name)
{
    if (b->from->ops->link(b->from, name, b->to, name) == 0)
        return 0;
    return wants_copy(errno) ? copy_file(b, name) : failed(b, "link", b->from->place, name);
}

int backup_files(struct directory *d, struct io *from, struct io *to, uint8_t *buffer, char *detail,
                 size_t detail_bytes)
{
    const struct backup b = {from, to, buffer, detail, detail_bytes};
    unsigned mark = io_names_mark();
    char name[FILE_NAME_BYTES];
    int err = take_file(&b, SNAPSHOT_NAME);
    for (uint32_t i = 0; err == 0 && i < d->n; i++) {
        directory_window_name(d->windows[i].number, name);
        if (d->windows[i].has_file)
            err = take_file(&b, name);
        directory_left_name(d->windows[i].number, name);
        if (err == 0 && d->windows[i].has_left)
            err = take_file(&b, name);
    }
    if (err == 0 && io_sync_dir(to, mark) < 0)
        err = failed(&b, "sync directory of", to->place, SNAPSHOT_NAME);
    return err;
}

/* ---- the directory of a backup ---- */

static int remove_name(void *ctx, const char *name)
{
    struct io *io = ctx;
    (void)io->ops->remove(io, name);
    return 0;
}

/* Removes a directory of ours with the files in it. */
static void remove_dir(int parent, const char *parent_path, const char *name)
{
    char path[BACKUP_PATH_BYTES];
    struct io_file f;
    int saved = errno;
    snprintf(path, sizeof path, "%s/%s", parent_path, name);
    if (io_file_open(&f, path) == 0) {
        (void)f.io.ops->list(&f.io, remove_name, &f.io);
        io_file_close(&f);
    }
    (void)unlinkat(parent, name, AT_REMOVEDIR);
    errno = saved;
}

struct leftovers {
    const struct io_file *parent;
};

static int remove_leftover(void *ctx, const char *name)
{
    const struct leftovers *l = ctx;
    size_t len = strlen(name), suffix = strlen(TEMP_SUFFIX);
    if (len > suffix && strcmp(name + len - suffix, TEMP_SUFFIX) == 0)
        remove_dir(l->parent->dir_fd, l->parent->io.place, name);
    return 0;
}

static int fill_dir(struct directory *d, struct io *from, const char *path, uint8_t *buffer,
                    char *detail, size_t detail_bytes)
{
    const struct backup b = {from, from, buffer, detail, detail_bytes};
    struct io_file to;
    if (io_file_open(&to, path) < 0)
        return failed(&b, "open", path, "");
    int err = backup_files(d, from, &to.io, buffer, detail, detail_bytes);
    int saved = errno;
    io_file_close(&to);
    errno = saved;
    return err;
}

static int make_in(struct directory *d, struct io *from, struct io_file *parent, const char *name,
                   uint8_t *buffer, char *detail, size_t detail_bytes)
{
    const struct backup b = {from, &parent->io, buffer, detail, detail_bytes};
    char temp[BACKUP_NAME_BYTES + sizeof TEMP_SUFFIX], path[BACKUP_PATH_BYTES];
    const char *place = parent->io.place;
    unsigned mark = io_names_mark();
    snprintf(temp, sizeof temp, "%s" TEMP_SUFFIX, name);
    int n = snprintf(path, sizeof path, "%s/%s", place, temp);
    if (n >= (int)sizeof path)
        errno = ENAMETOOLONG;
    if (n >= (int)sizeof path || mkdirat(parent->dir_fd, temp, BACKUP_DIR_MODE) < 0)
        return failed(&b, "create", place, temp);
    int err = fill_dir(d, from, path, buffer, detail, detail_bytes);
    if (err == 0 && parent->io.ops->rename(&parent->io, temp, name) < 0)
        err = failed(&b, "rename", place, temp);
    if (err < 0)
        remove_dir(parent->dir_fd, place, temp);
    else if (io_sync_dir(&parent->io, mark) < 0)
        err = failed(&b, "sync directory of", place, name);
    return err;
}

static void clean(struct io_file *parent)
{
    struct leftovers l = {parent};
    (void)parent->io.ops->list(&parent->io, remove_leftover, &l);
}

void backup_clean(const char *dir)
{
    char path[BACKUP_PATH_BYTES];
    struct io_file parent;
    int n = snprintf(path, sizeof path, "%s/%s", dir, BACKUP_DIR);
    if (n >= (int)sizeof path || io_file_open(&parent, path) < 0)
        return;
    clean(&parent);
    io_file_close(&parent);
}

int backup_make(struct directory *d, const char *dir, const char *name, uint8_t *buffer,
                char *detail, size_t detail_bytes)
{
    char path[BACKUP_PATH_BYTES];
    struct io_file from, parent;
    struct backup b = {NULL, NULL, buffer, detail, detail_bytes};
    unsigned mark = io_names_mark();
    snprintf(path, sizeof path, "%s/%s", dir, BACKUP_DIR);
    if (mkdir(path, BACKUP_DIR_MODE) < 0 && errno != EEXIST)
        return failed(&b, "create", dir, BACKUP_DIR);
    if (io_file_open(&from, dir) < 0)
        return failed(&b, "open", dir, "");
    int err = 0;
    if (io_file_open(&parent, path) < 0)
        err = failed(&b, "open", dir, BACKUP_DIR);
    if (err == 0) {
        clean(&parent);
        err = make_in(d, &from.io, &parent, name, buffer, detail, detail_bytes);
        if (err == 0 && io_sync_dir(&from.io, mark) < 0)
            err = failed(&b, "sync directory of", dir, BACKUP_DIR);
        int saved = errno;
        io_file_close(&parent);
        errno = saved;
    }
    int saved = errno;
    io_file_close(&from);
    errno = saved;
    return err;
}
