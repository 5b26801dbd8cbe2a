#include "tests/support/random.h"
#include "tests/unit/alloc/test_arena.h"
#include "tsdb/series.h"

#include <stdio.h>
#include <string.h>

static struct test_arena t;
static struct series_index x;
static struct label_index li;
static struct windows ws;
static struct slots sl;
static struct recent_timelines recent;
static struct recent_shared shared;

enum { WINDOW_MS = 100000 };

static void set_up(void)
{
    test_arena_init(&t, 128 << 20);
    slots_init(&sl, &t.arena, t.owner, t.owner);
    memset(&recent, 0, sizeof(recent));
    memset(&shared, 0, sizeof(shared));
    series_index_init(&x, t.owner, t.owner, t.owner);
    label_index_init(&li, &(struct label_index_owners){t.owner, t.owner, t.owner, t.owner});
    windows_init(&ws, WINDOW_MS, t.owner, t.owner);
}

static void drop_kind(struct kind *k)
{
    for (unsigned i = 0; i < KIND_POOLS; i++)
        pool_drop(&t.arena, &k->pools[i]);
}

static void tear_down(void)
{
    slots_drain(&sl);
    cr_assert(limbo_is_empty(&sl.limbo));
    cr_assert_eq(sl.n_promised, 0);
    cr_assert(series_index_check(&t.arena, &x, &li));
    for (struct window *w; ws.n_live > 0;) {
        w = window_live(&ws, 0);
        window_expire(&ws, w);
        window_free(&t.arena, &ws, w);
    }
    series_index_release(&t.arena, &x);
    label_index_release(&t.arena, &li);
    slots_release(&sl);
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
    return series_find(&t.arena, &x, series_key_of_labels(&x.hash, &ls));
}

static slot make(unsigned i)
{
    struct made_labels m;
    struct labels ls = labels_of(&m, i);
    return series_new(&sl, &x, &li, &ls, series_key_of_labels(&x.hash, &ls));
}

static uint32_t n_with(const char *name, const char *value)
{
    uint32_t p =
        pair_find(&t.arena, &li.pairs, &li.symbols, name, strlen(name), value, strlen(value));
    return p != 0 ? pair_postings(&t.arena, &li.pairs, p)->n : 0;
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
    cr_assert_eq(series_find(&t.arena, &x, series_key_of_labels(&x.hash, &whole)), made);
    cr_assert_eq(series_find(&t.arena, &x, series_key_of_labels(&x.hash, &part)), 0);
}

Test(series, removal_leaves_nothing_of_it)
{
    for (unsigned i = 0; i < 10000; i++)
        cr_assert_neq(make(i), 0);
    for (unsigned i = 0; i < 10000; i += 2)
        series_remove(&sl, &x, &li, find(i));
    cr_assert_eq(x.n, 5000);
    cr_assert_eq(n_with("parity", "even"), 0);
    cr_assert_eq(find(4), 0);
    cr_assert_eq(series_of_id(&t.arena, &x, 5), 0);
    cr_assert_neq(find(5), 0);
    cr_assert(series_index_check(&t.arena, &x, &li));

    for (unsigned i = 1; i < 10000; i += 2)
        series_remove(&sl, &x, &li, find(i));
    cr_assert_eq(x.n + li.pairs.n + li.symbols.n, 0);
    slots_drain(&sl);
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
            cr_assert_eq(series_find(&t.arena, &x, series_key_of_labels(&x.hash, &ls)), 0);
            cr_assert_eq(x.n + li.pairs.n + li.symbols.n, 0);
            cr_assert_eq(x.next_id, 1);
        }
        cr_assert(series_index_check(&t.arena, &x, &li));
        if (!is_made) { /* so that the next try needs every page again */
            drop_kind(&x.records);
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
    series_remove(&sl, &x, &li, find(1));
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
    slot made = series_new(&sl, &x, &li, &ls, series_key_of_labels(&x.hash, &ls));
    cr_assert_neq(made, 0);
    struct label_row row;
    series_row(&t.arena, &x, series_at(&t.arena, made)->id, &row);
    cr_assert_eq(row.n, 64);
    struct label last = label_index_label(&t.arena, &li, row.pairs[63]);
    cr_assert_eq(memcmp(last.name, "l63", 3), 0);
}

