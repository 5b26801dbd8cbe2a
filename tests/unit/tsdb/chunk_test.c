/* Chunks whose samples come in order. Late ones: chunk_late_test.c. */
#include "tests/unit/tsdb/test_model.h"
#include "tests/unit/tsdb/test_window_suite.h"

#include <pthread.h>

TestSuite(chunk, .init = test_window_set_up, .fini = test_window_tear_down);

static struct test_model m;

static uint64_t below(uint64_t n)
{
    return random_below(&random_state, n);
}

static void add(uint32_t time, uint64_t value)
{
    test_model_add(&x, &m, time, value);
}

static void expect_whole(void)
{
    test_model_whole(&x, &m);
    test_models_footprint(&x, &m, 1);
    test_model_spot(&x, &m, &random_state);
}

static void add_column(enum test_column kind, uint32_t step, uint32_t n)
{
    uint32_t time = m.n > 0 ? m.times[m.n - 1] : 0;
    for (uint32_t i = 0; i < n; i++)
        add(time += step, test_value(&random_state, kind, m.n));
}

/* ---- forms ---- */

Test(chunk, a_constant_takes_no_slot)
{
    test_model_init(&m, 0);
    for (uint32_t i = 0; i < 5000; i++) {
        add(i * 15000, test_bits(42.5));
        if (i % 100 == 0)
            expect_whole();
    }
    cr_assert_eq(m.c.kind, CHUNK_CONSTANT);
    cr_assert_eq(x.slots.open.n_used, 0);
    struct chunk_view v = test_view(&x, &m.c);
    struct chunk_footprint own = {0}, nothing = {0};
    chunk_add_footprint(&x.t.arena, &v, &own);
    test_same_footprint(&own, &nothing, "a constant");
}

Test(chunk, a_constant_that_ends_in_one_stale_marker_is_one)
{
    test_model_init(&m, 0);
    add_column(COLUMN_CONSTANT, 1000, 50);
    add(51000, STALE_BITS);
    cr_assert_eq(m.c.kind, CHUNK_CONSTANT);
    cr_assert_eq(m.c.is_stale, 1);
    expect_whole();
    add(52000, STALE_BITS);
    cr_assert_eq(m.c.kind, CHUNK_HEAD);
    expect_whole();

    for (uint32_t n = 1; n < 200; n++) { /* it came back */
        test_model_init(&m, n);
        for (uint32_t i = 0; i < n; i++)
            add(1 + i * 1000, test_bits(1));
        add(1 + n * 1000, STALE_BITS);
        cr_assert_eq(m.c.kind, CHUNK_CONSTANT);
        test_model_whole(&x, &m);
        test_model_spot(&x, &m, &random_state);
        add(1 + (n + 1) * 1000, test_bits(n % 2 == 0 ? 1 : 2));
        cr_assert_eq(m.c.kind, CHUNK_HEAD);
        test_model_whole(&x, &m);
        add_column(COLUMN_COUNTER, 1000, 150);
        test_model_whole(&x, &m);
    }
}

Test(chunk, one_stale_marker_alone_and_many)
{
    test_model_init(&m, 0);
    for (uint32_t i = 0; i < 300; i++)
        add(i * 1000, STALE_BITS);
    cr_assert_eq(m.c.kind, CHUNK_CONSTANT);
    cr_assert_eq(m.c.is_stale, 0);
    add(300000, 5);
    expect_whole();
}

Test(chunk, a_run_of_any_length_before_a_change)
{
    static const uint32_t lengths[] = {1, 2, 31, 32, 33, 62, 63, 64, 65, 66, 127, 128, 129, 1000};
    for (size_t i = 0; i < ARRAY_LEN(lengths); i++)
        for (size_t k = 0; k < ARRAY_LEN(lengths); k++) {
            test_model_init(&m, (uint32_t)(i * k));
            uint32_t time = 0;
            for (uint32_t j = 0; j < lengths[i]; j++)
                add(time += 1000, test_bits(1));
            for (uint32_t j = 0; j < lengths[k]; j++)
                add(time += 1000, test_bits(2));
            for (uint32_t j = 0; j < lengths[i]; j++)
                add(time += 1000, test_bits(3.5));
            test_model_whole(&x, &m);
            test_model_spot(&x, &m, &random_state);
            test_model_seal(&x, &m);
            test_model_whole(&x, &m);
            test_model_spot(&x, &m, &random_state);
        }
}

