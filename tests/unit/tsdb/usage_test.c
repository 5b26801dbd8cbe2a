/* Who holds what: exact figures of a few series, the sums against the pools, tables against a naive
 * count, and what happens between two slices. */
#include "tests/unit/tsdb/test_store.h"
#include "tsdb/usage.h"

#include <stdlib.h>

static struct test_store s;
static struct usage u;

#define T0 TEST_START_MS

enum { ALL = 100000 }; /* rows: more than there are */

static void set_up(void)
{
    test_store_new(&s, NULL);
}

static void tear_down(void)
{
    test_store_free(&s);
}

TestSuite(usage, .init = set_up, .fini = tear_down, .timeout = 60);

static void read_usage(size_t max)
{
    cr_assert_eq(usage_read(s.db, max, NULL, &s.region, &u), 0);
}

static const struct top_row *find(const struct top *top, const char *name)
{
    for (size_t i = 0; i < top->n; i++)
        if (bytes_compare(top->rows[i].name, top->rows[i].n_bytes, name, strlen(name)) == 0)
            return &top->rows[i];
    return NULL;
}

/* "name value, name value" */
static const char *text_of(const struct top *top)
{
    const char *text = "";
    for (size_t i = 0; i < top->n; i++)
        text = region_printf(&s.region, "%s%s%.*s %lu", text, i > 0 ? ", " : "",
                             (int)top->rows[i].n_bytes, top->rows[i].name, top->rows[i].value);
    return text;
}

static uint64_t sum_of(const struct top *top)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < top->n; i++)
        sum += top->rows[i].value;
    return sum;
}

/* ---- exact ---- */

Test(usage, an_empty_store_has_no_rows)
{
    read_usage(10);
    cr_assert_eq(u.series_by_metric.n + u.values_by_name.n + u.text_bytes_by_name.n +
                     u.series_by_pair.n + u.bytes_by_metric.n + u.bytes_by_name.n +
                     u.bytes_by_pair.n,
                 0);
    cr_assert_eq(u.series_bytes + u.label_bytes, 0);
}

enum { RECORD = 48 }; /* of a series */

/* The rows of all series with their lengths. */
static uint64_t rows_bytes(void)
{
    return s.db->series.rows.n_bytes + s.db->series.rows.n;
}

static void fill_few(void)
{
    static const char *const series[] = {"up{job=a}", "up{job=b}", "load{job=a,zone=a}"};
    for (size_t i = 0; i < ARRAY_LEN(series); i++)
        cr_assert_eq(test_append(&s, series[i], T0, 1), 0);
}

Test(usage, counts_as_prometheus_does)
{
    fill_few();
    read_usage(10);
    cr_assert_str_eq(text_of(&u.series_by_metric), "up 2, load 1");
    cr_assert_str_eq(text_of(&u.values_by_name), "__name__ 2, job 2, zone 1");
    /* (8 + 1 + 2 + 1) * 2 + (8 + 1 + 4 + 1), (3 + 1 + 1 + 1) * 3, 4 + 1 + 1 + 1 */
    cr_assert_str_eq(text_of(&u.text_bytes_by_name), "__name__ 38, job 18, zone 7");
    cr_assert_str_eq(text_of(&u.series_by_pair),
                     "__name__=up 2, job=a 2, __name__=load 1, job=b 1, zone=a 1");
    read_usage(2);
    cr_assert_str_eq(text_of(&u.series_by_pair), "__name__=up 2, job=a 2");
    cr_assert_str_eq(text_of(&u.values_by_name), "__name__ 2, job 2");
    read_usage(1);
    cr_assert_str_eq(text_of(&u.series_by_metric), "up 2");
}

