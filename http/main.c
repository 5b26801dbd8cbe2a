/* Wiring: flags, memory, store, server, snapshot, signals; and the way down again.
 *
 * The server listens before the snapshot is loaded, so that a sender that knocks meanwhile is told
 * 503 and comes back, instead of being refused. Signals are blocked in every thread and taken one
 * by one here with sigwait: the first SIGTERM or SIGINT ends the program in order, further ones
 * find nobody waiting and change nothing. A signal that comes while loading is taken afterwards: a
 * half-loaded store must never be saved over a whole snapshot. */
#include "http/app.h"
#include "http/check.h"
#include "http/clock.h"
#include "http/listen.h"
#include "http/memory_limit.h"
#include "http/progress.h"
#include "http/server.h"
#include "http/thread.h"
#include "http/ticker.h"
#include "http/version.h"
#include "tsdb/promql/promql.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

enum { EXIT_CLEAN = 0, EXIT_RUN_TIME = 1, EXIT_USAGE = 2 };

enum {
    /* What the limit has to cover beside the budget: program and libraries, libc's heap, stacks. */
    OVERHEAD_BYTES = 14 * 1024 * 1024,
    MMAP_THRESHOLD_BYTES = 128 * 1024,
    PERTURB_BYTE = 0xff, /* malloc hands out memory filled with its complement, zeros */
    SPARE_FDS = 256,     /* beside the connections' */
    QUERY_MEMORY_SHARE = 4,
    JOURNAL_MEMORY_SHARE = 8, /* of its bytes, what its samples take in memory: less by far */
    START_BYTES = 64 * 1024,  /* what else a start takes and keeps: the journal */
    FEATURE_NAME_MAX = 64,    /* shown of one that is not known */
};

struct program {
    struct app app;
    uint8_t hash_key[SERIES_HASH_KEY_BYTES];
    struct listen_socket socket;
    struct server server;
    struct ticker ticker;
    struct progress progress;
    struct memory_limit limit;
    int dir_fd; /* holds the lock on the directory; -1 = none */
};

static int fail(const char *text)
{
    LOG_ERROR("Cannot start.", log_text("reason", text));
    return EXIT_RUN_TIME;
}

/* Before any thread: one heap, so that what is freed can be given back; filled as it is handed out,
 * so that what is counted is resident (2,000 silent connections were counted with 6 MiB that they
 * had not touched); no huge pages, with which resident memory says nothing. */
static void setup_process(const struct config *c, sigset_t *ret_signals)
{
    struct rlimit files;
    mallopt(M_ARENA_MAX, 1);
    mallopt(M_MMAP_THRESHOLD, MMAP_THRESHOLD_BYTES);
    mallopt(M_PERTURB, PERTURB_BYTE);
    prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
    log_setup(c->log_level, c->log_format);
    sigemptyset(ret_signals);
    sigaddset(ret_signals, SIGTERM);
    sigaddset(ret_signals, SIGINT);
    sigaddset(ret_signals, SIGHUP);
    pthread_sigmask(SIG_BLOCK, ret_signals, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a limit on files is an error of write, not our end */
    rlim_t wanted = (rlim_t)c->web_max_connections + SPARE_FDS;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < wanted) {
        files.rlim_cur = wanted < files.rlim_max ? wanted : files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
        if (files.rlim_cur < wanted)
            LOG_WARN("Fewer connections than --web.max-connections: the system allows fewer files.",
                     log_u64("files", files.rlim_cur));
    }
}

static uint64_t whole_mib(uint64_t bytes)
{
    return bytes >> 20 << 20;
}

/* Settles the sizes that follow from the machine. */
static bool find_limits(struct program *p)
{
    struct config *c = &p->app.config;
    if (c->storage_memory_limit_bytes == 0) {
        memory_limit_find("", &p->limit);
        if (p->limit.bytes < 2 * OVERHEAD_BYTES)
            return false;
        c->storage_memory_limit_bytes = whole_mib(p->limit.bytes);
    }
    if (c->query_max_memory_bytes == 0)
        c->query_max_memory_bytes = whole_mib(c->storage_memory_limit_bytes / QUERY_MEMORY_SHARE);
    return true;
}