Test(chunk, every_kind_of_column)
{
    for (int kind = 0; kind < COLUMN_KINDS; kind++) {
        test_model_init(&m, (uint32_t)random_next(&random_state));
        add_column((enum test_column)kind, 15000, 3000);
        test_model_whole(&x, &m);
        for (int i = 0; i < 100; i++)
            test_model_spot(&x, &m, &random_state);
        test_window_renew(&x);
    }
}

Test(chunk, is_right_after_each_sample)
{
    static const enum test_column kinds[] = {COLUMN_ODD, COLUMN_MOSTLY_SAME, COLUMN_COUNTER};
    for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
        test_model_init(&m, (uint32_t)random_next(&random_state));
        for (uint32_t i = 0; i < 1500; i++) {
            add(i * 1000 + 3, test_value(&random_state, kinds[k], i));
            expect_whole();
        }
        test_window_renew(&x);
    }
}

Test(chunk, the_first_tail_ends_after_65_to_128_samples)
{
    for (uint32_t phase = 0; phase < 130; phase++) {
        uint32_t n = 0;
        test_model_init(&m, phase);
        for (bool has_block = false; !has_block; n++) {
            add(n * 1000, test_value(&random_state, COLUMN_COUNTER, n));
            struct chunk_view v = test_view(&x, &m.c);
            has_block = m.c.kind == CHUNK_HEAD && v.head.last.n_blocks > 0;
        }
        cr_assert_eq(n, 65 + phase % 64);
        add_column(COLUMN_COUNTER, 1000, 127);
        cr_assert_eq(test_view(&x, &m.c).head.tail.n_samples, 127);
        add_column(COLUMN_COUNTER, 1000, 1);
        cr_assert_eq(test_view(&x, &m.c).head.tail.n_samples, 0, "later ones after 128");
    }
}

/* ---- times ---- */

Test(chunk, series_of_a_scrape_share_their_times)
{
    enum { SERIES = 30, SCRAPES = 1000 };
    static struct test_model several[SERIES];
    for (uint32_t i = 0; i < SERIES; i++)
        test_model_init(&several[i], i * 7);
    for (uint32_t k = 0; k < SCRAPES; k++)
        for (uint32_t i = 0; i < SERIES; i++)
            test_model_add(&x, &several[i], k * 15000 + k % 5,
                           test_value(&random_state, (enum test_column)(i % COLUMN_KINDS), k));
    cr_assert_eq(x.w->n_timelines, 1);
    for (uint32_t i = 0; i < SERIES; i++)
        test_model_whole(&x, &several[i]);
    test_models_footprint(&x, several, SERIES);
}

Test(chunk, a_series_that_misses_scrapes_goes_on_in_the_same_timeline)
{
    static struct test_model several[2];
    test_model_init(&several[0], 0);
    test_model_init(&several[1], 1);
    for (uint32_t k = 0; k < 2000; k++) {
        test_model_add(&x, &several[0], k * 15000, test_value(&random_state, COLUMN_COUNTER, k));
        if (k % 400 < 200)
            test_model_add(&x, &several[1], k * 15000, test_value(&random_state, COLUMN_GAUGE, k));
    }
    cr_assert_eq(x.w->n_timelines, 1);
    for (uint32_t i = 0; i < 2; i++)
        test_model_whole(&x, &several[i]);
    test_models_footprint(&x, several, 2);
}

Test(chunk, a_series_that_comes_as_it_likes_does_not_lead_others_astray)
{
    enum { SERIES = 5 };
    static struct test_model several[SERIES];
    for (uint32_t i = 0; i < SERIES; i++)
        test_model_init(&several[i], i * 13);
    uint32_t now[SERIES] = {0};
    for (uint32_t k = 0; k < 3000; k++)
        for (uint32_t i = 0; i < SERIES; i++) {
            uint32_t time = i < 2 ? k * 15000 : (now[i] += 1 + (uint32_t)below(30000));
            test_model_add(&x, &several[i], time, test_value(&random_state, COLUMN_GAUGE, k));
        }
    for (uint32_t i = 0; i < SERIES; i++)
        test_model_whole(&x, &several[i]);
    test_models_footprint(&x, several, SERIES);
    cr_assert_lt(x.w->n_timelines, 60);
}

