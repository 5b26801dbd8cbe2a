#include "http/recorder.h"

#include "http/ahead.h"
#include "http/clock.h"
#include "http/log.h"
#include "http/record.h"
#include "http/retell.h"
#include "snapshot/snapshot.h"
#include "tsdb/tsdb.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* Senders wait as long as they are told; what is missing here comes back within seconds. */
#define RETRY_AFTER_SECONDS "5"

enum {
    FAULT_LOG_INTERVAL_MS = 10000,
};

void recorder_init(struct recorder *r, struct tsdb *db, struct arena *a)
{
    memset(r, 0, sizeof(*r));
    r->db = db;
    r->arena = a;
    r->lock_fd = -1;
    r->owner = budget_owner(a->budget, "requests");
    carry_init(&r->carry, a, r->owner);
}

/* --- the way back ----------------------------------------------------------------------------- */

int recorder_take(struct recorder *r, const struct journal_record *at, char *error, size_t n)
{
    struct record record;
    record_unpack(&record, r, at);
    int err = record_store(&record, r, error, n);
    record_release(&record);
    return err;
}

static void tell(const struct recorder *r, int64_t started_ms)
{
    const struct journal_replay_report *j = &r->replayed;
    if (j->segments > 0)
        LOG_INFO("Journal read.", log_u64("segments", j->segments), log_u64("records", j->records),
                 log_u64("samples", r->n_samples_replayed),
                 log_u64("left_out", r->n_samples_left_out), log_u64("bytes", j->file_bytes),
                 log_seconds("seconds", (uint64_t)(clock_boot_ms() - started_ms)));
    if (j->torn_bytes > 0)
        LOG_INFO(
            "The journal ends with a torn record, which was never acknowledged; it is cut off.",
            log_u64("bytes", j->torn_bytes), log_u64("segments", j->torn_segments));
    if (!journal_replay_is_clean(j))
        LOG_WARN("Parts of the journal were lost.", log_u64("records", j->lost_records),
                 log_u64("frames", j->lost_frames), log_u64("too_long", j->too_long),
                 log_u64("missing_segments", j->missing_segments),
                 log_u64("unreadable_segments", j->unreadable_segments),
                 log_text("detail", j->detail));
}

static int explain(struct recorder *r, int err, char *error, size_t n)
{
    const char *detail = r->replayed.detail;
    if (error[0] == '\0')
        snprintf(error, n, "the journal cannot be read: %s%s%s%s", tsdb_err_text(err),
                 detail[0] ? ": " : "", detail,
                 err == ERR_NO_MEMORY ? "; give more with --storage.memory-limit" : "");
    return err;
}

uint64_t recorder_journal_bytes(const char *dir)
{
    struct io_file files;
    uint64_t number, bytes = 0;
    if (io_file_open(&files, dir) != 0)
        return 0;
    if (journal_find(&files.io, 1, &number, &bytes, NULL) < 0)
        bytes = 0;
    io_file_close(&files);
    return bytes;
}

static int refuse_all_but_metadata(void *ctx, const struct journal_record *at)
{
    (void)ctx;
    return at->kind == RECORD_METADATA ? 0 : ERR_CANCELED;
}

/* What is said again lies at the begin of a segment, and there is not much of it. */
static bool has_metadata_alone(struct recorder *r, struct io *io)
{
    struct journal_replay_report found;
    const struct journal_replay_options o = {
        .io = io, .arena = r->arena, .visit = refuse_all_but_metadata};
    return journal_replay(&o, &found) == 0 && journal_replay_is_clean(&found) &&
           found.torn_bytes == 0;
}

bool recorder_is_empty(struct recorder *r, const char *dir)
{
    struct io_file files;
    if (io_file_open(&files, dir) != 0)
        return false;
    bool is_empty = journal_is_empty(&files.io) || has_metadata_alone(r, &files.io);
    io_file_close(&files);
    return is_empty;
}

