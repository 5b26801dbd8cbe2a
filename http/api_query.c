/* /api/v1/query and /api/v1/query_range.
 *
 * A query computes in a region of its own, which is dropped before the answer waits for its reader:
 * a client that reads slowly holds its answer only, of which many points are
 * packed (points.h). Its deadline runs from the arrival
 * of the request, so waiting for a worker counts. */
#include "http/api.h"
#include "http/api_params.h"
#include "http/app.h"
#include "http/clock.h"
#include "http/points.h"
#include "tsdb/promql/float_text.h"
#include "tsdb/promql/promql.h"

#include <string.h>

enum {
    POINTS_MAX = 11000,
    PACKED_POINTS_MIN = 65536, /* fewer are 2 MiB of text: not worth the packing */
};

static const char *const truncated_warning = "results truncated due to limit";

struct ask {
    struct promql_options options;
    int64_t start_ms, end_ms, step_ms; /* an instant query has start only */
    uint64_t limit;
    bool wants_stats;
};

/* "timeout" may shorten --query.timeout. */
static bool read_timeout(struct request *rq, struct ask *ask)
{
    const char *text = params_text(&rq->params, "timeout");
    int64_t timeout_ms = rq->app->config.query_timeout_ms, ns;
    if (*text != '\0') {
        enum params_duration d = params_parse_duration(text, &ns);
        if (d != DURATION_OK) {
            reply_error(rq, API_BAD_DATA,
                        "invalid parameter \"timeout\": cannot parse \"%s\" to a valid duration%s",
                        text, d == DURATION_OVERFLOW ? ". It overflows int64" : "");
            return false;
        }
        timeout_ms = i64_min(timeout_ms, i64_max(ns / 1000000, 0));
    }
    ask->options.deadline_boot_ms = rq->arrived_boot_ns / 1000000 + timeout_ms;
    return true;
}

static bool read_lookback(struct request *rq, struct ask *ask)
{
    const char *text = params_text(&rq->params, "lookback_delta");
    int64_t ns;
    ask->options.lookback_ms = rq->app->config.query_lookback_ms;
    if (*text == '\0')
        return true;
    enum params_duration d = params_parse_duration(text, &ns);
    if (d != DURATION_OK) {
        reply_error(rq, API_BAD_DATA,
                    "error parsing lookback delta duration: cannot parse \"%s\" to a valid "
                    "duration%s",
                    text, d == DURATION_OVERFLOW ? ". It overflows int64" : "");
        return false;
    }
    if (ns >= 1000000) /* zero and less: the default, as in Prometheus */
        ask->options.lookback_ms = ns / 1000000;
    return true;
}

static bool read_common(struct request *rq, struct ask *ask)
{
    ask->options.max_samples = rq->app->config.query_max_samples;
    ask->options.cancel = &rq->cancel;
    ask->options.takes_columns = true;
    ask->wants_stats = *params_text(&rq->params, "stats") != '\0';
    return api_limit(rq, &ask->limit) && read_timeout(rq, ask) && read_lookback(rq, ask);
}

static bool read_step(struct request *rq, struct ask *ask)
{
    const char *text = params_text(&rq->params, "step");
    int64_t ns;
    enum params_duration d = params_parse_duration(text, &ns);
    if (d != DURATION_OK) {
        reply_error(rq, API_BAD_DATA,
                    "invalid parameter \"step\": cannot parse \"%s\" to a valid duration%s", text,
                    d == DURATION_OVERFLOW ? ". It overflows int64" : "");
        return false;
    }
    if (ns < 1000000) {
        reply_error(rq, API_BAD_DATA,
                    "invalid parameter \"step\": zero or negative query resolution step widths are "
                    "not accepted. Try a positive integer");
        return false;
    }
    long double span_ms = (long double)ask->end_ms - (long double)ask->start_ms;
    if (span_ms * 1000000 / (long double)ns >= POINTS_MAX + 1) {
        reply_error(rq, API_BAD_DATA,
                    "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing "
                    "the query resolution (?step=XX)");
        return false;
    }
    ask->step_ms = ns / 1000000;
    return true;
}

static bool read_range(struct request *rq, struct ask *ask)
{
    if (!api_time_required(rq, "start", &ask->start_ms) ||
        !api_time_required(rq, "end", &ask->end_ms))
        return false;
    if (ask->end_ms < ask->start_ms) {
        reply_error(rq, API_BAD_DATA,
                    "invalid parameter \"end\": end timestamp must not be before start time");
        return false;
    }
    return read_step(rq, ask) && read_common(rq, ask);
}

