/*
 * fleet: writes what many hosts would, as fast as the server takes it.
 *
 * A tool of memory.py, which tells it on stdin how far to go and looks at the server in between;
 * with --scrapes it goes its way alone. One line a command, one line an answer:
 *
 *   until N      writes scrapes (or bodies of --ticks) up to N, exclusive
 *                -> done {"scrapes":..,"samples":..,"requests":..,"max_ms":..,"p99_ms":..,..}
 *   for N        writes whole scrapes until N seconds have passed       -> done, as above
 *   skip N       goes on at scrape N without writing those before it    -> ok
 *   copies N     from the next scrape on there are N hosts              -> ok
 *   reconnect    the server has been started anew                       -> ok
 *   sample N     what the newest scrape wrote to series N
 *                -> sample {"labels":[["name","value"],..],"at":ms,"bits":"hex"}
 *   samples N A B    what scrapes A to B, exclusive, wrote to series N of a fleet without churn
 *                -> samples {"labels":[["name","value"],..],"samples":[[ms,"hex"],..]}
 *
 * While the server works on a body, the next one is patched. With more than one connection, body i
 * of each scrape goes over the same one, as a sender's shards do, so that a series keeps its order;
 * answers are read from all of them while one is waited for.
 */
#include "tests/bench/clones.h"
#include "tests/bench/hosts.h"
#include "tests/bench/latencies.h"
#include "tests/bench/sender.h"
#include "tests/bench/ticks.h"

#include <err.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { CONNECTIONS_MAX = 64, SERIES_MAX = 10000000, PATIENCE_MS = 60000 };

struct fleet {
    struct recording recording;
    struct hosts hosts;
    struct ticks ticks;
    struct clones clones;
    enum { HOSTS, TICKS, CLONES } load;
    struct sender senders[CONNECTIONS_MAX];
    uint32_t n_senders;
    struct latencies latencies;
    uint64_t scrape;    /* the next one */
    uint64_t spread_ns; /* the bodies of a scrape are sent over so long, 0 = one after the other */
    uint64_t n_samples, n_requests, n_bytes;
};

