/* For the tests of the language: a store in an arena, series loaded from a short text, and answers
 * as one text that a table can hold.
 *
 *     struct test_query t;
 *     test_query_init(&t);
 *     test_load(&t, "up{job=\"a\"}", 15000, "1 1 _ stale 0+2x10");
 *     cr_assert_str_eq(test_instant(&t, "sum(up)", 60), "{} 4");
 *     test_query_release(&t);
 *
 * Times in texts are seconds after TEST_BASE_MS. */
#ifndef TESTS_UNIT_PROMQL_TEST_QUERY_H
#define TESTS_UNIT_PROMQL_TEST_QUERY_H

#include "tsdb/append.h"
#include "tsdb/promql/float_text.h"
#include "tsdb/promql/labelset.h"
#include "tsdb/promql/promql.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEST_BASE_MS INT64_C(1700000040000)

enum { TEST_MEMORY = 64 << 20 };

struct test_query {
    struct budget budget;
    struct arena arena;
    struct tsdb *db;
    struct region region; /* of the last query */
    unsigned owner;
    struct promql_options options;
    unsigned features; /* enum promql_feature; none at first */
    struct promql_result result;
    struct promql_error error;
};

static inline void test_query_init(struct test_query *t)
{
    const struct tsdb_options options = {.window_ms = WINDOW_MS_MAX,
                                         .n_windows = 2,
                                         .out_of_order_ms = INT64_C(1) << 40,
                                         .clock = CLOCK_SAMPLES};
    *t = (struct test_query){.options = {.lookback_ms = 300000, .max_samples = 50000000}};
    budget_init(&t->budget, TEST_MEMORY);
    cr_assert(arena_init(&t->arena, &t->budget, TEST_MEMORY));
    t->owner = budget_owner(&t->budget, "queries");
    cr_assert_eq(tsdb_new(&options, &t->arena, &t->db), 0);
    region_init(&t->region, &t->arena, t->owner, 0);
}

static inline void test_query_release(struct test_query *t)
{
    region_release(&t->region);
    tsdb_free(t->db);
    arena_release(&t->arena);
}

/* One item of values: "_" (nothing), "stale", "3", "3+2x4" (3 5 7 9 11). Returns samples made. */
static inline size_t test_item(const char *item, int64_t *t_ms, int64_t interval_ms,
                               struct sample *out)
{
    char *end;
    double v = strtod(item, &end), step = 0;
    if (item[0] == '_')
        end++;
    long n_more = 0;
    if (*end == '+' || *end == '-')
        step = strtod(end, &end);
    if (*end == 'x')
        n_more = strtol(end + 1, NULL, 10);
    uint64_t bits;
    size_t n = 0;
    for (long i = 0; i <= n_more; i++, *t_ms += interval_ms) {
        double sample = v + (double)i * step;
        memcpy(&bits, &sample, sizeof(bits));
        if (strcmp(item, "stale") == 0)
            bits = UINT64_C(0x7ff0000000000002);
        if (item[0] != '_')
            out[n++] = (struct sample){*t_ms, bits};
    }
    return n;
}

static inline void test_load(struct test_query *t, const char *series, int64_t interval_ms,
                             const char *values)
{
    enum { SAMPLES_MAX = 4096, LABELS_MAX = 16 };
    static struct sample samples[SAMPLES_MAX];
    struct label items[LABELS_MAX];
    struct labels labels = {items, 0};
    struct matcher_set set;
    struct region r;
    region_init(&r, &t->arena, t->owner, 0);
    cr_assert_eq(promql_parse_selector(series, strlen(series), &r, &set, &t->error), 0);
    for (size_t i = 0; i < set.n; i++)
        items[labels.n++] = (struct label){set.items[i].name, set.items[i].value,
                                           set.items[i].name_len, set.items[i].value_len};
    cr_assert_eq(labels_normalise(&labels, NULL), 0);
    char copy[4096];
    snprintf(copy, sizeof(copy), "%s", values);
    size_t n = 0;
    int64_t t_ms = TEST_BASE_MS;
    char *rest = copy;
    for (char *item; (item = strtok_r(rest, " ", &rest));)
        n += test_item(item, &t_ms, interval_ms, samples + n);
    struct append batch;
    struct append_counts counts = {0};
    append_begin(&batch, t->db);
    cr_assert_eq(append_samples(&batch, &labels, samples, n, &counts), 0);
    append_end(&batch);
    matcher_set_release(&set);
    region_release(&r);
}

static inline void test_series_text(const struct promql_series *s, bool has_times,
                                    struct textbuf *b)
{
    char number[FLOAT_TEXT_MAX];
    labelset_text(b, &s->labels);
    for (size_t i = 0; i < s->n_points; i++) {
        float_text_json(s->points[i].v, number);
        textbuf_printf(b, " %s", number);
        if (has_times)
            textbuf_printf(b, "@%g", (double)(s->points[i].t_ms - TEST_BASE_MS) / 1000);
    }
}

