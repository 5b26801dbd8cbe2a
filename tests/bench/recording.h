/*
 * What three targets exposed, scrape by scrape: the label sets that are in every scrape and their
 * values. recording.py makes the file from real scrapes, mix.py a made-up one of the same kind;
 * everything here is little-endian, a string is a u16 length and its bytes:
 *
 *   "HGREC001", u32 targets, u32 series, u32 scrapes, u32 offset of the values (a multiple of 8)
 *   targets:  job, port                   (strings)
 *   series:   u16 target, u16 pairs, then name, value of each pair, ascending by name
 *   values:   u64 [scrapes][series], the bits of a double
 *
 * Immutable once loaded; any thread may read.
 */
#ifndef TESTS_BENCH_RECORDING_H
#define TESTS_BENCH_RECORDING_H

#include <stddef.h>
#include <stdint.h>

enum { RECORDING_PAIRS_MAX = 64 };

struct recording_text {
    const char *at; /* not terminated */
    uint32_t len;
};

struct recording_pair {
    struct recording_text name, value;
};

struct recording_target {
    struct recording_text job, port;
};

struct recording_series {
    uint32_t target;
    uint32_t n_pairs; /* at most RECORDING_PAIRS_MAX */
    const struct recording_pair *pairs;
};

struct recording {
    uint32_t n_targets, n_series, n_scrapes; /* at least 1 each */
    const struct recording_target *targets;
    const struct recording_series *series; /* those of one target lie side by side */
    const uint64_t *values;                /* [n_scrapes][n_series] */
    void *file;                            /* the bytes that all texts point into */
};

/* Reads the file. Exits with a message when it cannot be read or is not a recording. */
void recording_load(struct recording *r, const char *path);

void recording_release(struct recording *r);

/* The values of scrape n; the recording begins again after its last. */
const uint64_t *recording_scrape(const struct recording *r, uint64_t n);

#endif
