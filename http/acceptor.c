#include "http/acceptor.h"

#include "alloc/arena.h"
#include "http/ceiling.h"
#include "http/clock.h"
#include "http/log.h"
#include "http/thread.h"
#include "http/wake.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { FAULT_LOG_INTERVAL_MS = 10000 };

/* --- charges ---------------------------------------------------------------------------------- */

static bool charge(struct acceptor *a)
{
    struct ceiling *c = a->o.ceiling;
    if (atomic_fetch_add(&a->n_connections, 1) >= a->o.max_connections)
        atomic_fetch_add(&c->n_connections_refused, 1);
    else if (ceiling_take_connection(c, a->o.connection_bytes))
        return true;
    atomic_fetch_sub(&a->n_connections, 1);
    return false;
}

void acceptor_ended(struct acceptor *a, unsigned thread)
{
    atomic_fetch_sub(&a->n_of_thread[thread], 1);
    ceiling_end_connection(a->o.ceiling, a->o.connection_bytes);
    atomic_fetch_sub(&a->n_connections, 1);
}

void acceptor_begun(struct acceptor *a, int fd)
{
    atomic_store(&a->rows[fd].thread_plus_1, 0);
}

/* What was taken under this number and has not begun never will. */
static void settle(struct acceptor *a, size_t fd)
{
    unsigned thread_plus_1 = atomic_exchange(&a->rows[fd].thread_plus_1, 0);
    if (thread_plus_1 == 0)
        return;
    acceptor_ended(a, thread_plus_1 - 1);
}

/* --- accepting -------------------------------------------------------------------------------- */

static unsigned least_used(const struct acceptor *a)
{
    unsigned best = 0;
    for (unsigned i = 1; i < a->o.n_threads; i++)
        if (atomic_load(&a->n_of_thread[i]) < atomic_load(&a->n_of_thread[best]))
            best = i;
    return best;
}

static void enqueue(struct acceptor *a, unsigned thread, int fd)
{
    struct acceptor_queue *q = &a->queues[thread];
    pthread_mutex_lock(&a->lock);
    a->rows[fd].next = -1;
    if (q->first < 0)
        q->first = fd;
    else
        a->rows[q->last].next = fd;
    q->last = fd;
    pthread_mutex_unlock(&a->lock);
}

int acceptor_take(struct acceptor *a, unsigned thread)
{
    struct acceptor_queue *q = &a->queues[thread];
    pthread_mutex_lock(&a->lock);
    int fd = q->first;
    if (fd >= 0)
        q->first = a->rows[fd].next;
    pthread_mutex_unlock(&a->lock);
    return fd;
}

static void receive(struct acceptor *a, int fd)
{
    bool has_number = (size_t)fd < a->n_rows;
    if (has_number)
        settle(a, (size_t)fd);
    if (!has_number || !charge(a)) {
        close(fd);
        return;
    }
    unsigned thread = least_used(a);
    atomic_fetch_add(&a->n_of_thread[thread], 1);
    atomic_store(&a->rows[fd].thread_plus_1, thread + 1);
    enqueue(a, thread, fd);
    a->o.wake(a->o.ctx, thread);
}

/* One connection, if there is one. False = the system has no room for it now. */
static bool accept_one(struct acceptor *a)
{
    static struct log_gate gate;
    uint64_t held;
    int fd = accept4(a->o.listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
        receive(a, fd);
        return true;
    }
    if (errno != EMFILE && errno != ENFILE && errno != ENOBUFS && errno != ENOMEM)
        return true; /* gone again, or of a network's that is: the next one's matter */
    int err = errno;
    if (log_gate_open(&gate, clock_boot_ms(), FAULT_LOG_INTERVAL_MS, &held))
        LOG_WARN("Connections have to wait: the system does not give one more.",
                 log_text("error", strerror(err)),
                 log_u64("connections", atomic_load(&a->n_connections)), log_u64("held", held));
    return false;
}

static void *acceptor_main(void *arg)
{
    struct acceptor *a = arg;
    struct pollfd fds[] = {{.fd = a->wake_fd, .events = POLLIN},
                           {.fd = a->o.listen_fd, .events = POLLIN}};
    bool has_room = true;
    thread_name("hg-accept");
    for (;;) {
        int n = poll(fds, has_room ? 2 : 1, has_room ? -1 : ACCEPTOR_PAUSE_MS);
        if (n > 0 && fds[0].revents)
            return NULL;
        has_room = accept_one(a);
    }
}

/* --- start and stop --------------------------------------------------------------------------- */

bool acceptor_init(struct acceptor *a, const struct acceptor_options *o)
{
    assert(o->n_threads >= 1 && o->n_threads <= ACCEPTOR_THREADS_MAX);
    memset(a, 0, sizeof(*a));
    a->o = *o;
    a->n_rows = (size_t)o->max_connections + ACCEPTOR_SPARE_FDS;
    a->rows = arena_span_get(o->arena, o->owner, a->n_rows * sizeof(*a->rows));
    if (!a->rows)
        return false;
    memset((void *)a->rows, 0, a->n_rows * sizeof(*a->rows));
    for (unsigned i = 0; i < o->n_threads; i++)
        a->queues[i].first = -1;
    pthread_mutex_init(&a->lock, NULL);
    return true;
}

bool acceptor_start(struct acceptor *a)
{
    a->wake_fd = eventfd(0, EFD_CLOEXEC);
    if (a->wake_fd < 0)
        return false;
    if (thread_start(&a->thread, acceptor_main, a))
        return true;
    int err = errno;
    close(a->wake_fd);
    errno = err;
    return false;
}

void acceptor_stop(struct acceptor *a)
{
    wake(a->wake_fd);
    pthread_join(a->thread, NULL);
    close(a->wake_fd);
    close(a->o.listen_fd);
}

void acceptor_release(struct acceptor *a)
{
    for (unsigned i = 0; i < a->o.n_threads; i++)
        for (int fd; (fd = acceptor_take(a, i)) >= 0;)
            close(fd);
    for (size_t fd = 0; fd < a->n_rows; fd++)
        settle(a, fd);
    arena_span_put(a->o.arena, a->o.owner, a->rows, a->n_rows * sizeof(*a->rows));
    pthread_mutex_destroy(&a->lock);
}
