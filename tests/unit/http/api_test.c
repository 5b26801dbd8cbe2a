/* The handlers with a store of their own, without a socket: parameters in, status and body out.
 * Texts are Prometheus', word for word. */
#include "http/api.h"

#include "http/app.h"
#include "http/clock.h"
#include "http/route.h"
#include "tsdb/append.h"
#include "tsdb/dump.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MEMORY = 64 << 20 };

static const int64_t now_ms = 1700000000000;

static struct app app;
static struct request rq;
static size_t memory_bytes; /* of each request */
static enum http_method rq_method = METHOD_GET;
static char body[1 << 20];

static int64_t test_clock(void *ctx)
{
    (void)ctx;
    return now_ms;
}

static void store(const char *name, const char *job, int64_t t_ms, double v)
{
    struct label items[] = {
        {"__name__", name, 8, (uint32_t)strlen(name)},
        {"job", job, 3, (uint32_t)strlen(job)},
    };
    struct sample s = {.t_ms = t_ms};
    struct append batch;
    struct append_counts counts = {0};
    memcpy(&s.value, &v, sizeof(v));
    append_begin(&batch, app.db);
    cr_assert_eq(append_samples(&batch, &(struct labels){items, 2}, &s, 1, &counts), 0);
    append_end(&batch);
}

static void setup(void)
{
    char error[CONFIG_ERROR_MAX];
    char *argv[] = {NULL, NULL};
    const struct tsdb_options options = {
        .window_ms = 4 * 3600 * 1000,
        .n_windows = 8,
        .out_of_order_ms = 3600 * 1000,
        .wall_ms = test_clock,
        .boot_ms = test_clock,
    };
    cr_assert_eq(config_parse(&app.config, 1, argv, error), CONFIG_OK);
    budget_init(&app.budget, MEMORY);
    app.owner_requests = budget_owner(&app.budget, "requests");
    app.owner_queries = budget_owner(&app.budget, "queries");
    app.owner_connections = budget_owner(&app.budget, "connections");
    memory_bytes = 16 << 20;
    ceiling_init(&app.ceiling, &app.budget, 16 << 20, 1);
    app.n_query_workers = 1;
    app.config.storage_memory_limit_bytes = MEMORY;
    atomic_store(&app.phase, APP_READY);
    cr_assert(arena_init(&app.arena, &app.budget, MEMORY));
    cr_assert_eq(tsdb_new(&options, &app.arena, &app.db), 0);
    metadata_init(&app.metadata, &app.arena);
    queries_init(&app.queries, (16 << 20));
    recorder_init(&app.recorder, app.db, &app.arena);
    saver_init(&app.saver, app.db, &app.recorder, "");
    store("up", "a", now_ms - 60000, 1);
    store("up", "a", now_ms, 0);
    store("up", "b<", now_ms - 500, 1.5);
    store("load", "a", now_ms - 3600000, 1e-7);
}

static void drop_request(void)
{
    region_release(&rq.region);
    memset(&rq, 0, sizeof(rq));
}

static void teardown(void)
{
    drop_request();
    queries_release(&app.queries);
    metadata_release(&app.metadata);
    tsdb_free(app.db);
    arena_release(&app.arena);
}

TestSuite(api, .init = setup, .fini = teardown);

static size_t request_limit; /* of the request's region; 0 = none */

/* Runs the handler of "/path?query"; the answer's body is in `body`. */
static int ask(const char *target)
{
    char path[256];
    const char *query = strchr(target, '?');
    snprintf(path, sizeof(path), "%.*s", (int)strcspn(target, "?"), target);
    drop_request();
    rq.app = &app;
    rq.memory_bytes = memory_bytes;
    rq.method = rq_method;
    rq.arrived_boot_ns = clock_boot_ns();
    rq.route = route_find(path, &rq.capture, &rq.capture_len);
    cr_assert_not_null(rq.route, "%s", path);
    region_init(&rq.region, &app.arena, app.owner_requests, request_limit);
    params_init(&rq.params, &rq.region);
    if (query)
        params_add_form(&rq.params, query + 1, strlen(query + 1));
    rq.route->handle(&rq);
    size_t n = rq.reply.n_bytes;
    if (rq.reply.is_chain) {
        struct chain_reader at = {0};
        n = chain_read(&rq.reply.chain, &at, body, sizeof(body) - 1);
        if (!rq.reply.chain.expand)
            cr_assert_eq(n, rq.reply.chain.n_bytes);
    } else {
        cr_assert_lt(n, sizeof(body));
        memcpy(body, rq.reply.bytes, n);
    }
    body[n] = '\0';
    return rq.reply.status;
}

static void expect(const char *target, int status, const char *answer)
{
    int got = ask(target);
    cr_assert_eq(got, status, "%s: %d %s", target, got, body);
    cr_assert_str_eq(body, answer, "%s: %s", target, body);
}

static void expect_error(const char *target, int status, const char *type, const char *text)
{
    char answer[2048];
    snprintf(answer, sizeof(answer), "{\"status\":\"error\",\"errorType\":\"%s\",\"error\":\"%s\"}",
             type, text);
    expect(target, status, answer);
}

