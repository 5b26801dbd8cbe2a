/* The server on a real socket, with routes of a test's own, and a client that is spelled out byte
 * by byte. One of each a test. */
#ifndef TESTS_UNIT_HTTP_TEST_SERVER_H
#define TESTS_UNIT_HTTP_TEST_SERVER_H

#include "http/server.h"

#include "http/app.h"
#include "http/clock.h"
#include "http/listen.h"
#include "http/route.h"
#include "test_dial.h"

#include <criterion/criterion.h>
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

static inline void handle_echo(struct request *rq)
{
    reply_text(rq, 200, "%s:%.*s", params_text(&rq->params, "q"), (int)size_min(rq->body.n, 100),
               rq->body.bytes ? rq->body.bytes : "");
}

static inline void handle_refuse(struct request *rq)
{
    reply_error(rq, API_BAD_DATA, "no");
}

/* Computes until it is told to end or its client has gone. */
static inline void handle_slow(struct request *rq)
{
    atomic_fetch_add(&n_slow_started, 1);
    while (!atomic_load(&may_slow_end) && !atomic_load(&rq->cancel))
        usleep(1000);
    if (atomic_load(&rq->cancel))
        atomic_fetch_add(&n_slow_cancelled, 1);
    reply_text(rq, 200, "slow");
}

enum { LONG_NUMBERS = 400000 };

static inline void handle_long(struct request *rq)
{
    struct chain *out = reply_chain(rq, "text/plain");
    for (uint64_t i = 0; i < LONG_NUMBERS; i++)
        chain_printf(out, "%08llu", (unsigned long long)i);
}

/* Waits for answer_parked; n_parked counts those that do. */
enum { PARKED_MAX = 64 };
static struct request *_Atomic parked[PARKED_MAX];
static atomic_int n_parked;

static inline void handle_park(struct request *rq)
{
    if (!request_park(rq)) {
        reply_text(rq, 503, "stopping");
        return;
    }
    atomic_store(&parked[atomic_fetch_add(&n_parked, 1)], rq);
}

/* Resumed before the handler returns. */
static inline void handle_park_briefly(struct request *rq)
{
    bool is_parked = request_park(rq);
    reply_text(rq, 200, "brief");
    if (is_parked)
        request_resume(rq);
}

static inline void answer_parked(int from, int to)
{
    for (int i = from; i < to; i++) {
        struct request *rq;
        while ((rq = atomic_load(&parked[i])) == NULL)
            usleep(100);
        reply_text(rq, 200, "parked:%.*s", (int)rq->body.n, rq->body.bytes ? rq->body.bytes : "");
        request_resume(rq);
    }
}

/* Which thread of the library this is. */
static inline void handle_thread(struct request *rq)
{
    reply_text(rq, 200, "%lu", (unsigned long)pthread_self());
}

static atomic_int n_held;
static atomic_bool may_go_on;

/* Keeps its thread of the library. */
static inline void handle_hold(struct request *rq)
{
    atomic_fetch_add(&n_held, 1);
    while (!atomic_load(&may_go_on))
        usleep(100);
    reply_text(rq, 200, "held");
}

static inline bool accept_none(struct request *rq)
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
    {"/newest", METHOD_GET, ROUTE_NEEDS_STORE | ROUTE_READS_NEWEST, handle_echo, NULL},
    {"/picky", METHOD_POST, 0, handle_echo, accept_none},
    {"/park", METHOD_GET | METHOD_POST, 0, handle_park, NULL},
    {"/thread", METHOD_GET, 0, handle_thread, NULL},
    {"/hold", METHOD_GET, 0, handle_hold, NULL},
    {"/park_briefly", METHOD_GET | METHOD_POST, 0, handle_park_briefly, NULL},
};

static inline const struct route *find_route(const char *path, const char **ret_capture,
                                             size_t *ret_len)
{
    *ret_capture = NULL;
    *ret_len = 0;
    for (size_t i = 0; i < ARRAY_LEN(test_routes); i++)
        if (strcmp(test_routes[i].path, path) == 0)
            return &test_routes[i];
    return NULL;
}

/* --- the server ------------------------------------------------------------------------------- */

enum { MEMORY = 64 << 20, MAX_BODY = 1 << 20, MAX_REQUESTS = 40, MAX_CONNECTIONS = 300 };

static inline void start_with(int64_t read_deadline_ms)
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
        .max_connections = MAX_CONNECTIONS,
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

static inline void start(void)
{
    start_with(60000);
}

/* Stops, and checks that nothing was forgotten. */
static inline void stop(void)
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

static inline int dial(void)
{
    return dial_port(listening.port);
}

static inline void send_bytes(int fd, const char *bytes, size_t n)
{
    while (n > 0) {
        ssize_t sent = send(fd, bytes, n, MSG_NOSIGNAL);
        cr_assert_gt(sent, 0);
        bytes += sent;
        n -= (size_t)sent;
    }
}

static inline void send_text(int fd, const char *text)
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
static inline struct answer receive(int fd)
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

static inline struct answer ask(int fd, const char *request)
{
    send_text(fd, request);
    return receive(fd);
}

static inline void wait_for(const atomic_int *v, int at_least)
{
    while (atomic_load(v) < at_least)
        usleep(1000);
}

#endif
