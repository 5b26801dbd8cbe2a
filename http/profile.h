/* The ledger as stacks: where each byte that somebody owns up to is, from the whole process down to
 * the size of a slot. What http/pprof.h and the text of /debug/pprof/heap show.
 *
 *     hourglass / OWNER                                    for each row of the ledger, but
 *     hourglass / chunks / window N / class SIZE           what is in used slots
 *     hourglass / chunks / window N / class SIZE / slack       what is left in them
 *     hourglass / chunks / window N / class SIZE / free slots  in pages that hold some
 *     hourglass / OWNER / slack, free slots       tails; series, labels, symbols, pairs, postings
 *     hourglass / libc / free                              what malloc holds for nobody
 *
 * The third kind of waste, what is kept committed for later, is the row `retained`.
 *
 * A window knows its slack as a whole; classes have a share of it by their used bytes, so the slack
 * of a single class is an estimate. All other figures are counted, and those of a class add up to
 * its pages. What a row has beside its parts (chunks: pages of windows that expire) is the row's
 * own. Rows and parts are not read in one moment: a part never exceeds what is left of its row, so
 * the sum is the report's accounted_bytes, always.
 *
 * Threads: belongs to one thread, as its region does. */
#ifndef HG_HTTP_PROFILE_H
#define HG_HTTP_PROFILE_H

#include "alloc/region.h"
#include "http/memory_report.h"
#include "tsdb/tsdb.h"

enum {
    PROFILE_DEPTH_MAX = 5,
    PROFILE_NAMES_MAX = 8 + TSDB_POOLS + WINDOWS_MAX + 2 + MEMORY_ROWS_MAX,
    PROFILE_SAMPLES_MAX = 3 * (TSDB_POOLS * (WINDOWS_MAX + 2) + MEMORY_ROWS_MAX),
};

struct profile_sample {
    uint64_t bytes; /* > 0 */
    uint16_t n_frames;
    uint16_t frames[PROFILE_DEPTH_MAX]; /* names, the root first */
};

struct profile {
    const char **names; /* of frames, none twice; in the region, or literals */
    size_t n_names;
    struct profile_sample *samples;
    size_t n_samples;
};

/* m: the ledger; s: what tsdb_stats said just before. False without memory. */
bool profile_make(const struct memory_report *m, const struct tsdb_stats *s, struct region *r,
                  struct profile *ret) WARN_UNUSED;

#endif