/* ---- chunks ---- */

static struct window *window_at(int64_t number)
{
    struct window *w = window_of_number(&ws, number);
    return w != NULL ? w : window_make(&ws, number);
}

static void drop_oldest(void)
{
    struct window *w = window_live(&ws, 0);
    window_expire(&ws, w);
    slots_drain(&sl);
    window_free(&t.arena, &ws, w);
}

struct addition {
    uint32_t time;
    uint64_t value;
};

static int add_one(void *ctx, const struct chunk_writer *w, struct chunk *chunk)
{
    const struct addition *d = ctx;
    return chunk_add(w, chunk, d->time, d->value, true);
}

static struct series_writer writer(struct times_cache *times)
{
    return (struct series_writer){
        .windows = &ws,
        .histories = &x.histories,
        .chunk = {.slots = &sl, .recent = &recent, .shared = &shared, .times = times},
        .seal_from = INT64_MIN};
}

/* A sample behind all that the series has in that window. */
static int add(struct series *s, int64_t number, uint32_t time, uint64_t value)
{
    struct times_item items[TIMES_CACHE_WRITER];
    struct times_cache times;
    struct addition d = {time, value};
    times_cache_init(&times, items, TIMES_CACHE_WRITER);
    struct series_writer sw = writer(&times);
    unsigned place = slots_enter(&sl);
    version_lock(&s->version);
    int err = series_change_chunk(&sw, s, window_at(number), add_one, &d);
    version_unlock(&s->version);
    slots_leave(&sl, place);
    slots_drain(&sl);
    return err;
}

static void drop_gone(struct series *s)
{
    struct series_writer sw = writer(NULL);
    version_lock(&s->version);
    series_drop_gone(&sw, s);
    version_unlock(&s->version);
    slots_drain(&sl);
}

static size_t read_view(const struct chunk_view *v, int64_t *t_ms, uint64_t *values)
{
    static struct times_item items[TIMES_CACHE_READER];
    struct times_cache times;
    times_cache_init(&times, items, TIMES_CACHE_READER);
    return chunk_read(&t.arena, &times, v, 0, WINDOW_MS, 0, t_ms, values);
}

enum { MODEL_WINDOWS = 16, MODEL_SAMPLES = 400 };

struct model { /* of one series: its samples by window */
    uint32_t n[MODEL_WINDOWS];
    uint64_t values[MODEL_WINDOWS][MODEL_SAMPLES];
};

static void expect_model(const struct series *s, const struct model *m)
{
    struct chunk chunks[SERIES_CHUNKS_MAX];
    int64_t t_ms[MODEL_SAMPLES], before = INT64_MAX;
    uint64_t values[MODEL_SAMPLES];
    uint32_t n = series_chunks(&t.arena, s, chunks), n_found = 0, n_expected = 0;
    for (uint32_t i = 0; i < n; i++) {
        const struct window *w = window_of_serial(&ws, chunks[i].serial);
        cr_assert(w == NULL || w->number < before, "the newest window first");
        before = w != NULL ? w->number : before;
        n_found += w != NULL;
    }
    for (uint32_t i = 0; i < ws.n_live; i++) {
        const struct window *w = window_live(&ws, i);
        struct chunk_view v, own;
        bool is_there = series_view(&t.arena, s, w->serial, &v);
        cr_assert_eq(is_there, m->n[w->number] > 0);
        cr_assert_eq(series_own_view(&t.arena, s, w->serial, &own), is_there);
        n_expected += is_there;
        if (!is_there)
            continue;
        cr_assert_eq(memcmp(&v.c, &own.c, sizeof(v.c)), 0);
        cr_assert_eq(read_view(&v, t_ms, values), m->n[w->number]);
        for (uint32_t k = 0; k < m->n[w->number]; k++)
            cr_assert(t_ms[k] == 100 * (int64_t)k && values[k] == m->values[w->number][k]);
    }
    cr_assert_eq(n_found, n_expected);
}

