/* The thread that accepts connections: it charges each, and gives it to the serving thread that has
 * the fewest.
 *
 *     listening socket -> accept -> room? -> handed to a thread -> begun ... ended
 *                                     | no
 *                                     v closed
 *
 * The library can accept by itself, with each of its threads waiting at the same socket, and
 * whoever wakes takes up to ten in a row: a sender's eight connections were seen on one thread of
 * two, which halves what is received. Its limit of connections stops accepting, so that everybody
 * hangs in the kernel's queue, those who ask whether we are healthy too; here one too many is
 * closed. SO_REUSEPORT with a socket a thread spreads by a hash of the address: for a few
 * connections that is a dice.
 *
 * A connection is charged before anything is made for it. The library may fail between handing and
 * beginning, when it makes its own part on the serving thread, and then closes the connection
 * without a word; that shows when the system gives the same descriptor out again, and what it was
 * charged for is given back then.
 *
 * Threads: start, stop and release from the main one, the others from any. */
#ifndef HG_HTTP_ACCEPTOR_H
#define HG_HTTP_ACCEPTOR_H

#include "alloc/base.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>

struct arena;
struct ceiling;

enum {
    ACCEPTOR_THREADS_MAX = 16,
    ACCEPTOR_SPARE_FDS = 1024, /* numbers of descriptors that are no connections */
    ACCEPTOR_PAUSE_MS = 20,    /* when the system has no descriptor or memory for one more */
    ACCEPTOR_STOP_MS = 1000,   /* for those to begin that were handed */
};

struct acceptor_options {
    struct ceiling *ceiling; /* borrowed */
    struct arena *arena;     /* borrowed: a byte for each descriptor, charged to the owner */
    unsigned owner;
    int listen_fd; /* does not block; taken: closed by acceptor_stop, not when the start fails */
    unsigned n_threads; /* that serve: 1 .. ACCEPTOR_THREADS_MAX */
    unsigned max_connections;
    size_t connection_bytes; /* what one is charged */
    /* Gives fd, which does not block, to a serving thread (0 .. n_threads - 1). fd is the callee's
     * in any case; false = it is closed already. */
    bool (*hand)(void *ctx, unsigned thread, int fd, const struct sockaddr *address, socklen_t n);
    void *ctx;
};

struct acceptor {
    struct acceptor_options o;
    pthread_t thread;
    int wake_fd;                                   /* written to at the end */
    atomic_uint n_connections;                     /* charged ones */
    atomic_uint n_of_thread[ACCEPTOR_THREADS_MAX]; /* the same, by the thread that serves them */
    atomic_uchar *handed;   /* by descriptor: 1 + the thread it was handed to and has not begun */
    size_t n_handed;        /* size of the table */
    atomic_uint n_to_begin; /* that were handed and have not begun */
};

/* False, with errno, when the system refuses. a is set up in place and must not move. */
bool acceptor_start(struct acceptor *a, const struct acceptor_options *o) WARN_UNUSED;

/* The thread that a connection was handed to serves it now. */
void acceptor_begun(struct acceptor *a, int fd);

/* A connection that was begun has ended; before its descriptor is closed or after. */
void acceptor_ended(struct acceptor *a, unsigned thread);

/* Accepts no more, and waits until those that were handed have begun, for the library may free what
 * it made for one in the middle of making it, when it is stopped then. Connections that are there
 * go on. */
void acceptor_stop(struct acceptor *a);

/* After all serving threads have ended: gives back the charge of those that never began. */
void acceptor_release(struct acceptor *a);

#endif
