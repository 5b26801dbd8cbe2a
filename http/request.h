/* One request as a handler sees it; nothing in it knows the HTTP library.
 *
 * The server fills it before the handler runs, the handler fills `reply`, and everything is dropped
 * once the answer has been sent. What a handler makes for its answer lives in `region`.
 *
 * Threads: one at a time; `cancel` may be set from another. */
#ifndef HG_HTTP_REQUEST_H
#define HG_HTTP_REQUEST_H

#include "alloc/region.h"
#include "http/body.h"
#include "http/params.h"
#include "http/queries.h"
#include "http/reply.h"

#include <stdatomic.h>

struct app;
struct route;

enum http_method {
    METHOD_OTHER = 0,
    METHOD_GET = 1,
    METHOD_HEAD = 2,
    METHOD_POST = 4,
    METHOD_PUT = 8,
    METHOD_DELETE = 16,
    METHOD_OPTIONS = 32, /* answered by the server itself, for every route */
};

struct request {
    struct app *app;
    const struct route *route; /* NULL: no such path */
    enum http_method method;
    const char *capture; /* the part of the path that stands for the route's :name, encoded */
    size_t capture_len;
    const char *content_type; /* headers, or NULL */
    const char *content_encoding;
    const char *accept;
    struct params params;
    struct body body;
    struct region region;
    size_t memory_bytes;     /* leased for what it computes and for its answer, together */
    atomic_bool cancel;      /* the client has gone, or the server stops */
    int64_t arrived_boot_ns; /* when its first line was there */
    struct query query;      /* while it computes */
    struct reply reply;
};

/* For a handler that has to wait for something else than a worker: from request_park on the request
 * is set aside, the handler returns without an answer, and whoever has it fills `reply` and calls
 * request_resume, once, from any thread, even before the handler has returned. After that the
 * request may be gone. The end of the server waits for it; false, and the handler answers, when it
 * would come too late for that. */
bool request_park(struct request *rq) WARN_UNUSED;
void request_resume(struct request *rq);

#endif
