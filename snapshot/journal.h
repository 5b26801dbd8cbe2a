/* The journal: what was accepted since the last snapshot, on disk before it is acknowledged.
 *
 *   submit      queue        writer thread       segments            sync thread
 *   --------> e e e e  --->  one write for  ---> journal-..1.hg  ---> fdatasync, name, close
 *   never      bounded       all that wait       journal-..2.hg
 *   waits                        |                                        |
 *                 done(e, 0) <---'  mode interval         mode always <---'
 *
 * A record is one request: {sequence, receive time, kind, meta, body}; kind, meta and body are the
 * caller's and opaque here. docs/journal-format.md has the bytes, journal_replay.h reads them back,
 * docs/decisions/0016-journal.md has the reasons.
 *
 * What done(e, 0) promises: in mode interval the record is written (it outlives the process), and
 * is synced within about sync_ms (it outlives the machine); in mode always it is synced, as is the
 * name of its file. Everything else is answered with an error and may or may not be there after a
 * restart.
 *
 * Faults. Whatever fails (ENOSPC, EIO, EROFS, the directory is gone): the records concerned get the
 * error, the segment is cut off behind its last good record if that works, and is never written to
 * again; one whose sync has failed is never synced again either, since the kernel may have dropped
 * what it could not write. The next submission begins a new segment, at most one in
 * JOURNAL_RETRY_MS; until it may, submissions are refused at once. Nothing else is needed to
 * recover.
 *
 * Threads: all functions may be called from any thread, journal_close by the last one. done and
 * want_snapshot are called by the journal's threads, or by that of journal_write, without a lock;
 * they may submit, but not cut, sync, drop or close. */
#ifndef HG_SNAPSHOT_JOURNAL_H
#define HG_SNAPSHOT_JOURNAL_H

#include "alloc/arena.h"
#include "snapshot/journal_format.h"

enum {
    JOURNAL_PARTS_MAX = 64,               /* of a body */
    JOURNAL_RETRY_MS = 1000,              /* between two attempts to begin a segment */
    JOURNAL_STUCK_MS = 5000,              /* when the oldest has waited so long, none is taken */
    JOURNAL_QUEUE_BYTES = 64 << 20,       /* records that wait; one alone may be longer */
    JOURNAL_WRITE_BYTES = 1 << 20,        /* of one write */
    JOURNAL_SEGMENT_BYTES = 64 << 20,     /* default */
    JOURNAL_SEGMENT_BYTES_MIN = 64 << 10, /* or a full journal would be all heads */
    JOURNAL_WANT_SHARE = 2,               /* 1/2 of max_bytes: a snapshot is wanted */
    JOURNAL_PROMPT_NS = 2000000, /* a write that takes longer is followed by one of the writer's */
    JOURNAL_SYNC_BUCKETS = 15,   /* of the histogram: <= 0.25 ms, 0.5, 1 .. 2048 ms, more */
};

enum journal_mode {
    JOURNAL_INTERVAL, /* synced every sync_ms */
    JOURNAL_ALWAYS,   /* synced before it is acknowledged; one sync for all that wait */
    JOURNAL_OFF,      /* nothing is written, done is called at once; old segments can be dropped */
};

enum journal_want {
    JOURNAL_WANT_ROOM = 1,   /* half of max_bytes is used: a snapshot and a drop make room */
    JOURNAL_WANT_SAFETY = 2, /* a sync failed: what was acknowledged may be in memory only */
};

struct journal_options {
    struct io *io;       /* borrowed */
    struct arena *arena; /* borrowed; the journal is one span in the row "journal" */
    enum journal_mode mode;
    int64_t sync_ms;        /* > 0, for JOURNAL_INTERVAL */
    uint64_t max_bytes;     /* of all segments, > 0 */
    uint64_t segment_bytes; /* when the next is begun; 0 = the default */
    uint64_t number_min;    /* numbers begin here or above what is found; 0 = 1 */
    uint64_t sequence_min;  /* journal_replay_report's next_sequence; 0 = 1 */
    /* May be NULL. Once for each reason until a drop has settled it, and again for each sync that
     * fails; before the records that gave the reason are done. */
    void (*want_snapshot)(void *ctx, enum journal_want why);
    /* May be NULL. The directory was removed: make it anew and lock it; < 0 = that failed, errno
     * says why. Called by the writer thread. */
    int (*remake_dir)(void *ctx);
    /* NULL: CLOCK_MONOTONIC, CLOCK_REALTIME, file_id_new(). The ns are those of waiting and ages; a
     * thread that sleeps until the next sync does so by the real clock. */
    int64_t (*now_ns)(void *ctx);
    int64_t (*now_ms)(void *ctx);
    uint64_t (*file_id)(void *ctx);
    void *ctx;
};

/* A record on its way. The first part is the caller's, who fills it in and leaves all of it and
 * what it points to alone until done is called. */
