/* Copies label sets out of the store for a reader (read.h).
 *
 * Of a hundred bytes that a series' labels have, most are in the labels of the series before. So
 * the texts of pairs that were copied not long ago are kept, and a set that is copied shares them:
 * a pair that is known is neither looked up nor copied again. Its id is enough to know it: all
 * series of a reading were there when it began, and no pair goes before its series do.
 *
 * Threads: belongs to one reading; the store's lock is held while it copies. */
#ifndef HG_TSDB_LABEL_COPIER_H
#define HG_TSDB_LABEL_COPIER_H

#include "alloc/region.h"
#include "tsdb/label_index.h"
#include "tsdb/series.h"

enum {
    COPIER_PAIRS = 256,
    COPIER_LENT_BYTES = 32 * 1024, /* of texts; of more of them all are forgotten */
};

/* A place in the region that is used again. */
struct copier_room {
    char *bytes;
    size_t n, cap;
};

struct label_copier {
    struct region *region;
    bool lends;                     /* sets are gone when the next slice begins */
    struct copier_room sets, texts; /* of sets that are lent */
    struct {
        uint32_t pair; /* 0 = empty */
        struct label copy;
    } known[COPIER_PAIRS]; /* at id % COPIER_PAIRS */
};

/* Takes back what is lent. */
void label_copier_begin(struct label_copier *c);

/* False when memory ran out. */
bool label_copier_copy(struct label_copier *c, const struct arena *a, const struct label_index *x,
                       const struct label_row *row, struct labels *ret) WARN_UNUSED;

#endif
