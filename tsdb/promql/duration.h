/* What durations that are expressions come to, once the query's times are known.
 *
 * Threads: changes the tree, so belongs to the query's thread. */
#ifndef HG_TSDB_PROMQL_DURATION_H
#define HG_TSDB_PROMQL_DURATION_H

#include "tsdb/promql/ast.h"

/* What step() and range() mean: 0 in an instant query. */
struct duration_times {
    int64_t step_ms, range_ms;
    bool is_main; /* PROMQL_MAIN: what is no length is an error */
};

/* One of Prometheus' texts, and the bytes of the expression that it is about. */
struct duration_fault {
    const char *text; /* NULL without one */
    uint32_t start, end;
};

/* Sets the values of all durations below. False with *ret. */
bool duration_resolve(struct node *root, const struct duration_times *t,
                      struct duration_fault *ret) WARN_UNUSED;

#endif
