/* How far a start has come: a line in the log and a word to the service manager every two seconds
 * while files are loaded and the journal is read, and the numbers of status/walreplay at any time.
 *
 * Threads: start and stop from the main one, progress_read from any. */
#ifndef HG_HTTP_PROGRESS_H
#define HG_HTTP_PROGRESS_H

#include "alloc/base.h"

#include <pthread.h>

struct app;

struct progress {
    struct app *app; /* borrowed */
    pthread_t thread;
    bool has_thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_over; /* guarded by lock */
    int64_t began_ms;
};

/* Windows of the files and segments of the journal, together: done and in all. Segments are known
 * when the files are loaded. */
struct progress_steps {
    uint64_t done, all;
    uint64_t bytes, all_bytes; /* of the files; 0 of 0 until they have been looked at */
};
void progress_read(struct app *app, struct progress_steps *ret);

/* Without a thread to be had nothing is told. */
void progress_start(struct progress *p, struct app *app);
void progress_stop(struct progress *p);

#endif
