/* The store's inside: what its doors (tsdb.h, append.h, read.h, dump.h) share. Private to tsdb/.
 *
 * Threads: `lock` guards everything behind it. */
#ifndef HG_TSDB_STORE_H
#define HG_TSDB_STORE_H

#include "tsdb/clock.h"
#include "tsdb/read.h"
#include "tsdb/series.h"
#include "tsdb/tsdb.h"

#include <pthread.h>

struct tsdb {
    struct tsdb_options options;
    struct arena *arena;
    unsigned owner;
    pthread_rwlock_t lock;

    struct clock clock;
    struct windows windows;
    struct series_index series;
    struct label_index labels;

    uint64_t series_created, series_removed;
    uint64_t chunks_created, chunks_removed;
    uint64_t samples_appended, samples_late, samples_duplicate;
    uint64_t refused_too_old, refused_too_far_ahead, refused_out_of_order, refused_duplicate;
    uint64_t refused_limit, refused_memory;
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

/* The series' chunk in a window, made if there is none yet; 0 without memory. */
slot store_chunk_locked(struct tsdb *db, struct series *s, struct window *w);

/* Takes windows out of sight that the clock has left behind. */
void store_turn_locked(struct tsdb *db);

/* Works off expiring windows, at most n_max chunks of them; true while there is more to do. */
bool store_sweep_locked(struct tsdb *db, size_t n_max);

/* The record of a pair's id. */
static inline const struct pair *store_pair(const struct tsdb *db, uint32_t pair)
{
    return pair_at(db->arena, &db->labels.pairs, pair);
}

/* Takes a series out. */
void store_remove_series_locked(struct tsdb *db, slot series);

/* The ids of series that match every matcher, ascending, in the region. Needs the lock for reading.
 */
int store_select_locked(struct tsdb *db, const struct matcher_set *set, struct region *r,
                        uint32_t **ret, size_t *ret_n);

/* Whether a series has a live chunk whose samples reach into the range. */
bool store_series_overlaps_locked(struct tsdb *db, const struct series *s, int64_t min_ms,
                                  int64_t max_ms);

#endif
