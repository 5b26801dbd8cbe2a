/* The hard limit on bytes, and the ledger of who holds how many.
 *
 * Every committed byte of the arena is taken here first, in the name of an owner; refusal is a
 * normal return, not a crash. Invariant: used == sum over owners of bytes, and used <= limit.
 *
 * Threads: all functions but budget_init may be called from any thread. */
#ifndef HG_ALLOC_BUDGET_H
#define HG_ALLOC_BUDGET_H

#include "alloc/base.h"

#include <stdatomic.h>

enum { BUDGET_OWNERS_MAX = 24 };

/* Memory that somebody holds for later and can give back at once. release is asked when a take does
 * not fit: it gives back `bytes` or what there is, and returns false when there was nothing. */
struct budget_reserve {
    bool (*release)(void *ctx, size_t bytes); /* NULL = nothing is held */
    void *ctx;
};

struct budget_row {
    const char *name; /* borrowed for the budget's life: a literal */
    atomic_size_t bytes;
    atomic_size_t peak_bytes;
};

struct budget {
    size_t limit_bytes;
    atomic_size_t used_bytes;
    atomic_size_t peak_bytes;
    atomic_ullong n_refused; /* takes that did not fit */
    atomic_uint n_rows;      /* grows after the row's name is there */
    atomic_flag is_registering;
    struct budget_row rows[BUDGET_OWNERS_MAX];
    struct budget_reserve reserve;
    atomic_long fail_in; /* tests: takes left until one is refused; 0 = never */
};

/* limit_bytes: the most that may be taken at once, > 0. */
void budget_init(struct budget *b, size_t limit_bytes);

/* The number of the owner of that name (0 .. BUDGET_OWNERS_MAX - 1), registered at its first
 * mention. name is borrowed for the budget's life. More owners than BUDGET_OWNERS_MAX is a
 * programmer's error. */
unsigned budget_owner(struct budget *b, const char *name);

/* Who gives memory back before a take is refused. Before the threads start; release is called from
 * any thread and may not take from this budget. */
void budget_set_reserve(struct budget *b, struct budget_reserve reserve);

/* Takes bytes for an owner; false (and nothing changed but what the reserve gave back) when the
 * limit would be exceeded. */
bool budget_take(struct budget *b, unsigned owner, size_t bytes) WARN_UNUSED;

/* The same with a reserve of the caller's instead of the common one: for one who holds the lock
 * that the common one would take. */
bool budget_take_or(struct budget *b, unsigned owner, size_t bytes,
                    struct budget_reserve reserve) WARN_UNUSED;

/* Gives back bytes that this owner holds. */
void budget_give(struct budget *b, unsigned owner, size_t bytes);

/* Moves bytes from one owner's row to another's; the sum does not change. */
void budget_move(struct budget *b, unsigned from, unsigned to, size_t bytes);

/* Tests: the nth take from now (1 = the next) is refused, once, whatever the reserve holds. 0
 * switches it off. */
void budget_fail_nth(struct budget *b, long nth);

/* True when the invariant holds; exact only while no other thread takes or gives. */
bool budget_check(const struct budget *b);

#endif