static double cpu_seconds(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void receive(struct fleet *f, struct sender *s)
{
    if (s->is_waiting)
        latencies_add(&f->latencies, sender_receive(s));
}

/* Reads the answers that have come, waiting so long for one; false when there was none. */
static bool receive_some(struct fleet *f, int patience_ms)
{
    struct pollfd polled[CONNECTIONS_MAX];
    for (uint32_t i = 0; i < f->n_senders; i++)
        polled[i] = (struct pollfd){f->senders[i].is_waiting ? f->senders[i].fd : -1, POLLIN, 0};
    int n = poll(polled, f->n_senders, patience_ms);
    if (n < 0)
        err(1, "poll");
    for (uint32_t i = 0; i < f->n_senders; i++)
        if (polled[i].revents != 0)
            receive(f, &f->senders[i]);
    return n > 0;
}

/* Until `s` has its answer. */
static void await(struct fleet *f, const struct sender *s)
{
    do {
        if (!receive_some(f, s->is_waiting ? PATIENCE_MS : 0) && s->is_waiting)
            errx(1, "no answer to a write in a minute");
    } while (s->is_waiting);
}

/* Answers are read meanwhile, so that they are not timed too long. */
static void await_time(struct fleet *f, uint64_t ns)
{
    for (uint64_t now; (now = sender_now_ns()) < ns;)
        (void)receive_some(f, (int)((ns - now) / 1000000) + 1);
}

/* Bytes are ready, the i-th of a scrape. The last answer on their connection is awaited here and
 * not before, so that they were made while the server worked. */
static void post(struct fleet *f, uint64_t i, const uint8_t *bytes, size_t n, uint32_t n_samples)
{
    struct sender *s = &f->senders[i % f->n_senders];
    await(f, s);
    sender_send(s, bytes, n, n_samples);
    f->n_samples += n_samples;
    f->n_requests++;
    f->n_bytes += n;
}

static void receive_all(struct fleet *f)
{
    for (uint32_t i = 0; i < f->n_senders; i++)
        receive(f, &f->senders[i]);
}

static void post_body(struct fleet *f, uint32_t i, const struct body *b)
{
    post(f, i, b->packed, b->n_packed, b->n_samples);
}

static void write_ticks(struct fleet *f)
{
    ticks_fill(&f->ticks, f->scrape);
    post(f, f->scrape, f->ticks.bytes, f->ticks.n_bytes, f->ticks.batch);
}

static void write_clones(struct fleet *f)
{
    clones_begin(&f->clones, f->scrape);
    for (uint32_t i = 0; i < f->clones.n_bodies; i++)
        post_body(f, i, clones_body(&f->clones, i));
}

static void write_hosts(struct fleet *f)
{
    /* not while a latency is being measured */
    if (hosts_must_pack(&f->hosts, f->scrape))
        receive_all(f);
    hosts_begin(&f->hosts, f->scrape);
    uint64_t began_ns = sender_now_ns();
    for (uint32_t i = 0; i < f->hosts.n_bodies; i++) {
        if (f->spread_ns > 0)
            await_time(f, began_ns + f->spread_ns / f->hosts.n_bodies * i);
        post_body(f, i, hosts_body(&f->hosts, i));
    }
}

/* Up to scrape `end`, or the first that begins after end_ns. */
static void write_until(struct fleet *f, uint64_t end, uint64_t end_ns)
{
    uint64_t from_requests = f->n_requests, from_samples = f->n_samples, from_bytes = f->n_bytes;
    uint64_t from_ns = sender_now_ns();
    struct latencies_summary l;
    for (; f->scrape < end && sender_now_ns() < end_ns; f->scrape++) {
        if (f->load == TICKS)
            write_ticks(f);
        else if (f->load == CLONES)
            write_clones(f);
        else
            write_hosts(f);
    }
    receive_all(f);
    l = latencies_take(&f->latencies);
    printf("done {\"scrapes\":%" PRIu64 ",\"samples\":%" PRIu64 ",\"requests\":%" PRIu64
           ",\"leg_samples\":%" PRIu64 ",\"leg_requests\":%" PRIu64 ",\"leg_bytes\":%" PRIu64
           ",\"leg_s\":%.6f,\"max_ms\":%.3f,\"p999_ms\":%.3f,\"p99_ms\":%.3f,\"p90_ms\":%.3f"
           ",\"p50_ms\":%.3f,\"sum_ms\":%.3f,\"cpu_s\":%.3f}\n",
           f->scrape, f->n_samples, f->n_requests, f->n_samples - from_samples,
           f->n_requests - from_requests, f->n_bytes - from_bytes,
           (double)(sender_now_ns() - from_ns) / 1e9, l.max_ms, l.p999_ms, l.p99_ms, l.p90_ms,
           l.p50_ms, l.sum_ms, cpu_seconds());
}

static void print_json_text(const struct recording_text *text)
{
    putchar('"');
    for (uint32_t i = 0; i < text->len; i++) {
        unsigned char byte = (unsigned char)text->at[i];
        if (byte == '"' || byte == '\\')
            printf("\\%c", byte);
        else if (byte < 0x20)
            printf("\\u%04x", byte);
        else
            putchar(byte);
    }
    putchar('"');
}

static void print_labels(const struct body_labels *labels)
{
    uint32_t i = 0, j = 0;
    const char *before = "";
    for (const struct recording_pair *p; (p = body_labels_next(labels, &i, &j)) != NULL;) {
        printf("%s[", before);
        print_json_text(&p->name);
        putchar(',');
        print_json_text(&p->value);
        putchar(']');
        before = ",";
    }
}

static void print_sample(struct fleet *f, uint64_t series)
{
    struct hosts_labels made;
    struct clones_labels clone;
    uint64_t n = f->load == CLONES ? f->clones.n_series : f->hosts.n_series, bits;
    int64_t at_ms;
    if (f->load != TICKS && (series >= n || f->scrape == 0))
        errx(1, "there is no sample of series %" PRIu64, series);
    printf("sample {\"labels\":[");
    if (f->load == TICKS) {
        printf("[\"__name__\",\"bench_ticks\"],[\"job\",\"ticks\"]");
        at_ms = f->ticks.last_ms;
        bits = f->ticks.last_bits;
    } else if (f->load == CLONES) {
        clones_labels((uint32_t)series, &clone);
        print_labels(&(struct body_labels){
            &(struct recording_series){0, CLONES_LABELS, clone.pairs}, NULL, 0});
        at_ms = clones_time(&f->clones);
        bits = f->clones.bits;
    } else {
        hosts_labels(&f->hosts, (uint32_t)series, &made);
        print_labels(&made.labels);
        hosts_sample(&f->hosts, f->hosts.scrape, (uint32_t)series, &at_ms, &bits);
    }
    printf("],\"at\":%" PRId64 ",\"bits\":\"%016" PRIx64 "\"}\n", at_ms, bits);
}

static void print_samples(struct fleet *f, uint64_t series, uint64_t from, uint64_t end)
{
    struct hosts_labels made;
    if (f->load != HOSTS || f->hosts.options.churn_every > 0 || series >= f->hosts.n_series ||
        end > f->scrape)
        errx(1, "such samples of series %" PRIu64 " are not known", series);
    hosts_labels(&f->hosts, (uint32_t)series, &made);
    printf("samples {\"labels\":[");
    print_labels(&made.labels);
    printf("],\"samples\":[");
    for (uint64_t scrape = from; scrape < end; scrape++) {
        int64_t at_ms;
        uint64_t bits;
        hosts_sample(&f->hosts, scrape, (uint32_t)series, &at_ms, &bits);
        printf("%s[%" PRId64 ",\"%016" PRIx64 "\"]", scrape > from ? "," : "", at_ms, bits);
    }
    puts("]}");
}

static void obey(struct fleet *f, const char *line)
{
    uint64_t n, from, to;
    if (sscanf(line, "until %" SCNu64, &n) == 1) {
        write_until(f, n, UINT64_MAX);
    } else if (sscanf(line, "for %" SCNu64, &n) == 1 && n < 1000000) {
        write_until(f, UINT64_MAX, sender_now_ns() + n * 1000000000);
    } else if (sscanf(line, "samples %" SCNu64 " %" SCNu64 " %" SCNu64, &n, &from, &to) == 3) {
        print_samples(f, n, from, to);
    } else if (sscanf(line, "sample %" SCNu64, &n) == 1) {
        print_sample(f, n);
    } else if (sscanf(line, "skip %" SCNu64, &n) == 1 && n >= f->scrape) {
        f->scrape = n;
        puts("ok");
    } else if (f->load == HOSTS && sscanf(line, "copies %" SCNu64, &n) == 1 && n > 0 &&
               n < 100000) {
        hosts_set_copies(&f->hosts, (uint32_t)n);
        puts("ok");
    } else if (strcmp(line, "reconnect\n") == 0) {
        for (uint32_t i = 0; i < f->n_senders; i++)
            sender_close(&f->senders[i]);
        puts("ok");
    } else {
        errx(1, "not a command: %s", line);
    }
    fflush(stdout);
}

struct options {
    const char *recording;
    uint64_t port, copies, same_doubles, connections, batch, scrapes, churn_every, protocol;
    uint64_t spread_ms;
    double churn_percent;
    int64_t start_ms, step_ms, jitter_ms;
    bool is_ticks;
};

static const char usage[] =
    "fleet --port=N (--recording=FILE [--copies=1] [--jitter=MS] | --ticks | "
    "--same-doubles=SERIES)\n"
    "      [--start=MS] [--step=15000 ms]\n"
    "      [--batch=2000] [--connections=1] [--churn=PERCENT --churn-every=SCRAPES] [--scrapes=N]\n"
    "      [--protocol=1] [--spread=MS]\n"
    "Writes to 127.0.0.1:PORT; --scrapes writes so many and ends, without it commands come from\n"
    "stdin (tests/bench/fleet.c). --ticks: one series, one sample a millisecond, --batch a body.\n"
    "--same-doubles: so many series, at each scrape the same random double for all of them.\n"
    "--protocol=2: bodies of remote write 2.0.\n"
    "--spread: the bodies of a scrape of a recording are sent evenly over so many milliseconds.\n";

static uint64_t number_of(const char *text)
{
    char *end;
    unsigned long long n = strtoull(text, &end, 10);
    if (*end != '\0' || end == text)
        errx(2, "%s is not a number", text);
    return n;
}

static void parse(struct options *o, int argc, char **argv)
{
    static const struct option known[] = {
        {"port", 1, NULL, 'p'},         {"recording", 1, NULL, 'r'},
        {"copies", 1, NULL, 'c'},       {"start", 1, NULL, 's'},
        {"step", 1, NULL, 't'},         {"batch", 1, NULL, 'b'},
        {"connections", 1, NULL, 'n'},  {"churn", 1, NULL, 'x'},
        {"churn-every", 1, NULL, 'e'},  {"scrapes", 1, NULL, 'u'},
        {"ticks", 0, NULL, 'm'},        {"jitter", 1, NULL, 'j'},
        {"same-doubles", 1, NULL, 'd'}, {"protocol", 1, NULL, 'v'},
        {"spread", 1, NULL, 'w'},       {NULL, 0, NULL, 0}};
    for (int c; (c = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        switch (c) {
        case 'p':
            o->port = number_of(optarg);
            break;
        case 'r':
            o->recording = optarg;
            break;
        case 'c':
            o->copies = number_of(optarg);
            break;
        case 's':
            o->start_ms = (int64_t)number_of(optarg);
            break;
        case 't':
            o->step_ms = (int64_t)number_of(optarg);
            break;
        case 'b':
            o->batch = number_of(optarg);
            break;
        case 'n':
            o->connections = number_of(optarg);
            break;
        case 'x':
            o->churn_percent = strtod(optarg, NULL);
            break;
        case 'e':
            o->churn_every = number_of(optarg);
            break;
        case 'u':
            o->scrapes = number_of(optarg);
            break;
        case 'd':
            o->same_doubles = number_of(optarg);
            break;
        case 'w':
            o->spread_ms = number_of(optarg);
            break;
        case 'v':
            o->protocol = number_of(optarg);
            break;
        case 'm':
            o->is_ticks = true;
            break;
        case 'j':
            o->jitter_ms = (int64_t)number_of(optarg);
            break;
        default:
            fputs(usage, stderr);
            exit(2);
        }
    }
}

static void check(const struct options *o)
{
    int n_loads = (o->recording != NULL) + o->is_ticks + (o->same_doubles > 0);
    bool is_right = n_loads == 1 && o->same_doubles <= SERIES_MAX && o->port > 0 &&
                    o->port < 65536 && o->copies > 0 && o->copies < 100000 && o->connections > 0 &&
                    o->connections <= CONNECTIONS_MAX && o->batch > 0 && o->batch <= 100000 &&
                    o->step_ms >= 12 && o->jitter_ms >= 0 && o->step_ms / 2 > o->jitter_ms &&
                    o->start_ms >= BODY_TIME_MIN_MS &&
                    (o->spread_ms == 0 || (o->recording != NULL && o->spread_ms <= 3600000)) &&
                    (o->protocol == 1 || (o->protocol == 2 && !o->is_ticks));
    if (!is_right) {
        fputs(usage, stderr);
        exit(2);
    }
}

static void begin(struct fleet *f, const struct options *o)
{
    enum body_protocol protocol = o->protocol == 2 ? BODY_WRITE_2 : BODY_WRITE_1;
    struct hosts_options h = {.start_ms = o->start_ms,
                              .step_ms = o->step_ms,
                              .jitter_ms = o->jitter_ms,
                              .batch = (uint32_t)o->batch,
                              .churn_percent = o->churn_percent,
                              .churn_every = (uint32_t)o->churn_every,
                              .protocol = protocol};
    if (o->is_ticks) {
        f->load = TICKS;
        ticks_init(&f->ticks, o->start_ms, (uint32_t)o->batch);
    } else if (o->same_doubles > 0) {
        f->load = CLONES;
        clones_init(&f->clones, (uint32_t)o->same_doubles, (uint32_t)o->batch, o->start_ms,
                    o->step_ms, protocol);
    } else {
        recording_load(&f->recording, o->recording);
        hosts_init(&f->hosts, &f->recording, &h);
        hosts_set_copies(&f->hosts, (uint32_t)o->copies);
    }
    f->spread_ns = o->spread_ms * 1000000;
    f->n_senders = (uint32_t)o->connections;
    for (uint32_t i = 0; i < f->n_senders; i++)
        sender_init(&f->senders[i], (uint16_t)o->port, protocol);
}

static void end(struct fleet *f)
{
    for (uint32_t i = 0; i < f->n_senders; i++)
        sender_close(&f->senders[i]);
    latencies_release(&f->latencies);
    if (f->load == TICKS) {
        ticks_release(&f->ticks);
    } else if (f->load == CLONES) {
        clones_release(&f->clones);
    } else {
        hosts_release(&f->hosts);
        recording_release(&f->recording);
    }
}

int main(int argc, char **argv)
{
    struct options o = {.copies = 1,
                        .connections = 1,
                        .batch = 2000,
                        .protocol = 1,
                        .start_ms = INT64_C(1759996800000),
                        .step_ms = 15000};
    static struct fleet f;
    char line[256];
    parse(&o, argc, argv);
    check(&o);
    begin(&f, &o);
    if (o.scrapes > 0)
        write_until(&f, o.scrapes, UINT64_MAX);
    else
        while (fgets(line, sizeof(line), stdin) != NULL)
            obey(&f, line);
    end(&f);
    return 0;
}