int recorder_replay(struct recorder *r, const char *dir, char *error, size_t n)
{
    int64_t started_ms = clock_boot_ms();
    error[0] = '\0';
    r->dir = dir;
    if (io_file_open(&r->files, dir) != 0) {
        snprintf(error, n, "cannot open the directory \"%.200s\": %s", dir, strerror(errno));
        return ERR_IO;
    }
    r->is_open = true;
    int err = carry_back(r, error, n);
    if (err != 0)
        return err;
    struct journal_replay_options o = {.io = &r->files.io, .arena = r->arena};
    err = ahead_replay(r, &o, error, n);
    if (err != 0)
        return explain(r, err, error, n);
    carry_replayed(r);
    atomic_store(&r->n_replayed, atomic_load(&r->n_segments));
    tell(r, started_ms);
    return 0;
}

/* --- start and stop --------------------------------------------------------------------------- */

static void on_want(void *ctx, enum journal_want why)
{
    struct recorder *r = ctx;
    LOG_INFO(why == JOURNAL_WANT_ROOM
                 ? "The journal is half full: a snapshot is taken early."
                 : "The journal could not be synced: a snapshot is taken early.",
             log_text("why", why == JOURNAL_WANT_ROOM ? "room" : "safety"));
    r->want_snapshot(r->ctx);
}

/* Somebody has removed the directory under us. */
static int remake_dir(void *ctx)
{
    struct recorder *r = ctx;
    int fd;
    if (snapshot_lock_dir(r->dir, &fd) != 0)
        return -1;
    if (r->lock_fd >= 0)
        close(r->lock_fd);
    r->lock_fd = fd;
    LOG_ERROR("The directory was removed while we ran; it is made anew, and a snapshot written.",
              log_text("dir", r->dir));
    return 0;
}

/* Half of what is free when we start, the journal's own segments counted as free. */
static uint64_t max_bytes(const struct recorder *r, const struct config *c)
{
    struct statvfs fs;
    uint64_t most = (uint64_t)RECORDER_MAX_BYTES_DEFAULT_GIB << 30;
    if (c->journal_max_bytes > 0)
        return c->journal_max_bytes;
    if (fstatvfs(r->files.dir_fd, &fs) != 0)
        return most;
    uint64_t free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize + r->replayed.file_bytes;
    uint64_t half = free_bytes / 2;
    return half < most ? (half > JOURNAL_SEGMENT_BYTES_MIN ? half : JOURNAL_SEGMENT_BYTES_MIN)
                       : most;
}

int recorder_start(struct recorder *r, const struct config *c, void (*want_snapshot)(void *ctx),
                   void *ctx)
{
    uint64_t number_min = r->replayed.newest + 1;
    bool is_off = c->journal_sync_ms == JOURNAL_SYNC_OFF;
    bool is_always = c->journal_sync_ms == JOURNAL_SYNC_ALWAYS;
    r->want_snapshot = want_snapshot;
    r->ctx = ctx;
    const struct journal_options o = {
        .io = &r->files.io,
        .arena = r->arena,
        .mode = is_off      ? JOURNAL_OFF
                : is_always ? JOURNAL_ALWAYS
                            : JOURNAL_INTERVAL,
        .sync_ms = c->journal_sync_ms,
        .max_bytes = max_bytes(r, c),
        .number_min = number_min > r->carry.number_min ? number_min : r->carry.number_min,
        .sequence_min = r->replayed.next_sequence,
        .want_snapshot = on_want,
        .remake_dir = remake_dir,
        .ctx = r,
    };
    struct journal *made;
    int err = journal_open(&o, &made);
    if (err == 0)
        r->journal = made;
    r->carry.max_bytes = o.max_bytes;
    return err;
}

void recorder_stop(struct recorder *r)
{
    if (r->journal != NULL && journal_close(r->journal) != 0)
        LOG_ERROR("The journal could not be synced at the end.",
                  log_text("error", strerror(errno)));
    r->journal = NULL;
    carry_release(&r->carry);
    if (r->is_open)
        io_file_close(&r->files);
    r->is_open = false;
    if (r->lock_fd >= 0)
        close(r->lock_fd);
    r->lock_fd = -1;
}

