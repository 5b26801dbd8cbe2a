/* Snapshots: one at a time, whoever asks (the interval, an administrator, the end of the program),
 * and what became of them.
 *
 * Threads: saver_save from any; the counters may be read from any. */
#ifndef HG_HTTP_SAVER_H
#define HG_HTTP_SAVER_H

#include "snapshot/snapshot.h"

#include <pthread.h>
#include <stdatomic.h>

struct recorder;

struct saver {
    struct tsdb *db;
    struct recorder *recorder; /* its journal is shortened by each snapshot */
    const char *dir;           /* empty: there are no snapshots */
    struct snapshot files;
    struct snapshot_progress progress; /* of the load */
    struct snapshot_report loaded;     /* what became of it */
    pthread_mutex_t lock;
    _Atomic int64_t last_success_wall_ms; /* 0 = none yet */
    _Atomic int64_t last_duration_ms;
    atomic_ullong last_bytes;
    atomic_ullong n_saved, n_failed;
};

void saver_init(struct saver *s, struct tsdb *db, struct recorder *r, const char *dir);

static inline bool saver_is_on(const struct saver *s)
{
    return s->dir[0] != '\0';
}

/* Writes a snapshot now, after one that is being written, and logs what became of it. 0 or an
 * error of snapshot_save; ret says what was written or why not. saver_is_on must hold. */
int saver_save(struct saver *s, struct snapshot_report *ret) WARN_UNUSED;

/* The same, and a backup of it (snapshot/backup.h); ret_name is its name. */
int saver_backup(struct saver *s, char ret_name[BACKUP_NAME_BYTES],
                 struct snapshot_report *ret) WARN_UNUSED;

/* A snapshot that is being written is waited for: it goes on as fast as the disk is. Any thread. */
void saver_hurry(struct saver *s);

#endif
