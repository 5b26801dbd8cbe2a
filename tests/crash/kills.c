/*
 * Kills a server under full write load, again and again, on the same directory, and reads back
 * after each start all that it acknowledged. What is lost, invented or changed is a failure.
 *
 * A life of the server: it is started; sometimes it is killed before it is ready and started once
 * more; all connections read back and check; they write as fast as they can; at a random moment the
 * server is ended. A connection has one request under way. What was not answered is in doubt, and
 * is sent again in the next life or, one time in four, given up.
 *
 * What is promised depends on how the server was told to keep its journal, and on the disk:
 *   all        what was acknowledged
 *   snapshot   what was acknowledged before the last snapshot that was asked for (no journal)
 *   MS         what was acknowledged more than so many ms before the end (--cut: a power cut)
 * With --faults the disk fails for a while in half of the lives: writers hear 503 and send again.
 *
 * usage: kills [options] -- FLAGS OF THE SERVER; see options.c. Exit code 0: nothing was lost,
 * invented or changed; 1: something was; 2: the run itself failed.
 */
#include "tests/crash/check.h"
#include "tests/crash/cut.h"
#include "tests/crash/options.h"
#include "tests/crash/server.h"
#include "tests/crash/unsynced.h"
#include "tests/support/random.h"

#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <snappy-c.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    LEAD_TICKS = 4,        /* by which a connection may be ahead of the slowest */
    REPEAT_ONE_IN = 32,    /* acknowledged requests that are sent once more */
    GIVE_UP_ONE_IN = 4,    /* requests in doubt that are not sent again */
    EARLY_KILL_ONE_IN = 6, /* lives that end before they are ready */
    SNAPSHOT_ONE_IN = 2,   /* lives in which a snapshot is asked for shortly before the end */
    SNAPSHOT_SPREAD_US = 300000,
    FAULTS_EVERY = 2,      /* lives, the first among them: the disk fails for a while */
    FAULT_SHARE_MIN = 8,   /* the while is an eighth of the life at least */
    FAULTY_END_ONE_IN = 4, /* of these, those that end while it fails */
    READY_S = 60,
    STOP_S = 60,
    RETRY_US = 20000,
    PATH_BYTES = 1024,
};

struct writer {
    pthread_t thread;
    struct run *run;
    struct oracle oracle;
    struct check check;
    uint32_t number;
    _Atomic uint32_t tick;
    uint32_t part;
    bool is_in_doubt; /* the request at (tick, part) was sent and not answered */
    uint64_t n_acknowledged, n_samples, n_refusals, n_unavailable, n_deletions;
    struct load_body body;
    char *packed;
    size_t packed_capacity;
};

struct run {
    struct options options;
    struct load load, checked_load;
    struct server server;
    struct random random;
    struct check_range range;
    struct writer writers[OPTIONS_CONNECTIONS_MAX];
    pthread_barrier_t turn; /* the four turns of a life, see writer_main */
    atomic_bool is_over;    /* this life */
    bool is_done;           /* all of them; read behind a turn */
    uint32_t life;
    uint32_t asked_ms; /* when the last snapshot that was answered was asked for */
    uint64_t n_early, n_asked, n_dropped, n_faults;
    int64_t newest_file; /* see count_files */
    uint64_t n_files, n_files_left;
    struct unsynced_control *control; /* NULL: no faults */
    char data[PATH_BYTES], side[PATH_BYTES], log[PATH_BYTES], control_path[PATH_BYTES];
};

static uint32_t now_ms(void)
{
    static time_t first;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (first == 0)
        first = now.tv_sec - 1;
    return (uint32_t)((now.tv_sec - first) * 1000 + now.tv_nsec / 1000000);
}

/* --- writing ---------------------------------------------------------------------------------- */

static void pack(struct writer *w)
{
    size_t n = snappy_max_compressed_length(w->body.n);
    if (n > w->packed_capacity) {
        w->packed_capacity = 2 * n;
        w->packed = realloc(w->packed, w->packed_capacity);
        if (w->packed == NULL)
            err(2, "memory for a body");
    }
}

/* What a 400 says that was to be a 204, or the other way round, ends the run: the server is at
 * fault, or these tests are. */
