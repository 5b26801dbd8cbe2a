/* Slots that were taken out of reach and wait until no reader can see them any more (epoch.h).
 *
 * A first-in-first-out queue in pages of its own. A writer's batch:
 *
 *     limbo_reserve(l, n)              while it can still say "no memory"
 *     unlink, limbo_add(l, pool, s)    up to n times
 *     limbo_seal(l)                    one stamp for all of them
 *     limbo_drain(l)                   now or later: pool_put for all whose time has come
 *
 * Between seal and drain the writer should have left the epoch, or it waits for itself.
 *
 * Reservations do not add up: reserve(n) is the promise that the next n adds find room, whatever
 * was promised before, and each add uses up one. Fewer adds than reserved are normal; the seal ends
 * the promise. A drain does not, so it may come at any time. A limbo in which nothing waits and
 * nothing is promised holds no memory.
 *
 * Invariants: stamps do not decrease from the oldest slot to the newest, those without one are the
 * newest; room >= promised; pages == those of its row of the budget.
 *
 * Whoever drops a pool whole (pool_drop) must do so when none of its slots waits here: a stamp
 * taken after the last seal that covered them, found old enough before a drain, says so.
 *
 * Threads: the caller's lock guards a limbo, the same that guards the pools. */
#ifndef HG_ALLOC_LIMBO_H
#define HG_ALLOC_LIMBO_H

#include "alloc/epoch.h"
#include "alloc/pool.h"

struct limbo {
    struct arena *arena; /* borrowed */
    struct epoch *epoch; /* borrowed */
    size_t n_waiting;
    size_t n_unstamped; /* the newest so many */
    size_t n_promised;  /* adds that must find room */
    page_no first;      /* the chain of pages, the oldest entry's in front */
    page_no newest;     /* the page of the newest entry, 0 when nothing waits */
    page_no unstamped;  /* the page of the oldest entry without stamp, if there is one */
    page_no last;       /* the chain's end */
    uint32_t first_at;  /* the oldest entry's place in its page */
    uint32_t n_pages;
    unsigned owner;
};

/* a and e are borrowed for the limbo's life; owner is a row of the arena's budget. */
void limbo_init(struct limbo *l, struct arena *a, struct epoch *e, unsigned owner);

/* Returns every page and forgets what waits: its slots go when their pools are dropped. */
void limbo_release(struct limbo *l);

/* Room for the next n adds; false (nothing changed) when memory is exhausted. */
bool limbo_reserve(struct limbo *l, size_t n) WARN_UNUSED;

/* Takes over a slot of pool p that nobody can reach any more who comes in after the next seal. Its
 * content stays as it is until it is put. There must be a reservation. p must be at its address
 * for as long as its slot waits; anywhere, but named as a distance from the arena's base. */
void limbo_add(struct limbo *l, struct pool *p, slot s);

/* The end of a batch: one stamp for all that were added since the last, and no more promises. */
void limbo_seal(struct limbo *l);

/* Stamps what has no stamp, then puts everything back that nobody can see, oldest first, and
 * returns pages. Costs a look at all places of the epoch when something waits. */
void limbo_drain(struct limbo *l);

bool limbo_is_empty(const struct limbo *l);

/* How many slots wait. */
size_t limbo_waiting(const struct limbo *l);

/* Removes from `slots` those of the pool's page that wait here. Looks at every entry. */
void limbo_subtract(const struct limbo *l, const struct pool *p, page_no page,
                    struct slot_set *slots);

bool limbo_check(const struct limbo *l);

#endif
