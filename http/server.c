/* A request is an exchange: made when its first line is there (the library's URI callback), filled
 * by the calls of the access handler, freed when its answer is through. The access handler is
 * called once when the head is there, once for each piece of the body, once at its end, and once
 * more when a suspended connection was resumed.
 *
 * Rules that the library taught us (each has a test):
 *
 * - An answer queued in the first call closes the connection, so nothing is answered there except
 *   to keep a sender from uploading a body in vain. What is refused earlier is remembered, the
 *   body is read and dropped, and the answer is given at its end.
 * - Its timeout restarts with each byte; watch.c keeps deadlines of our own.
 * - It does not look at a suspended connection: watch.c waits for the client to go away. And it
 *   aborts when it is stopped with one suspended: every worker's job, and whatever else a request
 *   was parked for, ends in a resume first.
 * - Its own threads may sleep on requests that have come, so server_loop.c turns it.
 * - It accepts unevenly, and MHD_quiesce_daemon, which would end that, aborts now and then with
 *   more than one thread. So acceptor.c accepts, and goes on while requests drain: who comes then
 *   hears 503 and is not waited for.
 * - An answer made of many pieces (iovec) aborts when the pieces' table does not fit the
 *   connection's memory; long answers are read out of their chain by a callback instead.
 * - Path and query are given to us still encoded (the unescape callback does nothing), because
 *   names in a path may contain an encoded slash. It turns "+" of a query into spaces itself. */
#include "http/server.h"

#include "http/app.h"
#include "http/clock.h"
#include "http/gzip.h"
#include "http/log.h"
#include "http/multipart.h"
#include "http/route.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    READ_BLOCK_BYTES = 32 * 1024, /* pieces of a long answer */
    HEAVY_LOG_INTERVAL_MS = 10000,
    COMPRESS_BYTES_MIN = 1024, /* a shorter answer is one packet anyway */
};

static_assert((int)SERVER_THREADS_MAX <= (int)ACCEPTOR_THREADS_MAX, "each has its count");
static_assert((int)ROUTES_MAX == METRIC_ROUTES_MAX - 1, "the last row is for unknown paths");

enum step { STEP_HEAD, STEP_BODY, STEP_ANSWERED };

struct exchange {
    struct request rq; /* first: a handler's request is its exchange */
    struct server *s;
    struct server_loop *loop;    /* that serves it */
    struct server_resume resume; /* when it was suspended */
    struct MHD_Connection *mhd;
    struct watch_connection *connection;
    slot self;
    enum step step;
    bool is_waited_for; /* it came before the stop: server_stop lets it finish */
    bool wants_body;
    bool is_in_flight; /* counted in n_in_flight */
    bool is_parked; /* its connection was suspended: when it is called again, the reply is there */
    size_t n_discarded;
    size_t body_lease_bytes, query_lease_bytes; /* given back when the request is over */
    struct job job;
    struct watch_wait wait;
    struct chain_reader reader;
    struct gzip *gzip; /* NULL: the answer goes as it is */
    bool is_shared;    /* of the API: with CORS headers */
};

/* --- connections ------------------------------------------------------------------------------ */

struct connection {
    struct watch_connection watch;
    unsigned thread; /* that serves it */
    slot self;
};

static int fd_of(struct MHD_Connection *mhd)
{
    return MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
}

static void connection_begin(const struct server_thread *t, struct MHD_Connection *mhd,
                             void **context)
{
    struct server *s = t->s;
    struct app *app = s->o.app;
    int fd = fd_of(mhd);
    pthread_mutex_lock(&s->lock);
    slot self = pool_get(&app->arena, &s->connections);
    pthread_mutex_unlock(&s->lock);
    *context = NULL;
    acceptor_begun(&s->acceptor, fd);
    if (self == 0) {
        acceptor_ended(&s->acceptor, t->index);
        shutdown(fd, SHUT_RDWR); /* no memory for one more */
        return;
    }
    struct connection *c = slot_ptr(&app->arena, self);
    c->self = self;
    c->thread = t->index;
    watch_open(&s->watch, &c->watch, fd, clock_boot_ms() + s->o.read_deadline_ms);
    atomic_fetch_add(&app->metrics.connections, 1);
    *context = c;
}

