/* A query's way: matchers against a naive filter, ranges, names, values, and how reads end early.
 */
#include "tests/unit/tsdb/test_store.h"

static struct test_store s;

#define T0 TEST_START_MS

static const char *const fixture[] = {
    "up{env=dev,job=api}",
    "up{env=prod,job=api}",
    "up{job=web}",
    "up{env=prod,job=db}",
    "up",
    "down{job=api}",
    "errors{env=,job=web}",
    "down{env=dev,zone=a}",
};

static void set_up(void)
{
    test_store_new(&s, NULL);
    for (size_t i = 0; i < ARRAY_LEN(fixture); i++)
        for (int k = 0; k < 5; k++)
            cr_assert_eq(test_append(&s, fixture[i], T0 + k * 1000, (double)i), 0);
}

static void tear_down(void)
{
    test_store_free(&s);
}

TestSuite(read, .init = set_up, .fini = tear_down);

static const struct read_options everything = {.min_ms = INT64_MIN, .max_ms = INT64_MAX};

/* The label sets as "a b c", in the order they came. */
static const char *names_of(const struct read_set *set)
{
    const char *text = "";
    for (size_t i = 0; i < set->n; i++)
        text = region_printf(&s.region, "%s%s%s", text, i > 0 ? " " : "",
                             test_labels_text(&s.region, &set->series[i].labels));
    return text;
}

/* ---- matchers ---- */