struct journal_entry {
    uint16_t kind;
    int64_t time_ms;
    const void *meta;
    size_t meta_bytes; /* at most JOURNAL_META_MAX */
    const struct iovec *parts;
    int n_parts; /* of the body, at most JOURNAL_PARTS_MAX */
    /* Called exactly once, in the order of sequence where err is 0; e is the caller's again. err: 0
     * or ERR_IO, e->sys_errno then says why. */
    void (*done)(struct journal_entry *e, int err);

    uint64_t sequence; /* known in done() */
    int sys_errno;

    /* the journal's */
    struct journal_entry *next;
    uint64_t bytes;       /* of the record */
    int64_t submitted_ns; /* by now_ns */
    uint64_t segment;     /* where it was written, and the offset of its end there */
    uint64_t end;
    bool is_cut; /* not a record: a place in the queue */
    uint8_t head[JOURNAL_RECORD_BYTES];
};

struct journal;

struct journal_stats {
    bool is_failing; /* since the last call that failed none has shown that it works again */
    bool is_unsafe;  /* a sync failed and no snapshot has settled it yet */
    bool wants_room;
    int64_t failing_since_ms; /* by now_ms; 0 = it is not */
    int sys_errno;            /* of the newest failure; 0 = there was none */
    const char *failed_call;  /* "write", "create", "sync", ..; a literal, "" = none */
    uint64_t failed_segment;
    uint64_t oldest, newest; /* numbers of segments, 0 = none; newest: the one being written */
    uint64_t n_segments;
    uint64_t bytes, max_bytes; /* of all segments on disk, as far as is known */
    uint64_t unsynced_bytes;
    uint64_t waiting_bytes; /* of records that were submitted and are not done */
    int64_t oldest_wait_ns; /* how long the oldest of these has waited; 0 = there is none */
    int64_t last_sync_ns;   /* age of the last sync that worked, or of the journal */
    uint64_t n_records;     /* done without an error */
    uint64_t n_failed;      /* done with one */
    uint64_t n_refused_busy, n_refused_full, n_refused_failing; /* by journal_submit */
    uint64_t record_bytes;                                      /* written, of records */
    uint64_t n_writes, n_syncs;                                 /* that worked */
    uint64_t n_write_failures, n_sync_failures, n_other_failures;
    uint64_t sync_buckets[JOURNAL_SYNC_BUCKETS]; /* each its own, not summed up */
    uint64_t sync_sum_ns;
};

/* Begins a segment and starts the threads. That the segment cannot be made is no error: the journal
 * then is failing from the start. Errors: ERR_NO_MEMORY (also for the threads), ERR_IO (errno: the
 * directory cannot be listed). */
int journal_open(const struct journal_options *o, struct journal **ret) WARN_UNUSED;

/* Waits until all that was submitted is done, syncs, and frees j. ERR_IO (errno) when what was
 * acknowledged is not synced. Nobody may be calling anything else of j. */
int journal_close(struct journal *j);

/* Hands a record over; never waits for a disk. 0: done will be called (in mode off: was). Errors,
 * with which done is not called: ERR_BUSY (JOURNAL_QUEUE_BYTES or JOURNAL_STUCK_MS),
 * ERR_JOURNAL_FULL (max_bytes), ERR_IO (errno: the last failure, and it is too early to try again).
 */
int journal_submit(struct journal *j, struct journal_entry *e) WARN_UNUSED;

/* Writes a record on the caller's thread, if that is all that the writer would do now: mode
 * interval, nobody before it, room in the segment, and the last write was not slow. True: done was
 * called. False: nothing was done; submit it. Spares two changes of threads; the price is that the
 * caller may wait for a disk, once until the next prompt write of the writer's. */
bool journal_write(struct journal *j, struct journal_entry *e) WARN_UNUSED;

/* Ends the segment. When it returns, each record that was submitted before is done or at least
 * written, in a segment below *ret_number, or has failed; each one submitted later will be in
 * *ret_number or above. Works as well while the journal is failing. */
void journal_cut(struct journal *j, uint64_t *ret_number);

/* A snapshot is on disk that holds what was in segments below number: removes them, oldest first
 * and each durably before the next, so that what a crash leaves is never an older record without a
 * newer one. number: of journal_cut. Errors: ERR_IO (errno); what is left is tried again by the
 * next drop. */
int journal_drop(struct journal *j, uint64_t number) WARN_UNUSED;

/* Waits until what was written before the call is synced. ERR_IO (errno): it is not. */
int journal_sync(struct journal *j) WARN_UNUSED;

void journal_stats(struct journal *j, struct journal_stats *ret);

/* The upper bound of a bucket of the histogram in ns; that of the last one is INT64_MAX. */
int64_t journal_sync_bucket_ns(int bucket);

/* True when the invariant holds: the bytes that wait are those of the entries in the lists, and no
 * entry is in two. */
bool journal_check(struct journal *j);

#endif
