/* make bench-write: what a sample of remote write costs on its way from the body to its series,
 * step by step. Bodies of 2000 series with one sample each, as `fleet` sends them, of more hosts
 * than a core's cache holds labels of. One core, CPU time, the least of several passes over all
 * bodies.
 *
 *     write_body RECORDING TITLE
 *
 * A step's figure is of that step alone, on what the one before has left in the cache. A pass goes
 * over all bodies once for each version, and apart from those for what is only compared: what one
 * of them leaves in the cache, or takes out of it, must not count for another. */
#include "http/remote_write.h"
#include "http/snappy_block.h"
#include "http/write_metadata.h"

#include "http/proto/remote.pb-c.h"
#include "tests/bench/body_v2.h"
#include "tests/bench/hosts.h"

#include <err.h>
#include <sched.h>
#include <snappy-c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BATCH = 2000, SERIES = 100000, PASSES = 30, STEP_MS = 15000 };

static const int64_t start_ms = 1700000000000;
static const size_t memory_bytes = (size_t)1 << 30, body_bytes_max = 32 << 20;

enum step { SNAPPY, WALK, KEYS, APPEND, TREE, SNAPPY_V2, WALK_V2, APPEND_V2, METADATA_V2, STEPS };
static const char *const step_names[STEPS] = {
    [SNAPPY] = "snappy",
    [WALK] = "walk, with keys",
    [KEYS] = "  keys alone",
    [APPEND] = "append",
    [TREE] = "protobuf-c's tree, by malloc",
    [SNAPPY_V2] = "2.0: snappy",
    [WALK_V2] = "2.0: walk, with keys",
    [APPEND_V2] = "2.0: append",
    [METADATA_V2] = "  2.0: metadata, of one body in 16",
};

struct packed_v2 {
    char *bytes;
    size_t n, n_plain;
};

struct bench {
    struct recording recording;
    struct hosts hosts;
    struct packed_v2 *v2; /* the hosts' bodies of this pass as 2.0 */
    struct budget budget;
    struct arena arena;
    struct region region;
    struct tsdb *db, *db_v2; /* with the same samples */
    struct metadata metadata;
    double took[STEPS]; /* ns of the pass */
    double least[STEPS];
    uint64_t n_samples, n_packed, n_plain, n_forms; /* of one pass; bytes */
    uint64_t n_packed_v2, n_plain_v2, n_symbols;
    uint64_t sum; /* so that nothing is left out */
};

static const struct remote_write_format v1 = {.version = REMOTE_WRITE_V1};

static double cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void took(struct bench *b, enum step step, double *io_began)
{
    double now = cpu_ns();
    b->took[step] += now - *io_began;
    *io_began = cpu_ns();
}

static void sum_keys(struct bench *b, const struct write_body *body)
{
    const struct series_hash *h = tsdb_series_hash(b->db);
    for (const struct write_block *k = body->first; k != NULL; k = k->next)
        for (size_t i = 0; i < k->n; i++)
            b->sum += series_key_of_form(h, k->entries[i].form, k->entries[i].n_form).lo;
}

static void count(struct bench *b, const struct body *packed, const struct write_body *body)
{
    b->n_samples += body->n_samples;
    b->n_packed += packed->n_packed;
    b->n_plain += packed->n_plain;
    for (const struct write_block *k = body->first; k != NULL; k = k->next)
        for (size_t i = 0; i < k->n; i++)
            b->n_forms += k->entries[i].n_form;
}

static char *unpack(struct bench *b, const void *packed, size_t n_packed, size_t n)
{
    char *plain = region_alloc(&b->region, n);
    if (plain == NULL || !snappy_block_unpack(packed, n_packed, plain))
        errx(1, "a body cannot be unpacked");
    return plain;
}

/* The same samples as a body of 2.0. */
static void make_v2(struct bench *b, uint32_t i)
{
    static uint8_t made[32 << 20];
    const struct body *from = hosts_body(&b->hosts, i);
    const char *plain = unpack(b, from->packed, from->n_packed, from->n_plain);
    size_t n = body_v2_of((const uint8_t *)plain, from->n_plain, made, sizeof(made));
    struct packed_v2 *to = &b->v2[i];
    free(to->bytes);
    *to = (struct packed_v2){.n = snappy_max_compressed_length(n), .n_plain = n};
    to->bytes = malloc(to->n);
    if (n == 0 || to->bytes == NULL ||
        snappy_compress((const char *)made, n, to->bytes, &to->n) != SNAPPY_OK)
        errx(1, "a body of 2.0 cannot be made");
    region_release(&b->region);
}

/* The steps of one body, of which the first one is given. */
static void run_steps(struct bench *b, enum step step, const struct remote_write_format *f,
                      struct tsdb *db, const void *packed, size_t n_packed, size_t n,
                      struct remote_write *rw)
{
    enum step walk = step == SNAPPY ? WALK : WALK_V2, append = step == SNAPPY ? APPEND : APPEND_V2;
    char text[REMOTE_WRITE_TEXT_MAX];
    double began = cpu_ns();
    char *plain = unpack(b, packed, n_packed, n);
    took(b, step, &began);
    if (remote_write_decode_message(f, plain, n, &b->region, rw, text) != 0)
        errx(1, "%s", text);
    took(b, walk, &began);
    remote_write_append(rw, db);
    if (remote_write_verdict(rw, text) != 204)
        errx(1, "%s", text);
    took(b, append, &began);
}