Test(read, one_matcher_of_each_kind)
{
    static const struct {
        enum matcher_kind kind;
        const char *name, *value, *expected;
    } rows[] = {
        {MATCH_EQUAL, "__name__", "down", "down{job=api} down{env=dev,zone=a}"},
        {MATCH_EQUAL, "__name__", "nothing", ""},
        {MATCH_EQUAL, "job", "web", "up{job=web} errors{job=web}"},
        {MATCH_EQUAL, "nolabel", "x", ""},
        {MATCH_EQUAL, "job", "", "up down{env=dev,zone=a}"},
        {MATCH_EQUAL, "nolabel", "",
         "up{env=dev,job=api} up{env=prod,job=api} up{job=web} up{env=prod,job=db} up "
         "down{job=api} errors{job=web} down{env=dev,zone=a}"},
        {MATCH_NOT_EQUAL, "job", "api",
         "up{job=web} up{env=prod,job=db} up errors{job=web} down{env=dev,zone=a}"},
        {MATCH_NOT_EQUAL, "job", "",
         "up{env=dev,job=api} up{env=prod,job=api} up{job=web} up{env=prod,job=db} "
         "down{job=api} errors{job=web}"},
        {MATCH_NOT_EQUAL, "nolabel", "", ""},
        {MATCH_REGEX, "job", "w.*|db", "up{job=web} up{env=prod,job=db} errors{job=web}"},
        {MATCH_REGEX, "job", "|db", "up{env=prod,job=db} up down{env=dev,zone=a}"},
        {MATCH_REGEX, "zone", ".+", "down{env=dev,zone=a}"},
        {MATCH_REGEX, "nolabel", ".+", ""},
        {MATCH_NOT_REGEX, "job", ".+", "up down{env=dev,zone=a}"},
        {MATCH_NOT_REGEX, "job", "a.*|web|", "up{env=prod,job=db}"},
        {MATCH_NOT_REGEX, "__name__", "up|down", "errors{job=web}"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct test_matchers m = {0};
        struct read_set set;
        test_matcher_add(&m, rows[i].kind, rows[i].name, rows[i].value);
        cr_assert_eq(read_select(s.db, &m.set, &everything, &s.region, &set), 0);
        cr_assert_str_eq(names_of(&set), rows[i].expected, "row %zu", i);
        matcher_set_release(&m.set);
    }
}

static bool naive_match(const struct matcher_set *set, const struct labels *ls)
{
    for (size_t i = 0; i < set->n; i++) {
        const struct label *l = labels_get(ls, set->items[i].name, set->items[i].name_len);
        if (!matcher_matches(&set->items[i], l != NULL ? l->value : "",
                             l != NULL ? l->value_len : 0))
            return false;
    }
    return true;
}

static void random_matchers(struct random *r, struct test_matchers *m)
{
    static const char *const names[] = {"__name__", "env", "job", "zone", "nolabel"};
    static const char *const plain[] = {"up", "down", "api", "web", "prod", "a", "", "other"};
    static const char *const regex[] = {"",    ".*",       ".+",  "up|down",
                                        "a.*", "api|web|", "p.+", "[a-d].*"};
    *m = (struct test_matchers){0};
    for (uint64_t n = random_below(r, 4); n > 0; n--) {
        enum matcher_kind kind = (enum matcher_kind)random_below(r, 4);
        bool is_plain = kind == MATCH_EQUAL || kind == MATCH_NOT_EQUAL;
        test_matcher_add(m, kind, names[random_below(r, ARRAY_LEN(names))],
                         (is_plain ? plain : regex)[random_below(r, 8)]);
    }
}

Test(read, any_set_of_matchers_agrees_with_a_naive_filter)
{
    struct random r;
    random_init(&r, random_seed());
    for (int round = 0; round < 3000; round++) {
        struct region_mark mark = region_mark(&s.region);
        struct test_matchers m;
        struct read_set set;
        random_matchers(&r, &m);
        cr_assert_eq(read_select(s.db, &m.set, &everything, &s.region, &set), 0);
        size_t k = 0;
        for (size_t i = 0; i < ARRAY_LEN(fixture); i++) {
            struct test_labels l;
            const struct labels *ls = test_labels(&l, fixture[i]);
            if (!naive_match(&m.set, ls))
                continue;
            cr_assert_lt(k, set.n);
            cr_assert_eq(labels_compare(&set.series[k++].labels, ls), 0);
        }
        cr_assert_eq(k, set.n);
        matcher_set_release(&m.set);
        region_rewind(&s.region, mark);
    }
}

Test(read, many_distinct_values_pass_the_memo)
{
    char series[40];
    for (int i = 0; i < 3000; i++) {
        snprintf(series, sizeof(series), "many{a=v%d,b=w%d}", i, i % 700);
        cr_assert_eq(test_append(&s, series, T0, i), 0);
    }
    struct test_matchers m = {0};
    struct read_set set;
    test_matcher_add(&m, MATCH_EQUAL, "__name__", "many");
    test_matcher_add(&m, MATCH_REGEX, "a", "v[0-9]*7");
    test_matcher_add(&m, MATCH_NOT_REGEX, "b", "w[0-9]");
    cr_assert_eq(read_select(s.db, &m.set, &everything, &s.region, &set), 0);
    size_t expected = 0;
    for (int i = 7; i < 3000; i += 10)
        expected += i % 700 > 9;
    cr_assert_eq(set.n, expected);
    for (size_t i = 1; i < set.n; i++)
        cr_assert_lt(set.series[i - 1].values[0], set.series[i].values[0], "in the order of ids");
    matcher_set_release(&m.set);
}

/* ---- ranges ---- */

Test(read, ranges_are_inclusive_at_both_ends)
{
    static const struct {
        int64_t min_ms, max_ms;
        size_t n;
    } rows[] = {
        {T0, T0 + 4000, 5},        {T0 + 1, T0 + 4000, 4},    {T0, T0 + 3999, 4},
        {T0 + 1000, T0 + 1000, 1}, {T0 + 1001, T0 + 1999, 0}, {T0 + 4001, INT64_MAX, 0},
        {INT64_MIN, T0 - 1, 0},    {INT64_MIN, T0, 1},        {T0 + 1000, T0, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct read_set set = test_select(&s, "errors", rows[i].min_ms, rows[i].max_ms);
        cr_assert_eq(set.n, rows[i].n > 0, "row %zu", i);
        if (set.n > 0)
            cr_assert_eq(set.series[0].n, rows[i].n, "row %zu", i);
    }
}

Test(read, samples_of_all_windows_come_in_order)
{
    for (int i = 0; i < 2000; i++)
        cr_assert_eq(test_append(&s, "long", T0 + (int64_t)i * 55000, i), 0);
    struct read_set set = test_select(&s, "long", T0 + 10 * 55000, T0 + INT64_C(1990) * 55000);
    cr_assert_eq(set.series[0].n, 1981);
    for (size_t i = 0; i < set.series[0].n; i++) {
        cr_assert_eq(set.series[0].t_ms[i], T0 + (int64_t)(i + 10) * 55000);
        cr_assert_eq(set.series[0].values[i], test_bits((double)(i + 10)));
    }
}

Test(read, an_empty_store_has_nothing)
{
    tear_down();
    test_store_new(&s, NULL);
    struct read_text *texts;
    struct labels *sets;
    size_t n = 1;
    cr_assert_eq(test_select(&s, NULL, INT64_MIN, INT64_MAX).n, 0);
    cr_assert_eq(read_label_names(s.db, NULL, 0, &everything, &s.region, &texts, &n), 0);
    cr_assert_eq(n, 0);
    cr_assert_eq(read_label_sets(s.db, NULL, 0, &everything, &s.region, &sets, &n), 0);
    cr_assert_eq(n, 0);
}

/* ---- labels ---- */

static const char *texts_of(const struct read_text *texts, size_t n)
{
    const char *text = "";
    for (size_t i = 0; i < n; i++)
        text = region_printf(&s.region, "%s%s%.*s", text, i > 0 ? " " : "", (int)texts[i].len,
                             texts[i].bytes);
    return text;
}

static const char *label_names(const struct matcher_set *sets, size_t n_sets,
                               const struct read_options *o)
{
    struct read_text *texts = NULL;
    size_t n = 0;
    cr_assert_eq(read_label_names(s.db, sets, n_sets, o, &s.region, &texts, &n), 0);
    return texts_of(texts, n);
}

static const char *label_values(const char *name, const struct matcher_set *sets, size_t n_sets,
                                const struct read_options *o)
{
    struct read_text *texts = NULL;
    size_t n = 0;
    cr_assert_eq(
        read_label_values(s.db, name, strlen(name), sets, n_sets, o, &s.region, &texts, &n), 0);
    return texts_of(texts, n);
}

Test(read, label_names_and_values_are_sorted_and_distinct)
{
    cr_assert_str_eq(label_names(NULL, 0, &everything), "__name__ env job zone");
    cr_assert_str_eq(label_values("job", NULL, 0, &everything), "api db web");
    cr_assert_str_eq(label_values("__name__", NULL, 0, &everything), "down errors up");
    cr_assert_str_eq(label_values("jo", NULL, 0, &everything), "");
    cr_assert_str_eq(label_values("", NULL, 0, &everything), "");
}

Test(read, label_queries_keep_to_the_range)
{
    cr_assert_eq(test_append(&s, "late{only=here}", T0 + TEST_WINDOW_MS, 1), 0);
    struct read_options early = {.min_ms = INT64_MIN, .max_ms = T0 + 4000};
    struct read_options late = {.min_ms = T0 + 4001, .max_ms = INT64_MAX};
    cr_assert_str_eq(label_values("__name__", NULL, 0, &early), "down errors up");
    cr_assert_str_eq(label_values("__name__", NULL, 0, &late), "late");
    cr_assert_str_eq(label_names(NULL, 0, &late), "__name__ only");
}

Test(read, several_sets_are_a_union)
{
    struct test_matchers m[3] = {{{{0}}, {0}}};
    struct matcher_set sets[3];
    struct labels *got;
    size_t n;
    test_matcher_add(&m[0], MATCH_EQUAL, "__name__", "down");
    test_matcher_add(&m[1], MATCH_EQUAL, "job", "api");
    test_matcher_add(&m[2], MATCH_EQUAL, "job", "nobody");
    for (int i = 0; i < 3; i++)
        sets[i] = m[i].set;
    cr_assert_str_eq(label_values("__name__", sets, 3, &everything), "down up");
    cr_assert_str_eq(label_names(&sets[0], 1, &everything), "__name__ env job zone");
    cr_assert_str_eq(label_names(&sets[2], 1, &everything), "");

    cr_assert_eq(read_label_sets(s.db, sets, 3, &everything, &s.region, &got, &n), 0);
    static const char *const expected[] = {"down{env=dev,zone=a}", "down{job=api}",
                                           "up{env=dev,job=api}", "up{env=prod,job=api}"};
    cr_assert_eq(n, ARRAY_LEN(expected));
    for (size_t i = 0; i < n; i++)
        cr_assert_str_eq(test_labels_text(&s.region, &got[i]), expected[i]);
}

Test(read, thousands_of_values_are_all_there)
{
    char series[40];
    for (int i = 0; i < 5000; i++) {
        snprintf(series, sizeof(series), "many{a=v%05d}", i);
        cr_assert_eq(test_append(&s, series, T0, i), 0);
    }
    struct read_text *texts;
    size_t n;
    cr_assert_eq(read_label_values(s.db, "a", 1, NULL, 0, &everything, &s.region, &texts, &n), 0);
    cr_assert_eq(n, 5000);
    for (size_t i = 0; i < n; i++) {
        snprintf(series, sizeof(series), "v%05zu", i);
        cr_assert_str_eq(texts[i].bytes, series);
    }
}

/* ---- early ends ---- */

Test(read, max_samples_at_and_one_past)
{
    const struct matcher_set all = {NULL, 0};
    struct read_options o = everything;
    struct read_set set;
    o.max_samples = 5 * ARRAY_LEN(fixture);
    cr_assert_eq(read_select(s.db, &all, &o, &s.region, &set), 0);
    o.max_samples--;
    cr_assert_eq(read_select(s.db, &all, &o, &s.region, &set), ERR_TOO_MANY_SAMPLES);
    o.max_ms = T0 + 3999;
    cr_assert_eq(read_select(s.db, &all, &o, &s.region, &set), 0, "what is cut off counts not");
}

Test(read, ends_when_it_is_canceled)
{
    const struct matcher_set all = {NULL, 0};
    atomic_bool cancel = true;
    struct read_options o = everything;
    struct read_set set;
    struct read_text *texts;
    struct labels *sets;
    size_t n;
    o.cancel = &cancel;
    cr_assert_eq(read_select(s.db, &all, &o, &s.region, &set), ERR_CANCELED);
    cr_assert_eq(read_label_names(s.db, NULL, 0, &o, &s.region, &texts, &n), ERR_CANCELED);
    cr_assert_eq(read_label_values(s.db, "job", 3, NULL, 0, &o, &s.region, &texts, &n),
                 ERR_CANCELED);
    cr_assert_eq(read_label_sets(s.db, NULL, 0, &o, &s.region, &sets, &n), ERR_CANCELED);
    atomic_store(&cancel, false);
    cr_assert_eq(read_select(s.db, &all, &o, &s.region, &set), 0);
}

/* ---- a series at a time ---- */

struct visitor {
    const struct read_set *expected;
    size_t n;         /* series so far */
    size_t n_allowed; /* the visit after these ends the reading */
};

/* The next of the expected series, which is changed so that the one after it shows whether that
 * matters. */
static int visit(void *ctx, struct read_series *got)
{
    struct visitor *v = ctx;
    if (v->n == v->n_allowed)
        return 7;
    cr_assert_lt(v->n, v->expected->n);
    const struct read_series *want = &v->expected->series[v->n++];
    cr_assert_eq(labels_compare(&got->labels, &want->labels), 0);
    cr_assert_eq(got->n, want->n);
    cr_assert_arr_eq(got->t_ms, want->t_ms, want->n * sizeof(*want->t_ms));
    cr_assert_arr_eq(got->values, want->values, want->n * sizeof(*want->values));
    memset(got->t_ms, 0xff, got->n * sizeof(*got->t_ms));
    memset(got->values, 0xff, got->n * sizeof(*got->values));
    return 0;
}

static int visit_unlabelled(void *ctx, struct read_series *got)
{
    cr_assert(got->labels.n == 0 && got->n > 0);
    ++*(size_t *)ctx;
    return 0;
}

/* Series of very different lengths, more than a slice of them, and some with nothing in the range.
 */
Test(read, a_series_at_a_time_is_the_same)
{
    const struct matcher_set all = {NULL, 0};
    struct read_set set;
    struct read_options o = everything;
    char series[40];
    for (int i = 0; i < 200; i++) {
        snprintf(series, sizeof(series), "some{a=v%05d}", i);
        for (int k = 0; k < (i % 50 == 7 ? 2000 : i % 5); k++)
            cr_assert_eq(test_append(&s, series, T0 + k * 1000, i * k), 0);
    }
    for (int from = 0; from <= 2; from++) {
        o.min_ms = from == 0 ? INT64_MIN : T0 + from * 1000;
        cr_assert_eq(read_select(s.db, &all, &o, &s.region, &set), 0);
        struct visitor v = {.expected = &set, .n_allowed = SIZE_MAX};
        cr_assert_eq(read_each(s.db, &all, &o, &s.region, visit, &v), 0);
        cr_assert_eq(v.n, set.n);
        o.labels = READ_LABELS_LENT;
        v.n = 0;
        cr_assert_eq(read_each(s.db, &all, &o, &s.region, visit, &v), 0);
        cr_assert_eq(v.n, set.n);
        o.labels = READ_LABELS_NONE;
        size_t n = 0;
        cr_assert_eq(read_each(s.db, &all, &o, &s.region, visit_unlabelled, &n), 0);
        cr_assert_eq(n, set.n);
        o.labels = READ_LABELS_KEPT;
        v = (struct visitor){.expected = &set, .n_allowed = 3};
        cr_assert_eq(read_each(s.db, &all, &o, &s.region, visit, &v), 7);
        cr_assert_eq(v.n, 3);
    }
    o.min_ms = INT64_MAX;
    struct visitor v = {.expected = &set};
    cr_assert_eq(read_each(s.db, &all, &o, &s.region, visit, &v), 0);
}

static int visit_nothing(void *ctx, struct read_series *got)
{
    (void)got;
    ++*(size_t *)ctx;
    return 0;
}

/* Against all samples, over windows and the gaps between them. */
enum { SEEN_TIMES = 40 };

struct seen {
    const struct read_options *options;
    struct read_set all;
    size_t next;
    size_t n_none;
};

static void expect_seen(struct seen *seen, const struct read_series *all,
                        const struct read_series *got)
{
    const struct read_options *o = seen->options;
    for (size_t i = 0; i < o->n_at; i++) {
        size_t k = 0;
        while (k < all->n && all->t_ms[k] <= o->at_ms[i])
            k++;
        bool is_there = k > 0 && all->t_ms[k - 1] > o->at_ms[i] - o->lookback_ms;
        seen->n_none += !is_there;
        cr_assert_eq(got != NULL && got->t_ms[i] != READ_NONE, is_there);
        if (is_there)
            cr_assert(got->t_ms[i] == all->t_ms[k - 1] && got->values[i] == all->values[k - 1]);
    }
}

/* Series in which nothing is seen do not come. */
static int visit_seen(void *ctx, struct read_series *got)
{
    struct seen *seen = ctx;
    cr_assert_eq(got->n, seen->options->n_at);
    for (;; seen->next++) {
        cr_assert_lt(seen->next, seen->all.n);
        const struct read_series *all = &seen->all.series[seen->next];
        bool is_it = labels_compare(&all->labels, &got->labels) == 0;
        expect_seen(seen, all, is_it ? got : NULL);
        if (is_it)
            break;
    }
    seen->next++;
    return 0;
}

Test(read, what_is_seen_at_given_times_is_the_newest_sample_within_the_lookback)
{
    static const int64_t lookbacks[] = {1, 1500, 300000, 7200000};
    struct matcher_set all = {NULL, 0};
    struct random r;
    int64_t at_ms[SEEN_TIMES], max_ms = T0 + 20 * INT64_C(3600000);
    size_t n_none = 0;
    random_init(&r, random_seed());
    for (int64_t t = T0 + 5000; t < max_ms; t += 1 + (int64_t)random_below(&r, 600000))
        cr_assert_eq(test_append(&s, fixture[random_below(&r, 4)], t, (double)t), 0);
    for (int round = 0; round < 300; round++) {
        struct region_mark mark = region_mark(&s.region);
        struct read_options o = {.min_ms = INT64_MIN, .max_ms = INT64_MAX, .at_ms = at_ms};
        struct seen seen = {.options = &o};
        cr_assert_eq(read_select(s.db, &all, &everything, &s.region, &seen.all), 0);
        o.n_at = 1 + random_below(&r, SEEN_TIMES);
        o.lookback_ms = lookbacks[random_below(&r, ARRAY_LEN(lookbacks))];
        at_ms[0] = T0 - 1000 + (int64_t)random_below(&r, 20 * 3600000);
        for (size_t i = 1; i < o.n_at; i++)
            at_ms[i] = at_ms[i - 1] + (int64_t)random_below(&r, 3600000);
        o.max_ms = at_ms[o.n_at - 1];
        o.min_ms = at_ms[0] - o.lookback_ms + 1;
        cr_assert_eq(read_each(s.db, &all, &o, &s.region, visit_seen, &seen), 0);
        for (; seen.next < seen.all.n; seen.next++)
            expect_seen(&seen, &seen.all.series[seen.next], NULL);
        n_none += seen.n_none;
        region_rewind(&s.region, mark);
    }
    cr_assert_gt(n_none, 100);
}

Test(read, a_series_at_a_time_ends_early)
{
    const struct matcher_set all = {NULL, 0};
    atomic_bool cancel = true;
    struct read_options o = everything;
    size_t n = 0;
    o.max_samples = 5 * ARRAY_LEN(fixture);
    cr_assert_eq(read_each(s.db, &all, &o, &s.region, visit_nothing, &n), 0);
    o.max_samples--;
    cr_assert_eq(read_each(s.db, &all, &o, &s.region, visit_nothing, &n), ERR_TOO_MANY_SAMPLES);
    o = everything;
    o.cancel = &cancel;
    n = 0;
    cr_assert_eq(read_each(s.db, &all, &o, &s.region, visit_nothing, &n), ERR_CANCELED);
    cr_assert_eq(n, 0);
    for (long nth = 1; nth < 10; nth++) {
        struct region r;
        region_init(&r, &s.arena, budget_owner(&s.budget, "queries"), 0);
        s.arena.retain_span_bytes = 0;
        arena_trim(&s.arena);
        budget_fail_nth(&s.budget, nth);
        int err = read_each(s.db, &all, &everything, &r, visit_nothing, &n);
        cr_assert(err == ERR_NO_MEMORY || (err == 0 && nth > 1), "%ld: %d", nth, err);
        budget_fail_nth(&s.budget, 0);
        region_release(&r);
    }
}

/* Every read under every limit of its region: an error or the whole answer, never a part. */
Test(read, ends_when_its_region_is_full)
{
    const struct matcher_set all = {NULL, 0};
    char series[40];
    for (int i = 0; i < 3000; i++) {
        snprintf(series, sizeof(series), "many{a=v%05d}", i);
        cr_assert_eq(test_append(&s, series, T0, i), 0);
    }
    int n_refused = 0, n_whole = 0;
    for (size_t limit = ARENA_PAGE_BYTES; limit < 60 * (size_t)ARENA_PAGE_BYTES;
         limit += 3 * ARENA_PAGE_BYTES) {
        struct region r;
        struct read_set set = {NULL, 77};
        struct read_text *texts = NULL;
        struct labels *sets = NULL;
        size_t n = 77;
        for (int which = 0; which < 4; which++) {
            region_init(&r, &s.arena, budget_owner(&s.budget, "queries"), limit);
            n = 77;
            int err = which == 0 ? read_select(s.db, &all, &everything, &r, &set)
                      : which == 1
                          ? read_label_values(s.db, "a", 1, NULL, 0, &everything, &r, &texts, &n)
                      : which == 2 ? read_label_sets(s.db, &all, 1, &everything, &r, &sets, &n)
                                   : read_label_names(s.db, &all, 1, &everything, &r, &texts, &n);
            size_t got = which == 0 ? set.n : n;
            static const size_t whole[] = {3008, 3000, 3008, 5};
            cr_assert(err == 0 || err == ERR_NO_MEMORY);
            cr_assert_eq(got, err == 0 ? whole[which] : 77, "%d", which);
            n_refused += err != 0;
            n_whole += err == 0;
            region_release(&r);
            set.n = 77;
        }
    }
    cr_assert(n_refused > 5 && n_whole > 5, "%d, %d", n_refused, n_whole);
}

/* More of them than what lending begins with, under every limit of the region: they have 500 KiB of
 * texts, which are lent in a fraction of that. */
Test(read, lent_labels_need_room_for_one_slice)
{
    enum { ENOUGH_BYTES = 20 * ARENA_PAGE_BYTES };
    const struct matcher_set all = {NULL, 0};
    char series[256];
    struct read_options o = everything;
    struct read_set set;
    size_t n_refused = 0, n_whole = 0;
    for (int i = 0; i < 3000; i++) {
        int n = snprintf(series, sizeof(series), "long{a=v%05d,c=%d,b=", i, i / 500);
        memset(series + n, 'a' + i % 26, (size_t)(i % 220));
        memcpy(series + n + i % 220, "b}", 3);
        cr_assert_eq(test_append(&s, series, T0, i), 0);
    }
    cr_assert_eq(read_select(s.db, &all, &o, &s.region, &set), 0);
    o.labels = READ_LABELS_LENT;
    for (size_t limit = ARENA_PAGE_BYTES; limit < 60 * (size_t)ARENA_PAGE_BYTES;
         limit += ARENA_PAGE_BYTES) {
        struct visitor v = {.expected = &set, .n_allowed = SIZE_MAX};
        struct region r;
        region_init(&r, &s.arena, budget_owner(&s.budget, "queries"), limit);
        int err = read_each(s.db, &all, &o, &r, visit, &v);
        cr_assert(err == ERR_NO_MEMORY || (err == 0 && v.n == set.n));
        n_refused += err != 0;
        n_whole += err == 0;
        cr_assert(err == 0 || limit < ENOUGH_BYTES);
        region_release(&r);
    }
    cr_assert(n_refused > 2 && n_whole > 5, "%zu, %zu", n_refused, n_whole);
}

Test(read, a_copy_outlives_the_store_that_it_came_from)
{
    struct read_set set = test_select(&s, "errors", INT64_MIN, INT64_MAX);
    for (int i = 1; i < 20; i++) /* all that was read expires */
        cr_assert_eq(test_append(&s, "other", T0 + (int64_t)i * TEST_WINDOW_MS, 1), 0);
    cr_assert_eq(test_select(&s, "errors", INT64_MIN, INT64_MAX).n, 0);
    cr_assert_eq(set.series[0].n, 5);
    cr_assert_eq(set.series[0].values[4], test_bits(6));
    cr_assert_str_eq(names_of(&set), "errors{job=web}");
}
