/* Series by their forms, against the same series by their labels. */
#include "tests/support/random.h"
#include "tests/unit/tsdb/test_store.h"

#define T0 TEST_START_MS

static struct test_store s;

static void set_up(void)
{
    test_store_new(&s, NULL);
}

static void tear_down(void)
{
    test_store_free(&s);
}

TestSuite(append_entries, .init = set_up, .fini = tear_down);

enum { LABELS = 8, TEXT = 256, MANY = 1500 };

struct form {
    uint8_t bytes[TEXT];
    struct sample sample;
};

/* The labels begin with the turn-th: 0 is the canonical form. */
static struct append_entry entry_of(struct form *f, const struct labels *ls, uint32_t turn)
{
    struct label items[LABELS];
    struct labels turned = {items, ls->n};
    for (uint32_t i = 0; i < ls->n; i++)
        items[i] = ls->items[(i + turn) % ls->n];
    size_t n = series_form_bytes(&turned);
    cr_assert_leq(n, sizeof(f->bytes));
    series_form_put(&turned, f->bytes);
    return (struct append_entry){
        .form = f->bytes, .n_form = (uint32_t)n, .n_samples = 1, .samples = &f->sample, .err = 77};
}

struct parsed { /* ctx of parse */
    struct label items[MANY][LABELS];
    unsigned n; /* how often it was asked */
    int fails_from, err;
};

/* Forms with lengths of one byte. */
static int parse(void *ctx, const struct append_entry *e, struct labels *ret)
{
    struct parsed *p = ctx;
    const char *at = e->form, *end = at + e->n_form;
    if (p->err != 0 && (int)p->n++ >= p->fails_from)
        return p->err;
    p->n += p->err == 0;
    cr_assert_leq(p->n, MANY);
    *ret = (struct labels){p->items[p->n - 1], 0};
    while (at < end) {
        struct label *l = &ret->items[ret->n++];
        l->name_len = (uint8_t)at[3];
        l->name = at + 4;
        at = l->name + l->name_len;
        l->value_len = (uint8_t)at[1];
        l->value = at + 2;
        at = l->value + l->value_len;
    }
    return labels_normalise(ret, NULL);
}

static struct parsed parsed;

static struct append_counts append_all(struct append_entry *e, size_t n)
{
    struct append_counts counts = {0};
    struct append b;
    parsed.n = 0;
    append_begin(&b, s.db);
    append_entries(&b, e, n, parse, &parsed, &counts);
    append_end(&b);
    return counts;
}

/* One sample of one series in a form of its own. */
static int append_one(const char *text, uint32_t turn, int64_t t_ms)
{
    struct test_labels l;
    struct form f = {.sample = {t_ms, 1}};
    struct append_entry e = entry_of(&f, test_labels(&l, text), turn);
    (void)append_all(&e, 1);
    return e.err;
}

static uint64_t n_series(void)
{
    return test_stats(&s).series;
}

Test(append_entries, a_known_form_is_not_parsed)
{
    cr_assert_eq(append_one("up{a=1,b=2}", 0, T0), 0);
    cr_assert_eq(parsed.n, 1);
    cr_assert_eq(append_one("up{a=1,b=2}", 0, T0 + 1), 0);
    cr_assert_eq(parsed.n, 0);
    cr_assert_eq(n_series(), 1);
    cr_assert_eq(test_append(&s, "up{a=1,b=2}", T0 + 2, 1), 0);
    cr_assert_eq(n_series(), 1, "by its labels it is the same");
}

Test(append_entries, the_canonical_form_of_a_series_that_came_as_labels_is_known)
{
    cr_assert_eq(test_append(&s, "up{a=1,b=2}", T0, 1), 0);
    cr_assert_eq(append_one("up{a=1,b=2}", 0, T0 + 1), 0);
    cr_assert_eq(parsed.n, 0);
}

