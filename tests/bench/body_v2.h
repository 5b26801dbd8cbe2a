/*
 * The body of remote write 1.0 that `fleet` sends, written again as 2.0: a table of texts in the
 * order in which they come, and for each series references, its sample and metadata, as Prometheus
 * puts them. Not thread-safe.
 */
#ifndef TESTS_BENCH_BODY_V2_H
#define TESTS_BENCH_BODY_V2_H

#include <stddef.h>
#include <stdint.h>

/* Writes the message to `to`, which has room for `room` bytes; returns how many, 0 when it does not
 * fit or the message is not of the usual form. */
size_t body_v2_of(const uint8_t *message, size_t n, uint8_t *to, size_t room);

#endif
