/* Chunks that a snapshot brings back: the same samples in the same slots. */
#include "tests/unit/tsdb/test_model.h"
#include "tests/unit/tsdb/test_window_suite.h"

static struct test_dry dry;

TestSuite(chunk_restore, .init = test_window_set_up, .fini = test_window_tear_down);

enum { SERIES = 8, TIMELINES_MAX = 4000 };

static uint64_t below(uint64_t n)
{
    return random_below(&random_state, n);
}

/* ---- a window's copy in another window ---- */

struct copy {
    struct window *from, *to;
    slot old[TIMELINES_MAX], made[TIMELINES_MAX];
    uint32_t n_timelines;
    struct chunk_writer w;
    struct chunk chunk; /* the one that is being restored */
    bool is_dry;        /* each batch is tried without memory first */
    struct chunk_parts parts;
    uint8_t bytes[CHUNK_PARTS_MAX][2][BLOCK_STORED_MAX]; /* of the blocks in it */
    uint32_t n_parts_max;                                /* of a batch */
};

static struct copy copy;

static slot copy_timeline(slot from)
{
    struct times_item items[1];
    struct times_cache cache;
    times_cache_init(&cache, items, 1);
    uint32_t n = timeline_times(&x.t.arena, from);
    slot to = timeline_new(&x.slots, copy.to, timeline_time(&x.t.arena, &cache, from, 0));
    cr_assert_neq(to, 0);
    for (uint32_t i = 1; i < n; i++)
        cr_assert_eq(timeline_append(&x.slots, copy.to, to,
                                     &(uint32_t){timeline_time(&x.t.arena, &cache, from, i)}, 1),
                     0);
    return to;
}

static void begin_copy(void)
{
    memset(&copy, 0, sizeof(copy));
    copy.from = x.w;
    copy.to = window_make(&x.windows, copy.from->number + 1);
    for (slot t = copy.from->last_timeline; t != 0; t = timeline_at(&x.t.arena, t)->before) {
        cr_assert_lt(copy.n_timelines, TIMELINES_MAX);
        copy.old[copy.n_timelines] = t;
        copy.made[copy.n_timelines++] = copy_timeline(t);
    }
}

static slot copied(slot timeline)
{
    for (uint32_t i = 0; i < copy.n_timelines; i++)
        if (copy.old[i] == timeline)
            return copy.made[i];
    cr_assert_fail("a timeline of no window");
    return 0;
}

/* Restores a batch; before it, with too little memory, it changes nothing. */
static void restore_parts(void)
{
    int err = ERR_NO_MEMORY;
    for (uint32_t n_left = 0; copy.is_dry && err != 0; n_left++) {
        const struct chunk_view before = test_view(&x, &copy.chunk);
        struct chunk_footprint used = test_window_used(&x, copy.to), now;
        struct window *w = x.w;
        x.w = copy.to;
        test_dry_begin(&x, &dry, n_left, n_left % 2 != 0);
        err = chunk_restore(&copy.w, &copy.chunk, &copy.parts);
        test_dry_end(&x, &dry, n_left % 2 != 0);
        x.w = w;
        if (err == 0)
            break;
        cr_assert_eq(err, ERR_NO_MEMORY);
        now = test_window_used(&x, copy.to);
        test_same_footprint(&used, &now, "a batch without memory");
        const struct chunk_view after = test_view(&x, &copy.chunk);
        cr_assert_arr_eq(&before, &after, sizeof(before));
        cr_assert_lt(n_left, 200);
    }
    if (!copy.is_dry)
        cr_assert_eq(chunk_restore(&copy.w, &copy.chunk, &copy.parts), 0);
    copy.parts.n = 0;
    copy.n_parts_max = 1 + (uint32_t)below(CHUNK_PARTS_MAX);
}

static const uint8_t *kept(uint32_t i, unsigned which, const uint8_t *bytes, size_t n)
{
    return n > 0 ? memcpy(copy.bytes[i][which], bytes, n) : NULL;
}

static int visit_block(void *ctx, enum chunk_part part, const struct block *b)
{
    (void)ctx;
    if (copy.parts.n == copy.n_parts_max)
        restore_parts();
    uint32_t i = copy.parts.n++;
    struct block *moved = &copy.parts.blocks[i];
    copy.parts.parts[i] = part;
    *moved = *b;
    if (b->times == BLOCK_AT)
        moved->timeline = copied(b->timeline);
    moved->values = kept(i, 0, b->values, b->n_values_bytes);
    moved->times_bytes = kept(i, 1, b->times_bytes, b->n_times_bytes);
    return 0;
}

