#include "snapshot/snapshot.h"

#include "snapshot/checksum.h"
#include "snapshot/load.h"
#include "snapshot/save.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

/* Bits that no stranger can guess; where the kernel has none, at least no two files share them. */
static uint64_t fresh_file_id(int64_t now_ns)
{
    uint64_t id;
    if (getrandom(&id, sizeof id, GRND_NONBLOCK) == (ssize_t)sizeof id)
        return id;
    pid_t pid = getpid();
    return checksum64(&now_ns, sizeof now_ns, (uint64_t)pid);
}

static int open_dir(struct io_file *f, const char *dir, struct snapshot_report *ret)
{
    memset(ret, 0, sizeof *ret);
    int err = io_file_open(f, dir);
    if (err < 0) {
        int saved = errno;
        snprintf(ret->detail, sizeof ret->detail, "open %s: %s", dir, strerror(saved));
        errno = saved;
    }
    return err;
}

int snapshot_save(struct tsdb *db, const char *dir, struct snapshot_report *ret)
{
    struct io_file f;
    int err = open_dir(&f, dir, ret);
    if (err < 0)
        return err;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    int64_t now_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
    struct save_options o = {
        .created_ms = now_ns / 1000000,
        .file_id = fresh_file_id(now_ns),
    };
    err = save_store(db, &f.io, &o, ret);
    int saved = errno;
    io_file_close(&f);
    errno = saved;
    return err;
}

int snapshot_load(struct tsdb *db, const char *dir, struct snapshot_report *ret)
{
    struct io_file f;
    int err = open_dir(&f, dir, ret);
    if (err < 0)
        return errno == ENOENT ? ERR_NOT_FOUND : err;
    err = load_store(db, &f.io, ret);
    int saved = errno;
    io_file_close(&f);
    errno = saved;
    return err;
}
