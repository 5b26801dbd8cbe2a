/* A query's way: matchers in, label sets and columns of samples out, all of it copied to the
 * caller's region, so that nothing of the store is held while the query computes. The lock is taken
 * in slices of series; writers wait for one slice at most.
 *
 * Several matcher sets are a union. Series come in the order of their ids (that in which they first
 * appeared, which a restart keeps). Times are inclusive at both ends.
 *
 * Threads: any; a region belongs to the caller. Errors: ERR_NO_MEMORY (the region's limit or the
 * budget), ERR_CANCELED, ERR_TOO_MANY_SAMPLES, ERR_LOADING: during a restore (dump.h) what is asked
 * for is not all there yet. */
#ifndef HG_TSDB_READ_H
#define HG_TSDB_READ_H

#include "alloc/region.h"
#include "tsdb/exemplars.h"
#include "tsdb/labels.h"
#include "tsdb/matcher.h"
#include "tsdb/tsdb.h"

#include <stdatomic.h>

/* The time of a sample that is not there, when those at given times are asked for. */
#define READ_NONE INT64_MIN

struct read_series {
    struct labels labels;
    size_t n;
    int64_t *t_ms;    /* ascending, no time twice, unless times are given */
    uint64_t *values; /* bits of doubles; stale markers are among them */
};

struct read_set {
    struct read_series *series;
    size_t n;
};

/* Labels stay in the region; or they are gone when the visit returns; or they are left out. */
enum read_labels { READ_LABELS_KEPT, READ_LABELS_LENT, READ_LABELS_NONE };

struct read_options {
    int64_t min_ms, max_ms;
    /* read_each: of a series not its samples, but the newest one at each of these n_at ascending
     * times, unless it is lookback_ms old by then (pick.h). min_ms and max_ms say where they lie.
     */
    const int64_t *at_ms; /* NULL = all samples */
    size_t n_at;
    int64_t lookback_ms;
    enum read_labels labels;   /* of read_each */
    uint64_t max_samples;      /* 0 = no limit */
    const atomic_bool *cancel; /* NULL = never; checked between slices */
};

/* Series that match every matcher of `set` and have a sample in the range, with those samples. */
int read_select(struct tsdb *db, const struct matcher_set *set, const struct read_options *o,
                struct region *r, struct read_set *ret) WARN_UNUSED;

/* The same, a series at a time, for who need not keep the samples: they are handed over in memory
 * that is used again for the next, and may be changed there. Labels stay, in
 * the region, unless they are lent. Nothing of
 * the store is held meanwhile. A visit that returns other than 0 ends the reading, which returns
 * it. */
typedef int (*read_visit)(void *ctx, struct read_series *s);
int read_each(struct tsdb *db, const struct matcher_set *set, const struct read_options *o,
              struct region *r, read_visit visit, void *ctx) WARN_UNUSED;

/* The label sets of series that match one of the sets (n_sets = 0: every series) and have a sample
 * in the range; sorted by label. */
int read_label_sets(struct tsdb *db, const struct matcher_set *sets, size_t n_sets,
                    const struct read_options *o, struct region *r, struct labels **ret,
                    size_t *ret_n) WARN_UNUSED;

/* The exemplars with times in the range of the series that match one of the sets and have one; by
 * their series, sorted by label, the oldest first. */
struct read_exemplars {
    struct labels labels; /* of the series */
    struct exemplar *items;
    size_t n;
};
int read_exemplars(struct tsdb *db, const struct matcher_set *sets, size_t n_sets,
                   const struct read_options *o, struct region *r, struct read_exemplars **ret,
                   size_t *ret_n) WARN_UNUSED;

struct read_text {
    const char *bytes;
    uint32_t len;
};

/* The distinct label names, or the distinct values of one label, of the same series; sorted
 * bytewise. */
int read_label_names(struct tsdb *db, const struct matcher_set *sets, size_t n_sets,
                     const struct read_options *o, struct region *r, struct read_text **ret,
                     size_t *ret_n) WARN_UNUSED;
int read_label_values(struct tsdb *db, const char *name, size_t name_len,
                      const struct matcher_set *sets, size_t n_sets, const struct read_options *o,
                      struct region *r, struct read_text **ret, size_t *ret_n) WARN_UNUSED;

#endif
