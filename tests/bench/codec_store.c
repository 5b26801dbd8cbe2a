#include "tests/bench/codec_store.h"
#include "tsdb/append.h"
#include "tsdb/read.h"
#include "tsdb/store.h"
#include "tsdb/vectors.h"

#include <err.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    LIMIT_BYTES = 512 << 20,
    WINDOW_MS = 4 * 3600 * 1000,
    STEP_MS = 15000,
    PHASE_MS = 2500,
    REQUEST_SERIES = 2000,
    BATCH_MAX = TIMELINE_LOOK_BACK,
    STORES = 8, /* filled one after another: appending is measured once in each */
    PASSES = 25,
};

#define START_MS INT64_C(1700006400000) /* the start of a window */

struct bench_store {
    struct budget budget;
    struct arena arena;
    struct tsdb *db;
    struct labels *labels; /* of each series */
    struct append_series request[REQUEST_SERIES];
    struct sample samples[REQUEST_SERIES * BATCH_MAX];
    bool *is_moving; /* whether a series is not constant */
    const struct recording *recording;
    const struct columns *columns;
};

/* ---- labels ---- */

static struct label label_of(struct recording_text name, struct recording_text value)
{
    return (struct label){name.at, value.at, name.len, value.len};
}

static struct labels *labels_of_all(const struct recording *r)
{
    struct labels *all = calloc(r->n_series, sizeof(*all));
    if (all == NULL)
        err(1, "memory for labels");
    for (uint32_t i = 0; i < r->n_series; i++) {
        const struct recording_series *s = &r->series[i];
        struct label *items = calloc(s->n_pairs + 1, sizeof(*items));
        if (items == NULL)
            err(1, "memory for labels");
        for (uint32_t k = 0; k < s->n_pairs; k++)
            items[k] = label_of(s->pairs[k].name, s->pairs[k].value);
        items[s->n_pairs] = label_of((struct recording_text){"job", 3}, r->targets[s->target].job);
        all[i] = (struct labels){items, s->n_pairs + 1};
        if (labels_normalise(&all[i], NULL) != 0)
            errx(1, "a recording with labels that no series has");
    }
    return all;
}

static void labels_release(struct labels *all, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        free(all[i].items);
    free(all);
}

/* ---- a store ---- */

static int64_t time_of(const struct bench_store *s, uint32_t series, uint32_t scrape)
{
    int64_t jitter = scrape % 10 == 9 ? 1 + scrape / 10 % 5 : 0;
    return START_MS + (int64_t)scrape * STEP_MS + jitter +
           (int64_t)(s->recording->series[series].target % 4) * PHASE_MS;
}

static uint64_t value_of(const struct bench_store *s, uint32_t series, uint32_t scrape)
{
    return s->columns->values[(size_t)series * s->columns->n_scrapes + scrape];
}

static void store_open(struct bench_store *s)
{
    const struct tsdb_options o = {.window_ms = WINDOW_MS,
                                   .n_windows = 8,
                                   .out_of_order_ms = WINDOW_MS / 4,
                                   .clock = CLOCK_SAMPLES};
    budget_init(&s->budget, LIMIT_BYTES);
    if (!arena_init(&s->arena, &s->budget, LIMIT_BYTES) || tsdb_new(&o, &s->arena, &s->db) != 0)
        errx(1, "no memory for a store");
}

static void store_close(struct bench_store *s)
{
    tsdb_free(s->db);
    arena_release(&s->arena);
}

/* Samples from .. to - 1 of n series, as a request has them. */
static void prepare(struct bench_store *s, uint32_t first, uint32_t n, uint32_t from, uint32_t to)
{
    struct sample *at = s->samples;
    for (uint32_t i = 0; i < n; i++) {
        s->request[i] = (struct append_series){
            .labels = s->labels[first + i], .samples = at, .n_samples = to - from};
        for (uint32_t k = from; k < to; k++)
            *at++ = (struct sample){time_of(s, first + i, k), value_of(s, first + i, k)};
    }
}

/* Samples from .. to - 1 of every series, those of one series in one piece, request by request.
 * Returns the ns that appending took. */
