/* The numbers of the snapshot format: magic, version, frame types, and every limit.
 * docs/snapshot-format.md says what they mean; nothing here may change without a new version. */
#ifndef HG_SNAPSHOT_FORMAT_H
#define HG_SNAPSHOT_FORMAT_H

#include "tsdb/block.h"
#include "tsdb/dump.h"
#include "tsdb/varint.h"

#define FRAME_MAGIC "\x89HGF" /* not text, and not the start of any UTF-8 string */

enum {
    FORMAT_VERSION = 5,     /* what is written */
    FORMAT_VERSION_MIN = 2, /* what is read: 1 was never released */

    FORMAT_VERSION_SHARED = 3,   /* from here on blocks may share their values */
    FORMAT_VERSION_WINDOWS = 4,  /* and windows may have files of their own */
    FORMAT_VERSION_HASH_KEY = 4, /* and the head has what label sets are hashed with */
    FORMAT_VERSION_TRUSTED = 4,  /* and columns are those of today */
    FORMAT_VERSION_SHEAVES = 5,  /* and a sheaf may be one record */

    FRAME_MAGIC_BYTES = 4,
    FRAME_HEADER_BYTES = 40,

    /* A frame takes records until it holds FILL bytes; the last one may take it up to MAX. What
     * damage to one byte can cost is a frame, so FILL is small; a header is 0.07 % of it. */
    FRAME_FILL_BYTES = 60 * 1024,
    FRAME_PAYLOAD_MAX = 384 * 1024,

    /* Different names and values in one series frame. */
    SYMBOLS_MAX = 4096,
    SYMBOLS_PER_RECORD_MAX = 2 * LABELS_PER_SERIES_MAX,

    HEAD_WINDOWS_MAX = WINDOWS_MAX + 2,
    HEAD_POOLS = TSDB_POOLS,
};

enum file_kind {
    FILE_SNAPSHOT = 0, /* windows that have no file of their own; label sets of all */
    FILE_WINDOW = 1,   /* one window, with its label sets */
};

enum frame_type {
    FRAME_HEAD = 1,
    FRAME_SERIES = 2,
    FRAME_WINDOW = 3,
    FRAME_END = 4,
};

/* The longest records that a writer can make. */
enum {
    SERIES_RECORD_MAX =
        2 * VARINT_BYTES_MAX +
        LABELS_PER_SERIES_MAX * (2 * (1 + 2) + LABEL_NAME_BYTES_MAX + LABEL_VALUE_BYTES_MAX),
    TIMES_RECORD_MAX = 3 * VARINT_BYTES_MAX + 1 + DUMP_TIMES_MAX * VARINT_BYTES_MAX,
    BLOCK_RECORD_MAX = 6 * VARINT_BYTES_MAX + 1 + BLOCK_TIMES_BYTES_MAX + COLUMN_BYTES_MAX,
    SHEAF_RECORD_MAX = 6 * VARINT_BYTES_MAX + 1 + SHEAF_BYTES_MAX,
    SHARED_RECORD_MAX = 3 * VARINT_BYTES_MAX + COLUMN_BYTES_MAX,
    TAIL_RECORD_MAX = 3 * VARINT_BYTES_MAX + 2 + 2 * BLOCK_SAMPLES_MAX * VARINT_BYTES_MAX,
    HEAD_PAYLOAD_MAX =
        VARINT_BYTES_MAX * (10 + HEAD_WINDOWS_MAX * (1 + HEAD_POOLS)) + SERIES_HASH_KEY_BYTES,
};

_Static_assert(FRAME_FILL_BYTES + SERIES_RECORD_MAX <= FRAME_PAYLOAD_MAX,
               "a frame that is not full has room for any series");
_Static_assert(FRAME_FILL_BYTES + BLOCK_RECORD_MAX <= FRAME_PAYLOAD_MAX, "and for any block");
_Static_assert(FRAME_FILL_BYTES + SHEAF_RECORD_MAX <= FRAME_PAYLOAD_MAX, "and for any sheaf");
_Static_assert(FRAME_FILL_BYTES + TIMES_RECORD_MAX <= FRAME_PAYLOAD_MAX, "and for any times");
_Static_assert((int)SHARED_RECORD_MAX <= (int)BLOCK_RECORD_MAX, "and for any shared values");
_Static_assert(HEAD_POOLS == 11, "another number of them is another version");
_Static_assert(FRAME_FILL_BYTES + TAIL_RECORD_MAX <= FRAME_PAYLOAD_MAX, "and for any tail");
_Static_assert((int)HEAD_PAYLOAD_MAX <= (int)FRAME_FILL_BYTES, "the head is one frame");
_Static_assert(BLOCK_SAMPLES_MAX <= 256, "the number of samples less one is a byte");
_Static_assert(SYMBOLS_MAX >= SYMBOLS_PER_RECORD_MAX, "a frame holds one series at least");

#endif
