/* What the storage layers answer: 0 or one of these negative values. Every value has a sentence;
 * none carries text of its own. */
#ifndef HG_TSDB_ERR_H
#define HG_TSDB_ERR_H

#include <stdbool.h>

#include "alloc/base.h"

enum tsdb_err {
    TSDB_OK = 0,
    ERR_NO_MEMORY = -1,      /* the budget (or a region's limit) is exhausted; state unchanged */
    ERR_LABELS_NO_NAME = -2, /* no __name__, or an empty one */
    ERR_LABELS_EMPTY_NAME = -3,
    ERR_LABELS_DUPLICATE = -4, /* one label name twice */
    ERR_LABELS_NOT_UTF8 = -5,
    ERR_LABELS_TOO_MANY = -6,
    ERR_LABELS_TOO_LONG = -7,
    ERR_TOO_OLD = -8,       /* before the kept windows */
    ERR_TOO_FAR_AHEAD = -9, /* more than TSDB_AHEAD_MS ahead of the clock */
    ERR_OUT_OF_ORDER =
        -10,             /* further behind its series' newest sample than the out-of-order window */
    ERR_DUPLICATE = -11, /* another value is stored at this time */
    ERR_MAX_SERIES = -12,
    ERR_MAX_SERIES_METRIC = -13,
    ERR_TOO_MANY_SAMPLES = -14, /* a read exceeds its sample limit */
    ERR_CANCELED = -15,
    ERR_CORRUPT = -16,      /* bytes that no writer of ours made */
    ERR_WRONG_WINDOW = -17, /* stored with another --storage.window */
    ERR_NEWER_FORMAT = -18,
    ERR_IO = -19,     /* errno says what */
    ERR_LOCKED = -20, /* another process holds the directory */
    ERR_NOT_FOUND = -21,
    ERR_OLDER_FORMAT = -22, /* that is no longer read */
    ERR_BUSY = -23,         /* too much waits to be written already */
    ERR_JOURNAL_FULL = -24, /* the journal has reached its size; the next snapshot makes room */
    ERR_NO_ROOM = -25,      /* memory is short: existing series go on, new ones are refused */
    ERR_LABELS_REFS = -26,  /* of remote write 2.0: a reference leads nowhere, or has no partner */
    ERR_NO_SERIES = -27,    /* an exemplar of a series that has no sample */
    ERR_NO_EXEMPLARS = -28, /* none are kept */
    ERR_LOADING = -29,      /* a read of windows that are still being restored */
    TSDB_ERR_LAST = -29,
};

/* A sentence without a full stop, e.g. "out of order sample"; a literal. Unknown values have one
 * too. */
const char *tsdb_err_text(int err);

/* Whether a label set was refused, whatever its samples. */
static inline bool tsdb_err_is_about_labels(int err)
{
    return (err <= ERR_LABELS_NO_NAME && err >= ERR_LABELS_TOO_LONG) || err == ERR_LABELS_REFS;
}

#endif
