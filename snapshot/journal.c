/* What callers see of the journal: submit, cut, drop, sync, stats; the threads are in
 * journal_writer.c and journal_syncer.c. docs/decisions/0016-journal.md has the reasons. */
#include "snapshot/journal.h"

#include "snapshot/journal_state.h"

#include <errno.h>
#include <string.h>
#include <time.h>

enum { STACK_BYTES = 256 * 1024, FIRST_BUCKET_NS = 250000 };

#define NS_PER_S 1000000000

/* --- for the threads --- */

int64_t journal_now_ns(const struct journal *j)
{
    if (j->o.now_ns)
        return j->o.now_ns(j->o.ctx);
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

int64_t journal_now_ms(const struct journal *j)
{
    if (j->o.now_ms)
        return j->o.now_ms(j->o.ctx);
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void journal_answer(struct journal_list *l, int err)
{
    struct journal_entry *e;
    while ((e = journal_list_take(l)))
        e->done(e, err);
}

void journal_failed_locked(struct journal *j, const char *call, uint64_t segment, unsigned what)
{
    struct journal_stats *s = &j->stats;
    *(what == JOURNAL_FAILS_WRITE ? &s->n_write_failures : &s->n_sync_failures) += 1;
    s->sys_errno = errno;
    s->failed_call = call;
    s->failed_segment = segment;
    if (j->fails == 0)
        s->failing_since_ms = journal_now_ms(j);
    j->fails |= what;
}

void journal_works_locked(struct journal *j, unsigned what)
{
    j->fails &= ~what;
    if (j->fails == 0)
        j->stats.failing_since_ms = 0;
}

void journal_lost_locked(struct journal *j, uint64_t below)
{
    if (below > j->unsafe_below)
        j->unsafe_below = below;
}

int64_t journal_sync_bucket_ns(int bucket)
{
    assert(bucket >= 0 && bucket < JOURNAL_SYNC_BUCKETS);
    return bucket == JOURNAL_SYNC_BUCKETS - 1 ? INT64_MAX : (int64_t)FIRST_BUCKET_NS << bucket;
}

/* --- open and close --- */

static void init_locks(struct journal *j)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&j->lock, NULL);
    pthread_cond_init(&j->work, NULL);
    pthread_cond_init(&j->sync_work, &monotonic);
    pthread_cond_init(&j->progress, NULL);
    pthread_condattr_destroy(&monotonic);
}

/* What there is already. The newest number is looked for from the oldest on: the names come in no
 * order, and there is no memory to sort them in. */
static int look_around(struct journal *j)
{
    uint64_t number = 0, newest = 0;
    int found = journal_find(j->io, 1, &number, &j->stats.bytes, &j->stats.n_segments);
    j->stats.oldest = found > 0 ? number : 0;
    while (found > 0) {
        newest = number;
        found = journal_find(j->io, newest + 1, &number, NULL, NULL);
    }
    if (found < 0)
        return found;
    j->before = newest;
    j->stats.newest = newest;
    j->next_number = newest + 1 > j->o.number_min ? newest + 1 : j->o.number_min;
    j->next_sequence = j->o.sequence_min > 0 ? j->o.sequence_min : 1;
    return 0;
}

static bool start(pthread_t *ret, void *(*run)(void *), struct journal *j)
{
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_BYTES);
    int rc = pthread_create(ret, &attr, run, j);
    pthread_attr_destroy(&attr);
    return rc == 0;
}

static void stop_writer(struct journal *j)
{
    pthread_mutex_lock(&j->lock);
    j->is_closing = true;
    pthread_cond_signal(&j->work);
    pthread_mutex_unlock(&j->lock);
    pthread_join(j->writer, NULL);
}

static int start_threads(struct journal *j)
{
    (void)journal_begin_segment(j);
    if (!start(&j->writer, journal_writer_run, j))
        return ERR_NO_MEMORY;
    if (start(&j->syncer, journal_syncer_run, j))
        return 0;
    stop_writer(j);
    return ERR_NO_MEMORY;
}

static void release(struct journal *j)
{
    if (j->current.handle >= 0)
        (void)j->io->ops->close(j->io, j->current.handle);
    pthread_mutex_destroy(&j->lock);
    pthread_cond_destroy(&j->work);
    pthread_cond_destroy(&j->sync_work);
    pthread_cond_destroy(&j->progress);
    arena_span_put(j->o.arena, j->owner, j, sizeof *j);
}

int journal_open(const struct journal_options *o, struct journal **ret)
{
    uint64_t segment_bytes = o->segment_bytes ? o->segment_bytes : JOURNAL_SEGMENT_BYTES;
    ENSURE(segment_bytes >= JOURNAL_SEGMENT_BYTES_MIN && o->max_bytes > 0);
    ENSURE(o->mode != JOURNAL_INTERVAL || o->sync_ms > 0);
    unsigned owner = budget_owner(o->arena->budget, "journal");
    struct journal *j = arena_span_get(o->arena, owner, sizeof *j);
    if (!j)
        return ERR_NO_MEMORY;
    memset(j, 0, sizeof *j);
    j->o = *o;
    j->o.segment_bytes = segment_bytes;
    j->io = o->io;
    j->owner = owner;
    j->current.handle = -1;
    j->stats.failed_call = "";
    j->stats.max_bytes = o->max_bytes;
    init_locks(j);
    j->last_sync_ns = journal_now_ns(j);
    int err = look_around(j);
    if (err == 0 && o->mode != JOURNAL_OFF)
        err = start_threads(j);
    if (err < 0) {
        int saved = errno;
        release(j);
        errno = saved;
        return err;
    }
    *ret = j;
    return 0;
}

