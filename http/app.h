/* What the parts of http/ share: the store below, the settings, the counters. main.c makes one, and
 * it outlives every thread.
 *
 * Threads: set up before the threads start; afterwards only the atomics change, and what has a lock
 * of its own. */
#ifndef HG_HTTP_APP_H
#define HG_HTTP_APP_H

#include "alloc/arena.h"
#include "http/ceiling.h"
#include "http/config.h"
#include "http/heap.h"
#include "http/metadata.h"
#include "http/metrics.h"
#include "http/notify.h"
#include "http/queries.h"
#include "http/recorder.h"
#include "http/saver.h"
#include "tsdb/pattern.h"
#include "tsdb/tsdb.h"

enum app_phase { APP_STARTING, APP_READY, APP_STOPPING };

enum { APP_ADDRESS_MAX = 128 };

struct app {
    struct config config;
    struct budget budget;
    struct arena arena;
    struct tsdb *db;
    unsigned owner_requests;    /* bodies, parameters, answers */
    unsigned owner_queries;     /* what queries compute with */
    unsigned owner_connections; /* what libmicrohttpd holds for each, taken as they come */
    unsigned n_query_workers;
    struct pattern *cors;     /* of --web.cors.origin; NULL: none may read */
    unsigned promql_features; /* enum promql_feature: of --enable-feature */
    struct ceiling ceiling;   /* stages of memory that runs short, and leases */
    struct metrics metrics;
    struct metadata metadata;
    struct queries queries;
    struct saver saver;
    struct recorder recorder;
    struct heap heap;
    struct notify notify;          /* the service manager */
    char address[APP_ADDRESS_MAX]; /* host:port as one can dial it; instance of our own metrics */
    int64_t started_wall_ms;
    int64_t replay_ms; /* how long loading took; set before phase is ready */
    atomic_int phase;  /* enum app_phase */
    /* While it starts: what lies in the newest windows can be queried; the store says what not. */
    atomic_bool has_newest;
};

static inline enum app_phase app_phase(struct app *app)
{
    return (enum app_phase)atomic_load_explicit(&app->phase, memory_order_acquire);
}

#endif