static void expect(const struct writer *w, const struct load_request *r, int status,
                   const char *text)
{
    int expected = w->body.n_refused > 0 ? 400 : 204;
    if (status != expected)
        errx(2, "connection %u, tick %u, part %u: %d instead of %d: %s", r->connection, r->tick,
             r->part, status, expected, text);
}

/* The oracle of a lying run: the check has to see each of these. Again and again, as any one
 * request may be the one that an end has cut off. */
static bool is_lie(const struct writer *w, const struct load_request *r, enum lie lie)
{
    return w->run->options.lie == lie && w->number == 0 && r->tick % 16 == 7 && r->part == 0;
}

static void note_sent(struct writer *w, const struct load_request *r)
{
    if (!is_lie(w, r, LIE_INVENTED))
        oracle_sent(&w->oracle, r);
}

static void note_answered(struct writer *w, const struct load_request *r)
{
    if (!is_lie(w, r, LIE_INVENTED))
        oracle_acknowledged(&w->oracle, r, now_ms());
    w->n_acknowledged++;
    w->n_samples += w->body.n_samples;
    w->n_refusals += w->body.n_refused > 0;
}

/* A deletion, on a connection of its own. Returns the status. */
static int post_deletion(const struct writer *w, uint32_t birth, char text[WIRE_TEXT_MAX])
{
    char path[256];
    struct wire_buffer answer = {0};
    snprintf(path, sizeof(path),
             "/api/v1/admin/tsdb/delete_series?match%%5B%%5D=born%%7Bc=%%22%u%%22,p=%%22%u%%22%%7D",
             w->number, birth);
    int status = wire_ask(w->run->server.port, "POST", path, &answer);
    snprintf(text, WIRE_TEXT_MAX, "%s", status != WIRE_BROKEN ? answer.bytes : "");
    free(answer.bytes);
    return status;
}

/* False when the connection broke or the life is over. */
static bool delete (struct writer *w, const struct load_request *r)
{
    char text[WIRE_TEXT_MAX];
    uint32_t birth;
    if (!load_deleted(&w->run->load, r, &birth))
        return true;
    oracle_sent(&w->oracle, r);
    while (!atomic_load(&w->run->is_over)) {
        int status = w->run->options.lie == LIE_DELETED ? 204 : post_deletion(w, birth, text);
        if (status == WIRE_BROKEN)
            return false;
        if (status == 204) {
            oracle_acknowledged(&w->oracle, r, now_ms());
            w->n_deletions++;
            return true;
        }
        if (status != 503)
            errx(2, "a deletion: %d: %s", status, text);
        w->n_unavailable++;
        usleep(RETRY_US);
    }
    return false;
}

/* Sends the request until it is answered. False when the connection broke or the life is over. */
static bool deliver(struct writer *w, int fd, const struct load_request *r)
{
    char text[WIRE_TEXT_MAX];
    struct load_request base = {r->connection, r->tick - 1, r->part};
    if (load_is_deletion(&w->run->load, r))
        return delete (w, r);
    bool is_held = r->tick > 0 && oracle_find(&w->oracle, &base)->is_held;
    load_build(&w->run->load, r, is_held, &w->body);
    pack(w);
    size_t n = w->packed_capacity;
    if (snappy_compress((const char *)w->body.bytes, w->body.n, w->packed, &n) != SNAPPY_OK)
        errx(2, "snappy");
    note_sent(w, r);
    if (is_lie(w, r, LIE_LOST)) {
        note_answered(w, r);
        return true;
    }
    while (!atomic_load(&w->run->is_over)) {
        int status = wire_write(fd, (const uint8_t *)w->packed, n, text);
        if (status == WIRE_BROKEN)
            return false;
        if (status != 503) {
            expect(w, r, status, text);
            note_answered(w, r);
            return true;
        }
        w->n_unavailable++;
        usleep(RETRY_US);
    }
    return false;
}

static uint32_t slowest(const struct run *run)
{
    uint32_t tick = UINT32_MAX;
    for (uint32_t i = 0; i < run->options.connections; i++) {
        uint32_t other = atomic_load(&run->writers[i].tick);
        tick = other < tick ? other : tick;
    }
    return tick;
}

