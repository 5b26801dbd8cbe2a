/* Warnings and infos of an evaluation, each with the position of the expression that is to blame.
 * The same text is kept once, at its last position; ANNOTATIONS_MAX of a class are shown and the
 * others counted.
 *
 * Threads: belongs to the query's thread. */
#ifndef HG_TSDB_PROMQL_ANNOT_H
#define HG_TSDB_PROMQL_ANNOT_H

#include "tsdb/promql/label_map.h"
#include "tsdb/promql/query.h"
#include "tsdb/promql/query_limits.h"

enum annot_class { ANNOT_WARNING, ANNOT_INFO };

struct annot_list {
    struct label_map texts;        /* each as the value of a label without a name */
    uint32_t pos[ANNOTATIONS_MAX]; /* of the first texts */
};

struct annot {
    struct region *region;
    const char *query_text;     /* borrowed: for positions */
    struct annot_list lists[2]; /* by class */
};

void annot_init(struct annot *a, struct region *r, const char *query_text);

/* text without the "PromQL info: " that begins each; borrowed. What memory does not suffice for is
 * dropped: an answer without its notes is better than none. text may be NULL for that reason. */
void annot_add(struct annot *a, enum annot_class class, const char *text, uint32_t pos);

/* The rendered texts of a class; *ret_n of them. */
const char **annot_texts(struct annot *a, enum annot_class class, size_t *ret_n);

#endif
