/* A ring of records between two threads. The reader fills the one behind the last, the storer
 * empties the first; a record is in the ring until it is stored and its memory given back, which is
 * what the bounds are about. Both sleep on one condition: there are two of them, and a record is
 * hundreds of samples.
 *
 * The thread that stores is the caller's: it is the one whose name and place everything that is
 * told of a start has had so far. */
#include "http/ahead.h"

#include "http/record.h"
#include "http/thread.h"

#include <stdio.h>

struct ahead {
    struct recorder *r;
    struct journal_replay_options *o;
    struct record *records; /* AHEAD_RECORDS, a ring */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* guarded by lock */
    uint64_t n_put, n_stored; /* since the start: those between them are in the ring */
    size_t bytes;             /* of the regions of these, as unpacked */
    bool is_ended;            /* the reader puts no more */
    bool is_stopped;          /* the storer takes no more */
    /* the reader's, until it has ended */
    int err;
};

/* With the lock, which it gives back before it wakes the other: one that is woken while it is held
 * goes to sleep again, and that is two turns of the scheduler for each record. The condition lives
 * until both have ended. */
static void tell_change(struct ahead *a)
{
    pthread_mutex_unlock(&a->lock);
    pthread_cond_signal(&a->changed);
}

/* --- the reader ------------------------------------------------------------------------------- */

static void progress(void *ctx, const struct journal_progress *at)
{
    const struct ahead *a = ctx;
    atomic_store(&a->r->n_segments, at->n_segments);
    atomic_store(&a->r->n_replayed, at->segment - 1);
}

/* What is taken ahead must not be what the record before it lacks to be stored. */
static bool has_memory(const struct ahead *a, const struct journal_record *at)
{
    const struct budget *b = a->r->arena->budget;
    size_t used = atomic_load(&b->used_bytes);
    size_t free_bytes = b->limit_bytes > used ? b->limit_bytes - used : 0;
    return free_bytes >= AHEAD_FREE_BYTES && at->body_bytes <= free_bytes / AHEAD_BODY_SHARE;
}

static bool has_room(const struct ahead *a, const struct journal_record *at)
{
    uint64_t n = a->n_put - a->n_stored;
    return n == 0 || (n < AHEAD_RECORDS && a->bytes < AHEAD_BYTES && has_memory(a, at));
}

/* The place for the next record; NULL when nobody wants it. */
static struct record *wait_for_room(struct ahead *a, const struct journal_record *at)
{
    pthread_mutex_lock(&a->lock);
    while (!a->is_stopped && !has_room(a, at))
        pthread_cond_wait(&a->changed, &a->lock);
    struct record *free_one = a->is_stopped ? NULL : &a->records[a->n_put % AHEAD_RECORDS];
    pthread_mutex_unlock(&a->lock);
    return free_one;
}

static void wait_until_stored(struct ahead *a)
{
    pthread_mutex_lock(&a->lock);
    while (!a->is_stopped && a->n_stored < a->n_put)
        pthread_cond_wait(&a->changed, &a->lock);
    pthread_mutex_unlock(&a->lock);
}

static void put(struct ahead *a, const struct record *record)
{
    pthread_mutex_lock(&a->lock);
    a->n_put++;
    a->bytes += record->region.taken_bytes;
    tell_change(a);
}

static int unpack(void *ctx, const struct journal_record *at)
{
    struct ahead *a = ctx;
    struct record *record = wait_for_room(a, at);
    if (record == NULL)
        return ERR_CANCELED;
    record_unpack(record, a->r, at);
    if (record->found == RECORD_IS_OUT_OF_MEMORY) {
        record_release(record);
        wait_until_stored(a);
        record_unpack(record, a->r, at);
    }
    bool is_last = record->found == RECORD_IS_OUT_OF_MEMORY;
    put(a, record);
    return is_last ? ERR_NO_MEMORY : 0;
}

static void *read_ahead(void *ctx)
{
    struct ahead *a = ctx;
    thread_name("journal-read");
    a->err = journal_replay(a->o, &a->r->replayed);
    pthread_mutex_lock(&a->lock);
    a->is_ended = true;
    tell_change(a);
    return NULL;
}

/* --- the storer ------------------------------------------------------------------------------- */

/* The next record, or NULL when there will be none. */
static struct record *wait_for_record(struct ahead *a)
{
    pthread_mutex_lock(&a->lock);
    while (a->n_stored == a->n_put && !a->is_ended)
        pthread_cond_wait(&a->changed, &a->lock);
    struct record *first = a->n_stored < a->n_put ? &a->records[a->n_stored % AHEAD_RECORDS] : NULL;
    pthread_mutex_unlock(&a->lock);
    return first;
}

static void drop_first(struct ahead *a, struct record *first, size_t bytes)
{
    record_release(first);
    pthread_mutex_lock(&a->lock);
    a->n_stored++;
    a->bytes -= bytes;
    tell_change(a);
}

static void stop(struct ahead *a)
{
    pthread_mutex_lock(&a->lock);
    a->is_stopped = true;
    tell_change(a);
}

/* Stores what the reader puts, and after the first error only drops it. */
static int store_all(struct ahead *a, char *error, size_t n)
{
    struct record *record;
    int err = 0;
    while ((record = wait_for_record(a)) != NULL) {
        size_t bytes = record->region.taken_bytes; /* storing may add to it */
        if (a->r->relieve != NULL)
            a->r->relieve(a->r->relieve_ctx);
        if (err == 0 && (err = record_store(record, a->r, error, n)) != 0)
            stop(a);
        drop_first(a, record, bytes);
    }
    return err;
}

/* --- both ------------------------------------------------------------------------------------- */

static int run(struct ahead *a, char *error, size_t n)
{
    pthread_t reader;
    if (!thread_start(&reader, read_ahead, a)) {
        snprintf(error, n, "cannot start a thread to read the journal");
        return ERR_NO_MEMORY;
    }
    int err = store_all(a, error, n);
    pthread_join(reader, NULL);
    return err != 0 ? err : a->err;
}

int ahead_replay(struct recorder *r, struct journal_replay_options *o, char *error, size_t n)
{
    struct ahead a = {.r = r, .o = o};
    struct region region;
    o->visit = unpack;
    o->progress = progress;
    o->ctx = &a;
    region_init(&region, r->arena, r->owner, 0);
    a.records = region_calloc(&region, AHEAD_RECORDS, sizeof(*a.records));
    if (a.records == NULL) {
        snprintf(error, n,
                 "there is no memory to read the journal; give more with "
                 "--storage.memory-limit");
        return ERR_NO_MEMORY;
    }
    pthread_mutex_init(&a.lock, NULL);
    pthread_cond_init(&a.changed, NULL);
    int err = run(&a, error, n);
    pthread_cond_destroy(&a.changed);
    pthread_mutex_destroy(&a.lock);
    region_release(&region);
    return err;
}
