/* /api/v1/query_exemplars: the exemplars of all series that the selectors of an expression match,
 * whatever the expression does with them. All is made in the request's region, which the answer
 * lives in as well. */
#include "http/api.h"
#include "http/api_params.h"
#include "http/app.h"
#include "tsdb/promql/promql.h"
#include "tsdb/read.h"

#include <string.h>

static bool read_options(struct request *rq, struct read_options *ret)
{
    ret->cancel = &rq->cancel;
    if (!api_params_complete(rq) || !api_time(rq, "start", PARAMS_TIME_MIN_MS, &ret->min_ms) ||
        !api_time(rq, "end", PARAMS_TIME_MAX_MS, &ret->max_ms))
        return false;
    if (ret->max_ms < ret->min_ms) {
        reply_error(rq, API_BAD_DATA, "end timestamp must not be before start timestamp");
        return false;
    }
    return true;
}

static void answer_no_memory(struct request *rq)
{
    region_release(&rq->region);
    reply_error(rq, API_EXECUTION,
                "the exemplars do not fit the memory of one query, %zu bytes (--query.max-memory)",
                rq->memory_bytes);
}

static void answer_error(struct request *rq, int err)
{
    if (err == ERR_CANCELED)
        reply_error(rq, API_CANCELED, "query was canceled in expression evaluation");
    else if (err == ERR_NO_MEMORY)
        answer_no_memory(rq);
    else
        reply_error(rq, API_EXECUTION, "%s", tsdb_err_text(err));
}

static void put_exemplar(struct json *j, const struct exemplar *x)
{
    double value;
    memcpy(&value, &x->value, sizeof(value));
    json_object(j);
    json_key(j, "labels");
    json_labels(j, &x->labels);
    json_key(j, "value");
    json_value(j, value);
    json_key(j, "timestamp");
    json_time(j, x->t_ms);
    json_object_end(j);
}

static void answer(struct request *rq, const struct read_exemplars *list, size_t n)
{
    struct json j;
    reply_begin(rq, &j);
    json_array(&j);
    for (size_t i = 0; i < n && !chain_failed(j.out); i++) {
        json_object(&j);
        json_key(&j, "seriesLabels");
        json_labels(&j, &list[i].labels);
        json_key(&j, "exemplars");
        json_array(&j);
        for (size_t k = 0; k < list[i].n; k++)
            put_exemplar(&j, &list[i].items[k]);
        json_array_end(&j);
        json_object_end(&j);
    }
    json_array_end(&j);
    reply_end(rq, &j);
}

static void run(struct request *rq, const struct promql_query *q, const struct read_options *o)
{
    struct read_exemplars *list = NULL;
    size_t n = 0, n_sets = 0;
    struct matcher_set *sets = promql_selectors(q, &rq->region, &n_sets);
    if (sets != NULL && n_sets == 0) { /* as Prometheus has it */
        reply_static(rq, 204, NULL, "", 0);
        return;
    }
    int err = sets == NULL ? ERR_NO_MEMORY
                           : read_exemplars(rq->app->db, sets, n_sets, o, &rq->region, &list, &n);
    if (err != 0)
        answer_error(rq, err);
    else
        answer(rq, list, n);
}

void api_query_exemplars(struct request *rq)
{
    struct read_options options = {0};
    struct promql_error err = {0};
    const struct param *text = params_next(&rq->params, "query", NULL);
    if (!read_options(rq, &options))
        return;
    struct promql_query *q = promql_parse(text ? text->value : "", text ? text->value_len : 0,
                                          rq->app->promql_features, &rq->region, &err);
    if (q)
        run(rq, q, &options);
    else if (err.kind == PROMQL_ERR_BAD_DATA)
        reply_error(rq, API_BAD_DATA, "%s", err.text ? err.text : "");
    else
        answer_no_memory(rq);
    promql_release(q);
}
