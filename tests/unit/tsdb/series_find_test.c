/* Finding many series at once against finding each. */
#include "tests/support/random.h"
#include "tests/unit/alloc/test_arena.h"
#include "tsdb/series.h"
#include "tsdb/store_limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct test_arena t;
static struct slots slots;
static struct series_index x;
static struct label_index li;
static struct random random_state;

static void set_up(void)
{
    test_arena_init(&t, 256 << 20);
    slots_init(&slots, &t.arena, t.owner, t.owner);
    series_index_init(&x, t.owner, t.owner, t.owner);
    label_index_init(&li, &(struct label_index_owners){t.owner, t.owner, t.owner, t.owner});
    random_init(&random_state, random_seed());
}

static void tear_down(void)
{
    series_index_release(&t.arena, &x);
    label_index_release(&t.arena, &li);
    slots_release(&slots);
    test_arena_release(&t);
}

TestSuite(series_find, .init = set_up, .fini = tear_down);

enum { LABELS_MAX = 6, TEXT_MAX = 64 };

struct made {
    struct label items[LABELS_MAX];
    struct labels labels;
    char texts[LABELS_MAX][2][TEXT_MAX];
};

/* Set i: 1 to 6 labels; long and short names, those of some sets at other places, or in no other
 * set; values of 1 to 60 bytes. */
static const struct labels *make_labels(struct made *m, uint32_t i)
{
    uint32_t n = 1 + i % LABELS_MAX;
    for (uint32_t k = 0; k < n; k++) {
        char *name = m->texts[k][0], *value = m->texts[k][1];
        if (k == 0)
            snprintf(name, TEXT_MAX, "__name__");
        else
            snprintf(name, TEXT_MAX, "%c%s%u", (int)('a' + k),
                     i % 4 == 0 ? "_a_very_long_name_" : "", i % 97 == 0 ? i : i % 3);
        snprintf(value, TEXT_MAX, "%*u", (int)(1 + (i / 7 + k) % 60), k + 1 == n ? i : i % (k + 2));
        m->items[k] = (struct label){name, value, (uint32_t)strlen(name), (uint32_t)strlen(value)};
    }
    m->labels = (struct labels){m->items, n};
    return &m->labels;
}

static slot find(const struct labels *ls)
{
    return series_find(&t.arena, &x, &li, ls, labels_hash(ls));
}

/* Looks up n sets from number `first` on, in steps; each answer and hash is that of a lookup by
 * itself. Returns how many were there. */
static size_t compare(uint32_t first, uint32_t step, size_t n)
{
    struct made *made = calloc(n, sizeof(*made));
    struct series_wanted *wanted = calloc(n, sizeof(*wanted));
    size_t n_there = 0;
    for (size_t i = 0; i < n; i++) {
        wanted[i].labels = make_labels(&made[i], first + (uint32_t)i * step);
        wanted[i].series = 77; /* whatever it was */
    }
    series_find_many(&t.arena, &x, &li, wanted, n);
    for (size_t i = 0; i < n; i++) {
        cr_assert_eq(wanted[i].hash, labels_hash(wanted[i].labels));
        cr_assert_eq(wanted[i].series, find(wanted[i].labels), "%zu of %zu", i, n);
        n_there += wanted[i].series != 0;
    }
    free(made);
    free(wanted);
    return n_there;
}

static void add(uint32_t i)
{
    struct made m;
    const struct labels *ls = make_labels(&m, i);
    if (find(ls) == 0)
        cr_assert_neq(series_new(&slots, &x, &li, ls, labels_hash(ls)), 0);
}

Test(series_find, finds_nothing_in_an_empty_index)
{
    cr_assert_eq(compare(0, 1, 100), 0);
}

Test(series_find, finds_what_one_by_one_finds_in_groups_of_all_sizes)
{
    for (uint32_t i = 0; i < 5000; i += 2)
        add(i);
    for (size_t n = 0; n <= 140; n++)
        compare((uint32_t)n * 31, 1, n);
    cr_assert_eq(compare(0, 2, 2500), 2500);
    cr_assert_eq(compare(6001, 2, 500), 0);
}

