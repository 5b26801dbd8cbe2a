/* Usual samples, taken together, against the same ones by chunk_add, one by one. */
#include "tests/unit/tsdb/test_model.h"
#include "tests/unit/tsdb/test_window_suite.h"

static struct test_model plain, quick; /* of one phase, in one window */

TestSuite(chunk_extend, .init = test_window_set_up, .fini = test_window_tear_down, .timeout = 120);

static struct chunk_writer plain_writer(void)
{
    struct chunk_writer w = test_writer(&x, &plain);
    w.memo = NULL;
    return w;
}

/* What both chunks look like but for where their slots are. */
static void expect_same_form(void)
{
    struct chunk_view a = test_view(&x, &plain.c), b = test_view(&x, &quick.c);
    cr_assert_eq(a.c.kind, b.c.kind);
    cr_assert_eq(a.c.n_samples, b.c.n_samples);
    cr_assert_eq(a.c.place, b.c.place);
    if (a.c.kind != CHUNK_HEAD)
        return;
    cr_assert_eq(memcmp(&a.head.tail, &b.head.tail, sizeof(a.head.tail)), 0);
    cr_assert_eq(a.head.last.n_blocks, b.head.last.n_blocks);
    cr_assert_eq(a.head.last.n_bytes, b.head.last.n_bytes);
    cr_assert_eq(a.head.sheaves.n, b.head.sheaves.n);
    cr_assert_eq(chunk_open_payload(&x.t.arena, a.c.at), chunk_open_payload(&x.t.arena, b.c.at));
}

/* As append.c does it: those that are usual, then one by chunk_add. Returns how many were usual. */
static size_t add_quickly(const uint32_t *times, const uint64_t *values, size_t n)
{
    struct chunk_writer w = test_writer(&x, &quick);
    size_t n_usual = 0;
    for (size_t i = 0; i < n;) {
        size_t took =
            quick.c.serial != 0 ? chunk_extend(&w, &quick.c, &times[i], &values[i], n - i) : 0;
        n_usual += took;
        i += took;
        if (took == 0) {
            cr_assert_eq(chunk_add(&w, &quick.c, times[i], values[i], true), 0);
            i++;
        }
    }
    slots_count_open(&x.slots, &x.open_payload);
    return n_usual;
}

/* The plain one has just looked up where the time is, as other series of a scrape do. */
static void note_place(uint32_t time)
{
    struct chunk_view v = test_view(&x, &plain.c);
    const struct tail *t = &v.head.tail;
    if (v.c.kind == CHUNK_CONSTANT)
        times_memo_note(&x.memo, v.c.timeline, v.c.place + v.c.n_samples - 1, time);
    else if (t->n_samples > 0 && t->timeline != 0)
        times_memo_note(&x.memo, t->timeline, t->last, time);
    else if (t->n_samples == 0 && v.head.end.context.timeline != 0) /* it has become a block */
        times_memo_note(&x.memo, v.head.end.context.timeline, v.head.end.context.place - 1, time);
}

/* n samples in groups of 1 to 16 to both; the model of the plain one remembers them for both. */
static size_t add_column(enum test_column kind, uint32_t n)
{
    struct chunk_writer w = plain_writer();
    uint32_t times[16];
    uint64_t values[16];
    size_t n_usual = 0;
    for (uint32_t i = 0; i < n;) {
        uint32_t group = 1 + (uint32_t)random_below(&random_state, 16), k = 0;
        unsigned place = slots_enter(&x.slots);
        for (; k < group && i < n; k++, i++) {
            uint64_t luck = random_below(&random_state, 200);
            times[k] = (plain.n > 0 ? plain.times[plain.n - 1] : 0) + 1000 + (luck == 0 ? 1000 : 0);
            values[k] = luck == 1 ? TEST_STALE : test_value(&random_state, kind, i);
            cr_assert_eq(chunk_add(&w, &plain.c, times[k], values[k], true), 0);
            note_place(times[k]);
            plain.times[plain.n] = times[k];
            plain.values[plain.n++] = values[k];
        }
        n_usual += add_quickly(times, values, k);
        slots_leave(&x.slots, place);
        slots_drain(&x.slots);
        expect_same_form();
    }
    return n_usual;
}

static void begin(uint32_t phase)
{
    test_model_init(&plain, phase);
    test_model_init(&quick, phase);
    memset(&x.memo, 0, sizeof(x.memo));
}

Test(chunk_extend, gives_the_same_form_as_one_by_one)
{
    size_t n_usual = 0, n = 0;
    for (enum test_column kind = 0; kind < COLUMN_KINDS; kind++)
        for (uint32_t round = 0; round < 4; round++) {
            begin(kind * 7 + round * 13);
            n_usual += add_column(kind, 1500);
            n += plain.n;
            quick.n = plain.n;
            memcpy(quick.times, plain.times, plain.n * sizeof(plain.times[0]));
            memcpy(quick.values, plain.values, plain.n * sizeof(plain.values[0]));
            test_model_whole(&x, &plain);
            test_model_whole(&x, &quick);
            test_model_seal(&x, &plain);
            test_model_seal(&x, &quick);
            cr_assert_eq(x.slots.open.n_used, 0);
            cr_assert_eq(x.slots.open_payload, 0, "%zd", (ssize_t)x.slots.open_payload);
        }
    cr_assert_gt(n_usual * 2, n, "%zu of %zu", n_usual, n);
}

static size_t extend(uint32_t time, uint64_t value)
{
    struct chunk_writer w = test_writer(&x, &quick);
    unsigned place = slots_enter(&x.slots);
    size_t n = chunk_extend(&w, &quick.c, &time, &value, 1);
    slots_leave(&x.slots, place);
    slots_count_open(&x.slots, &x.open_payload);
    return n;
}

static void add(uint32_t time, uint64_t value)
{
    cr_assert_eq(test_model_try(&x, &quick, time, value), 0);
}

Test(chunk_extend, takes_no_time_but_that_of_the_memo)
{
    begin(0);
    cr_assert_eq(extend(1000, 7), 0, "there is no chunk");
    add(1000, 7);
    times_memo_note(&x.memo, quick.c.timeline, quick.c.place + 1, 2000);
    cr_assert_eq(extend(2001, 7), 0);
    cr_assert_eq(extend(2000, 8), 0, "a constant stays one");
    cr_assert_eq(extend(2000, 7), 1);
    cr_assert_eq(extend(3000, 7), 0, "nobody has looked it up");
    cr_assert_eq(quick.c.n_samples, 2);
    test_model_init(&quick, 0);
    for (uint32_t i = 0; i < 3; i++)
        add(1000 + i * 1000, i);
    const struct tail *t = &chunk_head_at(&x.t.arena, quick.c.at)->tail;
    times_memo_note(&x.memo, t->timeline, t->last + 1, 4000);
    cr_assert_eq(extend(4001, 7), 0);
    cr_assert_eq(extend(4000, 7), 1);
    struct chunk_writer w = test_writer(&x, &quick);
    w.memo = NULL;
    times_memo_note(&x.memo, t->timeline, t->last + 2, 5000);
    cr_assert_eq(chunk_extend(&w, &quick.c, &(uint32_t){5000}, &(uint64_t){7}, 1), 0);
}