Test(chunk, times_of_every_kind)
{
    for (int kind = 0; kind < 6; kind++) {
        uint32_t time = 0;
        test_model_init(&m, (uint32_t)random_next(&random_state));
        for (uint32_t i = 0; i < 2500; i++) {
            static const uint32_t steps[] = {1, 15000, 1000, 1000, 1, 100};
            time += steps[kind];
            if (kind == 2)
                time += (uint32_t)below(20); /* jitter */
            if (kind == 3 && i % 90 == 40)
                time += 77777; /* gaps */
            if (kind == 4)
                time += (uint32_t)below(100000); /* as it likes */
            if (kind == 5 && below(20) == 0)
                time += (uint32_t)below(150); /* falls out of its step */
            add(time, test_value(&random_state, COLUMN_MOSTLY_SAME, i));
            if (i % 50 == 0)
                expect_whole();
        }
        expect_whole();
        test_model_seal(&x, &m);
        expect_whole();
        test_window_renew(&x);
    }
}

Test(chunk, times_up_to_the_last_of_the_longest_window)
{
    test_model_init(&m, 0);
    add(0, 1);
    add(UINT32_MAX - 1, 2);
    add(UINT32_MAX, 3);
    expect_whole();
    test_model_seal(&x, &m);
    expect_whole();
}

/* ---- sealing ---- */

Test(chunk, sealing_gives_the_head_back_at_any_length)
{
    for (uint32_t n = 1; n < 300; n++) {
        test_model_init(&m, n);
        add_column(n % 2 == 0 ? COLUMN_COUNTER : COLUMN_MOSTLY_SAME, 1000, n);
        test_model_seal(&x, &m);
        cr_assert_neq(m.c.kind, CHUNK_HEAD);
        test_model_whole(&x, &m);
        test_model_spot(&x, &m, &random_state);
        test_model_seal(&x, &m); /* twice is once */
        m.is_open = n % 3 == 0;
        add_column(COLUMN_COUNTER, 1000, 1 + n % 5);
        test_model_whole(&x, &m);
        test_model_spot(&x, &m, &random_state);
    }
    slots_drain(&x.slots);
}

/* What a chunk has in the pool `open` while it is sealed would keep a page there for a window. */
Test(chunk, one_that_is_long_keeps_its_directory_alone)
{
    for (uint32_t n = 1300; n < 3300; n += 77) {
        test_model_init(&m, n);
        m.is_open = true;
        add_column(COLUMN_COUNTER, 1000, n);
        cr_assert_gt(test_view(&x, &m.c).head.sheaves.n, 0);
        test_model_seal(&x, &m);
        cr_assert_eq(m.c.kind, CHUNK_ROW);
        slots_drain(&x.slots);
        cr_assert_eq(x.slots.open.n_used, 0);
        cr_assert_eq(x.slots.open_payload, 0);
        test_model_whole(&x, &m);
        test_model_spot(&x, &m, &random_state);
        test_model_seal(&x, &m); /* twice is once */
        m.is_open = n % 2 == 0;
        add_column(COLUMN_COUNTER, 1000, n % 300);
        test_model_whole(&x, &m);
        test_model_seal(&x, &m);
        cr_assert_eq(m.c.kind, CHUNK_ROW);
        test_model_whole(&x, &m);
    }
    slots_drain(&x.slots);
    cr_assert_eq(x.slots.open.n_used, 0);
}

static int count_block(void *ctx, enum chunk_part part, const struct block *b)
{
    (void)part;
    (void)b;
    ++*(uint32_t *)ctx;
    return 0;
}

Test(chunk, samples_in_order_after_sealing)
{
    uint32_t n_blocks = 0;
    const struct chunk_visitor visitor = {.block = count_block, .ctx = &n_blocks};
    test_model_init(&m, 5);
    m.is_open = false;
    for (uint32_t i = 0; i < 1200; i++) {
        add(i * 1000, test_value(&random_state, COLUMN_MOSTLY_SAME, i));
        cr_assert(m.c.kind != CHUNK_HEAD || test_view(&x, &m.c).head.tail.n_samples == 0);
        if (i % 10 == 0)
            expect_whole();
    }
    expect_whole();
    struct chunk_view v = test_view(&x, &m.c);
    cr_assert_eq(chunk_visit(&x.t.arena, &v, 0, &visitor), 0);
    cr_assert_leq(n_blocks, 1200 / (BLOCK_SAMPLES_MAX / 2) + 1, "they fill the last block");
}

/* ---- ranges ---- */