/* Long texts have a length of four bytes in Prometheus. */
Test(usage, new_series_are_those_of_the_last_hour)
{
    test_append(&s, "old{job=a}", TEST_START_MS, 1);
    read_usage(10);
    cr_assert_eq(u.n_new, 0);
    cr_assert_eq(u.new_by_metric.n, 0, "nobody has looked yet");
    tsdb_tick(s.db);
    test_append(&s, "old{job=b}", TEST_START_MS, 1);
    test_append(&s, "more{job=a,i=1}", TEST_START_MS, 1);
    test_append(&s, "more{job=a,i=2}", TEST_START_MS, 1);
    read_usage(10);
    cr_assert_eq(u.n_new, 3);
    cr_assert_str_eq(text_of(&u.new_by_metric), "more 2, old 1");
    cr_assert_str_eq(text_of(&u.new_by_pair),
                     "__name__=more 2, job=a 2, __name__=old 1, i=1 1, i=2 1, job=b 1");
    test_store_pass(&s, GROWTH_SPAN_MS - GROWTH_SLICE_MS);
    tsdb_tick(s.db);
    test_append(&s, "late", TEST_START_MS, 1);
    read_usage(1);
    cr_assert_eq(u.n_new, 4);
    cr_assert_str_eq(text_of(&u.new_by_metric), "more 2");
    test_store_pass(&s, GROWTH_SLICE_MS);
    tsdb_tick(s.db);
    read_usage(10);
    cr_assert_str_eq(text_of(&u.new_by_metric), "late 1");
}

Test(usage, lengths_of_texts_take_one_byte_or_four)
{
    static char value[257];
    for (uint32_t n = 254; n <= 256; n++) {
        memset(value, 'v', n);
        struct label items[] = {{LABEL_METRIC_NAME, "m", 8, 1},
                                {region_printf(&s.region, "l%u", n), value, 4, n}};
        struct sample sample = {T0, 0};
        struct append b;
        struct append_counts counts = {0};
        append_begin(&b, s.db);
        cr_assert_eq(append_samples(&b, &(struct labels){items, 2}, &sample, 1, &counts), 0);
        append_end(&b);
    }
    read_usage(10);
    cr_assert_eq(find(&u.text_bytes_by_name, "l254")->value, 4 + 1 + 254 + 1);
    cr_assert_eq(find(&u.text_bytes_by_name, "l255")->value, 4 + 1 + 255 + 4);
    cr_assert_eq(find(&u.text_bytes_by_name, "l256")->value, 4 + 1 + 256 + 4);
}

/* A constant holds its record, 48 bytes, and a row of a byte for its length and one
 * or two for each label; what changes has a head of 128 bytes besides; the second window brings a
 * history of a chunk (8 + 24 bytes). */
Test(usage, bytes_of_a_series_to_the_slot)
{
    fill_few();
    read_usage(10);
    cr_assert_str_eq(text_of(&u.bytes_by_metric), "up 102, load 52");
    cr_assert_str_eq(text_of(&u.bytes_by_pair),
                     "job=a 103, __name__=up 102, __name__=load 52, zone=a 52, job=b 51");
    cr_assert_eq(u.series_bytes, 3 * RECORD + 2 * 3 + 4);
    cr_assert_eq(test_append(&s, "load{job=a,zone=a}", T0 + 1000, 2), 0);
    read_usage(10);
    cr_assert_str_eq(text_of(&u.bytes_by_metric), "load 180, up 102");
    cr_assert_eq(test_append(&s, "up{job=b}", T0 + TEST_WINDOW_MS, 2), 0);
    read_usage(10);
    cr_assert_str_eq(text_of(&u.bytes_by_metric), "load 180, up 134");
    cr_assert_eq(u.series_bytes, 314);
}

/* ---- against the pools ---- */

