/* Out of one store and into another, in slices of every size. */
#include "tests/unit/tsdb/test_store.h"

#include <stdlib.h>

static struct test_store from, to;

#define T0 TEST_START_MS

static void set_up(void)
{
    test_store_new(&from, NULL);
    test_store_new(&to, NULL);
}

static void tear_down(void)
{
    test_store_free(&from);
    test_store_free(&to);
}

TestSuite(dump, .init = set_up, .fini = tear_down);

/* ---- a snapshot without files ---- */

struct copy {
    struct tsdb *to;
    uint32_t ids[20000]; /* of series: the reader's by the writer's */
    int stop_every;      /* items of a slice; 0 = no end */
    int n_slices, n_items;
    int err; /* of a restore */
};

static int after_item(struct copy *c)
{
    c->n_items++;
    return c->stop_every > 0 && c->n_items % c->stop_every == 0;
}

static int copy_series(void *ctx, uint32_t series, const struct labels *ls)
{
    struct copy *c = ctx;
    cr_assert_lt(series, ARRAY_LEN(c->ids));
    cr_assert_eq(restore_series(c->to, ls, &c->ids[series]), 0);
    return after_item(c);
}

static int copy_block(void *ctx, uint32_t series, const struct dump_block *block)
{
    struct copy *c = ctx;
    cr_assert_eq(restore_block(c->to, c->ids[series], block), 0);
    return after_item(c);
}

static int copy_tail(void *ctx, uint32_t series, const struct sample *samples, size_t n)
{
    struct copy *c = ctx;
    cr_assert_eq(restore_tail(c->to, c->ids[series], samples, n), 0);
    return after_item(c);
}

static const struct dump_visitor copier = {copy_block, copy_tail};

static void copy_all(struct copy *c)
{
    struct dump_cursor cursor = {0};
    uint64_t end = dump_series_end(from.db);
    while (dump_series(from.db, &cursor, end, copy_series, c) == 1)
        c->n_slices++;
    struct tsdb_stats stats = test_stats(&from);
    for (uint32_t i = 0; i < stats.n_windows; i++) {
        cursor = (struct dump_cursor){0};
        while (dump_window(from.db, stats.windows[i].number, &cursor, end, &copier, c) == 1)
            c->n_slices++;
    }
    restore_end(c->to);
}

static void same_samples(void)
{
    struct read_set a = test_select(&from, NULL, INT64_MIN, INT64_MAX);
    struct read_set b = test_select(&to, NULL, INT64_MIN, INT64_MAX);
    cr_assert_eq(a.n, b.n);
    for (size_t i = 0; i < a.n; i++) {
        cr_assert_eq(labels_compare(&a.series[i].labels, &b.series[i].labels), 0);
        cr_assert_eq(a.series[i].n, b.series[i].n);
        cr_assert_eq(memcmp(a.series[i].t_ms, b.series[i].t_ms, a.series[i].n * 8), 0);
        cr_assert_eq(memcmp(a.series[i].values, b.series[i].values, a.series[i].n * 8), 0);
    }
    region_release(&from.region);
    region_release(&to.region);
}

/* The page map: what lies where must be that of the process that wrote it. */
static void same_pages(void)
{
    struct tsdb_stats a = test_stats(&from), b = test_stats(&to);
    cr_assert_eq(a.n_windows, b.n_windows);
    for (uint32_t i = 0; i < a.n_windows; i++) {
        struct tsdb_window_stats *x = &a.windows[i], *y = &b.windows[i];
        cr_assert_eq(x->number, y->number);
        cr_assert_eq(x->start_ms, y->start_ms);
        cr_assert_eq(x->chunks, y->chunks);
        cr_assert_eq(x->samples, y->samples);
        cr_assert_eq(x->payload_bytes, y->payload_bytes);
        for (unsigned c = 0; c < SIZE_CLASSES; c++)
            cr_assert_eq(x->classes[c].used, y->classes[c].used, "window %u class %u", i, c + 1);
    }
    cr_assert_eq(a.samples, b.samples);
    cr_assert_eq(a.min_ms, b.min_ms);
    cr_assert_eq(a.max_ms, b.max_ms);
    cr_assert_eq(a.series, b.series);
    cr_assert_eq(a.slack_bytes, b.slack_bytes);
    cr_assert_eq(a.symbols, b.symbols);
    cr_assert_eq(a.pairs, b.pairs);
}

