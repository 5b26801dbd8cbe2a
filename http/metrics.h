/* Our own metrics: the counters that http/ keeps, and one walk over everything that is known, used
 * by /metrics and by the series that we store of ourselves.
 *
 * Names are Prometheus' where the meaning is the same, hourglass_* otherwise, process_* as every
 * exporter has them.
 *
 * Threads: add and observe from any (atomics, no lock); metrics_gather from any. */
#ifndef HG_HTTP_METRICS_H
#define HG_HTTP_METRICS_H

#include "alloc/base.h"
#include "http/chain.h"

#include <stdatomic.h>

struct app;

/* counters that http/ adds to */
enum metric_counter {
    METRIC_WRITE_BYTES,
    METRIC_WRITE_SAMPLES,
    METRIC_WRITE_INVALID_LABELS,
    METRIC_WRITE_HISTOGRAMS_REFUSED,
    METRIC_WRITE_METADATA_REFUSED,
    METRIC_WRITE_EXEMPLARS,
    METRIC_WRITE_EXEMPLARS_REFUSED,
    METRIC_QUERY_SAMPLES,
    METRIC_QUERIES,
    METRIC_QUERY_NS,
    METRIC_QUERY_QUEUE_NS,
    METRIC_CONNECTIONS_CUT,
    METRIC_REQUESTS_REFUSED,
    METRIC_WRITE_TOO_MANY,
    METRIC_COUNTERS,
};

enum {
    METRIC_ROUTES_MAX = 57, /* those of route.h, and one for all unknown paths */
    METRIC_BUCKETS = 9,
};

struct metric_route {
    atomic_ullong by_code[14]; /* see metrics.c */
    atomic_ullong buckets[METRIC_BUCKETS];
    atomic_ullong n, sum_ns;
};

struct metrics {
    atomic_ullong counters[METRIC_COUNTERS];
    atomic_int queries_running;
    atomic_int connections;
    struct metric_route routes[METRIC_ROUTES_MAX];
};

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM, METRIC_SUMMARY };

struct metric_family {
    const char *name;
    const char *help;
    enum metric_type type;
};

struct metric_label {
    const char *name, *value;
};

struct metric {
    const struct metric_family *family;
    const char *suffix; /* "", "_sum", "_count", "_bucket" */
    const struct metric_label *labels;
    size_t n_labels;
    double value;
};

enum { METRIC_LABELS_MAX = 4 };

/* What is borrowed is valid during the call. */
typedef void (*metrics_visit)(void *ctx, const struct metric *m);

static inline void metrics_add(struct metrics *m, enum metric_counter which, uint64_t n)
{
    atomic_fetch_add_explicit(&m->counters[which], n, memory_order_relaxed);
}

/* One request answered. route: its index, or METRIC_ROUTES_MAX - 1 for a path that is not ours. */
void metrics_observe_request(struct metrics *m, size_t route, int status, uint64_t ns);

/* Visits every metric, those of one family one after another. */
void metrics_gather(struct app *app, metrics_visit visit, void *ctx);

/* The text format 0.0.4 of everything. */
void metrics_text(struct app *app, struct chain *out);

#endif