static void advance(struct writer *w)
{
    w->is_in_doubt = false;
    if (++w->part < load_parts(&w->run->load))
        return;
    w->part = 0;
    atomic_fetch_add(&w->tick, 1);
}

/* One life under load. */
static void write_on(struct writer *w)
{
    struct run *run = w->run;
    int fd = wire_connect(run->server.port);
    if (w->is_in_doubt && load_hash(&run->load, w->number, run->life, 2) % GIVE_UP_ONE_IN == 0)
        advance(w);
    while (fd >= 0 && !atomic_load(&run->is_over)) {
        uint32_t tick = atomic_load(&w->tick);
        struct load_request r = {w->number, tick, w->part};
        if (tick > slowest(run) + LEAD_TICKS) {
            usleep(100);
            continue;
        }
        w->is_in_doubt = true;
        if (!deliver(w, fd, &r))
            break;
        if (load_hash(&run->load, w->number, (uint64_t)r.tick << 8 | r.part, 3) % REPEAT_ONE_IN ==
                0 &&
            !deliver(w, fd, &r))
            break;
        advance(w);
    }
    if (fd >= 0)
        close(fd);
}

static void turn(struct run *run)
{
    pthread_barrier_wait(&run->turn);
}

static void *writer_main(void *argument)
{
    struct writer *w = argument;
    struct run *run = w->run;
    for (;;) {
        turn(run); /* the server is ready, or all is done */
        if (run->is_done)
            return NULL;
        memset(&w->check, 0, sizeof(w->check));
        check_connection(&w->check, &run->checked_load, &w->oracle, w->number, &run->range,
                         run->server.port);
        turn(run); /* checked */
        oracle_settle(&w->oracle);
        turn(run); /* the load begins */
        write_on(w);
        turn(run); /* the server has ended */
    }
}

/* --- the server ------------------------------------------------------------------------------- */

static void start(struct run *run)
{
    server_start(&run->server);
    if (server_wait(&run->server, READY_S))
        return;
    errx(2, "the server is not ready; its log is %s", run->log);
}

/* Lets the power fail, where that is asked for: what was not synced goes, or part of it. */
static void cut_power(struct run *run)
{
    struct cut_report report;
    if (!run->options.is_cut)
        return;
    cut_power_of(run->data, run->side, random_next(&run->random), &report);
    run->n_dropped += report.n_dropped;
}

/* Of the windows' files: a window is numbered by its time, and written later than those before it,
 * so those above the newest that was met are new. */
static void count_files(struct run *run)
{
    int64_t newest = run->newest_file, number;
    uint64_t n = 0;
    char end[8];
    DIR *dir = opendir(run->data);
    for (struct dirent *e; dir != NULL && (e = readdir(dir)) != NULL;) {
        if (sscanf(e->d_name, "window-%" SCNd64 ".%7s", &number, end) != 2 ||
            strcmp(end, "hg") != 0)
            continue;
        n++;
        run->n_files += number > run->newest_file;
        newest = number > newest ? number : newest;
    }
    if (dir != NULL)
        closedir(dir);
    run->newest_file = newest;
    run->n_files_left = n;
}

/* Kills a server that is starting, at a random moment, and starts another. */
static void start_after_all(struct run *run)
{
    if (run->life > 0 && random_below(&run->random, EARLY_KILL_ONE_IN) == 0) {
        server_start(&run->server);
        usleep((useconds_t)random_below(&run->random, 100000));
        server_end(&run->server, SIGKILL, STOP_S);
        cut_power(run);
        run->n_early++;
    }
    start(run);
}

static void set_range(struct run *run)
{
    const struct load *l = &run->load;
    uint32_t newest = 0;
    for (uint32_t i = 0; i < run->options.connections; i++)
        if (run->writers[i].oracle.newest_tick > newest)
            newest = run->writers[i].oracle.newest_tick;
    struct check_range *r = &run->range;
    r->window_ms = run->options.window_ms;
    r->n_windows = run->options.n_windows;
    r->newest_ms = l->start_ms + (newest + 1) * l->step_ms;
    r->first_window = r->newest_ms / r->window_ms - r->n_windows + 1;
}