/* While a snapshot is loaded: nothing, or all that was asked for. */
Test(api, what_is_not_there_yet_is_not_left_out)
{
    static const char whole[] = "/api/v1/query_range?query=up&start=1699999000&end=17e8&step=60";
    static const char *const older[] = {
        "/api/v1/query?query=load[8h]&time=17e8",
        "/api/v1/query?query=up%20%2B%20up%20offset%208h&time=17e8",
        "/api/v1/query?query=absent(up%20%40%201)&time=17e8",
        "/api/v1/query?query=max_over_time(up[8h:1h])&time=17e8",
        "/api/v1/query_range?query=up&start=1699960000&end=17e8&step=3600",
    };
    struct restore r;
    cr_assert_eq(ask(whole), 200);
    char *before = strdup(body);
    restore_begin(&r, app.db);
    expect(whole, 503, "Service Unavailable");
    (void)restore_let_read(&r, tsdb_window_of(app.db, now_ms));
    expect(whole, 200, before);
    for (size_t i = 0; i < ARRAY_LEN(older); i++)
        expect(older[i], 503, "Service Unavailable");
    restore_end(&r);
    for (size_t i = 0; i < ARRAY_LEN(older); i++)
        cr_assert_eq(ask(older[i]), 200, "%s: %s", older[i], body);
    free(before);
}

#define DATA(d) "{\"status\":\"success\",\"data\":" d "}"