static void fill(uint64_t seed, int n_series, int n_samples)
{
    struct random r;
    char series[40];
    random_init(&r, seed);
    for (int k = 0; k < n_samples; k++)
        for (int i = 0; i < n_series; i++) {
            snprintf(series, sizeof(series), "m%d{i=x%d}", i % 5, i);
            int64_t late = random_below(&r, 10) == 0 ? (int64_t)random_below(&r, TEST_HOUR_MS) : 0;
            (void)test_append_bits(
                &from, series, T0 + (int64_t)k * 60000 + i - late,
                test_value(&r, (enum test_column)(i % COLUMN_KINDS), (uint32_t)k));
        }
}

/* ---- tests ---- */

static struct copy c;

Test(dump, an_empty_store_makes_an_empty_store)
{
    c = (struct copy){.to = to.db};
    copy_all(&c);
    cr_assert_eq(c.n_items, 0);
    cr_assert_eq(test_stats(&to).series, 0);
}

Test(dump, a_store_comes_back_with_the_same_pages)
{
    fill(random_seed(), 40, 600);
    c = (struct copy){.to = to.db};
    copy_all(&c);
    cr_assert_eq(c.n_slices, 0);
    same_samples();
    same_pages();
}

Test(dump, slices_of_any_length_give_the_same)
{
    fill(random_seed(), 30, 400);
    for (int every = 1; every < 4000; every = every * 3 + 1) {
        c = (struct copy){.to = to.db, .stop_every = every};
        copy_all(&c);
        if (every == 1)
            cr_assert_eq(c.n_slices, c.n_items);
        same_samples();
        same_pages();
        test_store_free(&to);
        test_store_new(&to, NULL);
    }
}

Test(dump, pages_are_equal_where_slots_were_never_freed)
{
    char series[40];
    for (int i = 0; i < 3000; i++) { /* constants: one head slot each, in the order of ids */
        snprintf(series, sizeof(series), "m{i=x%d}", i);
        for (int k = 0; k < 3; k++)
            cr_assert_eq(test_append(&from, series, T0 + k * 15000, 1), 0);
    }
    c = (struct copy){.to = to.db};
    copy_all(&c);
    struct tsdb_stats a = test_stats(&from), b = test_stats(&to);
    cr_assert_eq(a.windows[0].bytes, b.windows[0].bytes);
    for (unsigned k = 0; k < SIZE_CLASSES; k++)
        cr_assert_eq(a.windows[0].classes[k].pages, b.windows[0].classes[k].pages);
    same_samples();
}

Test(dump, series_without_samples_do_not_come)
{
    fill(1, 10, 10);
    cr_assert_eq(test_append(&from, "alone", T0 + 20 * (int64_t)TEST_WINDOW_MS, 1), 0);
    c = (struct copy){.to = to.db};
    struct test_labels l;
    uint32_t id;
    cr_assert_eq(restore_series(to.db, test_labels(&l, "ghost"), &id), 0);
    cr_assert_eq(test_stats(&to).series, 1);
    copy_all(&c);
    cr_assert_eq(test_stats(&to).series, 1);
    same_samples();
}

Test(dump, restoring_a_series_twice_finds_it)
{
    struct test_labels l;
    uint32_t a = 0, b = 1;
    cr_assert_eq(restore_series(to.db, test_labels(&l, "up{a=1}"), &a), 0);
    cr_assert_eq(restore_series(to.db, &l.labels, &b), 0);
    cr_assert_eq(a, b);
    restore_end(to.db);
}