static void *ask_for_snapshot(void *argument)
{
    struct run *run = argument;
    struct wire_buffer text = {0};
    uint32_t asked = now_ms();
    if (wire_ask(run->server.port, "POST", "/api/v1/admin/tsdb/snapshot", &text) == 200) {
        run->asked_ms = asked - 1;
        run->n_asked++;
    }
    free(text.bytes);
    return NULL;
}

/* The disk is full, broken or read-only for a while; now and then to the end. Sleeps for `us`. */
static void sleep_with_faults(struct run *run, useconds_t us)
{
    static const int errors[] = {ENOSPC, EIO, EROFS};
    struct unsynced_control *c = run->control;
    useconds_t shortest = us / FAULT_SHARE_MIN;
    useconds_t begin = (useconds_t)random_below(&run->random, us - shortest + 1);
    useconds_t length =
        shortest + (useconds_t)random_below(&run->random, us - shortest - begin + 1);
    usleep(begin);
    c->error = (uint64_t)errors[random_below(&run->random, 3)];
    c->is_short = random_below(&run->random, 2);
    c->last = UINT64_MAX;
    __atomic_store_n(&c->first, 1, __ATOMIC_RELEASE);
    run->n_faults++;
    usleep(length);
    if (random_below(&run->random, FAULTY_END_ONE_IN) > 0)
        __atomic_store_n(&c->first, 0, __ATOMIC_RELEASE);
    usleep(us - begin - length);
}

/* The load goes on for a while; in some lives a snapshot is being written at its end. */
static void let_live(struct run *run)
{
    const struct options *o = &run->options;
    useconds_t life =
        (useconds_t)(o->min_ms + random_below(&run->random, o->max_ms - o->min_ms + 1));
    bool is_asked =
        o->promise == PROMISE_SNAPSHOT || random_below(&run->random, SNAPSHOT_ONE_IN) == 0;
    useconds_t rest = (useconds_t)random_below(&run->random, SNAPSHOT_SPREAD_US);
    pthread_t asker;
    if (run->control != NULL && run->life % FAULTS_EVERY == 0)
        sleep_with_faults(run, life * 1000);
    else
        usleep(life * 1000);
    if (is_asked && pthread_create(&asker, NULL, ask_for_snapshot, run) != 0)
        errx(2, "a thread");
    if (is_asked && o->promise == PROMISE_SNAPSHOT)
        pthread_join(asker, NULL);
    usleep(rest);
    atomic_store(&run->is_over, o->end_signal != SIGKILL);
    uint32_t end = now_ms();
    int status = server_end(&run->server, o->end_signal, STOP_S);
    if (o->end_signal == SIGTERM && (!WIFEXITED(status) || WEXITSTATUS(status) != 0))
        errx(2, "SIGTERM: wait status %#x; the log is %s", (unsigned)status, run->log);
    if (o->end_signal == SIGKILL && !WIFSIGNALED(status))
        errx(2, "the server ended by itself, status %#x; its log is %s", (unsigned)status,
             run->log);
    atomic_store(&run->is_over, true);
    if (run->control != NULL)
        run->control->first = 0;
    if (is_asked && o->promise != PROMISE_SNAPSHOT)
        pthread_join(asker, NULL);
    cut_power(run);
    uint32_t promised = UINT32_MAX;
    if (o->promise == PROMISE_SNAPSHOT)
        promised = run->asked_ms;
    else if (o->promise == PROMISE_MS)
        promised = end > o->promise_ms ? end - o->promise_ms : 0;
    count_files(run);
    turn(run); /* the writers have stopped */
    for (uint32_t i = 0; i < o->connections; i++)
        oracle_ended(&run->writers[i].oracle, promised);
}

/* --- what became of it ------------------------------------------------------------------------ */

static void report_life(const struct run *run, const struct check *c, double check_s)
{
    printf("  life %3u: read %9" PRIu64 ", required %9" PRIu64 ", lapsed %6" PRIu64
           ", lost %" PRIu64 ", invented %" PRIu64 ", changed %" PRIu64 " (%.1f s)\n",
           run->life, c->n_read, c->n_required, c->n_lapsed, c->n_lost, c->n_invented, c->n_changed,
           check_s);
    fflush(stdout);
}

