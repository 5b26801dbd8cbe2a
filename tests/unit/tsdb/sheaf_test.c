#include "tests/unit/tsdb/test_window_suite.h"
#include "tsdb/sheaf.h"

static struct test_dry dry;

TestSuite(sheaf, .init = test_window_set_up, .fini = test_window_tear_down);

enum { TIMELINE = 64, BLOCKS = SHEAF_BLOCKS_MAX + 2 };

/* Blocks with values of n_bytes arbitrary bytes: a sheaf never looks at them. */
struct model {
    struct block blocks[BLOCKS];
    uint8_t values[BLOCKS][COLUMN_BYTES_MAX];
    uint8_t times[BLOCKS][BLOCK_TIMES_BYTES_MAX];
    uint32_t n;
    bool is_row; /* each block follows the one before */
    struct sheaf s;
    struct sheaf_end e;
};

static void random_times(struct model *m, struct block *b)
{
    uint32_t times[BLOCK_SAMPLES_MAX], time = m->n * 1000000;
    b->times = BLOCK_AT;
    b->timeline = TIMELINE + 8 * (uint32_t)random_below(&random_state, 2);
    b->first =
        random_below(&random_state, 3) == 0 ? m->n * 1000 : (m->n > 0 ? m->e.context.place : 7);
    if (m->is_row) {
        b->timeline = TIMELINE;
        b->first = m->n > 0 ? m->e.context.place : 7;
    }
    if (m->is_row || random_below(&random_state, 3) > 0)
        return;
    for (uint32_t i = 0; i < b->n_samples; i++)
        times[i] = time += 1 + (uint32_t)random_below(&random_state, 1 + m->n * 100);
    block_own_times(b, times, b->n_samples, m->times[m->n]);
}

/* The next block of the model, with that many bytes of values. */
static struct block *next_block(struct model *m, uint32_t n_bytes)
{
    struct block *b = &m->blocks[m->n];
    *b = (struct block){.n_samples = 1 + (uint32_t)random_below(&random_state, BLOCK_SAMPLES_MAX)};
    random_times(m, b);
    for (uint32_t i = 0; i < n_bytes; i++)
        m->values[m->n][i] = (uint8_t)random_next(&random_state);
    b->values = m->values[m->n];
    b->n_values_bytes = n_bytes;
    return b;
}

static bool push(struct model *m, uint32_t n_bytes)
{
    struct change c;
    struct sheaf s = m->s;
    struct sheaf_end e = m->e;
    const struct block *b = next_block(m, n_bytes);
    change_init(&c, &x.slots, x.w);
    bool is_in = sheaf_append(&c, &s, &e, b, 5000 + m->n);
    cr_assert_eq(is_in, !c.has_failed);
    if (!change_prepare(&c))
        return false;
    change_finish(&c);
    m->s = s;
    m->e = e;
    m->n++;
    return true;
}

/* The first n blocks of the model are what a copy of its sheaf of that time holds. */
static void expect_blocks(const struct model *m, const struct sheaf *s, const struct sheaf_end *e,
                          uint32_t n)
{
    static uint8_t bytes[SHEAF_BYTES_MAX];
    struct sheaf_reader r;
    struct block b;
    uint32_t n_samples = 0;
    sheaf_gather(&x.t.arena, s, e, bytes);
    sheaf_reader_init(&r, &x.t.arena, s, bytes);
    for (uint32_t i = 0; i < n; i++) {
        const struct block *expected = &m->blocks[i];
        cr_assert(sheaf_next(&r, &b));
        cr_assert_eq(b.n_samples, expected->n_samples);
        cr_assert_eq(b.times, expected->times);
        cr_assert_eq(b.timeline, expected->timeline);
        cr_assert_eq(b.first, expected->first);
        cr_assert_eq(b.step, expected->step);
        cr_assert_eq(b.n_values_bytes, expected->n_values_bytes);
        cr_assert_arr_eq(b.values, expected->values, b.n_values_bytes);
        cr_assert_eq(b.n_times_bytes, expected->n_times_bytes);
        cr_assert(b.n_times_bytes == 0 ||
                  memcmp(b.times_bytes, expected->times_bytes, b.n_times_bytes) == 0);
        n_samples += b.n_samples;
    }
    cr_assert_not(sheaf_next(&r, &b));
    cr_assert_eq(s->n_blocks, n);
    cr_assert_eq(s->n_samples, n_samples);
    cr_assert_eq(s->first_time, 5000);
}