Test(dump, an_error_of_the_visitor_ends_the_walk)
{
    fill(1, 3, 200);
    c = (struct copy){.to = to.db};
    struct dump_cursor cursor = {0};
    uint64_t end = dump_series_end(from.db);
    cr_assert_eq(dump_series(from.db, &cursor, end, copy_series, &c), 0);
    cr_assert_eq(dump_window(from.db, 123456789, &cursor, end, &copier, &c), 0, "no such window");
    restore_end(to.db);
}

static int fail_tail(void *ctx, uint32_t series, const struct sample *samples, size_t n)
{
    (void)ctx, (void)series, (void)samples, (void)n;
    return ERR_IO;
}

Test(dump, a_negative_answer_is_returned_as_it_is)
{
    cr_assert_eq(test_append(&from, "up", T0, 1), 0);
    struct dump_cursor cursor = {0};
    struct dump_visitor v = {copy_block, fail_tail};
    int64_t window = tsdb_window_of(from.db, T0);
    cr_assert_eq(dump_window(from.db, window, &cursor, dump_series_end(from.db), &v, &c), ERR_IO);
}

Test(dump, appends_between_slices_are_seen_once_or_not_at_all)
{
    fill(3, 10, 300);
    c = (struct copy){.to = to.db, .stop_every = 1};
    struct dump_cursor cursor = {0};
    uint64_t end = dump_series_end(from.db);
    while (dump_series(from.db, &cursor, end, copy_series, &c) == 1)
        ;
    struct tsdb_stats stats = test_stats(&from);
    int64_t now = stats.max_ms;
    for (uint32_t i = 0; i < stats.n_windows; i++) {
        cursor = (struct dump_cursor){0};
        /* restore_* fails the test when a sample comes a second time or goes back */
        while (dump_window(from.db, stats.windows[i].number, &cursor, end, &copier, &c) == 1) {
            for (int k = 0; k < 10; k++) {
                char series[40];
                snprintf(series, sizeof(series), "m%d{i=x%d}", k % 5, k);
                now += 7;
                (void)test_append(&from, series, now, (double)now);
                (void)test_append(&from, series, now - 3000000, (double)now); /* splits blocks */
            }
        }
    }
    restore_end(to.db);
    cr_assert_geq(test_stats(&to).samples, stats.samples / 2);
}

/* ---- what restoring refuses ---- */

static struct dump_block good_block(uint8_t *bytes, int64_t first_ms)
{
    static struct sample samples[100];
    struct block b;
    for (int i = 0; i < 100; i++)
        samples[i] = (struct sample){first_ms + i * 1000, test_bits(i * i)};
    cr_assert(block_encode(samples, 100, bytes, &b));
    return (struct dump_block){b.first_ms, b.last_ms, b.n_samples, b.n_bytes, b.encoding, b.bytes};
}

Test(dump, restore_refuses_damage)
{
    uint8_t bytes[BLOCK_BYTES_MAX];
    struct test_labels l;
    uint32_t id;
    struct dump_block good = good_block(bytes, T0), b = good;
    cr_assert_eq(restore_series(to.db, test_labels(&l, "up"), &id), 0);

    cr_assert_eq(restore_block(to.db, id + 1, &b), ERR_CORRUPT, "no such series");
    b.n_samples = 99;
    cr_assert_eq(restore_block(to.db, id, &b), ERR_CORRUPT);
    b = good;
    b.last_ms += 1;
    cr_assert_eq(restore_block(to.db, id, &b), ERR_CORRUPT);
    b = good;
    b.n_bytes--;
    cr_assert_eq(restore_block(to.db, id, &b), ERR_CORRUPT);
    b = good;
    b.encoding = 0xEE;
    cr_assert_eq(restore_block(to.db, id, &b), ERR_CORRUPT);
    b = good_block(bytes, T0 + TEST_WINDOW_MS - 50000);
    cr_assert_eq(restore_block(to.db, id, &b), ERR_CORRUPT, "across a border");

    b = good_block(bytes, T0);
    cr_assert_eq(restore_block(to.db, id, &b), 0);
    cr_assert_eq(restore_block(to.db, id, &b), ERR_CORRUPT, "twice");
    struct sample back[] = {{T0 + 99000, 1}}, twice[] = {{T0 + 100000, 1}, {T0 + 100000, 1}};
    struct sample across[] = {{T0 + 200000, 1}, {T0 + TEST_WINDOW_MS, 1}};
    cr_assert_eq(restore_tail(to.db, id, back, 1), ERR_CORRUPT);
    cr_assert_eq(restore_tail(to.db, id, twice, 2), ERR_CORRUPT);
    cr_assert_eq(restore_tail(to.db, id, across, 2), ERR_CORRUPT);
    cr_assert_eq(restore_tail(to.db, id, back, 0), ERR_CORRUPT);
    struct sample good_tail[] = {{T0 + 100000, 1}};
    cr_assert_eq(restore_tail(to.db, id, good_tail, 1), 0);
    b = good_block(bytes, T0 + 200000);
    cr_assert_eq(restore_block(to.db, id, &b), ERR_CORRUPT, "a block behind a tail");
    restore_end(to.db);
    cr_assert_eq(test_stats(&to).samples, 101);
}

