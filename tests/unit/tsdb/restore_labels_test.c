/* Label sets by the numbers of their texts: the store must be the one that restore_series makes. */
#include "tests/support/random.h"
#include "tests/unit/tsdb/test_store.h"
#include "tsdb/restore_labels.h"

enum { TEXTS = 64, SETS_MAX = 4000 };

struct set {
    uint32_t n;
    struct label_ref refs[LABELS_PER_SERIES_MAX + 1];
};

static struct test_store s, naive;
static struct restore r, naive_r;
static struct restored_labels m;
static struct {
    const char *at;
    uint32_t n;
} texts[TEXTS];
static uint32_t n_texts;
static char longest[LABEL_VALUE_BYTES_MAX + 1];

static void set_up(void)
{
    test_store_new(&s, NULL);
    test_store_new(&naive, NULL);
    restore_begin(&r, s.db);
    restore_begin(&naive_r, naive.db);
    restore_labels_init(&m);
    restore_labels_begin(&m, &r);
    memset(longest, 'x', sizeof(longest));
    n_texts = 0;
}

static void tear_down(void)
{
    restore_labels_end(&m);
    restore_end(&r);
    restore_end(&naive_r);
    test_store_free(&s);
    test_store_free(&naive);
}

TestSuite(restore_labels, .init = set_up, .fini = tear_down, .timeout = 60);

static uint32_t text_of(const char *at, size_t n)
{
    cr_assert_lt(n_texts, (uint32_t)TEXTS);
    texts[n_texts].at = at;
    texts[n_texts].n = (uint32_t)n;
    return n_texts++;
}

static uint32_t text(const char *at)
{
    return text_of(at, strlen(at));
}

static struct labels labels_of(const struct set *set, struct label items[LABELS_PER_SERIES_MAX + 1])
{
    for (uint32_t i = 0; i < set->n; i++) {
        struct label_ref ref = set->refs[i];
        items[i] = (struct label){texts[ref.name].at, texts[ref.value].at, texts[ref.name].n,
                                  texts[ref.value].n};
    }
    return (struct labels){items, set->n};
}

static int add(const struct set *set, uint32_t *ret)
{
    struct label items[LABELS_PER_SERIES_MAX + 1];
    struct labels ls = labels_of(set, items);
    return restore_labels_add(&m, &ls, set->refs, ret);
}

static int add_naive(const struct set *set, uint32_t *ret)
{
    struct label items[LABELS_PER_SERIES_MAX + 1];
    struct labels ls = labels_of(set, items);
    return restore_series(&naive_r, &ls, ret);
}

/* To both stores; the answers are the same. */
static int add_both(const struct set *set, uint32_t *ret)
{
    uint32_t expected = 0;
    int err = add(set, ret);
    cr_assert_eq(err, add_naive(set, &expected));
    cr_assert(err != 0 || *ret == expected, "%u instead of %u", *ret, expected);
    return err;
}

static void expect_equal_series(void)
{
    struct series_index *x = &s.db->series, *y = &naive.db->series;
    cr_assert(x->n == y->n && x->next_id == y->next_id);
    for (uint32_t id = 1; id < x->next_id; id++) {
        struct label_row a, b;
        series_row(&s.arena, x, id, &a);
        series_row(&naive.arena, y, id, &b);
        cr_assert(a.n == b.n && memcmp(a.pairs, b.pairs, a.n * sizeof(a.pairs[0])) == 0);
        cr_assert_eq(series_at(&s.arena, series_of_id(&s.arena, x, id))->state.phase,
                     series_at(&naive.arena, series_of_id(&naive.arena, y, id))->state.phase);
    }
}

/* Ids of series and pairs, and what each owner has of the budget. */
static void expect_equal_stores(void)
{
    restore_labels_end(&m);
    test_store_check(&s);
    test_store_check(&naive);
    expect_equal_series();
    cr_assert_eq(lines_bytes(&s.db->series.by_key), lines_bytes(&naive.db->series.by_key));
    cr_assert_eq(s.db->labels.pairs.n_gone, naive.db->labels.pairs.n_gone);
    for (unsigned i = 0; i < s.budget.n_rows; i++)
        cr_assert_eq(atomic_load(&s.budget.rows[i].bytes), atomic_load(&naive.budget.rows[i].bytes),
                     "%s", s.budget.rows[i].name);
}

/* ---- by example ---- */

