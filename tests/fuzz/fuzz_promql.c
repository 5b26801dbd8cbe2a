/* Any bytes as a query: parse; what parses is printed, and the text must parse to the same text
 * again; then it is evaluated at once and over a range against a small store, with little memory
 * and few samples.
 *
 * Holds: no crash; an error has a kind and a text; the round trip of the printer; results without
 * equal label sets, matrices sorted; the region gives back all that it took. */
#include "tsdb/append.h"
#include "tsdb/promql/promql.h"

#include <stdlib.h>
#include <string.h>

enum {
    MEMORY = 64 << 20,
    QUERY_MEMORY = 4 << 20,
    MAX_BYTES = 4096,
    N_SAMPLES = 60,
    INTERVAL_MS = 15000,
};

#define BASE_MS INT64_C(1700000000000)

static struct budget budget;
static struct arena arena;
static struct tsdb *db;
static unsigned owner;

static void add_series(struct append *batch, const char *name, const char *value, int kind)
{
    struct label items[] = {{"__name__", name, 8, (uint32_t)strlen(name)},
                            {"i", value, 1, (uint32_t)strlen(value)},
                            {"job", "j", 3, 1}};
    struct labels labels = {items, 3};
    struct sample samples[N_SAMPLES];
    struct append_counts counts = {0};
    for (int i = 0; i < N_SAMPLES; i++) {
        static const uint64_t odd[] = {0x7ff0000000000002, 0x7ff8000000000001, 0x7ff0000000000000,
                                       0x8000000000000000, 0x7fefffffffffffff};
        double v = (i % 17) * (kind + 0.1);
        samples[i].t_ms = BASE_MS + i * INTERVAL_MS;
        memcpy(&samples[i].value, &v, sizeof(v));
        if (kind == 2 && i % 3 == 0)
            samples[i].value = odd[i / 3 % 5];
    }
    if (append_samples(batch, &labels, samples, N_SAMPLES, &counts) != 0)
        abort();
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
/* What is printed and parsed again prints the same. One exception is Prometheus' own: it prints the
 * number Inf as +Inf, which in front of ^ reads back as a plus sign before the whole power. */
static bool has_same_text(const char *text, const char *text_again)
{
    return strcmp(text, text_again) == 0 || strstr(text, "+Inf ^") != NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static const char *const names[] = {"a", "b_total", "c"};
    static const char *const values[] = {"1", "2", "3"};
    const struct tsdb_options options = {.window_ms = WINDOW_MS_MAX,
                                         .n_windows = 2,
                                         .out_of_order_ms = INT64_C(1) << 40,
                                         .clock = CLOCK_SAMPLES};
    (void)argc, (void)argv;
    budget_init(&budget, MEMORY);
    owner = budget_owner(&budget, "queries");
    if (!arena_init(&arena, &budget, MEMORY) || tsdb_new(&options, &arena, &db) != 0)
        abort();
    struct append batch;
    append_begin(&batch, db);
    for (int kind = 0; kind < 3; kind++)
        for (int i = 0; i < 3; i++)
            add_series(&batch, names[kind], values[i], kind);
    append_end(&batch);
    return 0;
}

static void check_error(const struct promql_error *err)
{
    ENSURE(err->kind != PROMQL_ERR_NONE && err->kind != PROMQL_ERR_INTERNAL);
    ENSURE(err->text != NULL && err->text[0] != 0);
}

static void check_result(const struct promql_result *result)
{
    for (size_t i = 0; i < result->n_series; i++) {
        ENSURE(result->series[i].n_points > 0);
        for (size_t k = 1; k < result->series[i].n_points; k++)
            ENSURE(result->series[i].points[k].t_ms > result->series[i].points[k - 1].t_ms);
        if (result->type == PROMQL_MATRIX && i > 0)
            ENSURE(labels_compare(&result->series[i - 1].labels, &result->series[i].labels) < 0);
    }
}

static void evaluate(struct promql_query *q, struct region *r)
{
    const struct promql_options options = {.lookback_ms = 300000, .max_samples = 20000};
    struct promql_result result;
    struct promql_error err;
    if (promql_instant(q, db, BASE_MS + 600000, &options, r, &result, &err) == 0)
        check_result(&result);
    else
        check_error(&err);
    enum promql_type type = promql_query_type(q);
    int failed = promql_range(q, db, BASE_MS, BASE_MS + 900000, 61000, &options, r, &result, &err);
    if (failed)
        check_error(&err);
    else
        check_result(&result);
    ENSURE(failed || type == PROMQL_SCALAR || type == PROMQL_VECTOR);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > MAX_BYTES)
        return 0;
    struct region r;
    struct promql_error err;
    struct matcher_set set;
    region_init(&r, &arena, owner, QUERY_MEMORY);
    if (promql_parse_selector((const char *)data, size, &r, &set, &err) == 0)
        matcher_set_release(&set);
    else
        check_error(&err);
    int64_t ms;
    if (promql_parse_duration((const char *)data, size, &ms))
        ENSURE(ms >= 0);
    const unsigned features = PROMQL_FEATURES_ALL;
    struct promql_query *q = promql_parse((const char *)data, size, features, &r, &err);
    if (q) {
        const char *text = promql_text(q, &r);
        struct promql_query *again =
            text ? promql_parse(text, strlen(text), features, &r, &err) : NULL;
        const char *text_again = again ? promql_text(again, &r) : NULL;
        ENSURE(!text || (again && text_again && has_same_text(text, text_again)) ||
               err.kind == PROMQL_ERR_EXECUTION);
        evaluate(q, &r);
        promql_release(again);
    } else {
        check_error(&err);
    }
    promql_release(q);
    region_release(&r);
    return 0;
}
