/* Windows: which spans of time are kept, and the memory of their chunks.
 *
 * A window owns one pool for each size class, so when it expires its pages return whole. Live
 * windows are found by number; a handle into a window (a chunk of it) carries the window's serial,
 * which is never used twice, and is found stale when the serial is not that of a live window any
 * more: so nobody has to visit all series when a window goes.
 *
 *     free --window_make--> live --window_expire--> expiring --window_free--> free
 *
 * An expiring window is invisible; its members are still noted, so that series which had nothing
 * newer can be found and removed in slices, and its chunks are there for readers that came before.
 *
 * Threads: the store's lock guards which windows there are (making, expiring and freeing need it
 * for writing). Its pools and the table of members are guarded by the lock of slots.h; the figures
 * are atomic. */
#ifndef HG_TSDB_WINDOW_H
#define HG_TSDB_WINDOW_H

#include "alloc/pool.h"
#include "alloc/size_class.h"
#include "alloc/table.h"
#include "tsdb/store_limits.h"

#include <stdatomic.h>

enum {
    WINDOW_SLOTS = 128
}; /* live and expiring ones together; a power of two above WINDOWS_MAX + 2 */

enum { MEMBER_BITS = 64 }; /* of an item of `members` */

enum window_state { WINDOW_FREE, WINDOW_LIVE, WINDOW_EXPIRING };

struct window {
    int64_t number;   /* floor(start / window_ms) */
    int64_t start_ms; /* wraps for windows at the ends of int64 */
    uint32_t serial;  /* generation * WINDOW_SLOTS + place; 0 is never used */
    enum window_state state;
    struct table members;          /* of uint64_t: a bit for each series with a chunk in it */
    _Atomic uint64_t next_to_seal; /* silent series: ids below were looked at; UINT64_MAX = all */
    uint64_t next_member;          /* while expiring: ids below were swept */
    uint64_t left_epoch; /* while expiring and swept: readers from before may still be inside */
    bool is_swept;
    _Atomic uint32_t n_timelines;
    _Atomic uint32_t last_timeline; /* slot of the newest; the others follow: timeline.h */
    _Atomic uint32_t n_shared;
    _Atomic uint32_t last_shared; /* the same: shared.h */
    _Atomic uint64_t n_chunks;
    _Atomic uint64_t n_samples;
    _Atomic uint64_t n_changes; /* grows after samples came or went: whether a file of it is good */
    _Atomic uint64_t payload_bytes; /* of its used slots, what is not slack */
    _Atomic int64_t min_ms, max_ms; /* its samples lie within; min > max when there are none */
    struct pool classes[SIZE_CLASSES];
    struct pool crumbs[CRUMB_SIZES];
};

struct windows {
    struct window items[WINDOW_SLOTS];
    uint8_t live[WINDOW_SLOTS]; /* places of live windows, ascending by number */
    uint32_t n_live;
    _Atomic uint32_t n_expiring;
    uint32_t generation;
    unsigned owner, owner_tables;
    int64_t window_ms;
};

void windows_init(struct windows *ws, int64_t window_ms, unsigned owner, unsigned owner_tables);

/* The live window of that number or serial, or NULL. Pointers stay valid until the window is freed.
 */
struct window *window_of_number(struct windows *ws, int64_t number);
struct window *window_of_serial(struct windows *ws, uint32_t serial);

/* Makes a live window of a number that has none; NULL when all places are taken. */
struct window *window_make(struct windows *ws, int64_t number);

/* A time as its distance from the window's start, and back. The start may lie beyond the ends of
 * int64, the times of samples do not. */
static inline uint32_t window_time_of(const struct window *w, int64_t t_ms)
{
    return (uint32_t)((uint64_t)t_ms - (uint64_t)w->start_ms);
}

static inline int64_t window_ms_of(const struct window *w, uint32_t time)
{
    return (int64_t)((uint64_t)w->start_ms + time);
}

/* Takes a live window out of sight. */
void window_expire(struct windows *ws, struct window *w);

/* Notes n samples from min_ms to max_ms, and that the window has changed. */
void window_count(struct window *w, uint64_t n, int64_t min_ms, int64_t max_ms);

/* Notes that a chunk was restored. While it is, the window is one restorer's alone. */
static inline void window_count_restored(struct window *w)
{
    uint64_t n_chunks = atomic_load_explicit(&w->n_chunks, memory_order_relaxed);
    atomic_store_explicit(&w->n_chunks, n_chunks + 1, memory_order_relaxed);
}

/* Notes that n samples have gone, and that the window has changed. Those of a batch that is under
 * way may not be counted yet: until it is over n_samples may be below 0, as an int64_t. */
void window_uncount(struct window *w, uint64_t n);

/* Notes that a series has a chunk in the window; false without memory. Under the lock of slots.h.
 */
bool window_add_member(struct arena *a, struct window *w, uint32_t series) WARN_UNUSED;
void window_drop_member(const struct arena *a, struct window *w, uint32_t series); /* after all */
/* The same for n series that are none yet, and ascend: all of them, or none without memory. */
bool window_add_members(struct arena *a, struct window *w, const uint32_t *series,
                        uint32_t n) WARN_UNUSED;
static inline bool window_has_member(const struct arena *a, const struct window *w, uint32_t series)
{
    const uint64_t *bits = table_at(a, &w->members, series / MEMBER_BITS);
    return bits != NULL &&
           (__atomic_load_n(bits, __ATOMIC_RELAXED) >> series % MEMBER_BITS & 1) != 0;
}

/* The first member at or after `from`, or UINT64_MAX. Under the lock of slots.h, or while nobody
 * can add one. */
uint64_t window_next_member(const struct arena *a, const struct window *w, uint64_t from,
                            uint64_t end);

/* Returns an expiring window's pages and its place. */
void window_free(struct arena *a, struct windows *ws, struct window *w);

/* The same in parts: at most max_pages of its pages, and when there are none left its place: true
 * then. */
bool window_free_some(struct arena *a, struct windows *ws, struct window *w,
                      size_t max_pages) WARN_UNUSED;

/* The i-th live window, ascending by number; i < n_live. */
static inline struct window *window_live(struct windows *ws, uint32_t i)
{
    return &ws->items[ws->live[i]];
}

/* Looks at series from that id on again when silent ones are sealed. */
static inline void window_reopen(struct window *w, uint32_t series)
{
    uint64_t next = atomic_load_explicit(&w->next_to_seal, memory_order_relaxed);
    while (next > series && !atomic_compare_exchange_weak(&w->next_to_seal, &next, series))
        ;
}

/* Any expiring window, or NULL. */
struct window *window_expiring(struct windows *ws);

/* The pool that slots of that size come from. */
struct pool *window_pool(struct window *w, size_t slot_bytes);

/* Pages held by a window's chunks, in bytes. */
uint64_t window_page_bytes(const struct window *w);

bool windows_check(const struct arena *a, struct windows *ws);

#endif
