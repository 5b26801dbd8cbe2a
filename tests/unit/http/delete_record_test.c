/* Records of deletions: what is written is read again, anything else is refused, and applying one
 * does what was asked for. */
#include "http/delete_record.h"

#include "tests/support/random.h"
#include "tsdb/append.h"
#include "tsdb/varint.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

enum { MEMORY = 64 << 20, BYTES_MAX = 4096 };

static struct budget budget;
static struct arena arena;
static struct region region;
static unsigned owner;

static void set_up(void)
{
    budget_init(&budget, MEMORY);
    owner = budget_owner(&budget, "requests");
    cr_assert(arena_init(&arena, &budget, MEMORY));
    region_init(&region, &arena, owner, 0);
}

static void tear_down(void)
{
    region_release(&region);
    arena_release(&arena);
}

TestSuite(delete_record, .init = set_up, .fini = tear_down);

static struct matcher matcher_of(enum matcher_kind kind, const char *name, const char *value)
{
    struct matcher m;
    char text[64];
    cr_assert_eq(
        matcher_init(&m, kind, name, strlen(name), value, strlen(value), text, sizeof(text)), 0);
    return m;
}

static size_t put(const struct delete_record *r, uint8_t out[BYTES_MAX])
{
    size_t n = delete_record_bytes(r);
    cr_assert_leq(n, (size_t)BYTES_MAX);
    memset(out, 0xAA, BYTES_MAX);
    delete_record_put(r, out);
    for (size_t i = n; i < BYTES_MAX; i++)
        cr_assert_eq(out[i], 0xAA, "behind its end");
    return n;
}

/* Reads from memory that ends where the record does, for ASan. */
static int get(const uint8_t *bytes, size_t n, struct delete_record *ret, uint8_t **ret_copy)
{
    *ret_copy = malloc(n > 0 ? n : 1);
    memcpy(*ret_copy, bytes, n);
    return delete_record_get(*ret_copy, n, &region, ret);
}

static void expect_same(const struct delete_record *a, const struct delete_record *b)
{
    cr_assert(a->min_ms == b->min_ms && a->max_ms == b->max_ms && a->n_sets == b->n_sets);
    for (size_t i = 0; i < a->n_sets; i++) {
        cr_assert_eq(a->sets[i].n, b->sets[i].n);
        for (size_t k = 0; k < a->sets[i].n; k++) {
            const struct matcher *m = &a->sets[i].items[k], *o = &b->sets[i].items[k];
            cr_assert(m->kind == o->kind && m->name_len == o->name_len &&
                      m->value_len == o->value_len);
            cr_assert(memcmp(m->name, o->name, m->name_len) == 0 &&
                      memcmp(m->value, o->value, m->value_len) == 0);
            cr_assert_eq(m->pattern == NULL, o->pattern == NULL);
        }
    }
}

struct example {
    struct matcher items[5];
    struct matcher_set sets[3];
    struct delete_record record;
};

static void make_example(struct example *e)
{
    e->items[0] = matcher_of(MATCH_EQUAL, "__name__", "up");
    e->items[1] = matcher_of(MATCH_NOT_EQUAL, "job", "");
    e->items[2] = matcher_of(MATCH_REGEX, "i", "a.*|b");
    e->items[3] = matcher_of(MATCH_NOT_REGEX, "\xc3\xbc.b", "[0-9]+");
    e->items[4] = matcher_of(MATCH_EQUAL, "", "");
    e->sets[0] = (struct matcher_set){e->items, 4};
    e->sets[1] = (struct matcher_set){NULL, 0};
    e->sets[2] = (struct matcher_set){e->items + 4, 1};
    e->record = (struct delete_record){-1700000000000, INT64_MAX, e->sets, 3};
}

static void release_example(struct example *e)
{
    for (size_t i = 0; i < ARRAY_LEN(e->items); i++)
        matcher_release(&e->items[i]);
}

Test(delete_record, comes_back_as_it_was)
{
    struct example e;
    struct delete_record got;
    uint8_t bytes[BYTES_MAX], again[BYTES_MAX], *copy;
    make_example(&e);
    size_t n = put(&e.record, bytes);
    cr_assert_eq(get(bytes, n, &got, &copy), 0);
    expect_same(&e.record, &got);
    cr_assert_eq(put(&got, again), n);
    cr_assert_eq(memcmp(bytes, again, n), 0);
    delete_record_release(&got);
    free(copy);
    e.record = (struct delete_record){INT64_MIN, INT64_MIN, NULL, 0};
    n = put(&e.record, bytes);
    cr_assert_eq(get(bytes, n, &got, &copy), 0);
    expect_same(&e.record, &got);
    free(copy);
    release_example(&e);
}

Test(delete_record, bytes_are_these)
{
    static const uint8_t expected[] = {1,   2,   3,   1,   1,   0,   8, '_', '_',
                                       'n', 'a', 'm', 'e', '_', '_', 2, 'u', 'p'};
    struct matcher m = matcher_of(MATCH_EQUAL, "__name__", "up");
    struct matcher_set set = {&m, 1};
    struct delete_record r = {1, -2, &set, 1};
    uint8_t bytes[BYTES_MAX];
    cr_assert_eq(put(&r, bytes), sizeof(expected));
    cr_assert_eq(memcmp(bytes, expected, sizeof(expected)), 0);
}

