/* One pass over what is to be carried. A window's file is begun when the first record for it is
 * met: with all that the old file has, then the new ones. At the end all are put into their places.
 * Most passes meet nothing, and touch nothing. */
#include "http/carry.h"

#include "http/clock.h"
#include "http/log.h"
#include "http/record.h"
#include "http/recorder.h"
#include "snapshot/file_id.h"
#include "snapshot/left.h"
#include "snapshot/snapshot.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    /* A message of a record may be that long: whoever accepted it had a limit, not we. */
    MESSAGE_BYTES_MAX = INT32_MAX,
    TARGETS_MAX = HEAD_WINDOWS_MAX,
    UNREADABLE_MAX = 10, /* attempts, of which one fails after the other by 10 s */
};

struct carry_work {
    uint8_t buffer[FRAME_BUFFER_BYTES]; /* of an old file that is read */
    struct journal_batch batch;
    struct tsdb_stats stats;
    struct remote_write write;
    char text[REMOTE_WRITE_TEXT_MAX];
    struct left_writer targets[TARGETS_MAX];
};

struct carrying {
    struct recorder *r;
    struct directory *directory;
    struct carry_work *work;
    struct region region; /* of the record that is being looked at */
    uint64_t number;      /* segments below are carried */
    int64_t oldest;       /* windows below have had their time */
    unsigned names_mark;
    unsigned n_targets;
    uint64_t n_records, record_bytes; /* but for those of old files */
    char *detail;
    size_t detail_bytes;
    /* of the record */
    unsigned n_windows;
    int64_t windows[TARGETS_MAX]; /* that are left and have samples in it */
};

/* --- noting deletions ------------------------------------------------------------------------- */

void carry_init(struct carry *c, struct arena *a, unsigned owner)
{
    *c = (struct carry){0};
    pthread_mutex_init(&c->lock, NULL);
    region_init(&c->region, a, owner, 0);
}

void carry_release(struct carry *c)
{
    c->first = c->last = NULL;
    c->waiting_bytes = 0;
    region_release(&c->region);
}

int carry_note_deletion(struct carry *c, const void *body, size_t n)
{
    if (c->directory == NULL || !c->directory->are_left)
        return 0;
    int err = ERR_NO_MEMORY;
    pthread_mutex_lock(&c->lock);
    if (c->max_bytes > 0 && atomic_load(&c->figures.bytes) + c->waiting_bytes + n > c->max_bytes)
        err = ERR_JOURNAL_FULL;
    struct carry_deletion *d = err == ERR_NO_MEMORY ? region_alloc(&c->region, sizeof(*d)) : NULL;
    char *copy = d != NULL ? region_copy(&c->region, body, n) : NULL;
    if (copy != NULL) {
        *d = (struct carry_deletion){
            .time_ms = clock_wall_ms(), .body = (const uint8_t *)copy, .n = n};
        *(c->last != NULL ? &c->last->next : &c->first) = d;
        c->last = d;
        c->waiting_bytes += n;
        err = 0;
    }
    pthread_mutex_unlock(&c->lock);
    atomic_fetch_add(&c->figures.deletions_refused, err != 0);
    return err;
}

/* Those up to `last` are on disk. */
static void forget_deletions(struct carry *c, const struct carry_deletion *last)
{
    pthread_mutex_lock(&c->lock);
    for (const struct carry_deletion *d = NULL; d != last;) {
        d = c->first;
        c->waiting_bytes -= d->n;
        c->first = d->next;
    }
    if (c->first == NULL) {
        c->last = NULL;
        region_release(&c->region); /* empty, and may be used again */
    }
    pthread_mutex_unlock(&c->lock);
}

/* --- files ------------------------------------------------------------------------------------ */

static int failed(struct carrying *c, int err, const char *call, const char *name)
{
    int saved = errno;
    snprintf(c->detail, c->detail_bytes, "%s %s/%s: %s", call, c->r->files.io.place, name,
             err == ERR_IO ? strerror(saved) : tsdb_err_text(err));
    errno = saved;
    return err;
}

