/* A thread that serves: it turns one daemon of the library, lets it work when there is something to
 * do, and waits otherwise.
 *
 * The library has threads of its own that do the same, but they take events in batches of 128, and
 * after a full batch ask for the next before they work on any, willing to wait: when there is no
 * next, 128 requests are answered when the 129th comes. Asked from outside, it never waits.
 *
 * But then it knows of one thread only, and may forget that a connection was resumed while it takes
 * its events. So newcomers wait in the acceptor, those that go on in a list here, and both are
 * given to the library by the thread that turns it, before it works.
 *
 * Threads: start and stop from the main one, resume from any. */
#ifndef HG_HTTP_SERVER_LOOP_H
#define HG_HTTP_SERVER_LOOP_H

#include "alloc/base.h"

#include <pthread.h>
#include <stdatomic.h>

struct acceptor;
struct MHD_Connection;
struct MHD_Daemon;

/* A suspended connection on its way back. In the request's memory: nothing is asked for. */
struct server_resume {
    struct MHD_Connection *connection;
    struct server_resume *next;
};

struct server_loop {
    struct MHD_Daemon *daemon;
    struct acceptor *acceptor;
    unsigned index; /* of this thread, as the acceptor counts them */
    pthread_t thread;
    int wake_fd;          /* readable since it was woken */
    atomic_bool is_woken; /* and has not looked since */
    atomic_bool is_over;
    pthread_mutex_t lock;          /* a leaf */
    struct server_resume *resumed; /* guarded by lock; in any order */
};

/* daemon: with epoll, with suspending, without threads of its own or a listening socket; taken,
 * also when this fails. acceptor: set up, started or not; borrowed until the loop is stopped.
 * False, with errno, when the system refuses. l must not move. */
bool server_loop_start(struct server_loop *l, struct MHD_Daemon *daemon, struct acceptor *acceptor,
                       unsigned index) WARN_UNUSED;

/* A connection waits for it in the acceptor. */
void server_loop_wake(struct server_loop *l);

/* A suspended connection of this loop's daemon goes on. r, and the request, may be gone when this
 * returns. */
void server_loop_resume(struct server_loop *l, struct server_resume *r,
                        struct MHD_Connection *connection);

/* Ends the thread, after the library was given all that waited, and then the daemon, with the
 * connections that are left. */
void server_loop_stop(struct server_loop *l);

#endif
