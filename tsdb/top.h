/* The k largest of many named figures, while all of them pass by: a heap with the smallest of those
 * kept in front. Of equal ones the first by name is the larger, so the answer does not depend on
 * the order in which they came.
 *
 * Names are copied when their figure gets in, into buffers that the next ones use again: memory is
 * that of k names, however many are offered. Threads: belongs to one thread, as its region does. */
#ifndef HG_TSDB_TOP_H
#define HG_TSDB_TOP_H

#include "alloc/region.h"
#include "tsdb/store_limits.h"

enum { TOP_NAME_BYTES_MAX = LABEL_NAME_BYTES_MAX + 1 + LABEL_VALUE_BYTES_MAX };

struct top_row {
    char *name; /* not NUL-terminated; in the region */
    uint32_t n_bytes, capacity;
    uint64_t value;
};

struct top {
    struct region *region; /* borrowed */
    struct top_row *rows;
    size_t n, capacity;
    size_t max; /* k */
};

/* Takes no memory yet. max: at least 1. */
void top_init(struct top *t, struct region *r, size_t max);

/* Offers a figure named by one text, or by two as "a=b" (b != NULL), of TOP_NAME_BYTES_MAX at most
 * together. False without memory; what was kept is then incomplete. */
bool top_offer(struct top *t, uint64_t value, const char *a, size_t n_a, const char *b,
               size_t n_b) WARN_UNUSED;

/* Puts the rows in order, the largest first. Nothing can be offered afterwards. */
void top_finish(struct top *t);

#endif
