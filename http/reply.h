/* What a handler answers: status, headers and a body that is a literal, text in the request's
 * region, or a chain; and the envelope that Prometheus' API puts around data and errors.
 *
 *     struct json j;
 *     reply_begin(rq, &j);          {"status":"success","data":
 *     ... exactly one value ...
 *     reply_end(rq, &j);            }
 *
 * Threads: those of the request. */
#ifndef HG_HTTP_REPLY_H
#define HG_HTTP_REPLY_H

#include "http/json.h"

struct request;

enum { REPLY_HEADERS_MAX = 6, REPLY_NUMBERS_MAX = 2, REPLY_TEXT_MAX = 1088 };

struct reply {
    int status;               /* HTTP; 0 = the handler has not answered */
    const char *content_type; /* NULL = none */
    const char *bytes;        /* the body when chain is not used; a literal or in the region */
    size_t n_bytes;
    struct chain chain;
    bool is_chain;
    struct {
        const char *name, *value; /* literals, or in the region */
    } headers[REPLY_HEADERS_MAX];
    size_t n_headers;
    char numbers[REPLY_NUMBERS_MAX][24]; /* of reply_header_u64: it takes no memory either */
    size_t n_numbers;
    char text[REPLY_TEXT_MAX]; /* of reply_text: it must work when memory is exhausted */
};

enum api_error {
    API_BAD_DATA,    /* 400 */
    API_EXECUTION,   /* 422 */
    API_TIMEOUT,     /* 503 */
    API_CANCELED,    /* 499 */
    API_INTERNAL,    /* 500 */
    API_UNAVAILABLE, /* 500, as Prometheus has it */
    API_NOT_FOUND,   /* 404 */
};

/* Text and status of an error, e.g. "bad_data" and 400. */
const char *api_error_text(enum api_error e);
int api_error_status(enum api_error e);

void reply_header(struct request *rq, const char *name, const char *value);

/* The same with a number; at most REPLY_NUMBERS_MAX of them. */
void reply_header_u64(struct request *rq, const char *name, uint64_t value);

/* A body that outlives the request: a literal. */
void reply_static(struct request *rq, int status, const char *content_type, const char *bytes,
                  size_t n);

/* Plain text by format, cut to REPLY_TEXT_MAX - 1 bytes. Takes no memory. */
void reply_text(struct request *rq, int status, const char *format, ...) PRINTF_LIKE(3, 4);

/* 503 as Prometheus gives it while it is not ready yet, or not any more. */
void reply_unready(struct request *rq);

/* {"status":"error",...}; at most 2 KiB of text, and without memory half of that. */
void reply_error(struct request *rq, enum api_error e, const char *format, ...) PRINTF_LIKE(3, 4);

/* A 200 with a chain to fill. */
struct chain *reply_chain(struct request *rq, const char *content_type);

void reply_begin(struct request *rq, struct json *j);
void reply_end(struct request *rq, struct json *j);

/* The same with "warnings" and "infos", each left out when empty. */
void reply_end_annotated(struct request *rq, struct json *j, const char *const *warnings,
                         size_t n_warnings, const char *const *infos, size_t n_infos);

#endif