/* Used slots of series, of heads and tails, and of windows without timelines and shared values. */
static uint64_t slots_of_series(void)
{
    struct tsdb *db = s.db;
    uint64_t bytes = kind_used_bytes(&db->series.records) + kind_used_bytes(&db->series.histories);
    struct tsdb_stats stats = test_stats(&s);
    for (uint32_t i = 0; i < stats.n_windows; i++)
        for (unsigned c = 0; c < TSDB_POOLS; c++)
            bytes += stats.windows[i].classes[c].used * tsdb_pool_bytes(c);
    for (uint32_t i = 0; i < db->windows.n_live; i++) {
        const struct window *w = window_live(&db->windows, i);
        struct chunk_footprint times = {0};
        for (slot at = w->last_timeline; at != 0; at = timeline_at(&s.arena, at)->before)
            timeline_add_footprint(&s.arena, at, &times);
        for (slot at = w->last_shared; at != 0; at = shared_at(&s.arena, at)->before)
            shared_add_footprint(&s.arena, at, &times);
        bytes -= chunk_footprint_bytes(&times);
    }
    return rows_bytes() + bytes + stats.open.used * (uint64_t)SIZE_CLASS_STEP_BYTES;
}

static uint64_t slots_of_labels(void)
{
    const struct label_index *li = &s.db->labels;
    return kind_used_bytes(&li->symbols.records) + li->pairs.texts.n_bytes + li->pairs.texts.n +
           kind_used_bytes(&li->pairs.names.records) + li->pairs.n * sizeof(struct postings) +
           kind_used_bytes(&li->pairs.postings) - postings_bytes(&s.arena, &li->all);
}

static void expect_sums(void)
{
    struct tsdb_stats stats = test_stats(&s);
    uint64_t labels = slots_of_labels();
    cr_assert_eq(u.series_bytes, slots_of_series());
    cr_assert_eq(sum_of(&u.bytes_by_metric), u.series_bytes);
    cr_assert_eq(sum_of(&u.series_by_metric), stats.series);
    cr_assert_eq(sum_of(&u.values_by_name), stats.pairs);
    cr_assert_eq(u.series_by_pair.n, stats.pairs);
    cr_assert_eq(u.bytes_by_pair.n, stats.pairs);
    cr_assert_eq(sum_of(&u.bytes_by_name), u.label_bytes);
    cr_assert_eq(u.label_bytes, labels);
}

/* What one pair should have, by looking at every series' text. */
static void expect_pair(const struct labels *sets, size_t n, const struct top_row *row)
{
    uint64_t n_series = 0;
    const char *value = memchr(row->name, '=', row->n_bytes);
    size_t n_name = (size_t)(value - row->name), n_value = row->n_bytes - n_name - 1;
    for (size_t i = 0; i < n; i++) {
        const struct label *l = labels_get(&sets[i], row->name, n_name);
        n_series += l != NULL && bytes_compare(l->value, l->value_len, value + 1, n_value) == 0;
    }
    cr_assert_eq(row->value, n_series, "%.*s", (int)row->n_bytes, row->name);
}

/* The same as usage.c's counters, but series by series for one pair. */
static uint64_t bytes_of_pair(const struct top_row *row)
{
    struct tsdb *db = s.db;
    struct series_bytes held = {0};
    uint32_t windows[WINDOW_SLOTS];
    uint64_t rows = 0;
    const char *value = memchr(row->name, '=', row->n_bytes);
    size_t n_name = (size_t)(value - row->name);
    uint32_t pair = pair_find(&s.arena, &db->labels.pairs, &db->labels.symbols, row->name, n_name,
                              value + 1, row->n_bytes - n_name - 1);
    cr_assert_neq(pair, 0);
    for (uint32_t i = 0; i < db->windows.n_live; i++)
        windows[i] = window_live(&db->windows, i)->serial;
    unsigned place = slots_enter(&db->slots);
    for (uint32_t id = 1; id < db->series.next_id; id++) {
        slot at = series_of_id(&s.arena, &db->series, id);
        if (at != 0 && postings_contains(&s.arena, store_postings(db, pair), id)) {
            series_add_bytes(&s.arena, series_at(&s.arena, at), windows, db->windows.n_live, &held);
            rows += series_row_bytes(&s.arena, &db->series, id);
        }
    }
    slots_leave(&db->slots, place);
    return rows + held.record + held.history + held.chunks + held.open;
}

