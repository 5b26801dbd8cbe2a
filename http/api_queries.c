/* GET and DELETE /api/v1/status/queries: what waits or runs now, what was heavy lately, and
 * stopping one. Answered where queries do not run, so that it works when all workers are busy. */
#include "http/api.h"
#include "http/api_params.h"
#include "http/app.h"
#include "http/clock.h"

#include <string.h>

static void put_number(struct json *j, const char *key, uint64_t v)
{
    json_key(j, key);
    json_u64(j, v);
}

static void put_seconds(struct json *j, const char *key, int64_t ns)
{
    json_key(j, key);
    json_double(j, (double)i64_max(ns, 0) / 1e9);
}

/* now_boot_ns and now_wall_ms are the same moment. */
static void put_row(struct json *j, const struct query_row *row, int64_t now_boot_ns,
                    int64_t now_wall_ms)
{
    json_object(j);
    put_number(j, "id", row->id);
    json_key(j, "path");
    json_string(j, row->path);
    json_key(j, "query");
    json_string(j, row->text);
    json_key(j, "arrived");
    json_time(j, now_wall_ms - (now_boot_ns - row->arrived_boot_ns) / 1000000);
    put_seconds(j, "waitedSeconds", row->waited_ns);
    put_seconds(j, "ranSeconds", row->ran_ns);
    if (row->status == 0) {
        json_key(j, "state");
        json_string(j, row->is_running ? "running" : "waiting");
        put_number(j, "liveBytes", row->bytes);
    } else {
        put_number(j, "status", (uint64_t)row->status);
        put_number(j, "bytes", row->bytes);
        put_number(j, "samplesRead", row->n_samples);
    }
    json_object_end(j);
}

static void put_rows(struct json *j, const char *key, const struct query_row *rows, size_t n,
                     int64_t now_boot_ns, int64_t now_wall_ms)
{
    json_key(j, key);
    json_array(j);
    for (size_t i = 0; i < n; i++)
        put_row(j, &rows[i], now_boot_ns, now_wall_ms);
    json_array_end(j);
}

static void list(struct request *rq)
{
    struct json j;
    struct query_row *running, *heavy;
    size_t n_running, n_heavy;
    int64_t now_boot_ns = clock_boot_ns(), now_wall_ms = clock_wall_ms();
    if (!queries_list(&rq->app->queries, now_boot_ns, &rq->region, &running, &n_running, &heavy,
                      &n_heavy)) {
        region_release(&rq->region);
        reply_error(rq, API_EXECUTION, "out of memory");
        return;
    }
    reply_begin(rq, &j);
    json_object(&j);
    put_rows(&j, "running", running, n_running, now_boot_ns, now_wall_ms);
    put_rows(&j, "heavy", heavy, n_heavy, now_boot_ns, now_wall_ms);
    json_object_end(&j);
    reply_end(rq, &j);
}

static void cancel(struct request *rq)
{
    const char *text = params_text(&rq->params, "id");
    struct json j;
    int64_t id;
    if (!params_parse_i64(text, &id) || id <= 0) {
        reply_error(rq, API_BAD_DATA,
                    "invalid parameter \"id\": \"%s\" is not the id of a query; GET lists them",
                    text);
        return;
    }
    if (!queries_cancel(&rq->app->queries, (uint64_t)id)) {
        reply_error(rq, API_NOT_FOUND, "no query of id %s is under way", text);
        return;
    }
    reply_begin(rq, &j);
    json_object(&j);
    put_number(&j, "canceled", (uint64_t)id);
    json_object_end(&j);
    reply_end(rq, &j);
}

void api_queries(struct request *rq)
{
    if (!api_params_complete(rq))
        return;
    if (rq->method == METHOD_DELETE)
        cancel(rq);
    else
        list(rq);
}
