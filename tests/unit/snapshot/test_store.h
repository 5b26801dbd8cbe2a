/* Stores for tests of snapshots: made, filled at random, and compared sample by sample. */
#ifndef TESTS_UNIT_SNAPSHOT_TEST_STORE_H
#define TESTS_UNIT_SNAPSHOT_TEST_STORE_H

#include "alloc/region.h"
#include "snapshot/snapshot.h"
#include "tests/support/random.h"
#include "tsdb/append.h"
#include "tsdb/read.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

enum { TEST_WINDOW_MS = 3600000, TEST_WINDOWS = 8, TEST_LIMIT_BYTES = 256 << 20 };

struct test_store {
    struct budget budget;
    struct arena arena;
    struct tsdb *db;
};

static inline void test_store_new_with(struct test_store *s, size_t limit_bytes, int64_t window_ms,
                                       uint32_t n_windows)
{
    budget_init(&s->budget, limit_bytes);
    cr_assert(arena_init(&s->arena, &s->budget, limit_bytes));
    struct tsdb_options o = {
        .window_ms = window_ms,
        .n_windows = n_windows,
        .out_of_order_ms = window_ms / 4,
        .clock = CLOCK_SAMPLES,
    };
    cr_assert_eq(tsdb_new(&o, &s->arena, &s->db), 0);
}

static inline void test_store_new(struct test_store *s, size_t limit_bytes, int64_t window_ms)
{
    test_store_new_with(s, limit_bytes, window_ms, TEST_WINDOWS);
}

static inline size_t test_store_snapshot_bytes(struct test_store *s)
{
    return atomic_load(&s->budget.rows[budget_owner(&s->budget, "snapshot")].bytes);
}

/* Also proves that the store owes the budget nothing when it is gone. */
static inline void test_store_free(struct test_store *s)
{
    cr_assert_eq(test_store_snapshot_bytes(s), 0);
    tsdb_free(s->db);
    arena_trim(&s->arena);
    for (unsigned i = 0; i < s->budget.n_rows; i++) { /* the arena's own row never shrinks */
        const struct budget_row *row = &s->budget.rows[i];
        if (strcmp(row->name, "arena") != 0)
            cr_assert_eq(atomic_load(&row->bytes), 0u, "%s", row->name);
    }
    arena_release(&s->arena);
    cr_assert_eq(atomic_load(&s->budget.used_bytes), 0);
}

static inline struct label test_label(const char *name, const char *value, size_t value_len)
{
    return (struct label){name, value, (uint32_t)strlen(name), (uint32_t)value_len};
}

/* Appends to the series test{n="<n>"}; what the store answers. */
static inline int test_append(struct tsdb *db, unsigned n, const struct sample *samples,
                              size_t n_samples)
{
    char text[16];
    int len = snprintf(text, sizeof text, "%u", n);
    struct label items[] = {test_label("__name__", "test", 4), test_label("n", text, (size_t)len)};
    struct labels ls = {items, 2};
    struct append_counts counts = {0};
    struct append b;
    append_begin(&b, db);
    int err = append_samples(&b, &ls, samples, n_samples, &counts);
    append_end(&b);
    return err;
}

/* Labels with every kind of byte: UTF-8 of each length, control characters, a NUL inside. */
static inline void random_labels(struct random *random, unsigned n, struct append *b,
                                 const struct sample *s)
{
    static const char *const odd[] = {"plain",        "a\nb\"c\\d",       "\x01\x7f", "\xc3\xa9",
                                      "\xe2\x82\xac", "\xf0\x9f\x98\x80", "a,b={}",   " "};
    char text[32], name[16];
    int len = snprintf(text, sizeof text, "x%u", n);
    struct label items[8] = {test_label("n", text, (size_t)len),
                             test_label("__name__", n % 3 ? "one" : "another", n % 3 ? 3 : 7)};
    struct labels ls = {items, 2};
    const char *value = odd[n % ARRAY_LEN(odd)];
    items[ls.n++] = test_label("odd", value, strlen(value));
    items[ls.n++] = test_label("nul", "\0z", 2);
    if (n % 5 == 0) {
        snprintf(name, sizeof name, "only_%u", n);
        items[ls.n++] = test_label(name, "here", 4);
    }
    if (n % 7 == 0)
        items[ls.n++] = test_label("\xc3\xbc", "y", 1);
    cr_assert_eq(labels_normalise(&ls, NULL), 0);
    struct append_counts counts = {0};
    (void)random;
    (void)append_samples(b, &ls, s, 1, &counts); /* late ones may be refused */
}

/* Series n's value at a step: constants, counters, small numbers, decimals, all bits; with stale
 * markers and NaN payloads among them. */
static inline uint64_t random_value_of(struct random *random, unsigned n, unsigned step)
{
    double d;
    uint64_t bits;
    if (random_below(random, 100) == 0)
        return random_below(random, 2) ? 0x7ff0000000000002 : 0xfff8000000000123;
    switch (n % 5) {
    case 0:
        d = n;
        break;
    case 1:
        d = (double)(step * 17);
        break;
    case 2:
        d = (double)random_below(random, 10);
        break;
    case 3:
        d = (double)random_below(random, 100000) / 100;
        break;
    default:
        return random_next(random);
    }
    memcpy(&bits, &d, sizeof bits);
    return bits;
}

/* n_series series in steps of 15 s or so over n_windows windows, ending in the middle of one; with
 * series that come and go, gaps, late samples and duplicates. */
