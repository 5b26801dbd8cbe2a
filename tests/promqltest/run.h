/* Runs a script's commands against a store.
 *
 * An instant eval is asked three ways, as Prometheus' own harness does: as it stands; printed again
 * with
 * "@ time" at every selector and subquery that has none, at other times of evaluation (unless a
 * function in it depends on the time); and as the middle step of a range query. */
#ifndef TESTS_PROMQLTEST_RUN_H
#define TESTS_PROMQLTEST_RUN_H

#include "tests/promqltest/store.h"

enum names_mode { NAMES_DELAYED = 1, NAMES_IMMEDIATE = 2 }; /* when __name__ is removed */

struct run {
    const char *path;
    struct store *store;
    unsigned features; /* enum promql_feature */
    bool is_quiet;     /* no lines for what was left out */
    unsigned n_passed, n_failed, n_skipped;
};

/* Runs one command; prints a line for what failed or was left out. */
void run_command(struct run *run, const struct command *c, struct region *r);

/* A line of the script that was not understood: a failure. */
void run_failed_line(struct run *run, unsigned line, const char *what);

#endif
