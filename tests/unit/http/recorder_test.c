/* Records of requests, taken again by a store with another clock and other limits, in another
 * order: the same samples come out. The oracle is the list of what was accepted. */
#include "http/recorder.h"

#include "http/write_metadata.h"
#include "tests/support/random.h"
#include "tests/unit/http/test_series.h"

#include <criterion/criterion.h>
#include <snappy-c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MEMORY = 256 << 20,
    REQUESTS = 400,
    SERIES = 12,
    CONNECTIONS = 4,
    WINDOW_MS = 600 * 1000,
    WINDOWS = 4,
    ROUNDS = 8,
};

#define START_MS INT64_C(1700000000000)

struct store {
    struct budget budget;
    struct arena arena;
    struct region region;
    struct tsdb *db;
    struct metadata metadata;
    struct recorder recorder;
    int64_t now_ms;
};

/* What the journal has of a request. */
struct request_record {
    int connection;
    uint16_t kind;
    uint8_t *body, *meta;
    size_t n_body, n_meta;
};

struct accepted {
    unsigned series;
    int64_t t_ms;
    uint64_t value;
};

static struct request_record records[REQUESTS];
static size_t n_records;
static struct accepted accepted[REQUESTS * 64];
static size_t n_accepted;

static int64_t store_clock(void *ctx)
{
    return ((const struct store *)ctx)->now_ms;
}

static void store_new(struct store *s, enum tsdb_clock clock, uint64_t max_series, int64_t late_ms)
{
    const struct tsdb_options options = {
        .window_ms = WINDOW_MS,
        .n_windows = WINDOWS,
        .out_of_order_ms = late_ms,
        .clock = clock,
        .max_series = max_series,
        .wall_ms = store_clock,
        .boot_ms = store_clock,
        .clock_ctx = s,
    };
    budget_init(&s->budget, MEMORY);
    cr_assert(arena_init(&s->arena, &s->budget, MEMORY));
    region_init(&s->region, &s->arena, budget_owner(&s->budget, "queries"), 0);
    cr_assert_eq(tsdb_new(&options, &s->arena, &s->db), 0);
    metadata_init(&s->metadata, &s->arena);
    recorder_init(&s->recorder, s->db, &s->arena);
    s->recorder.metadata = &s->metadata;
}

static void store_free(struct store *s)
{
    cr_assert(tsdb_check(s->db));
    region_release(&s->region);
    metadata_release(&s->metadata);
    tsdb_free(s->db);
    arena_release(&s->arena);
}

/* ---- the requests ---- */

static uint8_t *copy(const void *bytes, size_t n)
{
    uint8_t *made = malloc(n + 1);
    cr_assert_not_null(made);
    if (n > 0)
        memcpy(made, bytes, n);
    return made;
}

/* Of a family always the same few descriptions, so that none takes the place of another. */
static void put_metadata(struct random *random, struct message *m)
{
    static struct message one;
    char text[32];
    one.n = 0;
    int n = snprintf(text, sizeof(text), "f%u", (unsigned)random_below(random, 40));
    message_field(&one, 2, text, (size_t)n);
    n = snprintf(text, sizeof(text), "help %u",
                 (unsigned)random_below(random, METADATA_PER_FAMILY));
    message_field(&one, 4, text, (size_t)n);
    message_field(m, 3, one.bytes, one.n);
}

