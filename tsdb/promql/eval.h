/* Evaluates a checked tree over all steps at once: dispatch by node, and what every operator needs:
 * memory, errors, the clock, the count of samples.
 *
 * Functions return 0, or -1 with the error recorded in e->err; the first one counts.
 *
 * Threads: one evaluation belongs to one thread. */
#ifndef HG_TSDB_PROMQL_EVAL_H
#define HG_TSDB_PROMQL_EVAL_H

#include "tsdb/promql/annot.h"
#include "tsdb/promql/query.h"
#include "tsdb/promql/value.h"

struct eval {
    struct region *region;
    const struct promql_options *options;
    struct promql_error *err;
    struct annot *annot;
    struct tsdb *db;
    struct promql_result *counts; /* whose numbers of samples are added to */
    struct steps steps;           /* of this evaluation; a subquery has its own */
    int64_t query_start_ms;       /* what @ start() and @ end() mean, everywhere */
    int64_t query_end_ms;
    int64_t query_step_ms; /* 0 of an instant query */
    unsigned features;     /* enum promql_feature */
    uint64_t n_samples;    /* in values that are alive now: held against options->max_samples */
    size_t n_polled;       /* points of work since the last look at the clock */
    bool is_range_query;
    bool is_in_parameter;  /* of an aggregation, where @ is less than it is elsewhere: selector.c */
    struct stream *stream; /* who wants columns one at a time (stream.h), or NULL */
};

int eval_node(struct eval *e, const struct node *n, struct value *ret) WARN_UNUSED;

/* For an operand whose type the checks have established. */
int eval_vector(struct eval *e, const struct node *n, struct vector *ret) WARN_UNUSED;
int eval_scalar(struct eval *e, const struct node *n, double **ret) WARN_UNUSED;
int eval_range(struct eval *e, const struct node *n, struct range *ret) WARN_UNUSED;

int eval_fail(struct eval *e, enum promql_error_kind kind, const char *text);
int eval_fail_memory(struct eval *e);

/* Looks at the cancel flag and the deadline. */
int eval_look(struct eval *e) WARN_UNUSED;

/* The same once every POLL_POINTS of work. */
WARN_UNUSED static inline int eval_poll(struct eval *e, size_t n_points)
{
    e->n_polled += n_points;
    return e->n_polled < POLL_POINTS ? 0 : eval_look(e);
}

int eval_fail_samples(struct eval *e);

/* Fails when so many samples, with those that are alive, exceed the limit. */
WARN_UNUSED static inline int eval_check_samples(struct eval *e, uint64_t n_samples)
{
    uint64_t n = e->n_samples + n_samples, max = e->options->max_samples;
    e->counts->samples_peak = size_max(e->counts->samples_peak, n);
    return max == 0 || n <= max ? 0 : eval_fail_samples(e);
}

/* A vector of n empty columns over the steps. */
int eval_new_vector(struct eval *e, size_t n, struct vector *ret) WARN_UNUSED;

/* Zeroed. */
void *eval_alloc(struct eval *e, size_t n, size_t size) WARN_UNUSED;

/* Drops __name__ and its companions from every column. Columns whose labels are equal then become
 * one; two that are present at one step (is_strict: two at all) are an error. With delayed name
 * removal they are only marked, and lose the name when the query is done: eval_finish_names. */
int eval_drop_names(struct eval *e, struct vector *v, bool is_strict) WARN_UNUSED;

/* Takes the names from the columns that are marked, at the end of a query. */
int eval_finish_names(struct eval *e, struct vector *v) WARN_UNUSED;

static inline bool eval_delays_names(const struct eval *e)
{
    return e->features & PROMQL_DELAYED_NAME_REMOVAL;
}

/* As Prometheus' main branch, where 3.5 answers otherwise. */
static inline bool eval_as_main(const struct eval *e)
{
    return e->features & PROMQL_MAIN;
}

/* Order is for instants, and for what is the same at all steps, which Prometheus works out as one.
 */
static inline bool eval_may_sort(const struct eval *e, const struct node *call)
{
    return e->steps.n == 1 || !node_depends_on_time(call);
}

/* Merges columns with equal labels in the same way. */
int eval_merge_equal(struct eval *e, struct vector *v, bool is_strict) WARN_UNUSED;

/* What a selector's @ and offset mean at these steps. */
struct reference eval_reference(const struct eval *e, const struct shift *shift);

/* How far a range or selector with such edges looks beyond its own left and right. */
int64_t eval_reach_left(const struct eval *e, enum edges edges);
int64_t eval_reach_right(const struct eval *e, enum edges edges);

/* The steps of a subquery's inner expression; false when there are none. */
bool eval_subquery_steps(const struct eval *e, const struct subquery *s, struct steps *ret);

#endif
