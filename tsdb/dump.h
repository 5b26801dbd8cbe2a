/* A snapshot's way out and back in: series, timelines and chunks in time order, through the same
 * size classes.
 *
 * Out: dump_series lists the label sets in id order; dump_window walks one window's chunks in id
 * order and hands out blocks as they stand, those of a sheaf as one where they follow each other,
 * and tails as samples, and before them whatever of their timelines, and which of the values that
 * they share (shared.h), was not handed out yet. Both work in slices: a visitor that returns a
 * positive number stops the walk after that item (its buffer is full, say), the cursor says where
 * to go on, and the store's lock is held for one slice only. What is appended between slices may or
 * may not be seen; no sample is seen twice.
 *
 * In: restore_series in the same order, then window by window restore_times, restore_shared,
 * restore_sheaf, restore_block and restore_tail: through the functions that ingest uses, or, for a
 * chunk that was sealed and is there as a whole (chunk_restore.c), into the slots that these would
 * have taken. So the page map afterwards is that of the process that wrote it.
 *
 * Times are offsets in ms from the window's start. A timeline is named by a number, and so are
 * shared values; it means something within its window and its snapshot only.
 *
 * Threads: dump_* any, one window's at a time; restore_* before anything else uses the store but
 * readers that were let in (restore_let_read), a restorer each (restore_begin_part). */
#ifndef HG_TSDB_DUMP_H
#define HG_TSDB_DUMP_H

#include "alloc/table.h"
#include "tsdb/append.h"
#include "tsdb/chunk.h"
#include "tsdb/timeline.h"

enum {
    DUMP_TIMES_MAX = 128,
    DUMP_TAIL_MAX = BLOCK_SAMPLES_MAX - 1, /* a full tail is a block */
};

struct dump_times {    /* the next times of a timeline */
    uint32_t timeline; /* its number */
    uint32_t from;     /* the place of the first of them */
    uint32_t n;        /* 1 .. DUMP_TIMES_MAX */
    uint32_t times[DUMP_TIMES_MAX];
};

struct dump_shared { /* values that blocks refer to */
    uint32_t number;
    uint32_t n_bytes;     /* 1 .. COLUMN_BYTES_MAX */
    const uint8_t *bytes; /* borrowed during the call */
};

enum dump_part {
    DUMP_BLOCK,
    DUMP_SHEAF,
    DUMP_RUN
}; /* a block, one that begins a sheaf, a run that
      is not stored as a block */
enum dump_place {
    DUMP_AT = 1,
    DUMP_LINEAR = 2,
    DUMP_PACKED = 3
}; /* where the times are: in a
      timeline, or own ones */

struct dump_block {
    enum dump_part part;
    enum dump_place times;
    uint8_t encoding;                    /* docs/chunk-format.md */
    uint32_t timeline;                   /* DUMP_AT: its number */
    uint32_t first;                      /* DUMP_AT: a place in it; else a time */
    uint32_t step;                       /* DUMP_LINEAR */
    uint32_t n_samples;                  /* 1 .. BLOCK_SAMPLES_MAX, of a run more */
    uint32_t n_times_bytes;              /* DUMP_PACKED */
    bool is_shared;                      /* the values are those of number `shared`, and */
    uint32_t shared;                     /* neither given here nor looked at */
    uint32_t n_values_bytes;             /* 1 .. COLUMN_BYTES_MAX; 0 of shared ones */
    const uint8_t *times_bytes, *values; /* borrowed during the call */
};

/* Blocks of a sheaf as one, when each follows the one before in its timeline: as they are in
 * memory, but with the number of shared values, plus 1, where their handle is. */
struct dump_sheaf {
    uint32_t timeline;    /* its number */
    uint32_t first;       /* the place in it of the first sample; the others follow */
    uint32_t n_blocks;    /* 1 .. SHEAF_BLOCKS_MAX */
    uint32_t n_samples;   /* of all of them */
    uint32_t n_bytes;     /* 1 .. SHEAF_BYTES_MAX */
    const uint8_t *bytes; /* borrowed during the call */
};