static int put_into(struct carrying *c, struct left_writer *w, const struct journal_record *record)
{
    return left_put(w, record) < 0 ? failed(c, ERR_IO, w->failed_call, w->temp) : 0;
}

struct copying {
    struct carrying *carrying;
    struct left_writer *to;
};

static int copy_record(void *ctx, const struct journal_record *record)
{
    const struct copying *c = ctx;
    return put_into(c->carrying, c->to, record);
}

/* A file of which something is lost is kept under a second name. */
static void tell_damage(struct recorder *r, const char *name, const struct left_report *found)
{
    struct io *io = &r->files.io;
    char kept_as[2 * FILE_NAME_BYTES];
    snprintf(kept_as, sizeof(kept_as), "%s" SNAPSHOT_DAMAGED_SUFFIX, name);
    (void)io->ops->remove(io, kept_as);
    bool is_kept = io->ops->link(io, name, io, kept_as) == 0;
    atomic_fetch_add(&r->carry.figures.frames_lost, found->lost_frames);
    LOG_WARN("Parts of what the journal held for a window that was left on disk were lost.",
             log_text("file", name), log_u64("frames", found->lost_frames),
             log_text("detail", found->detail), log_text("kept_as", is_kept ? kept_as : ""));
}

/* Where the disk does not give what it was given, it is asked a few times, with the journal kept
 * that long; then it is damage, like any other. */
static bool is_to_wait(struct carrying *c)
{
    return c->r->carry.n_unreadable++ < UNREADABLE_MAX;
}

static int copy_old(struct carrying *c, struct left_writer *w)
{
    struct left_report found;
    struct copying copying = {c, w};
    const struct left_read_options o = {.io = &c->r->files.io,
                                        .name = w->name,
                                        .buffer = c->work->buffer,
                                        .arena = c->r->arena,
                                        .visit = copy_record,
                                        .ctx = &copying};
    c->detail[0] = '\0';
    int err = left_read(&o, &found);
    if ((err == 0 || err == ERR_CORRUPT) && found.is_unreadable && is_to_wait(c)) {
        errno = EIO;
        return failed(c, ERR_IO, "read", w->name);
    }
    if (err == ERR_IO && errno == ENOENT && c->detail[0] == '\0')
        return 0; /* somebody has removed the directory */
    if (err == ERR_CORRUPT)
        err = 0; /* nothing of it is left */
    if (err == 0 && !left_is_good(&found))
        tell_damage(c->r, w->name, &found);
    return err < 0 && c->detail[0] == '\0' ? failed(c, err, "read", w->name) : err;
}

static int begin_target(struct carrying *c, struct directory_window *dw, struct left_writer *w)
{
    const struct left_head head = {
        .window = dw->number,
        .window_ms = tsdb_options(c->r->db)->window_ms,
        .generation = dw->has_file ? dw->generation : 0,
        .below = c->number > dw->left_below ? c->number : dw->left_below,
        .created_ms = clock_wall_ms(),
    };
    c->n_targets++;
    if (left_begin(w, &c->r->files.io, &c->work->batch, &head, file_id_new()) < 0)
        return failed(c, ERR_IO, w->failed_call, w->temp);
    return dw->has_left && !dw->is_left_stale ? copy_old(c, w) : 0;
}

/* The file that is being written for a window; made if it is not. NULL: *ret_err says why, 0: it
 * has had its time. */
static struct left_writer *target_of(struct carrying *c, int64_t window, int *ret_err)
{
    struct carry_work *work = c->work;
    *ret_err = 0;
    for (unsigned i = 0; i < c->n_targets; i++)
        if (work->targets[i].head.window == window)
            return &work->targets[i];
    struct directory_window *dw = directory_make(c->directory, window);
    if (dw == NULL || c->n_targets == TARGETS_MAX)
        return NULL;
    dw->is_left = true;
    struct left_writer *w = &work->targets[c->n_targets];
    *ret_err = begin_target(c, dw, w);
    return *ret_err == 0 ? w : NULL;
}

