/* The server on a real socket: what libmicrohttpd does when pushed
 * (docs/decisions/0002-http-server.md). Where something must not happen its opposite is awaited. */
#include "http/server.h"

#include "tests/unit/http/test_server.h"

#include <poll.h>

TestSuite(server, .timeout = 60);

/* --- answers ---------------------------------------------------------------------------------- */

Test(server, connections_are_spread_evenly_over_the_threads)
{
    enum { CONNECTIONS = 8 };
    int fds[CONNECTIONS], n_first = 0;
    char first[32] = "";
    start();
    for (int i = 0; i < CONNECTIONS; i++) /* all at once: a row of them is what one thread took */
        fds[i] = dial();
    for (int i = 0; i < CONNECTIONS; i++) {
        struct answer a = ask(fds[i], "GET /thread HTTP/1.1\r\nHost: x\r\n\r\n");
        cr_assert_eq(a.status, 200);
        if (i == 0)
            snprintf(first, sizeof(first), "%s", a.body);
        n_first += strcmp(a.body, first) == 0;
    }
    cr_assert_eq(n_first, CONNECTIONS / 2);
    for (int i = 0; i < CONNECTIONS; i++)
        close(fds[i]);
    stop();
}

/* The library takes events in batches of 128, and after a full one it once slept before it worked
 * on any of it. */