static void connection_end(struct server *s, struct connection *c)
{
    struct app *app = s->o.app;
    watch_close(&s->watch, &c->watch);
    acceptor_ended(&s->acceptor, c->thread);
    pthread_mutex_lock(&s->lock);
    pool_put(&app->arena, &s->connections, c->self);
    pthread_mutex_unlock(&s->lock);
    atomic_fetch_sub(&app->metrics.connections, 1);
}

static void on_connection(void *cls, struct MHD_Connection *mhd, void **context,
                          enum MHD_ConnectionNotificationCode what)
{
    struct server_thread *t = cls;
    if (what == MHD_CONNECTION_NOTIFY_STARTED)
        connection_begin(t, mhd, context);
    else if (*context)
        connection_end(t->s, *context);
}

/* --- the life of an exchange ------------------------------------------------------------------ */

/* The first line of a request has come. */
static void *on_uri(void *cls, const char *uri, struct MHD_Connection *mhd)
{
    struct server *s = cls;
    struct app *app = s->o.app;
    (void)uri;
    struct connection *c =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
    if (!c)
        return NULL;
    pthread_mutex_lock(&s->lock);
    slot self = pool_get(&app->arena, &s->exchanges);
    pthread_mutex_unlock(&s->lock);
    if (self == 0)
        return NULL;
    struct exchange *x = slot_ptr(&app->arena, self);
    memset(x, 0, sizeof(*x));
    x->s = s;
    x->loop = &s->threads[c->thread].loop;
    x->self = self;
    x->mhd = mhd;
    x->connection = &c->watch;
    x->rq.app = app;
    x->rq.arrived_boot_ns = clock_boot_ns();
    region_init(&x->rq.region, &app->arena, app->owner_requests, 0);
    region_start_small(&x->rq.region);
    body_init(&x->rq.body, &app->arena, app->owner_requests);
    params_init(&x->rq.params, &x->rq.region);
    watch_deadline(x->connection, x->rq.arrived_boot_ns / 1000000 + s->o.read_deadline_ms);
    x->is_waited_for = app_phase(app) != APP_STOPPING;
    if (x->is_waited_for)
        atomic_fetch_add(&s->n_active, 1);
    return x;
}

static void on_completed(void *cls, struct MHD_Connection *mhd, void **context,
                         enum MHD_RequestTerminationCode how)
{
    struct server *s = cls;
    struct exchange *x = *context;
    (void)mhd;
    (void)how;
    if (!x)
        return;
    struct request *rq = &x->rq;
    int64_t now_ns = clock_boot_ns();
    if (rq->reply.status != 0)
        metrics_observe_request(&s->o.app->metrics, route_index(rq->route), rq->reply.status,
                                (uint64_t)i64_max(now_ns - rq->arrived_boot_ns, 0));
    watch_deadline(x->connection, now_ns / 1000000 + s->o.idle_deadline_ms);
    region_release(&rq->region);
    body_release(&rq->body);
    lease_give(&s->o.app->ceiling.requests, x->body_lease_bytes);
    lease_give(&s->o.app->ceiling.queries, x->query_lease_bytes);
    if (x->is_in_flight)
        atomic_fetch_sub(&s->n_in_flight, 1);
    bool is_waited_for = x->is_waited_for;
    pthread_mutex_lock(&s->lock);
    pool_put(&s->o.app->arena, &s->exchanges, x->self);
    pthread_mutex_unlock(&s->lock);
    *context = NULL;
    if (is_waited_for)
        atomic_fetch_sub(&s->n_active, 1);
}

/* --- answering -------------------------------------------------------------------------------- */

static const char *header(struct MHD_Connection *mhd, const char *name)
{
    return MHD_lookup_connection_value(mhd, MHD_HEADER_KIND, name);
}

static ssize_t on_read(void *cls, uint64_t at, char *out, size_t size)
{
    struct exchange *x = cls;
    (void)at; /* always where the last call ended */
    size_t n = chain_read(&x->rq.reply.chain, &x->reader, out, size);
    return n > 0 ? (ssize_t)n : MHD_CONTENT_READER_END_OF_STREAM;
}