Test(append_entries, another_form_is_the_same_series_and_is_known_from_then_on)
{
    cr_assert_eq(append_one("up{a=1,b=2}", 0, T0), 0);
    for (int64_t i = 0; i < 3; i++) {
        cr_assert_eq(append_one("up{a=1,b=2}", 1, T0 + 10 + i), 0);
        cr_assert_eq(parsed.n, i == 0);
    }
    cr_assert_eq(append_one("down{a=1,b=2}", 2, T0), 0); /* made by such a form */
    cr_assert_eq(append_one("down{a=1,b=2}", 2, T0 + 1), 0);
    cr_assert_eq(parsed.n, 0);
    cr_assert_eq(append_one("down{a=1,b=2}", 0, T0 + 2), 0);
    cr_assert_eq(parsed.n, 0);
    cr_assert_eq(n_series(), 2);
    test_store_check(&s);
}

/* A sender that writes its labels in another order each time: all is stored, nothing grows. */
Test(append_entries, forms_beyond_the_aliases_are_parsed_each_time)
{
    enum { FORMS = 8 };
    const char *text = "up{a=1,b=2,c=3,d=4,e=5,f=6,g=7}";
    for (uint32_t i = 0; i < 3 * FORMS; i++) {
        cr_assert_eq(append_one(text, i % FORMS, T0 + i), 0);
        bool is_known = i >= FORMS && i % FORMS <= SERIES_ALIASES_MAX;
        cr_assert_eq(parsed.n, !is_known, "form %u", i);
    }
    cr_assert_eq(n_series(), 1);
    cr_assert_eq(test_stats(&s).samples, 3 * FORMS);
    cr_assert_eq(s.db->series.by_key.n, 1);
    cr_assert_eq(s.db->series.by_alias.n, SERIES_ALIASES_MAX);
    test_store_check(&s);
}

Test(append_entries, labels_that_are_refused_refuse_their_samples_alone)
{
    struct test_labels l[3];
    struct form f[3];
    struct append_entry e[3];
    for (int i = 0; i < 3; i++) {
        f[i].sample = (struct sample){T0, 1};
        e[i] = entry_of(&f[i], test_labels(&l[i], i == 0 ? "a" : i == 1 ? "b" : "c"), 0);
    }
    f[1].bytes[4] = 'X'; /* no name of a metric */
    struct append_counts counts = append_all(e, 3);
    cr_assert_eq(e[0].err, 0);
    cr_assert_eq(e[1].err, ERR_LABELS_NO_NAME);
    cr_assert_eq(e[2].err, 0);
    cr_assert_eq(counts.stored, 2);
    cr_assert_eq(counts.refused, 0);
    cr_assert_eq(counts.first_err, 0);
    cr_assert_eq(n_series(), 2);
}

Test(append_entries, a_group_makes_no_series_for_a_time_that_is_refused)
{
    const int64_t times[] = {T0, T0 - INT64_C(30) * 86400 * 1000, T0};
    struct test_labels l[3];
    struct form f[3];
    struct append_entry e[3];
    cr_assert_eq(append_one("w", 0, T0), 0); /* the window is there */
    for (int i = 0; i < 3; i++) {
        f[i].sample = (struct sample){times[i], 1};
        e[i] = entry_of(&f[i], test_labels(&l[i], i == 0 ? "a" : i == 1 ? "b" : "c"), 0);
    }
    struct append_counts counts = append_all(e, 3);
    cr_assert_eq(e[0].err, 0);
    cr_assert_eq(e[1].err, ERR_TOO_OLD);
    cr_assert_eq(e[2].err, 0);
    cr_assert_eq(counts.refused, 1);
    cr_assert_eq(test_stats(&s).series_created, 3);
    cr_assert_eq(test_stats(&s).series_removed, 0);
}

Test(append_entries, an_entry_without_samples_makes_no_series)
{
    struct test_labels l;
    struct form f;
    struct append_entry e = entry_of(&f, test_labels(&l, "up"), 0);
    e.n_samples = 0;
    (void)append_all(&e, 1);
    cr_assert_eq(e.err, 0);
    cr_assert_eq(e.series, 0);
    cr_assert_eq(n_series(), 0);
}

static struct test_labels labels[MANY];
static struct form forms[MANY];
static struct append_entry entries[MANY];
static struct append_series series[MANY];

