#include "tests/support/random.h"
#include "tests/unit/alloc/test_arena.h"
#include "tsdb/series.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Series number i has a metric name, an instance, a path of its own, and the flag of every third;
 * so there are sets of all sizes. */
enum { SERIES = 20000, METRICS = 7, PER_INSTANCE = 50, INSTANCES = SERIES / PER_INSTANCE };

static struct test_arena t;
static struct slots slots;
static struct series_index x;
static struct label_index li;
static uint32_t id_of[SERIES]; /* 0 = not there */
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
    cr_assert(series_index_check(&t.arena, &x, &li));
    series_index_release(&t.arena, &x);
    label_index_release(&t.arena, &li);
    slots_release(&slots);
    test_arena_release(&t);
}

TestSuite(label_index, .init = set_up, .fini = tear_down);

struct made {
    struct label items[4];
    char texts[3][128];
};

static struct label label(const char *name, const char *value)
{
    return (struct label){name, value, (uint32_t)strlen(name), (uint32_t)strlen(value)};
}

static struct labels labels_of(struct made *m, uint32_t i)
{
    snprintf(m->texts[0], sizeof(m->texts[0]), "metric_%u", i % METRICS);
    snprintf(m->texts[1], sizeof(m->texts[1]), "host-%u.example:9100", i / PER_INSTANCE);
    snprintf(m->texts[2], sizeof(m->texts[2]), "/%0*u", (int)(6 + i % 90), i);
    m->items[0] = label("__name__", m->texts[0]);
    m->items[1] = label("instance", m->texts[1]);
    m->items[2] = label("path", m->texts[2]);
    m->items[3] = label("third", "yes");
    return (struct labels){m->items, i % 3 == 0 ? 4 : 3};
}

static void add(uint32_t i)
{
    struct made m;
    struct labels ls = labels_of(&m, i);
    slot made = series_new(&slots, &x, &li, &ls, series_key_of_labels(&x.hash, &ls));
    cr_assert_neq(made, 0);
    id_of[i] = series_at(&t.arena, made)->id;
}

static void drop(uint32_t i)
{
    series_remove(&slots, &x, &li, series_of_id(&t.arena, &x, id_of[i]));
    slots_drain(&slots);
    id_of[i] = 0;
}

/* ---- against the model ---- */

static int id_order(const void *a, const void *b)
{
    const uint32_t *p = a, *q = b;
    return *p < *q ? -1 : *p > *q;
}

static bool has(uint32_t i, const char *name, const char *value)
{
    struct made m;
    struct labels ls = labels_of(&m, i);
    const struct label *l = labels_get(&ls, name, strlen(name));
    return id_of[i] != 0 && l != NULL && strlen(value) == l->value_len &&
           memcmp(l->value, value, l->value_len) == 0;
}

/* The postings of a label are the ids of those who have it, among series from .. to. */
static bool expect_postings(const char *name, const char *value, uint32_t from, uint32_t to)
{
    static uint32_t expected[SERIES], listed[SERIES];
    uint32_t n = 0;
    for (uint32_t i = from; i < to; i++)
        if (has(i, name, value))
            expected[n++] = id_of[i];
    qsort(expected, n, sizeof(expected[0]), id_order);
    uint32_t pair =
        pair_find(&t.arena, &li.pairs, &li.symbols, name, strlen(name), value, strlen(value));
    cr_assert_eq(pair != 0, n > 0, "%s=%s", name, value);
    if (pair == 0)
        return false;
    const struct postings *p = pair_postings(&t.arena, &li.pairs, pair);
    cr_assert_eq(p->n, n, "%s=%s", name, value);
    postings_list(&t.arena, p, listed);
    cr_assert_eq(memcmp(listed, expected, n * sizeof(listed[0])), 0, "%s=%s", name, value);
    return true;
}

static void expect_series(uint32_t i)
{
    struct made m;
    struct labels ls = labels_of(&m, i);
    slot found = series_find(&t.arena, &x, series_key_of_labels(&x.hash, &ls));
    cr_assert_eq(found != 0, id_of[i] != 0);
    if (found == 0)
        return;
    const struct series *s = series_at(&t.arena, found);
    struct label items[4];
    struct label_row row;
    series_row(&t.arena, &x, s->id, &row);
    for (uint32_t k = 0; k < row.n; k++)
        items[k] = label_index_label(&t.arena, &li, row.pairs[k]);
    struct labels kept = {items, row.n};
    cr_assert_eq(labels_compare(&ls, &kept), 0);
    cr_assert(s->id == id_of[i] && postings_contains(&t.arena, &li.all, s->id));
}

static void compare(void)
{
    uint32_t n_series = 0, n_pairs = 0;
    char text[64];
    for (uint32_t i = 0; i < SERIES; i++) {
        expect_series(i);
        n_series += id_of[i] != 0;
    }
    n_pairs = n_series; /* paths */
    n_pairs += expect_postings("third", "yes", 0, SERIES);
    for (uint32_t i = 0; i < METRICS; i++) {
        snprintf(text, sizeof(text), "metric_%u", i);
        n_pairs += expect_postings("__name__", text, 0, SERIES);
    }
    for (uint32_t i = 0; i < INSTANCES; i++) {
        snprintf(text, sizeof(text), "host-%u.example:9100", i);
        n_pairs += expect_postings("instance", text, i * PER_INSTANCE, (i + 1) * PER_INSTANCE);
    }
    cr_assert_eq(li.all.n, n_series);
    cr_assert_eq(li.pairs.n, n_pairs, "nothing else is left");
    cr_assert(series_index_check(&t.arena, &x, &li));
}

/* ---- compaction ---- */