static ssize_t on_read_packed(void *cls, uint64_t at, char *out, size_t size)
{
    struct exchange *x = cls;
    (void)at;
    size_t n = gzip_read(x->gzip, out, size);
    return n > 0 ? (ssize_t)n : MHD_CONTENT_READER_END_OF_STREAM;
}

/* Whether the answer is text that has not been compressed yet. */
static bool is_packable(const struct reply *r)
{
    return r->is_chain && r->chain.n_bytes >= COMPRESS_BYTES_MIN && r->content_type &&
           (strncmp(r->content_type, "application/json", 16) == 0 ||
            strncmp(r->content_type, "text/", 5) == 0);
}

/* Compresses while it is sent, in fixed memory; without that memory the answer goes as it is. */
static struct MHD_Response *make_packed(struct exchange *x)
{
    const struct reply *r = &x->rq.reply;
    enum gzip_coding coding = gzip_negotiate(header(x->mhd, MHD_HTTP_HEADER_ACCEPT_ENCODING));
    if (coding == GZIP_NONE || !is_packable(r))
        return NULL;
    x->gzip = gzip_open(&x->rq.region, &r->chain, coding);
    if (!x->gzip)
        return NULL;
    struct MHD_Response *response = MHD_create_response_from_callback(
        MHD_SIZE_UNKNOWN, READ_BLOCK_BYTES, on_read_packed, x, NULL);
    if (response)
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_ENCODING,
                                gzip_coding_text(coding));
    return response;
}

/* As Prometheus' httputil.SetCORS. */
static void add_sharing(struct exchange *x, struct MHD_Response *response)
{
    const struct app *app = x->rq.app;
    const char *origin = header(x->mhd, MHD_HTTP_HEADER_ORIGIN);
    if (!x->is_shared)
        return;
    MHD_add_response_header(response, MHD_HTTP_HEADER_VARY, "Origin");
    if (!origin)
        return;
    MHD_add_response_header(response, "Access-Control-Allow-Headers",
                            "Accept, Authorization, Content-Type, Origin");
    MHD_add_response_header(response, "Access-Control-Allow-Methods", "GET, POST, OPTIONS");
    MHD_add_response_header(response, "Access-Control-Expose-Headers", "Date");
    if (app->cors && pattern_matches(app->cors, origin, strlen(origin)))
        MHD_add_response_header(response, "Access-Control-Allow-Origin", origin);
}

static struct MHD_Response *make_response(struct exchange *x)
{
    struct MHD_Response *packed = make_packed(x);
    if (packed)
        return packed;
    const struct reply *r = &x->rq.reply;
    const char *bytes = r->bytes;
    size_t n = r->n_bytes;
    if (r->is_chain && r->chain.expand) /* how long it will be is not known */
        return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, READ_BLOCK_BYTES, on_read, x,
                                                 NULL);
    if (r->is_chain && r->chain.first != r->chain.last)
        return MHD_create_response_from_callback(r->chain.n_bytes, READ_BLOCK_BYTES, on_read, x,
                                                 NULL);
    if (r->is_chain) {
        bytes = r->chain.first ? r->chain.first->bytes : "";
        n = r->chain.n_bytes;
    }
    /* the library promises not to write to it */
    return MHD_create_response_from_buffer(n, (void *)(uintptr_t)bytes, MHD_RESPMEM_PERSISTENT);
}

static enum MHD_Result send_reply(struct exchange *x)
{
    const struct reply *r = &x->rq.reply;
    struct MHD_Response *response = make_response(x);
    if (!response)
        return MHD_NO;
    x->step = STEP_ANSWERED;
    if (r->content_type)
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, r->content_type);
    for (size_t i = 0; i < r->n_headers; i++)
        MHD_add_response_header(response, r->headers[i].name, r->headers[i].value);
    if (is_packable(r))
        MHD_add_response_header(response, MHD_HTTP_HEADER_VARY, MHD_HTTP_HEADER_ACCEPT_ENCODING);
    add_sharing(x, response);
    if (app_phase(x->rq.app) == APP_STOPPING)
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
    enum MHD_Result ok = MHD_queue_response(x->mhd, (unsigned)r->status, response);
    MHD_destroy_response(response);
    return ok;
}

