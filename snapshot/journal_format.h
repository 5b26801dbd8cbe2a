/* The bytes of the journal: names of segments, types of frames, the head of a segment, the head of
 * a record. docs/journal-format.md says what they mean; nothing here may change without a new
 * JOURNAL_VERSION. Pure functions. */
#ifndef HG_SNAPSHOT_JOURNAL_FORMAT_H
#define HG_SNAPSHOT_JOURNAL_FORMAT_H

#include "snapshot/frame.h"

#define JOURNAL_MAGIC "\x89HGJ"

enum {
    JOURNAL_VERSION = 1,
    JOURNAL_VERSION_MIN = 1,

    JOURNAL_NAME_BYTES = 28, /* "journal-" 16 digits ".hg" and the 0 */

    JOURNAL_HEAD_BYTES = 56,   /* payload of the head frame */
    JOURNAL_RECORD_BYTES = 32, /* what is in front of a record's meta and body */

    JOURNAL_META_MAX = 16 * 1024 * 1024, /* bytes of meta */
};

/* Bytes of a record, head, meta and body together. */
#define JOURNAL_RECORD_MAX ((uint64_t)1 << 30)

/* Of a segment; no journal lives to see it, but a name that somebody made up is not to overflow. */
#define JOURNAL_NUMBER_MAX (UINT64_MAX >> 1)

enum journal_frame {
    JOURNAL_FRAME_HEAD = 1,
    JOURNAL_FRAME_WHOLE = 2, /* a record */
    JOURNAL_FRAME_FIRST = 3, /* its first piece, one between, its last */
    JOURNAL_FRAME_MIDDLE = 4,
    JOURNAL_FRAME_LAST = 5,
};

extern const struct frame_kind frame_kind_journal;

/* The first frame of a segment. What it says of the segment before tells a reader whether anything
 * is missing there; of a segment that another process wrote nothing is known: before_bytes == 0. */
struct journal_head {
    uint64_t number;          /* of the segment, as in its name */
    int64_t created_ms;       /* since the epoch */
    uint64_t sequence;        /* of the next record that is written */
    uint64_t before;          /* number of the segment before; 0 = there was none */
    uint64_t before_bytes;    /* that it had up to the end of its last good record */
    uint64_t before_sequence; /* one more than that of its last good record */
    uint64_t before_id;       /* its file id, should its own head be damaged */
};

void journal_head_encode(const struct journal_head *h, uint8_t ret_bytes[JOURNAL_HEAD_BYTES]);

/* Errors: ERR_CORRUPT. */
int journal_head_decode(const uint8_t *payload, size_t n, struct journal_head *ret) WARN_UNUSED;

struct journal_record_head {
    uint64_t sequence; /* ascends by one from record to record, but for those that failed */
    int64_t time_ms;   /* when it was received, since the epoch */
    uint16_t kind;     /* the caller's */
    uint32_t meta_bytes;
    uint64_t body_bytes;
};

void journal_record_encode(const struct journal_record_head *h,
                           uint8_t ret_bytes[JOURNAL_RECORD_BYTES]);

/* n: bytes that are there, of the record or more. ERR_CORRUPT when it is not a head or the sizes in
 * it are above the limits. */
int journal_record_decode(const uint8_t *bytes, size_t n,
                          struct journal_record_head *ret) WARN_UNUSED;

static inline uint64_t journal_record_size(const struct journal_record_head *h)
{
    return JOURNAL_RECORD_BYTES + h->meta_bytes + h->body_bytes;
}

void journal_name(uint64_t number, char ret_name[JOURNAL_NAME_BYTES]);

/* True when it is the name of a segment: exactly as journal_name makes it, of 1 to
 * JOURNAL_NUMBER_MAX. */
bool journal_name_parse(const char *name, uint64_t *ret_number);

/* The smallest number >= from of a segment that is there: 1 and it, or 0 when there is none. ERR_IO
 * (errno). bytes (may be NULL): the sum of the sizes of all from there on; n (may be NULL): how
 * many. */
int journal_find(struct io *io, uint64_t from, uint64_t *ret_number, uint64_t *ret_bytes,
                 uint64_t *ret_n) WARN_UNUSED;

/* Whether no segment has more than its head, so that there is nothing to replay; false also when
 * that cannot be found out. */
bool journal_is_empty(struct io *io);

#endif
