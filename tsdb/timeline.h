/* A timeline: ascending times of one window, kept once for all series that share them. All series
 * of a scrape have the same times, so a chunk does not hold its times: it says from which place of
 * which timeline on its samples are.
 *
 *     timeline (128 B)     segments of 128 times          open segment: up to 4 slots of 32 times
 *     +---------------+    +-----------------------+      +------+ +------+
 *     | n, last, row -|--> | first, step, bytes ---|-->   | u32  | | u32  |
 *     +---------------+    +-----------------------+      +------+ +------+
 *
 * Times are offsets in milliseconds from the window's start. A full segment whose times are
 * equidistant takes no bytes beyond its entry, any other its differences bit-packed. Times are only
 * added, at the end, by whichever of the timeline's series comes first; timelines live as long as
 * their window.
 *
 * Threads: any number of writers (the version is their lock) and readers, all inside the epoch. */
#ifndef HG_TSDB_TIMELINE_H
#define HG_TSDB_TIMELINE_H

#include "tsdb/row.h"
#include "tsdb/words.h"

enum {
    SEGMENT_TIMES = 128,
    TIMELINE_PIECE_TIMES = SIZE_CLASS_STEP_BYTES / (int)sizeof(uint32_t),
    TIMELINE_PIECES = SEGMENT_TIMES / TIMELINE_PIECE_TIMES,
    TIMELINE_TIMES_MAX = (1 << 29) - 1, /* a chunk has 29 bits for the place (chunk.h) */
};

struct timeline_state {
    uint32_t n;
    uint32_t last; /* the newest time */
    uint32_t step; /* the smallest distance between two times; 0 while there is one */
    uint32_t unused;
    struct row segments; /* of struct segment: n / SEGMENT_TIMES of them, or one less while the
                            last is full and not yet packed */
    slot pieces[TIMELINE_PIECES];
};

struct timeline {
    _Atomic uint32_t version;
    uint32_t number; /* among the window's, from 0 */
    slot before;     /* the window's timeline made before this one, or 0 */
    uint32_t unused;
    _Atomic uint64_t dumped; /* the snapshot's business: dump.c */
    struct timeline_state state;
};

struct segment {
    uint32_t first, step; /* step: while bytes == 0 */
    slot bytes;           /* differences.h, of the times after the first; or 0 */
    uint32_t n_bytes;
};

static inline struct timeline *timeline_at(const struct arena *a, slot s)
{
    return slot_ptr(a, s);
}

/* A timeline of one time; 0 without memory. */
slot timeline_new(struct slots *s, struct window *w, uint32_t time) WARN_UNUSED;

/* Looks whether the time at place `at` is this one; at the timeline's end it is added, if it fits
 * the times that are there: about a multiple of their step later. (Otherwise a series that comes
 * and goes as it likes would lead astray all that share the timeline.) 1 = the time is there now, 0
 * = another is, or none that fits, or ERR_NO_MEMORY. *ret_is_new: it was added. */
int timeline_follow(struct slots *s, struct window *w, slot timeline, uint32_t at, uint32_t time,
                    bool *ret_is_new) WARN_UNUSED;

/* Adds n (1 .. SEGMENT_TIMES) times behind the last, whatever the distance: what a snapshot brings
 * back. Errors, and nothing is added: ERR_CORRUPT (they do not ascend from the last on, or the
 * timeline would be too long), ERR_NO_MEMORY. */
int timeline_append(struct slots *s, struct window *w, slot timeline, const uint32_t *times,
                    uint32_t n) WARN_UNUSED;

/* Looks for a time among the newest TIMELINE_LOOK_BACK ones. */
enum { TIMELINE_LOOK_BACK = 16 };
bool timeline_find_recent(const struct arena *a, slot timeline, uint32_t time, uint32_t *ret_at);

/* Unpacked segments, so that the series of a scrape unpack them once. Whoever leaves the epoch, or
 * the lock that keeps windows alive, must see to it that no segment of a window stays in here that
 * goes meanwhile: its timelines' slots are used again. */
enum { TIMES_CACHE_WRITER = 4, TIMES_CACHE_READER = 64, TIMES_CACHE_READER_MAX = 512 };
struct times_item {
    slot timeline; /* 0 = empty */
    uint32_t segment;
    uint32_t n;
    uint32_t times[SEGMENT_TIMES];
};
struct times_cache {
    struct times_item *items; /* borrowed */
    uint32_t n_items;         /* a power of two */
};

/* An empty cache in n_items of the caller's. */
void times_cache_init(struct times_cache *t, struct times_item *items, uint32_t n_items);

/* Writes times [from, from + n) to ret; they must be there. */
void timeline_read(const struct arena *a, struct times_cache *t, slot timeline, uint32_t from,
                   uint32_t n, uint32_t *ret);
uint32_t timeline_time(const struct arena *a, struct times_cache *t, slot timeline, uint32_t at);

/* The same without a copy: where they are in the cache, until it is used again; NULL when they lie
 * in more than one segment. */
const uint32_t *timeline_borrow(const struct arena *a, struct times_cache *t, slot timeline,
                                uint32_t from, uint32_t n);

uint32_t timeline_times(const struct arena *a, slot timeline);

/* The bytes and slots that a timeline takes, for tsdb_check. */
struct chunk_footprint;
void timeline_add_footprint(const struct arena *a, slot timeline, struct chunk_footprint *io);

/* Times ascend, and the newest is `last`. */
bool timeline_check(const struct arena *a, slot timeline);

#endif