struct slot_sum {
    size_t bytes, last;
};

static void add_slot(void *ctx, slot s)
{
    struct slot_sum *sum = ctx;
    sum->last = pool_slot_bytes_at(&x.t.arena, s);
    sum->bytes += sum->last;
}

/* Its slots are those that are in use, and full but for the last one of a closed sheaf. */
static void expect_slots(const struct model *m, bool is_closed)
{
    struct slot_sum sum = {0};
    struct chunk_footprint used = test_window_used(&x, x.w);
    uint32_t n = sheaf_each_slot(&x.t.arena, &m->s, &m->e, add_slot, &sum);
    size_t payload = sheaf_payload(&x.t.arena, &m->s, &m->e), n_used = 0, used_bytes = 0;
    for (unsigned c = 0; c < SIZE_CLASSES; c++) {
        n_used += used.slots[c];
        used_bytes += used.slots[c] * size_class_bytes(c + 1);
    }
    for (unsigned c = 0; c < CRUMB_SIZES; c++) {
        n_used += used.crumbs[c];
        used_bytes += used.crumbs[c] * (c + 1) * CRUMB_STEP_BYTES;
        cr_assert(is_closed || used.crumbs[c] == 0);
    }
    cr_assert_eq(n, n_used);
    cr_assert_eq(sum.bytes, used_bytes);
    cr_assert_eq(payload, m->s.n_bytes - m->e.n_rest + n * sizeof(slot));
    cr_assert_eq(payload, used.payload_bytes);
    cr_assert_eq(used.open_payload_bytes, m->e.n_rest);
    cr_assert_eq(used.open_slots, m->e.n_rest > 0);
    cr_assert_eq(m->e.rest != 0, m->e.n_rest > 0);
    cr_assert_lt(m->e.n_rest + sizeof(slot), SIZE_CLASS_STEP_BYTES, "it would fill a slot");
    if (is_closed) {
        cr_assert_lt(sum.bytes - payload, CRUMB_STEP_BYTES, "slack");
        cr_assert_lt(sum.bytes - payload, sum.last);
        cr_assert_not(sheaf_is_open(&m->e));
    } else {
        cr_assert_eq(sum.bytes, payload, "no slack");
        cr_assert(sheaf_is_open(&m->e));
    }
    cr_assert_eq(sheaf_each_slot(&x.t.arena, &m->s, &m->e, NULL, NULL), n);
}

static bool close_it(struct model *m)
{
    struct change c;
    struct sheaf s = m->s;
    struct sheaf_end e = m->e;
    change_init(&c, &x.slots, x.w);
    bool is_closed = sheaf_close(&c, &s, &e);
    cr_assert_eq(is_closed, !c.has_failed);
    if (!change_prepare(&c))
        return false;
    change_finish(&c);
    m->s = s;
    m->e = e;
    return true;
}

/* Drops all slots without looking at them, but for those that wait to be given back. */
static void forget(struct model *m)
{
    slots_drain(&x.slots);
    for (unsigned i = 0; i < TEST_POOLS; i++)
        pool_drop(&x.t.arena, test_pool(&x, i));
    x.w->payload_bytes = x.slots.open_payload = 0;
    memset(m, 0, sizeof(*m));
}

static struct model model;

Test(sheaf, cuts_blocks_into_slots_wherever_they_end)
{
    for (int round = 0; round < 1000; round++) {
        uint64_t most = 1 + random_below(&random_state, COLUMN_BYTES_MAX);
        uint32_t n = 1 + (uint32_t)random_below(&random_state, SHEAF_BLOCKS_MAX);
        while (model.n < n) {
            cr_assert(push(&model, 1 + (uint32_t)random_below(&random_state, most)));
            expect_blocks(&model, &model.s, &model.e, model.n);
            expect_slots(&model, false);
        }
        cr_assert(close_it(&model));
        expect_blocks(&model, &model.s, &model.e, n);
        expect_blocks(&model, &model.s, NULL, n);
        expect_slots(&model, true);
        cr_assert(close_it(&model), "twice is once");
        expect_slots(&model, true);
        struct change c;
        change_init(&c, &x.slots, x.w);
        sheaf_replace(&c, &model.s, &model.e);
        cr_assert(change_prepare(&c));
        change_finish(&c);
        struct chunk_footprint used = test_window_used(&x, x.w), nothing = {0};
        test_same_footprint(&used, &nothing, "given back");
        memset(&model, 0, sizeof(model));
    }
}