Test(api, instant_queries)
{
    expect("/api/v1/query?query=up%7Bjob%3D%22a%22%7D&time=1700000000", 200,
           DATA("{\"resultType\":\"vector\",\"result\":[{\"metric\":{\"__name__\":\"up\",\"job\":"
                "\"a\"},\"value\":[1700000000,\"0\"]}]}"));
    /* the default time is the store's */
    expect("/api/v1/query?query=up%7Bjob%3D%22a%22%7D", 200,
           DATA("{\"resultType\":\"vector\",\"result\":[{\"metric\":{\"__name__\":\"up\",\"job\":"
                "\"a\"},\"value\":[1700000000,\"0\"]}]}"));
    expect("/api/v1/query?query=up%5B2m%5D&limit=1", 200,
           "{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":[{\"metric\":{"
           "\"__name__\":\"up\",\"job\":\"a\"},\"values\":[[1699999940,\"1\"],[1700000000,\"0\"]]}"
           "]},\"warnings\":[\"results truncated due to limit\"]}");
    expect("/api/v1/query?query=missing", 200, DATA("{\"resultType\":\"vector\",\"result\":[]}"));
    expect("/api/v1/query?query=1e-7&time=1.5", 200,
           DATA("{\"resultType\":\"scalar\",\"result\":[1.500,\"0.0000001\"]}"));
    expect("/api/v1/query?query=%22a%3Cb%22&time=2", 200,
           DATA("{\"resultType\":\"string\",\"result\":[2,\"a\\u003cb\"]}"));
    expect("/api/v1/query?query=load&lookback_delta=2h", 200,
           DATA("{\"resultType\":\"vector\",\"result\":[{\"metric\":{\"__name__\":\"load\",\"job\":"
                "\"a\"},\"value\":[1700000000,\"1e-07\"]}]}"));
}

Test(api, range_queries)
{
    expect(
        "/api/v1/query_range?query=up%7Bjob%3D%22a%22%7D&start=1699999970&end=1700000000&step=15",
        200,
        DATA("{\"resultType\":\"matrix\",\"result\":[{\"metric\":{\"__name__\":\"up\",\"job\":"
             "\"a\"},\"values\":[[1699999970,\"1\"],[1699999985,\"1\"],[1700000000,\"0\"]]}]}"));
    /* 11,001 points are the most */
    cr_assert_eq(ask("/api/v1/query_range?query=1&start=0&end=11000&step=1"), 200);
    cr_assert_eq(ask("/api/v1/query_range?query=1&start=0&end=11000.999&step=1"), 200);
    expect_error("/api/v1/query_range?query=1&start=0&end=11001&step=1", 400, "bad_data",
                 "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the "
                 "query resolution (?step=XX)");
}

/* From 65,536 points on they are packed in the answer, and nobody notices. */
Test(api, many_points)
{
    static const char *const ends[] = {"8.190", "8.191"};
    char target[1024];
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        int n = snprintf(target, sizeof(target),
                         "/api/v1/query_range?start=0&end=%s&step=0.001&query=", ends[i]);
        for (int k = 0; k < 8; k++)
            n += snprintf(target + n, sizeof(target) - (size_t)n,
                          "%slabel_replace(vector(%d),%%22a%%22,%%22%d%%22,%%22%%22,%%22%%22)",
                          k > 0 ? "%20or%20" : "", k, k);
        cr_assert_eq(ask(target), 200, "%s", body);
        cr_assert_eq(rq.reply.chain.expand != NULL, i == 1);
        cr_assert_not_null(
            strstr(body, "{\"metric\":{\"a\":\"7\"},\"values\":[[0,\"7\"],[0.001,\"7\"],"));
        cr_assert_not_null(strstr(body, i == 0 ? ",[8.190,\"7\"]]}]}}" : ",[8.191,\"7\"]]}]}}"));
    }
}

Test(api, what_is_wrong_with_parameters)
{
    static const struct {
        const char *target, *text;
    } rows[] = {
        {"/api/v1/query?query=up&time=x",
         "invalid parameter \\\"time\\\": invalid time value for 'time': cannot parse \\\"x\\\" to "
         "a valid timestamp"},
        {"/api/v1/query?query=up&timeout=x",
         "invalid parameter \\\"timeout\\\": cannot parse \\\"x\\\" to a valid duration"},
        {"/api/v1/query?query=up&lookback_delta=x",
         "error parsing lookback delta duration: cannot parse \\\"x\\\" to a valid duration"},
        {"/api/v1/query?query=up&limit=-1",
         "invalid parameter \\\"limit\\\": limit must be non-negative"},
        {"/api/v1/query?query=up&limit=x",
         "invalid parameter \\\"limit\\\": strconv.Atoi: parsing \\\"x\\\": invalid syntax"},
        {"/api/v1/query_range?query=up&end=1&step=1",
         "invalid parameter \\\"start\\\": cannot parse \\\"\\\" to a valid timestamp"},
        {"/api/v1/query_range?query=up&start=0&end=x&step=1",
         "invalid parameter \\\"end\\\": cannot parse \\\"x\\\" to a valid timestamp"},
        {"/api/v1/query_range?query=up&start=2&end=1&step=1",
         "invalid parameter \\\"end\\\": end timestamp must not be before start time"},
        {"/api/v1/query_range?query=up&start=0&end=1&step=x",
         "invalid parameter \\\"step\\\": cannot parse \\\"x\\\" to a valid duration"},
        {"/api/v1/query_range?query=up&start=0&end=1&step=1e10",
         "invalid parameter \\\"step\\\": cannot parse \\\"1e10\\\" to a valid duration. It "
         "overflows int64"},
        {"/api/v1/query_range?query=up&start=0&end=1&step=0",
         "invalid parameter \\\"step\\\": zero or negative query resolution step widths are not "
         "accepted. Try a positive integer"},
        {"/api/v1/query_range?query=up&start=0&end=1&step=0.0005",
         "invalid parameter \\\"step\\\": zero or negative query resolution step widths are not "
         "accepted. Try a positive integer"},
        {"/api/v1/series", "no match[] parameter provided"},
        {"/api/v1/series?match[]=%7B%7D",
         "invalid parameter \\\"match[]\\\": match[] must contain at least one non-empty matcher"},
        {"/api/v1/series?match[]=up&match[]=%7Bx=~%22.*%22%7D",
         "invalid parameter \\\"match[]\\\": match[] must contain at least one non-empty matcher"},
        {"/api/v1/labels?start=x",
         "invalid parameter \\\"start\\\": invalid time value for 'start': cannot parse \\\"x\\\" "
         "to a valid timestamp"},
        {"/api/v1/label/%ff/values", "invalid label name: \\\"\\\\xff\\\""},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        expect_error(rows[i].target, 400, "bad_data", rows[i].text);
}

Test(api, queries_that_do_not_parse_say_where)
{
    cr_assert_eq(ask("/api/v1/query?query=sum("), 400);
    const char *head = "{\"status\":\"error\",\"errorType\":\"bad_data\",\"error\":\"invalid "
                       "parameter \\\"query\\\": 1:5: parse error: ";
    cr_assert_eq(strncmp(body, head, strlen(head)), 0, "%s", body);
    cr_assert_eq(ask("/api/v1/query"), 400);
    cr_assert_eq(ask("/api/v1/query_range?query=up%5B1m%5D&start=0&end=1&step=1"), 400);
    cr_assert_eq(ask("/api/v1/series?match[]=up%7B"), 400);
    head = "{\"status\":\"error\",\"errorType\":\"bad_data\",\"error\":\"invalid parameter "
           "\\\"match[]\\\": ";
    cr_assert_eq(strncmp(body, head, strlen(head)), 0, "%s", body);
}

Test(api, a_query_whose_client_has_gone_or_whose_time_is_over)
{
    expect_error("/api/v1/query?query=up&timeout=0.0001", 503, "timeout",
                 "query timed out in expression evaluation");
}

Test(api, labels_values_and_series)
{
    expect("/api/v1/labels", 200, DATA("[\"__name__\",\"job\"]"));
    expect("/api/v1/labels?match[]=nope", 200, DATA("[]"));
    expect("/api/v1/label/__name__/values", 200, DATA("[\"load\",\"up\"]"));
    expect("/api/v1/label/job/values?match[]=load", 200, DATA("[\"a\"]"));
    expect("/api/v1/label/U__job/values", 200, DATA("[\"a\",\"b\\u003c\"]"));
    expect("/api/v1/label/job/values?limit=1", 200,
           "{\"status\":\"success\",\"data\":[\"a\"],\"warnings\":[\"results truncated due to "
           "limit\"]}");
    expect("/api/v1/series?match[]=up&match[]=load&match[]=up", 200,
           DATA("[{\"__name__\":\"load\",\"job\":\"a\"},{\"__name__\":\"up\",\"job\":\"a\"},"
                "{\"__name__\":\"up\",\"job\":\"b<\"}]"));
    expect("/api/v1/series?match[]=up&limit=1", 200,
           "{\"status\":\"success\",\"data\":[{\"__name__\":\"up\",\"job\":\"a\"}],\"warnings\":["
           "\"results truncated due to limit\"]}");
}

Test(api, an_answer_that_does_not_fit_is_an_error_and_not_half_an_answer)
{
    app.arena.retain_span_bytes = 0; /* so that each span asks the budget */
    arena_trim(&app.arena);
    for (long nth = 1; nth < 6; nth++) {
        budget_fail_nth(&app.budget, nth);
        int status = ask("/api/v1/query?query=up");
        cr_assert(status == 200 || status == 422, "%ld: %d %s", nth, status, body);
        cr_assert_eq(body[strlen(body) - 1], '}');
        budget_fail_nth(&app.budget, 0);
    }
    cr_assert_eq(ask("/api/v1/query?query=up"), 200);
    drop_request();
    cr_assert_eq(atomic_load(&app.budget.rows[app.owner_requests].bytes), 0);
    cr_assert_eq(atomic_load(&app.budget.rows[app.owner_queries].bytes), 0);
}

Test(api, status_memory_adds_up)
{
    cr_assert_eq(ask("/api/v1/status/memory"), 200);
    uint64_t sum = 0;
    for (const char *p = strstr(body, "\"owners\":"), *end = strstr(body, "\"waste\":");
         p && (p = strstr(p, "\"bytes\":")) != NULL && p < end; p++)
        sum += strtoull(p + strlen("\"bytes\":"), NULL, 10);
    const char *accounted = strstr(body, "\"accountedBytes\":");
    cr_assert_not_null(accounted);
    cr_assert_eq(strtoull(accounted + strlen("\"accountedBytes\":"), NULL, 10), sum);
    cr_assert_not_null(strstr(body, "\"series\":3,\"samples\":4,"), "%s", body);
}

#define HEAD_STATS                                                                                 \
    "\"headStats\":{\"numSeries\":3,\"numLabelPairs\":4,\"chunkCount\":3,"                         \
    "\"minTime\":1699996400000,\"maxTime\":1700000000000}"

Test(api, status_tsdb)
{
    expect("/api/v1/status/tsdb", 200,
           DATA("{" HEAD_STATS ",\"seriesCountByMetricName\":[{\"name\":\"up\",\"value\":2},"
                "{\"name\":\"load\",\"value\":1}],"
                "\"labelValueCountByLabelName\":[{\"name\":\"__name__\",\"value\":2},"
                "{\"name\":\"job\",\"value\":2}],"
                "\"memoryInBytesByLabelName\":[{\"name\":\"__name__\",\"value\":38},"
                "{\"name\":\"job\",\"value\":19}],"
                "\"seriesCountByLabelValuePair\":[{\"name\":\"__name__=up\",\"value\":2},"
                "{\"name\":\"job=a\",\"value\":2},{\"name\":\"__name__=load\",\"value\":1},"
                "{\"name\":\"job=b\\u003c\",\"value\":1}],"
                "\"bytesByMetricName\":[{\"name\":\"up\",\"value\":230},"
                "{\"name\":\"load\",\"value\":51}],"
                "\"bytesByLabelName\":[{\"name\":\"__name__\",\"value\":122},"
                "{\"name\":\"job\",\"value\":119}],"
                "\"bytesByLabelValuePair\":[{\"name\":\"__name__=up\",\"value\":230},"
                "{\"name\":\"job=a\",\"value\":230},{\"name\":\"__name__=load\",\"value\":51},"
                "{\"name\":\"job=b\\u003c\",\"value\":51}],"
                "\"newSeriesByMetricName\":[],\"newSeriesByLabelValuePair\":[],\"newSeries\":0,"
                "\"bytesTotal\":{\"series\":281,\"labels\":241}}"));
    expect("/api/v1/status/tsdb?limit=1", 200,
           DATA("{" HEAD_STATS ",\"seriesCountByMetricName\":[{\"name\":\"up\",\"value\":2}],"
                "\"labelValueCountByLabelName\":[{\"name\":\"__name__\",\"value\":2}],"
                "\"memoryInBytesByLabelName\":[{\"name\":\"__name__\",\"value\":38}],"
                "\"seriesCountByLabelValuePair\":[{\"name\":\"__name__=up\",\"value\":2}],"
                "\"bytesByMetricName\":[{\"name\":\"up\",\"value\":230}],"
                "\"bytesByLabelName\":[{\"name\":\"__name__\",\"value\":122}],"
                "\"bytesByLabelValuePair\":[{\"name\":\"__name__=up\",\"value\":230}],"
                "\"newSeriesByMetricName\":[],\"newSeriesByLabelValuePair\":[],\"newSeries\":0,"
                "\"bytesTotal\":{\"series\":281,\"labels\":241}}"));
}

/* An empty limit is none, and one that ends int64 is one: only what is not positive is wrong. */
Test(api, limits_of_status_tsdb)
{
    static const char *const wrong[] = {"0", "-1", "abc", "1.5", "9223372036854775808", "%201"};
    static const char *const good[] = {"", "1", "%2B5", "9223372036854775807"};
    char target[80];
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        snprintf(target, sizeof(target), "/api/v1/status/tsdb?limit=%s", wrong[i]);
        expect_error(target, 400, "bad_data", "limit must be a positive number");
    }
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        snprintf(target, sizeof(target), "/api/v1/status/tsdb?limit=%s", good[i]);
        cr_assert_eq(ask(target), 200, "%s: %s", target, body);
    }
}

