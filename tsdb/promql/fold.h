/* Aggregations that need no more of a series than to have seen it once: sum, avg, min, max, count,
 * group, stddev, stdvar. A fold is what has been seen of one group, at each step: the numbers that
 * its operator needs there, which at the end become the result in place.
 *
 * Threads: belongs to the query's thread. */
#ifndef HG_TSDB_PROMQL_FOLD_H
#define HG_TSDB_PROMQL_FOLD_H

#include "tsdb/promql/lex.h"
#include "tsdb/promql/value.h"

enum { FOLD_PLANES_MAX = 2 };

struct fold {
    double *v;                       /* a number a step, at the end the result */
    uint64_t *present;               /* steps at which anything has been seen */
    double *planes[FOLD_PLANES_MAX]; /* what the operator needs besides; unset where nothing is
                                        present */
};

struct folder {
    uint32_t n_planes;
    void (*add)(struct fold *f, const struct column *c, size_t n_steps);
    void (*finish)(struct fold *f, size_t n_steps);
};

/* NULL of an operator that is none. */
const struct folder *folder_find(enum token_kind op);

#endif
