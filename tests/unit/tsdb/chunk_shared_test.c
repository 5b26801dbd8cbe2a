/* Chunks of one window that carry the same values. */
#include "tests/unit/tsdb/test_model.h"
#include "tests/unit/tsdb/test_window_suite.h"

static struct test_dry dry;

TestSuite(chunk_shared, .init = test_window_set_up, .fini = test_window_tear_down);

enum { COPIES = 6, LENGTH = 1600, STEP = 9000 }; /* two sheaves */

static struct test_model models[COPIES];
static uint64_t values[LENGTH];

static void make_values(enum test_column kind)
{
    for (uint32_t i = 0; i < LENGTH; i++)
        values[i] = test_value(&random_state, kind, i);
}

/* Samples [from, to) to all copies, in turn. */
static void add_values(uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i < to; i++)
        for (uint32_t k = 0; k < COPIES; k++)
            test_model_add(&x, &models[k], i * STEP, values[i]);
}

static void start(uint32_t phase)
{
    for (uint32_t k = 0; k < COPIES; k++)
        test_model_init(&models[k], phase);
}

struct count {
    uint32_t n_blocks, n_shared;
};

static int count_block(void *ctx, enum chunk_part part, const struct block *b)
{
    struct count *c = ctx;
    (void)part;
    c->n_blocks++;
    c->n_shared += b->shared != 0;
    return 0;
}

static int ignore_tail(void *ctx, const struct chunk_tail *t)
{
    (void)ctx;
    (void)t;
    return 0;
}

static struct count count_of(const struct test_model *m)
{
    struct count c = {0};
    struct chunk_view v = test_view(&x, &m->c);
    const struct chunk_visitor visitor = {.block = count_block, .tail = ignore_tail, .ctx = &c};
    cr_assert_eq(chunk_visit(&x.t.arena, &v, 0, &visitor), 0);
    return c;
}

/* Of a sealed chunk of several sheaves. */
static uint32_t stored_bytes(const struct chunk *c)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < c->sheaves.n; i++)
        n += ((const struct sheaf *)row_at(&x.t.arena, &c->sheaves, sizeof(struct sheaf), i))
                 ->n_bytes;
    return n;
}

static void expect_all(void)
{
    for (uint32_t k = 0; k < COPIES; k++) {
        test_model_whole(&x, &models[k]);
        test_model_spot(&x, &models[k], &random_state);
    }
    test_models_footprint(&x, models, COPIES);
}

Test(chunk_shared, the_first_two_keep_their_bytes_and_the_others_share)
{
    for (int kind = COLUMN_DOUBLE; kind <= COLUMN_BITS; kind++) {
        make_values((enum test_column)kind);
        start(7);
        add_values(0, LENGTH);
        expect_all();
        for (uint32_t k = 0; k < COPIES; k++) {
            struct count c = count_of(&models[k]);
            cr_assert_gt(c.n_blocks, 5);
            cr_assert_eq(c.n_shared, k < SHARED_SIGHTS ? 0 : c.n_blocks, "copy %u", k);
        }
        cr_assert_eq(x.w->n_shared, count_of(&models[0]).n_blocks);
        for (uint32_t k = 0; k < COPIES; k++) {
            test_model_seal(&x, &models[k]);
            models[k].is_open = false;
            expect_all();
        }
        struct count c = count_of(&models[COPIES - 1]);
        cr_assert_eq(c.n_shared, c.n_blocks, "the last, sealed, as well");
        cr_assert_eq(models[COPIES - 1].c.kind, CHUNK_ROW);
        cr_assert_leq(stored_bytes(&models[COPIES - 1].c), 6 * c.n_blocks);
        test_window_renew(&x);
    }
}

Test(chunk_shared, short_columns_are_not_shared)
{
    make_values(COLUMN_CONSTANT);
    for (uint32_t i = 0; i < LENGTH; i += 100)
        values[i] = test_bits((double)i);
    start(7);
    add_values(0, LENGTH);
    expect_all();
    cr_assert_eq(x.w->n_shared, 0);
}

