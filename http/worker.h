/* The threads that compute: a queue of jobs in the order of their arrival, and a few threads of
 * lower priority than those that serve connections, so that queries never slow writers down.
 *
 * Threads: workers_submit from any. */
#ifndef HG_HTTP_WORKER_H
#define HG_HTTP_WORKER_H

#include "alloc/base.h"

#include <pthread.h>

enum { WORKERS_MAX = 64 };

struct job {
    struct job *next;
    void (*run)(struct job *job); /* may end the job's life */
};

struct workers {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct job *first, *last; /* guarded by lock from here on */
    bool is_closed;
    pthread_t threads[WORKERS_MAX];
    unsigned n_threads;
};

/* n: 1 .. WORKERS_MAX. False (and nothing runs) when a thread cannot be made. */
bool workers_start(struct workers *w, unsigned n) WARN_UNUSED;

/* False once workers_stop has begun, until workers_release. */
bool workers_submit(struct workers *w, struct job *job) WARN_UNUSED;

/* Runs what is queued and ends the threads. */
void workers_stop(struct workers *w);

/* After that, when nobody submits any more. */
void workers_release(struct workers *w);

#endif
