/* What the server promises before it begins, at the limit and one past it: requests at once, memory
 * for bodies, queries, connections and URLs. */
#include "http/server.h"

#include "tests/unit/http/test_server.h"

TestSuite(server_lease, .timeout = 60);

static const char post_abc[] = "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc";

Test(server_lease, requests_at_once_at_the_limit_and_one_past)
{
    static int fds[MAX_REQUESTS];
    start();
    for (int i = 0; i < MAX_REQUESTS; i++) {
        fds[i] = dial();
        send_text(fds[i], "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n");
    }
    wait_for(&server.n_in_flight, MAX_REQUESTS);
    int other = dial();
    struct answer a = ask(other, post_abc);
    cr_assert_eq(a.status, 503);
    cr_assert_not_null(strstr(a.body, "40 requests"), "%s", a.body);
    cr_assert_not_null(strcasestr(a.head, "\r\nRetry-After: "), "%s", a.head);
    a = ask(other, "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n");
    cr_assert_eq(a.status, 503);
    a = ask(other, "GET /echo HTTP/1.1\r\nHost: x\r\n\r\n");
    cr_assert_eq(a.status, 200, "what neither computes nor brings a body is always answered");
    cr_assert_eq(atomic_load(&app.metrics.counters[METRIC_REQUESTS_REFUSED]), 2);
    atomic_store(&may_slow_end, true);
    for (int i = 0; i < MAX_REQUESTS; i++) {
        cr_assert_eq(receive(fds[i]).status, 200);
        close(fds[i]);
    }
    while (atomic_load(&server.n_in_flight) >= MAX_REQUESTS)
        usleep(1000);
    cr_assert_eq(ask(other, post_abc).status, 200);
    close(other);
    stop();
}

Test(server_lease, bodies_have_a_pool_of_their_own)
{
    start();
    int fd = dial(), first = dial();
    lease_limit(&app.ceiling.requests, 2 * (BODY_FIRST_BYTES + ARENA_PAGE_BYTES));
    send_text(first, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 65537\r\n\r\na");
    wait_for(&server.n_in_flight, 1);
    cr_assert_eq(ask(fd, post_abc).status, 200, "so far only what has come is leased");
    while (atomic_load(&app.ceiling.requests.leased_bytes) > BODY_FIRST_BYTES + ARENA_PAGE_BYTES)
        usleep(1000); /* answered is not over: each connection has a thread of its own */
    static char more[BODY_FIRST_BYTES];
    memset(more, 'b', sizeof(more));
    send_bytes(first, more, sizeof(more));
    struct answer a = receive(first);
    cr_assert_eq(a.status, 200);
    while (atomic_load(&app.ceiling.requests.leased_bytes) > 0)
        usleep(1000);
    cr_assert(lease_grow(&app.ceiling.requests, 0, 2 * BODY_FIRST_BYTES));
    a = ask(fd, post_abc);
    cr_assert_eq(a.status, 503);
    cr_assert_not_null(strstr(a.body, "requests on their way"), "%s", a.body);
    cr_assert_not_null(strcasestr(a.head, "\r\nRetry-After: "), "%s", a.head);
    lease_give(&app.ceiling.requests, 2 * BODY_FIRST_BYTES);
    cr_assert_eq(ask(fd, post_abc).status, 200);
    close(fd);
    close(first);
    stop();
}

Test(server_lease, a_query_leases_its_share_and_is_503_without)
{
    start();
    int fd = dial();
    struct lease_pool *p = &app.ceiling.queries;
    size_t most = atomic_load(&p->limit_bytes);
    cr_assert_eq(lease_take(p, most, most), most);
    struct answer a = ask(fd, "GET /refuse HTTP/1.1\r\nHost: x\r\n\r\n");
    cr_assert_eq(a.status, 503);
    cr_assert_not_null(strstr(a.body, "--query.max-memory"), "%s", a.body);
    cr_assert_not_null(strcasestr(a.head, "\r\nRetry-After: "), "%s", a.head);
    lease_give(p, most);
    cr_assert_eq(ask(fd, "GET /refuse HTTP/1.1\r\nHost: x\r\n\r\n").status, 400);
    send_text(fd, "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n");
    wait_for(&n_slow_started, 1);
    cr_assert_eq(atomic_load(&p->leased_bytes), most / 2);
    atomic_store(&may_slow_end, true);
    cr_assert_eq(receive(fd).status, 200);
    while (atomic_load(&p->leased_bytes) > 0)
        usleep(1000);
    close(fd);
    stop();
}

Test(server_lease, connections_beyond_their_share_are_closed_before_they_cost_anything)
{
    enum { MOST = 20 };
    static int fds[MOST];
    start();
    app.ceiling.budget->limit_bytes =
        (size_t)CEILING_CONNECTIONS_SHARE * (MOST * SERVER_CONNECTION_BYTES + 2 * ARENA_PAGE_BYTES);
    for (int i = 0; i < MOST; i++) {
        fds[i] = dial();
        cr_assert_eq(ask(fds[i], "GET /echo HTTP/1.1\r\nHost: x\r\n\r\n").status, 200, "%d", i);
    }
    for (int i = 0; i < MOST; i++) {
        int fd = dial();
        cr_assert(is_closed_by_peer(fd));
        close(fd);
    }
    cr_assert_eq(atomic_load(&app.ceiling.n_connections_refused), MOST);
    cr_assert_eq(atomic_load(&app.metrics.connections), MOST);
    for (int i = 0; i < MOST; i++) {
        cr_assert_eq(ask(fds[i], "GET /echo HTTP/1.1\r\nHost: x\r\n\r\n").status, 200);
        close(fds[i]);
    }
    stop();
}

Test(server_lease, a_url_beyond_the_pool_is_414_or_431_and_does_no_harm)
{
    static char request[20000];
    start_with(2000); /* just around the limit the library does not answer at all */
    for (size_t len = 5000; len < 19000; len += 700) {
        int fd = dial();
        size_t n = (size_t)snprintf(request, sizeof(request), "GET /echo?q=");
        memset(request + n, 'a', len);
        snprintf(request + n + len, sizeof(request) - n - len, " HTTP/1.1\r\nHost: x\r\n\r\n");
        send_text(fd, request);
        struct answer a = receive(fd);
        cr_assert(a.status == 200 || a.status == 414 || a.status == 431 || a.status == 0,
                  "%zu bytes: %d", len, a.status);
        if (len > 2 * SERVER_CONNECTION_POOL_BYTES)
            cr_assert(a.status == 414 || a.status == 431, "%zu bytes: %d", len, a.status);
        if (len < SERVER_CONNECTION_POOL_BYTES - 1500)
            cr_assert_eq(a.status, 200, "%zu bytes", len);
        close(fd);
    }
    stop();
}
