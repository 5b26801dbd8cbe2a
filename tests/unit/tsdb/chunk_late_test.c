/* Samples that come late, wherever they belong. */
#include "tests/unit/tsdb/test_model.h"
#include "tests/unit/tsdb/test_window_suite.h"

static struct test_dry dry;

TestSuite(chunk_late, .init = test_window_set_up, .fini = test_window_tear_down);

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

static uint64_t value_of(uint32_t kind)
{
    return test_value(&random_state, (enum test_column)kind, m.n);
}

Test(chunk_late, between_all_others)
{
    for (uint32_t kind = 0; kind < COLUMN_KINDS; kind++) {
        test_model_init(&m, 20);
        for (uint32_t i = 0; i < 500; i++)
            add(1000 + i * 10, value_of(kind));
        for (uint32_t i = 0; i < 500; i++) {
            add(995 + i * 10, value_of(i % 3 == 0 ? COLUMN_ODD : kind));
            if (i % 20 == 0)
                expect_whole();
        }
        expect_whole();
        test_window_renew(&x);
    }
}

Test(chunk_late, everything_backwards)
{
    for (int is_open = 0; is_open < 2; is_open++) {
        test_model_init(&m, 63);
        m.is_open = is_open != 0;
        for (uint32_t i = 0; i < 3000; i++) {
            add(100000 - i * 7, value_of(COLUMN_GAUGE));
            if (i < 200 || i % 100 == 0)
                expect_whole();
        }
        expect_whole();
        test_window_renew(&x);
    }
}

Test(chunk_late, in_random_order)
{
    static uint32_t order[4000];
    for (int round = 0; round < 4; round++) {
        uint32_t n = ARRAY_LEN(order);
        for (uint32_t i = 0; i < n; i++) {
            uint32_t k = (uint32_t)below(i + 1);
            order[i] = order[k];
            order[k] = i;
        }
        test_model_init(&m, (uint32_t)below(64));
        m.is_open = round % 2 == 0;
        for (uint32_t i = 0; i < n; i++) {
            add(order[i] * 100, value_of((uint32_t)round));
            if (i % 250 == 0)
                expect_whole();
        }
        expect_whole();
        test_model_seal(&x, &m);
        expect_whole();
        test_window_renew(&x);
    }
}

/* What a constant may be when the late one comes: of any length, ended by a marker, sealed. */
Test(chunk_late, into_a_constant)
{
    static const uint32_t lengths[] = {1, 2, 31, 33, 63, 64, 65, 127, 128, 129, 300, 1000};
    for (size_t i = 0; i < ARRAY_LEN(lengths); i++)
        for (unsigned form = 0; form < 16; form++) {
            uint32_t n = lengths[i], late = (uint32_t)below(n + 1);
            test_model_init(&m, (uint32_t)below(64));
            m.is_open = (form & 1) == 0;
            for (uint32_t k = 0; k < n; k++)
                add(1000 + k * 1000, test_bits(3));
            if ((form & 2) != 0)
                add(1000 + n * 1000, STALE_BITS);
            cr_assert_eq(m.c.kind, CHUNK_CONSTANT);
            late = (form & 4) != 0 ? 0 : (form & 8) != 0 ? n : late;
            add(500 + late * 1000, form % 3 == 0 ? test_bits(3) : test_bits(4));
            test_model_whole(&x, &m);
            for (uint32_t k = 0; k < 150; k++)
                add(1000 + (n + 1 + k) * 1000, test_bits(k / 50));
            test_model_whole(&x, &m);
            for (uint32_t k = 0; k < n; k++)
                if (!test_model_has(&m, 500 + k * 1000))
                    add(500 + k * 1000, test_bits(3));
            expect_whole();
            test_window_renew(&x);
        }
}

Test(chunk_late, many_into_a_long_run)
{
    test_model_init(&m, 0);
    for (uint32_t i = 0; i < 3000; i++)
        add(i * 1000, test_bits(1));
    for (uint32_t i = 0; i < 3000; i++) {
        uint32_t time = (uint32_t)below(3000000);
        if (!test_model_has(&m, time))
            add(time, test_bits(i % 2));
        if (i % 100 == 0)
            expect_whole();
    }
    expect_whole();
}

/* All of one sheaf: it is split again and again, in a directory that has others before and behind.
 */
