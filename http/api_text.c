/* /api/v1/format_query and /parse_query: the text of a query, laid out or taken apart. Nothing is
 * evaluated. */
#include "http/api.h"
#include "http/api_params.h"
#include "http/app.h"
#include "http/ast_json.h"
#include "tsdb/promql/promql.h"

/* NULL when it has been answered. */
static struct promql_query *parse(struct request *rq)
{
    struct promql_error err = {0};
    const struct param *text = params_next(&rq->params, "query", NULL);
    if (!api_params_complete(rq))
        return NULL;
    struct promql_query *q = promql_parse(text ? text->value : "", text ? text->value_len : 0,
                                          rq->app->promql_features, &rq->region, &err);
    if (!q && err.kind == PROMQL_ERR_BAD_DATA)
        reply_error(rq, API_BAD_DATA, "invalid parameter \"query\": %s", err.text);
    else if (!q)
        reply_error(rq, API_EXECUTION, "%s", err.text);
    return q;
}

void api_format_query(struct request *rq)
{
    struct json j;
    struct promql_query *q = parse(rq);
    if (!q)
        return;
    const char *text = promql_pretty(q, &rq->region);
    promql_release(q);
    if (!text) {
        region_release(&rq->region);
        reply_error(rq, API_EXECUTION,
                    "the text does not fit the memory of one query, %zu bytes "
                    "(--query.max-memory)",
                    rq->memory_bytes);
        return;
    }
    reply_begin(rq, &j);
    json_string(&j, text);
    reply_end(rq, &j);
}

void api_parse_query(struct request *rq)
{
    struct json j;
    struct promql_query *q = parse(rq);
    if (!q)
        return;
    reply_begin(rq, &j);
    ast_json(&j, promql_root(q));
    promql_release(q);
    reply_end(rq, &j);
}