static void expect_naive(struct random *r)
{
    struct read_options o = {.min_ms = INT64_MIN, .max_ms = INT64_MAX};
    struct labels *sets;
    size_t n;
    cr_assert_eq(read_label_sets(s.db, NULL, 0, &o, &s.region, &sets, &n), 0);
    cr_assert_eq(n, test_stats(&s).series);
    for (size_t i = 0; i < u.series_by_pair.n; i++)
        expect_pair(sets, n, &u.series_by_pair.rows[i]);
    for (int i = 0; i < 5; i++) {
        const struct top_row *row = &u.bytes_by_pair.rows[random_below(r, u.bytes_by_pair.n)];
        cr_assert_eq(row->value, bytes_of_pair(row), "%.*s", (int)row->n_bytes, row->name);
    }
}

static void append_some(struct random *r, int64_t now_ms)
{
    char series[64];
    for (int i = 0; i < 600; i++) /* long enough for several sheaves a window */
        cr_assert_eq(test_append_bits(&s, "long{i=x}", now_ms + i * 1000, random_next(r) >> 12), 0);
    for (int i = 0; i < 400; i++) {
        uint32_t m = (uint32_t)random_below(r, 40);
        snprintf(series, sizeof(series), "m%u{i=x%u,life=%lu}", m % 7, m,
                 (unsigned long)(m % 3 == 0 ? now_ms / TEST_WINDOW_MS : 0));
        int64_t late = random_below(r, 5) == 0 ? (int64_t)random_below(r, TEST_HOUR_MS) : 0;
        (void)test_append_bits(&s, series, now_ms - late + i * 100,
                               test_value(r, (enum test_column)(m % COLUMN_KINDS), (uint32_t)i));
    }
}

Test(usage, sums_are_those_of_the_pools_whatever_happens)
{
    struct random r;
    uint64_t long_bytes = 0;
    random_init(&r, random_seed());
    for (int i = 0; i < 60; i++) { /* 15 windows, of which 8 are kept */
        append_some(&r, T0 + i * (int64_t)TEST_HOUR_MS);
        if (i % 3 == 0)
            tsdb_tick(s.db);
        if (i % 3 != 0 || i < 3)
            continue;
        read_usage(ALL);
        expect_sums();
        expect_naive(&r);
        long_bytes = find(&u.bytes_by_metric, "long")->value;
        region_release(&s.region);
    }
    cr_assert_gt(test_stats(&s).series_removed, 0);
    cr_assert_gt(long_bytes, 7 * 4 * 600 * 6, "its sheaves");
}

/* A series whose head was in a window that has gone keeps its slots until it goes as well. */
Test(usage, heads_of_windows_that_have_gone_are_counted)
{
    for (int i = 0; i < 300; i++)
        cr_assert_eq(test_append(&s, "old{a=b}", T0 + i * 1000, i * 1.1), 0);
    pthread_rwlock_wrlock(&s.db->lock);
    window_expire(&s.db->windows, window_live(&s.db->windows, 0));
    pthread_rwlock_unlock(&s.db->lock);
    read_usage(10);
    uint64_t open = test_stats(&s).open.used * (uint64_t)SIZE_CLASS_STEP_BYTES;
    cr_assert_gt(open, 128);
    cr_assert_eq(u.series_bytes, RECORD + rows_bytes() + open);
    tsdb_tick(s.db);
    read_usage(10);
    cr_assert_eq(u.series_bytes, 0);
    cr_assert_eq(u.series_by_metric.n, 0);
}

/* ---- slices ---- */

static void append_hosts(const char *metric, const char *label, int from, int to, int64_t t_ms)
{
    char series[64];
    for (int i = from; i < to; i++) {
        snprintf(series, sizeof(series), "%s{%s=v%d,z=%d}", metric, label, i, i % 3);
        cr_assert_eq(test_append(&s, series, t_ms, 1), 0);
    }
}

