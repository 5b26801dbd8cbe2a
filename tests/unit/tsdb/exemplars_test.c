#include "tsdb/exemplars.h"

#include "tests/support/random.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

enum { MEMORY = 64 << 20 };

static struct budget budget;
static struct arena arena;
static struct region region;
static struct exemplars x;
static unsigned owner;

static void set_up(void)
{
    budget_init(&budget, MEMORY);
    cr_assert(arena_init(&arena, &budget, MEMORY));
    region_init(&region, &arena, budget_owner(&budget, "queries"), 0);
    owner = budget_owner(&budget, "exemplars");
    exemplars_init(&x, &arena, owner, 10);
}

static void tear_down(void)
{
    cr_assert(exemplars_check(&x));
    exemplars_release(&x);
    region_release(&region);
    arena_release(&arena);
}

TestSuite(exemplars, .init = set_up, .fini = tear_down);

static void renew(uint32_t max)
{
    exemplars_release(&x);
    exemplars_init(&x, &arena, owner, max);
}

/* One label, id="..."; NULL: without labels. */
static int add(uint32_t series, int64_t t_ms, uint64_t value, const char *id)
{
    struct label l = {"id", id, 2, id ? (uint32_t)strlen(id) : 0};
    const struct exemplar e = {t_ms, value, {&l, id != NULL}};
    return exemplars_add(&x, series, &e);
}

static size_t read_all(uint32_t series, struct exemplar **ret)
{
    size_t n;
    cr_assert_eq(exemplars_read(&x, series, INT64_MIN, INT64_MAX, &region, ret, &n), 0);
    return n;
}

static size_t count(uint32_t series)
{
    struct exemplar *items;
    return read_all(series, &items);
}

Test(exemplars, come_back_as_they_were_by_series_and_time)
{
    static const char long_id[] = "a text that is longer than one unit of thirty-two bytes";
    struct exemplar *items;
    size_t n;
    cr_assert_eq(add(7, 100, 0x7ff0000000000002, "a"), 0);
    cr_assert_eq(add(8, 50, 1, NULL), 0);
    cr_assert_eq(add(7, 200, 2, long_id), 0);
    cr_assert_eq(read_all(7, &items), 2);
    cr_assert(items[0].t_ms == 100 && items[0].value == 0x7ff0000000000002);
    cr_assert_eq(items[0].labels.n, 1);
    cr_assert_eq(memcmp(items[0].labels.items[0].name, "id", 2), 0);
    cr_assert_eq(items[1].t_ms, 200);
    cr_assert_eq(items[1].labels.items[0].value_len, sizeof(long_id) - 1);
    cr_assert_eq(memcmp(items[1].labels.items[0].value, long_id, sizeof(long_id) - 1), 0);
    cr_assert_eq(read_all(8, &items), 1);
    cr_assert_eq(items[0].labels.n, 0);
    cr_assert_eq(count(9), 0);
    cr_assert_eq(exemplars_read(&x, 7, 101, 200, &region, &items, &n), 0);
    cr_assert_eq(n, 1);
    cr_assert_eq(exemplars_read(&x, 7, 101, 199, &region, &items, &n), 0);
    cr_assert_eq(n, 0);
}

Test(exemplars, a_repeat_is_success_and_an_older_one_is_not)
{
    cr_assert_eq(add(7, 100, 1, "a"), 0);
    cr_assert_eq(add(7, 100, 1, "a"), 0);
    cr_assert_eq(add(7, 100, 2, "a"), 0);
    cr_assert_eq(add(7, 100, 1, "b"), 0);
    cr_assert_eq(add(7, 200, 1, "a"), 0);
    cr_assert_eq(add(7, 100, 1, "a"), 0, "a sender that did not hear the answer");
    cr_assert_eq(count(7), 4);
    cr_assert_eq(add(7, 199, 1, "a"), ERR_OUT_OF_ORDER);
    cr_assert_eq(add(7, 100, 3, "a"), ERR_OUT_OF_ORDER);
    cr_assert_eq(add(8, 100, 3, "a"), 0);
}

