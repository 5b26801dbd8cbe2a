/* Samples that are taken out, wherever an interval can cut a chunk. Each case is held against a
 * sorted array, and what chunks and timelines take against the slots in use. */
#include "tests/unit/tsdb/test_model.h"
#include "tests/unit/tsdb/test_window_suite.h"
#include "tsdb/chunk_tail.h"

static struct test_dry dry;

TestSuite(chunk_delete, .init = test_window_set_up, .fini = test_window_tear_down);

enum { STEP = 15000, PHASE = 20, FIRST_TAIL = FIRST_TAIL_MIN + PHASE };

static struct test_model m;
static uint32_t n_steps; /* of the last deletion */

static uint64_t below(uint64_t n)
{
    return random_below(&random_state, n);
}

static void add(uint32_t time, uint64_t value)
{
    test_model_add(&x, &m, time, value);
}

/* Out of the chunk, step by step; ERR_NO_MEMORY or 0. What went is taken out of the model. */
static int try_delete(struct test_model *model, uint32_t min_time, uint32_t max_time)
{
    struct chunk_writer w = test_writer(&x, model);
    uint64_t n_deleted = 0;
    int rc = 1;
    w.memo = NULL;
    w.open_payload = NULL;
    for (n_steps = 0; rc == 1; n_steps++) {
        unsigned place = slots_enter(&x.slots);
        rc = chunk_delete(&w, &model->c, min_time, max_time, &n_deleted);
        slots_leave(&x.slots, place);
        slots_drain(&x.slots);
    }
    uint32_t from = test_model_place(model, min_time), to = from;
    while (to < model->n && model->times[to] <= max_time)
        to++;
    if (rc == 0)
        cr_assert_eq(n_deleted, to - from, "%u of %u", (unsigned)n_deleted, to - from);
    from = to - (uint32_t)n_deleted; /* the last of them go first */
    memmove(&model->times[from], &model->times[to], (model->n - to) * sizeof(*model->times));
    memmove(&model->values[from], &model->values[to], (model->n - to) * sizeof(*model->values));
    model->n -= to - from;
    return rc;
}

static void expect_whole(void)
{
    if (m.n == 0) {
        static const struct chunk none;
        cr_assert_eq(memcmp(&m.c, &none, sizeof(none)), 0, "nothing is left of it");
    } else {
        test_model_whole(&x, &m);
        test_model_spot(&x, &m, &random_state);
    }
    test_models_footprint(&x, &m, 1);
}

static void cut(uint32_t min_time, uint32_t max_time)
{
    cr_assert_eq(try_delete(&m, min_time, max_time), 0);
    expect_whole();
}

/* By number of sample, from 0. */
static void delete_samples(uint32_t from, uint32_t to)
{
    cut(m.times[from], m.times[to]);
}

/* ---- every form, cut at every kind of place ---- */

enum form {
    CONSTANT,
    CONSTANT_STALE,
    TAIL,
    TAIL_RUN,
    TAIL_OWN,
    ONE_BLOCK,
    BLOCKS,
    SEALED_SHEAF,
    LONG_RUNS,
    SEALED_RUNS,
    OWN_BLOCKS,
    SHEAVES,
    SEALED_ROW,
    LATE_BLOCKS,
    MANY_SHEAVES,
    FORMS
};

static void fill(enum form form)
{
    static const uint32_t lengths[FORMS] = {100, 101, 60,  150,  60,   FIRST_TAIL, 700, 700,
                                            900, 900, 700, 4000, 4000, 1500,       9000};
    uint32_t n = lengths[form], time = 1000;
    bool is_run = form == CONSTANT || form == CONSTANT_STALE;
    bool is_own = form == TAIL_OWN || form == OWN_BLOCKS;
    test_model_init(&m, PHASE);
    for (uint32_t i = 0; i < n; i++, time += is_own ? 1 + (uint32_t)below(2 * STEP) : STEP) {
        uint64_t value = test_value(&random_state, COLUMN_GAUGE, i);
        if (form == TAIL_RUN) /* the run behind a block */
            value = i < 10 ? value : 7;
        else if (form == LONG_RUNS || form == SEALED_RUNS)
            value = i / 300;
        else if (is_run)
            value = i == 100 ? STALE_BITS : 7;
        add(time, value);
    }
    for (uint32_t i = 0; form == LATE_BLOCKS && i < 300; i++)
        if (!test_model_has(&m, 500 + i * 3 * STEP))
            add(500 + i * 3 * STEP, test_bits(i));
    if (form == SEALED_SHEAF || form == SEALED_ROW || form == SEALED_RUNS)
        test_model_seal(&x, &m);
}

