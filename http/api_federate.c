/* GET /federate: the newest sample of every series that one of the match[] parameters selects, if
 * it is younger than the lookback and no stale marker, in the text format, for another server to
 * scrape. Errors are plain text, as Prometheus has them here. */
#include "http/api.h"
#include "http/api_params.h"
#include "http/app.h"
#include "http/escaping.h"
#include "tsdb/promql/float_text.h"
#include "tsdb/promql/promql.h"
#include "tsdb/read.h"
#include "tsdb/store_limits.h"

#include <stdlib.h>
#include <string.h>

struct newest {
    struct labels labels;
    int64_t t_ms;
    double v;
};

struct federation {
    struct request *rq;
    struct newest *items;
    size_t n, cap;
};

static bool make_room(struct federation *f)
{
    if (f->n < f->cap)
        return true;
    size_t cap = size_max(2 * f->cap, 256);
    struct newest *items = region_alloc(&f->rq->region, cap * sizeof(*items));
    if (!items)
        return false;
    if (f->n > 0)
        memcpy(items, f->items, f->n * sizeof(*items));
    f->items = items;
    f->cap = cap;
    return true;
}

/* read_visit */
static int visit(void *ctx, struct read_series *s)
{
    struct federation *f = ctx;
    if (s->n == 0 || s->values[s->n - 1] == STALE_BITS)
        return 0;
    if (!make_room(f))
        return ERR_NO_MEMORY;
    struct newest *item = &f->items[f->n++];
    item->labels = s->labels;
    item->t_ms = s->t_ms[s->n - 1];
    memcpy(&item->v, &s->values[s->n - 1], sizeof(item->v));
    return 0;
}

static void answer_text(struct request *rq, int status, const char *text)
{
    reply_header(rq, "X-Content-Type-Options", "nosniff");
    reply_text(rq, status, "%s\n", text);
}

static void answer_error(struct request *rq, int err)
{
    region_release(&rq->region);
    answer_text(
        rq, 500,
        err == ERR_NO_MEMORY
            ? "the series that match do not fit the memory of one query (--query.max-memory)"
            : tsdb_err_text(err));
}

static int read_set(struct federation *f, const struct matcher_set *set)
{
    struct app *app = f->rq->app;
    int64_t now_ms = tsdb_now_ms(app->db);
    const struct read_options options = {
        .min_ms = now_ms - app->config.query_lookback_ms,
        .max_ms = now_ms,
        .cancel = &f->rq->cancel,
    };
    return read_each(app->db, set, &options, &f->rq->region, visit, f);
}

/* False when it has answered. */
static bool read_all(struct federation *f)
{
    const struct param *p = NULL;
    while ((p = params_next(&f->rq->params, "match[]", p)) != NULL) {
        struct matcher_set set;
        struct promql_error why = {0};
        if (promql_parse_selector(p->value, p->value_len, &f->rq->region, &set, &why) != 0) {
            answer_text(f->rq, why.kind == PROMQL_ERR_BAD_DATA ? 400 : 500, why.text);
            return false;
        }
        int err = read_set(f, &set);
        matcher_set_release(&set);
        if (err != 0) {
            answer_error(f->rq, err);
            return false;
        }
    }
    return true;
}

static struct label name_of(const struct labels *ls)
{
    const struct label *l = labels_get(ls, LABEL_METRIC_NAME, sizeof(LABEL_METRIC_NAME) - 1);
    return l ? *l : (struct label){.value = ""};
}

static int compare(const void *a, const void *b)
{
    const struct newest *x = a, *y = b;
    struct label m = name_of(&x->labels), n = name_of(&y->labels);
    int order = bytes_compare(m.value, m.value_len, n.value, n.value_len);
    return order != 0 ? order : labels_compare(&x->labels, &y->labels);
}

/* --- the text --------------------------------------------------------------------------------- */

static void put_escaped(struct chain *out, const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (text[i] == '\n')
            chain_put(out, "\\n", 2);
        else if (text[i] == '"' || text[i] == '\\')
            chain_put(out, (const char[]){'\\', text[i]}, 2);
        else
            chain_put(out, &text[i], 1);
    }
}

