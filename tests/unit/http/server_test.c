/* The server on a real socket, with routes of the test's own: what libmicrohttpd does when pushed
 * (docs/decisions/0002-http-server.md). Where something must not happen its opposite is awaited. */
#include "http/server.h"

#include "http/app.h"
#include "http/clock.h"
#include "http/listen.h"
#include "http/route.h"

#include <criterion/criterion.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct app app;
static struct server server;
static struct listen_socket listening;
static atomic_int n_slow_started, n_slow_cancelled;
static atomic_bool may_slow_end;

/* --- the test's routes ------------------------------------------------------------------------ */

static void handle_echo(struct request *rq)
{
    reply_text(rq, 200, "%s:%.*s", params_text(&rq->params, "q"), (int)size_min(rq->body.n, 100),
               rq->body.bytes ? rq->body.bytes : "");
}

static void handle_refuse(struct request *rq)
{
    reply_error(rq, API_BAD_DATA, "no");
}

/* Computes until it is told to end or its client has gone. */
static void handle_slow(struct request *rq)
{
    atomic_fetch_add(&n_slow_started, 1);
    while (!atomic_load(&may_slow_end) && !atomic_load(&rq->cancel))
        usleep(1000);
    if (atomic_load(&rq->cancel))
        atomic_fetch_add(&n_slow_cancelled, 1);
    reply_text(rq, 200, "slow");
}

enum { LONG_NUMBERS = 400000 };

static void handle_long(struct request *rq)
{
    struct chain *out = reply_chain(rq, "text/plain");
    for (uint64_t i = 0; i < LONG_NUMBERS; i++)
        chain_printf(out, "%08llu", (unsigned long long)i);
}

/* Waits for answer_parked; n_parked counts those that do. */
enum { PARKED_MAX = 64 };
static struct request *_Atomic parked[PARKED_MAX];
static atomic_int n_parked;

static void handle_park(struct request *rq)
{
    request_park(rq);
    atomic_store(&parked[atomic_fetch_add(&n_parked, 1)], rq);
}

/* Resumed before the handler returns. */
static void handle_park_briefly(struct request *rq)
{
    request_park(rq);
    reply_text(rq, 200, "brief");
    request_resume(rq);
}

static void answer_parked(int from, int to)
{
    for (int i = from; i < to; i++) {
        struct request *rq;
        while ((rq = atomic_load(&parked[i])) == NULL)
            usleep(100);
        reply_text(rq, 200, "parked:%.*s", (int)rq->body.n, rq->body.bytes ? rq->body.bytes : "");
        request_resume(rq);
    }
}

static bool accept_none(struct request *rq)
{
    reply_text(rq, 415, "not this");
    return false;
}

static const struct route test_routes[] = {
    {"/echo", METHOD_GET | METHOD_POST, 0, handle_echo, NULL},
    {"/refuse", METHOD_GET | METHOD_POST, ROUTE_COMPUTES, handle_refuse, NULL},
    {"/slow", METHOD_GET | METHOD_POST, ROUTE_COMPUTES, handle_slow, NULL},
    {"/shared", METHOD_GET, ROUTE_SHARED, handle_echo, NULL},
    {"/long", METHOD_GET, ROUTE_COMPUTES, handle_long, NULL},
    {"/store", METHOD_GET | METHOD_POST, ROUTE_NEEDS_STORE, handle_echo, NULL},
    {"/picky", METHOD_POST, 0, handle_echo, accept_none},
    {"/park", METHOD_GET | METHOD_POST, 0, handle_park, NULL},
    {"/park_briefly", METHOD_GET | METHOD_POST, 0, handle_park_briefly, NULL},
};

static const struct route *find_route(const char *path, const char **ret_capture, size_t *ret_len)
{
    *ret_capture = NULL;
    *ret_len = 0;
    for (size_t i = 0; i < ARRAY_LEN(test_routes); i++)
        if (strcmp(test_routes[i].path, path) == 0)
            return &test_routes[i];
    return NULL;
}

/* --- the server ------------------------------------------------------------------------------- */

enum { MEMORY = 64 << 20, MAX_BODY = 1 << 20, MAX_REQUESTS = 40 };

static void start_with(int64_t read_deadline_ms)
{
    char error[LISTEN_ERROR_MAX];
    budget_init(&app.budget, MEMORY);
    app.owner_requests = budget_owner(&app.budget, "requests");
    app.owner_queries = budget_owner(&app.budget, "queries");
    app.owner_connections = budget_owner(&app.budget, "connections");
    ceiling_init(&app.ceiling, &app.budget, 16 << 20, 2);
    atomic_store(&app.phase, APP_READY);
    cr_assert(arena_init(&app.arena, &app.budget, MEMORY));
    queries_init(&app.queries, (16 << 20));
    cr_assert(listen_open("127.0.0.1:0", &listening, error), "%s", error);
    const struct server_options options = {
        .app = &app,
        .listen_fd = listening.fd,
        .max_connections = 100,
        .max_requests = MAX_REQUESTS,
        .n_threads = 2,
        .n_workers = 2,
        .max_body_bytes = MAX_BODY,
        .read_deadline_ms = read_deadline_ms,
        .drain_ms = 500,
        .find_route = find_route,
    };
    cr_assert(server_start(&server, &options));
}

static void start(void)
{
    start_with(60000);
}

