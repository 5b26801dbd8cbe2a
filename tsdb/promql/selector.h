/* Selectors: what an expression sees of the store at each step.
 *
 * An instant selector sees the newest sample with ref - lookback < t <= ref, unless that is a stale
 * marker. A range selector sees all with ref - range < t <= ref but the stale markers. ref is the
 * step's time moved by offset, or the time of @.
 *
 * The store is read when a selector is evaluated, a series at a time, into memory that the next
 * series uses again: a query needs room for its results, not for its samples.
 *
 * Threads: belongs to the query's thread. */
#ifndef HG_TSDB_PROMQL_SELECTOR_H
#define HG_TSDB_PROMQL_SELECTOR_H

#include "tsdb/promql/eval.h"

int selector_eval(struct eval *e, const struct node *n, struct vector *ret) WARN_UNUSED;

/* The same with the samples' own times, in seconds, in place of their values. */
int selector_eval_times(struct eval *e, const struct node *n, struct vector *ret) WARN_UNUSED;

/* The same as 3.5 does it where it forgets a shift: at the time that `looks` gives for each step,
 * of those samples that a selector at `reads` would see at some step. */
int selector_eval_times_clipped(struct eval *e, const struct node *n, const struct reference *looks,
                                const struct reference *reads, struct vector *ret) WARN_UNUSED;

/* The range of a selector, a series at a time: visit gets the samples of each, without stale
 * markers, and they are gone when it returns, labels as well if these are lent. Its result is 0, or
 * -1 with the error in e. *ret is filled before, but for the items. */
typedef int (*selector_visit)(void *ctx, const struct samples *s);
int selector_each_range(struct eval *e, const struct node *n, bool lends_labels, struct range *ret,
                        selector_visit visit, void *ctx) WARN_UNUSED;

/* All of it at once. */
int selector_eval_range(struct eval *e, const struct node *n, struct range *ret) WARN_UNUSED;
int selector_eval_subquery(struct eval *e, const struct node *n, struct range *ret) WARN_UNUSED;

#endif