static int put(struct carrying *c, int64_t window, const struct journal_record *record)
{
    int err;
    struct left_writer *w = target_of(c, window, &err);
    c->n_records += w != NULL;
    c->record_bytes += w != NULL ? record->meta_bytes + record->body_bytes : 0;
    return w != NULL ? put_into(c, w, record) : err;
}

static void abandon(struct carrying *c)
{
    for (unsigned i = 0; i < c->n_targets; i++)
        left_abandon(&c->work->targets[i]);
}

/* All of them; a file that is in place is good whatever becomes of the next. */
static int finish_targets(struct carrying *c)
{
    struct recorder *r = c->r;
    for (unsigned i = 0; i < c->n_targets; i++) {
        struct left_writer *w = &c->work->targets[i];
        struct directory_window *dw = directory_find(c->directory, w->head.window);
        if (left_end(w) < 0)
            return failed(c, ERR_IO, w->failed_call, w->temp);
        if (dw == NULL)
            continue;
        dw->has_left = true;
        dw->is_left_stale = false;
        dw->left_generation = w->head.generation;
        dw->left_below = w->head.below;
    }
    if (c->n_targets > 0 && io_sync_dir(&r->files.io, c->names_mark) < 0)
        return failed(c, ERR_IO, "sync directory", "");
    return 0;
}

/* What there is, in windows and in bytes. */
static void look_around(struct recorder *r)
{
    const struct directory *d = r->carry.directory;
    struct carry_figures *f = &r->carry.figures;
    struct io *io = &r->files.io;
    uint64_t windows = 0, bytes = 0, waiting_bytes = 0;
    for (uint32_t i = 0; i < d->n; i++) {
        char name[FILE_NAME_BYTES];
        directory_left_name(d->windows[i].number, name);
        int64_t n = d->windows[i].has_left ? io->ops->size(io, name) : 0;
        bytes += n > 0 ? (uint64_t)n : 0;
        waiting_bytes += n > 0 && d->windows[i].is_left ? (uint64_t)n : 0;
        windows += d->windows[i].is_left;
    }
    atomic_store(&f->windows, windows);
    atomic_store(&f->bytes, bytes);
    atomic_store(&f->waiting_bytes, waiting_bytes);
}

void carry_saved(struct recorder *r)
{
    struct carry_figures *f = &r->carry.figures;
    uint64_t windows = atomic_load(&f->windows), bytes = atomic_load(&f->waiting_bytes);
    if (r->carry.directory == NULL)
        return;
    look_around(r);
    atomic_fetch_add(&f->windows_over, windows - size_min(windows, atomic_load(&f->windows)));
    atomic_fetch_add(&f->bytes_over, bytes - size_min(bytes, atomic_load(&f->waiting_bytes)));
}

/* --- records ---------------------------------------------------------------------------------- */

static bool is_left(const struct carrying *c, int64_t window)
{
    return window < c->directory->left_floor && window >= c->oldest;
}

static void note_window(void *ctx, int64_t t_ms, bool is_stored)
{
    struct carrying *c = ctx;
    int64_t window = is_stored ? tsdb_window_of(c->r->db, t_ms) : c->directory->left_floor;
    if (!is_left(c, window))
        return;
    for (unsigned i = 0; i < c->n_windows; i++)
        if (c->windows[i] == window)
            return;
    if (c->n_windows < TARGETS_MAX)
        c->windows[c->n_windows++] = window;
}

struct one_window {
    const struct tsdb *db;
    int64_t window;
};

static bool is_of_window(const void *ctx, int64_t t_ms)
{
    const struct one_window *o = ctx;
    return tsdb_window_of(o->db, t_ms) == o->window;
}

