/* The thread that syncs, by rounds: all segments that have something unsynced, then the directory
 * if one of them has a new name, then the answers to those who wait for it (mode always). Who comes
 * while a round runs is in the next one: one sync for all of them, however slow the disk.
 *
 * A sync that fails is the end of its segment. Linux reports a failed write-back once and may then
 * have dropped the pages, so a second sync that succeeds says nothing of the first one's bytes. The
 * writer goes on in a new segment. Who waited for this one gets the error; what was acknowledged
 * before it was synced (mode interval) is in memory only, perhaps, so a snapshot is asked for.
 *
 * A directory that is removed under us fails nobody's write: the file goes on without a name. Hence
 * the look for the name, with each round. */
#include "snapshot/journal_state.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#define NS_PER_S 1000000000

struct round {
    struct journal_segment segments[JOURNAL_RETIRED_MAX + 1]; /* retired ones, then the current */
    int n, n_retired;
    uint64_t asked; /* what n_syncs_asked was */
    bool is_good, is_unsafe;
};

static bool has_unsynced(const struct journal_segment *s)
{
    return s->handle >= 0 && !s->is_failed && (s->good > s->synced || !s->is_name_synced);
}

static void begin_round_locked(struct journal *j, struct round *r)
{
    *r = (struct round){.is_good = true, .asked = j->n_syncs_asked};
    for (; r->n < j->n_retired; r->n++)
        r->segments[r->n] = j->retired[r->n];
    r->n_retired = r->n;
    if (has_unsynced(&j->current))
        r->segments[r->n++] = j->current;
    journal_list_move(&j->syncing, &j->written);
}

/* --- one segment, without the lock --- */

static void note_duration(struct journal *j, int64_t ns)
{
    int bucket = 0;
    while (ns > journal_sync_bucket_ns(bucket))
        bucket++;
    pthread_mutex_lock(&j->lock);
    j->stats.sync_buckets[bucket]++;
    j->stats.sync_sum_ns += (uint64_t)ns;
    j->stats.n_syncs++;
    pthread_mutex_unlock(&j->lock);
}

static void note_failure(struct journal *j, struct round *r, struct journal_segment *s,
                         const char *call)
{
    s->is_failed = true;
    r->is_good = false;
    pthread_mutex_lock(&j->lock);
    journal_failed_locked(j, call, s->number, JOURNAL_FAILS_SYNC);
    pthread_mutex_unlock(&j->lock);
}

/* False when its name is gone, and it was not us who removed it. */
static bool is_still_there(struct journal *j, const struct journal_segment *s)
{
    char name[JOURNAL_NAME_BYTES];
    journal_name(s->number, name);
    if (j->io->ops->size(j->io, name) >= 0 || errno != ENOENT)
        return true;
    pthread_mutex_lock(&j->lock);
    bool is_dropped = s->number < j->dropped_below;
    pthread_mutex_unlock(&j->lock);
    errno = ENOENT;
    return is_dropped;
}

/* A journal is read after a crash and never else, so its pages are given back for others: those of
 * its own next records, mostly, which then are memory that is at hand. Not a little at a time, for
 * the system may have to ask all cores for such pages. */
static void evict(struct journal *j, struct journal_segment *s)
{
    if (s->good - s->evicted < JOURNAL_EVICT_BYTES)
        return;
    io_evict(j->io, s->handle, s->evicted, s->good);
    s->evicted = s->good;
}

static void sync_segment(struct journal *j, struct round *r, struct journal_segment *s)
{
    if (!has_unsynced(s) || s->is_to_go)
        return;
    if (!is_still_there(j, s)) {
        s->is_gone = true;
        note_failure(j, r, s, "find");
        return;
    }
    int64_t start = journal_now_ns(j);
    if (io_sync_data(j->io, s->handle) < 0) {
        note_failure(j, r, s, "sync");
        return;
    }
    note_duration(j, i64_max(journal_now_ns(j) - start, 0));
    evict(j, s);
}

/* Without its name a segment is not synced. Each has its own mark, and two in a round are rare. */
static void sync_names(struct journal *j, struct round *r)
{
    for (int i = 0; i < r->n; i++) {
        struct journal_segment *s = &r->segments[i];
        if (has_unsynced(s) && !s->is_name_synced && io_sync_dir(j->io, s->names_mark) < 0)
            note_failure(j, r, s, "sync directory");
    }
}

/* Nobody writes to a retired one any more. */
static void close_retired(struct journal *j, struct journal_segment *s)
{
    bool is_closed = j->io->ops->close(j->io, s->handle) == 0;
    char name[JOURNAL_NAME_BYTES];
    journal_name(s->number, name);
    bool is_removed = s->is_to_go && j->io->ops->remove(j->io, name) == 0;
    pthread_mutex_lock(&j->lock);
    if (!is_closed)
        j->stats.n_other_failures++;
    if (is_removed) {
        j->stats.n_segments -= j->stats.n_segments > 0;
        j->stats.bytes -= s->good < j->stats.bytes ? s->good : j->stats.bytes;
    }
    pthread_mutex_unlock(&j->lock);
}