static void wake_ticker(void *ctx)
{
    ticker_tick_soon(ctx);
}

static bool make_store(struct program *p)
{
    struct app *app = &p->app;
    const struct config *c = &app->config;
    struct tsdb_options options = {
        .window_ms = c->storage_window_ms,
        .n_windows = (uint32_t)c->storage_windows,
        .out_of_order_ms = c->storage_out_of_order_ms,
        .clock = c->storage_clock == CONFIG_CLOCK_WALL ? CLOCK_WALL : CLOCK_SAMPLES,
        .max_series = c->storage_max_series,
        .max_series_per_metric = c->storage_max_series_per_metric,
        .has_room = ceiling_has_room,
        .room_ctx = &app->ceiling,
        .max_exemplars = (uint32_t)c->storage_max_exemplars,
    };
    memcpy(options.hash_key, p->hash_key, sizeof(options.hash_key));
    size_t bytes = (size_t)c->storage_memory_limit_bytes - OVERHEAD_BYTES;
    budget_init(&app->budget, bytes);
    app->owner_requests = budget_owner(&app->budget, "requests");
    app->owner_queries = budget_owner(&app->budget, "queries");
    app->owner_connections = budget_owner(&app->budget, "connections");
    unsigned cores = thread_cores();
    app->n_query_workers =
        (unsigned)size_min((size_t)c->query_max_concurrency, size_min(cores, WORKERS_MAX));
    ceiling_init(&app->ceiling, &app->budget, (size_t)c->query_max_memory_bytes,
                 app->n_query_workers);
    app->ceiling.wake = wake_ticker;
    app->ceiling.wake_ctx = &p->ticker;
    if (!arena_init(&app->arena, &app->budget, bytes))
        return false;
    if (tsdb_new(&options, &app->arena, &app->db) != 0)
        return false;
    metadata_init(&app->metadata, &app->arena);
    queries_init(&app->queries, (size_t)c->query_max_memory_bytes / app->n_query_workers);
    recorder_init(&app->recorder, app->db, &app->arena);
    app->recorder.metadata = &app->metadata;
    saver_init(&app->saver, app->db, &app->recorder, c->storage_path);
    ticker_init(&p->ticker, app);
    return true;
}

static int lock_dir(struct program *p)
{
    const char *dir = p->app.config.storage_path;
    char text[CONFIG_ERROR_MAX];
    if (dir[0] == '\0')
        return 0;
    int err = snapshot_lock_dir(dir, &p->dir_fd);
    if (err == 0)
        return 0;
    if (err == ERR_LOCKED)
        snprintf(text, sizeof(text),
                 "another hourglass uses the directory \"%.200s\"; stop it, or choose another one "
                 "with --storage.path",
                 dir);
    else
        snprintf(text, sizeof(text),
                 "cannot write to the directory \"%.200s\": %s; choose another one with "
                 "--storage.path",
                 dir, strerror(errno));
    return fail(text);
}

static bool start_server(struct program *p)
{
    const struct config *c = &p->app.config;
    const struct server_options options = {
        .app = &p->app,
        .listen_fd = p->socket.fd,
        .max_connections = (unsigned)c->web_max_connections,
        .n_threads = (unsigned)size_min(thread_cores(), SERVER_THREADS_MAX),
        .n_workers = p->app.n_query_workers,
        .max_body_bytes = (size_t)c->web_max_body_bytes,
        .max_requests = (unsigned)c->web_max_requests,
    };
    return server_start(&p->server, &options);
}

static void log_damaged(void *ctx, const char *name, const struct snapshot_report *file,
                        const char *kept_as)
{
    (void)ctx;
    LOG_WARN("Parts of a file were lost.", log_text("file", name),
             log_u64("frames", file->lost_frames), log_u64("blocks", file->lost_blocks),
             log_text("detail", file->detail), log_text("kept_as", kept_as));
}