Test(chunk_late, thousands_into_one_sheaf)
{
    for (unsigned at = 0; at < 4; at++) {
        test_model_init(&m, 1);
        for (uint32_t i = 0; i < 6000; i++)
            add(1000 + i * 1000, value_of(COLUMN_COUNTER));
        m.is_open = at != 2;
        uint32_t from = at == 0 ? 1000 : at == 3 ? 5900000 : 3000000;
        for (uint32_t i = 0; i < 6000; i++) {
            uint32_t time = from + (uint32_t)below(100000);
            if (!test_model_has(&m, time))
                add(time, value_of(i % COLUMN_KINDS));
            if (i % 500 == 0)
                expect_whole();
        }
        expect_whole();
        struct chunk_view v = test_view(&x, &m.c);
        for (uint32_t i = 0; i < v.head.sheaves.n; i++) {
            const struct sheaf *s = row_at(&x.t.arena, &v.head.sheaves, sizeof(*s), i);
            cr_assert_leq(s->n_blocks, SHEAF_BLOCKS_MAX);
        }
        test_window_renew(&x);
    }
}

Test(chunk_late, before_the_first_into_every_form)
{
    for (uint32_t n = 1; n < 700; n += 1 + n / 20)
        for (unsigned form = 0; form < 3; form++) {
            test_model_init(&m, n);
            for (uint32_t i = 0; i < n; i++)
                add(1000000 + i * 1000, value_of(COLUMN_MOSTLY_SAME));
            if (form == 1)
                test_model_seal(&x, &m);
            m.is_open = form != 2;
            for (uint32_t i = 1; i < 20; i++) {
                add(1000000 - i * i * 10, value_of(COLUMN_GAUGE));
                test_model_whole(&x, &m);
                test_model_spot(&x, &m, &random_state);
            }
        }
}

Test(chunk_late, into_a_chunk_that_is_sealed_and_opened_in_turn)
{
    for (int round = 0; round < 6; round++) {
        uint32_t now = 100000;
        test_model_init(&m, (uint32_t)below(64));
        for (uint32_t i = 0; i < 4000; i++) {
            uint32_t time = below(3) == 0 ? now - (uint32_t)below(100000) : now;
            now += 1 + (uint32_t)below(2) * 999;
            if (i % 97 == 0) {
                if (below(2) == 0)
                    test_model_seal(&x, &m);
                m.is_open = below(2) == 0;
            }
            if (!test_model_has(&m, time))
                add(time, value_of(i / 500 % COLUMN_KINDS));
            if (i % 200 == 0)
                expect_whole();
        }
        expect_whole();
        test_window_renew(&x);
    }
}

/* ---- several series of one window, all of it at once ---- */

enum { SERIES = 8 };

static struct test_model several[SERIES];

static uint64_t series_value(uint32_t i, uint32_t k)
{
    switch (i) {
    case 0:
        return test_bits(7);
    case 1: /* changes now and then */
        return test_bits((double)(k / 170));
    case 2: /* mostly constant, and goes stale */
        return k % 300 == 299 ? STALE_BITS : test_bits(1);
    default:
        return test_value(&random_state, (enum test_column)(i % COLUMN_KINDS), k);
    }
}

static void add_to_series(uint32_t i, uint32_t k)
{
    struct test_model *s = &several[i];
    uint32_t time = 200000 + k * 1000 + (uint32_t)below(i == 7 ? 900 : 1);
    if (below(50) == 0) {
        if (below(2) == 0)
            test_model_seal(&x, s);
        s->is_open = below(4) > 0;
    }
    if ((k < 2 || below(20) != 0) && !test_model_has(s, time)) /* or it misses a scrape */
        test_model_add(&x, s, time, series_value(i, k));
    if (below(15) == 0) {
        time -= (uint32_t)below(200000);
        if (!test_model_has(s, time))
            test_model_add(&x, s, time, series_value(i, k));
    }
}

Test(chunk_late, many_series_of_all_kinds_in_one_window)
{
    for (int round = 0; round < 3; round++) {
        for (uint32_t i = 0; i < SERIES; i++)
            test_model_init(&several[i], (uint32_t)below(1000));
        for (uint32_t k = 0; k < 2500; k++) {
            for (uint32_t i = 0; i < SERIES; i++)
                add_to_series(i, k);
            if (k % 50 != 0)
                continue;
            test_models_footprint(&x, several, SERIES);
            for (uint32_t i = 0; i < SERIES && k > 0; i++) {
                test_model_whole(&x, &several[i]);
                test_model_spot(&x, &several[i], &random_state);
            }
        }
        test_window_renew(&x);
    }
}