/* Each take from the budget fails once, until none is left to fail. */
static void without_memory(const char *target, int failure, const char *error)
{
    bool is_through = false;
    app.arena.retain_span_bytes = 0;
    app.arena.retain_pages = 0;
    arena_trim(&app.arena);
    for (long nth = 1; !is_through; nth++) {
        budget_fail_nth(&app.budget, nth);
        int status = ask(target);
        is_through = atomic_load(&app.budget.fail_in) > 0;
        budget_fail_nth(&app.budget, 0);
        cr_assert_eq(status, is_through ? 200 : failure, "%ld: %d %s", nth, status, body);
        if (!is_through)
            cr_assert_not_null(strstr(body, error), "%s", body);
        cr_assert(is_through ? nth > 1 : nth < 20);
    }
    drop_request();
    cr_assert_eq(atomic_load(&app.budget.rows[app.owner_requests].bytes), 0);
}

Test(api, status_tsdb_without_memory_says_so)
{
    without_memory("/api/v1/status/tsdb", 503,
                   "\"errorType\":\"unavailable\",\"error\":\"no memory to "
                   "count in: it takes 8 bytes for each label pair");
}

/* A request may have a little more each time, until that is enough. */
static void with_every_limit(const char *target, int failure, size_t most)
{
    int status = 0;
    for (request_limit = 1; status != 200; request_limit += 512) {
        cr_assert_leq(request_limit, most);
        status = ask(target);
        cr_assert(status == 200 || status == failure, "%zu: %d %s", request_limit, status, body);
    }
    cr_assert_gt(request_limit, 100);
    request_limit = 0;
    drop_request();
    cr_assert_eq(atomic_load(&app.budget.rows[app.owner_requests].bytes), 0);
}