/* Runs of several series that span the same places of a timeline, each all that its series has in
 * the window: what is scraped together and does not change. Only for the way in. */
enum { DUMP_CONSTANTS_MAX = 32 };
struct dump_constants {
    uint32_t timeline;  /* its number */
    uint32_t first;     /* the place in it of the first sample; the others follow */
    uint32_t n_samples; /* of each */
    uint32_t n;         /* 1 .. DUMP_CONSTANTS_MAX */
    uint32_t series[DUMP_CONSTANTS_MAX];
    uint64_t values[DUMP_CONSTANTS_MAX];
};

struct dump_tail {
    bool has_timeline;
    uint32_t timeline;                  /* its number */
    uint32_t n;                         /* 1 .. DUMP_TAIL_MAX */
    uint32_t places[BLOCK_SAMPLES_MAX]; /* in the timeline, one after the other; or times */
    uint64_t values[BLOCK_SAMPLES_MAX];
};

struct dump_cursor {      /* zero it to start */
    uint64_t next_series; /* id at which to go on */
    bool is_inside;       /* within that series: go on after after_time */
    uint32_t after_time;
    bool is_done; /* of a window: its chunks, timelines and shared values */
};

/* 0 = go on, > 0 = stop after this item, < 0 = an error that the walk returns. */
typedef int (*dump_series_visit)(void *ctx, uint32_t series, const struct labels *ls);

struct dump_visitor {
    int (*times)(void *ctx, const struct dump_times *times);
    int (*shared)(void *ctx, const struct dump_shared *shared);
    int (*block)(void *ctx, uint32_t series, const struct dump_block *block);
    int (*tail)(void *ctx, uint32_t series, const struct dump_tail *tail);
    int (*sheaf)(void *ctx, uint32_t series, const struct dump_sheaf *sheaf); /* NULL = its blocks
                                                                                 instead */
};

/* Series with ids in [cursor->next_series, end). Returns 0 when all were visited, 1 when the
 * visitor stopped it, or an error. */
int dump_series(struct tsdb *db, struct dump_cursor *cursor, uint64_t end, dump_series_visit visit,
                void *ctx);

/* The same for the series that have a chunk in one window. One that is removed meanwhile, or gets
 * its first sample of the window, may or may not be visited. */
int dump_members(struct tsdb *db, int64_t window, struct dump_cursor *cursor, uint64_t end,
                 dump_series_visit visit, void *ctx);

/* The same for the chunks of one window. A window that has expired meanwhile has none. dump: a
 * number that no other snapshot of this store has had, from 1. */
int dump_window(struct tsdb *db, uint32_t dump, int64_t window, struct dump_cursor *cursor,
                uint64_t end, const struct dump_visitor *v, void *ctx);

/* The id that the next new series will get: the end of a snapshot's series. */
uint64_t dump_series_end(struct tsdb *db);

/* A number for dump_window. */
uint32_t dump_begin(struct tsdb *db);

/* The blocks of a sheaf in turn. Nothing that it says is believed. */
struct dump_sheaf_reader {
    const uint8_t *at, *end;
    struct block_context context;
    uint32_t timeline;
    bool has_first;
};
void dump_sheaf_init(struct dump_sheaf_reader *r, const struct dump_sheaf *sheaf);
/* 1 and the next, whose bytes are those of the sheaf; 0 after the last; ERR_CORRUPT. */
int dump_sheaf_next(struct dump_sheaf_reader *r, struct dump_block *ret) WARN_UNUSED;

/* Notes that a window has changed otherwise than by samples that were stored: samples were taken
 * out, or what was restored is not all that its file says. Does nothing when it has gone. */
void dump_note_change(struct tsdb *db, int64_t window);

/* ---- in ---- */

