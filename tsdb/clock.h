/* What time it is, and which windows that leaves.
 *
 * CLOCK_SAMPLES: time is the newest accepted sample's, nothing is too far ahead, and windows turn
 * by it. CLOCK_WALL: time is the system's, which can jump. So a jump must not empty the glass:
 * windows older than the kept ones are dropped at most one per window of boot time, and after a
 * restore none is dropped before an accepted sample from the last hour, or an hour of running, has
 * confirmed the time; then those that expired while the process was down go at once.
 *
 * Threads: clock_sample and the reading functions may be called by any thread that holds the
 * store's lock for reading; the others need it for writing. */
#ifndef HG_TSDB_CLOCK_H
#define HG_TSDB_CLOCK_H

#include "tsdb/tsdb.h"

#include <stdatomic.h>

enum { CLOCK_CONFIRM_MS = 60 * 60 * 1000 };

struct clock {
    const struct tsdb_options *options; /* borrowed */
    _Atomic int64_t newest_ms; /* CLOCK_SAMPLES: of accepted samples; INT64_MIN = none yet */
    _Atomic bool is_confirmed; /* the wall clock can be trusted to drop */
    int64_t floor_window;      /* older windows are not kept, whatever the time; INT64_MIN = any */
    _Atomic int64_t free_before; /* windows below may be dropped without waiting */
    int64_t confirm_boot_ms;     /* when running confirms by itself */
    int64_t dropped_boot_ms;     /* when the last window was dropped at leisure */
    bool has_dropped;
};

void clock_init(struct clock *c, const struct tsdb_options *o);

/* Makes a wall clock wait for confirmation: after a restore. */
void clock_distrust(struct clock *c);

int64_t clock_now_ms(const struct clock *c);

/* Time that never jumps or stops. */
int64_t clock_running_ms(const struct clock *c);

/* Raises the floor: windows below are not kept from now on. */
void clock_raise_floor(struct clock *c, int64_t window);

/* floor(t / window), and where a window starts (wraps for windows at the ends of int64). */
int64_t clock_window_of(const struct clock *c, int64_t t_ms);
int64_t clock_window_start(const struct clock *c, int64_t number);

/* The oldest window that is kept when it is now_ms (clock_now_ms); INT64_MIN before any time is
 * known. */
int64_t clock_oldest_window(const struct clock *c, int64_t now_ms);

/* Notes an accepted sample. */
void clock_sample(struct clock *c, int64_t t_ms);

/* Notes a restored sample: one that confirms nothing. */
void clock_restored(struct clock *c, int64_t t_ms);

/* Whether there is something to ask clock_may_drop about. */
bool clock_is_due(const struct clock *c, int64_t number);

/* Whether live window `number`, the oldest, is to be dropped now; says yes only once per
 * permission. */
bool clock_may_drop(struct clock *c, int64_t number);

#endif