static void refuse_memory(struct request *rq)
{
    reply_header(rq, "Retry-After", "5");
    reply_text(rq, 503, "out of memory (--storage.memory-limit); try again later\n");
}

static void refuse_size(struct exchange *x)
{
    reply_text(&x->rq, 400,
               "the body is longer than the limit of %zu bytes (--web.max-body-size)\n",
               x->s->o.max_body_bytes);
}

static void refuse_lease(struct request *rq, const struct lease_pool *p, const char *whose)
{
    reply_header(rq, "Retry-After", "1");
    reply_text(rq, 503,
               "the memory for %s is used up, %zu of %zu bytes (--storage.memory-limit); try again "
               "later\n",
               whose, atomic_load(&p->leased_bytes), atomic_load(&p->limit_bytes));
}

static void refuse_in_flight(struct exchange *x)
{
    metrics_add(&x->rq.app->metrics, METRIC_REQUESTS_REFUSED, 1);
    reply_header(&x->rq, "Retry-After", "1");
    reply_text(&x->rq, 503,
               "%u requests are being worked on, the limit (--web.max-requests); try again later\n",
               x->s->o.max_requests);
}

/* --- computing on a worker -------------------------------------------------------------------- */

/* Before it begins, so that it need not fail half way for others' sake. */
static bool lease_memory(struct exchange *x)
{
    struct request *rq = &x->rq;
    struct ceiling *c = &rq->app->ceiling;
    bool has_all = (rq->route->flags & ROUTE_LEASES_ALL) && ceiling_stage(c) != CEILING_NORMAL;
    x->query_lease_bytes = ceiling_lease_query(c, has_all ? 1 : c->n_workers);
    rq->memory_bytes = x->query_lease_bytes;
    if (rq->memory_bytes == 0 && (rq->route->flags & ROUTE_RELIEVES))
        rq->memory_bytes = CEILING_LEASE_BYTES_MIN; /* as many as there are workers, at most */
    rq->region.limit_bytes = rq->region.taken_bytes + rq->memory_bytes; /* parameters are there */
    return rq->memory_bytes > 0;
}

static void refuse_query(struct request *rq)
{
    const struct lease_pool *p = &rq->app->ceiling.queries;
    reply_header(rq, "Retry-After", "5");
    reply_error(rq, API_UNAVAILABLE,
                "no memory is left for this query: running ones and answers on their way have %zu "
                "of %zu bytes (--query.max-memory, less when memory is short); try again later",
                atomic_load(&p->leased_bytes), atomic_load(&p->limit_bytes));
    rq->reply.status = 503;
}

/* A client that reads its answer slowly holds no more than that. */
static void keep_lease_of_answer(struct exchange *x)
{
    size_t kept = size_min(x->query_lease_bytes, x->rq.region.taken_bytes);
    lease_give(&x->rq.app->ceiling.queries, x->query_lease_bytes - kept);
    x->query_lease_bytes = kept;
}

/* What is asked, in the list of what is under way: the query, or the first selector. */
static void enter_queries(struct request *rq)
{
    const struct param *text = params_next(&rq->params, "query", NULL);
    if (!text)
        text = params_next(&rq->params, "match[]", NULL);
    queries_enter(&rq->app->queries, &rq->query, rq->route->path, text ? text->value : "",
                  text ? text->value_len : 0, rq->arrived_boot_ns, &rq->region, &rq->cancel);
}

/* One line in ten seconds; the list has them all. */
static void leave_queries(struct request *rq)
{
    static struct log_gate gate;
    struct query_row row;
    uint64_t held;
    int64_t now_ns = clock_boot_ns();
    if (!queries_leave(&rq->app->queries, &rq->query, rq->reply.status, now_ns, &row) ||
        !log_gate_open(&gate, now_ns / 1000000, HEAVY_LOG_INTERVAL_MS, &held))
        return;
    LOG_INFO("Heavy query.", log_text("path", row.path), log_text("query", row.text),
             log_i64("status", row.status), log_seconds("seconds", (uint64_t)row.ran_ns / 1000000),
             log_u64("bytes", row.bytes), log_u64("samples", row.n_samples),
             log_u64("queries_not_logged", held));
}