Test(usage, more_series_and_pairs_than_a_slice)
{
    append_hosts("m", "i", 0, 5000, T0);
    read_usage(ALL);
    expect_sums();
    cr_assert_eq(find(&u.series_by_metric, "m")->value, 5000);
    cr_assert_eq(find(&u.values_by_name, "i")->value, 5000);
    cr_assert_eq(find(&u.series_by_pair, "z=0")->value, 1667);
    read_usage(3);
    cr_assert_str_eq(text_of(&u.series_by_pair), "__name__=m 5000, z=0 1667, z=1 1667");
}

static void expire_all_but_newest(void)
{
    pthread_rwlock_wrlock(&s.db->lock);
    while (s.db->windows.n_live > 1)
        window_expire(&s.db->windows, window_live(&s.db->windows, 0));
    pthread_rwlock_unlock(&s.db->lock);
    tsdb_tick(s.db);
    cr_assert_eq(s.db->windows.n_expiring, 0);
}

/* What is new does not count, or the walk would run after it. */
Test(usage, series_that_came_meanwhile_are_left_out)
{
    struct usage_walk w;
    append_hosts("m", "i", 0, 1500, T0);
    uint64_t held = 1500 * RECORD + rows_bytes();
    usage_walk_begin(&w, s.db, ALL, &s.region, &u);
    cr_assert_eq(usage_walk_step(&w), 1);
    append_hosts("m", "k", 0, 700, T0);
    int rc = 1;
    while (rc == 1)
        rc = usage_walk_step(&w);
    cr_assert_eq(rc, 0);
    usage_walk_end(&w);
    cr_assert_eq(u.series_bytes, held);
    cr_assert_eq(find(&u.bytes_by_metric, "m")->value, held);
    cr_assert_eq(find(&u.series_by_metric, "m")->value, 2200);
    cr_assert_eq(find(&u.bytes_by_pair, "k=v3")->value, 0);
}

/* Series go when they were counted, and others take the ids of their pairs. */
Test(usage, a_pair_that_takes_anothers_id_does_not_get_its_bytes)
{
    struct usage_walk w;
    append_hosts("old", "i", 0, 3000, T0);
    cr_assert_eq(test_append(&s, "stays{i=x}", T0 + TEST_WINDOW_MS, 1), 0);
    uint32_t first =
        pair_find(&s.arena, &s.db->labels.pairs, &s.db->labels.symbols, "i", 1, "v1500", 5);
    usage_walk_begin(&w, s.db, ALL, &s.region, &u);
    while (w.next_series < w.end)
        cr_assert_eq(usage_walk_step(&w), 1);
    cr_assert_eq(u.series_bytes, 3001 * RECORD + rows_bytes());
    uint64_t held = RECORD + series_row_bytes(&s.arena, &s.db->series, 3001);
    expire_all_but_newest();
    append_hosts("new", "k", 0, 2900, T0 + TEST_WINDOW_MS);
    cr_assert_neq(first, 0);
    uint32_t n_taken = 0;
    for (int i = 0; i < 2900; i++) {
        char value[16];
        int n = snprintf(value, sizeof(value), "v%d", i);
        n_taken += pair_find(&s.arena, &s.db->labels.pairs, &s.db->labels.symbols, "k", 1, value,
                             (size_t)n) == first;
    }
    cr_assert_eq(n_taken, 1, "ids are used again, or this test shows nothing");
    int rc = 1;
    while (rc == 1)
        rc = usage_walk_step(&w);
    cr_assert_eq(rc, 0);
    usage_walk_end(&w);
    cr_assert_eq(find(&u.series_by_metric, "new")->value, 2900);
    cr_assert_eq(find(&u.bytes_by_metric, "new")->value, 0, "it was not there");
    cr_assert_eq(find(&u.bytes_by_metric, "stays")->value, held);
    cr_assert_eq(sum_of(&u.bytes_by_metric), held);
    cr_assert_eq(find(&u.bytes_by_pair, "k=v0")->value, 0);
    cr_assert_eq(sum_of(&u.bytes_by_pair), 2 * held);
    cr_assert_null(find(&u.bytes_by_metric, "old"));
}

