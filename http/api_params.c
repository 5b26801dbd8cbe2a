#include "http/api_params.h"

#include "tsdb/promql/promql.h"

#include <string.h>

bool api_time(struct request *rq, const char *name, int64_t fallback_ms, int64_t *ret_ms)
{
    const char *text = params_text(&rq->params, name);
    if (*text == '\0') {
        *ret_ms = fallback_ms;
        return true;
    }
    if (params_parse_time(text, ret_ms))
        return true;
    reply_error(rq, API_BAD_DATA,
                "invalid parameter \"%s\": invalid time value for '%s': cannot parse \"%s\" to a "
                "valid timestamp",
                name, name, text);
    return false;
}

bool api_time_required(struct request *rq, const char *name, int64_t *ret_ms)
{
    const char *text = params_text(&rq->params, name);
    if (params_parse_time(text, ret_ms))
        return true;
    reply_error(rq, API_BAD_DATA,
                "invalid parameter \"%s\": cannot parse \"%s\" to a valid timestamp", name, text);
    return false;
}

bool api_limit(struct request *rq, uint64_t *ret)
{
    const char *text = params_text(&rq->params, "limit");
    int64_t v = 0;
    if (*text != '\0' && !params_parse_i64(text, &v)) {
        reply_error(rq, API_BAD_DATA,
                    "invalid parameter \"limit\": strconv.Atoi: parsing \"%s\": invalid syntax",
                    text);
        return false;
    }
    if (v < 0) {
        reply_error(rq, API_BAD_DATA, "invalid parameter \"limit\": limit must be non-negative");
        return false;
    }
    *ret = (uint64_t)v;
    return true;
}

void api_matchers_release(struct matcher_set *sets, size_t n)
{
    for (size_t i = 0; i < n; i++)
        matcher_set_release(&sets[i]);
}

static bool has_condition(const struct matcher_set *set)
{
    for (size_t i = 0; i < set->n; i++)
        if (!matcher_matches_empty(&set->items[i]))
            return true;
    return false;
}

static bool one_set(struct request *rq, const struct param *p, const char *prefix,
                    struct matcher_set *ret)
{
    struct promql_error err = {0};
    if (promql_parse_selector(p->value, p->value_len, &rq->region, ret, &err) != 0) {
        reply_error(rq, err.kind == PROMQL_ERR_BAD_DATA ? API_BAD_DATA : API_EXECUTION, "%s%s",
                    prefix, err.text ? err.text : "out of memory");
        return false;
    }
    if (has_condition(ret))
        return true;
    matcher_set_release(ret);
    reply_error(rq, API_BAD_DATA, "%smatch[] must contain at least one non-empty matcher", prefix);
    return false;
}

bool api_matchers(struct request *rq, bool is_named, struct matcher_set **ret, size_t *ret_n)
{
    size_t n = 0;
    const struct param *p = NULL;
    while ((p = params_next(&rq->params, "match[]", p)) != NULL)
        n++;
    struct matcher_set *sets = region_calloc(&rq->region, n + 1, sizeof(*sets));
    if (!sets) {
        reply_error(rq, API_EXECUTION, "out of memory");
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        p = params_next(&rq->params, "match[]", p);
        if (one_set(rq, p, is_named ? "invalid parameter \"match[]\": " : "", &sets[i]))
            continue;
        api_matchers_release(sets, i);
        return false;
    }
    *ret = sets;
    *ret_n = n;
    return true;
}

bool api_params_complete(struct request *rq)
{
    if (!rq->params.is_out_of_memory)
        return true;
    reply_error(rq, API_EXECUTION, "out of memory for the parameters");
    return false;
}

bool api_params_well_formed(struct request *rq)
{
    if (!api_params_complete(rq))
        return false;
    if (rq->params.fault)
        reply_error(rq, API_BAD_DATA, "error parsing form values: %s", rq->params.fault);
    return !rq->params.fault;
}
