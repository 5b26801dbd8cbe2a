/* PromQL: text in, values out. The public door of the language; semantics are those of
 * Prometheus 3.5.
 *
 *     struct promql_query *q = promql_parse(text, n, features, &region, &err); // err has the
 * position promql_instant(q, db, t_ms, &options, &region, &result, &err);           // or
 * promql_range
 *
 * Everything that these functions make lives in the caller's region and is valid until it is
 * released; patterns of regular expressions are the exception, which promql_release frees.
 *
 * Threads: a query belongs to one thread at a time. */
#ifndef HG_TSDB_PROMQL_PROMQL_H
#define HG_TSDB_PROMQL_PROMQL_H

#include "alloc/region.h"
#include "tsdb/labels.h"
#include "tsdb/matcher.h"
#include "tsdb/tsdb.h"

#include <stdatomic.h>

enum promql_error_kind {
    PROMQL_ERR_NONE,
    PROMQL_ERR_BAD_DATA,  /* does not parse, or a wrong parameter */
    PROMQL_ERR_EXECUTION, /* e.g. two series with the same labels, too many samples, out of query
                             memory */
    PROMQL_ERR_TIMEOUT,
    PROMQL_ERR_CANCELED,
    PROMQL_ERR_LOADING, /* it reads times that the store is still being filled with */
    PROMQL_ERR_INTERNAL,
};

struct promql_error {
    enum promql_error_kind kind;
    const char *text; /* Prometheus' words, e.g. "1:5: parse error: unexpected ..."; in the region,
                         or a literal */
};

/* What --enable-feature switches on, by Prometheus' names. Without any of them the language is that
 * of Prometheus 3.5 with nothing enabled. */
enum promql_feature {
    PROMQL_EXPERIMENTAL_FUNCTIONS = 1,   /* promql-experimental-functions */
    PROMQL_DURATION_EXPR = 2,            /* promql-duration-expr */
    PROMQL_EXTENDED_RANGE_SELECTORS = 4, /* promql-extended-range-selectors: anchored, smoothed */
    PROMQL_BINOP_FILL_MODIFIERS = 8,     /* promql-binop-fill-modifiers */
    PROMQL_DELAYED_NAME_REMOVAL = 16,    /* promql-delayed-name-removal */
    PROMQL_TYPE_AND_UNIT_LABELS = 32,    /* type-and-unit-labels: what rate says about gauges */
    PROMQL_MAIN = 64, /* promql-main, ours: its main branch's functions and corrected answers where
                         3.5 has none or others (README.md, "As main, or as 3.5") */
    PROMQL_FEATURES_ALL = 127,
};

/* The feature of that name, or 0. */
unsigned promql_feature_find(const char *name, size_t n);

struct promql_options {
    int64_t lookback_ms;       /* > 0 */
    uint64_t max_samples;      /* of one query, as --query.max-samples */
    int64_t deadline_boot_ms;  /* CLOCK_BOOTTIME; 0 = none */
    const atomic_bool *cancel; /* NULL = never */
    bool takes_columns;        /* points of a matrix may come as columns: promql_points() */
};

enum promql_type { PROMQL_SCALAR, PROMQL_STRING, PROMQL_VECTOR, PROMQL_MATRIX };

struct promql_point {
    int64_t t_ms;
    double v; /* its bits are kept: may be any NaN */
};

struct promql_series {
    struct labels labels;
    struct promql_point *points; /* one in a vector and a scalar, at least one in a matrix; NULL of
                                    one that is a column */
    size_t n_points;
    const double *v;         /* a column: a number a step, */
    const uint64_t *present; /* and a bit for each that is there */
};

struct promql_result {
    enum promql_type type;
    struct promql_series *series; /* scalar: one series without labels. Matrix: sorted by labels.
                                     Vector: in evaluation order */
    size_t n_series;
    const char *string; /* PROMQL_STRING; string_t_ms is its time */
    size_t string_len;
    int64_t string_t_ms;
    const char **warnings, **infos; /* annotations, as in Prometheus' JSON */
    size_t n_warnings, n_infos;
    int64_t start_ms, step_ms; /* of columns, which have n_steps */
    size_t n_steps;
    uint64_t samples_read; /* decoded, whatever became of them */
    uint64_t
        samples_queryable; /* that the steps looked at, each once a step: totalQueryableSamples */
    uint64_t samples_peak; /* most that were alive at once, which max_samples is held against */
};

/* The next points of a series, at most n; 0 at the end. *io_at: 0 at first, then left alone. */
size_t promql_points(const struct promql_result *r, const struct promql_series *s, size_t *io_at,
                     struct promql_point *ret, size_t n);

struct promql_query;
struct node;

/* NULL on error. The text is copied. features: enum promql_feature, for parsing and evaluation. */
struct promql_query *promql_parse(const char *text, size_t n, unsigned features, struct region *r,
                                  struct promql_error *err);
void promql_release(struct promql_query *q); /* accepts NULL */

/* The type of the whole expression (range vectors are PROMQL_MATRIX). */
enum promql_type promql_query_type(const struct promql_query *q);

/* The matchers of all its selectors, in the region; they stay the query's. NULL without memory;
 * *ret_n may be 0. */
struct matcher_set *promql_selectors(const struct promql_query *q, struct region *r, size_t *ret_n);

/* Canonical text of the tree (round-trips through promql_parse). */
const char *promql_text(const struct promql_query *q, struct region *r);

/* The same on several lines where it is long, as Prometheus' format_query writes it. Both are NULL
 * without memory. */
const char *promql_pretty(const struct promql_query *q, struct region *r);

/* The tree (tsdb/promql/ast.h), for who shows it; read only. */
const struct node *promql_root(const struct promql_query *q);

/* Evaluates at one time. 0, or a negative number with err set. */
int promql_instant(struct promql_query *q, struct tsdb *db, int64_t t_ms,
                   const struct promql_options *o, struct region *r, struct promql_result *ret,
                   struct promql_error *err) WARN_UNUSED;

/* Evaluates at start, start + step, ... <= end. step_ms > 0, start <= end; the caller limits the
 * number of steps. A string or range vector is PROMQL_ERR_BAD_DATA ("invalid expression type ...").
 */
int promql_range(struct promql_query *q, struct tsdb *db, int64_t start_ms, int64_t end_ms,
                 int64_t step_ms, const struct promql_options *o, struct region *r,
                 struct promql_result *ret, struct promql_error *err) WARN_UNUSED;

/* A bare selector, as in match[]: fills *ret with its matchers (in the region; release with
 * matcher_set_release). */
int promql_parse_selector(const char *text, size_t n, struct region *r, struct matcher_set *ret,
                          struct promql_error *err) WARN_UNUSED;

/* Prometheus' duration syntax ("5m", "1h30m", "0"), to ms. False on bad syntax or overflow. */
bool promql_parse_duration(const char *text, size_t n, int64_t *ret_ms);

#endif