Test(restore_labels, sets_of_the_same_texts_are_told_apart)
{
    uint32_t name = text(LABEL_METRIC_NAME), up = text("up"), a = text("a"), b = text("b");
    const struct set sets[] = {
        {1, {{name, up}}},
        {2, {{name, up}, {a, up}}},
        {2, {{name, up}, {b, up}}},          /* the value of another name */
        {3, {{name, up}, {a, up}, {b, up}}}, /* of both at once */
        {3, {{name, up}, {a, b}, {b, a}}},
        {2, {{name, a}, {a, b}}},
        {2, {{name, name}, {a, a}}},
        {3, {{name, up}, {a, up}, {b, b}}},
    };
    uint32_t id;
    for (uint32_t i = 0; i < ARRAY_LEN(sets); i++) {
        cr_assert_eq(add_both(&sets[i], &id), 0);
        cr_assert_eq(id, i + 1);
    }
    for (uint32_t i = ARRAY_LEN(sets); i-- > 0;) {
        cr_assert_eq(add_both(&sets[i], &id), 0);
        cr_assert_eq(id, i + 1, "it is there");
    }
    expect_equal_stores();
}

Test(restore_labels, a_number_is_another_text_in_another_frame)
{
    uint32_t id, name = text(LABEL_METRIC_NAME), value = text("up");
    const struct set set = {1, {{name, value}}};
    cr_assert_eq(add_both(&set, &id), 0);
    restore_labels_end(&m);
    restore_labels_begin(&m, &r);
    texts[value].at = "no";
    cr_assert_eq(add_both(&set, &id), 0);
    cr_assert_eq(id, 2);
    expect_equal_stores();
}

/* The form is longer than what is kept of one, by a byte and by many. */
Test(restore_labels, long_sets_are_found)
{
    uint32_t id, name = text(LABEL_METRIC_NAME), up = text("up"), a = text("a");
    uint32_t first = n_texts;
    for (uint32_t n = RESTORE_FORM_BYTES - 40; n < RESTORE_FORM_BYTES; n++)
        text_of(longest, n);
    text_of(longest, LABEL_VALUE_BYTES_MAX);
    for (uint32_t v = first; v < n_texts; v++) {
        const struct set set = {2, {{name, up}, {a, v}}}, other = {2, {{name, a}, {a, v}}};
        cr_assert_eq(add_both(&set, &id), 0);
        cr_assert_eq(add_both(&other, &id), 0);
        cr_assert_eq(add_both(&set, &id), 0);
        cr_assert_eq(id, 2 * (v - first) + 1);
    }
    expect_equal_stores();
}

/* A set that shares what it can with a good one before it. */
Test(restore_labels, bad_sets_are_refused)
{
    uint32_t name = text(LABEL_METRIC_NAME), up = text("up"), a = text("a"), b = text("b");
    uint32_t bad = text("\xff"), empty = text(""), too_long = text_of(longest, sizeof(longest));
    uint32_t long_name = text_of(longest, LABEL_NAME_BYTES_MAX + 1);
    const struct set good = {3, {{name, up}, {a, up}, {b, up}}};
    const struct set sets[] = {
        {3, {{name, up}, {a, up}, {b, bad}}},
        {3, {{name, up}, {a, up}, {bad, up}}},
        {3, {{name, up}, {a, up}, {b, empty}}},
        {3, {{empty, up}, {a, up}, {b, up}}},
        {3, {{name, up}, {a, up}, {b, too_long}}},
        {3, {{name, up}, {a, up}, {long_name, up}}},
        {3, {{name, up}, {b, up}, {a, up}}},
        {3, {{a, up}, {name, up}, {b, up}}},
        {3, {{name, up}, {a, up}, {a, up}}},
        {3, {{name, up}, {name, up}, {b, up}}},
        {2, {{a, up}, {b, up}}},
        {3, {{up, up}, {a, up}, {b, up}}},
        {0, {{0, 0}}},
    };
    struct set many = {LABELS_PER_SERIES_MAX + 1, {{name, up}}};
    uint32_t id;
    for (uint32_t i = 1; i < many.n; i++)
        many.refs[i] = (struct label_ref){a, up};
    for (uint32_t i = 0; i < ARRAY_LEN(sets); i++) {
        cr_assert_eq(add_both(&good, &id), 0);
        cr_assert_eq(id, 1);
        cr_assert_eq(add_both(&sets[i], &id), ERR_CORRUPT, "set %u", i);
        cr_assert_eq(add_both(&sets[i], &id), ERR_CORRUPT, "set %u again", i);
    }
    cr_assert_eq(add_both(&many, &id), ERR_CORRUPT);
    cr_assert_eq(add_both(&good, &id), 0);
    cr_assert_eq(s.db->labels.pairs.n, 3, "nothing of the others was made");
    expect_equal_stores();
}

/* ---- at random ---- */

static struct set sets[SETS_MAX];