static void log_left(void *ctx, int64_t start_ms, const char *name)
{
    (void)ctx;
    LOG_WARN("A window does not fit into memory and stays on disk, until its time is over or there "
             "is more (--storage.memory-limit).",
             log_i64("start_ms", start_ms), log_text("file", name));
}

static void note_newest(void *ctx, int64_t from_ms)
{
    struct app *app = ctx;
    atomic_store(&app->has_newest, true);
    LOG_INFO("The newest windows are loaded: queries about them are answered.",
             log_i64("from_ms", from_ms));
}

static int explain_load(const char *dir, int err, const struct snapshot_report *r)
{
    char text[1024];
    const char *help =
        err == ERR_WRONG_WINDOW
            ? "; start with the --storage.window that it was written with, or choose "
              "another --storage.path"
        : err == ERR_NO_MEMORY ? "; give more with --storage.memory-limit"
                               : "";
    snprintf(text, sizeof(text), "the directory %.200s cannot be loaded: %s%s%s%s", dir,
             tsdb_err_text(err), r->detail[0] ? ": " : "", r->detail, help);
    return fail(text);
}

/* Of what is loaded nothing must have to be dropped at once: it would be lost for good, and is safe
 * where it lies. */
static uint64_t load_reserve(const struct program *p)
{
    return ceiling_begin_bytes(CEILING_WINDOW, p->app.budget.limit_bytes) + START_BYTES +
           recorder_journal_bytes(p->app.config.storage_path) / JOURNAL_MEMORY_SHARE;
}

static int load_snapshot(struct program *p)
{
    struct saver *saver = &p->app.saver;
    struct snapshot_report *r = &saver->loaded;
    bool is_all = recorder_is_empty(&p->app.recorder, p->app.config.storage_path);
    const struct snapshot_watch watch = {.ctx = &p->app,
                                         .progress = &saver->progress,
                                         .reserve_bytes = load_reserve(p),
                                         .damaged = log_damaged,
                                         .left = log_left,
                                         .newest = is_all ? note_newest : NULL,
                                         .newest_bytes = p->app.config.query_max_memory_bytes};
    int64_t start = clock_boot_ms();
    int err = snapshot_load(&saver->files, p->app.db, &watch, r);
    p->app.replay_ms = clock_boot_ms() - start;
    if (err == ERR_NOT_FOUND)
        return 0;
    if (err != 0)
        return explain_load(saver->dir, err, r);
    LOG_INFO("Snapshot loaded.", log_u64("series", r->series), log_u64("samples", r->samples),
             log_u64("windows", r->windows), log_u64("window_files", r->window_files),
             log_u64("left_windows", r->left_windows), log_u64("expired_blocks", r->old_blocks),
             log_u64("damaged_files", r->damaged_files),
             log_seconds("seconds", (uint64_t)p->app.replay_ms));
    return 0;
}

/* The oldest windows go while the journal is read, where it brings back what they were dropped for
 * before. */
static void relieve_memory(void *ctx)
{
    struct app *app = ctx;
    while (ceiling_relieve(&app->ceiling, app->db))
        tsdb_tick(app->db);
}

static void save_soon(void *ctx)
{
    struct program *p = ctx;
    ticker_save_soon(&p->ticker);
}

static int load(struct program *p)
{
    struct app *app = &p->app;
    const char *dir = app->config.storage_path;
    char error[1024];
    if (dir[0] == '\0')
        return 0;
    int64_t start = clock_boot_ms();
    int code = load_snapshot(p);
    if (code != 0)
        return code;
    app->recorder.relieve = relieve_memory;
    app->recorder.relieve_ctx = app;
    app->recorder.carry.directory = &app->saver.files.directory;
    if (recorder_replay(&app->recorder, dir, error, sizeof(error)) != 0)
        return fail(error);
    int err = recorder_start(&app->recorder, &app->config, save_soon, p);
    if (err != 0) {
        snprintf(error, sizeof(error), "the journal in \"%.200s\" cannot be begun: %s%s%s", dir,
                 tsdb_err_text(err), err == ERR_IO ? ": " : "",
                 err == ERR_IO ? strerror(errno) : "");
        return fail(error);
    }
    app->replay_ms = clock_boot_ms() - start;
    return 0;
}

