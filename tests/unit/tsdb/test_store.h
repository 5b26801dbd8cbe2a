/* A store with a clock that the test turns, and short ways to put samples in and get them out. */
#ifndef TESTS_UNIT_TSDB_TEST_STORE_H
#define TESTS_UNIT_TSDB_TEST_STORE_H

#include "tests/unit/tsdb/test_samples.h"
#include "tsdb/dump.h"
#include "tsdb/read.h"
#include "tsdb/store.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

enum {
    TEST_LIMIT_BYTES = 256 << 20,
    TEST_WINDOW_MS = 4 * 3600 * 1000,
    TEST_WINDOWS = 8,
    TEST_HOUR_MS = 3600 * 1000,
};

struct test_store {
    struct budget budget;
    struct arena arena;
    struct tsdb *db;
    struct region region; /* what the ways out below fill */
    size_t used_before;   /* of the budget, before there was a store */
    int64_t wall_ms, boot_ms;
};

static inline int64_t test_store_wall(void *ctx)
{
    return ((const struct test_store *)ctx)->wall_ms;
}

static inline int64_t test_store_boot(void *ctx)
{
    return ((const struct test_store *)ctx)->boot_ms;
}

static inline struct tsdb_options test_store_options(struct test_store *s, enum tsdb_clock clock)
{
    return (struct tsdb_options){
        .window_ms = TEST_WINDOW_MS,
        .n_windows = TEST_WINDOWS,
        .out_of_order_ms = TEST_HOUR_MS,
        .clock = clock,
        .wall_ms = test_store_wall,
        .boot_ms = test_store_boot,
        .clock_ctx = s,
    };
}

/* o == NULL: samples are the clock. s must not move afterwards. */
static inline void test_store_new(struct test_store *s, const struct tsdb_options *o)
{
    struct tsdb_options usual = test_store_options(s, CLOCK_SAMPLES);
    s->wall_ms = TEST_START_MS;
    s->boot_ms = TEST_HOUR_MS;
    budget_init(&s->budget, TEST_LIMIT_BYTES);
    cr_assert(arena_init(&s->arena, &s->budget, TEST_LIMIT_BYTES));
    /* the arena keeps the nodes of its spans: they are no store's */
    unsigned owner = budget_owner(&s->budget, "queries");
    arena_span_put(&s->arena, owner, arena_span_get(&s->arena, owner, 1), 1);
    arena_trim(&s->arena);
    s->used_before = atomic_load(&s->budget.used_bytes);
    region_init(&s->region, &s->arena, owner, 0);
    cr_assert_eq(tsdb_new(o != NULL ? o : &usual, &s->arena, &s->db), 0);
}

static inline void test_store_check(struct test_store *s)
{
    cr_assert(tsdb_check(s->db));
    cr_assert(arena_check(&s->arena));
    cr_assert(budget_check(&s->budget));
}

/* Also proves that the store owes nothing when it is gone. */
static inline void test_store_free(struct test_store *s)
{
    test_store_check(s);
    region_release(&s->region);
    tsdb_free(s->db);
    arena_trim(&s->arena);
    for (unsigned i = 0; i < s->budget.n_rows; i++) /* its own row: metadata once used */
        if (strcmp(s->budget.rows[i].name, "arena") != 0)
            cr_assert_eq(atomic_load(&s->budget.rows[i].bytes), 0, "%s", s->budget.rows[i].name);
    cr_assert(arena_check(&s->arena));
    arena_release(&s->arena);
    cr_assert_eq(atomic_load(&s->budget.used_bytes), 0);
}

static inline void test_store_pass(struct test_store *s, int64_t ms)
{
    s->wall_ms += ms;
    s->boot_ms += ms;
}

/* ---- labels ---- */

struct test_labels {
    struct label items[8];
    struct labels labels;
    char text[256];
};

