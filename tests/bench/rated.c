/* What a range query costs a sample, without HTTP: SERIES counters of HOURS hours, a sample every
 * 15 s, in a real store, then each query over all of it.
 *
 *     rated [SERIES [HOURS [QUERY...]]]
 *
 * Prints for each query the CPU time of the best of three runs, nanoseconds a sample read, and the
 * bytes that its region took. */
#include "tsdb/append.h"
#include "tsdb/promql/promql.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { INTERVAL_MS = 15000, RUNS = 3, STEPS = 250 };

#define BASE_MS INT64_C(1700006400000)
#define MEMORY  ((size_t)6 << 30)
#define HOUR_MS (INT64_C(3600) * 1000)

static struct budget budget;
static struct arena arena;
static struct tsdb *db;
static unsigned owner;

static double cpu_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* The samples of one series from one time on: a counter of its own pace, that resets once. */
static void add_series(struct append *batch, unsigned i, size_t n, struct sample *samples)
{
    char name[16];
    struct append_counts counts = {0};
    int len = snprintf(name, sizeof(name), "%u", i);
    struct label items[] = {
        {"__name__", "x", 8, 1}, {"g", name + len - 1, 1, 1}, {"i", name, 1, (uint32_t)len}};
    struct labels labels = {items, 3};
    double v = 0;
    for (size_t k = 0; k < n; k++) {
        v = k == n / 2 ? 0 : v + (double)((i * 7 + k * 13) % 11);
        samples[k].t_ms = BASE_MS + (int64_t)k * INTERVAL_MS;
        memcpy(&samples[k].value, &v, sizeof(v));
    }
    if (append_samples(batch, &labels, samples, n, &counts) != 0)
        abort();
}

static void load(unsigned n_series, size_t n)
{
    const struct tsdb_options options = {.window_ms = 4 * HOUR_MS,
                                         .n_windows = 64,
                                         .out_of_order_ms = 24 * 30 * HOUR_MS,
                                         .clock = CLOCK_SAMPLES};
    struct sample *samples = calloc(n, sizeof(*samples));
    struct append batch;
    if (!samples || tsdb_new(&options, &arena, &db) != 0)
        abort();
    for (unsigned i = 0; i < n_series; i++) {
        append_begin(&batch, db);
        add_series(&batch, i, n, samples);
        append_end(&batch);
    }
    free(samples);
}

static void measure(const char *text, int64_t span_ms)
{
    const struct promql_options options = {.lookback_ms = 300000};
    double best_s = 1e9;
    size_t bytes = 0;
    uint64_t n_samples = 0;
    for (int run = 0; run < RUNS; run++) {
        struct region region;
        struct promql_error err;
        struct promql_result result;
        region_init(&region, &arena, owner, 0);
        double start_s = cpu_s();
        struct promql_query *q = promql_parse(text, strlen(text), 0, &region, &err);
        if (!q || promql_range(q, db, BASE_MS, BASE_MS + span_ms, span_ms / STEPS, &options,
                               &region, &result, &err) != 0) {
            printf("%s: %s\n", text, err.text);
            promql_release(q);
            region_release(&region);
            return;
        }
        double took_s = cpu_s() - start_s;
        best_s = took_s < best_s ? took_s : best_s;
        bytes = region.taken_bytes;
        n_samples = result.samples_read;
        promql_release(q);
        region_release(&region);
    }
    printf("%-44s %8.1f ms %7.2f ns/sample %7.1f M/s %9.1f MiB\n", text, best_s * 1e3,
           best_s * 1e9 / (double)n_samples, (double)n_samples / best_s / 1e6,
           (double)bytes / (1 << 20));
    fflush(stdout);
}

int main(int argc, char **argv)
{
    static const char *const usual[] = {
        "sum(rate(x[5m]))",     "sum by (g) (rate(x[5m]))", "max_over_time(x[5m])", "sum(x)",
        "avg_over_time(x[1h])", "count(x > 100)",           "topk(5, rate(x[5m]))"};
    unsigned n_series = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 10000;
    int64_t hours = argc > 2 ? strtol(argv[2], NULL, 10) : 24;
    budget_init(&budget, MEMORY);
    owner = budget_owner(&budget, "queries");
    if (n_series == 0 || hours <= 0 || !arena_init(&arena, &budget, MEMORY))
        return 1;
    load(n_series, (size_t)(hours * HOUR_MS / INTERVAL_MS));
    if (argc > 3)
        for (int i = 3; i < argc; i++)
            measure(argv[i], hours * HOUR_MS);
    else
        for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]); i++)
            measure(usual[i], hours * HOUR_MS);
    tsdb_free(db);
    arena_release(&arena);
    return 0;
}