static void expect_form(enum form form)
{
    static const enum chunk_kind kinds[FORMS] = {
        CHUNK_CONSTANT, CHUNK_CONSTANT, CHUNK_HEAD,  CHUNK_HEAD, CHUNK_HEAD,
        CHUNK_HEAD,     CHUNK_HEAD,     CHUNK_SHEAF, CHUNK_HEAD, CHUNK_SHEAF,
        CHUNK_HEAD,     CHUNK_HEAD,     CHUNK_ROW,   CHUNK_HEAD, CHUNK_HEAD};
    cr_assert_eq(m.c.kind, kinds[form], "form %d is of kind %d", form, m.c.kind);
    cr_assert_eq(m.c.is_stale, form == CONSTANT_STALE);
}

/* The chunk goes on to be written, late and in time, and a sealed one stays sealed until then. */
static void go_on(bool was_sealed)
{
    if (m.n > 0 && was_sealed)
        cr_assert(m.c.kind == CHUNK_SHEAF || m.c.kind == CHUNK_ROW);
    uint32_t next = m.n > 0 ? m.times[m.n - 1] + STEP : 1000;
    for (uint32_t i = 0; i < 140; i++, next += STEP) {
        add(next, i % 50 == 0 ? test_bits(i) : 7);
        uint32_t late = 1000 + (uint32_t)below(next);
        if (i % 4 == 0 && !test_model_has(&m, late))
            add(late, 7);
    }
    expect_whole();
    test_model_seal(&x, &m);
    expect_whole();
}

static void cut_form(enum form form, uint32_t from_of_100, uint32_t to_of_100)
{
    fill(form);
    expect_form(form);
    bool was_sealed = m.c.kind == CHUNK_SHEAF || m.c.kind == CHUNK_ROW;
    uint32_t last = m.n - 1;
    delete_samples(last * from_of_100 / 100, last * to_of_100 / 100);
    go_on(was_sealed);
    test_window_renew(&x);
}

Test(chunk_delete, all_of_it)
{
    for (enum form form = 0; form < FORMS; form++) {
        fill(form);
        expect_form(form);
        cut(0, UINT32_MAX);
        cr_assert_eq(m.n, 0);
        go_on(false);
        test_window_renew(&x);
    }
}

Test(chunk_delete, the_beginning)
{
    for (enum form form = 0; form < FORMS; form++)
        for (uint32_t to = 0; to < 100; to += 11)
            cut_form(form, 0, to);
}

Test(chunk_delete, the_end)
{
    for (enum form form = 0; form < FORMS; form++)
        for (uint32_t from = 1; from <= 100; from += 11)
            cut_form(form, from, 100);
}

Test(chunk_delete, the_middle)
{
    for (enum form form = 0; form < FORMS; form++)
        for (uint32_t i = 0; i < 12; i++) {
            uint32_t from = 1 + (uint32_t)below(98);
            cut_form(form, from, from + (uint32_t)below(99 - from));
        }
}

/* From 0 to n of the samples but the first and the last, and nothing where there is nothing. */
Test(chunk_delete, between_samples_is_nothing)
{
    for (enum form form = 0; form < FORMS; form++) {
        fill(form);
        struct chunk before = m.c;
        struct chunk_footprint was = test_window_used(&x, x.w);
        for (uint32_t i = 0; i < 30; i++) {
            uint32_t at = (uint32_t)below(m.n - 1);
            if (m.times[at] + 1 < m.times[at + 1])
                cut(m.times[at] + 1, m.times[at + 1] - 1);
        }
        cut(0, m.times[0] - 1);
        cut(m.times[m.n - 1] + 1, UINT32_MAX);
        cr_assert_eq(memcmp(&before, &m.c, sizeof(before)), 0, "form %d", form);
        struct chunk_footprint is = test_window_used(&x, x.w);
        test_same_footprint(&was, &is, "nothing was done");
        delete_samples(1, m.n - 2);
        cr_assert_eq(m.n, 2);
        test_window_renew(&x);
    }
}