Test(series, has_the_samples_of_each_window_whatever_order_they_come_in)
{
    static struct model models[6];
    struct random random;
    random_init(&random, random_seed());
    memset(models, 0, sizeof(models));
    for (unsigned i = 0; i < ARRAY_LEN(models); i++)
        make(i);
    int64_t oldest = 1;
    for (int round = 0; round < 6000; round++) {
        unsigned i = (unsigned)random_below(&random, ARRAY_LEN(models));
        struct model *m = &models[i];
        struct series *s = series_at(&t.arena, find(i));
        int64_t number = oldest + (int64_t)random_below(&random, 6);
        if (number < MODEL_WINDOWS && m->n[number] < MODEL_SAMPLES) {
            uint64_t value = i < 2 ? 7 : random_below(&random, i < 4 ? 3 : UINT32_MAX);
            cr_assert_eq(add(s, number, 100 * m->n[number], value), 0);
            m->values[number][m->n[number]++] = value;
            expect_model(s, m);
        }
        if (round % 500 == 499 && ws.n_live > 1 && window_live(&ws, 0)->number == oldest) {
            drop_oldest();
            oldest++;
            for (unsigned k = 0; k < ARRAY_LEN(models); k++) {
                if (random_below(&random, 2) == 0)
                    drop_gone(series_at(&t.arena, find(k)));
                expect_model(series_at(&t.arena, find(k)), &models[k]);
            }
        }
    }
    cr_assert_gt(oldest, 5);
}

Test(series, the_history_is_only_as_long_as_it_must_be)
{
    slot made = make(1);
    struct series *s = series_at(&t.arena, made);
    cr_assert(series_is_empty(s));
    for (int64_t number = 1; number < 60; number++) {
        cr_assert_eq(add(s, number, 5, 1), 0);
        cr_assert_not(series_is_empty(s));
        if (ws.n_live > 4)
            drop_oldest();
        cr_assert_eq(s->state.n_history, size_min((size_t)number - 1, 4), "with a stale one");
    }
    while (ws.n_live > 0)
        drop_oldest();
    cr_assert_gt(kind_used_bytes(&x.histories), 0);
    cr_assert_eq(add(s, 100, 5, 1), 0);
    cr_assert_eq(s->state.n_history, 0);
    cr_assert_eq(s->state.history, 0);
    slots_drain(&sl);
    cr_assert_eq(kind_used_bytes(&x.histories), 0);
    series_remove(&sl, &x, &li, made);
}

Test(series, chunks_of_expired_windows_are_found_stale)
{
    struct series *s = series_at(&t.arena, make(1));
    struct chunk_view v;
    cr_assert_eq(add(s, 1, 5, 1), 0);
    cr_assert_eq(add(s, 2, 5, 1), 0);
    uint32_t first = window_at(1)->serial, second = window_at(2)->serial;
    drop_oldest();
    cr_assert(series_view(&t.arena, s, second, &v));
    struct window *again = window_make(&ws, 1); /* takes the same place */
    cr_assert_eq(again->serial % WINDOW_SLOTS, first % WINDOW_SLOTS);
    cr_assert_not(series_view(&t.arena, s, again->serial, &v));
    cr_assert_eq(add(s, 1, 7, 2), 0, "a late one makes the chunk anew");
    cr_assert(series_view(&t.arena, s, again->serial, &v));
    cr_assert_eq(v.c.n_samples, 1);
}

/* Heads and tails outlive their window: they go when the series moves on, or with it. */
Test(series, heads_of_expired_windows_are_given_back)
{
    slot made = make(1);
    struct series *s = series_at(&t.arena, made);
    for (uint32_t i = 0; i < 50; i++)
        cr_assert_eq(add(s, 1, i * 100, i * 7), 0);
    cr_assert_gt(sl.open.n_used, 1);
    drop_oldest();
    cr_assert_gt(sl.open.n_used, 1, "its series still points there");
    cr_assert_eq(add(s, 2, 5, 1), 0);
    cr_assert_eq(sl.open.n_used, 0);
    cr_assert_eq(sl.open_payload, 0);
    for (uint32_t i = 1; i < 50; i++)
        cr_assert_eq(add(s, 2, i * 100, i * 7), 0);
    cr_assert_gt(sl.open.n_used, 1);
    drop_oldest();
    series_remove(&sl, &x, &li, made);
    slots_drain(&sl);
    cr_assert_eq(sl.open.n_used, 0);
    cr_assert_eq(sl.open_payload, 0);
}

