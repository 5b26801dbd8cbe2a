/* The label set of a series as a row of pair ids, in few bytes.
 *
 *     a varint (varint.h) for each pair, in the order of the label names:
 *     the pair's id, or 0 = the one before plus 1
 *
 * Pairs that a new series brought with it have ids one after the other, so all of them but the
 * first take a byte each. A row is never empty, so that it can lie in strings: a single 0 is that
 * of no labels.
 *
 * Threads: pure functions on the caller's memory. */
#ifndef HG_TSDB_LABEL_ROW_H
#define HG_TSDB_LABEL_ROW_H

#include "alloc/strings.h"
#include "tsdb/store_limits.h"

enum { LABEL_ROW_BYTES_MAX = 5 * LABELS_PER_SERIES_MAX };

struct label_row {
    uint32_t n;
    uint32_t pairs[LABELS_PER_SERIES_MAX];
};

/* Writes the row at ret; returns how many bytes it has. No pair is 0. */
size_t label_row_put(const struct label_row *row, uint8_t ret[LABEL_ROW_BYTES_MAX]);

/* Reads what label_row_put wrote; false for anything else. */
bool label_row_get(struct bytes bytes, struct label_row *ret);

#endif
