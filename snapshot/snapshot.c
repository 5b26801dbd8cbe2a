#include "snapshot/snapshot.h"

#include "snapshot/file_id.h"
#include "snapshot/load.h"
#include "snapshot/save.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static int64_t now_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
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

static void close_dir(struct io_file *f)
{
    int saved = errno;
    io_file_close(f);
    errno = saved;
}

void snapshot_init(struct snapshot *s, const char *dir)
{
    memset(s, 0, sizeof *s);
    s->dir = dir;
    pace_init(&s->pace, PACE_BYTES_PER_S);
    s->naming = file_id_new();
}

int snapshot_save(struct snapshot *s, struct tsdb *db, struct snapshot_report *ret)
{
    struct io_file f;
    int err = open_dir(&f, s->dir, ret);
    if (err < 0)
        return err;
    int64_t wall_ns = now_ns(CLOCK_REALTIME);
    struct save_options o = {
        .created_ms = wall_ns / 1000000,
        .boot_ms = now_ns(CLOCK_BOOTTIME) / 1000000,
        .file_id = file_id_new(),
        .naming = s->naming,
        .directory = &s->directory,
        .pace = &s->pace,
    };
    err = save_store(db, &f.io, &o, ret);
    close_dir(&f);
    return err;
}

int snapshot_load(struct snapshot *s, struct tsdb *db, const struct snapshot_watch *watch,
                  struct snapshot_report *ret)
{
    struct io_file f;
    int err = open_dir(&f, s->dir, ret);
    if (err < 0)
        return errno == ENOENT ? ERR_NOT_FOUND : err;
    backup_clean(s->dir);
    err = load_directory(db, &f.io, &s->directory, watch, ret);
    close_dir(&f);
    return err;
}

int snapshot_backup(struct snapshot *s, struct tsdb *db, char ret_name[BACKUP_NAME_BYTES],
                    struct snapshot_report *ret)
{
    int err = snapshot_save(s, db, ret);
    if (err < 0)
        return err;
    struct arena *arena = tsdb_arena(db);
    unsigned owner = budget_owner(arena->budget, "snapshot");
    uint8_t *buffer = arena_span_get(arena, owner, BACKUP_BUFFER_BYTES);
    if (buffer == NULL) {
        snprintf(ret->detail, sizeof ret->detail, "no memory for the buffer of %d bytes",
                 BACKUP_BUFFER_BYTES);
        return ERR_NO_MEMORY;
    }
    int64_t wall_ns = now_ns(CLOCK_REALTIME);
    backup_name((time_t)(wall_ns / 1000000000), file_id_new(), ret_name);
    err = backup_make(&s->directory, s->dir, ret_name, buffer, ret->detail, sizeof ret->detail);
    int saved = errno;
    arena_span_put(arena, owner, buffer, BACKUP_BUFFER_BYTES);
    errno = saved;
    return err;
}
