/* The thread that looks after connections where the HTTP library does not: it cuts those whose
 * request comes too slowly, and cancels the computation whose client has gone.
 *
 * A deadline is set when a connection opens, when a request's first line has come, and when an
 * answer has been sent; it is lifted while we compute or answer. The library's own timeout starts
 * anew with every byte, so a client that sends a byte a second would stay for ever. While a
 * connection is suspended the library does not look at it at all, so its socket is watched here.
 *
 * Threads: all functions from any. */
#ifndef HG_HTTP_WATCH_H
#define HG_HTTP_WATCH_H

#include "alloc/base.h"

#include <pthread.h>
#include <stdatomic.h>

/* An open connection; owned by the server. */
struct watch_connection {
    struct watch_connection *prev, *next;
    int fd;
    _Atomic int64_t deadline_ms; /* boot clock; 0 = none */
    bool is_cut;
};

/* A computation that somebody waits for; owned by the request. */
struct watch_wait {
    struct watch_wait *prev, *next;
    int fd;
    uint64_t serial;
    atomic_bool *cancel;
};

struct watch {
    pthread_t thread;
    int epoll_fd;
    int wake_fd; /* written to at the end */
    int64_t sweep_ms;
    pthread_mutex_t lock;
    struct watch_connection *connections; /* guarded by lock from here on */
    struct watch_wait *waits;
    uint64_t next_serial;
    bool is_canceling; /* new waits are cancelled at once */
    atomic_ullong *n_cut;
};

/* sweep_ms: how often deadlines are looked at. n_cut (borrowed) counts the connections that were
 * cut. False when the system refuses. */
bool watch_start(struct watch *w, int64_t sweep_ms, atomic_ullong *n_cut) WARN_UNUSED;
void watch_stop(struct watch *w);

/* fd must stay open until it is removed. */
void watch_open(struct watch *w, struct watch_connection *c, int fd, int64_t deadline_ms);
void watch_close(struct watch *w, struct watch_connection *c);

static inline void watch_deadline(struct watch_connection *c, int64_t deadline_ms)
{
    atomic_store_explicit(&c->deadline_ms, deadline_ms, memory_order_relaxed);
}

/* Sets *cancel when the client closes its side, until watch_wait_end. */
void watch_wait_begin(struct watch *w, struct watch_wait *x, int fd, atomic_bool *cancel);
void watch_wait_end(struct watch *w, struct watch_wait *x);

/* Sets every cancel flag, now and of what begins later. */
void watch_cancel_all(struct watch *w);

#endif