/* --- the answer ------------------------------------------------------------------------------- */

/* A scalar's time is a JSON number and its value is never written with an exponent. */
static void put_scalar(struct json *j, const struct promql_point *p)
{
    char text[FLOAT_TEXT_MAX];
    size_t n = float_text_plain(p->v, text);
    json_array(j);
    json_time(j, p->t_ms);
    json_text(j, text, n);
    json_array_end(j);
}

static void put_string(struct json *j, const struct promql_result *r)
{
    json_array(j);
    json_time(j, r->string_t_ms);
    json_text(j, r->string, r->string_len);
    json_array_end(j);
}

/* A piece of points after the other, as they are packed. */
static void put_points(struct json *j, const struct promql_result *r, const struct promql_series *s)
{
    struct promql_point piece[POINTS_PIECE];
    size_t at = 0, n;
    while (!chain_failed(j->out) && (n = promql_points(r, s, &at, piece, POINTS_PIECE)) > 0)
        points_put(j, piece, n);
}

static void put_series(struct json *j, const struct promql_result *r, const struct promql_series *s)
{
    bool is_matrix = r->type == PROMQL_MATRIX;
    json_object(j);
    json_key(j, "metric");
    json_labels(j, &s->labels);
    json_key(j, is_matrix ? "values" : "value");
    if (!is_matrix) {
        json_point(j, s->points[0].t_ms, s->points[0].v);
        json_object_end(j);
        return;
    }
    json_array(j);
    put_points(j, r, s);
    json_array_end(j);
    json_object_end(j);
}

/* How long a query took, by part of its way. */
struct stats {
    int64_t queue_ns;   /* until a worker had time */
    int64_t prepare_ns; /* parsing */
    int64_t eval_ns;
};

static void put_seconds(struct json *j, const char *key, int64_t ns)
{
    json_key(j, key);
    json_double(j, (double)ns / 1e9);
}

static void put_count(struct json *j, const char *key, uint64_t n)
{
    json_key(j, key);
    json_u64(j, n);
}

/* Under Prometheus' names. Sorting is part of the evaluation here. */
static void put_stats(struct json *j, const struct promql_result *r, const struct stats *s)
{
    json_key(j, "stats");
    json_object(j);
    json_key(j, "timings");
    json_object(j);
    put_seconds(j, "evalTotalTime", s->prepare_ns + s->eval_ns);
    put_seconds(j, "resultSortTime", 0);
    put_seconds(j, "queryPreparationTime", s->prepare_ns);
    put_seconds(j, "innerEvalTime", s->eval_ns);
    put_seconds(j, "execQueueTime", s->queue_ns);
    put_seconds(j, "execTotalTime", s->prepare_ns + s->eval_ns);
    json_object_end(j);
    json_key(j, "samples");
    json_object(j);
    put_count(j, "totalQueryableSamples", r->samples_queryable);
    put_count(j, "peakSamples", r->samples_peak);
    json_object_end(j);
    json_object_end(j);
}

static void put_result(struct json *j, const struct promql_result *r, size_t n_series,
                       const struct stats *stats)
{
    static const char *const types[] = {
        [PROMQL_SCALAR] = "scalar",
        [PROMQL_STRING] = "string",
        [PROMQL_VECTOR] = "vector",
        [PROMQL_MATRIX] = "matrix",
    };
    json_object(j);
    json_key(j, "resultType");
    json_string(j, types[r->type]);
    json_key(j, "result");
    if (r->type == PROMQL_SCALAR) {
        put_scalar(j, &r->series[0].points[0]);
    } else if (r->type == PROMQL_STRING) {
        put_string(j, r);
    } else {
        json_array(j);
        for (size_t i = 0; i < n_series && !chain_failed(j->out); i++)
            put_series(j, r, &r->series[i]);
        json_array_end(j);
    }
    if (stats)
        put_stats(j, r, stats);
    json_object_end(j);
}

static uint64_t count_points(const struct promql_result *r)
{
    uint64_t n = 0;
    for (size_t i = 0; r->type == PROMQL_MATRIX && i < r->n_series; i++)
        n += r->series[i].n_points;
    return n;
}

