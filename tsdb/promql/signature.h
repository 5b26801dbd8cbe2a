/* Which series of two vectors belong together: the labels that on() names, or all but those that
 * ignoring() names and the metric's. Equal ones get equal numbers, on both sides.
 *
 * Threads: belongs to the query's thread. */
#ifndef HG_TSDB_PROMQL_SIGNATURE_H
#define HG_TSDB_PROMQL_SIGNATURE_H

#include "tsdb/promql/eval.h"
#include "tsdb/promql/label_map.h"

struct signatures {
    struct label_map map; /* number -> labels */
    uint32_t *lhs, *rhs;  /* number of each column */
};

int signatures_init(struct eval *e, struct signatures *s, const struct matching *m,
                    const struct vector *lhs, const struct vector *rhs) WARN_UNUSED;

#endif