static void given_texts(struct random *random)
{
    static const char *const some[] = {
        LABEL_METRIC_NAME, "a",  "b",    "instance", "job", "a_name_of_more_than_thirty_two_bytes",
        "\xc3\xa4",        "zz", "\xff", ""};
    static char values[TEXTS][12];
    n_texts = 0;
    for (uint32_t i = 0; i < ARRAY_LEN(some); i++)
        text(some[i]);
    text_of(longest, 200);
    while (n_texts < TEXTS) {
        char *value = values[n_texts];
        text_of(value, (size_t)snprintf(value, sizeof(values[0]), "v%u",
                                        (unsigned)random_below(random, 1000)));
    }
    for (uint32_t i = 1; i < TEXTS; i++) /* numbers mean nothing */
        if (texts[i].n > 8)
            texts[i].n -= (uint32_t)random_below(random, 3);
}

/* Mostly good: of one name each, in order, with a metric name. */
static void given_set(struct random *random, const struct set *before, struct set *ret)
{
    enum { NAMES = 9 };
    static const uint32_t order[NAMES] = {0, 1, 5, 2, 3, 4, 7, 6, 8};
    *ret = *before;
    if (before->n == 0 || random_below(random, 4) == 0) {
        ret->n = 0;
        for (uint32_t i = 0; i < NAMES - 1; i++)
            if (i == 0 || random_below(random, 2) == 0)
                ret->refs[ret->n++] =
                    (struct label_ref){order[i], (uint32_t)random_below(random, TEXTS)};
    }
    struct label_ref *ref = &ret->refs[random_below(random, ret->n)];
    ref->value = (uint32_t)random_below(random, TEXTS);
    if (random_below(random, 8) == 0)
        ref->name = (uint32_t)random_below(random, TEXTS);
    if (random_below(random, 8) == 0 && ret->n > 1)
        ret->n--;
}

Test(restore_labels, any_sets_make_the_store_that_restore_series_makes)
{
    struct random random;
    random_init(&random, random_seed());
    uint32_t n_good = 0, n_bad = 0;
    for (int frame = 0; frame < 20; frame++) {
        struct set set = {0};
        restore_labels_begin(&m, &r);
        given_texts(&random);
        for (int i = 0; i < 1000; i++) {
            struct set before = set;
            uint32_t id;
            given_set(&random, &before, &set);
            bool is_good = add_both(&set, &id) == 0;
            n_good += is_good;
            n_bad += !is_good;
            if (!is_good && random_below(&random, 2) == 0)
                set = before;
        }
        expect_equal_stores();
    }
    cr_assert(n_good > 1000 && n_bad > 1000, "%u good, %u bad", n_good, n_bad);
}

/* ---- without memory ---- */

/* Sets that make pairs, and grow every table. */
static uint32_t given_many(void)
{
    uint32_t n = 0;
    static char values[TEXTS][32];
    uint32_t name = text(LABEL_METRIC_NAME), a = text("a"), b = text("b"), c = text("c");
    while (n_texts < TEXTS) {
        char *value = values[n_texts];
        text_of(value, (size_t)snprintf(value, sizeof(values[0]), "value number %u", n_texts));
    }
    for (uint32_t i = 4; i < TEXTS; i++)
        for (uint32_t j = 4; j < TEXTS; j += 3)
            sets[n++] = (struct set){4, {{name, i}, {a, j}, {b, i}, {c, 4 + (i + j) % 60}}};
    return n;
}

/* The nth page that is asked for is not there: the set is refused, and taken the next time. */
static bool fail_once(long nth, uint32_t n_sets)
{
    uint32_t id, expected, n_failed = 0;
    budget_fail_nth(&s.budget, nth);
    for (uint32_t i = 0; i < n_sets; i++) {
        uint64_t n_before = s.db->series.n;
        int err = add(&sets[i], &id);
        if (err != 0) {
            cr_assert_eq(err, ERR_NO_MEMORY);
            cr_assert_eq(s.db->series.n, n_before);
            n_failed++;
            restore_labels_end(&m); /* the store may be looked at */
            test_store_check(&s);
            err = add(&sets[i], &id);
        }
        cr_assert_eq(err, 0, "failure %ld", nth);
        cr_assert_eq(add_naive(&sets[i], &expected), 0);
        cr_assert_eq(id, expected);
    }
    budget_fail_nth(&s.budget, 0);
    cr_assert_leq(n_failed, 1u);
    return n_failed > 0;
}

Test(restore_labels, a_set_without_memory_leaves_no_trace)
{
    uint32_t n_sets = given_many();
    long n_failures = 0;
    bool has_failed = true;
    for (long nth = 1; has_failed; nth++) {
        has_failed = fail_once(nth, n_sets);
        n_failures += has_failed;
        tear_down();
        set_up();
        n_sets = given_many();
    }
    cr_assert_gt(n_failures, 20);
}
