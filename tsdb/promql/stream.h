/* The columns of an expression one at a time, for who need not keep them all.
 *
 * An aggregation folds each column into its group and has no use for it afterwards: the memory of
 * `sum(rate(x[5m]))` is that of its groups, not of its series. What can hand columns over as the
 * store is read (an instant selector, a function of a range, unless its argument is a subquery's)
 * asks stream_of() whether somebody wants them; an operation with a number passes on what its
 * operand hands over; whatever else is evaluated whole, and its columns are handed over then. All
 * in the order of evaluation, so sums have the same bits.
 *
 * Threads: belongs to the query's thread. */
#ifndef HG_TSDB_PROMQL_STREAM_H
#define HG_TSDB_PROMQL_STREAM_H

#include "tsdb/promql/eval.h"
#include "tsdb/promql/labelset.h"

/* The column may be changed, and is gone when it returns, its labels and their texts as well. 0, or
 * -1, with the error in e or because a stream that it puts into is ambiguous. */
struct stream_visitor {
    int (*visit)(void *ctx, struct column *c);
    void *ctx;
    bool needs_labels; /* or columns may come without */
};

struct stream {
    const struct node *node; /* whose columns are wanted */
    const struct stream_visitor *visitor;
    struct stream *around; /* that was e->stream before, or NULL */
    bool is_used;          /* they have come one at a time: its value has none */
    bool is_ambiguous;     /* two series may have become one: the whole of them is needed to say */
    uint64_t n_columns;    /* handed over */
    uint64_t n_points;     /* in them */
    struct labelset_row row;
    uint64_t *hashes; /* of label sets that have lost their names; open addressing, 0 = free */
    size_t n_hashes, n_slots;
};

/* Evaluates a vector for the visitor. *ret_is_ambiguous: nothing is known yet, what was visited is
 * to be forgotten, and the node to be asked again with is_whole. 0, or -1 with the error in e. */
int stream_each(struct eval *e, const struct node *n, bool is_whole,
                const struct stream_visitor *visitor, bool *ret_is_ambiguous) WARN_UNUSED;

/* Whether an evaluation was given up, without an error, because a stream is ambiguous. */
bool stream_is_ambiguous(const struct eval *e);

/* Who wants the columns of this node, or NULL. */
struct stream *stream_of(const struct eval *e, const struct node *n);

/* Hands a column over and empties it for the next. drops_names: as eval_drop_names would. 0, or -1,
 * with the error in e or because it is ambiguous. */
int stream_put(struct eval *e, struct stream *s, struct column *c, bool drops_names) WARN_UNUSED;

#endif