Test(chunk, reads_ranges_with_both_ends)
{
    test_model_init(&m, 7);
    add_column(COLUMN_COUNTER, 1000, 2500);
    for (uint32_t i = 0; i < m.n; i += 7) {
        uint32_t at = m.times[i];
        test_model_range(&x, &m, at, at);
        test_model_range(&x, &m, at + 1, at);
        test_model_range(&x, &m, at - 1, at + 1);
        test_model_range(&x, &m, at + 1, at + 130000);
    }
    test_model_range(&x, &m, 0, m.times[0] - 1);
    test_model_range(&x, &m, m.times[m.n - 1] + 1, UINT32_MAX);
}

Test(chunk, reads_from_the_begin_of_a_sheaf_to_that_of_another)
{
    test_model_init(&m, 7);
    add_column(COLUMN_COUNTER, 1000, 6000);
    test_model_seal(&x, &m); /* no tail that chunk_room could count besides */
    const struct chunk_head h = test_view(&x, &m.c).head;
    uint32_t firsts[10], n = 0;
    for (; n < h.sheaves.n; n++)
        firsts[n] =
            ((const struct sheaf *)row_at(&x.t.arena, &h.sheaves, sizeof(h.last), n))->first_time;
    firsts[n++] = h.last.first_time;
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t k = i; k < n; k++) {
            test_model_range(&x, &m, firsts[i], firsts[k]);
            test_model_range(&x, &m, firsts[i] - 1, firsts[k] - 1);
            test_model_range(&x, &m, firsts[i] + 1, firsts[k] + 1);
        }
}

Test(chunk, one_that_is_not_there_has_nothing)
{
    struct chunk_view v = {0};
    struct chunk_footprint own = {0}, nothing = {0};
    uint64_t value;
    cr_assert_eq(chunk_room(&x.t.arena, &v, 0, UINT32_MAX), 0);
    cr_assert_not(chunk_find(&x.t.arena, &x.times, &v, 0, &value));
    chunk_add_footprint(&x.t.arena, &v, &own);
    test_same_footprint(&own, &nothing, "no chunk");
    cr_assert_not(chunk_check(&x.t.arena, &x.times, &v));
}

/* ---- length ---- */

/* A sample each millisecond: slots in use grow with the samples, at the end as at the start, and
 * late ones find their place. SAMPLES=14000000 is a whole window. */
Test(chunk, grows_evenly_however_long_it_is)
{
    enum { STEPS = 5 };
    const uint32_t n = (uint32_t)random_setting("SAMPLES", 300000), step = n / STEPS;
    struct chunk c = {0};
    struct chunk_writer w = test_writer(&x, &m);
    uint64_t bytes[STEPS + 1] = {0};
    w.is_open = true;
    for (uint32_t i = 0; i < n; i++) {
        uint64_t value = test_value(&random_state, COLUMN_GAUGE, i);
        if (i % 1000 == 500) /* leave room for a late one */
            continue;
        cr_assert_eq(chunk_add(&w, &c, i, value, true), 0);
        if (i % 4096 == 0)
            slots_drain(&x.slots);
        if ((i + 1) % step != 0)
            continue;
        struct chunk_footprint f = test_window_used(&x, x.w);
        for (unsigned s = 0; s < SIZE_CLASSES; s++)
            bytes[(i + 1) / step] += f.slots[s] * size_class_bytes(s + 1);
    }
    uint64_t first = bytes[1], last = bytes[STEPS] - bytes[STEPS - 1];
    cr_assert_lt(last, first + first / 10);
    cr_assert_gt(last, first - first / 10);
    for (uint32_t at = 500; at < n; at += n / 100 / 1000 * 1000)
        cr_assert_eq(chunk_add(&w, &c, at, 5, false), 0);
    struct chunk_view v = test_view(&x, &c);
    cr_assert(chunk_check(&x.t.arena, &x.times, &v));
    int64_t t_ms[3];
    uint64_t values[3];
    for (uint32_t at = 501; at + 3 < n; at += n / 300 / 1000 * 1000) {
        cr_assert_eq(chunk_read(&x.t.arena, &x.times, &v, at, at + 2, 0, t_ms, values), 3);
        cr_assert_eq(t_ms[2], at + 2);
        cr_assert_leq(chunk_room(&x.t.arena, &v, at, at + 2), 3 * SHEAF_BLOCKS * BLOCK_SAMPLES_MAX);
    }
    slots_drain(&x.slots);
}

/* ---- the check ---- */

