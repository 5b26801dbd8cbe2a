/* Functions of a range: each step of each series sees a window of samples and makes one number of
 * it, or none. Here is the sliding; the numbers are made in fn_*.c.
 *
 * Threads: belongs to the query's thread. */
#ifndef HG_TSDB_PROMQL_RANGE_FN_H
#define HG_TSDB_PROMQL_RANGE_FN_H

#include "tsdb/promql/eval.h"

/* What the places of a window's samples come to (fn_rate.c). Of a step it is the same for each
 * series that was scraped with the one before. */
struct gaps {
    int64_t to_start_ms, sampled_ms;          /* what is left of the range is behind them */
    size_t n;                                 /* 0: nothing is known yet */
    double to_start, to_end, sampled, factor; /* seconds; factor: of the difference */
};

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
    struct gaps *gaps; /* of this step, from whatever series came before */
    int64_t start_ms, end_ms;
    int64_t step_ms; /* the time of the step, which @ and offset have no influence on */
    double range_s;
    enum edges edges; /* not plain: samples reach beyond the range, see extended_range.h */
    struct eval *e;   /* for errors: a function that fails returns false */
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

/* The same; note gets the labels of each series that has a result, names included. pos: of the
 * range in the text. */
struct range_fn_notes {
    void (*note)(void *ctx, struct eval *e, const struct labels *ls, uint32_t pos);
    void *ctx;
};
int range_fn_eval_noting(struct eval *e, const struct node *call, range_fn fn,
                         const struct range_fn_notes *notes, struct vector *ret) WARN_UNUSED;

/* The argument of the call that is the range. */
const struct node *range_fn_argument(const struct node *call);

#endif