/* Every length of the first block: its end on, before and behind the end of every size of slot. */
Test(sheaf, every_fill_of_a_slot)
{
    for (uint32_t n_bytes = 1; n_bytes <= COLUMN_BYTES_MAX; n_bytes++)
        for (uint32_t n = 1; n <= 3; n++) {
            while (model.n < n) {
                cr_assert(push(&model, model.n == 0 ? n_bytes : 130));
                expect_blocks(&model, &model.s, &model.e, model.n);
                expect_slots(&model, false);
            }
            cr_assert(close_it(&model));
            expect_blocks(&model, &model.s, NULL, n);
            expect_slots(&model, true);
            forget(&model);
        }
}

/* Takes all blocks of one model into another, any number at a time. */
static void push_many(const struct model *from, struct model *m)
{
    while (m->n < from->n) {
        struct change c;
        uint32_t n = 1 + (uint32_t)random_below(&random_state, from->n - m->n);
        change_init(&c, &x.slots, x.w);
        cr_assert(sheaf_append_many(&c, &m->s, &m->e, &from->blocks[m->n], n, 5000 + m->n));
        cr_assert(change_prepare(&c));
        change_finish(&c);
        m->n += n;
    }
}

Test(sheaf, many_at_once_are_in_the_slots_of_one_by_one)
{
    static struct model many;
    static uint8_t bytes[2][SHEAF_BYTES_MAX];
    for (int round = 0; round < 1000; round++) {
        uint64_t most = 1 + random_below(&random_state, round % 2 ? 60 : COLUMN_BYTES_MAX);
        uint32_t n = 1 + (uint32_t)random_below(&random_state, SHEAF_BLOCKS_MAX);
        while (model.n < n)
            cr_assert(push(&model, 1 + (uint32_t)random_below(&random_state, most)));
        sheaf_gather(&x.t.arena, &model.s, &model.e, bytes[0]);
        struct chunk_footprint one_by_one = test_window_used(&x, x.w), at_once;
        forget(&many); /* the slots; the blocks stay */
        push_many(&model, &many);
        at_once = test_window_used(&x, x.w);
        test_same_footprint(&one_by_one, &at_once, "many at once");
        sheaf_gather(&x.t.arena, &many.s, &many.e, bytes[1]);
        cr_assert_arr_eq(bytes[1], bytes[0], model.s.n_bytes);
        many.s.piece = model.s.piece; /* which of the slots it is does not matter */
        cr_assert_arr_eq(&many.s, &model.s, sizeof(model.s));
        cr_assert_eq(many.e.n_rest, model.e.n_rest);
        cr_assert_arr_eq(&many.e.context, &model.e.context, sizeof(model.e.context));
        forget(&many);
        memset(&model, 0, sizeof(model));
    }
}

/* ---- a whole one from its bytes ---- */

static void expect_outline(const struct model *m, const struct sheaf_outline *o, size_t n_bytes)
{
    cr_assert_eq(o->n_blocks, m->n);
    cr_assert_eq(o->n_samples, m->s.n_samples);
    cr_assert_eq(o->ends[m->n - 1], n_bytes);
    for (uint32_t i = 0; i < m->n; i++)
        cr_assert_eq(o->shared >> i & 1, m->blocks[i].shared != 0);
}

static void make_whole(struct model *m, const uint8_t *bytes, const struct sheaf_outline *o,
                       struct block_context start)
{
    struct change c;
    change_init(&c, &x.slots, x.w);
    cr_assert(sheaf_make_whole(&c, &m->s, bytes, o, start));
    cr_assert(change_prepare(&c));
    change_finish(&c);
    m->e = (struct sheaf_end){0};
}

