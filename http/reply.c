#include "http/reply.h"

#include "http/app.h"
#include "http/request.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *text;
    int status;
} errors[] = {
    [API_BAD_DATA] = {"bad_data", 400},   [API_EXECUTION] = {"execution", 422},
    [API_TIMEOUT] = {"timeout", 503},     [API_CANCELED] = {"canceled", 499},
    [API_INTERNAL] = {"internal", 500},   [API_UNAVAILABLE] = {"unavailable", 500},
    [API_NOT_FOUND] = {"not_found", 404},
};

const char *api_error_text(enum api_error e)
{
    return errors[e].text;
}

int api_error_status(enum api_error e)
{
    return errors[e].status;
}

void reply_header(struct request *rq, const char *name, const char *value)
{
    struct reply *r = &rq->reply;
    assert(r->n_headers < REPLY_HEADERS_MAX);
    r->headers[r->n_headers].name = name;
    r->headers[r->n_headers].value = value;
    r->n_headers++;
}

void reply_header_u64(struct request *rq, const char *name, uint64_t value)
{
    struct reply *r = &rq->reply;
    assert(r->n_numbers < REPLY_NUMBERS_MAX);
    char *text = r->numbers[r->n_numbers++];
    snprintf(text, sizeof(r->numbers[0]), "%" PRIu64, value);
    reply_header(rq, name, text);
}

void reply_static(struct request *rq, int status, const char *content_type, const char *bytes,
                  size_t n)
{
    struct reply *r = &rq->reply;
    r->status = status;
    r->content_type = content_type;
    r->bytes = bytes;
    r->n_bytes = n;
    r->is_chain = false;
}

void reply_text(struct request *rq, int status, const char *format, ...)
{
    char *text = rq->reply.text;
    va_list args;
    va_start(args, format);
    vsnprintf(text, REPLY_TEXT_MAX, format, args);
    va_end(args);
    reply_static(rq, status, "text/plain; charset=utf-8", text, strlen(text));
}

void reply_unready(struct request *rq)
{
    bool is_stopping = app_phase(rq->app) == APP_STOPPING;
    reply_header(rq, "X-Prometheus-Stopping", is_stopping ? "true" : "false");
    reply_header(rq, "Retry-After", "1");
    reply_text(rq, 503, "Service Unavailable");
}

struct chain *reply_chain(struct request *rq, const char *content_type)
{
    struct reply *r = &rq->reply;
    r->status = 200;
    r->content_type = content_type;
    r->is_chain = true;
    chain_init(&r->chain, &rq->region);
    return &r->chain;
}

/* As JSON has it; what does not fit is cut off, between characters. */
static size_t put_text(char *out, size_t size, const char *text)
{
    size_t n = 0;
    for (; *text != '\0' && n + 2 <= size; text++) {
        if (*text == '"' || *text == '\\')
            out[n++] = '\\';
        out[n++] = (unsigned char)*text < ' ' ? ' ' : *text;
    }
    if (*text == '\0')
        return n;
    while (n > 0 && (out[n - 1] & 0xc0) == 0x80)
        n--;
    return n > 0 && (out[n - 1] & 0x80) ? n - 1 : n;
}

/* An error that needs no memory, for when there is none. */
static void reply_no_memory(struct request *rq, enum api_error e, const char *text)
{
    static const char end[] = "\"}";
    char *out = rq->reply.text;
    int head = snprintf(out, REPLY_TEXT_MAX,
                        "{\"status\":\"error\",\"errorType\":\"%s\",\"error\":\"", errors[e].text);
    size_t n = (size_t)head;
    n += put_text(out + n, REPLY_TEXT_MAX - n - sizeof(end), text);
    memcpy(out + n, end, sizeof(end));
    reply_static(rq, errors[e].status, "application/json", out, n + sizeof(end) - 1);
}

void reply_error(struct request *rq, enum api_error e, const char *format, ...)
{
    char text[2048];
    struct json j;
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    json_init(&j, reply_chain(rq, "application/json"));
    rq->reply.status = errors[e].status;
    json_object(&j);
    json_key(&j, "status");
    json_string(&j, "error");
    json_key(&j, "errorType");
    json_string(&j, errors[e].text);
    json_key(&j, "error");
    json_string(&j, text);
    json_object_end(&j);
    if (chain_failed(j.out))
        reply_no_memory(rq, e, text);
}

void reply_begin(struct request *rq, struct json *j)
{
    json_init(j, reply_chain(rq, "application/json"));
    json_object(j);
    json_key(j, "status");
    json_string(j, "success");
    json_key(j, "data");
}

static void put_notes(struct json *j, const char *key, const char *const *notes, size_t n)
{
    if (n == 0)
        return;
    json_key(j, key);
    json_array(j);
    for (size_t i = 0; i < n; i++)
        json_string(j, notes[i]);
    json_array_end(j);
}

void reply_end_annotated(struct request *rq, struct json *j, const char *const *warnings,
                         size_t n_warnings, const char *const *infos, size_t n_infos)
{
    put_notes(j, "warnings", warnings, n_warnings);
    put_notes(j, "infos", infos, n_infos);
    json_object_end(j);
    if (!chain_failed(j->out))
        return;
    region_release(&rq->region);
    reply_no_memory(rq, API_EXECUTION,
                    "the answer does not fit the memory of queries (--query.max-memory) or of the "
                    "process (--storage.memory-limit)");
}

void reply_end(struct request *rq, struct json *j)
{
    reply_end_annotated(rq, j, NULL, 0, NULL, 0);
}