static int visit_tail(void *ctx, const struct chunk_tail *t)
{
    struct chunk_tail moved = *t;
    (void)ctx;
    if (t->timeline != 0)
        moved.timeline = copied(t->timeline);
    copy.parts.tail = &moved;
    restore_parts();
    copy.parts.tail = NULL;
    return 0;
}

/* The chunk as it comes back, in the copy of its window. */
static struct chunk restored(const struct test_model *m)
{
    struct chunk_view v = test_view(&x, &m->c);
    const struct chunk_visitor visitor = {.block = visit_block, .tail = visit_tail, .ctx = NULL};
    memset(&copy.chunk, 0, sizeof(copy.chunk));
    copy.w = test_writer(&x, m);
    copy.w.window = copy.to;
    copy.w.is_open = true;
    bool was_sealed = m->c.kind == CHUNK_SHEAF || m->c.kind == CHUNK_ROW;
    copy.parts = (struct chunk_parts){0};
    copy.n_parts_max = 1 + (uint32_t)below(CHUNK_PARTS_MAX);
    unsigned place = slots_enter(&x.slots);
    cr_assert_eq(chunk_visit(&x.t.arena, &v, 0, &visitor), 0);
    copy.parts.is_sealed = was_sealed && below(4) != 0;
    if (copy.parts.n > 0)
        restore_parts();
    if (was_sealed && !copy.parts.is_sealed)
        cr_assert_eq(chunk_seal(&copy.w, &copy.chunk), 0);
    slots_leave(&x.slots, place);
    return copy.chunk;
}

/* Heads and tails are in one pool for both windows: those of the old one go at once. */
static void drop_open(const struct chunk *c)
{
    slot items[CHUNK_OPEN_SLOTS_MAX];
    if (c->kind != CHUNK_HEAD)
        return;
    uint32_t n = chunk_open_slots(&x.t.arena, c->at, items);
    slots_open_put(&x.slots, items, n, chunk_open_payload(&x.t.arena, c->at));
}

/* Copies the window, compares slots and payload, and lets the models have the copies. */
static void expect_same_window(struct test_model *models, size_t n, bool is_dry)
{
    begin_copy();
    copy.is_dry = is_dry;
    struct chunk_footprint was = test_window_used(&x, copy.from), is;
    for (size_t i = 0; i < n; i++) {
        const struct chunk old = models[i].c;
        if (old.serial == 0)
            continue;
        models[i].c = restored(&models[i]);
        cr_assert_eq(models[i].c.kind, old.kind);
        cr_assert_eq(models[i].c.serial, copy.to->serial);
        drop_open(&old);
    }
    is = test_window_used(&x, copy.to);
    test_same_footprint(&was, &is, "restored");
    x.w = copy.to;
    for (size_t i = 0; i < n; i++) {
        if (models[i].n == 0)
            continue;
        test_model_whole(&x, &models[i]);
        test_model_spot(&x, &models[i], &random_state);
    }
}

/* ---- tests ---- */

static struct test_model m, several[SERIES];

Test(chunk_restore, chunks_of_any_length_and_form)
{
    for (uint32_t n = 1; n < 3000; n += 1 + n / 8)
        for (int kind = 0; kind < COLUMN_KINDS; kind++) {
            test_model_init(&m, n);
            for (uint32_t i = 0; i < n; i++)
                test_model_add(&x, &m, i * 1000,
                               test_value(&random_state, (enum test_column)kind, i));
            if (below(2) == 0)
                test_model_seal(&x, &m);
            expect_same_window(&m, 1, false);
            test_window_renew(&x);
        }
}

Test(chunk_restore, constants_and_what_they_became)
{
    static const uint32_t lengths[] = {1, 2, 63, 64, 65, 128, 129, 1000};
    for (size_t i = 0; i < ARRAY_LEN(lengths); i++)
        for (unsigned form = 0; form < 5; form++) {
            uint32_t n = lengths[i], time = 0;
            test_model_init(&m, n);
            for (uint32_t k = 0; k < n; k++)
                test_model_add(&x, &m, time += 1000, test_bits(1));
            if (form == 1 || form == 2)
                test_model_add(&x, &m, time += 1000, STALE_BITS);
            if (form > 1)
                test_model_add(&x, &m, time += 1000, test_bits(form == 2 ? 1 : 2));
            for (uint32_t k = 0; form == 4 && k < 200; k++)
                test_model_add(&x, &m, time += 1000, test_bits(2));
            expect_same_window(&m, 1, false);
            /* and it goes on */
            for (uint32_t k = 0; k < 100; k++)
                test_model_add(&x, &m, time += 1000, test_bits(k / 10));
            test_model_whole(&x, &m);
            test_models_footprint(&x, &m, 1);
            test_window_renew(&x);
        }
}