/* --- what is said at the start ---------------------------------------------------------------- */

static void log_given_flags(const struct config *c)
{
    for (size_t i = 0; i < config_n_flags(); i++) {
        char text[512];
        if (!(c->given >> i & 1))
            continue;
        config_flag_text(c, i, text, sizeof(text));
        LOG_INFO("Flag given.", log_text("flag", config_flag_name(i)), log_text("value", text));
    }
}

/* What a flag promises and this version does not keep, said plainly. */
static void log_missing_features(const struct config *c)
{
    if (c->storage_path[0] == '\0' &&
        (config_is_given(c, "journal.sync") || config_is_given(c, "journal.max-size")))
        log_line(LOG_LEVEL_WARN, "The journal's flags have no effect without --storage.path.");
    if (c->storage_path[0] != '\0' && c->journal_sync_ms == JOURNAL_SYNC_OFF)
        log_line(LOG_LEVEL_WARN, "No journal (--journal.sync=off): what came after the last "
                                 "snapshot is lost when the process is killed.");
}

/* Names that are not ours are ignored, as in Prometheus, whose flag this is. */
static void read_features(struct app *app)
{
    const char *rest = app->config.enable_feature;
    while (*rest != '\0') {
        size_t n = strcspn(rest, ",");
        char name[FEATURE_NAME_MAX];
        unsigned feature = promql_feature_find(rest, n);
        snprintf(name, sizeof(name), "%.*s", (int)size_min(n, sizeof(name) - 1), rest);
        app->promql_features |= feature;
        if (feature != 0)
            LOG_INFO("Experimental feature enabled.", log_text("feature", name));
        else if (n > 0)
            LOG_WARN("Unknown option for --enable-feature", log_text("option", name));
        rest += n + (rest[n] == ',');
    }
}

static bool read_origins(struct app *app, char *error, size_t size)
{
    const char *origins = app->config.web_cors_origin;
    char why[256];
    app->cors = pattern_new(origins, strlen(origins), why, sizeof(why));
    if (app->cors == NULL)
        snprintf(error, size, "--web.cors.origin=%.128s: %.256s", origins, why);
    return app->cors != NULL;
}

static void log_start(const struct program *p)
{
    const struct config *c = &p->app.config;
    char limit[UNITS_TEXT_MAX];
    units_size_text(c->storage_memory_limit_bytes, limit);
    LOG_INFO("Starting hourglass.", log_text("version", HOURGLASS_VERSION),
             log_u64("cores", thread_cores()), log_i64("pid", getpid()));
    LOG_INFO("Memory limit.", log_text("limit", limit),
             log_text("from", p->limit.of ? p->limit.source : "--storage.memory-limit"));
    log_given_flags(c);
    log_missing_features(c);
}

static void print_welcome(const struct program *p)
{
    const char *at = p->socket.dial_address;
    printf("\n  hourglass %s is ready. Open this in a browser:\n\n"
           "    http://%s/\n\n"
           "  To send it metrics, add this to prometheus.yml:\n\n"
           "    remote_write:\n"
           "      - url: http://%s/api/v1/write\n\n",
           HOURGLASS_VERSION, at, at);
    fflush(stdout);
}

/* The name in the environment is for this process alone: systemd asks that children do not see it.
 */
static void find_manager(struct app *app)
{
    const char *path = getenv("NOTIFY_SOCKET");
    if (!notify_open(&app->notify, path))
        LOG_WARN("NOTIFY_SOCKET is no address; the service manager is not told.",
                 log_text("value", path));
    unsetenv("NOTIFY_SOCKET");
}

/* --- running and the way down ----------------------------------------------------------------- */

static void wait_for_end(const sigset_t *signals)
{
    int signal_number = 0;
    do {
        if (signal_number == SIGHUP)
            log_line(LOG_LEVEL_INFO, "SIGHUP: there is nothing to reload.");
        sigwait(signals, &signal_number);
    } while (signal_number == SIGHUP);
    LOG_INFO("Stopping.", log_text("signal", signal_number == SIGTERM ? "SIGTERM" : "SIGINT"));
}

