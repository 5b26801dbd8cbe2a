/* Between requests and the journal: what was stored is written down before it is acknowledged, and
 * at the start it is read back.
 *
 *     request -> decode -> store -> recorder_write: written, or parked ... journal -> 204, 400, 503
 *     start:     journal_replay -> decode -> store, nothing judged
 *
 * A sample is stored before its record is written, so that a snapshot which begins in between holds
 * it; a request whose record could not be written is answered 503, its sender comes back, and finds
 * its samples there already.
 *
 * Records (the journal's kinds, docs/journal-format.md): RECORD_WRITE_V1 and RECORD_WRITE_V2 are
 * bodies of remote write 1.0 and 2.0 requests as they were received, their meta what was refused of
 * them (http/refusals.h). RECORD_METADATA is a message of 1.0 that is not compressed and has
 * metadata alone: what is said about metrics is in no snapshot, so it is said again before the
 * segments that hold it are dropped (http/retell.h). Numbers are never used for anything else; an
 * unknown one, of a newer version, is counted and left out.
 *
 * Before segments are dropped, what they hold for windows that were left on disk is carried into
 * files beside these (http/carry.h).
 *
 * Threads: open and replay before the server has work, close after it has none; the others from
 * any. */
#ifndef HG_HTTP_RECORDER_H
#define HG_HTTP_RECORDER_H

#include "http/carry.h"
#include "http/config.h"
#include "http/request.h"
#include "snapshot/journal.h"
#include "snapshot/journal_replay.h"

#include <stdatomic.h>

struct metadata;
struct tsdb;

enum record_kind {
    RECORD_WRITE_V1 = 1,
    RECORD_DELETE = 2,
    RECORD_WRITE_V2 = 3,
    RECORD_METADATA = 4,
};

enum {
    RECORDER_MAX_BYTES_DEFAULT_GIB = 4, /* of the journal; or half of the free disk */
    RECORDER_RETELL_SHARE = 8,          /* of its bytes, at most, is what is said again */
};

struct recorder {
    struct tsdb *db;
    struct metadata *metadata; /* what a replay brings back and a snapshot does not hold; set before
                                  recorder_replay, NULL = nobody keeps it */
    struct arena *arena;
    unsigned owner; /* of regions */
    struct io_file files;
    struct journal *_Atomic journal; /* NULL: there is no directory, or it is not open yet, when
                                        /metrics is asked already */
    void (*want_snapshot)(void *ctx);
    void *ctx;
    /* Called before each record of a replay, which judges nothing and so may find less room than
     * there was; set before recorder_replay, NULL = nobody is. */
    void (*relieve)(void *ctx);
    void *relieve_ctx;
    const char *dir; /* borrowed */
    int lock_fd; /* of a directory that was made anew while we ran; -1 = it is the first still */
    _Atomic uint64_t n_replayed, n_segments; /* segments begun, of how many */
    struct journal_replay_report replayed;   /* after recorder_replay */
    uint64_t n_samples_replayed;
    uint64_t n_samples_left_out; /* of windows that are no longer kept, or were left on disk */
    uint64_t n_deletions_replayed;
    uint64_t n_records_unknown, n_records_bad;
    struct carry carry; /* of what concerns windows that were left on disk */
    bool is_open;
};

void recorder_init(struct recorder *r, struct tsdb *db, struct arena *a);

/* Of all segments in dir; 0 when it cannot be listed. */
uint64_t recorder_journal_bytes(const char *dir);

/* Whether there are no samples and no deletions in them to be replayed, for certain. */
bool recorder_is_empty(struct recorder *r, const char *dir);

/* Opens dir, which is locked, and brings back what its journal holds. Logs what was found and what
 * was lost. Errors: of journal_replay, ERR_NO_MEMORY when a record does not fit into memory;
 * `error` (of n bytes) then holds a sentence. */
int recorder_replay(struct recorder *r, const char *dir, char *error, size_t n) WARN_UNUSED;

/* Stores one record as recorder_replay does. error (of n bytes) holds a sentence when it does not
 * fit into memory (ERR_NO_MEMORY). */
int recorder_take(struct recorder *r, const struct journal_record *record, char *error,
                  size_t n) WARN_UNUSED;

/* Begins the journal that c asks for, after recorder_replay. want_snapshot is called by a thread of
 * the journal's when a snapshot would make room or make safe. Errors: of journal_open. */
int recorder_start(struct recorder *r, const struct config *c, void (*want_snapshot)(void *ctx),
                   void *ctx) WARN_UNUSED;

/* Nobody writes any more. Syncs; logs it when that fails. */
void recorder_stop(struct recorder *r);

/* What a sender is told. */
struct write_answer {
    int status;
    const char *text; /* at most REMOTE_WRITE_TEXT_MAX */
    bool is_v2; /* a sender of 2.0 is told how much was written, whatever the status; nothing when
                   it is 503, for it will come again */
    uint64_t n_samples, n_exemplars;
};

/* A request that was stored, at least in part: parks it, writes its body down, and answers it with
 * a copy of *a once that is as safe as --journal.sync says; or with 503 when it is not. Answers at
 * once without a journal. meta: in the request's region, borrowed until then. */
void recorder_write(struct recorder *r, struct request *rq, const struct write_answer *a,
                    const uint8_t *meta, size_t n_meta);

/* Writes a record down and waits until it is as safe as --journal.sync says; for threads that may
 * wait. 0 also without a journal. Errors: as journal_submit and as done() are told, with errno. */
int recorder_put(struct recorder *r, enum record_kind kind, const void *body, size_t n) WARN_UNUSED;

/* Answers a write: 204 without a body, anything else with the text; 503 says when to come back. */
void recorder_answer(struct request *rq, const struct write_answer *a);

/* Before a snapshot is begun: a cut, and what the journal has for windows that were left on disk is
 * carried to them (carry_out; logged when that fails, with `detail` of n bytes filled in: then
 * nothing may be dropped). The caller sees to it that nobody else uses the directory meanwhile. */
uint64_t recorder_cut(struct recorder *r);
int recorder_carry(struct recorder *r, uint64_t number, char *detail, size_t n) WARN_UNUSED;

/* When it is safe on disk. What is in no snapshot is said again before; that it cannot be is
 * logged, and keeps nothing from being dropped: a full journal would stay full. */
void recorder_drop(struct recorder *r, uint64_t number);

/* False without a journal. */
bool recorder_stats(const struct recorder *r, struct journal_stats *ret);

#endif
