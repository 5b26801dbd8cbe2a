/* The columns of an expression one at a time, for who need not keep them all.
 *
 * An aggregation folds each column into its group and has no use for it afterwards: the memory of
 * `sum(rate(x[5m]))` is that of its groups, not of its series. What can hand columns over as the
 * store is read (an instant selector, a function of a range, unless its argument is a subquery's)
 * asks stream_of() whether somebody wants them; whatever else is evaluated whole, and its columns
 * are handed over then. Both in the order of evaluation, so sums have the same bits.
 *
 * Threads: belongs to the query's thread. */
#ifndef HG_TSDB_PROMQL_STREAM_H
#define HG_TSDB_PROMQL_STREAM_H

#include "tsdb/promql/eval.h"
#include "tsdb/promql/labelset.h"

/* The column, its labels and their texts are gone when it returns. 0, or -1 with the error in e. */
struct stream_visitor {
    int (*visit)(void *ctx, const struct column *c);
    void *ctx;
    bool needs_labels; /* or columns may come without */
};

struct stream {
    const struct node *node; /* whose columns are wanted */
    const struct stream_visitor *visitor;
    bool is_used;       /* they have come one at a time: its value has none */
    bool is_ambiguous;  /* two series may have become one: the whole of them is needed to say */
    uint64_t n_columns; /* handed over */
    uint64_t n_points;  /* in them */
    struct labelset_row row;
    uint64_t *hashes; /* of label sets that have lost their names; open addressing, 0 = free */
    size_t n_hashes, n_slots;
};

/* Evaluates a vector for the visitor. *ret_is_ambiguous: nothing is known yet, what was visited is
 * to be forgotten, and the node to be asked again with is_whole. 0, or -1 with the error in e. */
int stream_each(struct eval *e, const struct node *n, bool is_whole,
                const struct stream_visitor *visitor, bool *ret_is_ambiguous) WARN_UNUSED;

/* Who wants the columns of this node, or NULL. */
struct stream *stream_of(const struct eval *e, const struct node *n);

/* Hands a column over and empties it for the next. drops_names: as eval_drop_names would. 0, or -1,
 * with the error in e or because it is ambiguous. */
int stream_put(struct eval *e, struct stream *s, struct column *c, bool drops_names) WARN_UNUSED;

#endif
