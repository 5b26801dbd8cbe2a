/* /api/v1/status/...: what this program is, how it was started, and where its memory is. */
#include "http/api.h"
#include "http/app.h"
#include "http/clock.h"
#include "http/memory_report.h"
#include "http/progress.h"
#include "http/thread.h"
#include "http/version.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void put_pair(struct json *j, const char *key, const char *value)
{
    json_key(j, key);
    json_string(j, value);
}

static void put_number(struct json *j, const char *key, uint64_t value)
{
    json_key(j, key);
    json_u64(j, value);
}

/* Windows of the files, then segments of the journal; answered while they are read. */
void api_walreplay(struct request *rq)
{
    struct progress_steps steps;
    struct json j;
    progress_read(rq->app, &steps);
    reply_begin(rq, &j);
    json_object(&j);
    put_number(&j, "min", 0);
    put_number(&j, "max", steps.all);
    put_number(&j, "current", steps.done);
    json_object_end(&j);
    reply_end(rq, &j);
}

/* Clients choose by the version; who we are stands in the other fields. */
void api_buildinfo(struct request *rq)
{
    struct json j;
    reply_begin(rq, &j);
    json_object(&j);
    put_pair(&j, "version", HOURGLASS_PROMETHEUS_VERSION);
    put_pair(&j, "revision", HOURGLASS_VERSION);
    put_pair(&j, "branch", "hourglass");
    put_pair(&j, "buildUser", "");
    put_pair(&j, "buildDate", "");
    put_pair(&j, "goVersion", "");
    json_object_end(&j);
    reply_end(rq, &j);
}

void api_flags(struct request *rq)
{
    struct json j;
    char text[1024];
    reply_begin(rq, &j);
    json_object(&j);
    for (size_t i = 0; i < config_n_flags(); i++) {
        config_flag_text(&rq->app->config, i, text, sizeof(text));
        put_pair(&j, config_flag_name(i), text);
    }
    json_object_end(&j);
    reply_end(rq, &j);
}

static void put_date(struct json *j, const char *key, int64_t wall_ms)
{
    char text[40];
    struct tm tm;
    time_t seconds = (time_t)(wall_ms / 1000);
    gmtime_r(&seconds, &tm);
    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
    put_pair(j, key, text);
}

void api_runtimeinfo(struct request *rq)
{
    struct json j;
    const struct config *c = &rq->app->config;
    char text[1024], retention[UNITS_TEXT_MAX];
    reply_begin(rq, &j);
    json_object(&j);
    put_date(&j, "startTime", rq->app->started_wall_ms);
    put_pair(&j, "CWD", getcwd(text, sizeof(text)) ? text : "");
    if (gethostname(text, sizeof(text)) != 0)
        text[0] = '\0';
    put_pair(&j, "hostname", text);
    put_date(&j, "serverTime", clock_wall_ms());
    json_key(&j, "reloadConfigSuccess");
    json_bool(&j, true);
    put_date(&j, "lastConfigTime", rq->app->started_wall_ms);
    put_number(&j, "corruptionCount", 0);
    put_number(&j, "goroutineCount", 0);
    put_number(&j, "GOMAXPROCS", thread_cores());
    put_number(&j, "GOMEMLIMIT", c->storage_memory_limit_bytes);
    put_pair(&j, "GOGC", "");
    put_pair(&j, "GODEBUG", "");
    units_duration_text(c->storage_window_ms * (int64_t)c->storage_windows, retention);
    put_pair(&j, "storageRetention", retention);
    json_object_end(&j);
    reply_end(rq, &j);
}

static void put_owners(struct json *j, const struct memory_report *m)
{
    json_key(j, "owners");
    json_array(j);
    for (size_t i = 0; i < m->n_rows; i++) {
        json_object(j);
        put_pair(j, "owner", m->rows[i].owner);
        put_number(j, "bytes", m->rows[i].bytes);
        json_object_end(j);
    }
    json_array_end(j);
}

static void put_pools(struct json *j, const struct tsdb_stats *s)
{
    json_key(j, "pools");
    json_array(j);
    for (uint32_t i = 0; i < s->n_windows; i++)
        for (unsigned c = 0; c < TSDB_POOLS; c++) {
            const struct tsdb_window_stats *w = &s->windows[i];
            if (w->classes[c].pages == 0)
                continue;
            json_object(j);
            json_key(j, "window");
            json_i64(j, w->number);
            put_number(j, "size", tsdb_pool_bytes(c));
            put_number(j, "pages", w->classes[c].pages);
            put_number(j, "used", w->classes[c].used);
            put_number(j, "freeSlotBytes",
                       (uint64_t)w->classes[c].pages * ARENA_PAGE_BYTES -
                           (uint64_t)w->classes[c].used * tsdb_pool_bytes(c));
            json_object_end(j);
        }
    json_array_end(j);
}

/* The pool of what is open, whatever its window. */
static void put_open(struct json *j, const struct tsdb_stats *s)
{
    json_key(j, "open");
    json_object(j);
    put_number(j, "size", SIZE_CLASS_STEP_BYTES);
    put_number(j, "pages", s->open.pages);
    put_number(j, "used", s->open.used);
    put_number(j, "payloadBytes", s->open_payload_bytes);
    put_number(j, "freeSlotBytes",
               (uint64_t)s->open.pages * ARENA_PAGE_BYTES -
                   (uint64_t)s->open.used * SIZE_CLASS_STEP_BYTES);
    json_object_end(j);
}

