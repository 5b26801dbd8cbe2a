/* Which series of a vector belong to which group of an aggregation.
 *
 * Threads: belongs to the query's thread. */
#ifndef HG_TSDB_PROMQL_GROUPING_H
#define HG_TSDB_PROMQL_GROUPING_H

#include "tsdb/promql/eval.h"

struct group {
    struct labels labels;
    uint32_t *members; /* columns, ascending */
    uint32_t n;
    bool drops_name; /* one of the members does: see struct column */
};

struct grouping {
    struct group *groups; /* in the order of their first members */
    uint32_t n;
};

int grouping_init(struct eval *e, struct grouping *g, const struct word_list *labels,
                  bool is_without, const struct vector *v) WARN_UNUSED;

/* By all labels but those; the name counts. */
int grouping_init_named(struct eval *e, struct grouping *g, const struct word_list *without,
                        const struct vector *v) WARN_UNUSED;

#endif