/* --- requests --------------------------------------------------------------------------------- */

static void answer_counts(struct request *rq, uint64_t n_samples, uint64_t n_exemplars)
{
    reply_header_u64(rq, "X-Prometheus-Remote-Write-Samples-Written", n_samples);
    reply_header(rq, "X-Prometheus-Remote-Write-Histograms-Written", "0");
    reply_header_u64(rq, "X-Prometheus-Remote-Write-Exemplars-Written", n_exemplars);
}

void recorder_answer(struct request *rq, const struct write_answer *a)
{
    bool is_lost = a->status == 503;
    if (a->is_v2)
        answer_counts(rq, is_lost ? 0 : a->n_samples, is_lost ? 0 : a->n_exemplars);
    if (a->status == 204) {
        reply_static(rq, 204, NULL, "", 0);
        return;
    }
    if (a->status == 503)
        reply_header(rq, "Retry-After", RETRY_AFTER_SECONDS);
    reply_text(rq, a->status, "%s", a->text);
}

/* A request that waits for its record; in its region. */
struct waiting {
    struct journal_entry entry; /* first: done() is given it */
    struct iovec body;
    struct request *rq;
    struct write_answer answer;
    bool is_parked;
    char text[REMOTE_WRITE_TEXT_MAX];
};

static void answer_fault(struct request *rq, bool is_v2, int err, int sys_errno)
{
    static struct log_gate gate;
    uint64_t held;
    char text[256];
    if (err == ERR_IO)
        snprintf(text, sizeof(text), "the journal cannot be written: %s; try again later\n",
                 strerror(sys_errno));
    else
        snprintf(text, sizeof(text), "%s; try again later\n", tsdb_err_text(err));
    if (log_gate_open(&gate, clock_boot_ms(), FAULT_LOG_INTERVAL_MS, &held))
        LOG_ERROR("The journal does not take what was written; senders are told 503.",
                  log_text("error", tsdb_err_text(err)),
                  log_text("system", err == ERR_IO ? strerror(sys_errno) : ""),
                  log_u64("requests_not_logged", held));
    recorder_answer(rq, &(struct write_answer){.status = 503, .text = text, .is_v2 = is_v2});
}

static void finish(struct request *rq)
{
    body_release(&rq->body);
    request_resume(rq);
}

static void done(struct journal_entry *e, int err)
{
    struct waiting *w = (struct waiting *)(void *)e;
    struct request *rq = w->rq;
    if (err != 0)
        answer_fault(rq, w->answer.is_v2, err, e->sys_errno);
    else
        recorder_answer(rq, &w->answer);
    if (w->is_parked)
        finish(rq);
    else
        body_release(&rq->body);
}

void recorder_write(struct recorder *r, struct request *rq, const struct write_answer *a,
                    const uint8_t *meta, size_t n_meta)
{
    if (r->journal == NULL) {
        recorder_answer(rq, a);
        return;
    }
    struct waiting *w = region_alloc(&rq->region, sizeof(*w));
    if (w == NULL) {
        recorder_answer(rq, &(struct write_answer){
                                .status = 503,
                                .text = "out of memory (--storage.memory-limit); try again later\n",
                                .is_v2 = a->is_v2});
        return;
    }
    *w = (struct waiting){
        .entry = {.kind = a->is_v2 ? RECORD_WRITE_V2 : RECORD_WRITE_V1,
                  .time_ms = clock_wall_ms(),
                  .meta = meta,
                  .meta_bytes = n_meta,
                  .parts = &w->body,
                  .n_parts = 1,
                  .done = done},
        .body = {.iov_base = rq->body.bytes, .iov_len = rq->body.n},
        .rq = rq,
        .answer = *a,
    };
    snprintf(w->text, sizeof(w->text), "%s", a->text);
    w->answer.text = w->text;
    bool is_v2 = a->is_v2;
    if (journal_write(r->journal, &w->entry))
        return;
    if (!request_park(rq)) {
        recorder_answer(rq, &(struct write_answer){
                                .status = 503, .text = "the server is stopping\n", .is_v2 = is_v2});
        return;
    }
    w->is_parked = true;
    errno = 0;
    int err = journal_submit(r->journal, &w->entry);
    if (err != 0) {
        answer_fault(rq, is_v2, err, errno);
        finish(rq);
    }
}