/* Series i: one of three is twice in a row, in two forms; from `from` on others. */
static void make_many(int64_t t_ms, int from, uint32_t turn)
{
    for (int i = 0; i < MANY; i++) {
        char text[64];
        snprintf(text, sizeof(text), "m%d{path=/%d}", i % 5, from + (i % 3 == 1 ? i - 1 : i));
        const struct labels *ls = test_labels(&labels[i], text);
        forms[i].sample = (struct sample){t_ms, (uint64_t)i};
        entries[i] = entry_of(&forms[i], ls, (turn + (uint32_t)i) % 2);
        series[i] = (struct append_series){
            .labels = *ls, .samples = &forms[i].sample, .n_samples = 1, .err = 77};
    }
}

static void append_both(struct test_store *other, struct append_counts *io_sum,
                        struct append_counts *io_expected)
{
    struct append b;
    append_begin(&b, other->db);
    append_many(&b, series, MANY, io_expected);
    append_end(&b);
    parsed.n = 0;
    append_begin(&b, s.db);
    append_entries(&b, entries, MANY, parse, &parsed, io_sum);
    append_end(&b);
}

/* What append_entries does is what append_many does with the labels. */
Test(append_entries, are_taken_as_their_labels_are)
{
    struct test_store other;
    struct append_counts sum = {0}, expected = {0};
    test_store_new(&other, NULL);
    for (int round = 0; round < 6; round++) {
        /* again the same, an hour and more back, and in windows that are not there yet */
        const int64_t at[] = {T0,
                              T0,
                              T0 - 2 * TEST_HOUR_MS,
                              T0 + TEST_WINDOW_MS,
                              T0 + TEST_WINDOW_MS,
                              T0 + 20 * (int64_t)TEST_WINDOW_MS};
        make_many(at[round], round == 4 ? 700 : 0, (uint32_t)round);
        append_both(&other, &sum, &expected);
        for (int i = 0; i < MANY; i++)
            cr_assert_eq(entries[i].err, series[i].err, "round %d, series %d", round, i);
        cr_assert_eq(memcmp(&sum, &expected, sizeof(sum)), 0);
        cr_assert_eq(n_series(), test_stats(&other).series);
        test_store_check(&s);
        tsdb_tick(s.db);
        tsdb_tick(other.db);
        test_store_check(&s);
    }
    cr_assert(sum.stored > MANY && sum.refused > 0 && sum.duplicate > 0);
    cr_assert_gt(test_stats(&s).series_removed, 0);
    test_store_free(&other);
}

/* Scrapes, in which some samples are repeated, late, refused, or of another window. */
static void make_scrape(struct random *random, int round)
{
    enum { STEP_MS = 15000 };
    for (int i = 0; i < MANY; i++) {
        const int64_t t_ms = T0 + round * (int64_t)STEP_MS;
        const int64_t unusual[] = {t_ms - STEP_MS, t_ms - TEST_HOUR_MS / 2, t_ms + TEST_WINDOW_MS,
                                   t_ms - 100 * (int64_t)TEST_WINDOW_MS};
        uint64_t luck = random_below(random, 400);
        forms[i].sample = (struct sample){luck < ARRAY_LEN(unusual) ? unusual[luck] : t_ms,
                                          i % 2 == 0 ? 7 : (uint64_t)round << (i % 64)};
        entries[i].err = series[i].err = 77;
        entries[i].has_key = false;
    }
}

static void expect_same_figures(struct test_store *other)
{
    struct tsdb_stats a = test_stats(&s), b = test_stats(other);
    cr_assert_eq(a.samples, b.samples);
    cr_assert_eq(a.min_ms, b.min_ms);
    cr_assert_eq(a.max_ms, b.max_ms);
    cr_assert_eq(a.samples_appended, b.samples_appended);
    cr_assert_eq(a.samples_late, b.samples_late);
    cr_assert_eq(a.samples_duplicate, b.samples_duplicate);
    cr_assert_eq(a.refused_too_old, b.refused_too_old);
    cr_assert_eq(a.refused_out_of_order, b.refused_out_of_order);
    cr_assert_eq(clock_now_ms(&s.db->clock), clock_now_ms(&other->db->clock));
}

/* Usual samples, which take a way of their own, among others, of the same series as well. Where
 * samples are the clock, one of the next window moves it on. */
