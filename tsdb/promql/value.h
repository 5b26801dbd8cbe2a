/* What an expression is while it is evaluated: always over all steps of its evaluation at once.
 *
 *     scalar   one double a step
 *     string   one for all steps
 *     vector   columns: a label set, and for each step a double or nothing
 *     range    raw samples: each step sees those of its own window of time
 *
 * Everything lives in the query's region. A value belongs to the one who asked for it: an operator
 * may change its operand's columns in place and hand them on as its result.
 *
 * Threads: belongs to the query's thread. */
#ifndef HG_TSDB_PROMQL_VALUE_H
#define HG_TSDB_PROMQL_VALUE_H

#include "alloc/region.h"
#include "tsdb/promql/ast.h"

/* The times of an evaluation: start_ms + i * step_ms for i < n. */
struct steps {
    int64_t start_ms;
    int64_t step_ms; /* > 0 */
    size_t n;        /* >= 1 */
};

/* Which times a selector or a subquery looks at: those of the steps, moved; or one for all. */
struct reference {
    bool is_fixed;
    int64_t fixed_ms; /* offset included */
    int64_t offset_ms;
};

struct column {
    struct labels labels;
    double *v;         /* one a step; unspecified where nothing is present */
    uint64_t *present; /* one bit a step */
    bool drops_name;   /* delayed name removal: the labels lose the name when the query is done */
};

struct vector {
    struct column *items; /* no two have equal labels */
    size_t n;
};

struct samples {
    struct labels labels;
    size_t n;
    const int64_t *t_ms; /* ascending */
    const double *v;     /* no stale markers among them */
    bool drops_name;     /* as of a column */
};

struct range {
    struct samples *items;
    size_t n;
    int64_t range_ms;
    double range_s; /* the same, to the nanosecond */
    enum edges edges;
    struct reference reference;
};

struct value {
    enum promql_type type;
    union {
        double *scalar;
        struct word string;
        struct vector vector;
        struct range range;
    };
};

/* Differences of times that end at the bounds of int64 instead of wrapping. */
static inline int64_t time_sub(int64_t a, int64_t b)
{
    int64_t d;
    if (!__builtin_sub_overflow(a, b, &d))
        return d;
    return b > 0 ? INT64_MIN : INT64_MAX;
}

static inline int64_t time_add(int64_t a, int64_t b)
{
    int64_t sum;
    if (!__builtin_add_overflow(a, b, &sum))
        return sum;
    return b > 0 ? INT64_MAX : INT64_MIN;
}

static inline int64_t steps_time(const struct steps *s, size_t i)
{
    return s->start_ms + (int64_t)i * s->step_ms;
}

/* The time that step i looks at, before any range or lookback. */
static inline int64_t reference_time(const struct reference *r, const struct steps *s, size_t i)
{
    return r->is_fixed ? r->fixed_ms : time_sub(steps_time(s, i), r->offset_ms);
}

static inline bool column_has(const struct column *c, size_t i)
{
    return (c->present[i / 64] >> (i % 64)) & 1;
}

static inline void column_put(struct column *c, size_t i, double v)
{
    c->v[i] = v;
    c->present[i / 64] |= (uint64_t)1 << (i % 64);
}

static inline void column_clear(struct column *c, size_t i)
{
    c->present[i / 64] &= ~((uint64_t)1 << (i % 64));
}

/* The least and the greatest of a parameter's values at all steps, as Go's Min and Max find them:
 * one NaN hides all but infinite ones, and is what they are then. */
struct extremes {
    double low, high;
    bool has_nan;
};

struct extremes extremes_of(const double *v, size_t n);

/* Whether any column has a point at the step. */
bool vector_has_step(const struct vector *v, size_t step);

/* Number of points; zero bits after the last step are part of the contract. */
size_t column_points(const struct column *c, size_t n_steps);
size_t vector_points(const struct vector *v, size_t n_steps);

/* n columns without labels and points. False when memory ran out. */
bool vector_init(struct vector *v, struct region *r, size_t n, size_t n_steps) WARN_UNUSED;

/* Removes columns without points, keeping the order of the others. */
void vector_squeeze(struct vector *v, size_t n_steps);

#endif
