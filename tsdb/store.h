/* The store's inside: what its doors (tsdb.h, append.h, read.h, dump.h) share. Private to tsdb/.
 *
 * Threads. `lock` guards the index (series, pairs, symbols, postings, which windows there are):
 * looking something up needs it for reading, making or removing a series or a window for writing.
 * What a series has in its windows is guarded by the series' version; who reads or changes that is
 * inside the epoch of `slots`. Order: lock, epoch, version, a timeline's version, slots. A thread
 * inside the epoch takes the lock only if it held it when it entered. */
#ifndef HG_TSDB_STORE_H
#define HG_TSDB_STORE_H

#include "tsdb/append.h"
#include "tsdb/clock.h"
#include "tsdb/exemplars.h"
#include "tsdb/growth.h"
#include "tsdb/read.h"
#include "tsdb/series.h"
#include "tsdb/tsdb.h"

#include <pthread.h>

/* What happened since the start. */
enum store_counter {
    N_SERIES_CREATED,
    N_SERIES_REMOVED,
    N_CHUNKS_CREATED,
    N_CHUNKS_REMOVED,
    N_SAMPLES_APPENDED,
    N_SAMPLES_LATE, /* of those: behind their series' newest */
    N_SAMPLES_DUPLICATE,
    N_SAMPLES_DELETED,
    N_REFUSED_TOO_OLD,
    N_REFUSED_TOO_FAR_AHEAD,
    N_REFUSED_OUT_OF_ORDER,
    N_REFUSED_DUPLICATE,
    N_REFUSED_LIMIT,
    N_REFUSED_MEMORY,
    N_REFUSED_ROOM,
    STORE_COUNTERS
};

_Static_assert((int)STORE_COUNTERS <= (int)APPEND_COUNTERS, "a batch has room for all");

struct tsdb {
    struct tsdb_options options;
    struct arena *arena;
    unsigned owner;
    pthread_rwlock_t lock;

    struct clock clock;
    struct windows windows;
    struct series_index series;
    struct label_index labels;
    struct growth growth;
    struct exemplars exemplars; /* has a lock of its own */

    struct slots slots;
    _Atomic int64_t readable_from_ms; /* what is older is being restored; INT64_MIN = nothing is */
    struct recent_timelines recent;
    struct recent_shared shared;
    _Atomic uint32_t n_dumps;
    _Atomic uint64_t counters[STORE_COUNTERS];
};

/* Sees to it that another window can be made. May sweep, and so remove series: look them up
 * afterwards. */
void store_make_room_locked(struct tsdb *db);

static inline bool store_has_room_locked(const struct tsdb *db)
{
    return db->windows.n_live + db->windows.n_expiring < WINDOW_SLOTS;
}

/* The live window of a number, made if there is none yet; removes no series. NULL when there is no
 * room for another. */
struct window *store_window_locked(struct tsdb *db, int64_t number);

/* The same for what is brought back, whatever the time is: kept are the windows that go together
 * with the newest one; older ones are taken out of sight. Errors: ERR_TOO_OLD when it is one of
 * those; ERR_NO_MEMORY. */
int store_restore_window_locked(struct tsdb *db, int64_t number) WARN_UNUSED;

/* The oldest window that would be kept beside the newest one that there is, or beside `number`. */
int64_t store_oldest_restored(struct tsdb *db, int64_t number);

/* Takes windows out of sight that the clock has left behind. */
void store_turn_locked(struct tsdb *db);

/* Works off expiring windows, at most n_max series of them; true while there is more to do that
 * need not wait for readers. Not to be called inside the epoch. */
bool store_sweep_locked(struct tsdb *db, size_t n_max);

/* The pair of an id. */
static inline struct pair store_pair(const struct tsdb *db, uint32_t pair)
{
    return pair_at(db->arena, &db->labels.pairs, pair);
}

/* The series that have it. */
static inline const struct postings *store_postings(const struct tsdb *db, uint32_t pair)
{
    return pair_postings(db->arena, &db->labels.pairs, pair);
}

/* Seals chunks of series that have fallen silent, n_max of them at most, in windows that have ended
 * longer ago than the out-of-order window: nobody moves on from them, and until their window
 * expires their heads and tails would lie between those of the living. True while there is more to
 * do. Takes the lock for reading. */
bool store_seal_silent(struct tsdb *db, size_t n_max);

/* Takes a series out; unmake: one that never had a sample, and counts as never made. */
void store_remove_series_locked(struct tsdb *db, slot series);
void store_unmake_series_locked(struct tsdb *db, slot series);

/* The ids of series that match every matcher, ascending, in the region. Needs the lock for reading.
 */
int store_select_locked(struct tsdb *db, const struct matcher_set *set, struct region *r,
                        uint32_t **ret, size_t *ret_n);

/* A copy of a live window, for readers without the lock. */
struct window_span {
    uint32_t serial;
    int64_t number, start_ms;
    uint32_t min_time, max_time; /* what a reader wants of it, from its start */
};

/* The live windows that overlap a range, ascending; returns how many. */
uint32_t store_spans_locked(struct tsdb *db, int64_t min_ms, int64_t max_ms,
                            struct window_span ret[WINDOW_SLOTS]);

static inline void store_count(struct tsdb *db, enum store_counter counter, uint64_t n)
{
    atomic_fetch_add_explicit(&db->counters[counter], n, memory_order_relaxed);
}

/* What changes a series' chunks; times is the caller's. */
struct series_writer store_writer(struct tsdb *db, struct times_cache *times);

#endif