Test(exemplars, repeats_are_looked_for_so_far_back)
{
    renew(1000);
    for (int i = 0; i <= EXEMPLAR_LOOK_BACK_MAX; i++)
        cr_assert_eq(add(7, i, 1, "a"), 0);
    cr_assert_eq(add(7, 1, 1, "a"), 0);
    cr_assert_eq(add(7, 0, 1, "a"), ERR_OUT_OF_ORDER);
}

Test(exemplars, the_oldest_goes_when_the_ring_is_full)
{
    struct exemplars_stats s;
    for (int i = 0; i < 10; i++)
        cr_assert_eq(add(1 + (uint32_t)i % 2, i, 1, "a"), 0);
    cr_assert_eq(count(1) + count(2), 10);
    cr_assert_eq(add(1, 100, 1, "a"), 0);
    cr_assert_eq(count(1), 5, "one came and one went");
    cr_assert_eq(add(1, 101, 1, "a"), 0);
    cr_assert_eq(count(2), 4);
    exemplars_stats(&x, &s);
    cr_assert(s.n == 10 && s.series == 2 && s.added == 12 && s.dropped == 2 && s.oldest_ms == 2);
}

/* Labels that are longer than those that the ring has room for on the average. */
Test(exemplars, long_labels_make_it_hold_fewer)
{
    char id[126];
    memset(id, 'x', sizeof(id));
    id[125] = '\0';
    for (int i = 0; i < 100; i++)
        cr_assert_eq(add(1, i, 1, id), 0);
    struct exemplars_stats s;
    exemplars_stats(&x, &s);
    cr_assert(s.n < 10 && s.n > 2, "%d", (int)s.n);
    cr_assert_eq(count(1), s.n);
}

Test(exemplars, limits_of_labels)
{
    static char many[EXEMPLAR_RUNES_MAX * 4 + 1];
    for (int i = 0; i < EXEMPLAR_RUNES_MAX * 4; i += 4)
        memcpy(many + i, "\xf0\x9f\x98\x80", 4);
    struct label l = {"id", many, 2, (EXEMPLAR_RUNES_MAX - 2) * 4};
    struct exemplar e = {1, 1, {&l, 1}};
    cr_assert_eq(exemplars_add(&x, 1, &e), 0);
    l.value_len += 4;
    cr_assert_eq(exemplars_add(&x, 1, &e), ERR_LABELS_TOO_LONG);
    l = (struct label){"", "a", 0, 1};
    cr_assert_eq(exemplars_add(&x, 1, &e), ERR_LABELS_EMPTY_NAME);
    l = (struct label){"a", "\xff", 1, 1};
    cr_assert_eq(exemplars_add(&x, 1, &e), ERR_LABELS_NOT_UTF8);
    struct label two[] = {{"a", "", 1, 0}, {"a", "x", 1, 1}};
    e.labels = (struct labels){two, 2};
    cr_assert_eq(exemplars_add(&x, 1, &e), ERR_LABELS_DUPLICATE);
    struct label most[EXEMPLAR_RUNES_MAX];
    char names[EXEMPLAR_RUNES_MAX][2];
    for (int i = 0; i < EXEMPLAR_RUNES_MAX; i++) { /* labels of one rune */
        int n = i < 64 ? 1 : 2;
        memcpy(names[i], (char[]){(char)(n == 1 ? i + 1 : 0xc3), (char)(0x80 | (i & 63))}, 2);
        most[i] = (struct label){names[i], "", (uint32_t)n, 0};
    }
    e = (struct exemplar){2, 1, {most, EXEMPLAR_RUNES_MAX}};
    cr_assert_eq(exemplars_add(&x, 1, &e), 0);
    struct exemplar *items;
    cr_assert_eq(read_all(1, &items), 2);
    cr_assert_eq(items[1].labels.n, EXEMPLAR_RUNES_MAX);
}