static void run_job(struct job *job)
{
    struct exchange *x = (struct exchange *)(void *)((char *)job - offsetof(struct exchange, job));
    struct request *rq = &x->rq;
    queries_start(&rq->app->queries, &rq->query, clock_boot_ns());
    if (atomic_load(&rq->cancel))
        reply_error(rq, API_CANCELED, "query was canceled in query queue");
    else if (!lease_memory(x))
        refuse_query(rq);
    else
        rq->route->handle(rq);
    leave_queries(rq);
    keep_lease_of_answer(x);
    watch_wait_end(&x->s->watch, &x->wait);
    atomic_fetch_sub(&rq->app->metrics.queries_running, 1);
    server_loop_resume(x->loop, &x->resume, x->mhd); /* x may be gone from here on */
}

static enum MHD_Result compute(struct exchange *x)
{
    struct request *rq = &x->rq;
    x->job.run = run_job;
    x->is_parked = true;
    atomic_fetch_add(&rq->app->metrics.queries_running, 1);
    enter_queries(rq);
    watch_wait_begin(&x->s->watch, &x->wait, fd_of(x->mhd), &rq->cancel);
    MHD_suspend_connection(x->mhd);
    if (workers_submit(&x->s->workers, &x->job))
        return MHD_YES;
    atomic_fetch_sub(&rq->app->metrics.queries_running, 1);
    watch_wait_end(&x->s->watch, &x->wait);
    reply_unready(rq);
    leave_queries(rq);
    server_loop_resume(x->loop, &x->resume, x->mhd);
    return MHD_YES;
}

/* --- waiting for something else --------------------------------------------------------------- */

bool request_park(struct request *rq)
{
    struct exchange *x = (struct exchange *)(void *)rq;
    atomic_fetch_add(&x->s->n_parked, 1); /* before the look: who closes looks at this behind it */
    if (atomic_load(&x->s->is_closing)) {
        atomic_fetch_sub(&x->s->n_parked, 1);
        return false;
    }
    x->is_parked = true;
    MHD_suspend_connection(x->mhd);
    return true;
}

void request_resume(struct request *rq)
{
    struct exchange *x = (struct exchange *)(void *)rq;
    struct server *s = x->s;
    server_loop_resume(x->loop, &x->resume, x->mhd); /* x may be gone from here on */
    atomic_fetch_sub(&s->n_parked, 1);
}

/* --- receiving -------------------------------------------------------------------------------- */

/* Below /api/v1 there is an answer for every path, as in Prometheus: a browser asks before it
 * sends. */
static void answer_options(struct exchange *x, bool is_below_api)
{
    struct request *rq = &x->rq;
    if (!is_below_api)
        reply_header(rq, "Allow", route_allow(rq->route));
    x->is_shared = is_below_api;
    reply_static(rq, is_below_api ? 204 : 200, NULL, "", 0);
}

static bool takes_body(const struct request *rq)
{
    return rq->method == METHOD_POST || rq->method == METHOD_PUT;
}

/* For a body of so many bytes, with the first page of the region. What is only declared is not
 * leased, or three senders that say 32 MiB and fall silent would shut out all others. */
static bool lease_body(struct exchange *x, size_t body_bytes)
{
    struct lease_pool *p = &x->s->o.app->ceiling.requests;
    size_t bytes = body_capacity(body_bytes) + ARENA_PAGE_BYTES;
    if (bytes <= x->body_lease_bytes)
        return true;
    if (!lease_grow(p, x->body_lease_bytes, bytes - x->body_lease_bytes))
        return false;
    x->body_lease_bytes = bytes;
    return true;
}

static bool enter_flight(struct exchange *x)
{
    x->is_in_flight = true; /* also when it is refused: the count is given back at its end */
    return (unsigned)atomic_fetch_add(&x->s->n_in_flight, 1) < x->s->o.max_requests;
}