/* A name goes between two slices of its pairs, and another one takes its symbol's id. */
Test(usage, a_name_that_goes_half_way_stays_half_counted)
{
    struct usage_walk w;
    append_hosts("old", "i", 0, 1500, T0);
    cr_assert_eq(test_append(&s, "stays{a=x}", T0 + TEST_WINDOW_MS, 1), 0);
    usage_walk_begin(&w, s.db, ALL, &s.region, &u);
    uint32_t symbol = symbol_find(&s.arena, &s.db->labels.symbols, "i", 1);
    while (w.name.symbol != symbol || w.name.n_values == 0)
        cr_assert_eq(usage_walk_step(&w), 1);
    cr_assert_not(w.name.is_over);
    uint64_t n_before = w.name.n_values;
    expire_all_but_newest();
    for (int i = 0; i < 3000; i++) { /* until a name has the id */
        char series[32];
        snprintf(series, sizeof(series), "m{n%d=x}", i);
        cr_assert_eq(test_append(&s, series, T0 + TEST_WINDOW_MS, 1), 0);
        snprintf(series, sizeof(series), "n%d", i);
        cr_assert_lt(i, 2999, "no name took it");
        if (symbol_find(&s.arena, &s.db->labels.symbols, series, strlen(series)) != symbol)
            continue;
        for (int k = 0; k < 100; k++) { /* and its pairs the ids of what was to come */
            snprintf(series, sizeof(series), "m{n%d=v%d}", i, k);
            cr_assert_eq(test_append(&s, series, T0 + TEST_WINDOW_MS, 1), 0);
        }
        break;
    }
    int rc = 1;
    while (rc == 1)
        rc = usage_walk_step(&w);
    cr_assert_eq(rc, 0);
    usage_walk_end(&w);
    cr_assert_eq(find(&u.values_by_name, "i")->value, n_before);
}

/* ---- what may be missing ---- */

static size_t queries_bytes(void)
{
    return atomic_load(&s.budget.rows[budget_owner(&s.budget, "queries")].bytes);
}

Test(usage, any_piece_of_memory_may_be_missing)
{
    append_hosts("m", "i", 0, 3000, T0);
    bool is_through = false;
    for (long nth = 1; !is_through; nth++) {
        region_release(&s.region);
        arena_trim(&s.arena);
        budget_fail_nth(&s.budget, nth);
        int err = usage_read(s.db, ALL, NULL, &s.region, &u);
        is_through = err == 0;
        budget_fail_nth(&s.budget, 0);
        cr_assert(err == 0 || err == ERR_NO_MEMORY, "%d", err);
        cr_assert_eq(queries_bytes(), s.region.taken_bytes, "the counters went back");
        cr_assert(is_through ? nth > 4 : nth < 100);
    }
    expect_sums();
}

/* Counters are held to the region's limit although they are no part of it. */
Test(usage, the_regions_limit_holds_for_all)
{
    append_hosts("m", "i", 0, 3000, T0);
    size_t limit = ARENA_PAGE_BYTES;
    int err = ERR_NO_MEMORY;
    for (; err == ERR_NO_MEMORY; limit += ARENA_PAGE_BYTES) {
        region_release(&s.region);
        s.region.limit_bytes = limit;
        err = usage_read(s.db, 10, NULL, &s.region, &u);
        cr_assert_leq(s.region.taken_bytes, limit);
    }
    cr_assert_eq(err, 0);
    limit -= ARENA_PAGE_BYTES;
    cr_assert_gt(limit, 3000 * sizeof(uint64_t), "a counter for each pair");
    cr_assert_lt(limit, 1 << 20);
    cr_assert_eq(u.series_by_metric.rows[0].value, 3000);
}

Test(usage, stops_when_the_client_has_gone)
{
    atomic_bool cancel = true;
    append_hosts("m", "i", 0, 10, T0);
    cr_assert_eq(usage_read(s.db, 10, &cancel, &s.region, &u), ERR_CANCELED);
    cr_assert_eq(queries_bytes(), s.region.taken_bytes);
    cancel = false;
    cr_assert_eq(usage_read(s.db, 10, &cancel, &s.region, &u), 0);
}