Test(chunk_delete, one_sample_each_at_both_ends_of_every_block)
{
    for (enum form form = 0; form < FORMS; form++) {
        fill(form);
        for (uint32_t n = m.n, at = 0; at < n; at += 1 + n / 60)
            if (at < m.n)
                delete_samples(at, at);
        go_on(false);
        while (m.n > 0)
            delete_samples(m.n / 2, m.n / 2 + (m.n - 1) / 8);
        test_window_renew(&x);
    }
}

/* ---- what each form keeps ---- */

Test(chunk_delete, a_constant_that_is_cut_at_an_end_stays_one)
{
    fill(CONSTANT_STALE);
    delete_samples(0, 9);
    cr_assert(m.c.kind == CHUNK_CONSTANT && m.c.is_stale && m.c.n_samples == 91);
    delete_samples(80, 90);
    cr_assert(m.c.kind == CHUNK_CONSTANT && !m.c.is_stale && m.c.n_samples == 80);
    test_window_renew(&x);
    fill(CONSTANT_STALE);
    delete_samples(0, 99);
    cr_assert(m.c.kind == CHUNK_CONSTANT && !m.c.is_stale && m.c.value == STALE_BITS);
    add(m.times[0] + STEP, STALE_BITS);
    cr_assert_eq(m.c.kind, CHUNK_CONSTANT);
    expect_whole();
    test_window_renew(&x);
    fill(CONSTANT);
    delete_samples(40, 40);
    cr_assert_eq(m.c.kind, CHUNK_HEAD);
}

static struct block first_block;
static uint32_t n_blocks, n_sharing, n_runs, n_own;

static int note_block(void *ctx, enum chunk_part part, const struct block *b)
{
    (void)ctx;
    (void)part;
    if (n_blocks == 0)
        first_block = *b;
    n_blocks++;
    n_sharing += b->shared != 0;
    n_runs += b->encoding == BLOCK_RUN;
    n_own += b->times != BLOCK_AT;
    return 0;
}

static int note_tail(void *ctx, const struct chunk_tail *t)
{
    (void)ctx;
    n_own += t->timeline == 0;
    return 0;
}

static void look_at_blocks(const struct test_model *model)
{
    const struct chunk_visitor visitor = {.block = note_block, .tail = note_tail, .ctx = NULL};
    struct chunk_view v = test_view(&x, &model->c);
    n_blocks = n_sharing = n_runs = n_own = 0;
    (void)chunk_visit(&x.t.arena, &v, 0, &visitor);
}

Test(chunk_delete, both_sides_of_a_cut_keep_their_timeline)
{
    fill(BLOCKS);
    look_at_blocks(&m);
    uint32_t n = n_blocks;
    delete_samples(20, 30); /* in the first block */
    look_at_blocks(&m);
    cr_assert_eq(n_blocks, n + 1);
    cr_assert_eq(n_own, 0);
    cr_assert_eq(first_block.n_samples, 20);
    test_window_renew(&x);
    fill(LONG_RUNS);
    look_at_blocks(&m);
    n = n_blocks;
    delete_samples(100, 110);
    look_at_blocks(&m);
    cr_assert_eq(n_blocks, n + 1);
    cr_assert_eq(n_runs, n_blocks);
    cr_assert_eq(n_own, 0);
}

Test(chunk_delete, a_sheaf_alone_needs_no_directory)
{
    for (int is_sealed = 0; is_sealed < 2; is_sealed++)
        for (uint32_t before = 0; before < 2; before++) { /* at the sheaf's end, or within it */
            fill(is_sealed != 0 ? SEALED_ROW : SHEAVES);
            struct chunk_view v = test_view(&x, &m.c);
            const struct sheaf *second = row_at(&x.t.arena, &v.head.sheaves, sizeof(*second), 1);
            cut(second->first_time - before * 2 * STEP, UINT32_MAX);
            v = test_view(&x, &m.c);
            cr_assert(is_sealed != 0 ? m.c.kind == CHUNK_SHEAF
                                     : v.head.sheaves.n == 0 && v.head.last.n_blocks > 0);
            go_on(is_sealed != 0);
            test_window_renew(&x);
        }
}

