/* The thread that accepts connections: it charges each, and gives it to the serving thread that has
 * the fewest.
 *
 *     listening socket -> accept -> room? -> waits for a thread -> taken -> begun ... ended
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
 * A connection is charged before anything is made for it. The library may fail between taking and
 * beginning, when it makes its own part, and then closes the connection without a word; that shows
 * when the system gives the same descriptor out again, and what it was charged for is given back
 * then.
 *
 * Threads: init, start, stop and release from the main one, the others from any. */
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
};

struct acceptor_options {
    struct ceiling *ceiling; /* borrowed */
    struct arena *arena;     /* borrowed: 8 bytes for each descriptor, charged to the owner */
    unsigned owner;
    int listen_fd;      /* does not block; taken by acceptor_start: closed by acceptor_stop */
    unsigned n_threads; /* that serve: 1 .. ACCEPTOR_THREADS_MAX */
    unsigned max_connections;
    size_t connection_bytes; /* what one is charged */
    /* A connection waits for a serving thread (0 .. n_threads - 1) to take it: acceptor_take. */
    void (*wake)(void *ctx, unsigned thread);
    void *ctx;
};

/* By descriptor. */
struct acceptor_row {
    atomic_uint thread_plus_1; /* of a connection that has not begun; 0 = none */
    int next;                  /* guarded by lock: that waits for the same thread; -1 = none */
};

struct acceptor_queue {
    int first, last; /* descriptors; first is -1 when none waits */
};

struct acceptor {
    struct acceptor_options o;
    pthread_t thread;
    int wake_fd;                                   /* written to at the end */
    atomic_uint n_connections;                     /* charged ones */
    atomic_uint n_of_thread[ACCEPTOR_THREADS_MAX]; /* the same, by the thread that serves them */
    struct acceptor_row *rows;
    size_t n_rows;
    pthread_mutex_t lock; /* a leaf */
    struct acceptor_queue queues[ACCEPTOR_THREADS_MAX];
};

/* False without memory. a is set up in place and must not move. */
bool acceptor_init(struct acceptor *a, const struct acceptor_options *o) WARN_UNUSED;

/* From here on who serves is woken. False, with errno, when the system refuses. */
bool acceptor_start(struct acceptor *a) WARN_UNUSED;

/* The next connection for a serving thread: a descriptor that does not block and is the caller's to
 * close, or -1. */
int acceptor_take(struct acceptor *a, unsigned thread);

/* The thread that has taken a connection serves it now. */
void acceptor_begun(struct acceptor *a, int fd);

/* A connection that was begun has ended; before its descriptor is closed or after. */
void acceptor_ended(struct acceptor *a, unsigned thread);

/* Accepts no more. Connections that are there go on. */
void acceptor_stop(struct acceptor *a);

/* Of one that was set up, after all serving threads have ended: closes what nobody has taken, and
 * gives back the charge of all that never began. */
void acceptor_release(struct acceptor *a);

#endif
