/* The program's own clockwork: turns the store's windows at each tick, stores our own metrics,
 * gives libc's free memory back, and writes a snapshot every interval, or sooner when the journal
 * wants one.
 *
 * Two threads: a snapshot may take long, and the windows must turn meanwhile. */
#ifndef HG_HTTP_TICKER_H
#define HG_HTTP_TICKER_H

#include "alloc/base.h"

#include <pthread.h>

struct app;

struct ticker {
    struct app *app; /* borrowed */
    pthread_t tick_thread, save_thread;
    bool has_save_thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_stopping; /* guarded by lock, all three */
    bool is_save_wanted;
    bool is_tick_wanted;
};

void ticker_init(struct ticker *t, struct app *app);

/* Starts the threads; the store must be loaded. False when a thread cannot be made. */
bool ticker_start(struct ticker *t) WARN_UNUSED;

/* The next snapshot is to be written now, whatever the interval; any thread, also before the start.
 * One that fails is tried again soon. */
void ticker_save_soon(struct ticker *t);

/* The windows are to be looked at now: memory is short. Any thread, also before the start. */
void ticker_tick_soon(struct ticker *t);

/* Ends them; a snapshot that is being written is finished first. */
void ticker_stop(struct ticker *t);

#endif