int journal_close(struct journal *j)
{
    bool is_synced = true;
    if (j->o.mode != JOURNAL_OFF) {
        stop_writer(j);
        pthread_mutex_lock(&j->lock);
        j->is_syncer_to_stop = true;
        pthread_cond_signal(&j->sync_work);
        pthread_mutex_unlock(&j->lock);
        pthread_join(j->syncer, NULL);
        is_synced = j->unsafe_below == 0;
    }
    int reason = j->stats.sys_errno;
    release(j);
    errno = reason;
    return is_synced ? 0 : ERR_IO;
}

/* --- submit --- */

static int64_t oldest_wait_locked(const struct journal *j)
{
    const struct journal_list *oldest_first[] = {&j->syncing, &j->written, &j->writing, &j->queue};
    for (size_t i = 0; i < ARRAY_LEN(oldest_first); i++)
        if (oldest_first[i]->first)
            return journal_now_ns(j) - oldest_first[i]->first->submitted_ns;
    return 0;
}

/* 0, or why a record of so many bytes is not taken now. */
static int refusal_locked(struct journal *j, uint64_t bytes)
{
    struct journal_stats *s = &j->stats;
    if (bytes > JOURNAL_RECORD_MAX || s->bytes + j->waiting_bytes + bytes > j->o.max_bytes) {
        s->n_refused_full++;
        return ERR_JOURNAL_FULL;
    }
    if ((j->waiting_bytes > 0 && j->waiting_bytes + bytes > JOURNAL_QUEUE_BYTES) ||
        oldest_wait_locked(j) > (int64_t)JOURNAL_STUCK_MS * 1000000) {
        s->n_refused_busy++;
        return ERR_BUSY;
    }
    if (j->fails != 0 && !journal_can_write_locked(j) && journal_now_ns(j) < j->retry_ns) {
        s->n_refused_failing++;
        errno = s->sys_errno;
        return ERR_IO;
    }
    return 0;
}

static void enqueue_locked(struct journal *j, struct journal_entry *e)
{
    e->submitted_ns = journal_now_ns(j);
    j->waiting_bytes += e->bytes;
    journal_list_add(&j->queue, e);
    if (j->is_writer_waiting && !j->is_lent)
        pthread_cond_signal(&j->work);
}

static void prepare(struct journal_entry *e)
{
    ENSURE(e->n_parts <= JOURNAL_PARTS_MAX && e->meta_bytes <= JOURNAL_META_MAX);
    e->is_cut = false;
    e->sys_errno = 0;
    e->bytes = JOURNAL_RECORD_BYTES + e->meta_bytes;
    for (int i = 0; i < e->n_parts; i++)
        e->bytes += e->parts[i].iov_len;
}

/* Whether it takes one write into the current segment, before which nothing is to be written. With
 * room for one more retired segment nobody waits for the syncer, whatever happens. */
static bool is_simple_locked(const struct journal *j, uint64_t bytes)
{
    bool is_idle = j->is_writer_waiting && !j->is_lent && !j->queue.first && !j->is_closing;
    return is_idle && !j->is_slow && bytes <= FRAME_PAYLOAD_MAX &&
           bytes + FRAME_HEADER_BYTES <= JOURNAL_WRITE_BYTES && journal_can_write_locked(j) &&
           j->tip.end < j->o.segment_bytes && j->n_retired < JOURNAL_RETIRED_MAX &&
           j->stats.bytes + bytes <= j->o.max_bytes;
}

bool journal_write(struct journal *j, struct journal_entry *e)
{
    if (j->o.mode != JOURNAL_INTERVAL)
        return false;
    prepare(e);
    pthread_mutex_lock(&j->lock);
    bool is_simple = is_simple_locked(j, e->bytes);
    if (is_simple) {
        e->submitted_ns = journal_now_ns(j);
        j->waiting_bytes += e->bytes;
        journal_list_add(&j->writing, e);
        j->at = e;
        j->is_lent = true;
    }
    pthread_mutex_unlock(&j->lock);
    if (is_simple)
        journal_write_lent(j);
    return is_simple;
}

int journal_submit(struct journal *j, struct journal_entry *e)
{
    prepare(e);
    if (j->o.mode == JOURNAL_OFF) {
        e->done(e, 0);
        return 0;
    }
    pthread_mutex_lock(&j->lock);
    int err = refusal_locked(j, e->bytes);
    if (err == 0)
        enqueue_locked(j, e);
    pthread_mutex_unlock(&j->lock);
    return err;
}

/* --- cut, drop, sync --- */

