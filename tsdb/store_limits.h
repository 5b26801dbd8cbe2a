/* Every limit of the storage layer on one page. Each has a test at it and one past it. */
#ifndef HG_TSDB_STORE_LIMITS_H
#define HG_TSDB_STORE_LIMITS_H

enum {
    LABELS_PER_SERIES_MAX = 64,
    LABEL_NAME_BYTES_MAX = 1024,
    LABEL_VALUE_BYTES_MAX = 4096,
    BLOCK_SAMPLES_MAX = 128, /* of a finished block, and of a tail */
    WINDOWS_MIN = 2,
    WINDOWS_MAX = 64,
    TSDB_AHEAD_MS = 10 * 60 * 1000, /* how far ahead of the wall clock a sample may be */
    EXPIRE_SLICE_SERIES = 2000,     /* dead series removed under one hold of the lock */
    COMPACT_SLICE_RECORDS = 1000,   /* long-lived records moved under one hold of the lock */
};

#endif
