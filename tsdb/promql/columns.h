/* Columns of a vector whose number is not known beforehand: they are taken some at a time, filled
 * one after the other, and kept when they have points.
 *
 * Threads: belongs to the query's thread. */
#ifndef HG_TSDB_PROMQL_COLUMNS_H
#define HG_TSDB_PROMQL_COLUMNS_H

#include "tsdb/promql/eval.h"

struct columns {
    struct vector kept;
    size_t cap;          /* of kept.items */
    struct vector spare; /* without points */
    size_t n_used;       /* of spare */
};

/* A column without points; the same again until it is kept. NULL with the error in e. */
struct column *columns_next(struct eval *e, struct columns *c);

/* Keeps the column that columns_next gave. */
void columns_keep(struct columns *c);

#endif