void journal_cut(struct journal *j, uint64_t *ret_number)
{
    if (j->o.mode == JOURNAL_OFF) {
        *ret_number = j->next_number; /* nobody begins it */
        return;
    }
    struct journal_entry cut = {.is_cut = true};
    pthread_mutex_lock(&j->lock);
    enqueue_locked(j, &cut);
    while (cut.is_cut)
        pthread_cond_wait(&j->progress, &j->lock);
    pthread_mutex_unlock(&j->lock);
    *ret_number = cut.segment;
}

/* Removes the oldest segment that is below number: 1, or 0 when there is none. */
static int drop_one(struct journal *j, uint64_t number)
{
    uint64_t oldest, bytes = 0;
    char name[JOURNAL_NAME_BYTES];
    unsigned mark = io_names_mark();
    int found = journal_find(j->io, 1, &oldest, NULL, NULL);
    if (found <= 0 || oldest >= number)
        return found < 0 ? found : 0;
    journal_name(oldest, name);
    int64_t size = j->io->ops->size(j->io, name);
    bytes = size > 0 ? (uint64_t)size : 0;
    if (j->io->ops->remove(j->io, name) < 0 && errno != ENOENT)
        return ERR_IO;
    pthread_mutex_lock(&j->lock);
    j->stats.bytes -= bytes < j->stats.bytes ? bytes : j->stats.bytes;
    j->stats.n_segments -= j->stats.n_segments > 0;
    pthread_mutex_unlock(&j->lock);
    return io_sync_dir(j->io, mark) < 0 ? ERR_IO : 1;
}

/* What is left, and what it settles. */
static void note_drop(struct journal *j, uint64_t number, bool is_all)
{
    uint64_t oldest;
    int found = journal_find(j->io, 1, &oldest, NULL, NULL);
    pthread_mutex_lock(&j->lock);
    if (found >= 0)
        j->stats.oldest = found > 0 ? oldest : 0;
    if (is_all && number >= j->unsafe_below)
        j->unsafe_below = 0;
    j->stats.wants_room = false; /* the next write sees whether it was enough */
    pthread_mutex_unlock(&j->lock);
}

int journal_drop(struct journal *j, uint64_t number)
{
    pthread_mutex_lock(&j->lock);
    uint64_t end = j->current.handle >= 0 ? j->current.number : number;
    number = number < end ? number : end;
    if (number > j->dropped_below)
        j->dropped_below = number;
    pthread_mutex_unlock(&j->lock);
    int more;
    do
        more = drop_one(j, number);
    while (more > 0);
    int saved = errno;
    if (more < 0) {
        pthread_mutex_lock(&j->lock);
        j->stats.n_other_failures++;
        pthread_mutex_unlock(&j->lock);
    }
    note_drop(j, number, more == 0);
    errno = saved;
    return more;
}

int journal_sync(struct journal *j)
{
    if (j->o.mode == JOURNAL_OFF)
        return 0;
    pthread_mutex_lock(&j->lock);
    uint64_t ticket = ++j->n_syncs_asked;
    pthread_cond_signal(&j->sync_work);
    while (j->n_syncs_answered < ticket)
        pthread_cond_wait(&j->progress, &j->lock);
    bool is_synced = j->unsafe_below == 0;
    int reason = j->stats.sys_errno;
    pthread_mutex_unlock(&j->lock);
    errno = reason;
    return is_synced ? 0 : ERR_IO;
}

/* --- stats --- */

static uint64_t unsynced_locked(const struct journal *j)
{
    uint64_t n = j->current.handle >= 0 ? j->current.good - j->current.synced : 0;
    for (int i = 0; i < j->n_retired; i++)
        n += j->retired[i].good - j->retired[i].synced;
    return n;
}

void journal_stats(struct journal *j, struct journal_stats *ret)
{
    pthread_mutex_lock(&j->lock);
    *ret = j->stats;
    ret->is_failing = j->fails != 0;
    ret->is_unsafe = j->unsafe_below != 0;
    ret->unsynced_bytes = unsynced_locked(j);
    ret->waiting_bytes = j->waiting_bytes;
    ret->oldest_wait_ns = oldest_wait_locked(j);
    ret->last_sync_ns = journal_now_ns(j) - j->last_sync_ns;
    pthread_mutex_unlock(&j->lock);
}

bool journal_check(struct journal *j)
{
    const struct journal_list *lists[] = {&j->syncing, &j->written, &j->writing, &j->queue};
    uint64_t bytes = 0;
    bool is_good = true;
    pthread_mutex_lock(&j->lock);
    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        const struct journal_entry *last = NULL;
        for (const struct journal_entry *e = lists[i]->first; e; e = e->next) {
            bytes += e->bytes;
            last = e;
        }
        is_good &= lists[i]->last == last;
    }
    is_good &= bytes == j->waiting_bytes;
    for (int i = 0; i < j->n_retired; i++)
        is_good &= j->retired[i].synced <= j->retired[i].good && j->retired[i].handle >= 0;
    is_good &= j->current.handle < 0 || j->current.synced <= j->current.good;
    pthread_mutex_unlock(&j->lock);
    return is_good;
}