Test(exemplars, none_are_kept_without_places)
{
    renew(0);
    cr_assert_eq(add(1, 1, 1, "a"), ERR_NO_EXEMPLARS);
    cr_assert_eq(count(1), 0);
}

Test(exemplars, no_memory_at_any_point)
{
    renew(1000);
    arena.retain_pages = 0;
    arena_trim(&arena);
    uint64_t n_failed = 0;
    for (int i = 0; i < 3000; i++) {
        budget_fail_nth(&budget, 1 + i % 5);
        int err = add(1 + (uint32_t)i % 600, i, 1, "a text that is longer than one unit of 32");
        budget_fail_nth(&budget, 0);
        cr_assert(err == 0 || err == ERR_NO_MEMORY);
        n_failed += err != 0;
    }
    cr_assert(n_failed > 0 && exemplars_check(&x));
    struct exemplar *items;
    size_t n;
    struct region none;
    region_init(&none, &arena, region.owner, 1);
    cr_assert_eq(exemplars_read(&x, 600, 0, 3000, &none, &items, &n), ERR_NO_MEMORY);
}

/* --- by chance -------------------------------------------------------------------------------- */

enum { KEPT_MAX = 40, SERIES = 30, ROUNDS = 20000 };

struct model {
    struct {
        uint32_t series;
        int64_t t_ms;
        uint64_t value;
        char id[128];
    } items[ROUNDS];
    size_t from, to;
};

static struct model model;

static void compare_series(uint32_t series)
{
    struct exemplar *items;
    size_t n = read_all(series, &items), at = 0;
    for (size_t i = model.from; i < model.to; i++) {
        if (model.items[i].series != series)
            continue;
        cr_assert_lt(at, n);
        cr_assert_eq(items[at].t_ms, model.items[i].t_ms);
        cr_assert_eq(items[at].value, model.items[i].value);
        cr_assert_eq(items[at].labels.items[0].value_len, strlen(model.items[i].id));
        cr_assert_eq(memcmp(items[at].labels.items[0].value, model.items[i].id,
                            items[at].labels.items[0].value_len),
                     0);
        at++;
    }
    cr_assert_eq(at, n);
    region_release(&region);
}

/* The ring is the end of the list of what was taken. */
Test(exemplars, by_chance, .timeout = 60)
{
    struct random random;
    struct exemplars_stats s;
    random_init(&random, random_seed());
    renew(KEPT_MAX);
    for (int64_t i = 0; i < ROUNDS; i++) {
        uint32_t series = 1 + (uint32_t)(random_below(&random, SERIES) * random_below(&random, 99));
        char id[128];
        size_t n = random_below(&random, random_below(&random, 4) == 0 ? 125 : 70);
        memset(id, 'a' + (int)random_below(&random, 3), n);
        id[n] = '\0';
        cr_assert_eq(add(series, i, (uint64_t)i, id), 0);
        model.items[model.to].series = series;
        model.items[model.to].t_ms = i;
        model.items[model.to].value = (uint64_t)i;
        memcpy(model.items[model.to++].id, id, n + 1);
        exemplars_stats(&x, &s);
        model.from = model.to - s.n;
        compare_series(series);
        compare_series(model.items[model.from].series);
        if (i % 50 == 0)
            cr_assert(exemplars_check(&x));
    }
    cr_assert(s.dropped > 0);
}

/* A check that sees nothing is none. */
Test(exemplars, the_check_sees_what_is_wrong)
{
    cr_assert_eq(add(1, 1, 1, "a"), 0);
    cr_assert_eq(add(2, 1, 1, "a"), 0);
    cr_assert(exemplars_check(&x));
    x.n++;
    cr_assert_not(exemplars_check(&x));
    x.n--;
    x.n_series--;
    cr_assert_not(exemplars_check(&x));
    x.n_series++;
    x.head++;
    cr_assert_not(exemplars_check(&x));
    x.head--;
}