struct restored { /* blocks of a chunk that wait for the others of it, so that it is written once */
    uint32_t series;
    uint32_t first_time;      /* of the first of them */
    bool takes_usual;         /* the next one may be added without a look at the store */
    struct chunk_parts parts; /* n 0 = none wait */
};

/* The timeline that was asked for last: most records are in that of the one before. */
struct restored_lookup {
    uint32_t number;
    slot at;    /* 0 = there is none */
    uint32_t n; /* its times then; by now it may have more */
};

/* Times of places that were asked for lately: neighbours of a series are of the same scrapes. */
enum { RESTORED_PLACES = 64 };
struct restored_place {
    slot timeline; /* 0 = none */
    uint32_t place, time;
};

struct restored_end { /* of what was written of a window last */
    uint32_t series;  /* 0 = nothing was */
    uint32_t last;    /* its newest time */
    bool is_unsealed; /* more of it was to be expected when it was written */
};

/* What was restored under the hold that lasts: told to the store once, when it ends, since its
 * counters are every restorer's. */
struct restored_tally {
    uint64_t n_chunks, n_samples;
    int64_t min_ms, max_ms; /* while n_samples > 0 */
};

struct restore { /* where a window's timelines and shared values are */
    struct tsdb *db;
    struct table timelines; /* number -> slot, and how many times it has */
    struct table shared;    /* of uint32_t: number -> slot */
    int64_t window;
    int64_t open_from;  /* chunks of windows before this one are sealed */
    int64_t newest_ms;  /* of what it has restored */
    uint32_t n_windows; /* restore_newest; 0 = nobody said */
    bool has_window;
    bool is_whole_window;          /* all times in it are such as int64 has */
    bool is_trusted;               /* set by the caller, see restore_block */
    bool is_held;                  /* restore_hold */
    bool is_part;                  /* restore_begin_part */
    bool is_abandoned;             /* set by the caller, see restore_end */
    unsigned place;                /* in the epoch, while n_left > 0 */
    unsigned n_left;               /* records until others get their turn; 0 = outside */
    struct window *live;           /* while n_left > 0: the window, or NULL when it has gone */
    struct restored_tally tally;   /* while n_left > 0: of that window */
    uint32_t known_series;         /* while n_left > 0: a series, 0 = none, and */
    slot known_at;                 /* its record */
    struct restored_lookup lookup; /* of the window */
    struct times_item *items;      /* RESTORE_TIMES of them, or NULL for want of memory */
    struct times_cache times;      /* in these, of the window and while it is held */
    struct restored_place places[RESTORED_PLACES]; /* of the window, while it is held */
    struct restored waiting;
    struct restored_end written;
};

/* Without memory for a cache it is slower and works. */
void restore_begin(struct restore *r, struct tsdb *db);

/* Another restorer beside others of the same restore, between its restore_newest and its
 * restore_end: the same functions but those two, restore_hash_key,
 * restore_expect_series and restore_floor. A window is
 * one restorer's alone, and so are, together, all windows whose chunks are not sealed at once
 * (restore_is_open). End each by restore_end_part. */
void restore_begin_part(struct restore *r, const struct restore *whole);
void restore_end_part(struct restore *r);

/* From now on label sets are hashed with this key; does nothing when the store has series. Whoever
 * has taken a key by tsdb_series_hash before must forget it. */
void restore_hash_key(struct restore *r, const uint8_t key[SERIES_HASH_KEY_BYTES]);

/* About so many series will come: what finds them takes the memory for them at once. If fewer come,
 * it is given back at the end. */
void restore_expect_series(struct restore *r, uint64_t n);

/* No window above this one will come, and about n_windows in all. Chunks of windows for which late
 * samples were over when it began are then written as those are that their series has moved on
 * from; the others at once or later, when their turn comes (tsdb_tick). */
void restore_newest(struct restore *r, int64_t window, uint32_t n_windows);

static inline bool restore_is_open(const struct restore *r, int64_t window)
{
    return window >= r->open_from;
}