/* --- records that a thread waits for ---------------------------------------------------------- */

struct put {
    struct journal_entry entry; /* first: done() is given it */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_done; /* guarded by lock, both */
    int err;
};

static void put_done(struct journal_entry *e, int err)
{
    struct put *p = (struct put *)(void *)e;
    pthread_mutex_lock(&p->lock);
    p->is_done = true;
    p->err = err;
    pthread_cond_signal(&p->changed);
    pthread_mutex_unlock(&p->lock); /* p may be gone from here on */
}

int recorder_put(struct recorder *r, enum record_kind kind, const void *body, size_t n)
{
    const struct iovec part = {.iov_base = (void *)(uintptr_t)body, .iov_len = n};
    struct put p = {.entry = {.kind = (uint16_t)kind,
                              .time_ms = clock_wall_ms(),
                              .parts = &part,
                              .n_parts = 1,
                              .done = put_done}};
    if (r->journal == NULL)
        return 0;
    int left_err = kind == RECORD_DELETE ? carry_note_deletion(&r->carry, body, n) : 0;
    if (left_err != 0)
        return left_err;
    pthread_mutex_init(&p.lock, NULL);
    pthread_cond_init(&p.changed, NULL);
    int err = journal_submit(r->journal, &p.entry);
    int sys_errno = errno;
    if (err == 0) {
        pthread_mutex_lock(&p.lock);
        while (!p.is_done)
            pthread_cond_wait(&p.changed, &p.lock);
        pthread_mutex_unlock(&p.lock);
        err = p.err;
        sys_errno = p.entry.sys_errno;
    }
    pthread_cond_destroy(&p.changed);
    pthread_mutex_destroy(&p.lock);
    errno = sys_errno;
    return err;
}

/* --- snapshots -------------------------------------------------------------------------------- */

uint64_t recorder_cut(struct recorder *r)
{
    uint64_t number = 0;
    if (r->journal != NULL)
        journal_cut(r->journal, &number);
    return number;
}

int recorder_carry(struct recorder *r, uint64_t number, char *detail, size_t n)
{
    int err = r->journal != NULL ? carry_out(r, number, detail, n) : 0;
    if (err != 0)
        LOG_ERROR("What the journal holds for windows that were left on disk could not be carried "
                  "to them; its segments stay, and the next snapshot tries again.",
                  log_text("error", tsdb_err_text(err)), log_text("detail", detail));
    return err;
}

/* Before, so that it is on disk all the time. Once more after, where that has made room, or has
 * settled a sync that had failed. */
static void drop(struct recorder *r, uint64_t number)
{
    uint64_t n_left;
    int err = retell(r, &n_left);
    if (journal_drop(r->journal, number) != 0)
        LOG_WARN("Old segments of the journal could not be removed; the next snapshot tries again.",
                 log_text("error", strerror(errno)));
    if (err != 0)
        err = retell(r, &n_left);
    if (err != 0 || n_left > 0)
        LOG_WARN("What senders told about metrics is not in the journal, or not all of it: after a "
                 "restart it is missing until they repeat it.",
                 log_text("error", err != 0 ? tsdb_err_text(err) : "--journal.max-size"),
                 log_u64("left_out", n_left));
}

void recorder_drop(struct recorder *r, uint64_t number)
{
    if (r->journal != NULL)
        drop(r, number);
    carry_saved(r);
}

bool recorder_stats(const struct recorder *r, struct journal_stats *ret)
{
    if (r->journal == NULL)
        return false;
    journal_stats(r->journal, ret);
    return true;
}