/* Regular and wild times, late samples, sealing: then a restart, again and again. */
Test(chunk_restore, windows_with_everything_in_them)
{
    for (int round = 0; round < 12; round++) {
        for (uint32_t i = 0; i < SERIES; i++)
            test_model_init(&several[i], (uint32_t)below(1000));
        for (uint32_t k = 0; k < 1800; k++) {
            for (uint32_t i = 0; i < SERIES; i++) {
                struct test_model *s = &several[i];
                uint32_t time = 200000 + k * 1000 + (uint32_t)below(i == 7 ? 900 : 1);
                uint64_t value = i == 0 ? test_bits((double)(k / 150))
                                        : test_value(&random_state, (enum test_column)i, k);
                if (below(100) == 0)
                    time -= (uint32_t)below(200000);
                if (below(30) != 0 && !test_model_has(s, time))
                    test_model_add(&x, s, time, value);
                if (below(3000) == 0 && s->is_open) { /* for good: its series has moved on */
                    test_model_seal(&x, s);
                    s->is_open = false;
                }
            }
            if (below(900) == 0)
                expect_same_window(several, SERIES, false);
        }
        expect_same_window(several, SERIES, false);
        test_window_renew(&x);
    }
}

Test(chunk_restore, without_memory_nothing_changes)
{
    for (int kind = 0; kind < COLUMN_KINDS; kind++) {
        test_model_init(&m, 5);
        for (uint32_t i = 0; i < 6000; i++) {
            uint32_t time = 100000 + i * 1000 - (below(100) == 0 ? (uint32_t)below(99999) : 0);
            if (!test_model_has(&m, time))
                test_model_add(&x, &m, time, test_value(&random_state, (enum test_column)kind, i));
        }
        expect_same_window(&m, 1, true);
        test_window_renew(&x);
    }
}

/* ---- what cannot be ---- */

static struct block run_of(uint32_t time)
{
    static uint8_t bytes[RUN_BYTES_MAX];
    struct block b;
    block_of_run(&b, 0, time, 1, test_bits(1), bytes);
    return b;
}

static int restore_block(const struct chunk_writer *w, struct chunk *c, enum chunk_part part,
                         const struct block *b)
{
    struct chunk_parts in = {.n = 1, .parts = {part}, .blocks = {*b}};
    return chunk_restore(w, c, &in);
}

static int restore_tail(const struct chunk_writer *w, struct chunk *c, const struct chunk_tail *t)
{
    struct chunk_parts in = {.tail = t};
    return chunk_restore(w, c, &in);
}

Test(chunk_restore, nothing_comes_behind_a_tail)
{
    struct chunk_tail tail = {.n = 2, .places = {1000, 2000}, .values = {1, 2}};
    struct block b = run_of(5000);
    struct chunk_writer w = test_writer(&x, &m);
    struct chunk c = {0};
    w.is_open = true;
    cr_assert_eq(restore_tail(&w, &c, &tail), 0);
    const struct chunk before = c;
    cr_assert_eq(restore_tail(&w, &c, &tail), ERR_CORRUPT);
    cr_assert_eq(restore_block(&w, &c, PART_BLOCK, &b), ERR_CORRUPT);
    cr_assert_eq(restore_block(&w, &c, PART_SHEAF, &b), ERR_CORRUPT);
    cr_assert_eq(restore_block(&w, &c, PART_RUN, &b), ERR_CORRUPT);
    cr_assert_arr_eq(&c, &before, sizeof(c));
    struct chunk_parts both = {.n = 1, .parts = {PART_RUN}, .blocks = {b}, .tail = &tail};
    struct chunk none = {0};
    cr_assert_eq(chunk_restore(&w, &none, &both), ERR_CORRUPT);
    cr_assert_eq(none.serial, 0);
}