Test(delete_record, every_prefix_and_one_byte_more_is_refused)
{
    struct example e;
    struct delete_record got;
    uint8_t bytes[BYTES_MAX], *copy;
    make_example(&e);
    size_t n = put(&e.record, bytes);
    for (size_t part = 0; part <= n + 1; part++) {
        if (part == n)
            continue;
        cr_assert_eq(get(bytes, part, &got, &copy), ERR_CORRUPT, "%zu of %zu bytes", part, n);
        cr_assert_eq(got.n_sets, 0);
        free(copy);
    }
    bytes[0] = DELETE_RECORD_FORMAT + 1;
    cr_assert_eq(get(bytes, n, &got, &copy), ERR_NEWER_FORMAT);
    free(copy);
    bytes[0] = 0;
    cr_assert_eq(get(bytes, n, &got, &copy), ERR_CORRUPT);
    free(copy);
    release_example(&e);
}

/* Whatever the bytes are, what is taken is what would be written. */
Test(delete_record, other_bytes_are_refused_or_mean_themselves)
{
    struct example e;
    struct random r;
    uint8_t bytes[BYTES_MAX], again[BYTES_MAX], *copy;
    uint32_t n_taken = 0;
    make_example(&e);
    random_init(&r, random_seed());
    for (int round = 0; round < 20000; round++) {
        struct delete_record got;
        size_t n = put(&e.record, bytes);
        for (uint64_t k = random_below(&r, 3) + 1; k > 0; k--)
            bytes[1 + random_below(&r, n - 1)] =
                (uint8_t)(random_below(&r, 2) == 0 ? random_below(&r, 8) : random_below(&r, 256));
        if (get(bytes, n, &got, &copy) == 0) {
            n_taken++;
            cr_assert_eq(put(&got, again), n);
            cr_assert_eq(memcmp(bytes, again, n), 0);
            delete_record_release(&got);
        }
        free(copy);
        region_release(&region);
        region_init(&region, &arena, owner, 0);
    }
    cr_assert(n_taken > 100 && n_taken < 19000, "%u", n_taken);
    release_example(&e);
}

Test(delete_record, numbers_that_promise_more_than_there_is)
{
    for (size_t at = 0; at < 4; at++) { /* sets, matchers, name, value */
        static const uint8_t good[] = {1, 0, 0, 1, 1, 0, 1, 'a', 1, 'b'};
        static const size_t places[] = {3, 4, 6, 8};
        uint8_t bytes[sizeof(good) + VARINT_BYTES_MAX], *copy;
        struct delete_record got;
        cr_assert_eq(get(good, sizeof(good), &got, &copy), 0);
        delete_record_release(&got);
        free(copy);
        for (unsigned shift = 3; shift < 64; shift++) {
            memcpy(bytes, good, places[at]);
            size_t n = places[at] + varint_put(bytes + places[at], UINT64_C(1) << shift);
            memcpy(bytes + n, good + places[at] + 1, sizeof(good) - places[at] - 1);
            n += sizeof(good) - places[at] - 1;
            cr_assert_eq(get(bytes, n, &got, &copy), ERR_CORRUPT);
            free(copy);
        }
    }
    cr_assert_lt(atomic_load(&budget.used_bytes), (size_t)MEMORY / 8, "nothing was taken for it");
}

Test(delete_record, without_memory)
{
    struct example e;
    struct delete_record got;
    uint8_t bytes[BYTES_MAX];
    make_example(&e);
    size_t n = put(&e.record, bytes);
    int err = ERR_NO_MEMORY;
    size_t limit = 1;
    for (; err != 0; limit += 16) {
        struct region small;
        region_init(&small, &arena, owner, limit);
        err = delete_record_get(bytes, n, &small, &got);
        cr_assert(err == 0 || err == ERR_NO_MEMORY);
        delete_record_release(&got);
        region_release(&small);
    }
    cr_assert_gt(limit, 17);
    release_example(&e);
}

/* ---- applying ---- */

static void store(struct tsdb *db, const char *name, int64_t t_ms)
{
    struct label item = {"__name__", name, 8, (uint32_t)strlen(name)};
    struct sample s = {.t_ms = t_ms};
    struct append batch;
    struct append_counts counts = {0};
    append_begin(&batch, db);
    cr_assert_eq(append_samples(&batch, &(struct labels){&item, 1}, &s, 1, &counts), 0);
    append_end(&batch);
}

Test(delete_record, does_what_it_says_and_may_do_it_again)
{
    const struct tsdb_options options = {.window_ms = 1000 * 3600,
                                         .n_windows = 8,
                                         .out_of_order_ms = 3600 * 1000,
                                         .clock = CLOCK_SAMPLES};
    struct tsdb *db;
    struct tsdb_stats stats;
    struct delete_report report = {0};
    struct matcher m = matcher_of(MATCH_REGEX, "__name__", "up|down");
    struct matcher_set set = {&m, 1};
    struct delete_record r = {2000, 3000, &set, 1}, got;
    uint8_t bytes[BYTES_MAX], *copy;
    cr_assert_eq(tsdb_new(&options, &arena, &db), 0);
    for (int64_t t = 1000; t <= 4000; t += 1000) {
        store(db, "up", t);
        store(db, "other", t);
    }
    cr_assert_eq(get(bytes, put(&r, bytes), &got, &copy), 0);
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(delete_record_apply(&got, db, NULL, &region, &report), 0);
        tsdb_stats(db, &stats);
        cr_assert_eq(stats.samples, 6);
        cr_assert_eq(report.samples, 2);
    }
    atomic_bool cancel = true;
    cr_assert_eq(delete_record_apply(&got, db, &cancel, &region, &report), ERR_CANCELED);
    delete_record_release(&got);
    matcher_release(&m);
    free(copy);
    region_release(&region);
    tsdb_free(db);
}