static void check_all(struct run *run, struct check *sum)
{
    struct check all = {0};
    uint32_t begin = now_ms();
    set_range(run);
    turn(run); /* ready */
    turn(run); /* checked */
    for (uint32_t i = 0; i < run->options.connections; i++)
        check_add(&all, &run->writers[i].check);
    if (run->life > 0)
        check_windows(&all, &run->range, run->server.port);
    if (run->life > 0)
        report_life(run, &all, (now_ms() - begin) * 1e-3);
    check_add(sum, &all);
}

static bool is_good(const struct check *c)
{
    return c->n_lost + c->n_invented + c->n_changed + c->n_unreadable == 0;
}

static int report(const struct run *run, const struct check *sum, uint64_t load_ms)
{
    uint64_t requests = 0, samples = 0, refusals = 0, unavailable = 0, deletions = 0;
    for (uint32_t i = 0; i < run->options.connections; i++) {
        requests += run->writers[i].n_acknowledged;
        samples += run->writers[i].n_samples;
        refusals += run->writers[i].n_refusals;
        unavailable += run->writers[i].n_unavailable;
        deletions += run->writers[i].n_deletions;
    }
    printf("kills: %u ends under load, %" PRIu64 " while starting; %" PRIu64
           " requests and %" PRIu64 " samples acknowledged, %.0f samples/s under load, %" PRIu64
           " answered 400, %" PRIu64 " answered 503; %" PRIu64 " snapshots asked for\n",
           run->life, run->n_early, requests, samples,
           load_ms ? (double)samples * 1e3 / (double)load_ms : 0, refusals, unavailable,
           run->n_asked);
    if (run->options.is_deleting)
        printf("kills: %" PRIu64 " deletions acknowledged\n", deletions);
    printf("kills: %" PRIu64 " files of windows found behind the ends, %" PRIu64
           " of them gone since\n",
           run->n_files, run->n_files > run->n_files_left ? run->n_files - run->n_files_left : 0);
    if (run->control != NULL)
        printf("kills: the disk failed %" PRIu64 " times, %" PRIu64 " calls of %" PRIu64 "\n",
               run->n_faults, run->control->n_failed, run->control->n_calls);
    if (run->options.is_cut)
        printf("kills: %" PRIu64 " unsynced operations dropped by power cuts\n", run->n_dropped);
    printf("kills: %" PRIu64 " samples read, %" PRIu64 " of them required, and %" PRIu64
           " stale markers: %" PRIu64 " lost, %" PRIu64 " invented, %" PRIu64 " changed; %" PRIu64
           " lost that were not promised; %" PRIu64 " answers unreadable\n",
           sum->n_read, sum->n_required, sum->n_markers, sum->n_lost, sum->n_invented,
           sum->n_changed, sum->n_lapsed, sum->n_unreadable);
    return is_good(sum) ? 0 : 1;
}

static int live_and_die(struct run *run)
{
    struct check sum = {0};
    uint64_t load_ms = 0;
    for (run->life = 0;; run->life++) {
        start_after_all(run);
        check_all(run, &sum);
        if (run->life == run->options.n_kills || !is_good(&sum))
            break;
        atomic_store(&run->is_over, false);
        turn(run); /* the load begins */
        uint32_t begin = now_ms();
        let_live(run);
        load_ms += now_ms() - begin;
    }
    atomic_store(&run->is_over, true);
    turn(run); /* the load, which begins and ends at once */
    turn(run);
    run->is_done = true;
    turn(run);
    server_end(&run->server, SIGKILL, STOP_S);
    return report(run, &sum, load_ms);
}

/* --- setting up ------------------------------------------------------------------------------- */

static void set_load(struct run *run)
{
    const struct options *o = &run->options;
    uint64_t seed = random_seed();
    random_init(&run->random, seed);
    run->load = (struct load){
        .seed = seed,
        .n_connections = o->connections,
        .n_parts = 2,
        .n_series = {o->series, o->series / 8, o->series / 64 + 1, o->series / 16, o->series / 16},
        .start_ms = INT64_C(1700000000000) + (int64_t)(seed % 1000000),
        .step_ms = o->step_ms,
        .late_ticks = o->late_ticks,
        .is_deleting = o->is_deleting,
    };
    run->checked_load = run->load;
    if (o->lie == LIE_CHANGED)
        run->checked_load.seed++;
}

