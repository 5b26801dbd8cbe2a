/* Points of long answers: packed in the chain, and text only while they are sent.
 *
 * A point is some 30 bytes of JSON, and an answer of a million may wait a long time for its reader.
 * As columns (tsdb/column.h) they take half a byte to four bytes each where values are those of
 * counters and gauges, and at most 8 and a bit. In a chain of JSON, which has no zero bytes:
 *
 *     CHAIN_MARK, u8 points - 1, u8 encoding of times, u16 their bytes, u8 encoding of values,
 *     u16 their bytes (in the order of this machine), times, values
 *
 * Times are i64 milliseconds, as a column of those 64 bits; or, encoding POINTS_LINEAR, the first
 * and the step.
 *
 * Threads: those of the chain. */
#ifndef HG_HTTP_POINTS_H
#define HG_HTTP_POINTS_H

#include "http/json.h"
#include "tsdb/column.h"
#include "tsdb/promql/promql.h"

enum { POINTS_PIECE = COLUMN_VALUES_MAX }; /* what is packed together */

/* From here on points_put packs. Without memory it does not, and the chain has failed. */
void points_pack(struct json *j);

/* Elements of the array that is open. */
void points_put(struct json *j, const struct promql_point *points, size_t n);

#endif
