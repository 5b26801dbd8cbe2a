/* What restore.c and restore_chunk.c share; for nobody else. A restorer is one thread's. */
#ifndef HG_TSDB_RESTORE_INSIDE_H
#define HG_TSDB_RESTORE_INSIDE_H

#include "tsdb/dump.h"
#include "tsdb/store.h"

enum { HELD_RECORDS = 64 }; /* under one hold: what they retire waits until it ends */

struct restored_timeline { /* item of restore.timelines */
    slot at;
    uint32_t n; /* its times */
};

/* Lets go of the store; nothing when it is not held. */
void restore_leave_now(struct restore *r);

/* Writes the blocks that wait. is_whole: nothing more of their chunk comes. */
int restore_flush(struct restore *r, bool is_whole) WARN_UNUSED;

/* Nothing more of the last chunk comes. If it was not known to be whole when it was written, it is
 * sealed now, as it would have been. Without memory it only stays larger. */
void restore_finish_chunk(struct restore *r);

/* The window that records are for; everything is entered that writing needs. NULL = it has gone. */
static inline struct window *restore_enter(struct restore *r)
{
    if (r->n_left == 0) {
        pthread_rwlock_rdlock(&r->db->lock);
        r->place = slots_enter(&r->db->slots);
        if (!r->is_part)
            slots_hold(&r->db->slots);
        r->n_left = r->is_held ? HELD_RECORDS : 1;
        r->live = r->has_window ? window_of_number(&r->db->windows, r->window) : NULL;
        r->known_series = r->known_at = 0;
    }
    return r->live;
}

static inline void restore_leave(struct restore *r)
{
    if (r->n_left > 1)
        r->n_left--;
    else
        restore_leave_now(r);
}

/* The record of a series, or 0; after enter. */
static inline slot restore_find_series(struct restore *r, uint32_t series)
{
    if (r->known_series != series) {
        r->known_at = series_of_id(r->db->arena, &r->db->series, series);
        r->known_series = series;
    }
    return r->known_at;
}

/* Nobody but the restorer changes timelines, so what was unpacked stays good while the window does;
 * without a hold it might have gone. */
static inline struct times_cache *restore_times_of(struct restore *r, struct times_cache *own,
                                                   struct times_item *items)
{
    if (r->is_held && r->times.n_items > 0)
        return &r->times;
    times_cache_init(own, items, TIMES_CACHE_WRITER);
    return own;
}

static inline bool restore_are_times(const struct restore *r, const uint32_t *times, uint32_t n)
{
    if (n < 1 || n > BLOCK_SAMPLES_MAX)
        return false;
    for (uint32_t i = 1; i < n; i++)
        if (times[i] <= times[i - 1])
            return false;
    return times[n - 1] < r->db->options.window_ms;
}

/* The timeline of that number if it has places [first, first + n), or 0. */
static inline slot restore_find_timeline(struct restore *r, uint32_t number, uint32_t first,
                                         uint32_t n)
{
    struct restored_lookup *l = &r->lookup;
    uint64_t to = (uint64_t)first + n;
    if (l->number != number || to > l->n) {
        const struct restored_timeline *t = table_at(r->db->arena, &r->timelines, number);
        *l =
            t != NULL ? (struct restored_lookup){number, t->at, t->n} : (struct restored_lookup){0};
    }
    return to <= l->n ? l->at : 0;
}

#endif
