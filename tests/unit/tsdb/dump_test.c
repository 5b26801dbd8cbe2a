/* Out of one store and into another, in slices of every size. */
#include "tests/unit/tsdb/test_copy.h"

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

TestSuite(dump, .init = set_up, .fini = tear_down, .timeout = 60);

static struct test_copy c;

static void copy_begin(int stop_every)
{
    test_copy_begin(&c, from.db, to.db, stop_every);
}

static void copy_all(int stop_every)
{
    copy_begin(stop_every);
    test_copy_windows(&c, test_copy_labels(&c), NULL, NULL);
}

static void same_samples(void)
{
    test_same_samples(&from, &to);
}

static void same_pages(void)
{
    test_same_pages(&from, &to, false);
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
            int64_t own = i % 3 == 0 ? i : 0; /* two thirds share their times */
            (void)test_append_bits(
                &from, series, T0 + (int64_t)k * 60000 + own - late,
                test_value(&r, (enum test_column)(i % COLUMN_KINDS), (uint32_t)k));
        }
}

/* ---- the whole store ---- */

Test(dump, an_empty_store_makes_an_empty_store)
{
    copy_all(0);
    cr_assert_eq(c.n_items, 0);
    cr_assert_eq(test_stats(&to).series, 0);
}

Test(dump, a_store_comes_back_with_the_same_pages)
{
    fill(random_seed(), 40, 600);
    copy_all(0);
    cr_assert_eq(c.n_slices, 0);
    cr_assert(c.n_times > 0 && c.n_blocks > 0 && c.n_runs > 0 && c.n_tails > 0);
    same_samples();
    same_pages();
}