/* From here to restore_pause the records restored may share a hold of the store's lock, dozens at a
 * time, and blocks may wait for others of their chunk, so that what they cost is mostly themselves.
 * The bytes that blocks borrow must stay. No other function of the store may be called in between,
 * and no I/O be done. Error of restore_pause: ERR_NO_MEMORY, and the last chunk has fewer samples
 * than was said. */
void restore_hold(struct restore *r);
int restore_pause(struct restore *r) WARN_UNUSED;

/* Nothing more comes of the window that was restored last. */
void restore_finish(struct restore *r);

/* All windows from this one on have come, and nothing is to come of them: they can be read (read.h)
 * while others are restored. From restore_begin on nothing can, and everything from restore_end on.
 * Windows before it that stay open (restore_is_open) come from the newest back then, and none that
 * is more than tsdb_options.n_windows older than the newest. Returns the time from which on all can
 * be read, ms. One thread at a time. */
int64_t restore_let_read(struct restore *r, int64_t window);

/* Makes a series (or finds it, when the label set is there already); restore_labels.h has the same
 * for many whose texts are numbered. Errors: ERR_NO_MEMORY,
 * ERR_CORRUPT (ls is not normalised). */
int restore_series(struct restore *r, const struct labels *ls, uint32_t *ret_series) WARN_UNUSED;

/* Makes the window that the next records are of, if it is not there. Errors: ERR_TOO_OLD when it is
 * no longer kept beside the newest restored one; ERR_CORRUPT when no time lies in it;
 * ERR_NO_MEMORY. */
int restore_window(struct restore *r, int64_t window) WARN_UNUSED;

/* Whether that window is made: restore_window would do nothing. */
static inline bool restore_is_at(const struct restore *r, int64_t window)
{
    return r->has_window && r->window == window;
}

/* From now on the store keeps no window below this one: a snapshot has some, but not all of them
 * fit. Samples of those are refused (ERR_TOO_OLD), here and by append.h: what is left on disk must
 * not get a second, poorer copy in memory. */
void restore_floor(struct restore *r, int64_t window);

/* Adds times, shared values, or a block or samples behind what is there. Everything is checked:
 * ERR_CORRUPT when the bytes do not decode to n_samples ascending times within the window, or do
 * not lie behind what is there; ERR_NOT_FOUND when they refer to times or values that were not
 * restored; ERR_TOO_OLD when the window has gone; ERR_NO_MEMORY.
 *
 * Where is_trusted is set, columns are taken without decoding them, which is two thirds of the
 * work: the caller says that block_put's bytes are what he has, unchanged since. If they are not,
 * no harm comes of it but wrong values, or stale markers (block.h: block_values_kept). */
int restore_times(struct restore *r, const struct dump_times *times) WARN_UNUSED;
int restore_shared(struct restore *r, const struct dump_shared *shared) WARN_UNUSED;
int restore_block(struct restore *r, uint32_t series, const struct dump_block *block) WARN_UNUSED;
int restore_tail(struct restore *r, uint32_t series, const struct dump_tail *tail) WARN_UNUSED;

/* A sheaf after which, as far as the caller can see, nothing more of its series comes in this
 * window but the tail, if that is not NULL: cut into slots as it is, without its blocks being
 * looked at one by one. 1 = that is not possible, or something is wrong with it, and nothing has
 * happened: it is to be restored as the blocks that it is. Error: ERR_NO_MEMORY. */
int restore_sheaf(struct restore *r, uint32_t series, const struct dump_sheaf *sheaf,
                  const struct dump_tail *tail) WARN_UNUSED;

/* Most series of a scrape have not changed their value in a window: a row of these costs a third of
 * what they cost one by one. Answers as restore_sheaf. */
int restore_constants(struct restore *r, const struct dump_constants *in) WARN_UNUSED;

/* Ends a restore: series without samples leave. Where is_abandoned is set, not everything has come
 * that should have, and nothing can be read afterwards either. */
void restore_end(struct restore *r);

#endif