static double append_scrapes(struct bench_store *s, uint32_t from, uint32_t to)
{
    struct append_counts counts = {0};
    struct append b;
    double took = 0;
    for (uint32_t first = 0; first < s->recording->n_series; first += REQUEST_SERIES) {
        uint32_t n = (uint32_t)size_min(REQUEST_SERIES, s->recording->n_series - first);
        prepare(s, first, n, from, to);
        double began = columns_cpu_ns();
        append_begin(&b, s->db);
        append_many(&b, s->request, n, &counts);
        append_end(&b);
        took += columns_cpu_ns() - began;
    }
    if (counts.refused > 0)
        errx(1, "a sample is refused: %d", counts.first_err);
    return took;
}

/* A scrape in the window after: then the one before is sealed. */
static void move_on(struct bench_store *s)
{
    struct append_counts counts = {0};
    struct append b;
    append_begin(&b, s->db);
    for (uint32_t i = 0; i < s->recording->n_series; i++) {
        struct sample sample = {time_of(s, i, 0) + WINDOW_MS, value_of(s, i, 0)};
        if (append_samples(&b, &s->labels[i], &sample, 1, &counts) != 0)
            errx(1, "a sample is refused: %d", counts.first_err);
    }
    append_end(&b);
}

/* The first scrapes make the series, which is not what is to be measured. */
static double fill(struct bench_store *s, uint32_t batch)
{
    double took = 0;
    uint32_t from = batch, n = s->columns->n_scrapes;
    (void)append_scrapes(s, 0, batch);
    for (; from + batch <= n; from += batch)
        took += append_scrapes(s, from, from + batch);
    double n_samples = (double)s->recording->n_series * (from - batch);
    if (from < n)
        (void)append_scrapes(s, from, n);
    move_on(s);
    return took / n_samples;
}

/* As fill, for so few scrapes that no tail becomes a block (first ones end after 65 at least). */
static double tail_ns(struct bench_store *s, uint32_t batch)
{
    enum { SCRAPES = 64, FILLS = 40 };
    double least = INFINITY;
    for (int i = 0; i < FILLS; i++) {
        double took = 0;
        store_open(s);
        (void)append_scrapes(s, 0, batch);
        for (uint32_t from = batch; from < SCRAPES; from += batch)
            took += append_scrapes(s, from, from + batch);
        store_close(s);
        least = took < least ? took : least;
    }
    return least / ((double)s->recording->n_series * (SCRAPES - batch));
}

/* ns a series: requests that have no samples. */
static double find_ns(struct bench_store *s)
{
    double least = append_scrapes(s, 0, 0);
    for (int i = 1; i < PASSES; i++) {
        double took = append_scrapes(s, 0, 0);
        least = took < least ? took : least;
    }
    return least / s->recording->n_series;
}

/* ---- reading ---- */

struct reading {
    struct times_item items[TIMES_CACHE_READER];
    struct times_cache times;
    int64_t t_ms[COLUMNS_SCRAPES];
    uint64_t values[COLUMNS_SCRAPES];
    size_t sum;
};

static size_t read_chunk(struct bench_store *s, struct reading *in, uint32_t series)
{
    const struct window *w = window_live(&s->db->windows, 0);
    const struct arena *a = s->db->arena;
    struct chunk_view v;
    slot at = series_of_id(a, &s->db->series, series + 1);
    if (at == 0 || !series_view(a, series_at(a, at), w->serial, &v) ||
        chunk_room(a, &v, 0, WINDOW_MS - 1) > COLUMNS_SCRAPES)
        errx(1, "series %u has no chunk that could be its own", series);
    return chunk_read(a, &in->times, &v, 0, WINDOW_MS - 1, w->start_ms, in->t_ms, in->values);
}

static bool *find_moving(const struct columns *c)
{
    bool *is_moving = calloc(c->n_series, sizeof(*is_moving));
    if (is_moving == NULL)
        err(1, "memory for series");
    for (uint32_t i = 0; i < c->n_series; i++) {
        const uint64_t *values = &c->values[(size_t)i * c->n_scrapes];
        is_moving[i] = memcmp(values, values + 1, (c->n_scrapes - 1) * sizeof(*values)) != 0;
    }
    return is_moving;
}

