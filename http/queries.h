/* The computations that are waiting for a worker or running, for /api/v1/status/queries: which they
 * are, since when, what memory they hold, and a way to stop one; and the recent heavy ones, kept
 * after they have ended.
 *
 *     queries_enter(&app->queries, &rq->query, &what)      when it begins to wait
 *     queries_start(..)                                     on its worker
 *     queries_leave(.., status)                             done: forgotten, or remembered as heavy
 *
 * A heavy one ran for QUERIES_HEAVY_NS, or held 1/QUERIES_HEAVY_SHARE of the memory that one may.
 *
 * Everything that a list shows is copied when the query enters, but for the numbers of bytes, which
 * are read from its regions: these must live until it leaves.
 *
 * Threads: any; one lock, a leaf. */
#ifndef HG_HTTP_QUERIES_H
#define HG_HTTP_QUERIES_H

#include "alloc/region.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
    QUERIES_TEXT_BYTES = 512, /* of a query's text are shown, the NUL among them */
    QUERIES_HEAVY_MAX = 32,
    QUERIES_HEAVY_SHARE = 4,
    QUERIES_HEAVY_NS = 1000000000,
};

/* One that is under way; owned by its request. Private but for n_samples. */
struct query {
    struct query *prev, *next;
    uint64_t id;                              /* 0 = not entered */
    const char *path;                         /* a literal */
    int64_t arrived_boot_ns, started_boot_ns; /* started: 0 = waits */
    const struct region *answer, *work;       /* work: NULL without one */
    size_t worked_bytes;                      /* of the region that it computed in, at its end */
    atomic_bool *cancel;
    uint64_t n_samples; /* that it has read; set by its own thread before it leaves */
    char text[QUERIES_TEXT_BYTES];
};

struct query_row {
    uint64_t id;
    const char *path;
    int64_t arrived_boot_ns;
    int64_t waited_ns, ran_ns; /* until now, or until its end */
    bool is_running;           /* false: waits */
    uint64_t bytes;            /* that it holds now, or held at its end */
    uint64_t n_samples;        /* of one that has ended */
    int status;                /* of the answer; 0 = under way */
    char text[QUERIES_TEXT_BYTES];
};

struct queries {
    pthread_mutex_t lock;
    size_t heavy_bytes;         /* that make a query heavy */
    struct query *first, *last; /* guarded by lock from here on; in order of arrival */
    uint64_t last_id;
    struct query_row heavy[QUERIES_HEAVY_MAX]; /* a ring */
    uint64_t n_heavy;                          /* ever */
};

/* query_memory_bytes: what one query may hold. */
void queries_init(struct queries *qs, size_t query_memory_bytes);
void queries_release(struct queries *qs);

/* text: what is asked, need not be terminated; cut to QUERIES_TEXT_BYTES - 1 bytes, never inside a
 * character. path, answer and cancel are borrowed. */
void queries_enter(struct queries *qs, struct query *q, const char *path, const char *text,
                   size_t n_text, int64_t arrived_boot_ns, const struct region *answer,
                   atomic_bool *cancel);

void queries_start(struct queries *qs, struct query *q, int64_t now_boot_ns);

/* The region that it computes in from now on; before that region ends, NULL. */
void queries_work(struct queries *qs, struct query *q, const struct region *work);

/* The end. True when it was heavy: *ret is its row then. */
bool queries_leave(struct queries *qs, struct query *q, int status, int64_t now_boot_ns,
                   struct query_row *ret);

/* Sets the flag of a query under way; false when there is none of that id. */
bool queries_cancel(struct queries *qs, uint64_t id);

/* Copies of what is under way, in order of arrival, and of the heavy ones, newest first. False
 * without memory. */
bool queries_list(struct queries *qs, int64_t now_boot_ns, struct region *r,
                  struct query_row **ret_running, size_t *ret_n_running,
                  struct query_row **ret_heavy, size_t *ret_n_heavy) WARN_UNUSED;

#endif
