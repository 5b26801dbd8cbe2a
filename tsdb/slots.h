/* Slots in the hands of several writers and readers.
 *
 * What a chunk keeps lies in its window's pools. What it needs while its series writes to it, the
 * head and the tail, lies in one pool of 128 B slots for all windows (`open`): when the glass
 * turns, each series gives back the old ones as it takes the new ones, and the window behind it is
 * left without holes.
 *
 * One lock guards all pools (a slot is taken or given once for dozens of samples). A slot that was
 * never published is put back at once; one that readers may still see is retired and waits until
 * they have left (alloc/limbo.h).
 *
 * A change to a chunk takes slots before it gives any back, so that it can fail without a trace:
 * `struct change` notes both. It is prepared (from here on it cannot fail), then the caller
 * publishes the new state, and then it is finished: what was replaced retires only when no reader
 * that comes later can find it.
 *
 * Threads: any; who changes or reads chunks is inside the epoch (slots_enter). The lock is a leaf
 * but for the arena's. */
#ifndef HG_TSDB_SLOTS_H
#define HG_TSDB_SLOTS_H

#include "alloc/kind.h"
#include "alloc/limbo.h"
#include "tsdb/window.h"

#include <pthread.h>

struct slots {
    struct arena *arena;
    pthread_mutex_t lock;
    struct epoch epoch;
    struct limbo limbo;
    struct pool open;              /* heads and tails of open chunks, whatever their window */
    _Atomic uint64_t open_payload; /* bytes of its used slots that are not slack */
    bool is_alone;                 /* during a restore nobody reads a window that is restored, and
                                      each is one thread's: nothing waits, and needs no lock */
    bool has_readers;              /* meanwhile others are read: what series have is seen */
    size_t n_promised;             /* entries of the limbo that prepared changes will add */
};

enum { CHANGE_SLOTS_MAX = 1024 }; /* taken, and replaced, by one change at most */

struct change_slot {
    slot s;
    bool is_open; /* of the pool `open` */
};

struct change {
    struct slots *slots;
    struct window *window;
    uint32_t n_taken, n_replaced;
    bool has_failed;      /* no memory, or more than CHANGE_SLOTS_MAX */
    int64_t payload;      /* bytes that the window's payload will grow by */
    int64_t open_payload; /* and that of the open pool */
    struct change_slot taken[CHANGE_SLOTS_MAX];
    struct change_slot replaced[CHANGE_SLOTS_MAX];
};

void slots_init(struct slots *s, struct arena *a, unsigned owner_open, unsigned owner_limbo);
void slots_release(struct slots *s);

static inline unsigned slots_enter(struct slots *s)
{
    return epoch_enter(&s->epoch);
}

static inline void slots_leave(struct slots *s, unsigned place)
{
    epoch_leave(&s->epoch, place);
}

/* From here to slots_unhold the calls of this thread share one hold of the lock; of one struct
 * slots at a time. In between the thread takes no lock but the arena's. */
void slots_hold(struct slots *s);
void slots_unhold(struct slots *s);

/* Puts back what nobody can see any more; to be called outside the epoch. */
void slots_drain(struct slots *s);

/* Waits until everybody who is inside has left. The caller must hold what they could wait for. */
void slots_wait(struct slots *s);

/* The same for max_us at most; false when somebody was inside still. */
bool slots_wait_briefly(struct slots *s, unsigned max_us) WARN_UNUSED;

/* A slot of the smallest class that holds `bytes` (1 .. SIZE_CLASS_BYTES_MAX), or 0 and
 * has_failed. */
slot change_take(struct change *c, size_t bytes) WARN_UNUSED;

/* A slot for the end of a sealed chunk, of 1 .. CRUMB_BYTES_MAX bytes; or 0 and has_failed. */
slot change_take_crumb(struct change *c, size_t bytes) WARN_UNUSED;

/* A slot of the pool `open`, or 0 and has_failed. */
slot change_take_open(struct change *c) WARN_UNUSED;

/* Notes a slot that the change replaces. */
void change_replace(struct change *c, slot s);
void change_replace_open(struct change *c, slot s);

void change_init(struct change *c, struct slots *s, struct window *w);

/* Whether everything that the change needs is there. If not, what it took has gone back and nothing
 * is to be published. */
bool change_prepare(struct change *c) WARN_UNUSED;

/* After publishing a prepared change. */
void change_finish(struct change *c);

/* Gives back what a change took that is not to be published. */
void change_undo(struct change *c);

/* window_add_member(s), window_drop_member and window_next_member under the lock: the table of
 * members may grow while somebody walks through it. */
bool slots_add_member(struct slots *s, struct window *w, uint32_t series) WARN_UNUSED;
bool slots_add_members(struct slots *s, struct window *w, const uint32_t *series,
                       uint32_t n) WARN_UNUSED;
void slots_drop_member(struct slots *s, struct window *w, uint32_t series);
uint64_t slots_next_member(struct slots *s, const struct window *w, uint64_t from, uint64_t end);

/* Slots of a kind of record that readers see without the store's lock. */
slot slots_kind_get(struct slots *s, struct kind *k, size_t bytes) WARN_UNUSED;
void slots_kind_put(struct slots *s, struct kind *k, slot at, size_t bytes); /* never published */

/* Retires slots of the pool `open`, with `payload` bytes in them; promised before. */
void slots_open_retire(struct slots *s, const slot *items, uint32_t n, size_t payload);

void slots_open_put(struct slots *s, const slot *items, uint32_t n, size_t payload); /* at once */

/* Adds payload of the pool `open` that was counted apart, and forgets it there. */
void slots_count_open(struct slots *s, int64_t *io_payload);

/* Room for n calls of slots_kind_retire (or so many slots of a change) that then cannot fail. */
bool slots_promise(struct slots *s, size_t n) WARN_UNUSED;
void slots_unpromise(struct slots *s, size_t n);
void slots_kind_retire(struct slots *s, struct kind *k, slot at, size_t bytes);

/* During a restore: from here on, or until here, readers are let in. Whoever ends it keeps new ones
 * out, and waits until those inside have left. */
void slots_let_read(struct slots *s, bool has_readers);

/* slots_promise and slots_kind_retire for one slot that readers may see during a restore. */
bool slots_promise_seen(struct slots *s) WARN_UNUSED;
void slots_unpromise_seen(struct slots *s, size_t n);
void slots_kind_retire_seen(struct slots *s, struct kind *k, slot at, size_t bytes);

#endif
