#include "http/route.h"

#include <criterion/criterion.h>
#include <string.h>

Test(route, paths)
{
    static const char *const known[] = {
        "/",
        "/metrics",
        "/-/healthy",
        "/-/ready",
        "/graph",
        "/query",
        "/api/v1/query",
        "/api/v1/query_range",
        "/api/v1/write",
        "/api/v1/series",
        "/api/v1/labels",
        "/api/v1/status/buildinfo",
        "/api/v1/status/flags",
        "/api/v1/status/memory",
        "/api/v1/status/tsdb",
        "/api/v1/status/config",
        "/api/v1/status/queries",
        "/api/v1/format_query",
        "/api/v1/parse_query",
        "/api/v1/metadata",
        "/api/v1/rules",
        "/api/v1/alerts",
        "/api/v1/alertmanagers",
        "/api/v1/targets",
        "/api/v1/targets/metadata",
        "/api/v1/scrape_pools",
        "/api/v1/notifications",
        "/federate",
        "/debug/pprof/heap",
        "/api/v1/admin/tsdb/snapshot",
        "/api/v1/admin/tsdb/delete_series",
        "/api/v1/admin/tsdb/clean_tombstones",
    };
    static const char *const unknown[] = {"",
                                          "//",
                                          "/api",
                                          "/api/v1/",
                                          "/api/v1/queryx",
                                          "/api/v1/query/",
                                          "/Metrics",
                                          "/api/v1/label/values",
                                          "/api/v1/label//values",
                                          "/api/v1/label/a/b/values",
                                          "/api/v1/label/a/value",
                                          "/api/v1/label/a/valuesx"};
    const char *capture;
    size_t n;
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        const struct route *r = route_find(known[i], &capture, &n);
        cr_assert_not_null(r, "%s", known[i]);
        cr_assert_str_eq(r->path, known[i]);
        cr_assert_eq(route_at(route_index(r)), r);
    }
    for (size_t i = 0; i < ARRAY_LEN(unknown); i++)
        cr_assert_null(route_find(unknown[i], &capture, &n), "%s", unknown[i]);
}

Test(route, a_name_in_the_path_is_captured_as_it_stands)
{
    const char *capture = NULL;
    size_t n = 0;
    const struct route *r = route_find("/api/v1/label/a%2Fb/values", &capture, &n);
    cr_assert_not_null(r);
    cr_assert_eq(n, 5);
    cr_assert_arr_eq(capture, "a%2Fb", 5);
}

Test(route, every_route_is_whole)
{
    for (size_t i = 0; i < route_count(); i++) {
        const struct route *r = route_at(i);
        cr_assert_not_null(r->handle, "%s", r->path);
        cr_assert_gt(strlen(route_allow(r)), 0, "%s", r->path);
        /* what the API answers depends on the store, but for how far its start has come */
        if (strncmp(r->path, "/api/", 5) == 0 && strcmp(r->path, "/api/v1/status/walreplay") != 0)
            cr_assert(r->flags & ROUTE_NEEDS_STORE, "%s", r->path);
        bool is_shared = strncmp(r->path, "/api/", 5) == 0 && strcmp(r->path, "/api/v1/write") != 0;
        cr_assert_eq(is_shared, (r->flags & ROUTE_SHARED) != 0, "%s", r->path);
        cr_assert_not_null(strstr(route_allow(r), "OPTIONS"), "%s", r->path);
    }
    cr_assert_eq(route_index(NULL), ROUTES_MAX);
}

Test(route, queries_need_no_more_than_the_times_that_they_ask_for)
{
    for (size_t i = 0; i < route_count(); i++) {
        const char *path = route_at(i)->path;
        bool asks = !strcmp(path, "/api/v1/query") || !strcmp(path, "/api/v1/query_range");
        cr_assert_eq((route_at(i)->flags & ROUTE_READS_NEWEST) != 0, asks, "%s", path);
    }
}

Test(route, methods)
{
    cr_assert_eq(route_method("GET"), METHOD_GET);
    cr_assert_eq(route_method("HEAD"), METHOD_HEAD);
    cr_assert_eq(route_method("POST"), METHOD_POST);
    cr_assert_eq(route_method("PUT"), METHOD_PUT);
    cr_assert_eq(route_method("get"), METHOD_OTHER);
    cr_assert_eq(route_method("DELETE"), METHOD_DELETE);
    cr_assert_eq(route_method("OPTIONS"), METHOD_OPTIONS);
    cr_assert_eq(route_method("PATCH"), METHOD_OTHER);
}