static void expect_scrapes_alike(enum tsdb_clock clock)
{
    enum { SCRAPES = 150 };
    struct test_store other;
    struct append_counts sum = {0}, expected = {0};
    struct random random;
    random_init(&random, random_seed());
    tear_down();
    struct tsdb_options o = test_store_options(&s, clock);
    struct tsdb_options o_other = test_store_options(&other, clock);
    test_store_new(&s, &o);
    test_store_new(&other, &o_other);
    make_many(T0, 0, 0);
    for (int round = 0; round < SCRAPES; round++) {
        make_scrape(&random, round);
        s.wall_ms = other.wall_ms = T0 + round * (int64_t)15000;
        append_both(&other, &sum, &expected);
        for (int i = 0; i < MANY; i++)
            cr_assert_eq(entries[i].err, series[i].err, "round %d, series %d", round, i);
        cr_assert_eq(memcmp(&sum, &expected, sizeof(sum)), 0, "round %d", round);
        expect_same_figures(&other);
    }
    cr_assert(sum.stored > MANY && sum.refused > 0 && sum.duplicate > 0);
    test_store_check(&s);
    test_store_free(&other);
}

Test(append_entries, usual_samples_among_others)
{
    expect_scrapes_alike(CLOCK_SAMPLES);
}

Test(append_entries, usual_samples_among_others_by_the_wall_clock)
{
    expect_scrapes_alike(CLOCK_WALL);
}

Test(append_entries, of_which_some_find_no_memory)
{
    bool has_failed = true;
    for (long nth = 1; has_failed; nth += 1 + nth / 20) {
        s.arena.retain_pages = 0;
        uint64_t n_refused = 0;
        make_many(T0, 0, 1);
        budget_fail_nth(&s.budget, nth);
        struct append_counts counts = append_all(entries, MANY);
        has_failed = atomic_load(&s.budget.fail_in) <= 0;
        budget_fail_nth(&s.budget, 0);
        for (int i = 0; i < MANY; i++)
            n_refused += entries[i].err == ERR_NO_MEMORY;
        cr_assert_eq(counts.refused_memory, n_refused, "failure %ld", nth);
        test_store_check(&s);
        counts = append_all(entries, MANY);
        cr_assert_eq(counts.refused_memory, 0);
        test_store_check(&s);
        tear_down();
        set_up();
    }
}

/* A form is known, its series goes with its window, and its labels are wanted after all. */
Test(append_entries, a_series_that_has_gone_is_made_from_its_labels_again)
{
    enum { JUMPS = 3 * WINDOW_SLOTS };
    for (uint32_t turn = 0; turn < 2; turn++) {
        static struct sample jumps[JUMPS];
        struct test_labels l[3];
        struct form f[3];
        const int64_t t0 = T0 + turn * (int64_t)1000 * TEST_WINDOW_MS * JUMPS;
        cr_assert_eq(append_one("x{a=1}", turn, t0), 0);
        for (int i = 0; i < JUMPS; i++)
            jumps[i] = (struct sample){t0 + (i + 1) * 100 * (int64_t)TEST_WINDOW_MS, (uint64_t)i};
        struct append_entry e[] = {entry_of(&f[0], test_labels(&l[0], "y{b=2}"), turn),
                                   entry_of(&f[1], test_labels(&l[1], "x{a=1}"), turn)};
        e[0].samples = jumps;
        e[0].n_samples = JUMPS;
        f[1].sample = (struct sample){jumps[JUMPS - 1].t_ms + 1, 7};
        struct append_counts counts = append_all(e, 2);
        cr_assert_eq(parsed.n, 2);
        cr_assert_eq(counts.stored, JUMPS + 1);
        cr_assert_eq(e[0].err + e[1].err, 0);
        tsdb_tick(s.db);
        test_store_check(&s);
    }
}

/* A new window wants the labels as a new series does. */
Test(append_entries, labels_that_fail_half_way_refuse_what_is_left)
{
    enum { JUMPS = 3 * WINDOW_SLOTS };
    static struct sample jumps[JUMPS];
    struct test_labels l;
    struct form f;
    cr_assert_eq(append_one("x{a=1}", 0, T0), 0);
    for (int i = 0; i < JUMPS; i++)
        jumps[i] = (struct sample){T0 + 1 + i * 100 * (int64_t)TEST_WINDOW_MS, (uint64_t)i};
    struct append_entry e = entry_of(&f, test_labels(&l, "x{a=1}"), 0);
    e.samples = jumps;
    e.n_samples = JUMPS;
    parsed.err = ERR_NO_MEMORY;
    struct append_counts counts = append_all(&e, 1);
    parsed.err = 0;
    cr_assert_eq(e.err, ERR_NO_MEMORY);
    cr_assert_eq(counts.stored, 1, "the one that needs no new window");
    cr_assert_eq(counts.refused, 0);
    test_store_check(&s);
}

