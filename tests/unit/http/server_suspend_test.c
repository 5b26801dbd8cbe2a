/* Connections that wait for another thread, for a worker or for the end of the server, and clients
 * that do not. */
#include "http/server.h"

#include "tests/unit/http/test_server.h"

TestSuite(server_suspend, .timeout = 60);

Test(server_suspend, a_client_that_goes_away_cancels_its_computation)
{
    start();
    for (int i = 1; i <= 3; i++) {
        int fd = dial();
        send_text(fd, "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n");
        wait_for(&n_slow_started, i);
        close(fd);
        wait_for(&n_slow_cancelled, i);
    }
    stop();
}

Test(server_suspend, stopping_with_suspended_connections_answers_them)
{
    enum { N = 5 }; /* more than there are workers: some still wait in the queue */
    int fds[N];
    start();
    for (int i = 0; i < N; i++) {
        fds[i] = dial();
        send_text(fds[i], "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n");
    }
    wait_for(&n_slow_started, 2);
    wait_for(&app.metrics.queries_running, N);
    stop();
    for (int i = 0; i < N; i++) {
        struct answer a = receive(fds[i]);
        cr_assert(a.status == 200 || a.status == 499, "%d: %d", i, a.status);
        cr_assert(is_closed_by_peer(fds[i]));
        close(fds[i]);
    }
}

Test(server_suspend, parked_requests_are_answered_by_another_thread_in_any_order)
{
    enum { N = 8, ROUNDS = 4 }; /* more connections than threads: nobody waits for the others */
    int fds[N];
    start();
    for (int i = 0; i < N; i++)
        fds[i] = dial();
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < N; i++)
            send_text(fds[i], "POST /park HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc");
        wait_for(&n_parked, (round + 1) * N);
        int other = dial();
        cr_assert_eq(ask(other, "GET /echo HTTP/1.1\r\nHost: x\r\n\r\n").status, 200);
        close(other);
        answer_parked(round * N + N / 2, (round + 1) * N);
        answer_parked(round * N, round * N + N / 2);
        for (int i = 0; i < N; i++) {
            struct answer a = receive(fds[i]);
            cr_assert_eq(a.status, 200);
            cr_assert_str_eq(a.body, "parked:abc");
            cr_assert_not(a.is_closing);
        }
    }
    for (int i = 0; i < N; i++)
        close(fds[i]);
    stop();
}

Test(server_suspend, a_request_may_be_resumed_before_its_handler_returns)
{
    start();
    int fd = dial();
    for (int i = 0; i < 200; i++)
        cr_assert_str_eq(ask(fd, "GET /park_briefly HTTP/1.1\r\nHost: x\r\n\r\n").body, "brief");
    close(fd);
    stop();
}

Test(server_suspend, a_client_that_leaves_a_parked_request_does_no_harm)
{
    start();
    for (int i = 0; i < 5; i++) {
        int fd = dial();
        send_text(fd, "GET /park HTTP/1.1\r\nHost: x\r\n\r\n");
        wait_for(&n_parked, i + 1);
        close(fd);
        answer_parked(i, i + 1);
    }
    stop();
}

static void *answer_late(void *arg)
{
    (void)arg;
    usleep(1300000); /* after the server has stopped waiting for requests: drain_ms, twice */
    answer_parked(0, 3);
    return NULL;
}

Test(server_suspend, stopping_waits_for_parked_requests)
{
    int fds[3];
    pthread_t thread;
    start();
    for (int i = 0; i < 3; i++) {
        fds[i] = dial();
        send_text(fds[i], "GET /park HTTP/1.1\r\nHost: x\r\n\r\n");
    }
    wait_for(&n_parked, 3);
    cr_assert_eq(pthread_create(&thread, NULL, answer_late, NULL), 0);
    stop();
    pthread_join(thread, NULL);
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(receive(fds[i]).status, 200);
        close(fds[i]);
    }
}

static void *stop_main(void *arg)
{
    (void)arg;
    stop();
    return NULL;
}

/* A body that comes to its end when the stop has given up on it: nobody would wait for what it
 * waits for. */
Test(server_suspend, nothing_is_parked_once_the_end_has_come)
{
    pthread_t thread;
    start();
    int first = dial(), late = dial();
    send_text(first, "GET /park HTTP/1.1\r\nHost: x\r\n\r\n");
    send_text(late, "POST /park HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nab");
    wait_for(&n_parked, 1);
    wait_for(&server.n_active, 2);
    cr_assert_eq(pthread_create(&thread, NULL, stop_main, NULL), 0);
    while (!atomic_load(&server.is_closing))
        usleep(1000);
    struct answer a = ask(late, "cd");
    cr_assert_eq(a.status, 503);
    cr_assert_eq(atomic_load(&n_parked), 1);
    answer_parked(0, 1);
    cr_assert_eq(receive(first).status, 200);
    pthread_join(thread, NULL);
    close(first);
    close(late);
}

Test(server_suspend, idle_connections_do_not_keep_it_from_stopping)
{
    start();
    int fd = dial();
    cr_assert_eq(ask(fd, "GET /echo HTTP/1.1\r\nHost: x\r\n\r\n").status, 200);
    int half = dial();
    send_text(half, "GET /echo HT");
    stop();
    cr_assert(is_closed_by_peer(fd));
    close(fd);
    close(half);
}

/* Connects, asks and goes away, until nobody listens any more. */
static void *hammer(void *port)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons(*(uint16_t *)port),
                             .sin_addr = {htonl(INADDR_LOOPBACK)}};
    static const char *const texts[] = {"GET /echo HTTP/1.1\r\nHost: x\r\n\r\n",
                                        "GET /refuse HTTP/1.1\r\nHost: x\r\n\r\n",
                                        "GET /park_briefly HTTP/1.1\r\nHost: x\r\n\r\n"};
    bool is_open = true;
    for (unsigned i = 0; is_open; i++) {
        const char *text = texts[i % ARRAY_LEN(texts)];
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        is_open = connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0;
        if (is_open)
            (void)!send(fd, text, strlen(text), MSG_NOSIGNAL);
        close(fd);
    }
    return NULL;
}

/* Threads that both take the listening socket out of an epoll set abort: MHD_quiesce_daemon. */
Test(server_suspend, stopping_while_clients_come_is_clean_every_time)
{
    enum { ROUNDS = 100, CLIENTS = 3 };
    for (int i = 0; i < ROUNDS; i++) {
        pthread_t threads[CLIENTS];
        start();
        uint16_t port = (uint16_t)listening.port;
        for (int k = 0; k < CLIENTS; k++)
            cr_assert_eq(pthread_create(&threads[k], NULL, hammer, &port), 0);
        wait_for(&app.metrics.connections, 1);
        stop();
        for (int k = 0; k < CLIENTS; k++)
            pthread_join(threads[k], NULL);
    }
}
