/* Threads with a small stack, a name and maybe a lower priority. */
#ifndef HG_HTTP_THREAD_H
#define HG_HTTP_THREAD_H

#include "alloc/base.h"

#include <pthread.h>

enum {
    THREAD_STACK_BYTES = 512 * 1024, /* address space: only what is touched counts */
    THREAD_NICE = 5,                 /* of threads that compute: writers go first */
};

/* False when the system refuses. */
bool thread_start(pthread_t *ret, void *(*run)(void *), void *arg) WARN_UNUSED;

/* For the calling thread. name: at most 15 bytes. */
void thread_name(const char *name);
void thread_lower_priority(void);

/* Processors that this process may run on, at least 1. */
unsigned thread_cores(void);

#endif