static const char *header(const char *name)
{
    for (size_t i = 0; i < rq.reply.n_headers; i++)
        if (strcmp(rq.reply.headers[i].name, name) == 0)
            return rq.reply.headers[i].value;
    return "";
}

Test(api, heap_profile)
{
    cr_assert_eq(ask("/debug/pprof/heap"), 200);
    cr_assert_str_eq(rq.reply.content_type, "application/octet-stream");
    cr_assert_str_eq(header("Content-Disposition"), "attachment; filename=\"heap\"");
    cr_assert_str_eq(header("X-Content-Type-Options"), "nosniff");
    cr_assert_eq(memcmp(body, "\x1f\x8b\x08", 3), 0, "gzip");
    cr_assert_eq(ask("/debug/pprof/heap?debug=0"), 200);
    cr_assert_str_eq(rq.reply.content_type, "application/octet-stream");
    cr_assert_eq(ask("/debug/pprof/heap?debug=x"), 200);
    cr_assert_str_eq(rq.reply.content_type, "application/octet-stream");
    expect("/debug/pprof/heap?seconds=5", 400,
           "a profile over some seconds is not supported: get two, and compare them with "
           "go tool pprof -diff_base\n");
}

Test(api, heap_profile_as_text)
{
    cr_assert_eq(ask("/debug/pprof/heap?debug=1"), 200);
    cr_assert_str_eq(rq.reply.content_type, "text/plain; charset=utf-8");
    cr_assert_str_eq(header("Content-Disposition"), "");
    uint64_t accounted = strtoull(body + strlen("# bytes of "), NULL, 10), sum = 0;
    for (const char *p = body; (p = strchr(p, '\n')) != NULL && p[1] != '\0';)
        sum += strtoull(++p, NULL, 10);
    cr_assert_gt(sum, 0);
    cr_assert_eq(sum, accounted, "%s", body);
    cr_assert_not_null(strstr(body, "  hourglass;tails;free slots\n"));
    cr_assert_not_null(strstr(body, "  hourglass;chunks;window 118055;class 128;slack\n"));
}

Test(api, heap_profile_without_memory_says_so)
{
    without_memory("/debug/pprof/heap", 503, "no memory for a profile (--storage.memory-limit)");
    without_memory("/debug/pprof/heap?debug=1", 503, "no memory for a profile");
}

Test(api, metrics_text_is_well_formed)
{
    char seen[128][80];
    size_t n_seen = 0;
    metrics_observe_request(&app.metrics, 0, 200, 300000000);
    cr_assert_eq(ask("/metrics"), 200);
    cr_assert_not_null(strstr(body, "\nprometheus_tsdb_head_series 3\n"));
    cr_assert_not_null(strstr(
        body, "\nprometheus_http_requests_total{code=\"200\",handler=\"/api/v1/write\"} 1\n"));
    cr_assert_not_null(strstr(body, "_bucket{handler=\"/api/v1/write\",le=\"0.2\"} 0\n"));
    cr_assert_not_null(strstr(body, "_bucket{handler=\"/api/v1/write\",le=\"0.4\"} 1\n"));
    cr_assert_null(strstr(body, "\ngo_"));
    /* each family once, its samples together */
    for (const char *p = body; (p = strstr(p, "# TYPE ")) != NULL;) {
        p += strlen("# TYPE ");
        size_t n = strcspn(p, " ");
        cr_assert_lt(n_seen, ARRAY_LEN(seen));
        snprintf(seen[n_seen], sizeof(seen[0]), "%.*s", (int)n, p);
        for (size_t i = 0; i < n_seen; i++)
            cr_assert_str_neq(seen[i], seen[n_seen]);
        n_seen++;
    }
    cr_assert_gt(n_seen, 30);
}

Test(api, snapshots_are_off_without_a_directory)
{
    expect_error("/api/v1/admin/tsdb/snapshot", 500, "unavailable",
                 "snapshots are off: --storage.path is empty");
}

#define DELETE_SERIES "/api/v1/admin/tsdb/delete_series"

static uint64_t kept_samples(void)
{
    struct tsdb_stats stats;
    tsdb_stats(app.db, &stats);
    return stats.samples;
}

