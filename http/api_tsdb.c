/* /api/v1/status/tsdb: who has how many series, as Prometheus 3.5 answers it, and beside that who
 * holds how many bytes. */
#include "http/api.h"
#include "http/api_params.h"
#include "http/app.h"
#include "tsdb/usage.h"

enum { LIMIT_DEFAULT = 10 };

/* Not api_limit(): this one has no 0, and one text for everything that is wrong. */
static bool read_limit(struct request *rq, size_t *ret)
{
    const char *text = params_text(&rq->params, "limit");
    int64_t limit = LIMIT_DEFAULT;
    if (*text != '\0' && (!params_parse_i64(text, &limit) || limit < 1)) {
        reply_error(rq, API_BAD_DATA, "limit must be a positive number");
        return false;
    }
    *ret = (size_t)limit;
    return true;
}

static void answer_error(struct request *rq, int err)
{
    if (err == ERR_CANCELED) {
        reply_error(rq, API_CANCELED, "query was canceled in expression evaluation");
        return;
    }
    region_release(&rq->region);
    reply_header(rq, "Retry-After", "5");
    reply_error(rq, API_UNAVAILABLE,
                "no memory to count in: it takes 8 bytes for each label pair, of what queries have "
                "left, %zu bytes (--query.max-memory); try again later, or with a smaller limit",
                rq->memory_bytes);
    rq->reply.status = 503;
}

static void put_number(struct json *j, const char *key, uint64_t value)
{
    json_key(j, key);
    json_u64(j, value);
}

static void put_head(struct json *j, struct tsdb *db)
{
    struct tsdb_stats s;
    tsdb_stats(db, &s);
    json_key(j, "headStats");
    json_object(j);
    put_number(j, "numSeries", s.series);
    put_number(j, "numLabelPairs", s.pairs);
    put_number(j, "chunkCount", s.chunks);
    json_key(j, "minTime");
    json_i64(j, s.min_ms);
    json_key(j, "maxTime");
    json_i64(j, s.max_ms);
    json_object_end(j);
}

static void put_table(struct json *j, const char *key, const struct top *t)
{
    json_key(j, key);
    json_array(j);
    for (size_t i = 0; i < t->n && !chain_failed(j->out); i++) {
        json_object(j);
        json_key(j, "name");
        json_text(j, t->rows[i].name, t->rows[i].n_bytes);
        put_number(j, "value", t->rows[i].value);
        json_object_end(j);
    }
    json_array_end(j);
}

void api_tsdb(struct request *rq)
{
    struct usage u;
    struct json j;
    size_t limit;
    if (!api_params_complete(rq) || !read_limit(rq, &limit))
        return;
    int err = usage_read(rq->app->db, limit, &rq->cancel, &rq->region, &u);
    if (err != 0) {
        answer_error(rq, err);
        return;
    }
    reply_begin(rq, &j);
    json_object(&j);
    put_head(&j, rq->app->db);
    put_table(&j, "seriesCountByMetricName", &u.series_by_metric);
    put_table(&j, "labelValueCountByLabelName", &u.values_by_name);
    put_table(&j, "memoryInBytesByLabelName", &u.text_bytes_by_name);
    put_table(&j, "seriesCountByLabelValuePair", &u.series_by_pair);
    put_table(&j, "bytesByMetricName", &u.bytes_by_metric);
    put_table(&j, "bytesByLabelName", &u.bytes_by_name);
    put_table(&j, "bytesByLabelValuePair", &u.bytes_by_pair);
    put_table(&j, "newSeriesByMetricName", &u.new_by_metric);
    put_table(&j, "newSeriesByLabelValuePair", &u.new_by_pair);
    put_number(&j, "newSeries", u.n_new);
    json_key(&j, "bytesTotal");
    json_object(&j);
    put_number(&j, "series", u.series_bytes);
    put_number(&j, "labels", u.label_bytes);
    json_object_end(&j);
    json_object_end(&j);
    reply_end(rq, &j);
}