static void answer(struct request *rq, const struct ask *ask, const struct promql_result *r,
                   const struct stats *stats)
{
    struct json j;
    bool has_series = r->type == PROMQL_VECTOR || r->type == PROMQL_MATRIX;
    bool is_cut = has_series && ask->limit > 0 && r->n_series > ask->limit;
    const char *const *warnings = r->warnings;
    size_t n_warnings = r->n_warnings;
    if (is_cut) {
        const char **more = region_alloc(&rq->region, (n_warnings + 1) * sizeof(*more));
        if (more) {
            if (n_warnings > 0)
                memcpy(more, r->warnings, n_warnings * sizeof(*more));
            more[n_warnings++] = truncated_warning;
            warnings = more;
        }
    }
    reply_begin(rq, &j);
    if (count_points(r) >= PACKED_POINTS_MIN)
        points_pack(&j);
    put_result(&j, r, is_cut ? (size_t)ask->limit : r->n_series, ask->wants_stats ? stats : NULL);
    reply_end_annotated(rq, &j, warnings, n_warnings, r->infos, r->n_infos);
}

static void answer_error(struct request *rq, const struct promql_error *e)
{
    const char *text = e->text ? e->text : "out of memory";
    switch (e->kind) {
    case PROMQL_ERR_BAD_DATA:
        reply_error(rq, API_BAD_DATA, "invalid parameter \"query\": %s", text);
        return;
    case PROMQL_ERR_TIMEOUT:
        reply_error(rq, API_TIMEOUT, "%s", text);
        return;
    case PROMQL_ERR_CANCELED:
        reply_error(rq, API_CANCELED, "%s", text);
        return;
    case PROMQL_ERR_LOADING:
        reply_unready(rq);
        return;
    case PROMQL_ERR_INTERNAL:
        reply_error(rq, API_INTERNAL, "%s", text);
        return;
    default:
        reply_error(rq, API_EXECUTION, "%s", text);
        return;
    }
}

/* The answer is written while what it is made of is still there: it has what that left of the
 * lease. */
static void leave_rest(struct request *rq, const struct region *computed)
{
    size_t rest = rq->memory_bytes - size_min(rq->memory_bytes, computed->taken_bytes);
    rq->region.limit_bytes = rq->region.taken_bytes + size_max(rest, ARENA_PAGE_BYTES);
}

/* --- running ---------------------------------------------------------------------------------- */

static void run(struct request *rq, const struct ask *ask, bool is_range, struct stats *stats)
{
    struct app *app = rq->app;
    struct region region;
    struct promql_error err = {0};
    struct promql_result result = {0};
    const struct param *text = params_next(&rq->params, "query", NULL);
    int64_t start_ns = clock_boot_ns();
    region_init(&region, &app->arena, app->owner_queries, rq->memory_bytes);
    queries_work(&app->queries, &rq->query, &region);
    struct promql_query *q = promql_parse(text ? text->value : "", text ? text->value_len : 0,
                                          app->promql_features, &region, &err);
    int rc = -1;
    stats->prepare_ns = clock_boot_ns() - start_ns;
    if (q && is_range)
        rc = promql_range(q, app->db, ask->start_ms, ask->end_ms, ask->step_ms, &ask->options,
                          &region, &result, &err);
    else if (q)
        rc = promql_instant(q, app->db, ask->start_ms, &ask->options, &region, &result, &err);
    stats->eval_ns = clock_boot_ns() - start_ns - stats->prepare_ns;
    metrics_add(&app->metrics, METRIC_QUERY_SAMPLES, result.samples_read);
    rq->query.n_samples = result.samples_read;
    if (rc == 0) {
        leave_rest(rq, &region);
        answer(rq, ask, &result, stats);
    } else
        answer_error(rq, &err);
    promql_release(q);
    queries_work(&app->queries, &rq->query, NULL);
    region_release(&region);
}

static void run_counted(struct request *rq, const struct ask *ask, bool is_range)
{
    struct metrics *m = &rq->app->metrics;
    int64_t start = clock_boot_ns();
    struct stats stats = {.queue_ns = i64_max(start - rq->arrived_boot_ns, 0)};
    metrics_add(m, METRIC_QUERY_QUEUE_NS, (uint64_t)stats.queue_ns);
    run(rq, ask, is_range, &stats);
    metrics_add(m, METRIC_QUERIES, 1);
    metrics_add(m, METRIC_QUERY_NS, (uint64_t)i64_max(clock_boot_ns() - start, 0));
}

void api_query(struct request *rq)
{
    struct ask ask = {0};
    if (api_params_complete(rq) && api_time(rq, "time", tsdb_now_ms(rq->app->db), &ask.start_ms) &&
        read_common(rq, &ask))
        run_counted(rq, &ask, false);
}

void api_query_range(struct request *rq)
{
    struct ask ask = {0};
    if (api_params_complete(rq) && read_range(rq, &ask))
        run_counted(rq, &ask, true);
}
