#include "http/route.h"

#include "http/api.h"

#include <string.h>

enum {
    GET = METHOD_GET,
    GET_POST = METHOD_GET | METHOD_POST,
    POST_PUT = METHOD_POST | METHOD_PUT,
    GET_POST_PUT = METHOD_GET | METHOD_POST | METHOD_PUT,
    GET_HEAD = METHOD_GET | METHOD_HEAD,
    GET_DELETE = METHOD_GET | METHOD_DELETE,
    API = ROUTE_NEEDS_STORE | ROUTE_SHARED,
    API_COMPUTES = API | ROUTE_COMPUTES,
};

static const struct route routes[] = {
    {"/api/v1/write", METHOD_POST, ROUTE_NEEDS_STORE, api_write, api_write_accept},
    {"/api/v1/query", GET_POST, API_COMPUTES | ROUTE_READS_NEWEST, api_query, NULL},
    {"/api/v1/query_range", GET_POST, API_COMPUTES | ROUTE_READS_NEWEST, api_query_range, NULL},
    {"/api/v1/query_exemplars", GET_POST, API_COMPUTES, api_query_exemplars, NULL},
    {"/api/v1/format_query", GET_POST, API_COMPUTES, api_format_query, NULL},
    {"/api/v1/parse_query", GET_POST, API_COMPUTES, api_parse_query, NULL},
    {"/api/v1/series", GET_POST, API_COMPUTES | ROUTE_FORMS_ONLY, api_series, NULL},
    {"/api/v1/labels", GET_POST, API_COMPUTES, api_labels, NULL},
    {"/api/v1/label/:name/values", GET, API_COMPUTES, api_label_values, NULL},
    {"/api/v1/metadata", GET, API, api_metadata, NULL},
    {"/api/v1/rules", GET, API, api_rules, NULL},
    {"/api/v1/alerts", GET, API, api_alerts, NULL},
    {"/api/v1/alertmanagers", GET, API, api_alertmanagers, NULL},
    {"/api/v1/targets", GET, API, api_targets, NULL},
    {"/api/v1/targets/metadata", GET, API, api_targets_metadata, NULL},
    {"/api/v1/scrape_pools", GET, API, api_scrape_pools, NULL},
    {"/api/v1/notifications", GET, API, api_notifications, NULL},
    {"/api/v1/status/config", GET, API, api_config, NULL},
    {"/api/v1/status/buildinfo", GET, API, api_buildinfo, NULL},
    {"/api/v1/status/flags", GET, API, api_flags, NULL},
    {"/api/v1/status/runtimeinfo", GET, API, api_runtimeinfo, NULL},
    {"/api/v1/status/walreplay", GET, ROUTE_SHARED, api_walreplay, NULL},
    {"/api/v1/status/memory", GET, API, api_memory, NULL},
    {"/api/v1/status/queries", GET_DELETE, API, api_queries, NULL},
    {"/api/v1/status/tsdb", GET, API_COMPUTES | ROUTE_LEASES_ALL, api_tsdb, NULL},
    {"/api/v1/admin/tsdb/snapshot", POST_PUT, API_COMPUTES | ROUTE_RELIEVES, api_snapshot, NULL},
    {"/api/v1/admin/tsdb/delete_series", POST_PUT, API_COMPUTES | ROUTE_RELIEVES | ROUTE_FORMS_ONLY,
     api_delete_series, NULL},
    {"/api/v1/admin/tsdb/clean_tombstones", POST_PUT, API, api_clean_tombstones, NULL},
    {"/-/healthy", GET_HEAD, 0, api_healthy, NULL},
    {"/-/ready", GET_HEAD, ROUTE_NEEDS_STORE, api_ready, NULL},
    {"/-/reload", GET_POST_PUT, 0, api_lifecycle, NULL},
    {"/-/quit", GET_POST_PUT, 0, api_lifecycle, NULL},
    {"/version", GET, 0, api_version, NULL},
    {"/federate", GET, ROUTE_NEEDS_STORE | ROUTE_COMPUTES, api_federate, NULL},
    {"/metrics", GET, 0, api_metrics, NULL},
    {"/debug/pprof/heap", GET, ROUTE_NEEDS_STORE, api_pprof_heap, NULL},
    {"/", GET_HEAD, 0, api_page, NULL},
    {"/query", GET_HEAD, 0, api_page, NULL},
    {"/graph", GET_HEAD, 0, api_page, NULL},
};

static_assert(sizeof(routes) / sizeof(routes[0]) <= ROUTES_MAX, "metrics has a row a route");

size_t route_count(void)
{
    return ARRAY_LEN(routes);
}

const struct route *route_at(size_t i)
{
    assert(i < ARRAY_LEN(routes));
    return &routes[i];
}

size_t route_index(const struct route *r)
{
    uintptr_t at = (uintptr_t)r, first = (uintptr_t)routes;
    bool is_ours = at >= first && at < first + sizeof(routes);
    return is_ours ? (at - first) / sizeof(*r) : ROUTES_MAX;
}

/* Compares segment by segment; a segment of the pattern that begins with a colon takes any. */
static bool matches(const char *pattern, const char *path, const char **capture, size_t *len)
{
    while (*pattern && *path) {
        if (*pattern == ':') {
            *capture = path;
            *len = strcspn(path, "/");
            if (*len == 0)
                return false;
            path += *len;
            pattern += strcspn(pattern, "/");
        } else if (*pattern++ != *path++) {
            return false;
        }
    }
    return *pattern == '\0' && *path == '\0';
}

const struct route *route_find(const char *path, const char **ret_capture, size_t *ret_capture_len)
{
    for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
        const char *capture = NULL;
        size_t len = 0;
        if (!matches(routes[i].path, path, &capture, &len))
            continue;
        *ret_capture = capture;
        *ret_capture_len = len;
        return &routes[i];
    }
    return NULL;
}

const char *route_allow(const struct route *r)
{
    switch (r->methods) {
    case GET:
        return "GET, OPTIONS";
    case METHOD_POST:
        return "OPTIONS, POST";
    case GET_POST:
        return "GET, OPTIONS, POST";
    case POST_PUT:
        return "OPTIONS, POST, PUT";
    case GET_POST_PUT:
        return "GET, OPTIONS, POST, PUT";
    case GET_DELETE:
        return "DELETE, GET, OPTIONS";
    default:
        assert(r->methods == GET_HEAD);
        return "GET, HEAD, OPTIONS";
    }
}

enum http_method route_method(const char *name)
{
    static const struct {
        const char *name;
        enum http_method method;
    } names[] = {{"GET", METHOD_GET}, {"HEAD", METHOD_HEAD},     {"POST", METHOD_POST},
                 {"PUT", METHOD_PUT}, {"DELETE", METHOD_DELETE}, {"OPTIONS", METHOD_OPTIONS}};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (strcmp(names[i].name, name) == 0)
            return names[i].method;
    return METHOD_OTHER;
}