/* Stops, and checks that nothing was forgotten. */
static void stop(void)
{
    atomic_store(&app.phase, APP_STOPPING);
    server_stop(&server);
    cr_assert_eq(atomic_load(&server.n_active), 0);
    cr_assert_eq(atomic_load(&app.metrics.connections), 0);
    cr_assert_eq(atomic_load(&server.n_in_flight), 0);
    cr_assert_eq(atomic_load(&app.ceiling.queries.leased_bytes), 0);
    cr_assert_eq(atomic_load(&app.ceiling.requests.leased_bytes), 0);
    cr_assert_eq(atomic_load(&app.budget.rows[app.owner_requests].bytes), 0);
    cr_assert_eq(atomic_load(&app.budget.rows[app.owner_connections].bytes), 0);
    queries_release(&app.queries);
    arena_release(&app.arena);
}

/* --- a client by hand ------------------------------------------------------------------------- */

static int dial(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)listening.port),
                             .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_geq(fd, 0);
    cr_assert_eq(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    return fd;
}

static void send_bytes(int fd, const char *bytes, size_t n)
{
    while (n > 0) {
        ssize_t sent = send(fd, bytes, n, MSG_NOSIGNAL);
        cr_assert_gt(sent, 0);
        bytes += sent;
        n -= (size_t)sent;
    }
}

static void send_text(int fd, const char *text)
{
    send_bytes(fd, text, strlen(text));
}

struct answer {
    int status; /* 0 = closed without one */
    size_t n;   /* bytes of the body */
    bool is_closing;
    char head[4096];
    char *body; /* NUL-terminated; static */
};

/* Reads one answer, which must have a Content-Length or no body. */
static struct answer receive(int fd)
{
    static char body[8 << 20];
    struct answer a = {.body = body};
    size_t n = 0;
    while (n < 4 || memcmp(a.head + n - 4, "\r\n\r\n", 4) != 0) {
        ssize_t got = n < sizeof(a.head) - 1 ? recv(fd, a.head + n, 1, 0) : 0;
        if (got <= 0) {
            a.head[n] = '\0';
            return (struct answer){.body = body};
        }
        n++;
    }
    a.head[n] = '\0';
    a.status = (int)strtol(a.head + strlen("HTTP/1.1 "), NULL, 10);
    a.is_closing = strcasestr(a.head, "\r\nConnection: close") != NULL;
    const char *length = strcasestr(a.head, "\r\nContent-Length: ");
    size_t want = length ? strtoul(length + strlen("\r\nContent-Length: "), NULL, 10) : 0;
    cr_assert_lt(want, sizeof(body));
    while (a.n < want) {
        ssize_t got = recv(fd, body + a.n, want - a.n, 0);
        cr_assert_gt(got, 0, "the answer ends after %zu of %zu bytes", a.n, want);
        a.n += (size_t)got;
    }
    body[a.n] = '\0';
    return a;
}

static struct answer ask(int fd, const char *request)
{
    send_text(fd, request);
    return receive(fd);
}

/* True when the other side closes before it says anything more. */
static bool is_closed_by_peer(int fd)
{
    char c;
    return recv(fd, &c, 1, 0) <= 0;
}

static void wait_for(const atomic_int *v, int at_least)
{
    while (atomic_load(v) < at_least)
        usleep(1000);
}

TestSuite(server, .timeout = 60);

/* --- answers ---------------------------------------------------------------------------------- */

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

/* --- what is leased --------------------------------------------------------------------------- */

static const char post_abc[] = "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc";

Test(server, requests_at_once_at_the_limit_and_one_past)
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
    while (atomic_load(&server.n_in_flight) == MAX_REQUESTS)
        usleep(1000);
    cr_assert_eq(ask(other, post_abc).status, 200);
    close(other);
    stop();
}

Test(server, bodies_have_a_pool_of_their_own)
{
    start();
    int fd = dial(), first = dial();
    lease_limit(&app.ceiling.requests, 2 * (BODY_FIRST_BYTES + ARENA_PAGE_BYTES));
    send_text(first, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 65537\r\n\r\na");
    wait_for(&server.n_in_flight, 1);
    cr_assert_eq(ask(fd, post_abc).status, 200, "so far only what has come is leased");
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

Test(server, a_query_leases_its_share_and_is_503_without)
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

Test(server, connections_beyond_their_share_are_closed_before_they_cost_anything)
{
    enum { MOST = 20 };
    static int fds[MOST];
    start();
    app.ceiling.budget->limit_bytes =
        (size_t)CEILING_CONNECTIONS_SHARE * (MOST * SERVER_CONNECTION_BYTES + ARENA_PAGE_BYTES);
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

Test(server, a_url_beyond_the_pool_is_414_or_431_and_does_no_harm)
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

/* --- suspended connections -------------------------------------------------------------------- */

Test(server, a_client_that_goes_away_cancels_its_computation)
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

Test(server, stopping_with_suspended_connections_answers_them)
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

Test(server, parked_requests_are_answered_by_another_thread_in_any_order)
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

Test(server, a_request_may_be_resumed_before_its_handler_returns)
{
    start();
    int fd = dial();
    for (int i = 0; i < 200; i++)
        cr_assert_str_eq(ask(fd, "GET /park_briefly HTTP/1.1\r\nHost: x\r\n\r\n").body, "brief");
    close(fd);
    stop();
}

Test(server, a_client_that_leaves_a_parked_request_does_no_harm)
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

Test(server, stopping_waits_for_parked_requests)
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

Test(server, idle_connections_do_not_keep_it_from_stopping)
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
    static const char text[] = "GET /echo HTTP/1.1\r\nHost: x\r\n\r\n";
    bool is_open = true;
    while (is_open) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        is_open = connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0;
        if (is_open)
            (void)!send(fd, text, sizeof(text) - 1, MSG_NOSIGNAL);
        close(fd);
    }
    return NULL;
}

/* Threads that both take the listening socket out of an epoll set abort: MHD_quiesce_daemon. */
Test(server, stopping_while_clients_come_is_clean_every_time)
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