Test(sheaf, a_whole_one_is_in_the_slots_of_one_by_one)
{
    static struct model whole;
    static uint8_t bytes[2][SHEAF_BYTES_MAX];
    struct sheaf_outline o;
    for (int round = 0; round < 1000; round++) {
        uint64_t most = 1 + random_below(&random_state, round % 2 ? 60 : COLUMN_BYTES_MAX);
        uint32_t n = 1 + (uint32_t)random_below(&random_state, SHEAF_BLOCKS_MAX);
        model.is_row = true;
        while (model.n < n)
            cr_assert(push(&model, 1 + (uint32_t)random_below(&random_state, most)));
        cr_assert(close_it(&model));
        sheaf_gather(&x.t.arena, &model.s, NULL, bytes[0]);
        struct chunk_footprint one_by_one = test_window_used(&x, x.w), at_once;
        cr_assert(sheaf_look(bytes[0], model.s.n_bytes, &o));
        expect_outline(&model, &o, model.s.n_bytes);
        struct block_context start = model.s.start;
        forget(&model);
        make_whole(&whole, bytes[0], &o, start);
        at_once = test_window_used(&x, x.w);
        test_same_footprint(&one_by_one, &at_once, "a whole one");
        sheaf_gather(&x.t.arena, &whole.s, NULL, bytes[1]);
        cr_assert_arr_eq(bytes[1], bytes[0], whole.s.n_bytes);
        cr_assert_eq(whole.s.n_bytes, o.ends[n - 1]);
        cr_assert_eq(whole.s.n_blocks, n);
        cr_assert_eq(whole.s.n_samples, o.n_samples);
        cr_assert_arr_eq(&whole.s.start, &start, sizeof(start));
        forget(&whole);
        memset(&model, 0, sizeof(model));
    }
}

Test(sheaf, only_a_row_of_blocks_is_looked_through)
{
    static uint8_t bytes[SHEAF_BYTES_MAX];
    struct sheaf_outline o;
    for (int round = 0; round < 300; round++) {
        uint32_t n = 2 + (uint32_t)random_below(&random_state, SHEAF_BLOCKS_MAX - 1);
        bool is_row = true;
        while (model.n < n)
            cr_assert(push(&model, 1 + (uint32_t)random_below(&random_state, 40)));
        struct block_context at = model.s.start;
        for (uint32_t i = 0; i < n; i++) {
            const struct block *b = &model.blocks[i];
            is_row = is_row && b->times == BLOCK_AT && b->timeline == at.timeline &&
                     b->first == at.place;
            at.place += b->n_samples;
        }
        sheaf_gather(&x.t.arena, &model.s, &model.e, bytes);
        cr_assert_eq(sheaf_look(bytes, model.s.n_bytes, &o), is_row);
        forget(&model);
    }
    cr_assert_not(sheaf_look(bytes, 0, &o), "nothing");
}

/* A block more than it may have, and samples more than places. */
Test(sheaf, limits_of_what_is_looked_through)
{
    static const uint8_t column[] = {0, 0, 1, 0}, run[] = {0x0F, 0xFF, 0xFF, 0xFF, 0x7F, 1, 0x3F};
    uint8_t bytes[sizeof(run) * (SHEAF_BLOCKS_MAX + 1)];
    struct sheaf_outline o;
    for (size_t i = 0; i <= SHEAF_BLOCKS_MAX; i++)
        memcpy(bytes + i * sizeof(column), column, sizeof(column));
    cr_assert(sheaf_look(bytes, SHEAF_BLOCKS_MAX * sizeof(column), &o));
    cr_assert_eq(o.n_blocks, SHEAF_BLOCKS_MAX);
    cr_assert_not(sheaf_look(bytes, (SHEAF_BLOCKS_MAX + 1) * sizeof(column), &o));
    memcpy(bytes, run, sizeof(run)); /* 2^28 samples */
    memcpy(bytes + sizeof(run), run, sizeof(run));
    bytes[sizeof(run) + 1] = 0xFE; /* 2^28 - 1 */
    cr_assert(sheaf_look(bytes, 2 * sizeof(run), &o));
    cr_assert_eq(o.n_samples, TIMELINE_TIMES_MAX);
    bytes[sizeof(run) + 1] = 0xFF;
    cr_assert_not(sheaf_look(bytes, 2 * sizeof(run), &o));
}