/* What the pools of all windows hold, size by size. */
static void put_classes(struct json *j, const struct tsdb_stats *s)
{
    json_key(j, "classes");
    json_array(j);
    for (unsigned c = 0; c < TSDB_POOLS; c++) {
        uint64_t pages = 0, used = 0, size = tsdb_pool_bytes(c);
        for (uint32_t i = 0; i < s->n_windows; i++) {
            pages += s->windows[i].classes[c].pages;
            used += s->windows[i].classes[c].used;
        }
        json_object(j);
        put_number(j, "size", size);
        put_number(j, "pages", pages);
        put_number(j, "used", used);
        put_number(j, "bytes", pages * ARENA_PAGE_BYTES);
        put_number(j, "freeSlotBytes", pages * ARENA_PAGE_BYTES - used * size);
        json_object_end(j);
    }
    json_array_end(j);
}

static void put_windows(struct json *j, const struct tsdb_stats *s)
{
    json_key(j, "windows");
    json_array(j);
    for (uint32_t i = 0; i < s->n_windows; i++) {
        const struct tsdb_window_stats *w = &s->windows[i];
        struct memory_window waste = memory_window_waste(w);
        json_object(j);
        json_key(j, "number");
        json_i64(j, w->number);
        json_key(j, "start");
        json_i64(j, w->start_ms);
        put_number(j, "series", w->series);
        put_number(j, "chunks", w->chunks);
        put_number(j, "samples", w->samples);
        put_number(j, "bytes", w->bytes);
        put_number(j, "payloadBytes", w->payload_bytes);
        put_number(j, "sharedColumns", w->shared);
        put_number(j, "slackBytes", waste.slack_bytes);
        put_number(j, "freeSlotBytes", waste.free_slot_bytes);
        json_object_end(j);
    }
    json_array_end(j);
}

static void put_waste(struct json *j, const struct tsdb_stats *s, const struct memory_report *m)
{
    json_key(j, "waste");
    json_object(j);
    put_number(j, "slackBytes", s->slack_bytes);
    put_number(j, "freeSlotBytes", s->free_slot_bytes);
    put_number(j, "retainedBytes", m->arena.retained_bytes);
    json_object_end(j);
    json_key(j, "heap");
    json_object(j);
    put_number(j, "usedBytes", m->heap.used_bytes);
    put_number(j, "freeBytes", m->heap.free_bytes);
    json_object_end(j);
}

static void put_leases(struct json *j, const char *key, const struct lease_pool *p)
{
    json_key(j, key);
    json_object(j);
    put_number(j, "leasedBytes", atomic_load(&p->leased_bytes));
    put_number(j, "limitBytes", atomic_load(&p->limit_bytes));
    put_number(j, "refused", atomic_load(&p->n_refused));
    json_object_end(j);
}

/* How short memory is, and what comes next. */
static void put_ceiling(struct json *j, struct ceiling *c, enum ceiling_stage now)
{
    struct ceiling_figures f;
    ceiling_read(c, &f);
    put_pair(j, "stage", ceiling_row(now)->name);
    put_pair(j, "stageEffect", ceiling_row(now)->effect);
    put_number(j, "budgetBytes", f.limit_bytes);
    put_number(j, "keptBytes", f.kept_bytes);
    put_number(j, "freeBytes", ceiling_free_bytes(&f));
    json_key(j, "stages");
    json_array(j);
    for (enum ceiling_stage s = CEILING_NORMAL + 1; s < CEILING_STAGES; s++) {
        json_object(j);
        put_pair(j, "stage", ceiling_row(s)->name);
        put_pair(j, "effect", ceiling_row(s)->effect);
        put_number(j, "beginsBelowBytes", ceiling_begin_bytes(s, f.limit_bytes));
        put_number(j, "endsAtBytes", ceiling_end_bytes(s, f.limit_bytes));
        put_number(j, "begun", atomic_load(&c->n_begun[s]));
        json_object_end(j);
    }
    json_array_end(j);
    put_leases(j, "queryLeases", &c->queries);
    put_leases(j, "requestLeases", &c->requests);
    put_number(j, "windowsDroppedEarly", atomic_load(&c->n_windows_dropped));
}

void api_memory(struct request *rq)
{
    struct json j;
    struct memory_report m;
    struct tsdb_stats s;
    tsdb_stats(rq->app->db, &s);
    memory_report_make(rq->app, &m);
    reply_begin(rq, &j);
    json_object(&j);
    put_ceiling(&j, &rq->app->ceiling, ceiling_tell(&rq->app->ceiling));
    put_number(&j, "rssBytes", m.rss_bytes);
    put_number(&j, "limitBytes", m.limit_bytes);
    put_number(&j, "accountedBytes", m.accounted_bytes);
    json_key(&j, "unaccountedBytes");
    json_i64(&j, m.unaccounted_bytes);
    put_number(&j, "toleranceBytes", memory_report_tolerance(m.rss_bytes));
    put_number(&j, "series", s.series);
    put_number(&j, "samples", s.samples);
    put_owners(&j, &m);
    put_waste(&j, &s, &m);
    put_pools(&j, &s);
    put_classes(&j, &s);
    put_open(&j, &s);
    put_windows(&j, &s);
    json_object_end(&j);
    reply_end(rq, &j);
}
