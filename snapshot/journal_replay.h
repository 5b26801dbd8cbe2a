/* Reads a journal back: all segments in the order of their numbers, their records in order, each
 * one whole, vouched for by its checksums, or not at all. Nothing in the directory is changed.
 *
 * What is missing is told apart. A torn tail is what a killed process or a power cut leaves: bytes
 * behind the last whole record of a segment that no later segment says were good. It is counted
 * apart and no damage: nothing in it was acknowledged, or it was within the promise of the mode.
 * Everything else that is missing is damage: it is counted, the first is described, and it costs
 * the records that it touches. docs/journal-format.md, "reading a damaged journal".
 *
 * Memory, charged to the row "requests", since it is given back like theirs: a buffer of
 * FRAME_BUFFER_BYTES, and for records that are longer than a frame one of the longest.
 *
 * Threads: one at a time, and nobody writes. */
#ifndef HG_SNAPSHOT_JOURNAL_REPLAY_H
#define HG_SNAPSHOT_JOURNAL_REPLAY_H

#include "snapshot/journal_assembly.h"

struct journal_progress {
    uint64_t segment, n_segments; /* the how many-th, from 1; of how many */
    uint64_t bytes, n_bytes;      /* read so far, of how many */
};

struct journal_replay_options {
    struct io *io; /* borrowed, as is the arena */
    struct arena *arena;
    uint64_t from;             /* number of the first segment to be read; 0 = all */
    uint64_t to;               /* and of the last; 0 = all */
    uint64_t record_bytes_max; /* longer ones are lost and counted; 0 = JOURNAL_RECORD_MAX */
    /* A value below 0 ends the replay, which returns it. */
    int (*visit)(void *ctx, const struct journal_record *r);
    /* May be NULL. With each segment and about each MiB. */
    void (*progress)(void *ctx, const struct journal_progress *p);
    void *ctx;
};

struct journal_replay_report {
    uint64_t segments, records;
    uint64_t record_bytes; /* of the records that were visited */
    uint64_t file_bytes;   /* of all segments */
    uint64_t torn_segments, torn_bytes;
    /* damage */
    uint64_t lost_frames;         /* at least so many */
    uint64_t lost_records;        /* by their sequence; none are known of the end of the journal */
    uint64_t too_long;            /* records above record_bytes_max, among the lost ones */
    uint64_t missing_segments;    /* gaps in the row of segments, not how many are in them */
    uint64_t unreadable_segments; /* that could not be opened, read to their end, or identified */
    uint64_t repeated;            /* records whose sequence had been there; visited all the same */
    uint64_t oldest, newest;      /* segments; 0 = there is none */
    uint64_t next_sequence;       /* for journal_options.sequence_min */
    char detail[256];             /* the first damage, with file and byte, or empty; or an error */
};

/* True when nothing is damaged; torn tails are not damage. */
bool journal_replay_is_clean(const struct journal_replay_report *r);

/* Returns 0 also when there is no segment, and when parts are lost: ret says so. Errors:
 * ERR_NEWER_FORMAT (detail names the file), ERR_NO_MEMORY (detail names the record; `from` its
 * segment goes on there), ERR_IO (errno: the directory cannot be listed), and the visitor's. */
int journal_replay(const struct journal_replay_options *o,
                   struct journal_replay_report *ret) WARN_UNUSED;

#endif