Test(series_find, agrees_while_series_come_and_go)
{
    for (int round = 0; round < 30; round++) {
        for (int i = 0; i < 500; i++) {
            uint32_t number = (uint32_t)random_below(&random_state, 8000);
            struct made m;
            slot at = find(make_labels(&m, number));
            if (at == 0)
                add(number);
            else
                series_remove(&slots, &x, &li, at);
        }
        slots_drain(&slots);
        while (label_index_compact(&t.arena, &li, 1000) > 0)
            ;
        (void)series_index_compact(&slots, &x, 1000);
        compare((uint32_t)random_below(&random_state, 4000),
                1 + (uint32_t)random_below(&random_state, 3), 1000);
    }
    cr_assert(series_index_check(&t.arena, &x, &li));
}

/* Sets of which each is the beginning of the next one, and the one without labels. */
Test(series_find, tells_sets_of_all_lengths_apart)
{
    enum { N = LABELS_PER_SERIES_MAX };
    static struct label items[N];
    static char names[N][8];
    struct labels sets[N + 1];
    struct series_wanted wanted[N + 1];
    slot made[N + 1];
    for (uint32_t i = 0; i < N; i++) {
        snprintf(names[i], sizeof(names[i]), "n%02u", i);
        items[i] = (struct label){names[i], "v", 3, 1};
    }
    for (uint32_t n = 0; n <= N; n++) {
        sets[n] = (struct labels){items, n};
        wanted[n].labels = &sets[n];
        made[n] = series_new(&slots, &x, &li, &sets[n], labels_hash(&sets[n]));
        cr_assert_neq(made[n], 0);
        struct label_row row;
        series_row(&t.arena, &x, series_at(&t.arena, made[n])->id, &row);
        cr_assert_eq(row.n, n);
        for (uint32_t k = 0; k <= n; k++) /* also by a hash that is not theirs */
            cr_assert_eq(series_find(&t.arena, &x, &li, &sets[k], labels_hash(&sets[n])),
                         k == n ? made[n] : 0);
    }
    series_find_many(&t.arena, &x, &li, wanted, N + 1);
    for (uint32_t n = 0; n <= N; n++)
        cr_assert_eq(wanted[n].series, made[n], "%u labels", n);
    cr_assert(series_index_check(&t.arena, &x, &li));
    for (uint32_t n = 0; n <= N; n++)
        series_remove(&slots, &x, &li, made[n]);
    slots_drain(&slots);
    cr_assert_eq(x.n + li.pairs.n + li.symbols.n + kind_used_bytes(&x.records), 0);
}

/* ---- equal hashes ---- */

static const struct labels *numbered(struct made *m, uint32_t i)
{
    snprintf(m->texts[0][1], TEXT_MAX, "m%u", i);
    m->items[0] = (struct label){"__name__", m->texts[0][1], 8, (uint32_t)strlen(m->texts[0][1])};
    m->labels = (struct labels){m->items, 1};
    return &m->labels;
}

struct hashed {
    uint32_t hash, number;
};

static int hash_order(const void *a, const void *b)
{
    const struct hashed *p = a, *q = b;
    return p->hash < q->hash ? -1 : p->hash > q->hash;
}

Test(series_find, labels_decide_where_hashes_are_equal)
{
    enum { N = 400000 };
    struct hashed *all = calloc(N, sizeof(*all));
    uint32_t n_pairs = 0;
    for (uint32_t i = 0; i < N; i++) {
        struct made m;
        all[i] = (struct hashed){(uint32_t)labels_hash(numbered(&m, i)), i};
    }
    qsort(all, N, sizeof(*all), hash_order);
    for (uint32_t i = 1; i < N; i++) {
        if (all[i].hash != all[i - 1].hash)
            continue;
        struct made one, other;
        struct series_wanted wanted[2] = {{.labels = numbered(&one, all[i - 1].number)},
                                          {.labels = numbered(&other, all[i].number)}};
        slot made = series_new(&slots, &x, &li, wanted[0].labels, labels_hash(wanted[0].labels));
        series_find_many(&t.arena, &x, &li, wanted, 2);
        cr_assert(wanted[0].series == made && wanted[1].series == 0);
        slot second = series_new(&slots, &x, &li, wanted[1].labels, labels_hash(wanted[1].labels));
        series_find_many(&t.arena, &x, &li, wanted, 2);
        cr_assert(wanted[0].series == made && wanted[1].series == second);
        n_pairs++;
    }
    free(all);
    cr_assert_gt(n_pairs, 2, "400,000 numbers share some of 2^32 hashes");
}