Test(chunk_delete, the_sixteenth_block_of_a_sheaf_can_be_cut)
{
    fill(LATE_BLOCKS);
    for (uint32_t i = 0; i < 200; i++) {
        uint32_t at = 1 + (uint32_t)below(m.n - 3);
        delete_samples(at, at);
        struct chunk_view v = test_view(&x, &m.c);
        for (uint32_t s = 0; s < v.head.sheaves.n; s++) {
            const struct sheaf *sheaf = row_at(&x.t.arena, &v.head.sheaves, sizeof(*sheaf), s);
            cr_assert_leq(sheaf->n_blocks, SHEAF_BLOCKS_MAX);
        }
    }
    look_at_blocks(&m);
    cr_assert_gt(n_blocks, 3 * SHEAF_BLOCKS_MAX);
}

/* Columns that are kept once: who is cut gets bytes of its own, the others are as they were. */
Test(chunk_delete, a_shared_column)
{
    static struct test_model all[4];
    for (size_t k = 0; k < ARRAY_LEN(all); k++)
        test_model_init(&all[k], PHASE);
    for (uint32_t i = 0; i < 800; i++)
        for (size_t k = 0; k < ARRAY_LEN(all); k++)
            test_model_add(&x, &all[k], 1000 + i * STEP, test_bits(1 / (double)(i + 7)));
    look_at_blocks(&all[3]);
    uint32_t n_shared = n_sharing;
    cr_assert_gt(n_shared, 3);
    cr_assert_eq(try_delete(&all[3], all[3].times[300], all[3].times[310]), 0);
    look_at_blocks(&all[3]);
    cr_assert_eq(n_sharing, n_shared - 1);
    cr_assert_eq(try_delete(&all[2], 0, UINT32_MAX), 0);
    for (size_t k = 0; k < ARRAY_LEN(all); k++)
        if (all[k].n > 0)
            test_model_whole(&x, &all[k]);
    test_models_footprint(&x, all, ARRAY_LEN(all));
}

/* More slots than a change gives up: it goes in steps, and each leaves a whole chunk. */
enum { LONG = 120000 };

static uint32_t long_time(uint32_t i)
{
    return 1000 + i * 100 + i % 7;
}

static void fill_long(const struct chunk_writer *w)
{
    test_model_init(&m, PHASE);
    for (uint32_t i = 0; i < LONG; i++) {
        cr_assert_eq(chunk_add(w, &m.c, long_time(i), random_next(&random_state), true), 0);
        if (i % 4096 == 0)
            slots_drain(&x.slots);
    }
}

static bool is_there(uint32_t i)
{
    struct chunk_view v = test_view(&x, &m.c);
    uint64_t value;
    return m.c.serial != 0 && chunk_find(&x.t.arena, &x.times, &v, long_time(i), &value);
}

/* From sample `from` to `to`; returns the steps. */
static uint32_t delete_long(const struct chunk_writer *w, uint32_t from, uint32_t to)
{
    uint64_t n = 0;
    uint32_t steps = 0;
    for (int rc = 1; rc == 1; steps++) {
        uint64_t before = n;
        rc = chunk_delete(w, &m.c, long_time(from), long_time(to), &n);
        slots_drain(&x.slots);
        cr_assert_gt(n, before);
        cr_assert_eq(m.c.n_samples, LONG - n);
        cr_assert_eq(rc, n < to - from + 1);
        if (n < LONG) {
            struct chunk_view v = test_view(&x, &m.c);
            cr_assert(chunk_check(&x.t.arena, &x.times, &v));
        }
        cr_assert_not(is_there(to));
        cr_assert_eq(is_there(to - (uint32_t)n), rc == 1 || from > 0);
        cr_assert_not(is_there(to - (uint32_t)n + 1));
    }
    return steps;
}

