/* Whom a connection is given to, what is charged for it, and that a charge is never lost: against a
 * serving side that only keeps, or loses, what it is handed. */
#include "http/acceptor.h"

#include "alloc/arena.h"
#include "http/ceiling.h"
#include "http/listen.h"
#include "test_dial.h"

#include <criterion/criterion.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { MEMORY = 1 << 20, BYTES = 1000, MOST = 30, THREADS = 3, DIALED_MAX = 64 };

TestSuite(acceptor, .timeout = 60);

static struct acceptor acceptor;
static struct ceiling ceiling;
static struct budget budget;
static struct arena arena;
static size_t table_bytes;
static struct listen_socket listening;

/* What the serving side has taken, in that order. */
static struct taken {
    unsigned thread;
    int fd;
} taken[DIALED_MAX];
static atomic_uint n_taken, n_woken;
static enum { KEEP, LOSE, LEAVE } how;

static void wake(void *ctx, unsigned thread)
{
    (void)ctx;
    atomic_fetch_add(&n_woken, 1);
    int fd = how == LEAVE ? -1 : acceptor_take(&acceptor, thread);
    if (fd < 0)
        return;
    unsigned i = atomic_load(&n_taken);
    taken[i] = (struct taken){thread, fd};
    if (how == LOSE)
        close(fd);
    else
        acceptor_begun(&acceptor, fd);
    atomic_store(&n_taken, i + 1);
}

static size_t charged(void)
{
    return atomic_load(&budget.rows[ceiling.owner_connections].bytes);
}

static void start(void)
{
    char error[LISTEN_ERROR_MAX];
    budget_init(&budget, MEMORY);
    unsigned owner = budget_owner(&budget, "connections");
    cr_assert(arena_init(&arena, &budget, MEMORY));
    ceiling_init(&ceiling, &budget, 16 << 20, 1);
    cr_assert(listen_open("127.0.0.1:0", &listening, error), "%s", error);
    const struct acceptor_options options = {
        .ceiling = &ceiling,
        .arena = &arena,
        .owner = owner,
        .listen_fd = listening.fd,
        .n_threads = THREADS,
        .max_connections = MOST,
        .connection_bytes = BYTES,
        .wake = wake,
    };
    cr_assert(acceptor_init(&acceptor, &options));
    cr_assert(acceptor_start(&acceptor));
    table_bytes = charged();
}

static void stop(void)
{
    acceptor_stop(&acceptor);
    acceptor_release(&acceptor);
    cr_assert_eq(atomic_load(&acceptor.n_connections), 0);
    cr_assert_eq(charged(), 0);
    arena_release(&arena);
    for (unsigned i = 0; i < THREADS; i++)
        cr_assert_eq(atomic_load(&acceptor.n_of_thread[i]), 0);
}

static int dial(void)
{
    return dial_port(listening.port);
}

/* Dials, and waits until it was taken. */
static int dial_taken(void)
{
    unsigned before = atomic_load(&n_taken);
    int fd = dial();
    while (atomic_load(&n_taken) == before)
        usleep(100);
    return fd;
}

static void end(unsigned i)
{
    close(taken[i].fd);
    acceptor_ended(&acceptor, taken[i].thread);
}

Test(acceptor, each_goes_to_the_thread_with_the_fewest)
{
    int fds[DIALED_MAX], n = 0;
    start();
    for (; n < 4 * THREADS; n++) {
        fds[n] = dial_taken();
        for (unsigned t = 0; t < THREADS; t++)
            cr_assert_leq(atomic_load(&acceptor.n_of_thread[t]), (unsigned)n / THREADS + 1);
    }
    for (unsigned i = 0; i < 4 * THREADS; i++) /* all of one thread's end */
        if (taken[i].thread == 1)
            end(i);
    for (int i = 0; i < 4; i++, n++) {
        fds[n] = dial_taken();
        cr_assert_eq(taken[n].thread, 1);
    }
    cr_assert_eq(charged() - table_bytes, (size_t)4 * THREADS * BYTES);
    for (unsigned i = 0; i < (unsigned)n; i++)
        if (i >= 4 * THREADS || taken[i].thread != 1)
            end(i);
    while (n > 0)
        close(fds[--n]);
    stop();
}