static void expect_bad(struct chunk_view v, const char *what)
{
    cr_assert_not(chunk_check(&x.t.arena, &x.times, &v), "%s", what);
}

Test(chunk, check_sees_damage)
{
    test_model_init(&m, 0);
    add_column(COLUMN_COUNTER, 1000, 3000);
    const struct chunk_view good = test_view(&x, &m.c);
    cr_assert(chunk_check(&x.t.arena, &x.times, &good));
    struct chunk_view v = good;
    v.c.n_samples++;
    expect_bad(v, "the count");
    v = good;
    v.head.sheaves.n--;
    expect_bad(v, "a sheaf less");
    v = good;
    v.head.last.start.place += 10;
    expect_bad(v, "times that it does not have");
    v = good;
    v.head.last.start.place -= 10;
    expect_bad(v, "times that do not ascend");
    v = good;
    v.head.last.first_time++;
    expect_bad(v, "where a sheaf begins");
    v = good;
    v.head.last.n_samples--;
    expect_bad(v, "how many samples a sheaf has");
    v = good;
    v.head.last.n_blocks++;
    expect_bad(v, "how many blocks a sheaf has");
    v = good;
    v.head.tail.first++;
    expect_bad(v, "a tail that goes beyond its timeline");
    struct sheaf *s = (struct sheaf *)row_at(&x.t.arena, &good.head.sheaves, sizeof(*s), 1);
    s->first_time--;
    expect_bad(good, "where a sheaf of the directory begins");
    s->first_time++;
    s->n_samples++;
    expect_bad(good, "how many samples a sheaf of the directory has");
    s->n_samples--;
    cr_assert(chunk_check(&x.t.arena, &x.times, &good));
}

/* ---- a reader beside its writer ---- */

enum { SHARED_SAMPLES = 60000 };

static struct {
    _Atomic uint32_t version;
    struct chunk c;
} shared;

static uint64_t shared_value(uint32_t i)
{
    return i / 300 % 3 == 0 ? test_bits(7) : test_bits((double)(i * 17 % 1000));
}

static void load_view(struct chunk_view *ret)
{
    uint32_t begun;
    do {
        begun = version_begin(&shared.version);
        words_load(&ret->c, &shared.c, sizeof(ret->c));
        if (!version_is(&shared.version, begun))
            continue;
        chunk_view_head(&x.t.arena, ret);
    } while (!version_is(&shared.version, begun));
}

static void *read_shared(void *arg)
{
    static _Thread_local int64_t t_ms[SHARED_SAMPLES];
    static _Thread_local uint64_t values[SHARED_SAMPLES];
    struct times_item items[4];
    struct times_cache cache;
    (void)arg;
    for (size_t n = 0, round = 0; n < SHARED_SAMPLES; round++) {
        struct chunk_view v;
        unsigned place = slots_enter(&x.slots);
        times_cache_init(&cache, items, 4);
        load_view(&v);
        uint32_t from = round % 8 == 0 || v.c.n_samples < 3000 ? 0 : v.c.n_samples - 3000;
        n = chunk_read(&x.t.arena, &cache, &v, from, UINT32_MAX, 0, t_ms, values);
        cr_assert_eq(n, v.c.n_samples - from);
        for (size_t i = 0; i < n; i++) {
            cr_assert_eq(t_ms[i], from + (int64_t)i);
            cr_assert_eq(values[i], shared_value((uint32_t)(from + i)));
        }
        n = v.c.n_samples;
        slots_leave(&x.slots, place);
    }
    return NULL;
}

Test(chunk, a_reader_sees_all_samples_up_to_some_point)
{
    pthread_t readers[2];
    struct chunk_writer w = test_writer(&x, &m);
    w.is_open = true;
    for (int i = 0; i < 2; i++)
        cr_assert_eq(pthread_create(&readers[i], NULL, read_shared, NULL), 0);
    for (uint32_t i = 0; i < SHARED_SAMPLES; i++) {
        unsigned place = slots_enter(&x.slots);
        version_lock(&shared.version);
        cr_assert_eq(chunk_add(&w, &shared.c, i, shared_value(i), true), 0);
        if (i % 5000 == 4999)
            cr_assert_eq(chunk_seal(&w, &shared.c), 0);
        version_unlock(&shared.version);
        slots_leave(&x.slots, place);
        slots_drain(&x.slots);
    }
    for (int i = 0; i < 2; i++)
        pthread_join(readers[i], NULL);
}