/* A segment of which the window's file has all is passed over. */
static bool has_it(struct carrying *c, int64_t window, const struct journal_record *at)
{
    const struct directory_window *dw = directory_find(c->directory, window);
    return dw != NULL && dw->has_left && !dw->is_left_stale && at->segment > 0 &&
           at->segment < dw->left_below;
}

/* The record with the samples of one window for stored, and no others. */
static int put_samples(struct carrying *c, int64_t window, const struct journal_record *at)
{
    const struct one_window one = {c->r->db, window};
    struct journal_record narrowed = *at;
    if (has_it(c, window, at))
        return 0;
    if (!refusals_narrow(at->meta, at->meta_bytes, &c->work->write.body, is_of_window, &one,
                         &c->region, &narrowed.meta, &narrowed.meta_bytes))
        return failed(c, ERR_NO_MEMORY, "carry to", "a window's file");
    return put(c, window, &narrowed);
}

/* What makes no sense was left out of the replay as well, and told. */
static int carry_write(struct carrying *c, const struct journal_record *at)
{
    struct remote_write *rw = &c->work->write;
    const struct remote_write_format format = {at->kind == RECORD_WRITE_V2 ? REMOTE_WRITE_V2
                                                                           : REMOTE_WRITE_V1,
                                               tsdb_series_hash(c->r->db)};
    int status = remote_write_decode(&format, (const char *)at->body, at->body_bytes,
                                     MESSAGE_BYTES_MAX, &c->region, rw, c->work->text);
    if (status == 503)
        return failed(c, ERR_NO_MEMORY, "unpack a record of the journal in", "");
    c->n_windows = 0;
    if (status != 0 || !refusals_each(at->meta, at->meta_bytes, &rw->body, note_window, c))
        return 0;
    int err = 0;
    for (unsigned i = 0; err == 0 && i < c->n_windows; i++)
        err = put_samples(c, c->windows[i], at);
    return err;
}

/* Cuts the times of a deletion to a window; false when none are left. */
static bool cut_to(const struct delete_record *d, int64_t window, int64_t window_ms,
                   struct delete_record *ret)
{
    int64_t start_ms, end_ms;
    if (__builtin_mul_overflow(window, window_ms, &start_ms))
        start_ms = INT64_MIN; /* the first one begins before time does */
    if (__builtin_add_overflow(start_ms, window_ms - 1, &end_ms))
        end_ms = INT64_MAX;
    *ret = *d;
    ret->min_ms = i64_max(d->min_ms, start_ms);
    ret->max_ms = i64_min(d->max_ms, end_ms);
    return ret->min_ms <= ret->max_ms;
}

static int put_deletion(struct carrying *c, int64_t window, const struct delete_record *d,
                        const struct journal_record *at)
{
    struct delete_record cut;
    struct journal_record record = *at;
    if (has_it(c, window, at) || !cut_to(d, window, tsdb_options(c->r->db)->window_ms, &cut))
        return 0;
    size_t n = delete_record_bytes(&cut);
    uint8_t *body = region_alloc(&c->region, n);
    if (body == NULL)
        return failed(c, ERR_NO_MEMORY, "carry a deletion to", "a window's file");
    delete_record_put(&cut, body);
    record.body = body;
    record.body_bytes = n;
    return put(c, window, &record);
}

/* To each window that there is something of. */
static int carry_deletion(struct carrying *c, const struct journal_record *at)
{
    struct delete_record d;
    const struct directory *dir = c->directory;
    int err = delete_record_get(at->body, at->body_bytes, &c->region, &d);
    if (err == ERR_NO_MEMORY)
        return failed(c, err, "unpack a deletion in", "the journal");
    if (err != 0)
        return 0;
    for (uint32_t i = 0; err == 0 && i < dir->n; i++)
        if (dir->windows[i].is_left && is_left(c, dir->windows[i].number))
            err = put_deletion(c, dir->windows[i].number, &d, at);
    delete_record_release(&d);
    return err;
}