/* "{a="b"} 1@0 2@15; {..} .." for series, "1" for a scalar, the string itself, or the error. */
static inline const char *test_result_text(struct test_query *t, int err)
{
    struct textbuf b;
    if (err != 0)
        return t->error.text;
    textbuf_init(&b, &t->region);
    const struct promql_result *result = &t->result;
    if (result->type == PROMQL_STRING)
        textbuf_add(&b, result->string, result->string_len);
    for (size_t i = 0; i < result->n_series; i++) {
        if (i > 0)
            textbuf_puts(&b, "; ");
        test_series_text(&result->series[i], result->type == PROMQL_MATRIX, &b);
    }
    for (size_t i = 0; i < result->n_warnings; i++)
        textbuf_printf(&b, " ! %s", result->warnings[i]);
    for (size_t i = 0; i < result->n_infos; i++)
        textbuf_printf(&b, " ! %s", result->infos[i]);
    return textbuf_finish(&b);
}

static inline struct promql_query *test_parse(struct test_query *t, const char *text)
{
    region_release(&t->region);
    return promql_parse(text, strlen(text), t->features, &t->region, &t->error);
}

/* The answer is valid until the next question. */
static inline const char *test_instant(struct test_query *t, const char *text, double at_s)
{
    struct promql_query *q = test_parse(t, text);
    if (!q)
        return t->error.text;
    int64_t t_ms = TEST_BASE_MS + (int64_t)round(at_s * 1000);
    int err = promql_instant(q, t->db, t_ms, &t->options, &t->region, &t->result, &t->error);
    promql_release(q);
    return test_result_text(t, err);
}

static inline const char *test_range(struct test_query *t, const char *text, double start_s,
                                     double end_s, double step_s)
{
    struct promql_query *q = test_parse(t, text);
    if (!q)
        return t->error.text;
    int64_t start_ms = TEST_BASE_MS + (int64_t)round(start_s * 1000);
    int64_t end_ms = TEST_BASE_MS + (int64_t)round(end_s * 1000);
    int err = promql_range(q, t->db, start_ms, end_ms, (int64_t)round(step_s * 1000), &t->options,
                           &t->region, &t->result, &t->error);
    promql_release(q);
    return test_result_text(t, err);
}

/* The form of most tests here: series to load, then questions with the answers that are expected.
 */
struct test_series {
    const char *series;
    int64_t interval_ms;
    const char *values;
};

struct test_case {
    const char *query;
    double start_s, end_s, step_s; /* step_s 0: an instant query at start_s */
    const char *answer;
};

static inline void test_answers_with(unsigned features, const struct test_series *loads,
                                     size_t n_loads, const struct test_case *cases, size_t n_cases)
{
    struct test_query t;
    test_query_init(&t);
    t.features = features;
    for (size_t i = 0; i < n_loads; i++)
        test_load(&t, loads[i].series, loads[i].interval_ms, loads[i].values);
    for (size_t i = 0; i < n_cases; i++) {
        const struct test_case *c = &cases[i];
        const char *answer = c->step_s > 0
                                 ? test_range(&t, c->query, c->start_s, c->end_s, c->step_s)
                                 : test_instant(&t, c->query, c->start_s);
        cr_assert_str_eq(answer, c->answer, "%s: %s", c->query, answer);
    }
    test_query_release(&t);
}

static inline void test_answers(const struct test_series *loads, size_t n_loads,
                                const struct test_case *cases, size_t n_cases)
{
    test_answers_with(0, loads, n_loads, cases, n_cases);
}

/* What is parsed with all features on and printed is the text, and so again. */
static inline void test_prints(const char *text, const char *printed)
{
    struct test_query t;
    test_query_init(&t);
    for (int i = 0; i < 2; i++) {
        const char *from = i == 0 ? text : printed;
        struct promql_query *q =
            promql_parse(from, strlen(from), PROMQL_FEATURES_ALL, &t.region, &t.error);
        cr_assert_not_null(q, "%s: %s", from, t.error.text);
        cr_assert_str_eq(promql_text(q, &t.region), printed);
        promql_release(q);
    }
    test_query_release(&t);
}

/* The error of a text that does not parse with all features on. */
static inline void test_refuses(const char *text, const char *error)
{
    struct test_query t;
    test_query_init(&t);
    struct promql_query *q =
        promql_parse(text, strlen(text), PROMQL_FEATURES_ALL, &t.region, &t.error);
    cr_assert_null(q, "%s", text);
    cr_assert_str_eq(t.error.text, error);
    test_query_release(&t);
}

#endif
