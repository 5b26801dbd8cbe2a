/* A deletion as it was asked for: which series, which times. What the journal keeps of it, and what
 * is done with it, now or when the journal is replayed.
 *
 *     u8       format, 1
 *     zigzag   min, max (ms, inclusive)
 *     varint   number of sets; of each
 *       varint   number of matchers; of each
 *         u8       kind (enum matcher_kind)
 *         varint   bytes of the name, then the name
 *         varint   bytes of the value, then the value
 *
 * Matchers and not the text of the request: what a text means may change with a version. Deleting
 * what is gone does nothing, so a record may be applied again; but it deletes what has been written
 * since, and so belongs at its place among the records of samples.
 *
 * Threads: pure functions on the caller's memory; delete_record_apply takes the store's lock in
 * slices. */
#ifndef HG_HTTP_DELETE_RECORD_H
#define HG_HTTP_DELETE_RECORD_H

#include "alloc/region.h"
#include "tsdb/delete.h"

enum { DELETE_RECORD_FORMAT = 1 };

struct delete_record {
    int64_t min_ms, max_ms;
    struct matcher_set *sets; /* a series is meant when all matchers of one of them match */
    size_t n_sets;
};

/* The bytes that delete_record_put writes. */
size_t delete_record_bytes(const struct delete_record *r);
void delete_record_put(const struct delete_record *r, uint8_t *out);

/* Reads one from n bytes, which the matchers borrow; their arrays are in the region: at most 16
 * times n bytes. Errors: ERR_CORRUPT (no record that delete_record_put wrote, or an expression that
 * does not compile), ERR_NEWER_FORMAT, ERR_NO_MEMORY; there is nothing to release then. */
int delete_record_get(const uint8_t *bytes, size_t n, struct region *region,
                      struct delete_record *ret) WARN_UNUSED;
void delete_record_release(struct delete_record *r);

/* Does it; cancel may be NULL. Answers as delete_select, to which the region belongs meanwhile. */
int delete_record_apply(const struct delete_record *r, struct tsdb *db, const atomic_bool *cancel,
                        struct region *region, struct delete_report *io) WARN_UNUSED;

#endif
