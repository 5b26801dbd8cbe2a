/* What happens as memory runs short, in stages, so that the process stays under
 * --storage.memory-limit and goes on serving. Each stage keeps what the one before it had:
 *
 *     normal     everybody gets what the flags say
 *     queries    the memory of queries shrinks to half of what is free
 *     series     new series are refused (400); those that exist go on
 *     window     the oldest window is dropped before its time, one after the other
 *     writes     writes are refused whole (503 with Retry-After), so that senders keep them
 *
 * What is free is the budget less what is kept: everything in the ledger but what requests, queries
 * and snapshots work with and what the arena retains, which come back by themselves. A stage begins
 * when less is free than its row of the table says, and ends, without anybody's doing, when more is
 * free than the row's second figure: between the two nothing changes, so it does not flap.
 *
 * What is about to work leases its memory first (lease.h): a query on its worker, a request when
 * its length is known and again when the message's is, a connection before the library has made
 * anything for it.
 *
 * Threads: all functions from any, but ceiling_init; ceiling_has_room may be called under any lock,
 * the others take ceiling.lock (a leaf) or none. */
#ifndef HG_HTTP_CEILING_H
#define HG_HTTP_CEILING_H

#include "alloc/budget.h"
#include "http/lease.h"

#include <pthread.h>

struct tsdb;

enum ceiling_stage {
    CEILING_NORMAL,
    CEILING_QUERIES,
    CEILING_SERIES,
    CEILING_WINDOW,
    CEILING_WRITES,
    CEILING_STAGES
};

struct ceiling_figures {
    size_t limit_bytes; /* of the budget */
    size_t kept_bytes;  /* see above; may exceed the limit for a moment */
};

static inline size_t ceiling_free_bytes(const struct ceiling_figures *f)
{
    return f->limit_bytes - size_min(f->limit_bytes, f->kept_bytes);
}

struct ceiling_row {
    const char *name;   /* in status/memory, metrics and the log */
    const char *effect; /* a sentence without its full stop */
    /* Begins when less is free than the larger of the two, ends when as much as the larger of the
     * other two is. */
    unsigned begin_percent, end_percent; /* of the budget */
    size_t begin_bytes, end_bytes;
};

/* The table; its first row has no figures. */
const struct ceiling_row *ceiling_row(enum ceiling_stage stage);

/* So much free memory begins, or ends, a stage (> CEILING_NORMAL). */
size_t ceiling_begin_bytes(enum ceiling_stage stage, size_t limit_bytes);
size_t ceiling_end_bytes(enum ceiling_stage stage, size_t limit_bytes);

/* The stage that follows from the present one and the figures. Pure. */
enum ceiling_stage ceiling_decide(enum ceiling_stage now, const struct ceiling_figures *f);

/* What all queries, and all requests on their way, may have together. max_bytes:
 * --query.max-memory. Pure. */
size_t ceiling_query_bytes(enum ceiling_stage stage, const struct ceiling_figures *f,
                           size_t max_bytes);
size_t ceiling_request_bytes(const struct ceiling_figures *f);

/* The budget's row of what libc's heap is charged for: no memory of the arena's, so reports show
 * what the heap really holds instead. */
#define CEILING_ROW_HEAP "heap"

enum {
    CEILING_QUERY_BYTES_MIN = 1024 * 1024,  /* all queries together are never left less */
    CEILING_LEASE_BYTES_MIN = 256 * 1024,   /* with less a query does not begin */
    CEILING_REQUEST_BYTES_MIN = 512 * 1024, /* all requests together */
    CEILING_HEAP_BYTES = 4 * 1024 * 1024, /* of libc's heap, without connections, is not charged */
    CEILING_CONNECTIONS_SHARE = 8, /* of the budget, the most that connections may have: one in */
};

struct ceiling {
    struct budget *budget; /* borrowed */
    size_t query_max_bytes;
    unsigned n_workers;
    unsigned work_rows[4]; /* owners whose memory comes back by itself */
    unsigned owner_connections;
    /* What libc's heap holds beyond what was set aside for it, so that the store has the less. The
     * row == left_bytes + heap_bytes. */
    unsigned owner_heap;
    atomic_size_t left_bytes; /* by connections that have ended, since ceiling_settle_heap */
    size_t heap_bytes;        /* of the thread that calls it */
    atomic_int stage;         /* enum ceiling_stage */
    struct lease_pool queries, requests;
    atomic_ullong n_begun[CEILING_STAGES];
    atomic_ullong n_windows_dropped, n_samples_dropped;
    atomic_ullong n_writes_refused;      /* at stage writes */
    atomic_ullong n_connections_refused; /* before they were taken in */
    pthread_mutex_t lock;                /* guards told */
    atomic_int told;                     /* the stage that the log knows */
    void (*wake)(void *ctx);             /* whoever calls ceiling_relieve is to do so soon */
    void *wake_ctx;
};

/* query_max_bytes: --query.max-memory; n_workers: queries that run at once. budget is borrowed for
 * life. wake may be NULL, and set later, before the threads start. */
void ceiling_init(struct ceiling *c, struct budget *budget, size_t query_max_bytes,
                  unsigned n_workers);

void ceiling_read(const struct ceiling *c, struct ceiling_figures *ret);

static inline enum ceiling_stage ceiling_stage(const struct ceiling *c)
{
    return (enum ceiling_stage)atomic_load_explicit(&c->stage, memory_order_relaxed);
}

/* Looks at the ledger and takes the stage that follows, with its limits; a few dozen loads. */
enum ceiling_stage ceiling_update(struct ceiling *c);

/* The same, and the log hears of a stage that is new. */
enum ceiling_stage ceiling_tell(struct ceiling *c);

/* Whether there is room for one more series: tsdb_options.has_room, ctx is the struct ceiling. */
bool ceiling_has_room(void *ctx);

/* Drops the oldest window if it is time; true when it has, and tsdb_tick has something to work
 * off. */
bool ceiling_relieve(struct ceiling *c, struct tsdb *db);

/* The lease of one query: the n_shares-th part of what queries may have (n_workers: an equal
 * share), or what is left of it. 0 when that is less than CEILING_LEASE_BYTES_MIN (or than the
 * share). */
size_t ceiling_lease_query(struct ceiling *c, unsigned n_shares) WARN_UNUSED;

/* Charges a connection of so many bytes; false when memory, or the share of connections, is used
 * up. */
bool ceiling_take_connection(struct ceiling *c, size_t bytes) WARN_UNUSED;

/* A connection that was charged has ended. libc keeps its memory for now, so the charge stays, in
 * another row, for the next connection or until ceiling_settle_heap has looked. */
void ceiling_end_connection(struct ceiling *c, size_t bytes);

/* Charges what the heap holds (resident, without connections that are open) past
 * CEILING_HEAP_BYTES, or as much of it as there is; gives back what it no longer holds. measure is
 * asked after the ends so far have been noted. To be called about once a second, by one thread. */
void ceiling_settle_heap(struct ceiling *c, size_t (*measure)(void *ctx), void *ctx);

#endif