/* ---- without memory ---- */

/* Adds a sample with every number of slots left, from none to enough; after each failure all is as
 * it was. Timelines may have grown: their times are there for whoever comes next. */
static void add_in_a_dry_window(uint32_t time, uint64_t value)
{
    for (int with_limbo = 0; with_limbo < 2; with_limbo++)
        for (uint32_t n_left = 0; n_left < 70; n_left++) {
            const struct chunk_view before = test_view(&x, &m.c);
            test_dry_begin(&x, &dry, n_left, with_limbo != 0);
            int err = test_model_try(&x, &m, time, value);
            test_dry_end(&x, &dry, with_limbo != 0);
            test_models_footprint(&x, &m, 1);
            if (err == 0)
                return;
            cr_assert_eq(err, ERR_NO_MEMORY);
            struct chunk_view after = test_view(&x, &m.c);
            cr_assert_arr_eq(&before.c, &after.c, sizeof(before.c));
            cr_assert(m.c.kind != CHUNK_HEAD ||
                      memcmp(&before.head, &after.head, sizeof(before.head)) == 0);
            if (m.n > 0)
                test_model_whole(&x, &m);
            if (n_left == 6 && with_limbo == 0)
                break; /* nothing can be replaced: more slots do not help */
        }
    cr_assert_fail("seventy slots of each class are not enough");
}

Test(chunk_late, without_memory_nothing_changes)
{
    for (uint32_t kind = 0; kind < COLUMN_KINDS; kind++) {
        test_model_init(&m, (uint32_t)below(64));
        uint32_t now = 100000;
        for (uint32_t i = 0; i < 1400; i++) {
            now += 1000 + (uint32_t)(below(60) == 0 ? below(5000) : 0);
            if (i < 3 || below(25) == 0)
                add_in_a_dry_window(now, value_of(kind));
            else
                add(now, value_of(kind));
            uint32_t late = now - (uint32_t)below(100000);
            if (below(25) == 0 && !test_model_has(&m, late))
                add_in_a_dry_window(late, value_of(kind));
            if (i % 300 == 299)
                m.is_open = !m.is_open;
        }
        expect_whole();
        test_window_renew(&x);
    }
}

Test(chunk_late, a_full_sheaf_of_a_directory_is_split_without_a_trace_of_failures)
{
    test_model_init(&m, 1);
    for (uint32_t i = 0; i < 9000; i++) /* more sheaves than its first slot has room for */
        add(1000 + i * 1000, value_of(COLUMN_COUNTER));
    for (uint32_t i = 0; i < 3000; i++) {
        uint32_t time = 3000000 + (uint32_t)below(100000);
        struct chunk_view v = test_view(&x, &m.c);
        uint32_t n = v.head.sheaves.n;
        if (test_model_has(&m, time))
            continue;
        if (i % 40 == 0)
            add_in_a_dry_window(time, value_of(COLUMN_BITS));
        else
            add(time, value_of(COLUMN_BITS));
        v = test_view(&x, &m.c);
        if (v.head.sheaves.n != n)
            expect_whole();
    }
    expect_whole();
}

Test(chunk_late, sealing_without_memory_changes_nothing)
{
    for (uint32_t n = 2; n < 300; n += 7) {
        test_model_init(&m, n);
        for (uint32_t i = 0; i < n; i++)
            add(i * 1000, value_of(COLUMN_BITS));
        for (uint32_t n_left = 0; m.c.kind == CHUNK_HEAD; n_left++) {
            struct chunk_writer w = test_writer(&x, &m);
            const struct chunk_view before = test_view(&x, &m.c);
            test_dry_begin(&x, &dry, n_left / 2, n_left % 2 != 0);
            int err = chunk_seal(&w, &m.c);
            test_dry_end(&x, &dry, n_left % 2 != 0);
            cr_assert_eq(err, m.c.kind == CHUNK_HEAD ? ERR_NO_MEMORY : 0);
            struct chunk_view after = test_view(&x, &m.c);
            if (err != 0)
                cr_assert_arr_eq(&before, &after, sizeof(before));
            test_model_whole(&x, &m);
            cr_assert_lt(n_left, 20);
        }
        test_models_footprint(&x, &m, 1);
        test_window_renew(&x);
    }
}