/* Samples about *io_ms, some late, some repeated, some contradicting, some out of any bound. */
static void make_request(struct random *random, bool is_v2, int64_t *io_ms, struct message *m)
{
    size_t n_series = 1 + random_below(random, 4);
    m->n = 0;
    if (is_v2)
        put_symbols_of(m, SERIES);
    *io_ms += (int64_t)random_below(random, 12000);
    if (random_below(random, 40) == 0)
        *io_ms += WINDOW_MS;
    for (size_t i = 0; i < n_series; i++) {
        struct sample samples[8];
        size_t n = 1 + random_below(random, ARRAY_LEN(samples));
        for (size_t k = 0; k < n; k++) {
            int64_t behind = 0;
            if (random_below(random, 3) == 0)
                behind = (int64_t)random_below(random, 3 * WINDOW_MS);
            if (random_below(random, 50) == 0)
                behind = 20 * (int64_t)WINDOW_MS;
            samples[k] = (struct sample){(*io_ms - behind) / 500 * 500, random_below(random, 3)};
        }
        put_one_series(m, is_v2, (unsigned)random_below(random, SERIES), samples, n);
    }
    if (!is_v2 && random_below(random, 4) == 0)
        put_metadata(random, m);
    if (random_below(random, 20) == 0) { /* a label set that is none */
        static struct message one;
        one.n = 0;
        if (is_v2)
            message_refs(&one, (uint32_t[]){1, 2, 0}, 2 + random_below(random, 2));
        else
            message_label(&one, "no_name", 7, "x", 1);
        message_sample(&one, *io_ms, 1);
        message_field(m, is_v2 ? 5 : 1, one.bytes, one.n);
    }
}

/* Into the list of what was accepted. */
static void note_accepted(struct store *s, const struct remote_write *rw)
{
    for (const struct write_block *b = rw->body.first; b; b = b->next)
        for (size_t i = 0; i < b->n; i++) {
            const struct append_entry *e = &b->entries[i];
            if (tsdb_err_is_about_labels(e->err))
                continue;
            struct labels ls;
            struct write_labels room = {0};
            cr_assert_eq(write_any_labels(&rw->body, e->form, e->n_form, &s->region, &room, &ls),
                         0);
            unsigned series = series_of_label(&ls);
            for (uint32_t k = 0; k < e->n_samples; k++)
                if (!was_refused(&rw->refusals, &e->samples[k])) {
                    cr_assert_lt(n_accepted, ARRAY_LEN(accepted));
                    accepted[n_accepted++] =
                        (struct accepted){series, e->samples[k].t_ms, e->samples[k].value};
                }
        }
}

static void send_request(struct store *s, struct random *random, bool is_v2,
                         const struct message *m)
{
    static struct stored_message stored;
    store_message(&stored, s->db, &s->region, m, is_v2);
    note_accepted(s, &stored.rw);
    if (!is_v2)
        (void)write_metadata_keep(&s->metadata, stored.rw.message, stored.rw.n_message, 1);
    records[n_records++] = (struct request_record){
        .connection = (int)random_below(random, CONNECTIONS),
        .kind = is_v2 ? RECORD_WRITE_V2 : RECORD_WRITE_V1,
        .body = copy(stored.body, stored.n_body),
        .meta = copy(stored.meta, stored.n_meta),
        .n_body = stored.n_body,
        .n_meta = stored.n_meta,
    };
    region_release(&s->region);
}

static void forget_records(void)
{
    for (size_t i = 0; i < n_records; i++) {
        free(records[i].body);
        free(records[i].meta);
    }
    n_records = n_accepted = 0;
}

/* Neighbours of different connections may have been written in either order. */
static void shuffle(struct random *random)
{
    for (size_t pass = 0; pass < 10; pass++)
        for (size_t i = 1; i < n_records; i++)
            if (records[i].connection != records[i - 1].connection && random_below(random, 2)) {
                struct request_record other = records[i];
                records[i] = records[i - 1];
                records[i - 1] = other;
            }
}

static void replay_all(struct store *s)
{
    char error[256] = "";
    for (size_t i = 0; i < n_records; i++) {
        const struct journal_record record = {.sequence = i + 1,
                                              .kind = records[i].kind,
                                              .meta = records[i].meta,
                                              .meta_bytes = records[i].n_meta,
                                              .body = records[i].body,
                                              .body_bytes = records[i].n_body};
        cr_assert_eq(recorder_take(&s->recorder, &record, error, sizeof(error)), 0, "%s", error);
    }
    cr_assert_eq(s->recorder.n_records_bad, 0);
}