static inline void test_store_fill(struct tsdb *db, struct random *random, unsigned n_series,
                                   unsigned n_windows)
{
    int64_t step_ms = 15000, start_ms = 1000 * (int64_t)TEST_WINDOW_MS;
    int64_t span_ms = (int64_t)n_windows * TEST_WINDOW_MS - TEST_WINDOW_MS / 3;
    unsigned n_steps = (unsigned)(span_ms / step_ms);
    for (unsigned step = 0; step < n_steps; step++) {
        struct append b;
        append_begin(&b, db);
        for (unsigned n = 0; n < n_series; n++) {
            bool is_short = n % 4 == 3; /* lives in a third of the time */
            if (is_short && step / (n_steps / 3 + 1) != n % 3)
                continue;
            if (random_below(random, 200) == 0)
                continue;
            int64_t t_ms = start_ms + step * step_ms + n % 3;
            if (random_below(random, 50) == 0)
                t_ms += (int64_t)random_below(random, 1000);
            if (random_below(random, 300) == 0)
                t_ms -= (int64_t)random_below(random, 300000);
            struct sample s = {t_ms, random_value_of(random, n, step)};
            random_labels(random, n, &b, &s);
        }
        append_end(&b);
    }
}

/* n_series series of the same random values, 15 s apart. */
static inline void test_store_fill_equal(struct tsdb *db, struct random *random, unsigned n_series,
                                         unsigned n_steps)
{
    int64_t start_ms = 1000 * (int64_t)TEST_WINDOW_MS;
    for (unsigned step = 0; step < n_steps; step++) {
        struct append b;
        struct sample s = {start_ms + step * INT64_C(15000), random_next(random)};
        append_begin(&b, db);
        for (unsigned n = 0; n < n_series; n++)
            random_labels(random, n, &b, &s);
        append_end(&b);
    }
}

/* Everything that is in a store, in id order. The region is the caller's. */
static inline void test_store_read(struct test_store *s, struct region *r, struct read_set *ret)
{
    struct matcher m;
    struct matcher_set all = {&m, 1};
    char text[64];
    cr_assert_eq(matcher_init(&m, MATCH_EQUAL, "no_such_label", 13, "", 0, text, sizeof text), 0);
    struct read_options o = {.min_ms = INT64_MIN, .max_ms = INT64_MAX};
    region_init(r, &s->arena, budget_owner(&s->budget, "test"), 0);
    cr_assert_eq(read_select(s->db, &all, &o, r, ret), 0);
    matcher_release(&m);
}

/* True when every series and sample of b is in a; order counts. *ret_extra: samples of a that b
 * lacks. */
static inline bool is_subset(const struct read_set *a, const struct read_set *b,
                             uint64_t *ret_extra)
{
    size_t i = 0;
    *ret_extra = 0;
    for (size_t k = 0; k < b->n; k++, i++) {
        for (; i < a->n && labels_compare(&a->series[i].labels, &b->series[k].labels); i++)
            *ret_extra += a->series[i].n;
        if (i == a->n)
            return false;
        const struct read_series *x = &a->series[i], *y = &b->series[k];
        size_t m = 0;
        for (size_t j = 0; j < y->n; j++, m++) {
            for (; m < x->n && x->t_ms[m] != y->t_ms[j]; m++)
                ++*ret_extra;
            if (m == x->n || x->values[m] != y->values[j])
                return false;
        }
        *ret_extra += x->n - m;
    }
    for (; i < a->n; i++)
        *ret_extra += a->series[i].n;
    return true;
}

static inline void expect_equal_stores(struct test_store *a, struct test_store *b)
{
    struct region ra, rb;
    struct read_set sa, sb;
    uint64_t extra;
    test_store_read(a, &ra, &sa);
    test_store_read(b, &rb, &sb);
    cr_assert_eq(sa.n, sb.n);
    cr_assert(is_subset(&sa, &sb, &extra), "a sample was invented or changed");
    cr_assert_eq(extra, 0, "%llu samples are missing", (unsigned long long)extra);
    region_release(&ra);
    region_release(&rb);
}

/* The same slots of the same classes in the same windows. */
static inline void expect_equal_page_maps(struct test_store *a, struct test_store *b)
{
    static struct tsdb_stats x, y;
    tsdb_tick(a->db); /* seals what is silent */
    tsdb_tick(b->db);
    tsdb_stats(a->db, &x);
    tsdb_stats(b->db, &y);
    cr_assert_eq(x.series, y.series);
    cr_assert_eq(x.samples, y.samples);
    cr_assert_eq(x.chunks, y.chunks);
    cr_assert_eq(x.n_windows, y.n_windows);
    for (uint32_t w = 0; w < x.n_windows; w++) {
        cr_assert_eq(x.windows[w].number, y.windows[w].number);
        cr_assert_eq(x.windows[w].samples, y.windows[w].samples);
        cr_assert_eq(x.windows[w].payload_bytes, y.windows[w].payload_bytes,
                     "window %u of %u: %llu bytes of payload, restored %llu", w, x.n_windows,
                     (unsigned long long)x.windows[w].payload_bytes,
                     (unsigned long long)y.windows[w].payload_bytes);
        cr_assert_eq(x.windows[w].shared, y.windows[w].shared);
        for (int c = 0; c < TSDB_POOLS; c++)
            cr_assert_eq(x.windows[w].classes[c].used, y.windows[w].classes[c].used,
                         "window %u pool %d: %u used slots, restored %u", w, c,
                         x.windows[w].classes[c].used, y.windows[w].classes[c].used);
    }
    cr_assert_eq(x.open.used, y.open.used);
    cr_assert_eq(x.open_payload_bytes, y.open_payload_bytes);
    cr_assert_eq(x.slack_bytes, y.slack_bytes);
}

#endif