Test(dump, slices_of_any_length_give_the_same)
{
    fill(random_seed(), 30, 400);
    for (int every = 1; every < 4000; every = every * 3 + 1) {
        copy_all(every);
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
    for (int k = 0; k < 40; k++) /* two thirds constants, the others with a head and its tail */
        for (int i = 0; i < 3000; i++) {
            snprintf(series, sizeof(series), "m{i=x%d}", i);
            double value = i % 3 == 0 ? (double)(k * i) : 1;
            cr_assert_eq(test_append(&from, series, T0 + k * 15000, value), 0);
        }
    copy_all(0);
    struct tsdb_stats a = test_stats(&from), b = test_stats(&to);
    cr_assert_eq(a.windows[0].bytes, b.windows[0].bytes);
    cr_assert_eq(a.open.pages, b.open.pages);
    for (unsigned k = 0; k < TSDB_POOLS; k++)
        cr_assert_eq(a.windows[0].classes[k].pages, b.windows[0].classes[k].pages);
    same_samples();
}

/* Every form that a chunk has, once. */
Test(dump, each_form_comes_back_as_itself)
{
    int64_t next = T0 + TEST_WINDOW_MS;
    for (int k = 0; k < 300; k++) {
        int64_t t = T0 + k * 15000;
        cr_assert_eq(test_append(&from, "constant", t, 1), 0);
        cr_assert_eq(test_append(&from, "head", t, k * k), 0);
        cr_assert_eq(test_append(&from, "sheaf", t, k * 3), 0);
        cr_assert_eq(test_append(&from, "run", t, k < 10 ? k : 5), 0);
        cr_assert_eq(test_append_bits(&from, "ended", t, k < 299 ? test_bits(2) : TEST_STALE), 0);
        if (k % 7 == 0)
            cr_assert_eq(test_append(&from, "own", t + k * k % 1000, k), 0);
    }
    cr_assert_eq(test_append(&from, "sheaf", next, 1), 0);
    cr_assert_eq(test_append(&from, "once", next + 777, 1), 0);
    copy_all(1);
    same_samples();
    same_pages();
}

Test(dump, a_timeline_that_nobody_refers_to_comes_too)
{
    for (int i = 0; i < 5; i++) { /* the second value takes its times along */
        cr_assert_eq(test_append(&from, "a", T0 + 1000 * i, 1), 0);
        cr_assert_eq(test_append(&from, "b", T0 + 100000 + 7 * i * i, i), 0);
    }
    struct window *w = window_live(&from.db->windows, 0);
    unsigned place = slots_enter(&from.db->slots);
    cr_assert_neq(timeline_new(&from.db->slots, w, 12345), 0);
    slots_leave(&from.db->slots, place);
    copy_all(1);
    same_samples();
    same_pages();
    cr_assert_eq(window_live(&to.db->windows, 0)->n_timelines, w->n_timelines);
}

Test(dump, series_without_samples_do_not_come)
{
    fill(1, 10, 10);
    cr_assert_eq(test_append(&from, "alone", T0 + 20 * (int64_t)TEST_WINDOW_MS, 1), 0);
    struct test_labels l;
    uint32_t id;
    copy_begin(0);
    cr_assert_eq(restore_series(&c.r, test_labels(&l, "ghost"), &id), 0);
    cr_assert_eq(test_stats(&to).series, 1);
    test_copy_windows(&c, test_copy_labels(&c), NULL, NULL);
    cr_assert_eq(test_stats(&to).series, 1);
    same_samples();
}

Test(dump, restoring_a_series_twice_finds_it)
{
    struct test_labels l;
    uint32_t a = 0, b = 1;
    copy_begin(0);
    cr_assert_eq(restore_series(&c.r, test_labels(&l, "up{a=1}"), &a), 0);
    cr_assert_eq(restore_series(&c.r, &l.labels, &b), 0);
    cr_assert_eq(a, b);
    restore_end(&c.r);
    cr_assert_eq(test_stats(&to).series, 0);
}

Test(dump, a_window_that_has_gone_has_nothing)
{
    fill(1, 3, 200);
    copy_begin(0);
    uint64_t end = test_copy_labels(&c);
    struct dump_cursor cursor = {0};
    cr_assert_not(test_copy_slice(&c, dump_begin(from.db), 123456789, &cursor, end));
    cr_assert_eq(c.n_times + c.n_blocks + c.n_runs + c.n_tails, 0);
    cr_assert(cursor.is_done);
    restore_end(&c.r);
}

static int fail_block(void *ctx, uint32_t series, const struct dump_block *block)
{
    (void)ctx, (void)series, (void)block;
    return ERR_IO;
}

static int fail_times(void *ctx, const struct dump_times *times)
{
    (void)ctx, (void)times;
    return ERR_NO_MEMORY;
}

Test(dump, a_negative_answer_is_returned_as_it_is)
{
    cr_assert_eq(test_append(&from, "up", T0, 1), 0);
    struct dump_visitor v = {.times = test_copy_times,
                             .shared = test_copy_shared,
                             .block = fail_block,
                             .tail = test_copy_tail};
    uint64_t end = dump_series_end(from.db);
    int64_t window = tsdb_window_of(from.db, T0);
    copy_begin(0);
    cr_assert_eq(restore_window(&c.r, window), 0);
    struct dump_cursor cursor = {0};
    cr_assert_eq(dump_window(from.db, dump_begin(from.db), window, &cursor, end, &v, &c), ERR_IO);
    v.times = fail_times;
    cursor = (struct dump_cursor){0};
    cr_assert_eq(dump_window(from.db, dump_begin(from.db), window, &cursor, end, &v, &c),
                 ERR_NO_MEMORY);
    restore_end(&c.r);
}

/* ---- the store changes between two slices ---- */

/* Everything that was in the store before the copy began is in the copy, and nothing is in it that
 * the store does not have. */
static void no_less_than(const struct read_set *before)
{
    struct read_set now = test_select(&from, NULL, INT64_MIN, INT64_MAX);
    struct read_set got = test_select(&to, NULL, INT64_MIN, INT64_MAX);
    cr_assert_eq(got.n, before->n);
    for (size_t i = 0, at = 0; i < got.n; i++, at++) {
        const struct read_series *g = &got.series[i], *b = &before->series[i];
        cr_assert_eq(labels_compare(&g->labels, &b->labels), 0);
        while (labels_compare(&now.series[at].labels, &g->labels) != 0)
            at++;
        size_t of_before = 0, of_now = 0;
        for (size_t k = 0; k < g->n; k++) {
            const struct read_series *x = &now.series[at];
            while (of_now < x->n && x->t_ms[of_now] < g->t_ms[k])
                of_now++;
            cr_assert(of_now < x->n && x->t_ms[of_now] == g->t_ms[k] &&
                      x->values[of_now] == g->values[k]);
            of_before += of_before < b->n && b->t_ms[of_before] == g->t_ms[k];
        }
        cr_assert_eq(of_before, b->n, "%s", test_labels_text(&to.region, &g->labels));
    }
}

struct writer { /* what is written between two slices */
    const char *series;
    int64_t next_ms, step_ms;
    int n;
    bool has_stale;  /* the first sample of each time is a stale marker */
    int64_t late_ms; /* 0 = none */
};

static void write_some(void *ctx)
{
    struct writer *w = ctx;
    for (int i = 0; i < w->n; i++) {
        uint64_t value = w->has_stale && i == 0 ? TEST_STALE : test_bits(i + 0.25);
        (void)test_append_bits(&from, w->series, w->next_ms, value);
        if (w->late_ms != 0)
            (void)test_append(&from, w->series, w->next_ms - w->late_ms, i);
        w->next_ms += w->step_ms;
    }
}

/* Copies a store of "up", which begins as n samples 15 s apart with values i * factor, and stops
 * after each item to write more. */
static void copy_while_written(int n, int factor, struct writer w)
{
    for (int i = 0; i < n; i++)
        cr_assert_eq(test_append(&from, "up", T0 + i * 15000, i * factor), 0);
    w.series = "up";
    w.next_ms = T0 + n * 15000;
    copy_begin(1);
    uint64_t end = test_copy_labels(&c);
    struct read_set before = test_select(&from, NULL, INT64_MIN, INT64_MAX);
    test_copy_windows(&c, end, write_some, &w);
    no_less_than(&before);
}

Test(dump, a_constant_that_becomes_a_head_meanwhile)
{
    copy_while_written(20, 0, (struct writer){.n = 1, .step_ms = 15000});
}

Test(dump, a_constant_that_becomes_blocks_meanwhile)
{
    copy_while_written(20, 0, (struct writer){.n = 300, .step_ms = 15000});
}

Test(dump, a_tail_that_grows_meanwhile)
{
    copy_while_written(20, 1, (struct writer){.n = 1, .step_ms = 15000});
}

Test(dump, a_tail_that_becomes_a_block_meanwhile)
{
    copy_while_written(60, 1, (struct writer){.n = 140, .step_ms = 15000});
}

Test(dump, a_chunk_that_is_sealed_meanwhile)
{
    copy_while_written(200, 3, (struct writer){.n = 2, .step_ms = TEST_WINDOW_MS});
}

Test(dump, blocks_that_are_split_meanwhile)
{
    copy_while_written(500, 3, (struct writer){.n = 30, .step_ms = 1000, .late_ms = 3000001});
}

/* The run was handed out; its stale marker was not yet when the chunk ceased to be a constant. */
Test(dump, the_end_of_a_constant_is_not_forgotten)
{
    static const int more[] = {1, 30, 70, 140, 400};
    for (size_t k = 0; k < ARRAY_LEN(more); k++) {
        tear_down();
        set_up();
        for (int i = 0; i < 21; i++)
            cr_assert_eq(
                test_append_bits(&from, "up", T0 + i * 15000, i < 20 ? test_bits(4) : TEST_STALE),
                0);
        struct writer w = {
            .series = "up", .next_ms = T0 + 21 * 15000, .step_ms = 15000, .n = more[k]};
        copy_begin(1);
        uint64_t end = test_copy_labels(&c);
        struct read_set before = test_select(&from, NULL, INT64_MIN, INT64_MAX);
        test_copy_windows(&c, end, write_some, &w);
        no_less_than(&before);
    }
}

static void write_at_random(void *ctx)
{
    struct random *r = ctx;
    int64_t now_ms = T0;
    for (int i = 0; i < 12; i++) {
        char series[40];
        int k = (int)random_below(r, 14);
        snprintf(series, sizeof(series), "m%d{i=x%d}", k % 5, k);
        struct tsdb_stats stats = test_stats(&from);
        now_ms = i64_max(now_ms, stats.max_ms) + (int64_t)random_below(r, 4000);
        int64_t t = random_below(r, 3) == 0 ? now_ms - (int64_t)random_below(r, 3000000) : now_ms;
        for (uint64_t n = random_below(r, 30) == 0 ? 150 : 1; n > 0; n--, t += 15000)
            (void)test_append_bits(&from, series, t,
                                   test_value(r, (enum test_column)(k % COLUMN_KINDS), 1));
    }
}

Test(dump, appends_between_slices_are_seen_once_or_not_at_all)
{
    struct random r;
    random_init(&r, random_seed());
    for (int round = 0; round < 8; round++) {
        tear_down();
        set_up();
        fill(random_next(&r), 10, 40 + (int)random_below(&r, 300));
        copy_begin(1);
        uint64_t end = test_copy_labels(&c);
        struct read_set before = test_select(&from, NULL, INT64_MIN, INT64_MAX);
        test_copy_windows(&c, end, write_at_random, &r);
        no_less_than(&before);
    }
}

/* A dump that was broken off leaves nothing behind that the next one would miss. */
Test(dump, a_second_dump_hands_out_all_times_again)
{
    fill(5, 10, 200);
    copy_begin(1);
    uint64_t end = test_copy_labels(&c);
    int64_t window = tsdb_window_of(from.db, T0);
    struct dump_cursor cursor = {0};
    uint32_t dump = dump_begin(from.db);
    cr_assert_eq(restore_window(&c.r, window), 0);
    for (int i = 0; i < 6; i++)
        (void)test_copy_slice(&c, dump, window, &cursor, end);
    restore_end(&c.r);
    test_store_free(&to);
    test_store_new(&to, NULL);
    copy_all(0);
    same_samples();
    same_pages();
}

/* ---- shared values ---- */

enum { COPIES = 250, COPIED_SAMPLES = 500 };

/* Several times as many copies as there are lengths of first tails. */
static void fill_equal(uint64_t seed)
{
    struct random r;
    char series[40];
    random_init(&r, seed);
    for (int k = 0; k < COPIED_SAMPLES; k++) {
        uint64_t value = random_next(&r);
        for (int i = 0; i < COPIES; i++) {
            snprintf(series, sizeof(series), "copy{i=x%d}", i);
            cr_assert_eq(test_append_bits(&from, series, T0 + (int64_t)k * 15000, value), 0);
        }
    }
}

static uint32_t n_shared(struct test_store *s)
{
    return window_live(&s->db->windows, 0)->n_shared;
}

Test(dump, shared_values_come_once)
{
    fill_equal(random_seed());
    cr_assert_gt(n_shared(&from), 10);
    copy_all(0);
    cr_assert_gt(c.n_sharing, COPIES / 2);
    cr_assert_eq(c.n_shared, (int)n_shared(&from));
    cr_assert_eq(n_shared(&to), n_shared(&from));
    same_samples();
    same_pages();
    test_store_check(&to);
}

Test(dump, slices_of_any_length_give_shared_values_once)
{
    fill_equal(random_seed());
    for (int every = 1; every < 1000; every = every * 9 + 1) {
        copy_all(every);
        cr_assert_eq(c.n_shared, (int)n_shared(&from));
        same_samples();
        same_pages();
        test_store_free(&to);
        test_store_new(&to, NULL);
    }
}

/* Late samples give the blocks of all series bytes of their own. */
Test(dump, shared_values_that_nobody_refers_to_come_too)
{
    char series[40];
    fill_equal(random_seed());
    uint32_t n = n_shared(&from);
    for (int i = 0; i < COPIES; i++) {
        snprintf(series, sizeof(series), "copy{i=x%d}", i);
        for (int k = COPIED_SAMPLES - 230; k < COPIED_SAMPLES - 130; k += 30)
            cr_assert_eq(test_append(&from, series, T0 + (int64_t)k * 15000 + 1, k), 0);
    }
    cr_assert_eq(n_shared(&from), n, "what is written again is not looked up");
    for (int every = 0; every < 2; every++) {
        copy_all(every);
        cr_assert_eq(n_shared(&to), n);
        same_samples();
        same_pages();
        test_store_free(&to);
        test_store_new(&to, NULL);
    }
}

static void write_equal(void *ctx)
{
    int *next = ctx;
    char series[40];
    for (int i = 0; i < COPIES; i += 3) {
        snprintf(series, sizeof(series), "copy{i=x%d}", i);
        int64_t late = *next % 5 == 0 ? 100 * 15000 + 7 : 0;
        (void)test_append(&from, series, T0 + (int64_t)*next * 15000 - late, *next / 3.0);
    }
    ++*next;
}

Test(dump, blocks_that_are_shared_or_no_longer_meanwhile)
{
    int next = COPIED_SAMPLES;
    fill_equal(random_seed());
    copy_begin(5);
    uint64_t end = test_copy_labels(&c);
    struct read_set before = test_select(&from, NULL, INT64_MIN, INT64_MAX);
    test_copy_windows(&c, end, write_equal, &next);
    no_less_than(&before);
    test_store_check(&to);
    test_store_check(&from);
}

static int fail_shared(void *ctx, const struct dump_shared *shared)
{
    (void)ctx, (void)shared;
    return ERR_IO;
}

Test(dump, an_error_of_shared_values_is_returned_and_they_come_again)
{
    fill_equal(1);
    struct dump_visitor v = {.times = test_copy_times,
                             .shared = fail_shared,
                             .block = test_copy_block,
                             .tail = test_copy_tail};
    uint64_t end = 0;
    int64_t window = tsdb_window_of(from.db, T0);
    uint32_t dump = dump_begin(from.db);
    struct dump_cursor cursor = {0};
    copy_begin(0);
    end = test_copy_labels(&c);
    cr_assert_eq(restore_window(&c.r, window), 0);
    cr_assert_eq(dump_window(from.db, dump, window, &cursor, end, &v, &c), ERR_IO);
    v.shared = test_copy_shared;
    cr_assert_eq(dump_window(from.db, dump, window, &cursor, end, &v, &c), 0);
    restore_end(&c.r);
    cr_assert_eq(c.n_shared, (int)n_shared(&from));
    same_samples();
    same_pages();
}

/* ---- a block of which a part was handed out ---- */

enum { TRIPLETS = SHARED_SIGHTS + 1, RUN_LENGTH = 20 };

struct triplets {
    char series[TRIPLETS][40];
    int next;
};

/* Names of series whose first tails end together: chunk_write.c goes by the hash of the labels. */
static void name_triplets(struct triplets *t)
{
    struct test_labels l;
    int found = 0;
    for (int i = 0; found < TRIPLETS; i++) {
        snprintf(t->series[found], sizeof(t->series[found]), "triplet{i=x%d}", i);
        found += labels_hash(test_labels(&l, t->series[found])) % 64 == 0;
    }
}

/* The first in the order of the dump comes last, so that it is the one that shares. */
static void write_triplets(struct triplets *t, uint64_t value)
{
    for (int i = TRIPLETS; i-- > 0;)
        cr_assert_eq(test_append_bits(&from, t->series[i], T0 + t->next * INT64_C(15000), value),
                     0);
    t->next++;
}

static void write_many(void *ctx)
{
    struct triplets *t = ctx;
    for (int i = 0; i < 200 && t->next < 2 * RUN_LENGTH; i++)
        for (int k = 0; k < 140; k++)
            write_triplets(t, (uint64_t)t->next * UINT64_C(0x9E3779B97F4A7C15) >> 1);
}

/* A constant was handed out and not its stale marker; then both, and what came behind them, have
 * become a block that shares its values with others. What is left of it is a block of its own. */
Test(dump, a_part_of_a_block_has_values_of_its_own)
{
    struct triplets t = {.next = 0};
    name_triplets(&t);
    for (int i = 0; i < TRIPLETS; i++) /* ids in the order of the names */
        cr_assert_eq(test_append(&from, t.series[i], T0, 4), 0);
    for (t.next = 1; t.next < RUN_LENGTH;)
        write_triplets(&t, test_bits(4));
    write_triplets(&t, TEST_STALE);
    copy_begin(1);
    uint64_t end = test_copy_labels(&c);
    struct read_set before = test_select(&from, NULL, INT64_MIN, INT64_MAX);
    test_copy_windows(&c, end, write_many, &t);
    cr_assert_gt(n_shared(&from), 0);
    no_less_than(&before);
    test_store_check(&to);
}

/* ---- members, changes, the floor ---- */

struct seen {
    unsigned n;
    uint32_t last;
};

static int see(void *ctx, uint32_t series, const struct labels *ls)
{
    struct seen *s = ctx;
    cr_assert(ls->n > 0 && (s->n == 0 || series > s->last));
    s->last = series;
    s->n++;
    return s->n % 7 == 0; /* stops now and then */
}

static unsigned count_members(int64_t window)
{
    struct dump_cursor cursor = {0};
    struct seen seen = {0};
    while (dump_members(from.db, window, &cursor, dump_series_end(from.db), see, &seen) == 1)
        ;
    return seen.n;
}

Test(dump, members_are_the_series_with_a_chunk_in_the_window)
{
    char series[40];
    int64_t window = tsdb_window_of(from.db, T0);
    for (int i = 0; i < 1500; i++) {
        snprintf(series, sizeof(series), "m{i=x%d}", i);
        cr_assert_eq(test_append(&from, series, T0 + i % 3 / 2 * TEST_WINDOW_MS, 1), 0);
    }
    cr_assert_eq(count_members(window), 1000);
    cr_assert_eq(count_members(window + 1), 500);
    cr_assert_eq(count_members(window + 2), 0);
}

static uint64_t changes_of(int64_t window)
{
    struct tsdb_stats s = test_stats(&from);
    for (uint32_t i = 0; i < s.n_windows; i++)
        if (s.windows[i].number == window)
            return s.windows[i].changes;
    return 0;
}

Test(dump, what_changes_a_window_shows)
{
    int64_t window = tsdb_window_of(from.db, T0);
    cr_assert_eq(test_append(&from, "m", T0, 1), 0);
    uint64_t before = changes_of(window);
    cr_assert_gt(before, 0u);
    cr_assert_eq(test_append(&from, "m", T0, 1), 0); /* a repeat */
    cr_assert_eq(changes_of(window), before);
    cr_assert_eq(test_append(&from, "m", T0 + TEST_WINDOW_MS, 1), 0);
    cr_assert_eq(changes_of(window), before);
    cr_assert_eq(test_append(&from, "late", T0 + 1, 1), 0);
    cr_assert_gt(changes_of(window), before);
    before = changes_of(window);
    dump_note_change(from.db, window);
    cr_assert_gt(changes_of(window), before);
    dump_note_change(from.db, window + 77);
}

Test(dump, below_the_floor_nothing_is_kept)
{
    struct restore r;
    int64_t window = tsdb_window_of(to.db, T0);
    restore_begin(&r, to.db);
    restore_floor(&r, window);
    restore_floor(&r, window - 1); /* it does not sink */
    cr_assert_eq(restore_window(&r, window - 1), ERR_TOO_OLD);
    cr_assert_eq(restore_window(&r, window), 0);
    restore_end(&r);
    cr_assert_eq(test_append(&to, "m", T0, 1), 0);
    cr_assert_eq(test_append(&to, "n", T0 - TEST_WINDOW_MS, 1), ERR_TOO_OLD);
}