static bool can_answer(struct app *app, const struct route *r)
{
    enum app_phase phase = app_phase(app);
    return phase == APP_READY || (phase == APP_STARTING && (r->flags & ROUTE_READS_NEWEST) &&
                                  atomic_load(&app->has_newest));
}

/* Decides by the head alone; leaves a reply when the request is refused. */
static void check_head(struct exchange *x, const char *path, size_t content_length)
{
    struct request *rq = &x->rq;
    static const char api[] = "/api/v1/";
    bool is_below_api = strncmp(path, api, sizeof(api) - 1) == 0;
    if (rq->method == METHOD_OPTIONS && (rq->route || is_below_api)) {
        answer_options(x, is_below_api);
    } else if (!rq->route) {
        reply_header(rq, "X-Content-Type-Options", "nosniff");
        reply_text(rq, 404, "404 page not found\n");
    } else if (!(rq->route->methods & rq->method)) {
        reply_header(rq, "Allow", route_allow(rq->route));
        reply_header(rq, "X-Content-Type-Options", "nosniff");
        reply_text(rq, 405, "Method Not Allowed\n");
    } else if ((rq->route->flags & ROUTE_NEEDS_STORE) && !can_answer(rq->app, rq->route)) {
        reply_unready(rq);
    } else if (rq->route->accept && !rq->route->accept(rq)) {
        assert(rq->reply.status != 0);
    } else if (content_length > x->s->o.max_body_bytes) {
        refuse_size(x);
    } else if (((rq->route->flags & ROUTE_COMPUTES) || takes_body(rq)) && !enter_flight(x)) {
        refuse_in_flight(x);
    } else if (x->is_in_flight && !lease_body(x, content_length > 0)) {
        refuse_lease(rq, &rq->app->ceiling.requests, "requests on their way");
    }
    if (rq->route && (rq->route->methods & rq->method))
        x->is_shared = rq->route->flags & ROUTE_SHARED;
}

/* A sender that is cut off while it sends takes that for a fault of the network and comes back with
 * the same body for ever; one that hears 400 drops it. So refused bodies are read, within reason.
 */
static size_t discard_max(const struct server *s)
{
    return 2 * s->o.max_body_bytes + SERVER_DISCARD_BYTES_MIN;
}

static enum MHD_Result take_head(struct exchange *x, const char *path, const char *method)
{
    struct request *rq = &x->rq;
    const char *length = header(x->mhd, MHD_HTTP_HEADER_CONTENT_LENGTH);
    const char *expect = header(x->mhd, MHD_HTTP_HEADER_EXPECT);
    size_t content_length = length ? strtoull(length, NULL, 10) : 0;
    x->step = STEP_BODY;
    rq->method = route_method(method);
    rq->route = x->s->o.find_route(path, &rq->capture, &rq->capture_len);
    rq->content_type = header(x->mhd, MHD_HTTP_HEADER_CONTENT_TYPE);
    rq->content_encoding = header(x->mhd, MHD_HTTP_HEADER_CONTENT_ENCODING);
    rq->accept = header(x->mhd, MHD_HTTP_HEADER_ACCEPT);
    check_head(x, path, content_length);
    bool is_refused = rq->reply.status != 0;
    x->wants_body = !is_refused && takes_body(rq);
    bool is_waiting = expect && strcasecmp(expect, "100-continue") == 0;
    if (is_refused && (is_waiting || content_length > discard_max(x->s)))
        return send_reply(x);
    return MHD_YES;
}

static enum MHD_Result take_body(struct exchange *x, const char *bytes, size_t n)
{
    struct request *rq = &x->rq;
    size_t max = x->s->o.max_body_bytes;
    if (x->wants_body && n > max - rq->body.n) {
        refuse_size(x);
        x->wants_body = false;
    }
    if (x->wants_body && !lease_body(x, rq->body.n + n)) {
        refuse_lease(rq, &rq->app->ceiling.requests, "requests on their way");
        x->wants_body = false;
    }
    if (x->wants_body && body_append(&rq->body, bytes, n))
        return MHD_YES;
    if (x->wants_body) {
        refuse_memory(rq);
        x->wants_body = false;
    }
    body_release(&rq->body);
    x->n_discarded += n;
    return x->n_discarded > discard_max(x->s) ? MHD_NO : MHD_YES;
}

