/* /api/v1/series, /labels and /label/NAME/values: what is there, in a range of time, for series
 * that match one of the match[] parameters. All three collect in the request's region, which the
 * answer lives in as well. */
#include "http/api.h"
#include "http/api_params.h"
#include "http/app.h"
#include "tsdb/read.h"

#include <stdio.h>
#include <string.h>

enum { BAD_NAME_BYTES_MAX = 128 }; /* of a name that is shown */

static const char *const truncated_warning = "results truncated due to limit";

struct scope {
    struct read_options options;
    struct matcher_set *sets;
    size_t n_sets;
    uint64_t limit;
};

/* is_named: errors of selectors name their parameter, as Prometheus does for series alone. */
static bool read_scope(struct request *rq, bool is_named, struct scope *s)
{
    s->options.cancel = &rq->cancel;
    return api_params_complete(rq) && api_limit(rq, &s->limit) &&
           api_time(rq, "start", PARAMS_TIME_MIN_MS, &s->options.min_ms) &&
           api_time(rq, "end", PARAMS_TIME_MAX_MS, &s->options.max_ms) &&
           api_matchers(rq, is_named, &s->sets, &s->n_sets);
}

static void answer_error(struct request *rq, int err)
{
    switch (err) {
    case ERR_CANCELED:
        reply_error(rq, API_CANCELED, "query was canceled in expression evaluation");
        return;
    case ERR_NO_MEMORY:
        region_release(&rq->region);
        reply_error(rq, API_EXECUTION,
                    "the series that match do not fit the memory of one query, %zu bytes "
                    "(--query.max-memory)",
                    rq->memory_bytes);
        return;
    default:
        reply_error(rq, API_INTERNAL, "%s", tsdb_err_text(err));
        return;
    }
}

/* How many of n to write, and the warning when some are left out. */
static size_t cut(const struct scope *s, size_t n, size_t *ret_n_warnings)
{
    bool is_cut = s->limit > 0 && n > s->limit;
    *ret_n_warnings = is_cut;
    return is_cut ? (size_t)s->limit : n;
}

static void answer_texts(struct request *rq, const struct scope *s, const struct read_text *texts,
                         size_t n)
{
    struct json j;
    size_t n_warnings;
    n = cut(s, n, &n_warnings);
    reply_begin(rq, &j);
    json_array(&j);
    for (size_t i = 0; i < n && !chain_failed(j.out); i++)
        json_text(&j, texts[i].bytes, texts[i].len);
    json_array_end(&j);
    reply_end_annotated(rq, &j, &truncated_warning, n_warnings, NULL, 0);
}

void api_labels(struct request *rq)
{
    struct scope s = {0};
    struct read_text *names;
    size_t n;
    if (!read_scope(rq, false, &s))
        return;
    int err = read_label_names(rq->app->db, s.sets, s.n_sets, &s.options, &rq->region, &names, &n);
    api_matchers_release(s.sets, s.n_sets);
    if (err != 0)
        answer_error(rq, err);
    else
        answer_texts(rq, &s, names, n);
}

/* As Go's %q: what is no character stands as \xff. */
static void answer_bad_name(struct request *rq, const char *name, size_t n)
{
    char text[4 * BAD_NAME_BYTES_MAX + 1] = "";
    for (size_t i = 0, to = 0; i < size_min(n, BAD_NAME_BYTES_MAX); i++) {
        unsigned char c = (unsigned char)name[i];
        const char *format = c == '"' || c == '\\'  ? "\\%c"
                             : c >= ' ' && c < 0x7f ? "%c"
                                                    : "\\x%02x";
        to += (size_t)snprintf(text + to, sizeof(text) - to, format, c);
    }
    reply_error(rq, API_BAD_DATA, "invalid label name: \"%s\"", text);
}

/* The name in the path, decoded twice: percent escapes, then U__ escapes. NULL when it has been
 * answered. */
static char *label_name(struct request *rq, size_t *ret_len)
{
    char *text = region_copy(&rq->region, rq->capture, rq->capture_len);
    char *name = region_alloc(&rq->region, rq->capture_len + 1);
    if (!text || !name) {
        answer_error(rq, ERR_NO_MEMORY);
        return NULL;
    }
    size_t n = params_decode(text, rq->capture_len, false);
    if (n == SIZE_MAX) {
        reply_error(rq, API_BAD_DATA, "invalid label name: \"%.*s\"",
                    (int)size_min(rq->capture_len, 512), rq->capture);
        return NULL;
    }
    *ret_len = params_unescape_name(text, n, name);
    name[*ret_len] = '\0';
    if (*ret_len > 0 && utf8_is_valid(name, *ret_len))
        return name;
    answer_bad_name(rq, name, *ret_len);
    return NULL;
}

void api_label_values(struct request *rq)
{
    struct scope s = {0};
    struct read_text *values;
    size_t n, name_len = 0;
    char *name = label_name(rq, &name_len);
    if (!name || !read_scope(rq, false, &s))
        return;
    int err = read_label_values(rq->app->db, name, name_len, s.sets, s.n_sets, &s.options,
                                &rq->region, &values, &n);
    api_matchers_release(s.sets, s.n_sets);
    if (err != 0)
        answer_error(rq, err);
    else
        answer_texts(rq, &s, values, n);
}

static void answer_series(struct request *rq, const struct scope *s, const struct labels *series,
                          size_t n)
{
    struct json j;
    size_t n_warnings;
    n = cut(s, n, &n_warnings);
    reply_begin(rq, &j);
    json_array(&j);
    for (size_t i = 0; i < n && !chain_failed(j.out); i++)
        json_labels(&j, &series[i]);
    json_array_end(&j);
    reply_end_annotated(rq, &j, &truncated_warning, n_warnings, NULL, 0);
}

void api_series(struct request *rq)
{
    struct scope s = {0};
    struct labels *series;
    size_t n;
    if (!api_params_well_formed(rq))
        return;
    if (!params_next(&rq->params, "match[]", NULL)) {
        reply_error(rq, API_BAD_DATA, "no match[] parameter provided");
        return;
    }
    if (!read_scope(rq, true, &s))
        return;
    int err = read_label_sets(rq->app->db, s.sets, s.n_sets, &s.options, &rq->region, &series, &n);
    api_matchers_release(s.sets, s.n_sets);
    if (err != 0)
        answer_error(rq, err);
    else
        answer_series(rq, &s, series, n);
}
