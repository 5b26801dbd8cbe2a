/* The store: series, their chunks in windows, and the index over their labels. This is its public
 * door, with append.h (a sample's way in), read.h (a query's way) and dump.h (a snapshot's way).
 *
 * Time. Samples live in windows, `floor(t / window_ms)`. The store keeps n_windows of them, the
 * current one among them; when time moves on (tsdb_tick, and with CLOCK_SAMPLES the samples
 * themselves) the oldest is dropped with all its pages. A sample up to TSDB_AHEAD_MS ahead may open
 * the next window early; it is kept beside the others until the clock has caught up.
 *
 * Threads: every function may be called from any thread. Several append, many read, a snapshot is
 * written and windows turn at the same time (docs/architecture.md); nobody waits for longer than a
 * slice of somebody else's work, and nothing is held across I/O. */
#ifndef HG_TSDB_TSDB_H
#define HG_TSDB_TSDB_H

#include "alloc/arena.h"
#include "alloc/size_class.h"
#include "tsdb/err.h"
#include "tsdb/series_key.h"
#include "tsdb/store_limits.h"

struct tsdb;

enum tsdb_clock { CLOCK_WALL, CLOCK_SAMPLES };

struct tsdb_options {
    int64_t window_ms;       /* WINDOW_MS_MIN .. WINDOW_MS_MAX */
    uint32_t n_windows;      /* WINDOWS_MIN .. WINDOWS_MAX */
    int64_t out_of_order_ms; /* >= 0 */
    enum tsdb_clock clock;
    uint64_t max_series; /* 0 = no limit */
    uint64_t max_series_per_metric;
    uint32_t max_exemplars; /* at most EXEMPLARS_MAX; 0 = none */
    /* What label sets are hashed with; random, unless tests want the same in every run. */
    uint8_t hash_key[SERIES_HASH_KEY_BYTES];
    /* Sources of time, for tests; NULL = the system's. Wall: ms since the epoch. Boot: ms that
     * never jump or stop. */
    int64_t (*wall_ms)(void *ctx);
    int64_t (*boot_ms)(void *ctx);
    void *clock_ctx;
    /* Asked before a series is made that has not come out of a file or the journal: whether there
     * is room for it, else it is refused with ERR_NO_ROOM. Called under the store's lock for
     * writing, so it may take none and must be short. NULL = always. */
    bool (*has_room)(void *ctx);
    void *room_ctx;
};

/* a is borrowed for the store's life. Errors: ERR_NO_MEMORY. */
int tsdb_new(const struct tsdb_options *o, struct arena *a, struct tsdb **ret) WARN_UNUSED;
void tsdb_free(struct tsdb *db); /* accepts NULL */

const struct tsdb_options *tsdb_options(const struct tsdb *db);
struct arena *tsdb_arena(const struct tsdb *db);

/* The store's exemplars (exemplars.h), of series by their ids (append.h). */
struct exemplars;
struct exemplars *tsdb_exemplars(struct tsdb *db);

/* What forms of series are hashed with (series_key.h): that of the options, or, once a snapshot was
 * loaded into an empty store, the snapshot's. Does not change after that. */
const struct series_hash *tsdb_series_hash(const struct tsdb *db);

/* The store's time: the wall clock's, or the newest accepted sample's (0 before the first). */
int64_t tsdb_now_ms(struct tsdb *db);

/* Turns windows as the clock says and works off expired ones; to be called about once a second. */
void tsdb_tick(struct tsdb *db);

/* What tsdb_drop_oldest has taken out of sight. */
struct tsdb_dropped {
    int64_t start_ms;
    uint64_t samples;
    uint64_t bytes; /* pages of its chunks, which come back as it is worked off (tsdb_tick) */
};

/* Drops the oldest window before its time, for good: its samples are refused as too old from now
 * on. Never the window of the present time or a later one, and none while another one is being
 * worked off, so that what that gives back is seen first: false then. */
bool tsdb_drop_oldest(struct tsdb *db, struct tsdb_dropped *ret) WARN_UNUSED;

/* floor(t / window) for any t. */
int64_t tsdb_window_of(const struct tsdb *db, int64_t t_ms);

/* The pools of a window: the size classes, then those for the ends of sealed chunks. */
enum { TSDB_POOLS = SIZE_CLASSES + CRUMB_SIZES };

/* Slot size of pool i < TSDB_POOLS. */
static inline size_t tsdb_pool_bytes(unsigned i)
{
    return i < SIZE_CLASSES ? size_class_bytes(i + 1)
                            : (i - SIZE_CLASSES + 1) * (size_t)CRUMB_STEP_BYTES;
}

struct tsdb_window_stats {
    int64_t number; /* floor(start / window_ms) */
    int64_t start_ms;
    uint64_t series; /* with a sample in it; one chunk each */
    uint64_t chunks;
    uint64_t samples;
    uint64_t changes;       /* a number that is another one after samples came or went */
    uint64_t bytes;         /* pages held */
    uint64_t payload_bytes; /* encoded bytes inside used slots */
    uint32_t shared;        /* columns that several blocks refer to: shared.h */
    struct {
        uint32_t pages;
        uint32_t used;     /* slots */
    } classes[TSDB_POOLS]; /* see tsdb_pool_bytes */
};

struct tsdb_stats {
    uint64_t series;
    uint64_t samples; /* kept now */
    uint64_t chunks;
    int64_t min_ms, max_ms; /* of kept samples; min > max when there are none. min is the oldest
                               kept window's first sample. Of a window that has lost samples to
                               a deletion its bounds before that, until it is empty */
    uint64_t series_created, series_removed;
    uint64_t chunks_created, chunks_removed;
    uint64_t samples_appended;
    uint64_t samples_late; /* of those: behind their series' newest */
    uint64_t samples_duplicate;
    uint64_t samples_deleted; /* by delete.h, not with their window */
    uint64_t refused_too_old, refused_too_far_ahead, refused_out_of_order, refused_duplicate,
        refused_limit, refused_memory, refused_room;
    uint64_t symbols, pairs;
    struct {
        uint32_t pages, used;    /* slots of 128 B */
    } open;                      /* heads and tails of open chunks, of all windows */
    uint64_t open_payload_bytes; /* encoded bytes inside them */
    uint64_t index_bytes;        /* pages of series, labels and tables: what outlives a window */
    uint64_t slack_bytes;        /* inside used slots of chunks: slot size minus payload */
    uint64_t free_slot_bytes;    /* free slots in live pages, all pools */
    uint64_t free_series_bytes, free_label_bytes, free_symbol_bytes, free_pair_bytes,
        free_posting_bytes; /* of those, in pages of records; the rest is of chunks and tails */
    uint32_t n_windows;
    struct tsdb_window_stats windows[WINDOWS_MAX + 2]; /* ascending; those that hold something */
};

void tsdb_stats(struct tsdb *db, struct tsdb_stats *ret);

/* Recounts every invariant of the store; for tests: nobody else may be at work. */
bool tsdb_check(struct tsdb *db);

#endif
