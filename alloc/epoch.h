/* Who may still be looking: epoch-based reclamation (Fraser, Practical lock-freedom, 2004, section
 * 5.2.3; kin of RCU).
 *
 * A reader announces itself before its first look at shared records and leaves after the last. A
 * writer takes a record out of everybody's reach, asks for a stamp, and may use the record's memory
 * again once nobody is inside who came in before that stamp:
 *
 *     reader:  place = epoch_enter(e)   look, follow handles   epoch_leave(e, place)
 *     writer:  unlink   s = epoch_stamp(e)   ...   s < epoch_oldest(e)?   use the memory again
 *
 * Entering costs one atomic exchange on a cache line that is the thread's own and two loads of one
 * that all threads share and few write. Limbo (limbo.h) keeps what waits.
 *
 * Threads: all functions but epoch_init may be called from any thread at any time. */
#ifndef HG_ALLOC_EPOCH_H
#define HG_ALLOC_EPOCH_H

#include "alloc/base.h"

#include <stdatomic.h>

enum { EPOCH_READERS_MAX = 128, EPOCH_LINE_BYTES = 64 };

/* One that is inside. As long as a cache line: wherever the struct begins, no two share one. */
struct epoch_place {
    _Atomic uint64_t in; /* an epoch that was current when its user entered; 0 = free */
    char pad[EPOCH_LINE_BYTES - sizeof(uint64_t)];
};

struct epoch {
    _Atomic uint64_t now; /* the current epoch, from 1 */
    char pad[EPOCH_LINE_BYTES - sizeof(uint64_t)];
    struct epoch_place places[EPOCH_READERS_MAX];
};

void epoch_init(struct epoch *e);

/* Comes in and returns the place, to be given to epoch_leave by whichever thread. What can be
 * reached after the call stays intact until the leave. A thread may be inside more than once.
 * While EPOCH_READERS_MAX are inside it yields until one leaves: so who is inside must not wait for
 * somebody who wants to come in; take locks after entering, not before. */
unsigned epoch_enter(struct epoch *e) WARN_UNUSED;
void epoch_leave(struct epoch *e, unsigned place);

/* Ends the current epoch and returns its number. To be called after the unlinking of all that is
 * to carry the stamp, by the thread that unlinked or one that was synchronised with it. */
uint64_t epoch_stamp(struct epoch *e) WARN_UNUSED;

/* The smallest epoch that somebody is still in; UINT64_MAX when nobody is inside. What is stamped s
 * may be used again when s < epoch_oldest(e), and everything that its readers did happened before
 * the call's return. */
uint64_t epoch_oldest(const struct epoch *e);

#endif
