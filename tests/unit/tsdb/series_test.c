#include "tests/support/random.h"
#include "tests/unit/alloc/test_arena.h"
#include "tsdb/series.h"

#include <stdio.h>
#include <string.h>

static struct test_arena t;
static struct series_index x;
static struct label_index li;
static struct windows ws;

static void set_up(void)
{
    test_arena_init(&t, 128 << 20);
    series_index_init(&x, t.owner, t.owner);
    label_index_init(&li, &(struct label_index_owners){t.owner, t.owner, t.owner, t.owner});
    windows_init(&ws, t.owner);
}

static void drop_kind(struct kind *k)
{
    for (unsigned i = 0; i < KIND_POOLS; i++)
        pool_drop(&t.arena, &k->pools[i]);
}

static void tear_down(void)
{
    cr_assert(series_index_check(&t.arena, &x, &li));
    for (struct window *w; ws.n_live > 0;) {
        w = window_live(&ws, 0);
        window_expire(&ws, w);
        window_free(&t.arena, &ws, w);
    }
    hash_release(&t.arena, &x.by_labels);
    table_release(&t.arena, &x.by_id);
    table_release(&t.arena, &x.live);
    drop_kind(&x.records);
    label_index_release(&t.arena, &li);
    test_arena_release(&t);
}

TestSuite(series, .init = set_up, .fini = tear_down);

struct made_labels {
    struct label items[3];
    char instance[16];
};

static struct labels labels_of(struct made_labels *m, unsigned i)
{
    snprintf(m->instance, sizeof(m->instance), "i%u", i);
    m->items[0] = (struct label){"__name__", "up", 8, 2};
    m->items[1] = (struct label){"instance", m->instance, 8, (uint32_t)strlen(m->instance)};
    m->items[2] = (struct label){"parity", i % 2 != 0 ? "odd" : "even", 6, i % 2 != 0 ? 3 : 4};
    return (struct labels){m->items, 3};
}

static slot find(unsigned i)
{
    struct made_labels m;
    struct labels ls = labels_of(&m, i);
    return series_find(&t.arena, &x, &li, &ls, labels_hash(&ls));
}

static slot make(unsigned i)
{
    struct made_labels m;
    struct labels ls = labels_of(&m, i);
    return series_new(&t.arena, &x, &li, &ls, labels_hash(&ls));
}

static uint32_t n_with(const char *name, const char *value)
{
    uint32_t p =
        pair_find(&t.arena, &li.pairs, &li.symbols, name, strlen(name), value, strlen(value));
    return p != 0 ? pair_at(&t.arena, &li.pairs, p)->postings.n : 0;
}

Test(series, is_found_by_labels_id_and_postings)
{
    for (unsigned i = 0; i < 3000; i++) {
        slot made = make(i);
        cr_assert_neq(made, 0);
        cr_assert_eq(series_at(&t.arena, made)->id, i + 1, "ids ascend from 1");
    }
    for (unsigned i = 0; i < 3000; i++) {
        cr_assert_neq(find(i), 0);
        cr_assert_eq(series_of_id(&t.arena, &x, i + 1), find(i));
    }
    cr_assert_eq(find(3000), 0);
    cr_assert_eq(series_of_id(&t.arena, &x, 3001), 0);
    cr_assert_eq(series_of_id(&t.arena, &x, 0), 0);
    cr_assert_eq(n_with("__name__", "up"), 3000);
    cr_assert_eq(n_with("parity", "odd"), 1500);
    cr_assert_eq(n_with("instance", "i77"), 1);
    cr_assert_eq(li.all.n, 3000);
    cr_assert(series_index_check(&t.arena, &x, &li));
}

Test(series, a_prefix_of_its_labels_is_another)
{
    struct made_labels m;
    struct labels whole = labels_of(&m, 1), part = {m.items, 2};
    slot made = make(1);
    cr_assert_eq(series_find(&t.arena, &x, &li, &whole, labels_hash(&whole)), made);
    cr_assert_eq(series_find(&t.arena, &x, &li, &part, labels_hash(&part)), 0);
    cr_assert_eq(series_find(&t.arena, &x, &li, &part, labels_hash(&whole)), 0,
                 "the labels decide");
}

Test(series, removal_leaves_nothing_of_it)
{
    for (unsigned i = 0; i < 10000; i++)
        cr_assert_neq(make(i), 0);
    for (unsigned i = 0; i < 10000; i += 2)
        series_remove(&t.arena, &x, &li, find(i));
    cr_assert_eq(x.n, 5000);
    cr_assert_eq(n_with("parity", "even"), 0);
    cr_assert_eq(find(4), 0);
    cr_assert_eq(series_of_id(&t.arena, &x, 5), 0);
    cr_assert_neq(find(5), 0);
    cr_assert(series_index_check(&t.arena, &x, &li));

    for (unsigned i = 1; i < 10000; i += 2)
        series_remove(&t.arena, &x, &li, find(i));
    cr_assert_eq(x.n + li.pairs.n + li.symbols.n, 0);
    cr_assert_eq(kind_used_bytes(&x.records), 0);
    cr_assert_eq(kind_used_bytes(&li.pairs.postings), 0);
    cr_assert_eq(x.by_id.n_pages, 0, "leaves without series return");
    cr_assert_eq(series_at(&t.arena, make(1))->id, 10001, "an id never comes back");
}

