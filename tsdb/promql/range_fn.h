/* Functions of a range: each step of each series sees a window of samples and makes one number of
 * it, or none. Here is the sliding; the numbers are made in fn_*.c.
 *
 * Threads: belongs to the query's thread. */
#ifndef HG_TSDB_PROMQL_RANGE_FN_H
#define HG_TSDB_PROMQL_RANGE_FN_H

#include "tsdb/promql/windows.h"

/* sliding.h; zeroed before the first window of a series. */
struct sliding {
    size_t from, to; /* of the series' samples, those that have entered and not left */
    uint64_t sum;    /* wraps where it is not used */
    size_t n_inexact;
    size_t queue_from, queue_to;
};

struct range_window {
    const int64_t *t_ms; /* start_ms < t <= end_ms, ascending */
    const double *v;
    size_t n;        /* >= 1 */
    size_t at;       /* v[0] is sample `at` of the series, and those before it are there as well */
    double *scratch; /* room for 2 values more than the series has */
    int64_t *scratch_ms;
    struct sliding *sliding;
    int64_t start_ms, end_ms;
    int64_t step_ms; /* the time of the step, which @ and offset have no influence on */
    double range_s;
    enum edges edges; /* not plain: samples reach beyond the range, see extended_range.h */
    struct eval *e;   /* for errors: a function that fails returns false */
    const struct samples *samples; /* all of the series */
    const struct windows *windows; /* theirs */
    const struct range *range;
};

/* False: no point at this step. params: the call's scalar arguments at this step, in order. */
typedef bool (*range_fn)(const struct range_window *w, const double *params, double *ret);

/* Evaluates a call with one range among its arguments, the others scalars. */
int range_fn_eval_named(struct eval *e, const struct node *call, range_fn fn,
                        struct vector *ret) WARN_UNUSED;

/* The same; then names are dropped, unless the function keeps them. Columns go to the call's stream
 * when it has one. */
int range_fn_eval(struct eval *e, const struct node *call, range_fn fn,
                  struct vector *ret) WARN_UNUSED;

/* More than one function of a window; what is NULL is not there. */
struct range_op {
    range_fn fn;
    /* All steps of a series at once, for plain edges: what fn would do at each, counted in
     * *n_points, which the points of the series before are in already. w: of no step yet. 0, or -1
     * with the error in w->e. */
    int (*series)(void *ctx, struct range_window *w, struct column *ret, uint64_t *n_points);
    /* Gets the labels of each series that has a result, names included. pos: of the range in the
     * text. */
    void (*note)(void *ctx, struct eval *e, const struct labels *ls, uint32_t pos);
    void *ctx; /* of the two */
};

/* range_fn_eval for such a one. */
int range_fn_eval_op(struct eval *e, const struct node *call, const struct range_op *op,
                     struct vector *ret) WARN_UNUSED;

/* Moves the window to a step at which there are samples. */
void range_window_move(struct range_window *w, size_t step);

/* The argument of the call that is the range. */
const struct node *range_fn_argument(const struct node *call);

#endif