/* "up{job=api,env=a}" as a normalised label set. */
static inline const struct labels *test_labels(struct test_labels *l, const char *text)
{
    size_t n = strlen(text);
    cr_assert_lt(n, sizeof(l->text));
    memcpy(l->text, text, n + 1);
    char *at = l->text + strcspn(l->text, "{");
    l->items[0] = (struct label){LABEL_METRIC_NAME, l->text, 8, (uint32_t)(at - l->text)};
    l->labels = (struct labels){l->items, 1};
    while (*at == '{' || *at == ',') {
        char *name = at + 1, *value = name + strcspn(name, "=") + 1;
        at = value + strcspn(value, ",}");
        cr_assert_lt(l->labels.n, ARRAY_LEN(l->items));
        l->items[l->labels.n++] =
            (struct label){name, value, (uint32_t)(value - 1 - name), (uint32_t)(at - value)};
    }
    cr_assert_eq(labels_normalise(&l->labels, NULL), 0, "%s", text);
    return &l->labels;
}

/* The way back: Prometheus' order, in the region. */
static inline const char *test_labels_text(struct region *r, const struct labels *ls)
{
    const struct label *name = labels_get(ls, LABEL_METRIC_NAME, 8);
    char *text = region_printf(r, "%.*s", (int)name->value_len, name->value);
    const char *sep = "{";
    for (uint32_t i = 0; i < ls->n; i++) {
        const struct label *l = &ls->items[i];
        if (l == name)
            continue;
        text = region_printf(r, "%s%s%.*s=%.*s", text, sep, (int)l->name_len, l->name,
                             (int)l->value_len, l->value);
        sep = ",";
    }
    return *sep == ',' ? region_printf(r, "%s}", text) : text;
}

/* ---- in ---- */

static inline int test_append_counted(struct test_store *s, const char *series,
                                      const struct sample *samples, size_t n,
                                      struct append_counts *counts)
{
    struct test_labels l;
    struct append b;
    append_begin(&b, s->db);
    int err = append_samples(&b, test_labels(&l, series), samples, n, counts);
    append_end(&b);
    return err;
}

static inline int test_append_bits(struct test_store *s, const char *series, int64_t t_ms,
                                   uint64_t value)
{
    struct append_counts counts = {0};
    struct sample sample = {t_ms, value};
    return test_append_counted(s, series, &sample, 1, &counts);
}

static inline int test_append(struct test_store *s, const char *series, int64_t t_ms, double value)
{
    return test_append_bits(s, series, t_ms, test_bits(value));
}

static inline struct tsdb_stats test_stats(struct test_store *s)
{
    struct tsdb_stats stats;
    tsdb_stats(s->db, &stats);
    return stats;
}

/* ---- out ---- */

struct test_matchers {
    struct matcher items[6];
    struct matcher_set set;
};

static inline void test_matcher_add(struct test_matchers *m, enum matcher_kind kind,
                                    const char *name, const char *value)
{
    char text[100] = "";
    m->set.items = m->items;
    cr_assert_eq(matcher_init(&m->items[m->set.n++], kind, name, strlen(name), value, strlen(value),
                              text, sizeof(text)),
                 0, "%s", text);
}

/* Everything that the store has for a metric (NULL = for all) in a range. */
static inline struct read_set test_select(struct test_store *s, const char *metric, int64_t min_ms,
                                          int64_t max_ms)
{
    struct test_matchers m = {0};
    struct read_set set = {0};
    struct read_options o = {.min_ms = min_ms, .max_ms = max_ms};
    if (metric != NULL)
        test_matcher_add(&m, MATCH_EQUAL, LABEL_METRIC_NAME, metric);
    cr_assert_eq(read_select(s->db, &m.set, &o, &s->region, &set), 0);
    matcher_set_release(&m.set);
    return set;
}

/* The same series with the same samples, to the bit. */
static inline void test_same_samples(struct test_store *x, struct test_store *y)
{
    struct read_set a = test_select(x, NULL, INT64_MIN, INT64_MAX);
    struct read_set b = test_select(y, NULL, INT64_MIN, INT64_MAX);
    cr_assert_eq(a.n, b.n);
    for (size_t i = 0; i < a.n; i++) {
        size_t n = a.series[i].n;
        cr_assert_eq(labels_compare(&a.series[i].labels, &b.series[i].labels), 0);
        cr_assert_eq(n, b.series[i].n);
        cr_assert_eq(memcmp(a.series[i].t_ms, b.series[i].t_ms, n * sizeof(int64_t)), 0);
        cr_assert_eq(memcmp(a.series[i].values, b.series[i].values, n * sizeof(uint64_t)), 0);
    }
    region_release(&x->region);
    region_release(&y->region);
}

#endif