static int carry_record(void *ctx, const struct journal_record *at)
{
    struct carrying *c = ctx;
    int err = 0;
    region_init(&c->region, c->r->arena, c->r->owner, 0);
    if (at->kind == RECORD_WRITE_V1 || at->kind == RECORD_WRITE_V2)
        err = carry_write(c, at);
    else if (at->kind == RECORD_DELETE)
        err = carry_deletion(c, at);
    region_release(&c->region);
    return err;
}

/* --- carrying out ----------------------------------------------------------------------------- */

/* The segments of processes before: this one has refused what is of such windows. What was lost by
 * then was told at the start; what can be read no longer is not to be dropped. */
static int carry_journal(struct carrying *c)
{
    struct journal_replay_report found;
    struct recorder *r = c->r;
    const struct journal_replay_options o = {.io = &r->files.io,
                                             .arena = r->arena,
                                             .to = r->replayed.newest,
                                             .visit = carry_record,
                                             .ctx = c};
    int err = journal_replay(&o, &found);
    if (err < 0 && c->detail[0] == '\0')
        snprintf(c->detail, c->detail_bytes, "read the journal: %s", found.detail);
    if (err == 0 && found.unreadable_segments > r->replayed.unreadable_segments && is_to_wait(c)) {
        errno = EIO;
        snprintf(c->detail, c->detail_bytes, "read the journal: %s", found.detail);
        return ERR_IO;
    }
    return err;
}

static int carry_noted(struct carrying *c, const struct carry_deletion *first,
                       const struct carry_deletion *last)
{
    int err = 0;
    for (const struct carry_deletion *d = first; err == 0 && d != NULL; d = d->next) {
        const struct journal_record record = {
            .time_ms = d->time_ms, .kind = RECORD_DELETE, .body = d->body, .body_bytes = d->n};
        region_init(&c->region, c->r->arena, c->r->owner, 0);
        err = carry_deletion(c, &record);
        region_release(&c->region);
        if (d == last)
            break;
    }
    return err;
}

static int carry_all(struct carrying *c, const struct carry_deletion *first,
                     const struct carry_deletion *last)
{
    struct carry *carry = &c->r->carry;
    int64_t newest = INT64_MIN;
    tsdb_stats(c->r->db, &c->work->stats);
    if (c->work->stats.n_windows > 0)
        newest = c->work->stats.windows[c->work->stats.n_windows - 1].number;
    if (__builtin_sub_overflow(newest, (int64_t)tsdb_options(c->r->db)->n_windows, &c->oldest))
        c->oldest = INT64_MIN;
    int err = carry->must_read ? carry_journal(c) : 0;
    if (err == 0)
        err = carry_noted(c, first, last);
    if (err == 0)
        err = finish_targets(c);
    abandon(c);
    return err;
}

int carry_out(struct recorder *r, uint64_t number, char *detail, size_t n)
{
    struct carry *carry = &r->carry;
    if (carry->directory == NULL || !carry->directory->are_left)
        return 0;
    pthread_mutex_lock(&carry->lock);
    const struct carry_deletion *first = carry->first, *last = carry->last;
    pthread_mutex_unlock(&carry->lock);
    if (!carry->must_read && first == NULL)
        return 0;
    struct carrying c = {.r = r,
                         .directory = carry->directory,
                         .number = number,
                         .names_mark = io_names_mark(),
                         .detail = detail,
                         .detail_bytes = n};
    c.work = arena_span_get(r->arena, r->owner, sizeof(*c.work));
    if (c.work == NULL)
        return failed(&c, ERR_NO_MEMORY, "carry to files in", "");
    c.work->batch.kind = NULL;
    detail[0] = '\0';
    int err = carry_all(&c, first, last);
    int saved = errno;
    arena_span_put(r->arena, r->owner, c.work, sizeof(*c.work));
    look_around(r);
    if (err == 0) {
        atomic_fetch_add(&carry->figures.records_carried, c.n_records);
        atomic_fetch_add(&carry->figures.record_bytes_carried, c.record_bytes);
        carry->must_read = false;
        carry->n_unreadable = 0;
        forget_deletions(carry, last);
        if (c.n_targets > 0)
            LOG_INFO("What the journal held for windows that were left on disk is beside them.",
                     log_u64("windows", c.n_targets),
                     log_u64("bytes", atomic_load(&carry->figures.bytes)));
    }
    errno = saved;
    return err;
}

