/*
 * Compares what a server gives back with what was sent to it. Everything that one connection has
 * sent is asked for; each sample that comes must have been sent and have its value, each that was
 * acknowledged and whose window is kept must come. Stale markers are not in the answers: they are
 * counted by window, and status/memory's numbers must agree.
 *
 * Not thread-safe: a thread has a struct check of its own, added up by the caller.
 */
#ifndef TESTS_CRASH_CHECK_H
#define TESTS_CRASH_CHECK_H

#include "tests/crash/answer.h"
#include "tests/crash/oracle.h"
#include "tests/crash/wire.h"

enum { CHECK_WINDOWS_MAX = 64, CHECK_EXAMPLES_MAX = 5 };

/* The windows that must be there: those that are kept, whatever of what was sent has arrived. */
struct check_range {
    int64_t window_ms;
    int64_t first_window, n_windows; /* numbers since the epoch; at most CHECK_WINDOWS_MAX */
    int64_t newest_ms;               /* nothing sent is newer */
};

struct check {
    uint64_t n_read;     /* samples that came */
    uint64_t n_required; /* samples that had to */
    uint64_t n_markers;  /* stale markers that had to: no answer shows them, the windows' sums do */
    uint64_t n_lost, n_changed, n_invented;
    uint64_t n_lapsed;     /* lost as allowed: acknowledged shortly before the end */
    uint64_t n_unreadable; /* answers that failed or were not understood */
    struct {
        uint64_t required, possible; /* samples, stale markers among them */
    } windows[CHECK_WINDOWS_MAX];
    uint32_t n_examples; /* told on stderr so far */
};

/* Asks the server at `port` for all that connection c has sent, and notes in its oracle what became
 * of doubtful requests. */
void check_connection(struct check *c, const struct load *l, struct oracle *o, uint32_t connection,
                      const struct check_range *range, uint16_t port);

/* Adds up numbers of all connections. */
void check_add(struct check *to, const struct check *from);

/* Compares the sums with the numbers of samples in status/memory. */
void check_windows(struct check *c, const struct check_range *range, uint16_t port);

#endif
