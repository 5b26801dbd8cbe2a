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
    atomic_long fail_in; /* tests: takes left until one is refused; 0 = never */
};

/* limit_bytes: the most that may be taken at once, > 0. */
void budget_init(struct budget *b, size_t limit_bytes);

/* The number of the owner of that name (0 .. BUDGET_OWNERS_MAX - 1), registered at its first
 * mention. name is borrowed for the budget's life. More owners than BUDGET_OWNERS_MAX is a
 * programmer's error. */
unsigned budget_owner(struct budget *b, const char *name);

/* Takes bytes for an owner; false (and nothing changed) when the limit would be exceeded. */
bool budget_take(struct budget *b, unsigned owner, size_t bytes) WARN_UNUSED;

/* Gives back bytes that this owner holds. */
void budget_give(struct budget *b, unsigned owner, size_t bytes);

/* Moves bytes from one owner's row to another's; the sum does not change. */
void budget_move(struct budget *b, unsigned from, unsigned to, size_t bytes);

/* Tests: the nth take from now (1 = the next) is refused, once. 0 switches it off. */
void budget_fail_nth(struct budget *b, long nth);

/* True when the invariant holds; exact only while no other thread takes or gives. */
bool budget_check(const struct budget *b);

#endif
