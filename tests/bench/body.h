/*
 * One remote-write request (in snappy's block format: protobuf WriteRequest of 1.0, or Request of
 * 2.0) of many series with one sample each, packed once and from then on patched: a scrape costs
 * the writing of 8 bytes a value and 6 a time that is not a copy. A request of 2.0 has its texts in
 * a table before the series, and each series has the empty metadata that Prometheus sends when it
 * knows none. Not thread-safe.
 */
#ifndef TESTS_BENCH_BODY_H
#define TESTS_BENCH_BODY_H

#include "tests/bench/packer.h"
#include "tests/bench/recording.h"
#include "tests/bench/texts.h"

#include <stddef.h>
#include <stdint.h>

/* Times that a varint holds in exactly six bytes, in ms. */
#define BODY_TIME_MIN_MS (INT64_C(1) << 35)
#define BODY_TIME_MAX_MS ((INT64_C(1) << 42) - 1)

/* A label set of a host: the recorded one with labels that tell hosts apart. */
struct body_labels {
    const struct recording_series *series;
    const struct recording_pair *extra; /* ascending by name; wins over a recorded name */
    uint32_t n_extra;
};

enum body_protocol { BODY_WRITE_1, BODY_WRITE_2 };

/* What is under construction: plain bytes and their patches. */
struct body_draft {
    enum body_protocol protocol;
    struct texts texts; /* of 2.0: go before the plain bytes */
    uint8_t *plain;
    size_t n, capacity;
    struct packer_patch *patches; /* value, time of each series in turn */
    uint32_t n_patches, patches_capacity;
};

struct body_time {
    uint32_t at;  /* in the packed bytes: the tag before the varint */
    uint32_t run; /* as given to body_draft_add */
};

struct body {
    uint8_t *packed;
    size_t n_packed, n_plain;
    uint32_t n_samples;
    uint32_t *values_at; /* [n_samples] in the packed bytes */
    struct body_time *times;
    uint32_t n_times;
};

/* Drafts start zeroed but for the protocol, and are used again after body_draft_clear, which is
 * also the first thing that a draft sees. */
void body_draft_clear(struct body_draft *d);
void body_draft_release(struct body_draft *d);

/* Appends a TimeSeries with a sample to be patched. Series with equal `run` (under 2^24) get equal
 * times. Exits without memory. */
void body_draft_add(struct body_draft *d, const struct body_labels *labels, uint32_t run);

/* Packs the draft, which has a series at least, into `b`: zeroed, or one that is replaced. */
void body_build(struct body *b, struct body_draft *d);

void body_release(struct body *b);

/* Sets the value of sample i, as the bits of a double. */
static inline void body_set_value(struct body *b, uint32_t i, uint64_t bits)
{
    __builtin_memcpy(b->packed + b->values_at[i], &bits, sizeof(bits));
}

/* Sets all times. times_ms[run - first_run] is the time of `run`, within BODY_TIME_MIN_MS and
 * BODY_TIME_MAX_MS. */
void body_set_times(struct body *b, const int64_t *times_ms, uint32_t first_run);

/* Appends the labels of a TimeSeries, each with its tag and length, to `at`, which has room for
 * body_labels_bytes(). Returns the end. */
size_t body_labels_bytes(const struct body_labels *labels);
uint8_t *body_put_labels(uint8_t *at, const struct body_labels *labels);

/* Appends a base-128 number. Returns the end. */
uint8_t *body_put_varint(uint8_t *at, uint64_t number);
size_t body_varint_bytes(uint64_t number);

/* The next label in order of name, or NULL; i and j are the caller's places in the recorded and in
 * the extra labels, 0 at first. */
const struct recording_pair *body_labels_next(const struct body_labels *labels, uint32_t *i,
                                              uint32_t *j);

#endif