/* A tenth of the bytes at most are free slots, or no pool has a page's worth of them. */
static bool is_compact(const struct kind *k)
{
    size_t free_bytes = 0;
    bool has_page = false;
    for (unsigned i = 0; i < k->n_pools; i++) {
        const struct pool *p = &k->pools[i];
        free_bytes += pool_free_slots(p) * p->slot_bytes;
        has_page = has_page || pool_free_slots(p) >= p->slots_per_page;
    }
    return !has_page || free_bytes * 10 <= kind_pages(k) * ARENA_PAGE_BYTES;
}

static void expect_compact(void)
{
    cr_assert(is_compact(&li.symbols.records));
    cr_assert(is_compact(&li.pairs.texts.slots));
    cr_assert(is_compact(&li.pairs.postings));
    cr_assert(is_compact(&li.pairs.names.records));
}

/* Slice by slice; returns how many records moved. */
static size_t compact_all(size_t max)
{
    size_t n = 0, held = test_arena_held(&t);
    for (size_t moved; (moved = label_index_compact(&t.arena, &li, max)) > 0; n += moved) {
        cr_assert_leq(moved, max);
        cr_assert_leq(test_arena_held(&t), held, "it takes no memory");
        held = test_arena_held(&t);
        if (n / 500 != (n + moved) / 500 || max > 500)
            cr_assert(label_index_check(&t.arena, &li));
        for (int i = 0; i < 20; i++)
            expect_series((uint32_t)random_below(&random_state, SERIES));
    }
    return n;
}

/* Bundles of pairs that lose some of them get smaller by themselves; here whole ones go, and leave
 * free slots all over. */
static void drop_most(void)
{
    bool goes = false;
    for (uint32_t i = 0; i < SERIES; i++) {
        if (i % 100 == 0)
            goes = random_below(&random_state, 100) < 80;
        if (goes)
            drop(i);
    }
}

Test(label_index, compaction_returns_pages_and_changes_nothing_else)
{
    for (uint32_t i = 0; i < SERIES; i++)
        add(i);
    drop_most();
    cr_assert_not(is_compact(&li.pairs.texts.slots));
    cr_assert_gt(compact_all(64), 50);
    expect_compact();
    compare();
    cr_assert_eq(label_index_compact(&t.arena, &li, 1), 0);
}

Test(label_index, agrees_with_a_model_at_random)
{
    for (int round = 0; round < 12; round++) {
        uint64_t share = round % 2 == 0 ? 95 : 1 + random_below(&random_state, 40);
        uint64_t from = random_below(&random_state, SERIES / 2);
        for (uint64_t i = from; i < SERIES; i++) { /* some of a stretch, each with its chance */
            bool wants_it = random_below(&random_state, 100) < share;
            if (wants_it && id_of[i] == 0)
                add((uint32_t)i);
            else if (!wants_it && id_of[i] != 0)
                drop((uint32_t)i);
            if (i % 1000 == 0 && round % 3 == 0) /* between requests */
                (void)label_index_compact(&t.arena, &li, 1 + random_below(&random_state, 100));
        }
        (void)compact_all(1 + random_below(&random_state, 2000));
        expect_compact();
        compare();
    }
    for (uint32_t i = 0; i < SERIES; i++)
        if (id_of[i] != 0)
            drop(i);
    compare();
    cr_assert_eq(li.symbols.n + li.pairs.n + li.pairs.names.n, 0);
    struct label_index_bytes left = label_index_free_bytes(&li);
    cr_assert_eq(left.symbols + left.pairs + left.postings, 0);
}

Test(label_index, compaction_needs_no_memory)
{
    for (uint32_t i = 0; i < SERIES; i++)
        add(i);
    drop_most();
    t.arena.retain_pages = 0;
    arena_trim(&t.arena);
    t.budget.limit_bytes = 0;
    cr_assert_gt(compact_all(300), 0);
    t.budget.limit_bytes = 256 << 20;
    expect_compact();
    compare();
}

Test(label_index, without_memory_nothing_changes_whichever_page_is_missing)
{
    for (uint32_t i = 1; i < 3000; i++)
        add(i);
    for (uint32_t i = 1; i < 3000; i++)
        if (i % 5 != 0)
            drop(i);
    (void)compact_all(SIZE_MAX);
    t.arena.retain_pages = 0;
    uint32_t n_made = 0;
    for (uint32_t i = SERIES - 1; n_made < 60; i -= 101) {
        for (long nth = 1; id_of[i] == 0; nth++) {
            struct made m;
            struct labels ls = labels_of(&m, i);
            budget_fail_nth(&t.budget, nth);
            slot made = series_new(&slots, &x, &li, &ls, series_key_of_labels(&x.hash, &ls));
            budget_fail_nth(&t.budget, 0);
            if (made != 0)
                id_of[i] = series_at(&t.arena, made)->id;
            cr_assert(label_index_check(&t.arena, &li));
        }
        n_made++;
    }
    compare();
}

Test(label_index, check_sees_damage)
{
    for (uint32_t i = 0; i < 10; i++)
        add(i);
    cr_assert(label_index_check(&t.arena, &li));
    li.symbols.n++;
    cr_assert_not(label_index_check(&t.arena, &li), "symbols");
    li.symbols.n--;
    li.pairs.n++;
    cr_assert_not(label_index_check(&t.arena, &li), "pairs");
    li.pairs.n--;
    li.all.n++;
    cr_assert_not(label_index_check(&t.arena, &li), "the set of all");
    li.all.n--;
    const slot *row = slot_ptr(&t.arena, li.all.row);
    ++*(uint32_t *)(uintptr_t)row;
    cr_assert_not(label_index_check(&t.arena, &li), "its owner");
    --*(uint32_t *)(uintptr_t)row;
}