/* reply_error with a region that gets nothing; the answer's body is in `body`. */
static int error_without_memory(const char *text)
{
    drop_request();
    region_init(&rq.region, &app.arena, app.owner_requests, 1);
    reply_error(&rq, API_UNAVAILABLE, "%s", text);
    cr_assert_not(rq.reply.is_chain);
    cr_assert_str_eq(rq.reply.content_type, "application/json");
    cr_assert_lt(rq.reply.n_bytes, REPLY_TEXT_MAX);
    memcpy(body, rq.reply.bytes, rq.reply.n_bytes);
    body[rq.reply.n_bytes] = '\0';
    return rq.reply.status;
}

Test(api, an_error_without_memory_is_the_same_error)
{
    static const char head[] = "{\"status\":\"error\",\"errorType\":\"unavailable\",\"error\":\"";
    char text[2 * REPLY_TEXT_MAX] = "";
    cr_assert_eq(error_without_memory("\"a\\b\"\n\xc3\xa4"), 500);
    cr_assert_str_eq(body + sizeof(head) - 1, "\\\"a\\\\b\\\" \xc3\xa4\"}");
    for (size_t shift = 0; shift < 3; shift++) { /* the cut falls on each byte of a character */
        memset(text, 'x', shift);
        for (size_t n = shift; n + 3 < sizeof(text); n += 3)
            memcpy(text + n, "\xe2\x82\xac", 4);
        cr_assert_eq(error_without_memory(text), 500);
        size_t n = strlen(body);
        cr_assert_eq(strncmp(body, head, sizeof(head) - 1), 0);
        cr_assert_str_eq(body + n - 2, "\"}");
        cr_assert_gt(n, REPLY_TEXT_MAX - 10);
        cr_assert_eq((n - 2 - (sizeof(head) - 1) - shift) % 3, 0, "whole characters");
    }
}

Test(api, deleting_is_off_unless_it_is_enabled)
{
    expect_error(DELETE_SERIES "?match[]=up", 500, "unavailable", "admin APIs disabled");
    expect_error(DELETE_SERIES, 500, "unavailable", "admin APIs disabled");
    expect_error("/api/v1/admin/tsdb/clean_tombstones", 500, "unavailable", "admin APIs disabled");
    cr_assert_eq(kept_samples(), 4);
    app.config.web_enable_admin_api = true;
    expect("/api/v1/admin/tsdb/clean_tombstones", 204, "");
    cr_assert_eq(kept_samples(), 4);
}

Test(api, what_is_wrong_with_a_deletion)
{
    app.config.web_enable_admin_api = true;
    expect_error(DELETE_SERIES, 400, "bad_data", "no match[] parameter provided");
    expect_error(DELETE_SERIES "?match[]=up&start=zz", 400, "bad_data",
                 "invalid parameter \\\"start\\\": invalid time value for 'start': cannot parse "
                 "\\\"zz\\\" to a valid timestamp");
    expect_error(DELETE_SERIES "?match[]=up&end=zz", 400, "bad_data",
                 "invalid parameter \\\"end\\\": invalid time value for 'end': cannot parse "
                 "\\\"zz\\\" to a valid timestamp");
    expect_error(DELETE_SERIES "?match[]=up{", 400, "bad_data",
                 "invalid parameter \\\"match[]\\\": 1:4: parse error: unexpected end of input "
                 "inside braces");
    expect_error(DELETE_SERIES "?match[]=up&match[]=up{", 400, "bad_data",
                 "invalid parameter \\\"match[]\\\": 1:4: parse error: unexpected end of input "
                 "inside braces");
    expect_error(DELETE_SERIES "?match[]={__name__=~\".*\"}", 400, "bad_data",
                 "invalid parameter \\\"match[]\\\": match[] must contain at least one non-empty "
                 "matcher");
    cr_assert_eq(kept_samples(), 4, "nothing was deleted, by none of several selectors");
}

Test(api, deleting_series)
{
    app.config.web_enable_admin_api = true;
    expect(DELETE_SERIES "?match[]=up&start=10&end=5", 204, "");
    expect(DELETE_SERIES "?match[]=nothing", 204, "");
    cr_assert_eq(kept_samples(), 4);
    expect(DELETE_SERIES "?match[]=up&start=1699999940&end=1699999999.499", 204, "");
    cr_assert_eq(kept_samples(), 3);
    expect("/api/v1/query?query=up", 200,
           DATA("{\"resultType\":\"vector\",\"result\":["
                "{\"metric\":{\"__name__\":\"up\",\"job\":\"a\"},\"value\":[1700000000,\"0\"]},"
                "{\"metric\":{\"__name__\":\"up\",\"job\":\"b<\"},\"value\":[1700000000,\"1.5\"]}"
                "]}"));
    expect(DELETE_SERIES "?match[]=up{job=\"a\"}&match[]=load&start=1690000000", 204, "");
    cr_assert_eq(kept_samples(), 1);
    expect(DELETE_SERIES "?match[]={job=~\".%2B\"}", 204, "");
    cr_assert_eq(kept_samples(), 0);
    expect("/api/v1/series?match[]={job=~\".%2B\"}", 200, DATA("[]"));
}

Test(api, a_deletion_without_memory_says_so)
{
    app.config.web_enable_admin_api = true;
    memory_bytes = 1;
    expect_error(DELETE_SERIES "?match[]=up", 500, "internal",
                 "deletion stopped: out of memory under the limit; 0 samples were deleted before, "
                 "0 series with all "
                 "they had; delete once more for the rest");
    cr_assert_eq(kept_samples(), 4);
}

