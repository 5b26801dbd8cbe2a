/* What senders say about metrics beside their samples: type, help and unit of a metric family, kept
 * for /api/v1/metadata.
 *
 *     metadata_put(m, &item, now)            a sender repeats all it knows about once a minute
 *     metadata_list(m, NULL, 0, &region, &items, &n)
 *
 * Of one family up to METADATA_PER_FAMILY different ones are kept, since senders may differ; one
 * more takes the place of that which was heard of longest ago. What was not heard of for
 * METADATA_FORGET_MS is dropped, at the latest when somebody speaks of another one after it.
 *
 * The journal has it (http/retell.h), snapshots have not.
 *
 *     n_bytes = bytes of the entries in the buckets + n_dead_bytes
 *
 * Memory is a region of its own, in the ledger as "metadata": entries are only added, and when half
 * is dead what is alive moves to a new one. That takes both at once, for as long as copying takes.
 *
 * Threads: any; one lock, a leaf but for the arena's. */
#ifndef HG_HTTP_METADATA_H
#define HG_HTTP_METADATA_H

#include "alloc/region.h"

#include <pthread.h>

enum {
    METADATA_PER_FAMILY = 4,
    METADATA_TEXT_MAX = 16 * 1024,          /* of name, help and unit together; longer is refused */
    METADATA_BYTES_MAX = 16 * 1024 * 1024,  /* of the region; past it what is new is refused */
    METADATA_REBUILD_BYTES_MIN = 64 * 1024, /* dead bytes that are worth a move */
    METADATA_FORGET_MS = 24 * 3600 * 1000,
    METADATA_SWEEP_MS = 3600 * 1000, /* between two looks for what is to be forgotten */
};

/* Numbers as remote write 1.0 has them (MetricMetadata.MetricType); others count as unknown. */
enum metadata_type {
    METADATA_UNKNOWN,
    METADATA_COUNTER,
    METADATA_GAUGE,
    METADATA_HISTOGRAM,
    METADATA_GAUGE_HISTOGRAM,
    METADATA_SUMMARY,
    METADATA_INFO,
    METADATA_STATE_SET,
};

/* "counter", as the API writes it. */
const char *metadata_type_text(enum metadata_type type);

struct metadata_text {
    const char *bytes;
    uint32_t len;
};

struct metadata_item {
    struct metadata_text family, help, unit;
    enum metadata_type type;
};

struct metadata_entry;

struct metadata {
    pthread_mutex_t lock;
    struct arena *arena;
    unsigned owner;
    struct region region;            /* guarded by lock from here on */
    struct metadata_entry **buckets; /* in the region; NULL = nothing is kept */
    size_t n_buckets;                /* a power of two */
    size_t grow_at;                  /* entries for which the buckets are too few */
    size_t n;                        /* entries */
    size_t n_bytes, n_dead_bytes; /* of entries ever added to the region, and of those replaced */
    uint64_t serial;              /* the last that was given */
    int64_t swept_ms;
};

/* Takes no memory. a is borrowed. */
void metadata_init(struct metadata *m, struct arena *a);
void metadata_release(struct metadata *m);

/* Keeps a copy, or notes that what is kept was heard again. now_ms: of a clock that does not jump.
 * False when it is refused: it is too long, has no name, or there is no room or memory. */
bool metadata_put(struct metadata *m, const struct metadata_item *item, int64_t now_ms);

/* All items, or those of one family (name not NULL), sorted by name, those of one family in the
 * order in which they came; copied to the region. False without memory. */
bool metadata_list(struct metadata *m, const char *name, size_t n_name, struct region *r,
                   struct metadata_item **ret, size_t *ret_n) WARN_UNUSED;

/* NULL, or what is wrong. */
const char *metadata_check(struct metadata *m);

#endif