/* ---- what came out ---- */

static struct read_set everything(struct store *s)
{
    return read_named(s->db, &s->region, ".+");
}

static unsigned series_number(const struct read_series *s)
{
    return series_of_label(&s->labels);
}

static bool was_accepted(unsigned series, int64_t t_ms, uint64_t value)
{
    for (size_t i = 0; i < n_accepted; i++)
        if (accepted[i].series == series && accepted[i].t_ms == t_ms && accepted[i].value == value)
            return true;
    return false;
}

static bool has(const struct read_set *set, unsigned series, int64_t t_ms, uint64_t value)
{
    for (size_t i = 0; i < set->n; i++)
        if (series_number(&set->series[i]) == series)
            for (size_t k = 0; k < set->series[i].n; k++)
                if (set->series[i].t_ms[k] == t_ms)
                    return set->series[i].values[k] == value;
    return false;
}

/* The oldest time that goes with the newest one: a wall clock that jumps leaves older windows
 * behind, which are on their way out. */
static int64_t oldest_ms(const struct read_set *set)
{
    int64_t newest = INT64_MIN;
    for (size_t i = 0; i < set->n; i++)
        newest = i64_max(newest, set->series[i].t_ms[set->series[i].n - 1]);
    return (newest / WINDOW_MS - WINDOWS + 1) * WINDOW_MS;
}

/* Everything that the first store kept is in the second, and nothing that was not accepted. Returns
 * how many samples the first one kept. */
static size_t compare(struct store *first, struct store *second)
{
    struct read_set kept = everything(first), found = everything(second);
    int64_t from_ms = oldest_ms(&kept);
    size_t n = 0;
    for (size_t i = 0; i < kept.n; i++)
        for (size_t k = 0; k < kept.series[i].n; k++, n++)
            cr_assert(kept.series[i].t_ms[k] < from_ms ||
                          has(&found, series_number(&kept.series[i]), kept.series[i].t_ms[k],
                              kept.series[i].values[k]),
                      "m%u at %lld is lost", series_number(&kept.series[i]),
                      (long long)kept.series[i].t_ms[k]);
    for (size_t i = 0; i < found.n; i++)
        for (size_t k = 0; k < found.series[i].n; k++)
            cr_assert(was_accepted(series_number(&found.series[i]), found.series[i].t_ms[k],
                                   found.series[i].values[k]),
                      "m%u at %lld is invented", series_number(&found.series[i]),
                      (long long)found.series[i].t_ms[k]);
    region_release(&first->region);
    region_release(&second->region);
    return n;
}

static int compare_items(const void *a, const void *b)
{
    const struct metadata_item *x = a, *y = b;
    int order = strcmp(x->family.bytes, y->family.bytes);
    return order != 0 ? order : strcmp(x->help.bytes, y->help.bytes);
}

/* The same, though perhaps in another order. */
static size_t compare_metadata(struct store *first, struct store *second)
{
    struct metadata_item *a, *b;
    size_t n, n_other;
    cr_assert(metadata_list(&first->metadata, NULL, 0, &first->region, &a, &n));
    cr_assert(metadata_list(&second->metadata, NULL, 0, &second->region, &b, &n_other));
    cr_assert_eq(n, n_other);
    qsort(a, n, sizeof(*a), compare_items);
    qsort(b, n, sizeof(*b), compare_items);
    for (size_t i = 0; i < n; i++)
        cr_assert_eq(compare_items(&a[i], &b[i]), 0, "%s", a[i].family.bytes);
    region_release(&first->region);
    region_release(&second->region);
    return n;
}