static enum MHD_Result on_argument(void *cls, enum MHD_ValueKind kind, const char *key,
                                   size_t key_len, const char *value, size_t value_len)
{
    (void)kind;
    params_add_encoded(cls, key, key_len, value ? value : "", value_len, false);
    return MHD_YES;
}

static enum MHD_Result dispatch(struct exchange *x)
{
    struct request *rq = &x->rq;
    watch_deadline(x->connection, 0);
    if (rq->reply.status != 0)
        return send_reply(x);
    if (x->wants_body && params_is_form(rq->content_type) && rq->body.n > 0)
        params_add_form(&rq->params, rq->body.bytes, rq->body.n);
    MHD_get_connection_values_n(x->mhd, MHD_GET_ARGUMENT_KIND, on_argument, &rq->params);
    if (x->wants_body && rq->body.n > 0 && !(rq->route->flags & ROUTE_FORMS_ONLY))
        multipart_add(&rq->params, rq->content_type, rq->body.bytes, rq->body.n);
    if (rq->route->flags & ROUTE_COMPUTES)
        return compute(x);
    rq->route->handle(rq);
    return x->is_parked ? MHD_YES : send_reply(x);
}

static enum MHD_Result on_access(void *cls, struct MHD_Connection *mhd, const char *path,
                                 const char *method, const char *version, const char *upload,
                                 size_t *upload_bytes, void **context)
{
    struct exchange *x = *context;
    (void)cls;
    (void)mhd;
    (void)version;
    if (!x)
        return MHD_NO; /* no memory for it */
    if (x->step == STEP_HEAD)
        return take_head(x, path, method);
    if (*upload_bytes > 0) {
        size_t n = *upload_bytes;
        *upload_bytes = 0;
        return x->step == STEP_BODY ? take_body(x, upload, n) : MHD_YES;
    }
    if (x->step == STEP_BODY && x->is_parked) /* resumed: the reply is filled */
        return send_reply(x);
    return x->step == STEP_BODY ? dispatch(x) : MHD_YES;
}

/* --- start and stop --------------------------------------------------------------------------- */

static size_t keep_encoded(void *cls, struct MHD_Connection *mhd, char *text)
{
    (void)cls;
    (void)mhd;
    return strlen(text);
}

static void PRINTF_LIKE(2, 0) on_log(void *cls, const char *format, va_list args)
{
    char text[512];
    (void)cls;
    vsnprintf(text, sizeof(text), format, args);
    text[strcspn(text, "\n")] = '\0';
    LOG_DEBUG("HTTP library.", log_text("message", text));
}

static struct MHD_Daemon *make_daemon(struct server_thread *t)
{
    struct server *s = t->s;
    return MHD_start_daemon(
        MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0,
        NULL, NULL, on_access, s, MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL,
        MHD_OPTION_CONNECTION_LIMIT, s->o.max_connections + 1, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)SERVER_CONNECTION_POOL_BYTES, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)SERVER_SEND_TIMEOUT_S, MHD_OPTION_URI_LOG_CALLBACK, on_uri, s,
        MHD_OPTION_UNESCAPE_CALLBACK, keep_encoded, NULL, MHD_OPTION_NOTIFY_COMPLETED, on_completed,
        s, MHD_OPTION_NOTIFY_CONNECTION, on_connection, t, MHD_OPTION_END);
}

static void stop_threads(struct server *s, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        server_loop_stop(&s->threads[i].loop);
}

static bool start_threads(struct server *s)
{
    for (unsigned i = 0; i < s->o.n_threads; i++) {
        struct server_thread *t = &s->threads[i];
        *t = (struct server_thread){.s = s, .index = i};
        struct MHD_Daemon *daemon = make_daemon(t);
        if (daemon && server_loop_start(&t->loop, daemon, &s->acceptor, i))
            continue;
        stop_threads(s, i);
        return false;
    }
    return true;
}

