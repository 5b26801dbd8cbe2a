/* Every limit of the storage layer on one page. Each has a test at it and one past it. */
#ifndef HG_TSDB_STORE_LIMITS_H
#define HG_TSDB_STORE_LIMITS_H

#include <stdint.h>

/* The value that Prometheus writes when a series has gone: a NaN of its own. */
#define STALE_BITS UINT64_C(0x7ff0000000000002)

enum {
    LABELS_PER_SERIES_MAX = 64,
    LABEL_NAME_BYTES_MAX = 1024,
    LABEL_VALUE_BYTES_MAX = 4096,
    BLOCK_SAMPLES_MAX = 128, /* of a finished block, and of a tail */
    WINDOW_MS_MIN = 1000,
    WINDOWS_MIN = 2,
    WINDOWS_MAX = 64,
    TSDB_AHEAD_MS = 10 * 60 * 1000, /* how far ahead of the wall clock a sample may be */
    SEAL_SLICES_MAX = 4096,         /* slices of silent series that one tick looks at */
    EXPIRE_SLICE_SERIES =
        256, /* members of an expired window looked at under one hold of the lock */
    DELETE_SLICE_SERIES = 512,    /* series that a deletion looks at under one hold of the lock, */
    DELETE_SLICE_CHUNKS = 64,     /* and chunks that it changes */
    COMPACT_SLICE_RECORDS = 1000, /* long-lived records moved under one hold of the lock */
    COMPACT_WAIT_US = 2000,       /* how long that may wait for readers, with the lock */
};

/* Beside the size classes: slots for what is left at the end of a sealed chunk, 32, 64 and 96
 * bytes. Growth goes in steps of 128; this ends it. */
enum { CRUMB_STEP_BYTES = 32, CRUMB_SIZES = 3, CRUMB_BYTES_MAX = CRUMB_STEP_BYTES * CRUMB_SIZES };

/* Times within a window are 32 bits of milliseconds. */
#define WINDOW_MS_MAX (INT64_C(30) * 24 * 3600 * 1000)

#endif