Test(api, what_a_store_without_scraping_answers)
{
    expect("/api/v1/rules", 200, DATA("{\"groups\":[]}"));
    expect("/api/v1/rules?type=Alert&exclude_alerts=true&group_limit=1", 200,
           DATA("{\"groups\":[]}"));
    expect("/api/v1/alerts", 200, DATA("{\"alerts\":[]}"));
    expect("/api/v1/alertmanagers", 200,
           DATA("{\"activeAlertmanagers\":[],\"droppedAlertmanagers\":[]}"));
    expect("/api/v1/targets", 200,
           DATA("{\"activeTargets\":[],\"droppedTargets\":[],\"droppedTargetCounts\":{}}"));
    expect("/api/v1/targets?state=active", 200,
           DATA("{\"activeTargets\":[],\"droppedTargets\":[],\"droppedTargetCounts\":null}"));
    expect("/api/v1/targets/metadata?match_target=&limit=3", 200, DATA("[]"));
    expect("/api/v1/scrape_pools", 200, DATA("{\"scrapePools\":[]}"));
    expect("/api/v1/notifications", 200, DATA("[]"));
    expect("/api/v1/status/config", 200,
           DATA("{\"yaml\":\"global:\\n  scrape_interval: 1m\\n  scrape_timeout: 10s\\n  "
                "evaluation_interval: 1m\\n\"}"));
}

