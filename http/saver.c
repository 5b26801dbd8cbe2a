#include "http/saver.h"

#include "http/clock.h"
#include "http/log.h"
#include "http/recorder.h"

#include <string.h>

void saver_init(struct saver *s, struct tsdb *db, struct recorder *r, const char *dir)
{
    memset(s, 0, sizeof(*s));
    s->db = db;
    s->recorder = r;
    s->dir = dir;
    snapshot_init(&s->files, dir);
    pthread_mutex_init(&s->lock, NULL);
}

static int write_files(struct saver *s, char *ret_name, struct snapshot_report *ret)
{
    return ret_name != NULL ? snapshot_backup(&s->files, s->db, ret_name, ret)
                            : snapshot_save(&s->files, s->db, ret);
}

static void log_outcome(const struct saver *s, int err, int64_t took,
                        const struct snapshot_report *r)
{
    if (err == 0)
        LOG_INFO("Snapshot written.", log_u64("series", r->series), log_u64("samples", r->samples),
                 log_u64("windows", r->windows), log_u64("window_files", r->window_files),
                 log_u64("bytes", r->file_bytes), log_seconds("seconds", (uint64_t)took));
    else
        LOG_ERROR("Snapshot failed; the previous one is still good.", log_text("dir", s->dir),
                  log_text("error", tsdb_err_text(err)), log_text("detail", r->detail));
}

/* ret_name: of the backup, or NULL for none. */
static int save(struct saver *s, char *ret_name, struct snapshot_report *ret)
{
    assert(saver_is_on(s));
    memset(ret, 0, sizeof(*ret));
    pthread_mutex_lock(&s->lock);
    int64_t start = clock_boot_ms();
    /* what comes from here on may or may not be in the snapshot; it is in the journal */
    uint64_t cut = recorder_cut(s->recorder);
    char detail[SNAPSHOT_DETAIL_BYTES] = "";
    int carry_err = recorder_carry(s->recorder, cut, detail, sizeof(detail));
    int err = carry_err != 0 && ret_name != NULL ? carry_err : write_files(s, ret_name, ret);
    if (err == 0 && carry_err == 0)
        recorder_drop(s->recorder, cut);
    int64_t took = clock_boot_ms() - start;
    if (err == 0 && carry_err == 0) {
        atomic_store(&s->last_success_wall_ms, clock_wall_ms());
        atomic_store(&s->last_duration_ms, took);
        atomic_store(&s->last_bytes, ret->file_bytes);
        atomic_fetch_add(&s->n_saved, 1);
    } else {
        atomic_fetch_add(&s->n_failed, 1);
    }
    pthread_mutex_unlock(&s->lock);
    if (carry_err == 0 || ret_name == NULL)
        log_outcome(s, err, took, ret);
    if (carry_err == 0 || (err != 0 && ret_name == NULL))
        return err;
    memcpy(ret->detail, detail, sizeof(detail));
    return carry_err;
}

int saver_save(struct saver *s, struct snapshot_report *ret)
{
    return save(s, NULL, ret);
}

int saver_backup(struct saver *s, char ret_name[BACKUP_NAME_BYTES], struct snapshot_report *ret)
{
    int err = save(s, ret_name, ret);
    if (err == 0)
        LOG_INFO("Backup made.", log_text("dir", s->dir), log_text("name", ret_name));
    return err;
}

void saver_hurry(struct saver *s)
{
    snapshot_hurry(&s->files);
}