static void wake(void *ctx, unsigned thread)
{
    struct server *s = ctx;
    server_loop_wake(&s->threads[thread].loop);
}

static bool make_acceptor(struct server *s)
{
    const struct acceptor_options options = {
        .ceiling = &s->o.app->ceiling,
        .arena = &s->o.app->arena,
        .owner = s->o.app->owner_connections,
        .listen_fd = s->o.listen_fd,
        .n_threads = s->o.n_threads,
        .max_connections = s->o.max_connections,
        .connection_bytes = SERVER_CONNECTION_BYTES,
        .wake = wake,
        .ctx = s,
    };
    return acceptor_init(&s->acceptor, &options);
}

static void release(struct server *s)
{
    struct app *app = s->o.app;
    pool_drop(&app->arena, &s->exchanges);
    pool_drop(&app->arena, &s->connections);
    pthread_mutex_destroy(&s->lock);
}

bool server_start(struct server *s, const struct server_options *o)
{
    struct app *app = o->app;
    assert(o->n_threads >= 1 && o->n_threads <= SERVER_THREADS_MAX);
    memset(s, 0, sizeof(*s));
    s->o = *o;
    if (s->o.read_deadline_ms == 0)
        s->o.read_deadline_ms = SERVER_READ_DEADLINE_MS;
    if (s->o.idle_deadline_ms == 0)
        s->o.idle_deadline_ms = SERVER_IDLE_DEADLINE_MS;
    if (!s->o.find_route)
        s->o.find_route = route_find;
    if (s->o.max_requests == 0)
        s->o.max_requests = SERVER_REQUESTS_MAX;
    if (s->o.drain_ms == 0)
        s->o.drain_ms = SERVER_DRAIN_MS;
    pthread_mutex_init(&s->lock, NULL);
    pool_init(&s->exchanges, align_up(sizeof(struct exchange), POOL_SLOT_ALIGN),
              app->owner_requests);
    pool_init(&s->connections, align_up(sizeof(struct connection), POOL_SLOT_ALIGN),
              app->owner_connections);
    int64_t sweep_ms = i64_max(i64_min(s->o.read_deadline_ms / 4, 1000), 10);
    if (!watch_start(&s->watch, sweep_ms, &app->metrics.counters[METRIC_CONNECTIONS_CUT]))
        goto fail;
    if (!workers_start(&s->workers, o->n_workers))
        goto fail_workers;
    if (!make_acceptor(s))
        goto fail_acceptor;
    if (!start_threads(s))
        goto fail_threads;
    if (acceptor_start(&s->acceptor))
        return true;
    stop_threads(s, o->n_threads);
fail_threads:
    acceptor_release(&s->acceptor);
fail_acceptor:
    workers_stop(&s->workers);
    workers_release(&s->workers);
fail_workers:
    watch_stop(&s->watch);
fail:
    release(s);
    close(s->o.listen_fd);
    return false;
}

/* Waits for requests under way; true when there are none. */
static bool drain(struct server *s)
{
    int64_t until = clock_boot_ms() + s->o.drain_ms;
    while (atomic_load(&s->n_active) > 0) {
        if (clock_boot_ms() >= until)
            return false;
        usleep(5000);
    }
    return true;
}

void server_stop(struct server *s)
{
    assert(app_phase(s->o.app) == APP_STOPPING);
    if (!drain(s)) {
        watch_cancel_all(&s->watch);
        drain(s);
    }
    watch_cancel_all(&s->watch);
    workers_stop(&s->workers);
    atomic_store(&s->is_closing, true);
    while (atomic_load(&s->n_parked) > 0)
        usleep(1000);            /* every suspended connection is resumed now */
    drain(s);                    /* resumed is not answered: the loops still have to send it */
    acceptor_stop(&s->acceptor); /* so far, who came heard 503 */
    stop_threads(s, s->o.n_threads);
    workers_release(&s->workers); /* so far, the loops asked it */
    acceptor_release(&s->acceptor);
    watch_stop(&s->watch);
    release(s);
}