Test(api, what_is_wrong_with_what_is_empty)
{
    static const struct {
        const char *target, *text;
    } rows[] = {
        {"/api/v1/rules?type=x", "invalid parameter \\\"type\\\": not supported value \\\"x\\\""},
        {"/api/v1/rules?match[]=%7B", "1:2: parse error: unexpected end of input inside braces"},
        {"/api/v1/rules?exclude_alerts=x",
         "invalid parameter \\\"exclude_alerts\\\": error converting exclude_alerts: "
         "strconv.ParseBool: parsing \\\"x\\\": invalid syntax"},
        {"/api/v1/rules?group_limit=x",
         "invalid parameter \\\"group_limit\\\": group_limit needs to be a valid number: "
         "strconv.ParseInt: parsing \\\"x\\\": invalid syntax"},
        {"/api/v1/rules?group_limit=0",
         "invalid parameter \\\"group_limit\\\": group_limit needs to be greater than 0"},
        {"/api/v1/rules?group_next_token=x",
         "invalid parameter \\\"group_next_token\\\": group_limit needs to be present in order to "
         "paginate over the groups"},
        {"/api/v1/rules?group_next_token=x&group_limit=1",
         "invalid parameter \\\"group_next_token\\\": invalid group_next_token 'x'. were rule "
         "groups "
         "changed?"},
        {"/api/v1/targets/metadata?limit=x", "limit must be a number"},
        {"/api/v1/targets/metadata?match_target=%7B",
         "invalid parameter \\\"match_target\\\": 1:2: parse error: unexpected end of input inside "
         "braces"},
        {"/api/v1/metadata?limit=x", "limit must be a number"},
        {"/api/v1/metadata?limit_per_metric=x", "limit_per_metric must be a number"},
        {"/api/v1/labels?match[]=%7B", "1:2: parse error: unexpected end of input inside braces"},
        {"/api/v1/format_query?query=up%5B",
         "invalid parameter \\\"query\\\": 1:4: parse error: unexpected end of input in duration "
         "expression"},
        {"/api/v1/parse_query",
         "invalid parameter \\\"query\\\": unknown position: parse error: no expression found in "
         "input"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        expect_error(rows[i].target, 400, "bad_data", rows[i].text);
}

static void describe(const char *family, enum metadata_type type, const char *help)
{
    const struct metadata_item item = {
        {family, (uint32_t)strlen(family)}, {help, (uint32_t)strlen(help)}, {"s", 1}, type};
    cr_assert(metadata_put(&app.metadata, &item, 1));
}

Test(api, metadata)
{
    expect("/api/v1/metadata", 200, DATA("{}"));
    describe("up", METADATA_GAUGE, "Up <b>.");
    describe("up", METADATA_COUNTER, "Up.");
    describe("a", METADATA_INFO, "");
#define A    "\"a\":[{\"type\":\"info\",\"unit\":\"s\",\"help\":\"\"}]"
#define UP   "\"up\":[{\"type\":\"gauge\",\"unit\":\"s\",\"help\":\"Up \\u003cb\\u003e.\"}"
#define UP_2 ",{\"type\":\"counter\",\"unit\":\"s\",\"help\":\"Up.\"}]"
    expect("/api/v1/metadata", 200, DATA("{" A "," UP UP_2 "}"));
    expect("/api/v1/metadata?limit=-1", 200, DATA("{" A "," UP UP_2 "}"));
    expect("/api/v1/metadata?limit=1", 200, DATA("{" A "}"));
    expect("/api/v1/metadata?limit=0", 200, DATA("{}"));
    expect("/api/v1/metadata?limit_per_metric=1", 200, DATA("{" A "," UP "]}"));
    expect("/api/v1/metadata?metric=up&limit_per_metric=2", 200, DATA("{" UP UP_2 "}"));
    expect("/api/v1/metadata?metric=none", 200, DATA("{}"));
}

Test(api, the_text_of_a_query)
{
    expect("/api/v1/format_query?query=sum(up)by(job)", 200, DATA("\"sum by (job) (up)\""));
    expect("/api/v1/parse_query?query=-up[5m]%20offset%201m", 400,
           "{\"status\":\"error\",\"errorType\":\"bad_data\",\"error\":\"invalid parameter "
           "\\\"query\\\": 1:1: parse error: unary expression only allowed on expressions of type "
           "scalar or instant vector, got \\\"range vector\\\"\"}");
    expect(
        "/api/v1/parse_query?query=-up%20@%201.5%20%3Ebool%202", 200,
        DATA("{\"bool\":true,\"lhs\":{\"expr\":{\"matchers\":[{\"name\":\"__name__\",\"type\":"
             "\"=\",\"value\":\"up\"}],\"name\":\"up\",\"offset\":0,\"startOrEnd\":null,"
             "\"timestamp\":1500,\"type\":\"vectorSelector\"},\"op\":\"-\",\"type\":\"unaryExpr\"},"
             "\"matching\":null,\"op\":\"\\u003e\",\"rhs\":{\"type\":\"numberLiteral\",\"val\":"
             "\"2\"},"
             "\"type\":\"binaryExpr\"}"));
}

Test(api, federation)
{
    store("up.x", "a", now_ms, 2);
    expect("/federate?match[]=up&match[]=%7Bjob=\"a\"%7D", 200,
           "# TYPE up untyped\nup{job=\"a\",instance=\"\"} 0 1700000000000\n"
           "up{job=\"b<\",instance=\"\"} 1.5 1699999999500\n"
           "# TYPE up_x untyped\nup_x{job=\"a\",instance=\"\"} 2 1700000000000\n");
    cr_assert_str_eq(rq.reply.content_type,
                     "text/plain; version=0.0.4; charset=utf-8; escaping=underscores");
    expect("/federate", 200, "");
    expect("/federate?match[]=load", 200, ""); /* an hour old */
    expect("/federate?match[]=%7B", 400,
           "1:2: parse error: unexpected end of input inside braces\n");
}

Test(api, federation_without_memory_says_so)
{
    without_memory("/federate?match[]=up&match[]=%7Bjob=\"a\"%7D", 500,
                   "the series that match do not fit the memory of one query");
    with_every_limit("/federate?match[]=up&match[]=%7Bjob=\"a\"%7D", 500, 1 << 20);
}

Test(api, parse_query_without_memory_says_so)
{
    without_memory("/api/v1/parse_query?query=sum(up%7Ba%3D~\"b\"%7D)%20by%20(x)%20-%201", 422,
                   "\"errorType\":\"execution\"");
    with_every_limit("/api/v1/parse_query?query=sum(up%7Ba%3D~\"b\"%7D)%20by%20(x)%20-%201", 422,
                     1 << 20);
}

Test(api, stats_of_a_query)
{
    cr_assert_eq(ask("/api/v1/query?query=sum_over_time(up[2m])&stats=true"), 200);
    cr_assert_not_null(strstr(body, "\"stats\":{\"timings\":{\"evalTotalTime\":"), "%s", body);
    cr_assert_not_null(strstr(body, "\"totalQueryableSamples\":3,"), "%s", body);
    cr_assert_eq(ask("/api/v1/query?query=up"), 200);
    cr_assert_null(strstr(body, "stats"));
}

Test(api, the_list_of_queries)
{
    atomic_bool flag = false;
    struct query q = {0};
    expect("/api/v1/status/queries", 200, DATA("{\"running\":[],\"heavy\":[]}"));
    queries_enter(&app.queries, &q, "/api/v1/query", "up", 2, clock_boot_ns(), &rq.region, &flag);
    cr_assert_eq(ask("/api/v1/status/queries"), 200);
    cr_assert_not_null(
        strstr(body, "{\"running\":[{\"id\":1,\"path\":\"/api/v1/query\",\"query\":\"up\","), "%s",
        body);
    cr_assert_not_null(strstr(body, "\"state\":\"waiting\",\"liveBytes\":"), "%s", body);
    rq_method = METHOD_DELETE;
    expect_error("/api/v1/status/queries", 400, "bad_data",
                 "invalid parameter \\\"id\\\": \\\"\\\" is not the id of a query; GET lists them");
    expect_error("/api/v1/status/queries?id=2", 404, "not_found", "no query of id 2 is under way");
    cr_assert_not(atomic_load(&flag));
    expect("/api/v1/status/queries?id=1", 200, DATA("{\"canceled\":1}"));
    cr_assert(atomic_load(&flag));
    struct query_row row;
    queries_start(&app.queries, &q, q.arrived_boot_ns);
    cr_assert(queries_leave(&app.queries, &q, 499, q.arrived_boot_ns + 2000000000, &row));
    rq_method = METHOD_GET;
    cr_assert_eq(ask("/api/v1/status/queries"), 200);
    cr_assert_not_null(strstr(body, "\"running\":[],\"heavy\":[{\"id\":1,"), "%s", body);
    cr_assert_not_null(strstr(body, "\"ranSeconds\":2,\"status\":499,"), "%s", body);
}

Test(api, health_and_the_page)
{
    expect("/-/healthy", 200, "Prometheus Server is Healthy.\n");
    expect("/-/ready", 200, "Prometheus Server is Ready.\n");
}
