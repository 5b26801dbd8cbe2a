#include "http/watch.h"

#include "http/clock.h"
#include "http/thread.h"
#include "http/wake.h"

#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS_MAX = 64 };

/* the event of wake_fd; waits are numbered from 1 */
static const uint64_t wake_serial = 0;

static void cancel_serial(struct watch *w, uint64_t serial)
{
    pthread_mutex_lock(&w->lock);
    for (struct watch_wait *x = w->waits; x; x = x->next)
        if (x->serial == serial)
            atomic_store(x->cancel, true);
    pthread_mutex_unlock(&w->lock);
}

static void sweep(struct watch *w)
{
    int64_t now = clock_boot_ms();
    pthread_mutex_lock(&w->lock);
    for (struct watch_connection *c = w->connections; c; c = c->next) {
        int64_t deadline = atomic_load_explicit(&c->deadline_ms, memory_order_relaxed);
        if (deadline == 0 || now < deadline || c->is_cut)
            continue;
        c->is_cut = true;
        atomic_fetch_add(w->n_cut, 1);
        shutdown(c->fd, SHUT_RDWR); /* the server's own thread sees it and closes */
    }
    pthread_mutex_unlock(&w->lock);
}

static void *watch_main(void *arg)
{
    struct watch *w = arg;
    struct epoll_event events[EVENTS_MAX];
    int64_t next_sweep_ms = clock_boot_ms() + w->sweep_ms;
    thread_name("hg-watch");
    for (;;) {
        int64_t wait_ms = i64_max(next_sweep_ms - clock_boot_ms(), 0);
        int n = epoll_wait(w->epoll_fd, events, EVENTS_MAX, (int)wait_ms);
        for (int i = 0; i < n; i++) {
            if (events[i].data.u64 == wake_serial)
                return NULL;
            cancel_serial(w, events[i].data.u64);
        }
        if (clock_boot_ms() >= next_sweep_ms) {
            sweep(w);
            next_sweep_ms = clock_boot_ms() + w->sweep_ms;
        }
    }
}

bool watch_start(struct watch *w, int64_t sweep_ms, atomic_ullong *n_cut)
{
    struct epoll_event wake = {.events = EPOLLIN, .data.u64 = wake_serial};
    memset(w, 0, sizeof(*w));
    w->sweep_ms = sweep_ms;
    w->n_cut = n_cut;
    w->next_serial = wake_serial + 1;
    pthread_mutex_init(&w->lock, NULL);
    w->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    w->wake_fd = eventfd(0, EFD_CLOEXEC);
    if (w->epoll_fd >= 0 && w->wake_fd >= 0 &&
        epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, w->wake_fd, &wake) == 0 &&
        thread_start(&w->thread, watch_main, w))
        return true;
    if (w->epoll_fd >= 0)
        close(w->epoll_fd);
    if (w->wake_fd >= 0)
        close(w->wake_fd);
    pthread_mutex_destroy(&w->lock);
    return false;
}

void watch_stop(struct watch *w)
{
    wake(w->wake_fd);
    pthread_join(w->thread, NULL);
    close(w->epoll_fd);
    close(w->wake_fd);
    pthread_mutex_destroy(&w->lock);
}

void watch_open(struct watch *w, struct watch_connection *c, int fd, int64_t deadline_ms)
{
    memset(c, 0, sizeof(*c));
    c->fd = fd;
    atomic_init(&c->deadline_ms, deadline_ms);
    pthread_mutex_lock(&w->lock);
    c->next = w->connections;
    if (c->next)
        c->next->prev = c;
    w->connections = c;
    pthread_mutex_unlock(&w->lock);
}

void watch_close(struct watch *w, struct watch_connection *c)
{
    pthread_mutex_lock(&w->lock);
    if (c->prev)
        c->prev->next = c->next;
    else
        w->connections = c->next;
    if (c->next)
        c->next->prev = c->prev;
    pthread_mutex_unlock(&w->lock);
}

void watch_wait_begin(struct watch *w, struct watch_wait *x, int fd, atomic_bool *cancel)
{
    x->fd = fd;
    x->cancel = cancel;
    x->prev = NULL;
    pthread_mutex_lock(&w->lock);
    x->serial = w->next_serial++;
    x->next = w->waits;
    if (x->next)
        x->next->prev = x;
    w->waits = x;
    if (w->is_canceling)
        atomic_store(cancel, true);
    pthread_mutex_unlock(&w->lock);
    /* one shot: a client that has gone stays gone, and would be reported without end */
    struct epoll_event gone = {.events = EPOLLRDHUP | EPOLLONESHOT, .data.u64 = x->serial};
    epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, fd, &gone);
}

void watch_wait_end(struct watch *w, struct watch_wait *x)
{
    epoll_ctl(w->epoll_fd, EPOLL_CTL_DEL, x->fd, NULL);
    pthread_mutex_lock(&w->lock);
    if (x->prev)
        x->prev->next = x->next;
    else
        w->waits = x->next;
    if (x->next)
        x->next->prev = x->prev;
    pthread_mutex_unlock(&w->lock);
}

void watch_cancel_all(struct watch *w)
{
    pthread_mutex_lock(&w->lock);
    w->is_canceling = true;
    for (struct watch_wait *x = w->waits; x; x = x->next)
        atomic_store(x->cancel, true);
    pthread_mutex_unlock(&w->lock);
}
