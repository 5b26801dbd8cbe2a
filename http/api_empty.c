/* What a store that neither scrapes nor evaluates rules answers where Prometheus lists targets and
 * rules: well-formed and empty, so that clients which ask for them work; and their parameters'
 * errors. */
#include "http/api.h"
#include "http/api_params.h"

#include "tsdb/promql/promql.h"

#include <string.h>
#include <strings.h>

/* data: valid JSON. */
static void answer(struct request *rq, const char *data)
{
    struct chain *out = reply_chain(rq, "application/json");
    chain_put_text(out, "{\"status\":\"success\",\"data\":");
    chain_put_text(out, data);
    chain_put_text(out, "}");
}

/* A selector in the parameter `name`, which may be missing; prefix: before the parser's words. */
static bool check_selectors(struct request *rq, const char *name, const char *prefix)
{
    const struct param *p = NULL;
    while ((p = params_next(&rq->params, name, p)) != NULL) {
        struct matcher_set set;
        struct promql_error err = {0};
        if (p->value_len == 0 && prefix[0] != '\0') /* one that may be empty */
            continue;
        if (promql_parse_selector(p->value, p->value_len, &rq->region, &set, &err) != 0) {
            reply_error(rq, API_BAD_DATA, "%s%s", prefix, err.text ? err.text : "out of memory");
            return false;
        }
        matcher_set_release(&set);
    }
    return true;
}

static bool check_bool(struct request *rq, const char *name)
{
    const char *text = params_text(&rq->params, name);
    bool v;
    if (*text == '\0' || params_parse_bool(text, &v))
        return true;
    reply_error(rq, API_BAD_DATA,
                "invalid parameter \"%s\": error converting %s: strconv.ParseBool: parsing \"%s\": "
                "invalid syntax",
                name, name, text);
    return false;
}

/* Pages of groups: there is no group whose token could be given back. */
static bool check_pages(struct request *rq)
{
    const char *limit = params_text(&rq->params, "group_limit");
    const char *token = params_text(&rq->params, "group_next_token");
    int64_t v = 1;
    if (*limit == '\0' && *token != '\0') {
        reply_error(rq, API_BAD_DATA,
                    "invalid parameter \"group_next_token\": group_limit needs to be present in "
                    "order to paginate over the groups");
        return false;
    }
    if (*limit != '\0' && !params_parse_i64(limit, &v)) {
        reply_error(rq, API_BAD_DATA,
                    "invalid parameter \"group_limit\": group_limit needs to be a valid number: "
                    "strconv.ParseInt: parsing \"%s\": invalid syntax",
                    limit);
        return false;
    }
    if (v <= 0) {
        reply_error(rq, API_BAD_DATA,
                    "invalid parameter \"group_limit\": group_limit needs to be greater than 0");
        return false;
    }
    if (*token == '\0')
        return true;
    reply_error(rq, API_BAD_DATA,
                "invalid parameter \"group_next_token\": invalid group_next_token '%s'. were rule "
                "groups changed?",
                token);
    return false;
}

void api_rules(struct request *rq)
{
    const char *type = params_text(&rq->params, "type");
    if (!api_params_well_formed(rq) || !check_selectors(rq, "match[]", ""))
        return;
    if (*type != '\0' && strcasecmp(type, "alert") != 0 && strcasecmp(type, "record") != 0) {
        reply_error(rq, API_BAD_DATA, "invalid parameter \"type\": not supported value \"%s\"",
                    type);
        return;
    }
    if (check_bool(rq, "exclude_alerts") && check_pages(rq))
        answer(rq, "{\"groups\":[]}");
}

void api_alerts(struct request *rq)
{
    answer(rq, "{\"alerts\":[]}");
}

void api_alertmanagers(struct request *rq)
{
    answer(rq, "{\"activeAlertmanagers\":[],\"droppedAlertmanagers\":[]}");
}

/* Numbers of dropped targets are null, as in Prometheus, where dropped ones were not asked for. */
void api_targets(struct request *rq)
{
    const char *state = params_text(&rq->params, "state");
    bool wants_dropped =
        *state == '\0' || strcasecmp(state, "any") == 0 || strcasecmp(state, "dropped") == 0;
    answer(rq, wants_dropped
                   ? "{\"activeTargets\":[],\"droppedTargets\":[],\"droppedTargetCounts\":{}}"
                   : "{\"activeTargets\":[],\"droppedTargets\":[],\"droppedTargetCounts\":null}");
}

void api_targets_metadata(struct request *rq)
{
    const char *limit = params_text(&rq->params, "limit");
    int64_t v;
    if (!api_params_complete(rq))
        return;
    if (*limit != '\0' && !params_parse_i64(limit, &v)) {
        reply_error(rq, API_BAD_DATA, "limit must be a number");
        return;
    }
    if (check_selectors(rq, "match_target", "invalid parameter \"match_target\": "))
        answer(rq, "[]");
}

void api_scrape_pools(struct request *rq)
{
    answer(rq, "{\"scrapePools\":[]}");
}

void api_notifications(struct request *rq)
{
    answer(rq, "[]");
}

/* There is no file; the flags are under status/flags. Readers look for external labels, and for a
 * document that YAML can read. */
void api_config(struct request *rq)
{
    answer(rq, "{\"yaml\":\"global:\\n  scrape_interval: 1m\\n  scrape_timeout: 10s\\n  "
               "evaluation_interval: 1m\\n\"}");
}
