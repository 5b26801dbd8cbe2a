#include "http/progress.h"

#include "http/app.h"
#include "http/clock.h"
#include "http/log.h"
#include "http/thread.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { TELL_INTERVAL_S = 2 };

void progress_read(struct app *app, struct progress_steps *ret)
{
    struct snapshot_progress *files = &app->saver.progress;
    struct recorder *r = &app->recorder;
    *ret = (struct progress_steps){
        .done = atomic_load(&files->windows) + atomic_load(&r->n_replayed),
        .all = atomic_load(&files->total_windows) + atomic_load(&r->n_segments),
        .bytes = atomic_load(&files->bytes),
        .all_bytes = atomic_load(&files->total_bytes),
    };
}

static void tell(const struct progress *p)
{
    struct progress_steps s;
    char text[128];
    progress_read(p->app, &s);
    bool is_in_files = s.bytes < s.all_bytes;
    int64_t took_ms = clock_boot_ms() - p->began_ms;
    int percent = s.all_bytes > 0 ? (int)(100 * (double)s.bytes / (double)s.all_bytes) : 0;
    if (is_in_files && percent > 0)
        snprintf(text, sizeof(text), "loading %d%% (%.1f/%.1f MiB), %" PRId64 " s left", percent,
                 (double)s.bytes / (1 << 20), (double)s.all_bytes / (1 << 20),
                 took_ms * (100 - percent) / percent / 1000);
    else if (is_in_files)
        snprintf(text, sizeof(text), "looking at the files");
    else
        snprintf(text, sizeof(text), "reading the journal, step %" PRIu64 " of %" PRIu64, s.done,
                 s.all);
    LOG_INFO("Starting.", log_text("progress", text), log_seconds("seconds", (uint64_t)took_ms));
    notify_progress(&p->app->notify, text);
}

static void *progress_main(void *arg)
{
    struct progress *p = arg;
    struct timespec at;
    thread_name("hg-progress");
    clock_gettime(CLOCK_MONOTONIC, &at);
    pthread_mutex_lock(&p->lock);
    while (!p->is_over) {
        at.tv_sec += TELL_INTERVAL_S;
        int rc = 0;
        while (!p->is_over && rc == 0)
            rc = pthread_cond_timedwait(&p->changed, &p->lock, &at);
        if (!p->is_over)
            tell(p);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

void progress_start(struct progress *p, struct app *app)
{
    pthread_condattr_t attr;
    memset(p, 0, sizeof(*p));
    p->app = app;
    p->began_ms = clock_boot_ms();
    pthread_mutex_init(&p->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&p->changed, &attr);
    pthread_condattr_destroy(&attr);
    p->has_thread = thread_start(&p->thread, progress_main, p);
}

void progress_stop(struct progress *p)
{
    pthread_mutex_lock(&p->lock);
    p->is_over = true;
    pthread_cond_signal(&p->changed);
    pthread_mutex_unlock(&p->lock);
    if (p->has_thread)
        pthread_join(p->thread, NULL);
    pthread_cond_destroy(&p->changed);
    pthread_mutex_destroy(&p->lock);
}
