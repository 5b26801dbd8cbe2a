#include "http/worker.h"

#include "http/thread.h"

#include <string.h>

static struct job *next_job(struct workers *w)
{
    pthread_mutex_lock(&w->lock);
    while (!w->first && !w->is_closed)
        pthread_cond_wait(&w->changed, &w->lock);
    struct job *job = w->first;
    if (job) {
        w->first = job->next;
        if (!w->first)
            w->last = NULL;
    }
    pthread_mutex_unlock(&w->lock);
    return job;
}

static void *worker_main(void *arg)
{
    struct workers *w = arg;
    struct job *job;
    thread_name("hg-query");
    thread_lower_priority();
    while ((job = next_job(w)) != NULL)
        job->run(job);
    return NULL;
}

bool workers_start(struct workers *w, unsigned n)
{
    assert(n >= 1 && n <= WORKERS_MAX);
    memset(w, 0, sizeof(*w));
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->changed, NULL);
    for (unsigned i = 0; i < n; i++) {
        if (!thread_start(&w->threads[i], worker_main, w)) {
            workers_stop(w);
            workers_release(w);
            return false;
        }
        w->n_threads++;
    }
    return true;
}

bool workers_submit(struct workers *w, struct job *job)
{
    pthread_mutex_lock(&w->lock);
    bool is_open = !w->is_closed;
    if (is_open) {
        job->next = NULL;
        if (w->last)
            w->last->next = job;
        else
            w->first = job;
        w->last = job;
        pthread_cond_signal(&w->changed);
    }
    pthread_mutex_unlock(&w->lock);
    return is_open;
}

void workers_stop(struct workers *w)
{
    pthread_mutex_lock(&w->lock);
    w->is_closed = true;
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->lock);
    for (unsigned i = 0; i < w->n_threads; i++)
        pthread_join(w->threads[i], NULL);
}

void workers_release(struct workers *w)
{
    pthread_cond_destroy(&w->changed);
    pthread_mutex_destroy(&w->lock);
}
