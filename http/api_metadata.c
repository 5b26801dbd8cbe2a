/* /api/v1/metadata: what senders said about metrics. */
#include "http/api.h"
#include "http/api_params.h"
#include "http/app.h"

#include <string.h>

/* A limit of metadata: -1 = none; negative ones are none as well. */
static bool read_limit(struct request *rq, const char *name, int64_t *ret)
{
    const char *text = params_text(&rq->params, name);
    *ret = -1;
    if (*text == '\0' || params_parse_i64(text, ret))
        return true;
    reply_error(rq, API_BAD_DATA, "%s must be a number", name);
    return false;
}

static bool is_same_family(const struct metadata_item *a, const struct metadata_item *b)
{
    return a->family.len == b->family.len &&
           memcmp(a->family.bytes, b->family.bytes, a->family.len) == 0;
}

static void put_item(struct json *j, const struct metadata_item *item)
{
    json_object(j);
    json_key(j, "type");
    json_string(j, metadata_type_text(item->type));
    json_key(j, "unit");
    json_text(j, item->unit.bytes, item->unit.len);
    json_key(j, "help");
    json_text(j, item->help.bytes, item->help.len);
    json_object_end(j);
}

static void put_families(struct json *j, const struct metadata_item *items, size_t n, int64_t limit,
                         int64_t limit_per_metric)
{
    int64_t n_families = 0;
    json_object(j);
    for (size_t i = 0; i < n && (limit < 0 || n_families < limit) && !chain_failed(j->out);) {
        const struct metadata_item *first = &items[i];
        json_key_text(j, first->family.bytes, first->family.len);
        json_array(j);
        for (int64_t k = 0; i < n && is_same_family(first, &items[i]); i++, k++)
            if (limit_per_metric <= 0 || k < limit_per_metric)
                put_item(j, &items[i]);
        json_array_end(j);
        n_families++;
    }
    json_object_end(j);
}

void api_metadata(struct request *rq)
{
    struct json j;
    struct metadata_item *items;
    size_t n;
    int64_t limit, limit_per_metric;
    const struct param *name = params_next(&rq->params, "metric", NULL);
    bool is_one = name && name->value_len > 0;
    if (!api_params_complete(rq) || !read_limit(rq, "limit", &limit) ||
        !read_limit(rq, "limit_per_metric", &limit_per_metric))
        return;
    if (!metadata_list(&rq->app->metadata, is_one ? name->value : NULL,
                       is_one ? name->value_len : 0, &rq->region, &items, &n)) {
        region_release(&rq->region);
        reply_error(rq, API_EXECUTION, "out of memory");
        return;
    }
    reply_begin(rq, &j);
    put_families(&j, items, n, limit, limit_per_metric);
    reply_end(rq, &j);
}