Test(series, without_memory_nothing_changes)
{
    struct made_labels m;
    bool is_made = false;
    for (long nth = 1; !is_made; nth++) {
        cr_assert_lt(nth, 100);
        budget_fail_nth(&t.budget, nth);
        is_made = make(7) != 0;
        budget_fail_nth(&t.budget, 0);
        if (!is_made) {
            struct labels ls = labels_of(&m, 7);
            cr_assert_eq(series_find(&t.arena, &x, &li, &ls, labels_hash(&ls)), 0);
            cr_assert_eq(x.n + li.pairs.n + li.symbols.n, 0);
            cr_assert_eq(x.next_id, 1);
        }
        cr_assert(series_index_check(&t.arena, &x, &li));
        if (!is_made) { /* so that the next try needs every page again */
            drop_kind(&x.records);
            table_release(&t.arena, &x.live);
            arena_trim(&t.arena);
        }
    }
    cr_assert_neq(find(7), 0);
}

Test(series, ids_end_where_postings_do)
{
    x.next_id = POSTINGS_ID_MAX;
    cr_assert_eq(series_at(&t.arena, make(1))->id, POSTINGS_ID_MAX);
    cr_assert_eq(make(2), 0);
    cr_assert_eq(find(2), 0);
    series_remove(&t.arena, &x, &li, find(1));
    x.next_id = 1; /* the check walks all ids */
}

Test(series, takes_64_labels)
{
    struct label items[LABELS_PER_SERIES_MAX];
    char names[LABELS_PER_SERIES_MAX][8];
    for (int i = 0; i < LABELS_PER_SERIES_MAX; i++) {
        snprintf(names[i], sizeof(names[i]), "l%02d", i);
        items[i] = (struct label){names[i], "v", 3, 1};
    }
    struct labels ls = {items, LABELS_PER_SERIES_MAX};
    slot made = series_new(&t.arena, &x, &li, &ls, labels_hash(&ls));
    cr_assert_neq(made, 0);
    struct label last = series_label(&t.arena, &li, series_at(&t.arena, made), 63);
    cr_assert_eq(memcmp(last.name, "l63", 3), 0);
}

/* ---- the chain of chunks ---- */

static slot link_chunk(struct series *s, int64_t number)
{
    struct window *w = window_of_number(&ws, number);
    if (w == NULL)
        w = window_make(&ws, number);
    slot c = chunk_new(&t.arena, w, s->id, 0);
    series_link_chunk(&t.arena, &ws, s, c, w);
    return c;
}

Test(series, finds_its_chunks_whatever_order_they_came_in)
{
    static const int64_t numbers[] = {5, 3, 9, 4, 1, 7};
    struct random random;
    random_init(&random, random_seed());
    for (int round = 0; round < 50; round++) {
        struct series *s = series_at(&t.arena, make((unsigned)round));
        slot chunks[10] = {0};
        for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
            size_t k = (i + (size_t)round) % ARRAY_LEN(numbers);
            chunks[numbers[k]] = link_chunk(s, numbers[k]);
        }
        struct window *w;
        int64_t before = INT64_MAX;
        for (slot c = series_newest_chunk(&ws, s, &w); c != 0;
             c = chunk_before(&t.arena, &ws, c, &w)) {
            cr_assert_lt(w->number, before);
            cr_assert_eq(chunks[w->number], c);
            before = w->number;
        }
        cr_assert_eq(before, 1);
        for (int64_t number = 0; number < 10; number++) {
            struct window *at = window_of_number(&ws, number);
            if (at != NULL)
                cr_assert_eq(series_chunk(&t.arena, &ws, s, at), chunks[number]);
        }
    }
}

Test(series, chunks_of_expired_windows_are_found_stale)
{
    struct series *s = series_at(&t.arena, make(1));
    link_chunk(s, 1);
    slot second = link_chunk(s, 2);
    struct window *old = window_of_number(&ws, 1), *w;
    window_expire(&ws, old);
    window_free(&t.arena, &ws, old);
    cr_assert_eq(series_newest_chunk(&ws, s, &w), second);
    cr_assert_eq(chunk_before(&t.arena, &ws, second, &w), 0);
    window_make(&ws, 1); /* takes the same place */
    cr_assert_eq(chunk_before(&t.arena, &ws, second, &w), 0);
}

Test(series, check_sees_damage)
{
    slot a = make(1);
    make(2);
    cr_assert(series_index_check(&t.arena, &x, &li));
    x.n++;
    cr_assert_not(series_index_check(&t.arena, &x, &li), "count");
    x.n--;
    series_at(&t.arena, a)->id = 2;
    cr_assert_not(series_index_check(&t.arena, &x, &li), "id");
    series_at(&t.arena, a)->id = 1;
    struct postings *p = &pair_at(&t.arena, &li.pairs, series_at(&t.arena, a)->pairs[1])->postings;
    p->few[0] = 99;
    cr_assert_not(series_index_check(&t.arena, &x, &li), "postings");
    p->few[0] = 1;
    li.symbols.n++;
    cr_assert_not(series_index_check(&t.arena, &x, &li), "symbols");
    li.symbols.n--;
}
