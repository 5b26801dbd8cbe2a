/* Epochs in C11 atomics, without fences.
 *
 * The problem. Reader and writer each write one thing and then look at the other's:
 *
 *     reader                                writer
 *       A  place = now as read before         U  unlink the record
 *       L  look at now again                  B  stamp: now = s + 1, and s is the stamp
 *       R  look for records                   S  scan the places
 *
 * The bad end is a reader that finds the record (R does not see U) while the scan finds the place
 * free or in a later epoch. A, L, B and S are sequentially consistent, so they have one order that
 * all threads agree on, and L falls on one side of B:
 *   - L after B. B is a release and L reads B's number or one that later stamps made of it (a
 *     release sequence: they are read-modify-writes), so U happened before R: the reader does not
 *     find the record.
 *   - L before B. Then A, L, B, S are in this order and the scan finds the place taken (or freed
 *     since). The place holds a number that now had by L, so at most s: the record waits.
 * Hence the reader that reads now, is preempted for a second and announces an epoch long ended does
 * no harm: its second look is what counts. It then moves its announcement up to what it saw, which
 * only lets things go earlier: all of them were unlinked before it looked, as in the first case.
 *
 * Why not fences, with which this is usually written: ThreadSanitizer does not know them. On x86
 * both A and B are locked instructions anyway, and L and S plain loads.
 *
 * The edge from a leave to the reuse: the leave stores 0 with release, the scan loads with acquire.
 * If the place was taken again meanwhile, the scan reads the newcomer's exchange, which continues
 * the release sequence of the leave, or the newcomer's raised number, stored with release after it
 * acquired the leave.
 *
 * Rejected: hazard pointers (a store and a look for each record on the way, not for each visit);
 * counters of readers per epoch (one line that all readers write); quiescent states (threads that
 * sleep in the library that serves HTTP would have to say so).
 */
#include "alloc/epoch.h"

#include <sched.h>

_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "a place is read and written without a lock");
_Static_assert(sizeof(struct epoch_place) == EPOCH_LINE_BYTES, "one line each");

/* Where a thread was last inside; threads begin side by side. */
static _Thread_local unsigned hint = EPOCH_READERS_MAX;
static atomic_uint n_threads;

void epoch_init(struct epoch *e)
{
    atomic_init(&e->now, 1);
    for (unsigned i = 0; i < EPOCH_READERS_MAX; i++)
        atomic_init(&e->places[i].in, 0);
}

/* True when the place was free and is now announced to be in `epoch`. */
static bool claim(struct epoch_place *place, uint64_t epoch)
{
    uint64_t expected = 0;
    return atomic_load_explicit(&place->in, memory_order_relaxed) == 0 &&
           atomic_compare_exchange_strong(&place->in, &expected, epoch);
}

unsigned epoch_enter(struct epoch *e)
{
    if (hint == EPOCH_READERS_MAX)
        hint = atomic_fetch_add_explicit(&n_threads, 1, memory_order_relaxed) % EPOCH_READERS_MAX;
    unsigned place = hint;
    uint64_t announced = atomic_load(&e->now);
    for (unsigned n_tried = 1; !claim(&e->places[place], announced); n_tried++) {
        place = (place + 1) % EPOCH_READERS_MAX;
        if (n_tried % EPOCH_READERS_MAX == 0)
            sched_yield();
    }
    hint = place;
    uint64_t now = atomic_load(&e->now);
    if (now != announced)
        atomic_store_explicit(&e->places[place].in, now, memory_order_release);
    return place;
}

void epoch_leave(struct epoch *e, unsigned place)
{
    assert(place < EPOCH_READERS_MAX && atomic_load(&e->places[place].in) != 0);
    atomic_store_explicit(&e->places[place].in, 0, memory_order_release);
}

uint64_t epoch_stamp(struct epoch *e)
{
    return atomic_fetch_add(&e->now, 1);
}

uint64_t epoch_oldest(const struct epoch *e)
{
    uint64_t oldest = UINT64_MAX;
    for (unsigned i = 0; i < EPOCH_READERS_MAX; i++) {
        uint64_t in = atomic_load(&e->places[i].in);
        if (in != 0 && in < oldest)
            oldest = in;
    }
    return oldest;
}