static void run_v1(struct bench *b, uint32_t i)
{
    struct remote_write rw;
    const struct body *body = hosts_body(&b->hosts, i);
    run_steps(b, SNAPPY, &v1, b->db, body->packed, body->n_packed, body->n_plain, &rw);
    count(b, body, &rw.body);
    region_release(&b->region);
}

static void run_v2(struct bench *b, uint32_t i)
{
    const struct remote_write_format v2 = {REMOTE_WRITE_V2, tsdb_series_hash(b->db_v2)};
    const struct packed_v2 *body = &b->v2[i];
    struct remote_write rw;
    run_steps(b, SNAPPY_V2, &v2, b->db_v2, body->bytes, body->n, body->n_plain, &rw);
    double began = cpu_ns();
    write_metadata_keep_v2(&b->metadata, &rw.body.symbols, rw.message, rw.n_message, 1);
    took(b, METADATA_V2, &began);
    b->n_packed_v2 += body->n;
    b->n_plain_v2 += body->n_plain;
    b->n_symbols += rw.body.symbols.n;
    region_release(&b->region);
}

/* What is only compared. */
static void run_compared(struct bench *b, uint32_t i)
{
    char text[REMOTE_WRITE_TEXT_MAX];
    struct remote_write rw;
    const struct body *body = hosts_body(&b->hosts, i);
    char *plain = unpack(b, body->packed, body->n_packed, body->n_plain);
    if (remote_write_decode_message(&v1, plain, body->n_plain, &b->region, &rw, text) != 0)
        errx(1, "%s", text);
    double began = cpu_ns();
    sum_keys(b, &rw.body);
    took(b, KEYS, &began);
    Prometheus__WriteRequest *tree =
        prometheus__write_request__unpack(NULL, body->n_plain, (const uint8_t *)plain);
    if (tree == NULL || tree->n_timeseries != body->n_samples)
        errx(1, "protobuf-c finds something else");
    prometheus__write_request__free_unpacked(tree, NULL);
    took(b, TREE, &began);
    region_release(&b->region);
}

static void run_all(struct bench *b, void (*run)(struct bench *b, uint32_t i))
{
    for (uint32_t i = 0; i < b->hosts.n_bodies; i++)
        run(b, i);
}

static void run_pass(struct bench *b, uint64_t pass)
{
    memset(b->took, 0, sizeof(b->took));
    b->n_samples = b->n_packed = b->n_plain = b->n_forms = 0;
    b->n_packed_v2 = b->n_plain_v2 = b->n_symbols = 0;
    hosts_begin(&b->hosts, pass);
    run_all(b, make_v2);
    run_all(b, run_compared);
    run_all(b, run_v1);
    run_all(b, run_v2);
    for (int i = 0; i < STEPS; i++)
        b->least[i] = pass == 1 || b->took[i] < b->least[i] ? b->took[i] : b->least[i];
}

static void open_store(struct bench *b)
{
    const struct tsdb_options o = {.window_ms = 4 * 3600 * 1000,
                                   .n_windows = 8,
                                   .out_of_order_ms = 3600 * 1000,
                                   .clock = CLOCK_SAMPLES};
    budget_init(&b->budget, memory_bytes);
    if (!arena_init(&b->arena, &b->budget, memory_bytes) || tsdb_new(&o, &b->arena, &b->db) != 0 ||
        tsdb_new(&o, &b->arena, &b->db_v2) != 0)
        errx(1, "no memory for a store");
    metadata_init(&b->metadata, &b->arena);
    region_init(&b->region, &b->arena, budget_owner(&b->budget, "requests"), body_bytes_max);
}

int main(int argc, char **argv)
{
    static struct bench b;
    cpu_set_t one_core;
    if (argc != 3)
        errx(2, "usage: write_body RECORDING TITLE");
    CPU_ZERO(&one_core);
    CPU_SET((unsigned)sched_getcpu(), &one_core);
    (void)sched_setaffinity(0, sizeof(one_core), &one_core);
    recording_load(&b.recording, argv[1]);
    const struct hosts_options o = {.start_ms = start_ms, .step_ms = STEP_MS, .batch = BATCH};
    hosts_init(&b.hosts, &b.recording, &o);
    hosts_set_copies(&b.hosts, (SERIES + b.recording.n_series - 1) / b.recording.n_series);
    b.v2 = calloc(b.hosts.n_bodies, sizeof(*b.v2));
    if (b.v2 == NULL)
        err(1, "memory for bodies");
    open_store(&b);
    for (uint64_t pass = 0; pass <= PASSES; pass++)
        run_pass(&b, pass); /* the first one makes the series and is not counted */
    double n = (double)b.n_samples;
    printf("%s: %u series, bytes a sample: %.1f packed, %.1f plain, %.1f of labels\n", argv[2],
           b.hosts.n_series, (double)b.n_packed / n, (double)b.n_plain / n, (double)b.n_forms / n);
    printf("2.0: %.1f packed, %.1f plain, %.2f symbols\n", (double)b.n_packed_v2 / n,
           (double)b.n_plain_v2 / n, (double)b.n_symbols / n);
    for (int i = 0; i < STEPS; i++)
        printf("  %-34s %6.1f ns a sample\n", step_names[i], b.least[i] / n);
    tsdb_free(b.db);
    tsdb_free(b.db_v2);
    metadata_release(&b.metadata);
    arena_release(&b.arena);
    for (uint32_t i = 0; i < b.hosts.n_bodies; i++)
        free(b.v2[i].bytes);
    free(b.v2);
    hosts_release(&b.hosts);
    recording_release(&b.recording);
    return b.sum == 0;
}