Test(server, requests_that_fill_a_batch_of_events_are_answered)
{
    enum { BATCH = 128, THREADS = 2, MOST = BATCH + 2, CONNECTIONS = THREADS * (MOST + 1) };
    static_assert((int)CONNECTIONS <= (int)MAX_CONNECTIONS, "all at once");
    const struct timeval patience = {.tv_sec = 10};
    int fds[CONNECTIONS];
    start();
    for (int i = 0; i < CONNECTIONS; i++) {
        fds[i] = dial(); /* each thread gets every second one */
        cr_assert_eq(setsockopt(fds[i], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
        cr_assert_eq(ask(fds[i], "GET /echo HTTP/1.1\r\nHost: x\r\n\r\n").status, 200);
    }
    for (int n = BATCH - 2; n <= MOST; n++) {
        atomic_store(&n_held, 0);
        atomic_store(&may_go_on, false);
        for (int i = 0; i < THREADS; i++)
            send_text(fds[i], "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
        wait_for(&n_held, THREADS);
        for (int i = THREADS; i < THREADS * (n + 1); i++)
            send_text(fds[i], "GET /echo HTTP/1.1\r\nHost: x\r\n\r\n");
        atomic_store(&may_go_on, true);
        for (int i = 0; i < THREADS * (n + 1); i++)
            cr_assert_eq(receive(fds[i]).status, 200, "%d of %d at once", i, n);
    }
    for (int i = 0; i < CONNECTIONS; i++)
        close(fds[i]);
    stop();
}

Test(server, a_connection_is_kept_after_answers_and_errors)
{
    start();
    int fd = dial();
    static const struct {
        const char *request;
        int status;
    } rows[] = {
        {"GET /echo?q=1 HTTP/1.1\r\nHost: x\r\n\r\n", 200},
        {"GET /refuse HTTP/1.1\r\nHost: x\r\n\r\n", 400},
        {"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n", 404},
        {"DELETE /echo HTTP/1.1\r\nHost: x\r\n\r\n", 405},
        {"POST /picky HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nabcde", 415},
        {"POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nabcde", 404},
        {"POST /echo?q=2 HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nabcde", 200},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct answer a = ask(fd, rows[i].request);
        cr_assert_eq(a.status, rows[i].status, "row %zu: %d", i, a.status);
        cr_assert_not(a.is_closing, "row %zu: %s", i, a.head);
    }
    close(fd);
    stop();
}

Test(server, parameters_come_from_the_body_first_and_then_from_the_url)
{
    start();
    int fd = dial();
    struct answer a = ask(fd, "POST /echo?q=url HTTP/1.1\r\nHost: x\r\nContent-Length: 8\r\n"
                              "Content-Type: application/x-www-form-urlencoded\r\n\r\nq=a%2Bb+");
    cr_assert_str_eq(a.body, "a+b :q=a%2Bb+");
    a = ask(fd, "POST /echo?q=a%2Bb+c HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n"
                "Content-Type: application/json\r\n\r\nq=b");
    cr_assert_str_eq(a.body, "a+b c:q=b");
    a = ask(fd, "GET /echo?x&q=%00&q=2 HTTP/1.1\r\nHost: x\r\n\r\n");
    cr_assert_str_eq(a.body, ":");
    close(fd);
    stop();
}

Test(server, errors_carry_their_headers)
{
    start();
    int fd = dial();
    struct answer a = ask(fd, "PUT /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
    cr_assert_eq(a.status, 405);
    cr_assert_not_null(strcasestr(a.head, "\r\nAllow: GET, OPTIONS, POST\r\n"), "%s", a.head);
    a = ask(fd, "GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n");
    cr_assert_str_eq(a.body, "404 page not found\n");
    cr_assert_not_null(strcasestr(a.head, "\r\nX-Content-Type-Options: nosniff\r\n"));
    close(fd);
    stop();
}

/* Below /api/v1 every path has an answer, elsewhere those that there are. */
Test(server, options)
{
    start();
    int fd = dial();
    struct answer a = ask(fd, "OPTIONS /api/v1/nope HTTP/1.1\r\nHost: x\r\n\r\n");
    cr_assert_eq(a.status, 204);
    cr_assert_not_null(strcasestr(a.head, "\r\nVary: Origin\r\n"), "%s", a.head);
    cr_assert_null(strcasestr(a.head, "Access-Control"), "nobody asked: %s", a.head);
    a = ask(fd, "OPTIONS /api/v1/nope HTTP/1.1\r\nHost: x\r\nOrigin: http://a\r\n\r\n");
    cr_assert_eq(a.status, 204);
    cr_assert_not_null(
        strcasestr(a.head, "\r\nAccess-Control-Allow-Methods: GET, POST, OPTIONS\r\n"));
    a = ask(fd, "OPTIONS /echo HTTP/1.1\r\nHost: x\r\n\r\n");
    cr_assert_eq(a.status, 200);
    cr_assert_not_null(strcasestr(a.head, "\r\nAllow: GET, OPTIONS, POST\r\n"), "%s", a.head);
    a = ask(fd, "OPTIONS /nowhere HTTP/1.1\r\nHost: x\r\n\r\n");
    cr_assert_eq(a.status, 404);
    close(fd);
    stop();
}

Test(server, other_origins)
{
    start();
    app.cors = pattern_new("https?://a", 10, NULL, 0);
    int fd = dial();
    struct answer a = ask(fd, "GET /shared HTTP/1.1\r\nHost: x\r\nOrigin: http://a\r\n\r\n");
    cr_assert_eq(a.status, 200);
    cr_assert_not_null(strcasestr(a.head, "\r\nAccess-Control-Allow-Origin: http://a\r\n"));
    cr_assert_not_null(strcasestr(a.head, "\r\nAccess-Control-Expose-Headers: Date\r\n"));
    a = ask(fd, "GET /shared HTTP/1.1\r\nHost: x\r\nOrigin: http://ab\r\n\r\n");
    cr_assert_null(strcasestr(a.head, "Access-Control-Allow-Origin"), "%s", a.head);
    cr_assert_not_null(strcasestr(a.head, "\r\nVary: Origin\r\n"));
    a = ask(fd, "GET /echo HTTP/1.1\r\nHost: x\r\nOrigin: http://a\r\n\r\n");
    cr_assert_null(strcasestr(a.head, "Access-Control"), "not of the API: %s", a.head);
    close(fd);
    stop();
    pattern_free(app.cors);
}

Test(server, until_the_store_is_there_the_api_is_503)
{
    start();
    atomic_store(&app.phase, APP_STARTING);
    int fd = dial();
    struct answer a = ask(fd, "POST /store HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx");
    cr_assert_eq(a.status, 503);
    cr_assert_not_null(strcasestr(a.head, "\r\nX-Prometheus-Stopping: false"), "%s", a.head);
    cr_assert_not(a.is_closing);
    cr_assert_eq(ask(fd, "GET /echo HTTP/1.1\r\nHost: x\r\n\r\n").status, 200);
    atomic_store(&app.phase, APP_READY);
    cr_assert_eq(ask(fd, "GET /store HTTP/1.1\r\nHost: x\r\n\r\n").status, 200);
    atomic_store(&app.phase, APP_STOPPING);
    a = ask(fd, "GET /store HTTP/1.1\r\nHost: x\r\n\r\n");
    cr_assert_eq(a.status, 503);
    cr_assert_not_null(strcasestr(a.head, "\r\nX-Prometheus-Stopping: true"), "%s", a.head);
    close(fd);
    stop();
}

Test(server, what_asks_for_the_newest_need_not_wait_for_all)
{
    start();
    atomic_store(&app.phase, APP_STARTING);
    int fd = dial();
    cr_assert_eq(ask(fd, "GET /newest HTTP/1.1\r\nHost: x\r\n\r\n").status, 503);
    atomic_store(&app.has_newest, true);
    cr_assert_eq(ask(fd, "GET /newest HTTP/1.1\r\nHost: x\r\n\r\n").status, 200);
    cr_assert_eq(ask(fd, "GET /store HTTP/1.1\r\nHost: x\r\n\r\n").status, 503);
    atomic_store(&app.phase, APP_STOPPING);
    cr_assert_eq(ask(fd, "GET /newest HTTP/1.1\r\nHost: x\r\n\r\n").status, 503);
    close(fd);
    stop();
}

Test(server, a_long_answer_comes_whole)
{
    start();
    int fd = dial();
    for (int round = 0; round < 2; round++) {
        struct answer a = ask(fd, "GET /long HTTP/1.1\r\nHost: x\r\n\r\n");
        cr_assert_eq(a.status, 200);
        cr_assert_eq(a.n, LONG_NUMBERS * 8);
        for (unsigned long i = 0; i < LONG_NUMBERS; i += 997) {
            char number[9] = "";
            memcpy(number, a.body + i * 8, 8);
            cr_assert_eq(strtoul(number, NULL, 10), i);
        }
    }
    close(fd);
    stop();
}

/* --- bodies ----------------------------------------------------------------------------------- */

Test(server, bodies_over_the_limit_are_400)
{
    static char piece[65536];
    char request[256];
    start();
    /* declared far beyond it: refused at once, and closed, instead of reading it all */
    int fd = dial();
    snprintf(request, sizeof(request),
             "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", MAX_BODY * 4);
    struct answer a = ask(fd, request);
    cr_assert_eq(a.status, 400);
    cr_assert_not_null(strstr(a.body, "limit"), "%s", a.body);
    close(fd);
    /* declared a little more: read to the end, so that the sender hears it */
    fd = dial();
    snprintf(request, sizeof(request),
             "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n",
             MAX_BODY + (int)sizeof(piece));
    send_text(fd, request);
    for (int i = 0; i < MAX_BODY / (int)sizeof(piece) + 1; i++)
        send_bytes(fd, piece, sizeof(piece));
    a = receive(fd);
    cr_assert_eq(a.status, 400);
    cr_assert_not(a.is_closing);
    cr_assert_eq(ask(fd, "GET /echo HTTP/1.1\r\nHost: x\r\n\r\n").status, 200);
    close(fd);
    /* not declared: found out on the way */
    fd = dial();
    send_text(fd, "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < MAX_BODY / (int)sizeof(piece) + 1; i++) {
        send_text(fd, "10000\r\n");
        send_bytes(fd, piece, sizeof(piece));
        send_text(fd, "\r\n");
    }
    a = ask(fd, "0\r\n\r\n");
    cr_assert_eq(a.status, 400);
    cr_assert_not(a.is_closing);
    cr_assert_eq(ask(fd, "GET /echo HTTP/1.1\r\nHost: x\r\n\r\n").status, 200);
    close(fd);
    stop();
}

Test(server, who_expects_continue_is_refused_before_the_upload)
{
    start();
    int fd = dial();
    struct answer a = ask(fd, "POST /picky HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n"
                              "Expect: 100-continue\r\n\r\n");
    cr_assert_eq(a.status, 415);
    close(fd);
    fd = dial();
    a = ask(fd, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n"
                "Expect: 100-continue\r\n\r\n");
    cr_assert_eq(a.status, 100);
    cr_assert_eq(ask(fd, "abc").status, 200);
    close(fd);
    stop();
}

Test(server, no_memory_for_a_body_is_503_and_the_connection_goes_on)
{
    start();
    int fd = dial();
    cr_assert_eq(ask(fd, "GET /echo HTTP/1.1\r\nHost: x\r\n\r\n").status, 200);
    size_t free_bytes = MEMORY - atomic_load(&app.budget.used_bytes);
    cr_assert(budget_take(&app.budget, app.owner_queries, free_bytes));
    struct answer a = ask(fd, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc");
    cr_assert_eq(a.status, 503);
    cr_assert_not_null(strcasestr(a.head, "\r\nRetry-After: "), "%s", a.head);
    budget_give(&app.budget, app.owner_queries, free_bytes);
    a = ask(fd, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc");
    cr_assert_eq(a.status, 200);
    close(fd);
    stop();
}

/* --- time ------------------------------------------------------------------------------------- */

/* Sends a byte at a time for as long as the other side lets us. */
static void drip(const char *head)
{
    int fd = dial();
    send_text(fd, head);
    struct pollfd gone = {.fd = fd, .events = POLLRDHUP};
    while (poll(&gone, 1, 20) == 0)
        if (send(fd, "a", 1, MSG_NOSIGNAL) < 0)
            break;
    close(fd);
}

Test(server, a_byte_at_a_time_is_cut)
{
    start_with(300);
    drip("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n");
    drip("GET /echo HTTP/1.1\r\nHost: ");
    drip("GET /ec");
    drip("");
    cr_assert_eq(atomic_load(&app.metrics.counters[METRIC_CONNECTIONS_CUT]), 4);
    stop();
}

Test(server, a_computation_is_not_cut)
{
    start_with(50);
    int fd = dial();
    send_text(fd, "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n");
    wait_for(&n_slow_started, 1);
    drip("GET /ec"); /* until the deadline has passed for another */
    drip("GET /ec");
    atomic_store(&may_slow_end, true);
    cr_assert_eq(receive(fd).status, 200);
    close(fd);
    stop();
}