static void check_reading(struct bench_store *s, struct reading *in)
{
    uint32_t n = s->columns->n_scrapes;
    for (uint32_t i = 0; i < s->recording->n_series; i++) {
        bool is_good = read_chunk(s, in, i) == n;
        for (uint32_t k = 0; k < n && is_good; k++)
            is_good = in->t_ms[k] == time_of(s, i, k) && in->values[k] == value_of(s, i, k);
        if (!is_good)
            errx(1, "series %u does not come back", i);
    }
}

static double read_ns(struct bench_store *s, struct reading *in, bool only_moving,
                      uint64_t *ret_samples)
{
    double best = 0;
    unsigned place = slots_enter(&s->db->slots);
    for (int pass = 0; pass < PASSES; pass++) {
        double took = 0, began = columns_cpu_ns();
        *ret_samples = 0;
        for (uint32_t i = 0; i < s->recording->n_series; i++)
            if (!only_moving || s->is_moving[i])
                *ret_samples += read_chunk(s, in, i);
        took = columns_cpu_ns() - began;
        best = pass == 0 || took < best ? took : best;
    }
    slots_leave(&s->db->slots, place);
    return best / (double)*ret_samples;
}

static double select_ns(struct bench_store *s)
{
    const struct read_options o = {.min_ms = INT64_MIN, .max_ms = START_MS + WINDOW_MS - 1};
    double best = 0;
    for (int pass = 0; pass < PASSES; pass++) {
        uint64_t n_samples = 0;
        double began = columns_cpu_ns(), took;
        for (uint32_t target = 0; target < s->recording->n_targets; target++) {
            struct recording_text job = s->recording->targets[target].job;
            struct matcher matcher;
            struct matcher_set set = {&matcher, 1};
            struct read_set found = {0};
            struct region region;
            char text[100];
            region_init(&region, &s->arena, budget_owner(&s->budget, "queries"), 0);
            if (matcher_init(&matcher, MATCH_EQUAL, "job", 3, job.at, job.len, text,
                             sizeof(text)) != 0 ||
                read_select(s->db, &set, &o, &region, &found) != 0)
                errx(1, "a query fails");
            for (size_t i = 0; i < found.n; i++)
                n_samples += found.series[i].n;
            matcher_set_release(&set);
            region_release(&region);
        }
        took = (columns_cpu_ns() - began) / (double)n_samples;
        best = pass == 0 || took < best ? took : best;
    }
    return best;
}

static void measure_reading(struct bench_store *s, struct store_costs *ret)
{
    struct reading *in = calloc(1, sizeof(*in));
    if (in == NULL)
        err(1, "memory for samples");
    times_cache_init(&in->times, in->items, TIMES_CACHE_READER);
    check_reading(s, in);
    (void)vectors_use(false);
    ret->read_portable_ns = read_ns(s, in, false, &ret->n_samples);
    ret->moving_portable_ns = read_ns(s, in, true, &ret->n_moving);
    (void)vectors_use(true);
    ret->read_ns = read_ns(s, in, false, &ret->n_samples);
    ret->moving_ns = read_ns(s, in, true, &ret->n_moving);
    ret->select_ns = select_ns(s);
    free(in);
}

struct store_costs codec_store_measure(const struct recording *r, const struct columns *c,
                                       uint32_t batch)
{
    struct store_costs costs = {0};
    static struct bench_store s;
    s = (struct bench_store){
        .labels = labels_of_all(r), .is_moving = find_moving(c), .recording = r, .columns = c};
    costs.tail_ns = tail_ns(&s, batch);
    for (int i = 0; i < STORES; i++) {
        store_open(&s);
        double append_ns = fill(&s, batch);
        costs.append_ns = i == 0 || append_ns < costs.append_ns ? append_ns : costs.append_ns;
        costs.find_ns = i == 0 ? find_ns(&s) : costs.find_ns;
        if (i + 1 == STORES)
            measure_reading(&s, &costs);
        store_close(&s);
    }
    labels_release(s.labels, r->n_series);
    free(s.is_moving);
    return costs;
}
