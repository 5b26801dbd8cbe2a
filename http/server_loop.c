#include "http/server_loop.h"

#include "http/acceptor.h"
#include "http/thread.h"
#include "http/wake.h"

#include <errno.h>
#include <limits.h>
#include <microhttpd.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

/* In ms, as poll wants it. */
static int patience_of(struct MHD_Daemon *daemon)
{
    MHD_UNSIGNED_LONG_LONG ms;
    if (MHD_get_timeout(daemon, &ms) != MHD_YES)
        return -1;
    return ms < INT_MAX ? (int)ms : INT_MAX;
}

void server_loop_wake(struct server_loop *l)
{
    if (atomic_exchange(&l->is_woken, true))
        return;
    wake(l->wake_fd);
}

static void give_newcomers(struct server_loop *l)
{
    for (int fd; (fd = acceptor_take(l->acceptor, l->index)) >= 0;) {
        struct sockaddr_storage address = {.ss_family = AF_UNSPEC};
        socklen_t n = sizeof(address);
        getpeername(fd, (struct sockaddr *)&address, &n); /* that has gone: shows when it is read */
        MHD_add_connection(l->daemon, fd, (struct sockaddr *)&address, n);
    }
}

static void give_resumed(struct server_loop *l)
{
    pthread_mutex_lock(&l->lock);
    struct server_resume *r = l->resumed;
    l->resumed = NULL;
    pthread_mutex_unlock(&l->lock);
    while (r) {
        struct server_resume *next = r->next;
        MHD_resume_connection(r->connection);
        r = next;
    }
}

/* The word is taken before what it announces, so that none is lost. */
static void give_all(struct server_loop *l)
{
    uint64_t n;
    while (read(l->wake_fd, &n, sizeof(n)) < 0 && errno == EINTR)
        ;
    atomic_store(&l->is_woken, false);
    give_newcomers(l);
    give_resumed(l);
}

/* True when it was woken. A body comes in a dozen pieces, and the library takes one each time that
 * it may work: what it has to do already is not waited for. */
static bool wait_for_work(struct server_loop *l, int epoll_fd)
{
    struct pollfd fds[] = {{.fd = epoll_fd, .events = POLLIN},
                           {.fd = l->wake_fd, .events = POLLIN}};
    int ms = atomic_load(&l->is_woken) ? 0 : patience_of(l->daemon);
    if (ms != 0)
        poll(fds, ARRAY_LEN(fds), ms);
    return atomic_load(&l->is_woken) || fds[1].revents;
}

static void *loop_main(void *arg)
{
    struct server_loop *l = arg;
    int epoll_fd = MHD_get_daemon_info(l->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    thread_name("hg-http");
    for (bool is_over = false; !is_over;) {
        if (wait_for_work(l, epoll_fd))
            give_all(l);
        is_over = atomic_load(&l->is_over); /* its word may be what was just taken */
        if (is_over)
            give_all(l);
        MHD_run(l->daemon);
    }
    give_resumed(l); /* what was suspended and resumed in this last turn, or the library aborts */
    return NULL;
}

static void release(struct server_loop *l)
{
    MHD_stop_daemon(l->daemon);
    pthread_mutex_destroy(&l->lock);
    if (l->wake_fd >= 0)
        close(l->wake_fd);
}

bool server_loop_start(struct server_loop *l, struct MHD_Daemon *daemon, struct acceptor *acceptor,
                       unsigned index)
{
    *l = (struct server_loop){.daemon = daemon,
                              .acceptor = acceptor,
                              .index = index,
                              .wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    pthread_mutex_init(&l->lock, NULL);
    if (l->wake_fd >= 0 && thread_start(&l->thread, loop_main, l))
        return true;
    int err = errno;
    release(l);
    errno = err;
    return false;
}

void server_loop_resume(struct server_loop *l, struct server_resume *r,
                        struct MHD_Connection *connection)
{
    pthread_mutex_lock(&l->lock);
    *r = (struct server_resume){.connection = connection, .next = l->resumed};
    l->resumed = r;
    pthread_mutex_unlock(&l->lock);
    server_loop_wake(l);
}

void server_loop_stop(struct server_loop *l)
{
    atomic_store(&l->is_over, true);
    server_loop_wake(l);
    pthread_join(l->thread, NULL);
    release(l);
}