static int final_snapshot(struct program *p)
{
    struct snapshot_report report;
    if (!saver_is_on(&p->app.saver))
        return EXIT_CLEAN;
    return saver_save(&p->app.saver, &report) == 0 ? EXIT_CLEAN : EXIT_RUN_TIME;
}

/* From a server that listens to one that has ended. */
static int serve(struct program *p, const sigset_t *signals)
{
    struct app *app = &p->app;
    progress_start(&p->progress, app);
    int code = load(p);
    progress_stop(&p->progress);
    if (code == 0 && !ticker_start(&p->ticker)) /* before it is ready: who is does not give up */
        code = fail("cannot start a thread");
    if (code != 0) {
        atomic_store(&app->phase, APP_STOPPING);
        server_stop(&p->server);
        recorder_stop(&app->recorder);
        return code;
    }
    atomic_store(&app->phase, APP_READY);
    log_line(LOG_LEVEL_INFO, "Ready to receive and to answer.");
    notify_send(&app->notify, "READY=1\nSTATUS=ready at %s", app->address);
    print_welcome(p);
    wait_for_end(signals);
    atomic_store(&app->phase, APP_STOPPING);
    notify_send(&app->notify,
                "STOPPING=1\nSTATUS=writing the last snapshot\n"
                "EXTEND_TIMEOUT_USEC=%d000000",
                NOTIFY_EXTEND_S);
    saver_hurry(&app->saver);
    server_stop(&p->server);
    ticker_stop(&p->ticker);
    code = final_snapshot(p);
    recorder_stop(&app->recorder);
    return code;
}

static int run(struct program *p)
{
    sigset_t signals;
    char error[LISTEN_ERROR_MAX];
    setup_process(&p->app.config, &signals);
    p->app.started_wall_ms = clock_wall_ms();
    find_manager(&p->app);
    if (!find_limits(p))
        return fail("too little memory: give at least 32MiB with --storage.memory-limit");
    if (!listen_open(p->app.config.web_listen_address, &p->socket, error))
        return fail(error);
    snprintf(p->app.address, sizeof(p->app.address), "%s", p->socket.dial_address);
    log_start(p);
    read_features(&p->app);
    if (!read_origins(&p->app, error, sizeof(error)))
        return fail(error);
    int code = lock_dir(p);
    if (code != 0)
        return code;
    if (getrandom(p->hash_key, sizeof(p->hash_key), 0) != sizeof(p->hash_key))
        return fail("the system has no random bytes (getrandom)");
    if (!make_store(p))
        return fail("the memory of the store cannot be reserved; is there a limit on address space "
                    "(ulimit -v)?");
    if (!start_server(p))
        return fail("the HTTP server cannot be started");
    code = serve(p, &signals);
    tsdb_free(p->app.db);
    arena_release(&p->app.arena);
    if (p->dir_fd >= 0)
        close(p->dir_fd);
    notify_close(&p->app.notify);
    pattern_free(p->app.cors);
    LOG_INFO("Ended.", log_i64("exit_code", code));
    return code;
}

int main(int argc, char **argv)
{
    static struct program program = {.dir_fd = -1};
    char error[CONFIG_ERROR_MAX];
    if (argc > 1 && strcmp(argv[1], "check") == 0)
        return check_main(argc - 2, argv + 2);
    switch (config_parse(&program.app.config, argc, argv, error)) {
    case CONFIG_HELP:
        config_help(STDOUT_FILENO);
        return EXIT_CLEAN;
    case CONFIG_VERSION:
        printf("hourglass %s (PromQL of Prometheus %s)\n", HOURGLASS_VERSION,
               HOURGLASS_PROMETHEUS_VERSION);
        return EXIT_CLEAN;
    case CONFIG_ERROR:
        fprintf(stderr, "hourglass: %s\n", error);
        return EXIT_USAGE;
    case CONFIG_OK:
        break;
    }
    return run(&program);
}