/* Of the new ones in a group some are there twice, in two forms, and some are too many. */
Test(append_entries, new_series_of_a_group)
{
    enum { N = 60, SETS = 20, MOST = 15 };
    static struct form f[N];
    struct append_entry e[N];
    cr_assert_eq(append_one("first", 0, T0), 0); /* its window is there */
    s.db->options.max_series = 1 + MOST;
    for (uint32_t i = 0; i < N; i++) {
        struct test_labels l;
        char text[64];
        snprintf(text, sizeof(text), "up{a=1,b=%u}", i % SETS);
        f[i].sample = (struct sample){T0 + i, i};
        e[i] = entry_of(&f[i], test_labels(&l, text), i / SETS % 2);
    }
    struct append_counts counts = append_all(e, N);
    cr_assert_eq(counts.stored, N / SETS * MOST);
    cr_assert_eq(counts.refused, N / SETS * (SETS - MOST));
    for (uint32_t i = 0; i < N; i++) {
        cr_assert_eq(e[i].err, i % SETS < MOST ? 0 : ERR_MAX_SERIES, "%u", i);
        cr_assert_eq(e[i].series == 0, e[i].err != 0);
        cr_assert_eq(e[i].series, e[i % SETS].series);
    }
    cr_assert_eq(n_series(), 1 + MOST);
    append_all(e, N);
    cr_assert_eq(parsed.n, N / SETS * (SETS - MOST), "the others are known, in both forms");
    test_store_check(&s);
}

/* The second makes the series before the turn of the first, which has no use for it. */
/* In groups of new series, some come again in the same form and some in another one, which may come
 * first; and some are there. */
Test(append_entries, that_come_more_than_once_in_a_group_are_one_series)
{
    enum { N = 1024, SERIES = 700 };
    static struct form f[N];
    static struct append_entry e[N];
    struct random random;
    bool has_come[SERIES] = {false};
    uint64_t n = 1;
    random_init(&random, random_seed());
    cr_assert_eq(test_append(&s, "up{a=1,b=2,c=3}", T0, 1), 0); /* the window is there */
    for (uint32_t i = 0; i < N; i++) {
        struct test_labels l;
        char text[64];
        uint32_t which = i % 64 < 40 ? i * SERIES / N : (uint32_t)random_below(&random, SERIES);
        snprintf(text, sizeof(text), "up{a=%u,b=x,c=y}", which);
        f[i].sample = (struct sample){T0 + i, i};
        e[i] = entry_of(&f[i], test_labels(&l, text), (uint32_t)random_below(&random, 3));
        n += !has_come[which];
        has_come[which] = true;
    }
    struct append_counts counts = append_all(e, N);
    cr_assert_eq(counts.stored, N);
    cr_assert_eq(n_series(), n);
    test_store_check(&s);
}

Test(append_entries, a_refused_sample_before_a_good_one_makes_no_series)
{
    static struct form f[2];
    struct append_entry e[2];
    struct test_labels l;
    cr_assert_eq(append_one("first", 0, T0), 0); /* its window is there */
    uint64_t created = test_stats(&s).series_created;
    for (uint32_t i = 0; i < 2; i++) {
        f[i].sample = (struct sample){i == 0 ? T0 - 100 * TEST_WINDOW_MS : T0, i};
        e[i] = entry_of(&f[i], test_labels(&l, "up{a=1,b=2}"), 1 - i);
    }
    struct append_counts counts = append_all(e, 2);
    cr_assert_eq(counts.stored, 1);
    cr_assert_eq(counts.refused, 1);
    cr_assert_eq(test_stats(&s).series, 2);
    cr_assert_eq(test_stats(&s).series_created, created + 1);
    cr_assert_eq(test_stats(&s).series_removed, 0);
}
