/* The table of all paths: method and path to handler. http/README.md draws it.
 *
 * Threads: constant. */
#ifndef HG_HTTP_ROUTE_H
#define HG_HTTP_ROUTE_H

#include "http/request.h"

enum route_flag {
    ROUTE_NEEDS_STORE = 1, /* 503 until the snapshot is loaded, and while stopping */
    ROUTE_COMPUTES = 2,    /* runs on a query worker, its connection suspended meanwhile */
    ROUTE_RELIEVES = 4,    /* needs little and helps when memory is short: begins without a lease */
    /* When memory is short it may have all that queries may: then it is asked who fills it. */
    ROUTE_LEASES_ALL = 8,
    ROUTE_SHARED = 16, /* pages of other origins may read the answer (CORS) */
    /* Prometheus reads these without multipart/form-data, and refuses forms with a fault. */
    ROUTE_FORMS_ONLY = 32,
    ROUTE_READS_NEWEST = 64, /* asks for times, and so may find what it needs while others load */
};

struct route {
    const char *path; /* one segment may be a name after a colon: it stands for any segment */
    unsigned methods; /* of enum http_method */
    unsigned flags;
    void (*handle)(struct request *rq);
    /* Looks at the headers before the body is read; false when it has answered. NULL = takes all.
     */
    bool (*accept)(struct request *rq);
};

enum { ROUTES_MAX = 56 };

size_t route_count(void);
const struct route *route_at(size_t i);

/* Its place in the table; ROUTES_MAX when it is not of the table (a test's own, or NULL). */
size_t route_index(const struct route *r);

/* The route of a path (still percent-encoded, without query), or NULL. capture: see request.h. */
const struct route *route_find(const char *path, const char **ret_capture, size_t *ret_capture_len);

/* The value of an Allow header; OPTIONS is always among them. */
const char *route_allow(const struct route *r);

enum http_method route_method(const char *name);

#endif
