/* Metrics are gathered into a region first and appended in one batch afterwards: gathering asks the
 * store for its statistics, which it could not while a batch holds the lock. */
#include "http/self.h"

#include "http/app.h"
#include "http/clock.h"
#include "http/log.h"
#include "tsdb/append.h"

#include <string.h>

enum { SELF_REGION_BYTES = 4 * 1024 * 1024, SELF_LABELS = METRIC_LABELS_MAX + 3 };

struct self_item {
    struct self_item *next;
    struct label labels[SELF_LABELS];
    uint32_t n_labels;
    double value;
};

struct gathering {
    struct region region;
    struct self_item *first, *last;
    const char *instance;
    bool is_out_of_memory;
};

static struct label label_of(const char *name, const char *value)
{
    return (struct label){
        .name = name,
        .value = value,
        .name_len = (uint32_t)strlen(name),
        .value_len = (uint32_t)strlen(value),
    };
}

static void gather_one(void *ctx, const struct metric *m)
{
    struct gathering *g = ctx;
    struct self_item *item = region_alloc(&g->region, sizeof(*item));
    char *name = region_printf(&g->region, "%s%s", m->family->name, m->suffix);
    if (!item || !name) {
        g->is_out_of_memory = true;
        return;
    }
    assert(m->n_labels <= METRIC_LABELS_MAX);
    *item = (struct self_item){.value = m->value};
    item->labels[item->n_labels++] = label_of(LABEL_METRIC_NAME, name);
    item->labels[item->n_labels++] = label_of("job", "hourglass");
    item->labels[item->n_labels++] = label_of("instance", g->instance);
    for (size_t i = 0; i < m->n_labels; i++) {
        const char *value = region_copy(&g->region, m->labels[i].value, strlen(m->labels[i].value));
        g->is_out_of_memory |= !value;
        item->labels[item->n_labels++] = label_of(m->labels[i].name, value ? value : "");
    }
    if (g->last)
        g->last->next = item;
    else
        g->first = item;
    g->last = item;
}

static void append_all(const struct gathering *g, struct tsdb *db, int64_t t_ms)
{
    struct append batch;
    struct append_counts counts = {0};
    append_begin(&batch, db);
    for (struct self_item *i = g->first; i; i = i->next) {
        struct labels ls = {i->labels, i->n_labels};
        struct sample s = {.t_ms = t_ms};
        memcpy(&s.value, &i->value, sizeof(s.value));
        /* refusals are counted by the store; nobody is waiting for an answer here */
        if (labels_normalise(&ls, NULL) == 0 && append_samples(&batch, &ls, &s, 1, &counts) != 0)
            continue;
    }
    append_end(&batch);
}

void self_store(struct app *app)
{
    static const struct metric_family up = {"up", "", METRIC_GAUGE};
    const struct metric up_metric = {.family = &up, .suffix = "", .value = 1};
    struct gathering g = {.instance = app->address};
    bool is_wall = app->config.storage_clock == CONFIG_CLOCK_WALL;
    int64_t t_ms = is_wall ? clock_wall_ms() : tsdb_now_ms(app->db);
    if (!is_wall && t_ms == 0)
        return;
    region_init(&g.region, &app->arena, app->owner_requests, SELF_REGION_BYTES);
    metrics_gather(app, gather_one, &g);
    gather_one(&g, &up_metric);
    if (!g.is_out_of_memory)
        append_all(&g, app->db, t_ms);
    region_release(&g.region);
}