Test(chunk_delete, a_long_chunk_goes_in_steps_from_its_end)
{
    static const struct {
        uint32_t from, to;
    } cuts[] = {{0, LONG - 1}, {LONG / 10, LONG - 1}, {0, LONG - 2000}, {1, LONG - 2}};
    for (size_t i = 0; i < ARRAY_LEN(cuts); i++)
        for (int is_sealed = 0; is_sealed < 2; is_sealed++) {
            struct chunk_writer w = test_writer(&x, &m);
            w.is_open = true;
            w.memo = NULL;
            w.open_payload = NULL;
            fill_long(&w);
            if (is_sealed)
                test_model_seal(&x, &m);
            cr_assert_gt(delete_long(&w, cuts[i].from, cuts[i].to), 3);
            cr_assert_eq(m.c.serial == 0, cuts[i].to - cuts[i].from == LONG - 1);
            test_models_footprint(&x, &m, 1);
            test_window_renew(&x);
        }
}

/* ---- at random ---- */

static void random_deletes(struct test_model *model)
{
    uint32_t from = (uint32_t)below(model->n), length = (uint32_t)below(1 + model->n / 4);
    if (below(3) == 0)
        length = (uint32_t)below(4);
    if (below(20) == 0)
        length = model->n;
    uint32_t to = (uint32_t)size_min(from + length, model->n - 1);
    cr_assert_eq(try_delete(model, model->times[from] - (uint32_t)below(2),
                            model->times[to] + (uint32_t)below(2)),
                 0);
}

Test(chunk_delete, between_samples_of_all_kinds)
{
    for (uint32_t kind = 0; kind < COLUMN_KINDS; kind++) {
        uint32_t now = 100000;
        test_model_init(&m, (uint32_t)below(64));
        for (uint32_t i = 0; i < 5000; i++) {
            uint32_t time = below(5) == 0 ? now - (uint32_t)below(100000) : now;
            now += below(30) == 0 ? (uint32_t)below(9000) : 1000;
            if (!test_model_has(&m, time))
                add(time, test_value(&random_state, (enum test_column)kind, m.n));
            if (i % 400 == 0) {
                test_model_seal(&x, &m);
                m.is_open = below(3) != 0;
            }
            if (below(40) == 0) {
                random_deletes(&m);
                expect_whole();
            }
        }
        while (m.n > 0) {
            random_deletes(&m);
            expect_whole();
        }
        test_window_renew(&x);
    }
}

/* ---- without memory ---- */

/* With room for n slots of each kind, for all n until it works: nothing has changed but for whole
 * steps. */
Test(chunk_delete, nothing_changes_without_memory)
{
    for (enum form form = 0; form < FORMS; form++)
        for (int with_limbo = 0; with_limbo < 2; with_limbo++) {
            uint32_t n_left = 0;
            int err = ERR_NO_MEMORY;
            fill(form);
            for (; err != 0 && n_left < 40; n_left++) {
                uint32_t from = m.times[m.n / 5 + 3], to = m.times[m.n - 8];
                test_dry_begin(&x, &dry, n_left, with_limbo != 0);
                err = try_delete(&m, from, to);
                test_dry_end(&x, &dry, with_limbo != 0);
                cr_assert(err == 0 || err == ERR_NO_MEMORY);
                expect_whole();
            }
            if (with_limbo)
                cr_assert(err == 0 && n_left > 1, "form %d: %d, %u", form, err, n_left);
            else /* a constant gives nothing back */
                cr_assert_eq(err, form == CONSTANT ? 0 : ERR_NO_MEMORY);
            if (err != 0)
                delete_samples(m.n / 5 + 3, m.n - 8);
            test_window_renew(&x);
        }
}

/* It gives back and takes nothing. */
Test(chunk_delete, all_of_it_needs_no_slot)
{
    for (enum form form = 0; form < FORMS; form++) {
        fill(form);
        test_dry_begin(&x, &dry, 0, true);
        cr_assert_eq(try_delete(&m, m.times[0], m.times[m.n - 1]), 0, "form %d", form);
        test_dry_end(&x, &dry, true);
        cr_assert_eq(m.n, 0);
        expect_whole();
        test_window_renew(&x);
    }
}