/* A late sample into each block of one copy, oldest first, then of another one backwards. */
Test(chunk_shared, a_late_sample_changes_its_series_only)
{
    make_values(COLUMN_BITS);
    for (int is_sealed = 0; is_sealed < 2; is_sealed++) {
        start(20);
        add_values(0, LENGTH);
        for (uint32_t k = 0; is_sealed && k < COPIES; k++) {
            test_model_seal(&x, &models[k]);
            models[k].is_open = false;
        }
        uint32_t n_shared = x.w->n_shared;
        for (uint32_t i = 0; i < LENGTH - 130; i += 40) {
            uint32_t before = count_of(&models[3]).n_shared;
            test_model_add(&x, &models[3], i * STEP + 1, random_next(&random_state));
            cr_assert_leq(before - count_of(&models[3]).n_shared, 1);
            test_model_add(&x, &models[4], (LENGTH - 140 - i) * STEP + 5, values[i]);
            expect_all();
        }
        cr_assert_leq(count_of(&models[3]).n_shared, 1);
        cr_assert_leq(count_of(&models[4]).n_shared, 1);
        struct count other = count_of(&models[5]);
        cr_assert_geq(other.n_shared, 6);
        cr_assert_eq(other.n_shared, other.n_blocks);
        cr_assert_eq(x.w->n_shared, n_shared, "what is written again is not looked up");
        test_window_renew(&x);
    }
}

/* Each sample of each copy without memory first, with ever more of it. */
Test(chunk_shared, without_memory_nothing_changes)
{
    make_values(COLUMN_BITS);
    start(3);
    for (uint32_t i = 0; i < 400; i++)
        for (uint32_t k = 0; k < COPIES; k++) {
            struct test_model *m = &models[k];
            bool ends = m->n >= 60 && (m->n - 67) % BLOCK_SAMPLES_MAX < 2;
            for (uint32_t n_left = 0; ends && n_left < 4; n_left++) {
                const struct chunk_view before = test_view(&x, &m->c);
                uint32_t n = m->n;
                test_dry_begin(&x, &dry, n_left, n_left % 2 != 0);
                int err = test_model_try(&x, m, i * STEP, values[i]);
                test_dry_end(&x, &dry, n_left % 2 != 0);
                test_models_footprint(&x, models, COPIES);
                if (err == 0)
                    break;
                cr_assert_eq(err, ERR_NO_MEMORY);
                const struct chunk_view after = test_view(&x, &m->c);
                cr_assert_arr_eq(&before, &after, sizeof(before));
                cr_assert_eq(m->n, n);
            }
            if (!test_model_has(m, i * STEP))
                test_model_add(&x, m, i * STEP, values[i]);
        }
    expect_all();
}

/* Copies with gaps, late samples and sealing, which share what they still have in common. */
Test(chunk_shared, with_everything_else_at_once)
{
    for (int round = 0; round < 10; round++) {
        make_values(round % 2 == 0 ? COLUMN_BITS : COLUMN_COUNTER);
        start((uint32_t)random_below(&random_state, 64));
        for (uint32_t i = 10; i < LENGTH; i++)
            for (uint32_t k = 0; k < COPIES; k++) {
                struct test_model *m = &models[k];
                uint32_t late = random_below(&random_state, 300) == 0
                                    ? (uint32_t)random_below(&random_state, i) * STEP + 1
                                    : 0;
                if (random_below(&random_state, 400) == 0)
                    continue;
                if (!test_model_has(m, i * STEP - late))
                    test_model_add(&x, m, i * STEP - late, values[i]);
                if (m->is_open && random_below(&random_state, 4000) == 0) {
                    test_model_seal(&x, m);
                    m->is_open = false;
                }
            }
        expect_all();
        test_window_renew(&x);
    }
}

Test(chunk_shared, a_check_sees_values_of_another_window)
{
    make_values(COLUMN_BITS);
    start(7);
    add_values(0, 200);
    struct shared *s = shared_at(&x.t.arena, x.w->last_shared);
    struct chunk_view v = test_view(&x, &models[COPIES - 1].c);
    cr_assert(chunk_check(&x.t.arena, &x.times, &v));
    s->serial++;
    cr_assert_not(chunk_check(&x.t.arena, &x.times, &v));
    s->serial--;
    *(uint8_t *)slot_ptr(&x.t.arena, s->bytes) ^= 1;
    bool differs = false;
    int64_t t_ms[400];
    uint64_t got[400];
    size_t n = chunk_read(&x.t.arena, &x.times, &v, 0, UINT32_MAX, 0, t_ms, got);
    for (size_t i = 0; i < n; i++)
        differs = differs || got[i] != values[i];
    cr_assert(differs, "the values are read from there");
}