/* --- the end of a round --- */

/* The segment of that number, be it current or retired meanwhile; NULL when it is gone. */
static struct journal_segment *find_locked(struct journal *j, uint64_t number)
{
    for (int i = 0; i < j->n_retired; i++)
        if (j->retired[i].number == number)
            return &j->retired[i];
    return j->current.handle >= 0 && j->current.number == number ? &j->current : NULL;
}

static void note_result_locked(struct journal *j, struct round *r, const struct journal_segment *s)
{
    struct journal_segment *now = find_locked(j, s->number);
    if (!s->is_failed && now) {
        now->synced = s->good;
        now->evicted = s->evicted;
        now->is_name_synced = true;
    }
    if (!s->is_failed)
        return;
    if (now)
        now->is_failed = true;
    bool was_answered = j->o.mode == JOURNAL_INTERVAL && s->good > JOURNAL_EMPTY_BYTES;
    if ((was_answered && s->number >= j->dropped_below) || s->is_gone) {
        r->is_unsafe = true;
        journal_lost_locked(j, s->number + 1);
    }
}

static bool is_failed_in(const struct round *r, uint64_t segment)
{
    for (int i = 0; i < r->n; i++)
        if (r->segments[i].number == segment)
            return r->segments[i].is_failed;
    return true; /* it failed in a round before */
}

/* Divides `syncing` by what became of the segments. */
static void sort_entries_locked(struct journal *j, const struct round *r, struct journal_list *good,
                                struct journal_list *bad)
{
    struct journal_entry *e;
    while ((e = journal_list_take(&j->syncing))) {
        bool is_bad = is_failed_in(r, e->segment);
        e->sys_errno = is_bad ? j->stats.sys_errno : 0;
        j->waiting_bytes -= e->bytes;
        *(is_bad ? &j->stats.n_failed : &j->stats.n_records) += 1;
        journal_list_add(is_bad ? bad : good, e);
    }
}

static void end_round(struct journal *j, struct round *r)
{
    struct journal_list good = {0}, bad = {0};
    pthread_mutex_lock(&j->lock);
    bool has_synced = false;
    for (int i = 0; i < r->n; i++) {
        has_synced |= has_unsynced(&r->segments[i]);
        note_result_locked(j, r, &r->segments[i]);
    }
    sort_entries_locked(j, r, &good, &bad);
    j->n_retired -= r->n_retired;
    memmove(j->retired, j->retired + r->n_retired, (size_t)j->n_retired * sizeof *j->retired);
    if (r->is_good) {
        j->last_sync_ns = journal_now_ns(j);
        if (has_synced)
            journal_works_locked(j, JOURNAL_FAILS_SYNC);
    }
    j->n_syncs_answered = r->asked;
    pthread_cond_broadcast(&j->progress);
    pthread_mutex_unlock(&j->lock);
    if (r->is_unsafe && j->o.want_snapshot)
        j->o.want_snapshot(j->o.ctx, JOURNAL_WANT_SAFETY);
    journal_answer(&good, 0);
    journal_answer(&bad, ERR_IO);
}

static void do_round(struct journal *j, struct round *r)
{
    for (int i = 0; i < r->n; i++)
        sync_segment(j, r, &r->segments[i]);
    sync_names(j, r);
    for (int i = 0; i < r->n_retired; i++)
        close_retired(j, &r->segments[i]);
    end_round(j, r);
}

/* --- the thread --- */

static bool is_due_locked(const struct journal *j)
{
    return j->n_retired > 0 || j->written.first || j->n_syncs_asked > j->n_syncs_answered ||
           j->is_syncer_to_stop;
}

/* Until something is due, or in mode interval the time is up. */
static void wait_locked(struct journal *j)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += j->o.sync_ms / 1000;
    until.tv_nsec += j->o.sync_ms % 1000 * 1000000;
    if (until.tv_nsec >= NS_PER_S) {
        until.tv_sec++;
        until.tv_nsec -= NS_PER_S;
    }
    while (!is_due_locked(j)) {
        if (j->o.mode == JOURNAL_ALWAYS)
            pthread_cond_wait(&j->sync_work, &j->lock);
        else if (pthread_cond_timedwait(&j->sync_work, &j->lock, &until) == ETIMEDOUT)
            return;
    }
}

void *journal_syncer_run(void *journal)
{
    struct journal *j = journal;
    struct round r;
    pthread_setname_np(pthread_self(), "journal-sync");
    bool is_last = false;
    while (!is_last) {
        pthread_mutex_lock(&j->lock);
        wait_locked(j);
        is_last = j->is_syncer_to_stop;
        begin_round_locked(j, &r);
        pthread_mutex_unlock(&j->lock);
        do_round(j, &r);
    }
    return NULL;
}
