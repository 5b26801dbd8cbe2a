#include "tsdb/err.h"

const char *tsdb_err_text(int err)
{
    static const char *const text[] = {
        [0] = "success",
        [-ERR_NO_MEMORY] = "out of memory under the limit",
        [-ERR_LABELS_NO_NAME] = "missing or empty metric name",
        [-ERR_LABELS_EMPTY_NAME] = "empty label name",
        [-ERR_LABELS_DUPLICATE] = "duplicate label name",
        [-ERR_LABELS_NOT_UTF8] = "label is not valid UTF-8",
        [-ERR_LABELS_TOO_MANY] = "too many labels in a series",
        [-ERR_LABELS_TOO_LONG] = "label name or value too long",
        [-ERR_TOO_OLD] = "out of bounds: sample is older than the kept windows",
        [-ERR_TOO_FAR_AHEAD] = "out of bounds: sample is too far in the future",
        [-ERR_OUT_OF_ORDER] = "out of order sample: behind the out-of-order window",
        [-ERR_DUPLICATE] = "duplicate sample for timestamp with another value",
        [-ERR_MAX_SERIES] = "limit of series reached",
        [-ERR_MAX_SERIES_METRIC] = "limit of series of one metric reached",
        [-ERR_TOO_MANY_SAMPLES] = "too many samples for one read",
        [-ERR_CANCELED] = "canceled",
        [-ERR_CORRUPT] = "corrupt or invalid data",
        [-ERR_WRONG_WINDOW] = "stored with another window length",
        [-ERR_NEWER_FORMAT] = "written by a newer version",
        [-ERR_IO] = "input/output error",
        [-ERR_LOCKED] = "the directory is in use by another process",
        [-ERR_NOT_FOUND] = "not found",
        [-ERR_OLDER_FORMAT] = "written in a format that is no longer read",
        [-ERR_BUSY] = "too much waits for the disk",
        [-ERR_LABELS_REFS] = "references to symbols are odd in number or out of range",
        [-ERR_NO_SERIES] = "exemplar of a series without samples",
        [-ERR_NO_EXEMPLARS] = "exemplars are not kept (--storage.max-exemplars)",
        [-ERR_LOADING] = "what is asked for is still being loaded",
        [-ERR_JOURNAL_FULL] = "the journal is full until the next snapshot",
        [-ERR_NO_ROOM] = "memory is short, new series are refused (--storage.memory-limit)",
    };
    if (err > 0 || err < TSDB_ERR_LAST || text[-err] == NULL)
        return "unknown error";
    return text[-err];
}