/* A chunk of which the first part was thought to be all. */
Test(chunk_restore, a_sealed_chunk_is_opened_for_more)
{
    struct chunk_writer w = test_writer(&x, &m);
    struct chunk_tail tail = {.n = 2, .places = {90000, 95000}, .values = {1, 2}};
    struct chunk c = {0};
    struct chunk_parts in = {.n = 2, .is_sealed = true, .parts = {PART_SHEAF, PART_SHEAF}};
    in.blocks[0] = run_of(1000);
    in.blocks[1] = run_of(2000);
    cr_assert_eq(chunk_restore(&w, &c, &in), 0);
    cr_assert_eq(c.kind, CHUNK_ROW);
    struct block b = run_of(5000);
    cr_assert_eq(restore_block(&w, &c, PART_BLOCK, &b), 0);
    cr_assert_eq(c.kind, CHUNK_HEAD);
    cr_assert_eq(chunk_seal(&w, &c), 0);
    cr_assert_eq(restore_tail(&w, &c, &tail), 0);
    cr_assert_eq(c.n_samples, 5);
    struct chunk_view v = test_view(&x, &c);
    cr_assert_eq(v.head.sheaves.n + (v.head.last.n_blocks > 0), 3);
    cr_assert(chunk_check(&x.t.arena, &x.times, &v));
    struct chunk_footprint used = test_window_used(&x, x.w), counted = {0};
    chunk_add_footprint(&x.t.arena, &v, &counted);
    test_same_footprint(&counted, &used, "opened again");
}

/* ---- limits ---- */

/* A file may have sheaves of any size: they are closed all the same. */
Test(chunk_restore, a_sheaf_is_closed_at_its_limit)
{
    struct chunk_writer w = test_writer(&x, &m);
    struct chunk c = {0};
    w.is_open = true;
    for (uint32_t i = 0; i < 50; i++) {
        struct block b = run_of(1000 + i);
        cr_assert_eq(restore_block(&w, &c, i == 0 ? PART_SHEAF : PART_BLOCK, &b), 0);
    }
    struct chunk_view v = test_view(&x, &c);
    cr_assert_eq(v.head.sheaves.n, 3);
    for (uint32_t i = 0; i < 3; i++) {
        const struct sheaf *s = row_at(&x.t.arena, &v.head.sheaves, sizeof(*s), i);
        cr_assert_eq(s->n_blocks, SHEAF_BLOCKS_MAX);
    }
    cr_assert_eq(v.head.last.n_blocks, 2);
    cr_assert(chunk_check(&x.t.arena, &x.times, &v));
}

/* Splits one sheaf of a directory of n: how many late samples went in until that failed, or 0 when
 * it did not. */
static uint32_t split_in_directory_of(uint32_t n)
{
    struct chunk_writer w = test_writer(&x, &m);
    struct chunk c = {0};
    uint32_t n_in = 0;
    int err = 0;
    w.is_open = true;
    for (uint32_t i = 0; i < n; i++) {
        struct block b = run_of(1000 + i * 10000);
        cr_assert_eq(restore_block(&w, &c, PART_SHEAF, &b), 0);
    }
    uint32_t n_sheaves = test_view(&x, &c).head.sheaves.n;
    for (; err == 0 && test_view(&x, &c).head.sheaves.n == n_sheaves && n_in < 5000; n_in++)
        err = chunk_add(&w, &c, 1001 + 500 * 10000 + n_in, random_next(&random_state), false);
    struct chunk_view v = test_view(&x, &c);
    cr_assert(chunk_check(&x.t.arena, &x.times, &v));
    cr_assert(err == 0 || err == ERR_NO_MEMORY);
    cr_assert_eq(v.head.sheaves.n, err == 0 ? n_sheaves + 1 : n_sheaves);
    cr_assert_eq(c.n_samples, n + n_in - (err != 0));
    struct chunk_footprint used = test_window_used(&x, x.w), counted = {0};
    chunk_add_footprint(&x.t.arena, &v, &counted);
    test_same_footprint(&counted, &used, "a large directory");
    test_window_renew(&x);
    return err != 0 ? n_in : 0;
}

/* A split writes the directory anew, which takes CHANGE_SLOTS_MAX slots at most. */
Test(chunk_restore, a_directory_is_split_up_to_the_slots_of_a_change)
{
    cr_assert_eq(split_in_directory_of(600), 0);
    cr_assert_eq(split_in_directory_of(11000), 0);
    cr_assert_eq(split_in_directory_of(40000), 0);
    cr_assert_neq(split_in_directory_of(44000), 0, "one that long stays as it is");
}