Test(dump, restore_refuses_labels_that_are_not_normalised)
{
    struct label items[] = {{"b", "1", 1, 1}, {"__name__", "up", 8, 2}};
    struct labels unsorted = {items, 2}, nameless = {items, 1};
    uint32_t id;
    cr_assert_eq(restore_series(to.db, &unsorted, &id), ERR_CORRUPT);
    cr_assert_eq(restore_series(to.db, &nameless, &id), ERR_CORRUPT);
    restore_end(to.db);
}

Test(dump, restore_refuses_windows_that_are_no_longer_kept)
{
    struct test_labels l;
    uint32_t a, b;
    cr_assert_eq(restore_series(to.db, test_labels(&l, "new"), &a), 0);
    cr_assert_eq(restore_series(to.db, test_labels(&l, "old"), &b), 0);
    struct sample now = {T0, 1}, old = {T0 - 9 * (int64_t)TEST_WINDOW_MS, 1};
    cr_assert_eq(restore_tail(to.db, a, &now, 1), 0);
    cr_assert_eq(restore_tail(to.db, b, &old, 1), ERR_TOO_OLD);
    restore_end(to.db);
    cr_assert_eq(test_stats(&to).series, 1);
}

Test(dump, windows_far_apart_push_the_old_ones_out)
{
    struct test_labels l;
    char series[32];
    for (int i = 0; i < 300; i++) {
        uint32_t id;
        snprintf(series, sizeof(series), "m{i=x%d}", i % 7);
        cr_assert_eq(restore_series(to.db, test_labels(&l, series), &id), 0);
        struct sample s = {T0 + (int64_t)i * 20 * TEST_WINDOW_MS, 1};
        cr_assert_eq(restore_tail(to.db, id, &s, 1), 0);
    }
    restore_end(to.db);
    cr_assert_eq(test_stats(&to).samples, 1);
    cr_assert_eq(test_stats(&to).series, 1);
}

Test(dump, restore_without_memory_leaves_a_whole_store)
{
    uint8_t bytes[BLOCK_BYTES_MAX];
    struct dump_block b = good_block(bytes, T0);
    struct sample tail = {T0 + 1000000, 1};
    bool has_failed = true;
    for (long nth = 1; has_failed; nth++) {
        struct test_labels l;
        uint32_t id;
        to.arena.retain_pages = 0;
        budget_fail_nth(&to.budget, nth);
        int err = restore_series(to.db, test_labels(&l, "up{a=1}"), &id);
        if (err == 0)
            err = restore_block(to.db, id, &b);
        if (err == 0)
            err = restore_tail(to.db, id, &tail, 1);
        has_failed = atomic_load(&to.budget.fail_in) <= 0;
        budget_fail_nth(&to.budget, 0);
        cr_assert(err == 0 || err == ERR_NO_MEMORY);
        restore_end(to.db);
        test_store_check(&to);
        cr_assert_eq(test_stats(&to).samples, err == 0 ? 101 : test_stats(&to).samples);
        test_store_free(&to);
        test_store_new(&to, NULL);
    }
}
