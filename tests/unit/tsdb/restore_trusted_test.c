/* Blocks that are taken on trust and held together (restore_chunk.c: add_usual_block) against the
 * same ones checked one by one: the same answers, good and bad blocks mixed, and the same samples.
 */
#include "tests/support/random.h"
#include "tests/unit/tsdb/test_store.h"

enum { N_TIMES = 500, STEP_MS = 1000, N_SERIES = 100, N_BLOCKS = 300 };
enum { STEADY = 7, FAST = 9, UNKNOWN = 6 }; /* timelines; places of FAST come ever earlier */

struct wanted {
    unsigned series;
    struct dump_block block;
    uint8_t bytes[COLUMN_BYTES_MAX];
    bool pauses; /* before it */
};

static struct wanted wanted[N_BLOCKS];

static void make_values(struct random *random, struct wanted *w, uint32_t n)
{
    uint64_t values[BLOCK_SAMPLES_MAX];
    struct block b = {0};
    for (uint32_t i = 0; i < n; i++)
        values[i] = test_bits((double)random_below(random, 1000) / 2);
    block_encode_values(&b, values, n, w->bytes);
    w->block.encoding = b.encoding;
    w->block.n_values_bytes = b.n_values_bytes;
    w->block.values = w->bytes;
}

/* One value for all of them; one in six has bytes that are none. */
static void make_run(struct random *random, struct wanted *w)
{
    struct block b;
    block_of_run(&b, 0, 0, 1, test_bits((double)random_below(random, 5) * 0.3), w->bytes);
    w->block.part = DUMP_RUN;
    w->block.encoding = BLOCK_RUN;
    w->block.n_values_bytes = b.n_values_bytes;
    if (random_below(random, 6) > 0)
        return;
    w->bytes[b.n_values_bytes] = 0;
    w->block.n_values_bytes = random_below(random, 2) ? b.n_values_bytes + 1 : 0;
}

/* Series one after the other. One block in ten is wrong in some way: overlaps, lies beyond its
 * timeline, has none, is none, is of a series that was left. */
static void make_blocks(struct random *random)
{
    uint32_t next[N_SERIES] = {0};
    unsigned series = 0;
    for (int i = 0; i < N_BLOCKS; i++) {
        struct wanted *w = &wanted[i];
        uint64_t fault = random_below(random, 40);
        uint32_t n = 1 + (uint32_t)random_below(random, 20);
        bool was_run = i > 0 && w[-1].block.part == DUMP_RUN;
        bool moves_on = was_run ? random_below(random, 8) > 0 : random_below(random, 11) == 0;
        if (moves_on && series + 1 < N_SERIES)
            series++;
        w->series = fault == 4 ? series / 2 : series;
        w->pauses = random_below(random, 30) == 0;
        w->block = (struct dump_block){.part = random_below(random, 2) ? DUMP_SHEAF : DUMP_BLOCK,
                                       .times = DUMP_AT,
                                       .timeline = random_below(random, 10) ? STEADY : FAST,
                                       .first = next[series] + (uint32_t)random_below(random, 3),
                                       .n_samples = n};
        make_values(random, w, n);
        if (random_below(random, 5) == 0)
            make_run(random, w);
        if (fault == 0)
            w->block.first = next[series] / 2;
        else if (fault == 1)
            w->block.first = UINT32_MAX - (uint32_t)random_below(random, 30);
        else if (fault == 2)
            w->block.timeline = UNKNOWN;
        else if (fault == 3)
            w->block.n_samples = random_below(random, 2) ? 0 : BLOCK_SAMPLES_MAX + 1;
        else if (fault > 4)
            next[series] = w->block.first + n;
    }
}

static int restore_timeline(struct restore *r, uint32_t number, uint32_t step_ms)
{
    int err = 0;
    for (uint32_t from = 0; from < N_TIMES && err == 0; from += DUMP_TIMES_MAX) {
        struct dump_times t = {.timeline = number, .from = from};
        for (; t.n < DUMP_TIMES_MAX && from + t.n < N_TIMES; t.n++)
            t.times[t.n] = (from + t.n) * step_ms;
        err = restore_times(r, &t);
    }
    return err;
}

static void begin(struct test_store *s, struct restore *r, uint32_t ids[N_SERIES])
{
    struct test_labels l;
    test_store_new(s, NULL);
    restore_begin(r, s->db);
    for (int i = 0; i < N_SERIES; i++) {
        char name[32];
        snprintf(name, sizeof(name), "up{a=%d}", i);
        cr_assert_eq(restore_series(r, test_labels(&l, name), &ids[i]), 0);
    }
    cr_assert_eq(restore_window(r, tsdb_window_of(s->db, TEST_START_MS)), 0);
    cr_assert_eq(restore_timeline(r, STEADY, STEP_MS), 0);
    cr_assert_eq(restore_timeline(r, FAST, STEP_MS * 9 / 10), 0);
}

static void feed(struct test_store *s, bool is_quick, int errs[N_BLOCKS])
{
    struct restore r;
    uint32_t ids[N_SERIES];
    begin(s, &r, ids);
    r.is_trusted = is_quick;
    for (int i = 0; i < N_BLOCKS; i++) {
        if (is_quick && (i == 0 || wanted[i].pauses)) {
            cr_assert_eq(restore_pause(&r), 0);
            restore_hold(&r);
        }
        errs[i] = restore_block(&r, ids[wanted[i].series], &wanted[i].block);
    }
    cr_assert_eq(restore_pause(&r), 0);
    restore_end(&r);
    test_store_check(s);
}

Test(restore_trusted, blocks_on_trust_are_those_that_were_checked, .timeout = 120)
{
    static struct test_store quick, slow;
    struct random random;
    int n_good = 0, n_bad = 0;
    random_init(&random, random_seed());
    for (int round = 0; round < 60; round++) {
        int of_quick[N_BLOCKS], of_slow[N_BLOCKS];
        make_blocks(&random);
        feed(&quick, true, of_quick);
        feed(&slow, false, of_slow);
        for (int i = 0; i < N_BLOCKS; i++) {
            cr_assert_eq(of_quick[i], of_slow[i], "block %d: %d, not %d", i, of_quick[i],
                         of_slow[i]);
            n_good += of_slow[i] == 0;
            n_bad += of_slow[i] != 0;
        }
        test_same_samples(&quick, &slow);
        test_store_free(&quick);
        test_store_free(&slow);
    }
    cr_assert_gt(n_good, 2 * n_bad);
    cr_assert_gt(n_bad, 200);
}