/* Made anew: what is left of an earlier run is removed. */
static void make_directory(struct run *run)
{
    static char fresh[64];
    char command[PATH_BYTES + 16];
    struct options *o = &run->options;
    snprintf(fresh, sizeof(fresh), "/tmp/hg-kills-%d", (int)getpid());
    if (o->directory == NULL)
        o->directory = fresh;
    snprintf(run->data, sizeof(run->data), "%s/data", o->directory);
    snprintf(run->side, sizeof(run->side), "%s/side", o->directory);
    snprintf(run->log, sizeof(run->log), "%s/log", o->directory);
    snprintf(command, sizeof(command), "rm -rf '%s'", o->directory);
    if (system(command) != 0 || mkdir(o->directory, 0750) != 0 || mkdir(run->data, 0750) != 0 ||
        mkdir(run->side, 0750) != 0)
        err(2, "%s", o->directory);
}

static void remove_directory(const struct run *run)
{
    char command[PATH_BYTES + 16];
    snprintf(command, sizeof(command), "rm -rf '%s'", run->options.directory);
    if (system(command) != 0)
        warnx("%s is left", run->options.directory);
}

/* Defaults first: of a flag that is given twice the last counts. */
static void set_server(struct run *run, char **flags, int n_flags)
{
    static char path[PATH_BYTES + 32], window[64], windows[64], late[64];
    struct server *s = &run->server;
    int n = 0;
    snprintf(path, sizeof(path), "--storage.path=%s", run->data);
    snprintf(window, sizeof(window), "--storage.window=%" PRId64 "ms", run->options.window_ms);
    snprintf(windows, sizeof(windows), "--storage.windows=%" PRId64, run->options.n_windows);
    snprintf(late, sizeof(late), "--storage.out-of-order-window=%" PRId64 "ms",
             run->options.out_of_order_ms);
    s->program = run->options.program;
    s->log_path = run->log;
    s->preload = run->options.library;
    s->flags[n++] = path;
    s->flags[n++] = window;
    s->flags[n++] = windows;
    s->flags[n++] = "--storage.clock=samples";
    s->flags[n++] = late;
    s->flags[n++] = "--storage.memory-limit=2GiB";
    s->flags[n++] = "--self.interval=0";
    for (int i = 0; i < n_flags; i++)
        s->flags[n++] = flags[i];
    setenv("UNSYNCED_DIR", run->data, 1);
    if (run->options.is_cut)
        setenv("UNSYNCED_SIDE", run->side, 1);
}

/* The file that tells the library what to let fail. */
static void make_control(struct run *run)
{
    if (!run->options.is_faulty)
        return;
    snprintf(run->control_path, sizeof(run->control_path), "%s/control", run->options.directory);
    int fd = open(run->control_path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    if (fd < 0 || ftruncate(fd, sizeof(*run->control)) < 0)
        err(2, "%s", run->control_path);
    run->control = mmap(NULL, sizeof(*run->control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (run->control == MAP_FAILED)
        err(2, "%s", run->control_path);
    close(fd);
    run->control->calls = UINT64_MAX;
    setenv("UNSYNCED_CONTROL", run->control_path, 1);
}

int main(int argc, char **argv)
{
    static struct run run;
    int first_flag = options_parse(&run.options, argc, argv);
    signal(SIGPIPE, SIG_IGN);
    (void)now_ms();
    set_load(&run);
    make_directory(&run);
    make_control(&run);
    set_server(&run, argv + first_flag, argc - first_flag);
    pthread_barrier_init(&run.turn, NULL, run.options.connections + 1);
    for (uint32_t i = 0; i < run.options.connections; i++) {
        struct writer *w = &run.writers[i];
        w->run = &run;
        w->number = i;
        oracle_init(&w->oracle, load_parts(&run.load));
        if (pthread_create(&w->thread, NULL, writer_main, w) != 0)
            errx(2, "a thread");
    }
    int code = live_and_die(&run);
    for (uint32_t i = 0; i < run.options.connections; i++) {
        pthread_join(run.writers[i].thread, NULL);
        oracle_release(&run.writers[i].oracle);
    }
    if (code == 0)
        remove_directory(&run);
    else
        printf("kills: the directory is left: %s\n", run.options.directory);
    return code;
}