Test(sheaf, an_open_one_is_given_back_with_its_rest)
{
    for (uint32_t n_bytes = 1; n_bytes <= COLUMN_BYTES_MAX; n_bytes += 13) {
        struct change c;
        cr_assert(push(&model, n_bytes));
        change_init(&c, &x.slots, x.w);
        sheaf_replace(&c, &model.s, &model.e);
        cr_assert(change_prepare(&c));
        change_finish(&c);
        struct chunk_footprint used = test_window_used(&x, x.w), nothing = {0};
        test_same_footprint(&used, &nothing, "given back");
        memset(&model, 0, sizeof(model));
    }
}

Test(sheaf, old_copies_stay_readable_while_it_grows)
{
    struct sheaf copies[SHEAF_BLOCKS_MAX];
    struct sheaf_end ends[SHEAF_BLOCKS_MAX];
    for (int round = 0; round < 50; round++) {
        unsigned place = slots_enter(&x.slots);
        for (uint32_t i = 0; i < SHEAF_BLOCKS_MAX; i++) {
            cr_assert(
                push(&model, 1 + (uint32_t)random_below(&random_state, round % 2 ? 400 : 40)));
            slots_drain(&x.slots);
            copies[i] = model.s;
            ends[i] = model.e;
        }
        cr_assert(close_it(&model));
        slots_drain(&x.slots);
        for (uint32_t i = 0; i < SHEAF_BLOCKS_MAX; i++)
            expect_blocks(&model, &copies[i], &ends[i], i + 1);
        slots_leave(&x.slots, place);
        slots_drain(&x.slots);
        memset(&model, 0, sizeof(model));
    }
}

Test(sheaf, as_many_of_the_longest_blocks_as_a_late_sample_may_make)
{
    struct change c;
    uint32_t times[BLOCK_SAMPLES_MAX], n_slots = 0;
    change_init(&c, &x.slots, x.w);
    for (; model.n < BLOCKS; model.n++) {
        struct block *b = next_block(&model, COLUMN_BYTES_MAX);
        b->n_samples = BLOCK_SAMPLES_MAX;
        b->times = BLOCK_AT;
        for (uint32_t i = 0; i < BLOCK_SAMPLES_MAX; i++)
            times[i] = UINT32_MAX / BLOCK_SAMPLES_MAX * i + i % 2;
        b->encoding = 0;
        block_own_times(b, times, BLOCK_SAMPLES_MAX, model.times[model.n]);
        cr_assert(sheaf_append(&c, &model.s, &model.e, b, 5000 + model.n));
    }
    n_slots = c.n_taken;
    cr_assert(change_prepare(&c));
    change_finish(&c);
    cr_assert_leq(model.s.n_bytes, SHEAF_BYTES_MAX);
    cr_assert_lt(n_slots, 64);
    expect_blocks(&model, &model.s, &model.e, BLOCKS);
    expect_slots(&model, false);
}

Test(sheaf, without_memory_the_copy_that_was_there_is_whole)
{
    for (int round = 0; round < 20; round++) {
        while (!(model.n == SHEAF_BLOCKS_MAX && !sheaf_is_open(&model.e))) {
            uint32_t n_bytes = 1 + (uint32_t)random_below(&random_state, COLUMN_BYTES_MAX);
            bool is_in = false, closes = model.n == SHEAF_BLOCKS_MAX;
            for (uint32_t n_left = 0; !is_in; n_left++) {
                struct chunk_footprint before = test_window_used(&x, x.w), after;
                test_dry_begin(&x, &dry, n_left, true);
                is_in = closes ? close_it(&model) : push(&model, n_bytes);
                test_dry_end(&x, &dry, true);
                after = test_window_used(&x, x.w);
                if (!is_in)
                    test_same_footprint(&before, &after, "a failed block");
                if (model.n > 0)
                    expect_blocks(&model, &model.s, &model.e, model.n);
                cr_assert_lt(n_left, 5);
            }
            expect_slots(&model, closes);
        }
        forget(&model);
    }
}