Test(series, removal_waits_for_those_who_look)
{
    slot made = make(1);
    struct series *s = series_at(&t.arena, made);
    for (int64_t number = 1; number < 4; number++)
        for (uint32_t i = 0; i < 40; i++)
            cr_assert_eq(add(s, number, i * 100, i * i), 0);
    unsigned place = slots_enter(&sl);
    series_remove(&sl, &x, &li, made);
    slots_drain(&sl);
    cr_assert_eq(find(1), 0, "out of the index at once");
    for (unsigned i = 2; i < 400; i++) { /* what would take its memory */
        make(i);
        cr_assert_eq(add(series_at(&t.arena, find(i)), 1, 5, 1), 0);
        cr_assert_eq(add(series_at(&t.arena, find(i)), 3, 5, 1), 0);
    }
    for (int64_t number = 1; number < 4; number++) {
        struct chunk_view v;
        int64_t t_ms[MODEL_SAMPLES];
        uint64_t values[MODEL_SAMPLES];
        cr_assert(series_view(&t.arena, s, window_at(number)->serial, &v));
        cr_assert_eq(read_view(&v, t_ms, values), 40);
        cr_assert_eq(values[39], 39 * 39);
    }
    cr_assert_not(limbo_is_empty(&sl.limbo));
    slots_leave(&sl, place);
    slots_drain(&sl);
    cr_assert(limbo_is_empty(&sl.limbo));
}

struct footprint {
    struct series_state state;
    struct chunk chunks[SERIES_CHUNKS_MAX];
    uint32_t n_chunks, n_open;
    uint64_t n_window_chunks, member;
    size_t histories, promised;
};

static struct footprint footprint_of(const struct series *s, struct window *w)
{
    struct footprint f;
    memset(&f, 0, sizeof(f));
    f.state = s->state;
    f.n_chunks = series_chunks(&t.arena, s, f.chunks);
    f.n_open = sl.open.n_used;
    f.n_window_chunks = w->n_chunks;
    f.member = window_next_member(&t.arena, w, s->id, s->id + 1);
    f.histories = kind_used_bytes(&x.histories);
    f.promised = sl.n_promised;
    return f;
}

Test(series, what_has_gone_is_dropped_or_without_memory_stays)
{
    enum { N_WINDOWS = 5, N_GONE = 3 };
    for (long nth = 0, n_failed = 0;; nth++) {
        slot made = make(1);
        struct series *s = series_at(&t.arena, made);
        t.arena.retain_pages = 0;
        for (int number = 1; number <= N_WINDOWS; number++) {
            arena_trim(&t.arena);
            budget_fail_nth(&t.budget, number == 2); /* there is no memory to seal the first */
            for (uint32_t i = 0; i < 3; i++)
                cr_assert_eq(add(s, number, i * 100, i), 0);
        }
        for (int i = 0; i < N_GONE; i++)
            drop_oldest();
        cr_assert_eq(s->state.n_history, N_WINDOWS - 1);
        struct footprint before = footprint_of(s, window_at(N_WINDOWS));
        arena_trim(&t.arena);
        budget_fail_nth(&t.budget, nth);
        drop_gone(s);
        bool has_failed = nth > 0 && atomic_load(&t.budget.fail_in) <= 0;
        budget_fail_nth(&t.budget, 0);
        struct footprint after = footprint_of(s, window_at(N_WINDOWS));
        n_failed += has_failed;
        if (has_failed) {
            cr_assert_eq(memcmp(&before, &after, sizeof(before)), 0, "failure %ld", nth);
            drop_gone(s);
            after = footprint_of(s, window_at(N_WINDOWS));
        }
        cr_assert_eq(s->state.n_history, N_WINDOWS - 1 - N_GONE);
        cr_assert_lt(after.histories, before.histories);
        cr_assert_lt(after.n_open, before.n_open);
        drop_gone(s);
        struct footprint again = footprint_of(s, window_at(N_WINDOWS));
        cr_assert_eq(memcmp(&after, &again, sizeof(after)), 0, "nothing has gone since");
        tear_down();
        set_up();
        if (nth > 0 && !has_failed) {
            cr_assert_gt(n_failed, 0);
            return;
        }
    }
}

