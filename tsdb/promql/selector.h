/* Selectors: what is read from the store, once for each before anything is computed, and what an
 * expression sees of it at each step.
 *
 * An instant selector sees the newest sample with ref - lookback < t <= ref, unless that is a stale
 * marker. A range selector sees all with ref - range < t <= ref but the stale markers. ref is the
 * step's time moved by offset, or the time of @.
 *
 * Threads: belongs to the query's thread; the store is read by selection_read alone. */
#ifndef HG_TSDB_PROMQL_SELECTOR_H
#define HG_TSDB_PROMQL_SELECTOR_H

#include "tsdb/promql/eval.h"
#include "tsdb/read.h"

struct selection {
    struct read_set set;
};

/* Reads for every selector of the tree what the steps of e can see, into e->selections (one for
 * each selector of the query). *ret_samples: how many were read. */
int selection_read(struct eval *e, struct tsdb *db, const struct node *root,
                   uint64_t *ret_samples) WARN_UNUSED;

int selector_eval(struct eval *e, const struct node *n, struct vector *ret) WARN_UNUSED;

/* The same with the samples' own times, in seconds, in place of their values. */
int selector_eval_times(struct eval *e, const struct node *n, struct vector *ret) WARN_UNUSED;

int selector_eval_range(struct eval *e, const struct node *n, struct range *ret) WARN_UNUSED;
int selector_eval_subquery(struct eval *e, const struct node *n, struct range *ret) WARN_UNUSED;

#endif