/* --- the way back ----------------------------------------------------------------------------- */

struct coming_back {
    struct recorder *r;
    char *error;
    size_t n;
};

static int take_back(void *ctx, const struct journal_record *record)
{
    const struct coming_back *b = ctx;
    struct recorder *r = b->r;
    if (r->relieve != NULL)
        r->relieve(r->relieve_ctx);
    return recorder_take(r, record, b->error, b->n);
}

static int take_file_back(struct coming_back *b, const char *name, uint8_t *buffer,
                          struct left_report *ret)
{
    struct recorder *r = b->r;
    const struct left_read_options o = {.io = &r->files.io,
                                        .name = name,
                                        .buffer = buffer,
                                        .arena = r->arena,
                                        .visit = take_back,
                                        .ctx = b};
    int err = left_read(&o, ret);
    if (err == ERR_CORRUPT)
        err = 0; /* nothing of it is left */
    if (err == 0 && !left_is_good(ret))
        tell_damage(r, name, ret);
    if (err < 0 && b->error[0] == '\0')
        snprintf(b->error, b->n, "%s/%s cannot be read: %s%s", r->files.io.place, name,
                 err == ERR_IO ? strerror(errno) : tsdb_err_text(err),
                 err == ERR_NO_MEMORY ? "; give more with --storage.memory-limit" : "");
    return err;
}

static int take_files_back(struct coming_back *b, uint8_t *buffer)
{
    struct recorder *r = b->r;
    struct carry *c = &r->carry;
    uint64_t n_files = 0, n_records = 0;
    int err = 0;
    for (uint32_t i = 0; err == 0 && i < c->directory->n; i++) {
        const struct directory_window *dw = &c->directory->windows[i];
        struct left_report found;
        char name[FILE_NAME_BYTES];
        if (dw->has_left && dw->left_below > c->number_min)
            c->number_min = dw->left_below;
        if (!dw->has_left || dw->is_left || dw->is_left_stale)
            continue;
        directory_left_name(dw->number, name);
        err = take_file_back(b, name, buffer, &found);
        n_files++;
        n_records += found.records;
    }
    atomic_store(&c->figures.records_back, n_records);
    if (err == 0 && n_files > 0)
        LOG_INFO("What the journal held for windows that had been left on disk is back.",
                 log_u64("windows", n_files), log_u64("records", n_records),
                 log_u64("samples", r->n_samples_replayed));
    return err;
}

int carry_back(struct recorder *r, char *error, size_t n)
{
    struct carry *c = &r->carry;
    struct coming_back b = {r, error, n};
    bool has_any = false;
    for (uint32_t i = 0; c->directory != NULL && i < c->directory->n; i++)
        has_any |= c->directory->windows[i].has_left;
    if (!has_any)
        return 0;
    uint8_t *buffer = arena_span_get(r->arena, r->owner, FRAME_BUFFER_BYTES);
    if (buffer == NULL) {
        snprintf(error, n,
                 "there is no memory to read what the journal held for windows that had "
                 "been left on disk; give more with --storage.memory-limit");
        return ERR_NO_MEMORY;
    }
    int err = take_files_back(&b, buffer);
    arena_span_put(r->arena, r->owner, buffer, FRAME_BUFFER_BYTES);
    return err;
}

void carry_replayed(struct recorder *r)
{
    const struct directory *d = r->carry.directory;
    r->carry.must_read =
        d != NULL && d->are_left && r->n_samples_left_out + r->n_deletions_replayed > 0;
    if (d != NULL)
        look_around(r);
}