Test(acceptor, as_many_as_the_limit_and_one_past)
{
    int fds[MOST];
    start();
    for (int i = 0; i < MOST; i++)
        fds[i] = dial_taken();
    int past = dial();
    cr_assert(is_closed_by_peer(past));
    close(past);
    cr_assert_eq(atomic_load(&ceiling.n_connections_refused), 1);
    cr_assert_eq(charged() - table_bytes, (size_t)MOST * BYTES);
    end(0);
    past = dial_taken();
    cr_assert_eq(atomic_load(&acceptor.n_connections), MOST);
    for (unsigned i = 1; i <= MOST; i++)
        end(i);
    for (int i = 0; i < MOST; i++)
        close(fds[i]);
    close(past);
    stop();
}

Test(acceptor, memory_for_connections_is_bounded_before_they_are_handed)
{
    enum { ROOM = 3 };
    int fds[ROOM];
    start();
    budget.limit_bytes = CEILING_CONNECTIONS_SHARE * (table_bytes + (size_t)ROOM * BYTES);
    for (int i = 0; i < ROOM; i++)
        fds[i] = dial_taken();
    int past = dial();
    cr_assert(is_closed_by_peer(past));
    close(past);
    cr_assert_eq(atomic_load(&n_taken), ROOM);
    for (unsigned i = 0; i < ROOM; i++) {
        end(i);
        close(fds[i]);
    }
    stop();
}

Test(acceptor, what_is_lost_by_those_who_serve_is_not_charged_for_ever)
{
    start();
    how = LOSE;
    for (int i = 0; i < DIALED_MAX - 2; i++) { /* more than the limit */
        close(dial_taken());
        cr_assert_leq(atomic_load(&acceptor.n_connections), 2, "the same number comes back");
    }
    how = KEEP;
    int fd = dial_taken();
    unsigned last = atomic_load(&n_taken) - 1;
    end(last);
    close(fd);
    stop();
}

Test(acceptor, what_waits_is_taken_in_the_order_of_its_coming)
{
    enum { EACH = 4 };
    int fds[EACH * THREADS], last[THREADS] = {0};
    start();
    how = LEAVE;
    for (unsigned i = 0; i < EACH * THREADS; i++) {
        fds[i] = dial();
        while (atomic_load(&n_woken) == i)
            usleep(100);
    }
    for (unsigned t = 0; t < THREADS; t++)
        for (int i = 0; i < EACH; i++) { /* nothing was closed: numbers grow */
            int fd = acceptor_take(&acceptor, t);
            cr_assert_gt(fd, last[t]);
            last[t] = fd;
            acceptor_begun(&acceptor, fd);
            acceptor_ended(&acceptor, t);
            close(fd);
        }
    for (unsigned t = 0; t < THREADS; t++)
        cr_assert_eq(acceptor_take(&acceptor, t), -1);
    for (int i = 0; i < EACH * THREADS; i++)
        close(fds[i]);
    stop();
}

Test(acceptor, what_nobody_has_taken_is_closed_at_the_end)
{
    int fds[THREADS + 1];
    start();
    how = LEAVE;
    for (unsigned i = 0; i < ARRAY_LEN(fds); i++)
        fds[i] = dial();
    while (atomic_load(&n_woken) < ARRAY_LEN(fds))
        usleep(100);
    stop();
    for (unsigned i = 0; i < ARRAY_LEN(fds); i++) {
        cr_assert(is_closed_by_peer(fds[i]));
        close(fds[i]);
    }
}

Test(acceptor, without_descriptors_newcomers_wait_and_are_served_when_there_are_some)
{
    struct rlimit was, none;
    start();
    int first = dial_taken(), waiting = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &was), 0);
    none = was;
    none.rlim_cur = 0;
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    dial_with(waiting, listening.port);
    usleep(5 * ACCEPTOR_PAUSE_MS * 1000);
    cr_assert_eq(atomic_load(&n_taken), 1);
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &was), 0);
    while (atomic_load(&n_taken) == 1)
        usleep(1000);
    end(0);
    end(1);
    close(first);
    close(waiting);
    stop();
}

Test(acceptor, a_number_beyond_those_that_are_kept_is_closed)
{
    enum { KEPT = MOST + ACCEPTOR_SPARE_FDS };
    struct rlimit files = {KEPT + 100, KEPT + 100};
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &files), 0);
    start();
    int fd = dial_taken(), last;
    close(fd);
    end(0);
    while ((last = dup(0)) < KEPT - 1)
        cr_assert_geq(last, 0);
    fd = dial();
    cr_assert(is_closed_by_peer(fd));
    cr_assert_eq(charged(), table_bytes);
    cr_assert_eq(atomic_load(&n_taken), 1);
    for (int i = fd; i < KEPT + 100; i++)
        close(i);
    stop();
}