Test(recorder, other_limits_another_clock_and_another_order_give_the_same_samples)
{
    static struct store first, second;
    static struct message m;
    struct random random;
    size_t n = 0, n_rounds = random_setting("ROUNDS", ROUNDS);
    random_init(&random, random_seed());
    for (size_t left = n_rounds; left > 0; left--) {
        bool is_wall = random_below(&random, 2);
        int64_t now_ms = START_MS;
        first.now_ms = now_ms;
        store_new(&first, is_wall ? CLOCK_WALL : CLOCK_SAMPLES, SERIES - 3, WINDOW_MS);
        for (int i = 0; i < REQUESTS; i++) {
            bool is_v2 = random_below(&random, 2);
            make_request(&random, is_v2, &now_ms, &m);
            first.now_ms = now_ms;
            send_request(&first, &random, is_v2, &m);
        }
        shuffle(&random);
        second.now_ms = START_MS + ((int64_t)random_below(&random, 3) - 1) * 86400000;
        store_new(&second, random_below(&random, 2) ? CLOCK_WALL : CLOCK_SAMPLES, 1, 0);
        replay_all(&second);
        n += compare(&first, &second);
        cr_assert_gt(compare_metadata(&first, &second), 10);
        replay_all(&second); /* what overlaps a snapshot is there already */
        (void)compare(&first, &second);
        (void)compare_metadata(&first, &second);
        forget_records();
        store_free(&first);
        store_free(&second);
    }
    cr_assert_gt(n, 100 * n_rounds); /* a round may end with nearly all of it expired or deleted */
}

Test(recorder, a_record_that_makes_no_sense_is_left_out)
{
    static struct store s;
    char error[256] = "", body[64];
    size_t n = sizeof(body);
    s.now_ms = START_MS;
    store_new(&s, CLOCK_WALL, 0, 0);
    cr_assert_eq(snappy_compress("", 0, body, &n), SNAPPY_OK);
    const struct journal_record rows[] = {
        {.kind = RECORD_WRITE_V1, .body = (const uint8_t *)"garbage", .body_bytes = 7},
        {.kind = RECORD_WRITE_V1, .body = (const uint8_t *)"", .body_bytes = 0},
        {.kind = RECORD_WRITE_V2, .body = (const uint8_t *)"garbage", .body_bytes = 7},
        {.kind = RECORD_WRITE_V1,
         .body = (const uint8_t *)body,
         .body_bytes = n,
         .meta = (const uint8_t[]){0, 1},
         .meta_bytes = 2},
        {.kind = 0xffff},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        cr_assert_eq(recorder_take(&s.recorder, &rows[i], error, sizeof(error)), 0, "row %zu", i);
    cr_assert_eq(s.recorder.n_records_bad, 4);
    cr_assert_eq(s.recorder.n_records_unknown, 1);
    store_free(&s);
}

Test(recorder, a_record_that_finds_no_memory_says_which)
{
    static struct store s;
    static struct message m;
    static char body[2 * MESSAGE_BYTES_MAX];
    char error[256] = "";
    size_t n = sizeof(body);
    s.now_ms = START_MS;
    store_new(&s, CLOCK_WALL, 0, 0);
    message_series(&m, "__name__=up", START_MS, 1);
    cr_assert_eq(snappy_compress(m.bytes, m.n, body, &n), SNAPPY_OK);
    const struct journal_record record = {.sequence = 7,
                                          .segment = 3,
                                          .kind = RECORD_WRITE_V1,
                                          .body = (const uint8_t *)body,
                                          .body_bytes = n};
    size_t used = atomic_load(&s.budget.used_bytes), limit = s.budget.limit_bytes;
    s.budget.limit_bytes = used;
    cr_assert_eq(recorder_take(&s.recorder, &record, error, sizeof(error)), ERR_NO_MEMORY);
    cr_assert_not_null(strstr(error, "record 7 of segment 3"));
    cr_assert_not_null(strstr(error, "--storage.memory-limit"));
    s.budget.limit_bytes = limit;
    cr_assert_eq(recorder_take(&s.recorder, &record, error, sizeof(error)), 0);
    cr_assert_eq(s.recorder.n_samples_replayed, 1);
    store_free(&s);
}