/* A sample that needs everything: a window's table of members, a longer history, a timeline. */
static void expect_all_or_nothing(int n_before, bool has_expired)
{
    for (long nth = 1;; nth++) {
        slot made = make(1);
        struct series *s = series_at(&t.arena, made);
        for (int k = 1; k <= n_before; k++)
            for (uint32_t i = 0; i < 3; i++)
                cr_assert_eq(add(s, k, i * 100, 1), 0);
        struct window *w = window_at(n_before + 1);
        if (has_expired)
            drop_oldest();
        struct footprint before = footprint_of(s, w);
        t.arena.retain_pages = 0;
        arena_trim(&t.arena);
        budget_fail_nth(&t.budget, nth);
        int err = add(s, n_before + 1, 777, 8);
        bool has_failed = atomic_load(&t.budget.fail_in) <= 0;
        budget_fail_nth(&t.budget, 0);
        struct footprint after = footprint_of(s, w);
        cr_assert_eq(err, has_failed ? ERR_NO_MEMORY : 0, "failure %ld", nth);
        if (err != 0) {
            cr_assert_eq(memcmp(&before, &after, sizeof(before)), 0, "failure %ld", nth);
        } else {
            cr_assert_eq(after.member, s->id);
            cr_assert_eq(after.n_window_chunks, 1);
        }
        tear_down();
        set_up();
        if (!has_failed) {
            cr_assert_gt(nth, 2);
            return;
        }
    }
}

Test(series, a_chunk_that_finds_no_memory_leaves_no_trace)
{
    expect_all_or_nothing(0, false);
    expect_all_or_nothing(1, false);
    expect_all_or_nothing(2, false);
    expect_all_or_nothing(3, true);
    expect_all_or_nothing(1, true);
}

/* ---- moving ---- */

Test(series, moves_together_when_a_tenth_is_free)
{
    enum { N = 3000 };
    for (unsigned i = 0; i < N; i++) {
        struct series *s = series_at(&t.arena, make(i));
        for (int64_t number = 1; number < 4; number++)
            cr_assert_eq(add(s, number, 5, i), 0);
    }
    for (unsigned i = 0; i < N; i++)
        if (i % 3 != 0)
            series_remove(&sl, &x, &li, find(i));
    slots_drain(&sl);
    cr_assert(kind_wants_compaction(&x.records) && kind_wants_compaction(&x.histories));
    unsigned place = slots_enter(&sl);
    cr_assert_eq(series_index_compact(&sl, &x, 100), 0, "not while somebody looks for long");
    slots_leave(&sl, place);
    while (series_index_compact(&sl, &x, 100) > 0)
        cr_assert(series_index_check(&t.arena, &x, &li));
    cr_assert_not(kind_wants_compaction(&x.records) || kind_wants_compaction(&x.histories));
    for (unsigned i = 0; i < N; i += 3) {
        struct chunk_view v;
        struct series *s = series_at(&t.arena, find(i));
        cr_assert_eq(series_of_id(&t.arena, &x, i + 1), find(i));
        for (int64_t number = 1; number < 4; number++) {
            cr_assert(series_view(&t.arena, s, window_at(number)->serial, &v));
            cr_assert_eq(v.c.value, i);
        }
    }
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
    struct label_row row;
    series_row(&t.arena, &x, series_at(&t.arena, a)->id, &row);
    struct postings *p = pair_postings(&t.arena, &li.pairs, row.pairs[1]);
    p->only = 99;
    cr_assert_not(series_index_check(&t.arena, &x, &li), "postings");
    p->only = 1;
    li.symbols.n++;
    cr_assert_not(series_index_check(&t.arena, &x, &li), "symbols");
    li.symbols.n--;
}
