/* The HTTP server: libmicrohttpd with a few threads of epoll, in front of the table of routes. Only
 * server*.c know the library. docs/decisions/0002-http-server.md says why these settings.
 *
 *     listening socket -> acceptor (acceptor.h): charged, given to a thread
 *                              |
 *                         loops (server_loop.h): head, body, write, short answers
 *                              | suspend                     ^ resume
 *                              v                             |
 *                         workers (worker.h): queries, series, snapshots
 *     watch (watch.h): cuts slow requests, cancels computations whose client has gone
 *
 * Threads: start and stop from the main one. */
#ifndef HG_HTTP_SERVER_H
#define HG_HTTP_SERVER_H

#include "alloc/pool.h"
#include "http/acceptor.h"
#include "http/body.h"
#include "http/server_loop.h"
#include "http/watch.h"
#include "http/worker.h"

#include <stdatomic.h>

struct app;
struct route;

enum {
    /* The library's memory of one connection: it bounds the request's head (a query in the URL may
     * have about 6,300 bytes) and is what an idle connection costs. */
    SERVER_CONNECTION_POOL_BYTES = 7168,
    SERVER_CONNECTION_BYTES = SERVER_CONNECTION_POOL_BYTES + 562, /* mallinfo2 over 4,000 */
    SERVER_THREADS_MAX = 4,
    SERVER_READ_DEADLINE_MS = 30000,  /* for a request to arrive: senders give up then, too */
    SERVER_IDLE_DEADLINE_MS = 300000, /* for the next one on the same connection */
    SERVER_SEND_TIMEOUT_S = 330,      /* the library's: without progress in any direction */
    SERVER_REQUESTS_MAX = 1024,       /* worked on at once: --web.max-requests */
    SERVER_DRAIN_MS = 5000,           /* at the end: for requests that are under way */
    /* Of a refused body, beside twice --web.max-body-size, what is read and dropped, so that the
     * sender hears the refusal; past it the connection is closed on it. */
    SERVER_DISCARD_BYTES_MIN = 1024 * 1024,
};

struct server_options {
    struct app *app;
    int listen_fd;            /* taken: closed by server_stop, and when the start fails */
    unsigned max_connections; /* more are closed as they come */
    unsigned
        max_requests; /* at once, of those that compute or bring a body; 0 = SERVER_REQUESTS_MAX */
    unsigned n_threads; /* that serve: 1 .. SERVER_THREADS_MAX */
    unsigned n_workers;
    size_t max_body_bytes;
    int64_t read_deadline_ms; /* 0 = SERVER_READ_DEADLINE_MS */
    int64_t idle_deadline_ms;
    int64_t drain_ms;
    /* Tests: routes of their own; NULL = route_find. */
    const struct route *(*find_route)(const char *path, const char **ret_capture,
                                      size_t *ret_capture_len);
};

struct server;

/* A thread that serves, with a daemon of the library of its own. */
struct server_thread {
    struct server *s;
    unsigned index;
    struct server_loop loop;
};

struct server {
    struct server_options o;
    struct server_thread threads[SERVER_THREADS_MAX];
    struct acceptor acceptor;
    struct watch watch;
    struct workers workers;
    pthread_mutex_t lock;
    struct pool exchanges; /* guarded by lock: requests under way */
    struct pool connections;
    atomic_int n_active;    /* requests under way that came before the stop */
    atomic_int n_parked;    /* request_park */
    atomic_bool is_closing; /* nothing is parked from now on */
    atomic_int
        n_in_flight; /* requests that compute or bring a body, from their head to their end */
};

/* False when the system refuses. s is set up in place and must not move. */
bool server_start(struct server *s, const struct server_options *o) WARN_UNUSED;

/* Answers newcomers with 503, lets requests under way finish, cancels those that take longer, ends
 * all threads. The app's phase must be APP_STOPPING. */
void server_stop(struct server *s);

#endif
