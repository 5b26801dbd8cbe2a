/* Which series of a vector belong to which group of an aggregation.
 *
 * Threads: belongs to the query's thread. */
#ifndef HG_TSDB_PROMQL_GROUPING_H
#define HG_TSDB_PROMQL_GROUPING_H

#include "tsdb/promql/eval.h"
#include "tsdb/promql/label_map.h"
#include "tsdb/promql/labelset.h"

enum group_by { GROUP_BY, GROUP_WITHOUT, GROUP_WITHOUT_NAMED };

/* Numbers the groups of series that come one at a time. */
struct group_keys {
    enum group_by by;
    const struct word_list *labels;
    struct label_map map; /* its keys are the groups' labels */
    struct labelset_row row;
};

/* labels: borrowed. keeps: how long the labels of series live that are put. */
void group_keys_init(struct group_keys *k, struct region *r, const struct word_list *labels,
                     enum group_by by, enum label_map_keeps keeps);

/* The number of the group that a series with these labels belongs to. False when memory ran out. */
bool group_keys_put(struct group_keys *k, const struct labels *ls, uint32_t *ret_number,
                    bool *ret_is_new) WARN_UNUSED;

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
