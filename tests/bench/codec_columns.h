/*
 * The values of a recording cut into columns, as chunks would hold them, and what coding these
 * costs. A series gives COLUMNS_SCRAPES values at most (four hours of 15 s): columns of 128, and
 * one of what is left. Exits with a message when something does not come back as it went in.
 *
 * Not thread-safe.
 */
#ifndef TESTS_BENCH_CODEC_COLUMNS_H
#define TESTS_BENCH_CODEC_COLUMNS_H

#include "tests/bench/recording.h"
#include "tsdb/column.h"

enum { COLUMNS_SCRAPES = 960, COLUMN_KINDS = 12 };

struct coded_column {
    const uint64_t *values;
    const uint8_t *bytes;
    uint32_t n;
    uint32_t n_bytes;
    uint32_t family; /* place in columns.families */
    uint8_t encoding;
    uint8_t kind; /* what columns_kind_name names; 0 = constant */
};

struct columns {
    uint32_t n_series, n_scrapes; /* n_scrapes: those that are used */
    uint64_t *values;             /* [n_series][n_scrapes] */
    struct coded_column *all;
    size_t n;
    struct recording_text *families; /* metric names without _bucket, _sum, _count, _total */
    uint32_t n_families;
    uint8_t *bytes;
};

/* Cuts, encodes and decodes with each decoder that this machine has; r is borrowed. */
void columns_init(struct columns *c, const struct recording *r);
void columns_release(struct columns *c);

/* The sum over some of the columns, and CPU time of a pass over them in ns a value: the least of
 * several passes. A decoder that is not there takes 0. */
struct column_costs {
    size_t n_columns, n_values, n_bytes;
    double build_ns, portable_ns, vectors_ns;
};
struct column_costs columns_measure(const struct coded_column *const *some, size_t n);

const char *columns_kind_name(unsigned kind); /* below COLUMN_KINDS */

/* CPU time of the process in ns. */
double columns_cpu_ns(void);

#endif
