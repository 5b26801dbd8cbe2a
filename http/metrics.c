#include "http/metrics.h"

#include "http/metrics_codes.h"
#include "tsdb/promql/float_text.h"

#include <string.h>

const int metrics_codes[METRICS_CODES] = {200, 204, 400, 404, 405, 414, 415,
                                          422, 431, 499, 500, 503, 408, 0};

const double metrics_bounds[METRIC_BUCKETS] = {0.1, 0.2, 0.4, 1, 3, 8, 20, 60, 120};

static_assert(sizeof(((struct metric_route *)0)->by_code) == METRICS_CODES * sizeof(atomic_ullong),
              "a counter a code");

void metrics_observe_request(struct metrics *m, size_t route, int status, uint64_t ns)
{
    assert(route < METRIC_ROUTES_MAX);
    struct metric_route *r = &m->routes[route];
    size_t code = 0;
    while (code < METRICS_CODES - 1 && metrics_codes[code] != status)
        code++;
    atomic_fetch_add_explicit(&r->by_code[code], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&r->n, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&r->sum_ns, ns, memory_order_relaxed);
    for (size_t i = 0; i < METRIC_BUCKETS; i++)
        if ((double)ns <= metrics_bounds[i] * 1e9)
            atomic_fetch_add_explicit(&r->buckets[i], 1, memory_order_relaxed);
}

struct text_writer {
    struct chain *out;
    const struct metric_family *last;
};

static void put_label_value(struct chain *out, const char *value)
{
    for (const char *p = value; *p; p++) {
        if (*p == '\n')
            chain_put(out, "\\n", 2);
        else if (*p == '"' || *p == '\\')
            chain_put(out, (const char[]){'\\', *p}, 2);
        else
            chain_put(out, p, 1);
    }
}

static void write_one(void *ctx, const struct metric *m)
{
    static const char *const types[] = {"counter", "gauge", "histogram", "summary"};
    struct text_writer *w = ctx;
    char number[FLOAT_TEXT_MAX];
    if (m->family != w->last)
        chain_printf(w->out, "# HELP %s %s\n# TYPE %s %s\n", m->family->name, m->family->help,
                     m->family->name, types[m->family->type]);
    w->last = m->family;
    chain_put_text(w->out, m->family->name);
    chain_put_text(w->out, m->suffix);
    for (size_t i = 0; i < m->n_labels; i++) {
        chain_put_text(w->out, i == 0 ? "{" : ",");
        chain_put_text(w->out, m->labels[i].name);
        chain_put_text(w->out, "=\"");
        put_label_value(w->out, m->labels[i].value);
        chain_put_text(w->out, "\"");
    }
    chain_put_text(w->out, m->n_labels > 0 ? "} " : " ");
    chain_put(w->out, number, float_text_json(m->value, number));
    chain_put(w->out, "\n", 1);
}

void metrics_text(struct app *app, struct chain *out)
{
    struct text_writer w = {.out = out};
    metrics_gather(app, write_one, &w);
}