static void put_quoted(struct chain *out, const char *text, size_t n)
{
    chain_put(out, "\"", 1);
    put_escaped(out, text, n);
    chain_put(out, "\"", 1);
}

static void put_name(struct chain *out, enum escaping e, const char *name, size_t n)
{
    if (e == ESCAPING_ALLOW_UTF8 && !escaping_is_plain(name, n))
        put_quoted(out, name, n);
    else
        escaping_put(out, e, name, n);
}

/* `up{job="x",instance=""}`; a name that needs quotes stands among the labels: `{"u.p",job="x"}`.
 */
static void put_series(struct chain *out, enum escaping e, const struct labels *ls)
{
    static const char instance[] = "instance";
    struct label name = name_of(ls);
    bool is_inside = e == ESCAPING_ALLOW_UTF8 && !escaping_is_plain(name.value, name.value_len);
    const char *before = is_inside ? "," : "{";
    if (is_inside)
        chain_put(out, "{", 1);
    put_name(out, e, name.value, name.value_len);
    for (uint32_t i = 0; i < ls->n; i++) {
        const struct label *l = &ls->items[i];
        if (l->value == name.value)
            continue;
        chain_put(out, before, 1);
        put_name(out, e, l->name, l->name_len);
        chain_put(out, "=", 1);
        put_quoted(out, l->value, l->value_len);
        before = ",";
    }
    if (!labels_get(ls, instance, sizeof(instance) - 1)) {
        chain_put(out, before, 1);
        chain_put_text(out, "instance=\"\"");
    }
    chain_put(out, "}", 1);
}

static void put_sample(struct chain *out, enum escaping e, const struct newest *item)
{
    char number[FLOAT_TEXT_MAX];
    put_series(out, e, &item->labels);
    chain_put(out, " ", 1);
    chain_put(out, number, float_text_general(item->v, number));
    chain_put(out, " ", 1);
    chain_put_i64(out, item->t_ms);
    chain_put(out, "\n", 1);
}

static void put_type(struct chain *out, enum escaping e, struct label name)
{
    chain_put_text(out, "# TYPE ");
    put_name(out, e, name.value, name.value_len);
    chain_put_text(out, " untyped\n");
}

/* Items are sorted; what several selectors found comes once. A series without a name has no place
 * in the format. */
static void put_all(struct chain *out, enum escaping e, const struct federation *f)
{
    struct label last = {.value = ""};
    for (size_t i = 0; i < f->n && !chain_failed(out); i++) {
        const struct newest *item = &f->items[i];
        struct label name = name_of(&item->labels);
        if (name.value_len == 0 ||
            (i > 0 && labels_compare(&item->labels, &f->items[i - 1].labels) == 0))
            continue;
        if (bytes_compare(name.value, name.value_len, last.value, last.value_len) != 0)
            put_type(out, e, name);
        last = name;
        put_sample(out, e, item);
    }
}

void api_federate(struct request *rq)
{
    static const char *const content_types[] = {
        [ESCAPING_UNDERSCORES] = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores",
        [ESCAPING_DOTS] = "text/plain; version=0.0.4; charset=utf-8; escaping=dots",
        [ESCAPING_VALUES] = "text/plain; version=0.0.4; charset=utf-8; escaping=values",
        [ESCAPING_ALLOW_UTF8] = "text/plain; version=0.0.4; charset=utf-8; escaping=allow-utf-8",
    };
    struct federation f = {.rq = rq};
    enum escaping e = escaping_negotiate(rq->accept);
    if (rq->params.is_out_of_memory) {
        answer_error(rq, ERR_NO_MEMORY);
        return;
    }
    if (rq->params.fault)
        answer_text(rq, 400,
                    region_printf(&rq->region, "error parsing form values: %s", rq->params.fault));
    if (rq->params.fault || !read_all(&f))
        return;
    if (f.n > 0)
        qsort(f.items, f.n, sizeof(*f.items), compare);
    struct chain *out = reply_chain(rq, content_types[e]);
    put_all(out, e, &f);
    if (chain_failed(out))
        answer_error(rq, ERR_NO_MEMORY);
}
