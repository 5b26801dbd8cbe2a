/* What journal.c, journal_writer.c and journal_syncer.c share; for nobody else.
 *
 * One lock guards all but what is said to be the writer's own, which is lent under it. It is never
 * held across I/O or a call of done(). A handle is opened by the writer and closed by the syncer,
 * so that a sync never meets a handle that has become another file's. */
#ifndef HG_SNAPSHOT_JOURNAL_STATE_H
#define HG_SNAPSHOT_JOURNAL_STATE_H

#include "snapshot/journal_batch.h"

#include <pthread.h>

enum {
    JOURNAL_RETIRED_MAX = 16,      /* segments that wait for their sync; the writer waits at more */
    JOURNAL_EVICT_BYTES = 1 << 20, /* synced ones of a segment that are given back at a time */
    JOURNAL_EMPTY_BYTES = FRAME_HEADER_BYTES + JOURNAL_HEAD_BYTES, /* of one without a record */
};

struct journal_list {
    struct journal_entry *first, *last; /* NULL: empty */
};

static inline void journal_list_add(struct journal_list *l, struct journal_entry *e)
{
    e->next = NULL;
    *(l->last ? &l->last->next : &l->first) = e;
    l->last = e;
}

static inline struct journal_entry *journal_list_take(struct journal_list *l)
{
    struct journal_entry *e = l->first;
    if (e) {
        l->first = e->next;
        if (!e->next)
            l->last = NULL;
    }
    return e;
}

/* Moves all of `from` behind what is in `to`. */
static inline void journal_list_move(struct journal_list *to, struct journal_list *from)
{
    if (!from->first)
        return;
    *(to->last ? &to->last->next : &to->first) = from->first;
    to->last = from->last;
    *from = (struct journal_list){0};
}

struct journal_segment {
    int handle; /* -1 = there is none */
    uint64_t number;
    uint64_t good;       /* bytes up to the end of its last whole record */
    uint64_t synced;     /* of these */
    uint64_t evicted;    /* of these: the system was told that they are not wanted in memory */
    unsigned names_mark; /* from before its name was made */
    bool is_name_synced;
    bool is_failed; /* not to be synced any more, nor written to */
    bool is_gone;   /* its name is, that is: no thanks to us */
    bool is_to_go;  /* retired without a record: to be removed */
};

/* What only the writer knows of the current segment. */
struct journal_tip {
    uint64_t file_id;
    uint32_t n_frames;
    uint64_t end;          /* bytes written: more than good within a long record */
    uint64_t sequence_end; /* one more than that of its last whole record */
};

/* What is not working. */
enum { JOURNAL_FAILS_WRITE = 1, JOURNAL_FAILS_SYNC = 2 };

struct journal {
    struct journal_options o;
    struct io *io;
    unsigned owner;
    pthread_mutex_t lock;
    pthread_cond_t work;      /* for the writer: the queue is not empty, or it is to stop */
    pthread_cond_t sync_work; /* for the syncer */
    pthread_cond_t progress;  /* a cut or a sync is done, a retired segment is gone */
    pthread_t writer, syncer;

    /* An entry goes from list to list, in this order; in mode interval it leaves after the second.
     */
    struct journal_list queue;   /* submitted */
    struct journal_list writing; /* taken by the writer */
    struct journal_list written; /* waiting for a sync */
    struct journal_list syncing; /* taken by the syncer */
    uint64_t waiting_bytes;      /* of the entries in the four */
    bool is_writer_waiting, is_closing, is_syncer_to_stop;
    bool is_lent; /* what is the writer's is used by a thread in journal_write */
    bool is_slow; /* the last write took longer than JOURNAL_PROMPT_NS */

    struct journal_segment current;
    struct journal_segment retired[JOURNAL_RETIRED_MAX]; /* oldest first */
    int n_retired;
    int64_t retry_ns;       /* not before this a segment is begun */
    uint64_t dropped_below; /* segments below are gone or going */
    uint64_t unsafe_below;  /* a cut and drop at or above this settles a failed sync; 0 = none */
    unsigned fails;         /* JOURNAL_FAILS_.. */
    uint64_t n_syncs_asked, n_syncs_answered; /* journal_sync */
    int64_t last_sync_ns;                     /* now_ns of the last good one */
    struct journal_stats stats; /* the counters; journal_stats adds what is computed */

    /* the writer's own, or that of the thread to which it is lent */
    uint64_t next_number, next_sequence;
    uint64_t before, before_bytes, before_sequence, before_id; /* for the next head */
    struct journal_tip tip;
    struct journal_entry *at; /* in writing: the first of which not all is in a frame */
    uint64_t at_byte;         /* of it */
    struct journal_batch batch;
};

int64_t journal_now_ns(const struct journal *j);
int64_t journal_now_ms(const struct journal *j);

/* Calls done for each of a list, with the lock not held. */
void journal_answer(struct journal_list *l, int err);

/* Notes a call that failed, with errno. */
void journal_failed_locked(struct journal *j, const char *call, uint64_t segment, unsigned what);

/* Something works again, or still. */
void journal_works_locked(struct journal *j, unsigned what);

static inline bool journal_can_write_locked(const struct journal *j)
{
    return j->current.handle >= 0 && !j->current.is_failed;
}

void *journal_writer_run(void *journal);

/* Writes the one entry that was put into `writing`, with j->at at it, and is_lent set. */
void journal_write_lent(struct journal *j);

/* Begins a segment; before the threads are there, or by the writer. Errors: ERR_IO, noted: the
 * journal then is failing, and that is all the answer that most callers need. */
int journal_begin_segment(struct journal *j);

/* Segments that were there may be gone: what is acknowledged and not in a snapshot is in memory
 * only.
 */
void journal_lost_locked(struct journal *j, uint64_t below);

void *journal_syncer_run(void *journal);

#endif
