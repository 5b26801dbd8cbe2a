/*
 * The same values through a store in this process: appended as samples and read back whole.
 *
 * Times are 15 s apart, one scrape of ten off by 1 to 5 ms, the same for all series of a target.
 * Not thread-safe.
 */
#ifndef TESTS_BENCH_CODEC_STORE_H
#define TESTS_BENCH_CODEC_STORE_H

#include "tests/bench/codec_columns.h"

/* CPU time in ns a sample: the least of several passes. */
struct store_costs {
    double append_ns;                     /* samples of one series in one piece: `batch` */
    double find_ns;                       /* of that: requests without samples, a series found */
    double tail_ns;                       /* as append_ns, while no block is full */
    double select_ns;                     /* read_select of every family in turn */
    double read_portable_ns, read_ns;     /* chunk_read of every chunk: all */
    double moving_portable_ns, moving_ns; /* of series that are not constant */
    uint64_t n_samples, n_moving;         /* n_moving: of those series */
};

/* Exits with a message when what is read is not what was appended. batch: samples of one series in
 * a call, 1 .. 16. */
struct store_costs codec_store_measure(const struct recording *r, const struct columns *c,
                                       uint32_t batch);

#endif
