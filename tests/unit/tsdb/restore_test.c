/* What restoring takes and refuses, record by record. dump_test.c has whole stores. */
#include "tests/unit/tsdb/test_store.h"

static struct test_store s;
static struct restore r;
static uint32_t up; /* a series */

#define T0 TEST_START_MS

enum { N_TIMES = 200, STEP_MS = 1000 };

static int64_t window_number(void)
{
    return tsdb_window_of(s.db, T0);
}

static struct dump_times times_of(uint32_t timeline, uint32_t from, uint32_t n)
{
    struct dump_times t = {.timeline = timeline, .from = from, .n = n};
    for (uint32_t i = 0; i < n; i++)
        t.times[i] = (from + i) * STEP_MS;
    return t;
}

/* Timeline 7 has N_TIMES times from the window's start on. */
static int restore_timeline(void)
{
    struct dump_times first = times_of(7, 0, DUMP_TIMES_MAX);
    struct dump_times rest = times_of(7, DUMP_TIMES_MAX, N_TIMES - DUMP_TIMES_MAX);
    int err = restore_times(&r, &first);
    return err != 0 ? err : restore_times(&r, &rest);
}

static int restore_up(void)
{
    struct test_labels l;
    return restore_series(&r, test_labels(&l, "up{a=1}"), &up);
}

static void set_up(void)
{
    test_store_new(&s, NULL);
    restore_begin(&r, s.db);
    cr_assert_eq(restore_up(), 0);
    cr_assert_eq(restore_window(&r, window_number()), 0);
    cr_assert_eq(restore_timeline(), 0);
}

static void tear_down(void)
{
    restore_end(&r);
    test_store_free(&s);
}

TestSuite(restore, .init = set_up, .fini = tear_down, .timeout = 60);

/* ---- records ---- */

/* n values at places from `first` on. */
static struct dump_block block_at(uint32_t first, uint32_t n)
{
    static uint64_t values[BLOCK_SAMPLES_MAX];
    static uint8_t bytes[COLUMN_BYTES_MAX];
    struct block b = {0};
    for (uint32_t i = 0; i < n; i++)
        values[i] = test_bits(i * i);
    block_encode_values(&b, values, n, bytes);
    return (struct dump_block){.part = DUMP_SHEAF,
                               .times = DUMP_AT,
                               .encoding = b.encoding,
                               .timeline = 7,
                               .first = first,
                               .n_samples = n,
                               .n_values_bytes = b.n_values_bytes,
                               .values = bytes};
}

/* The same at times of its own. */
static struct dump_block block_own(const uint32_t *times, uint32_t n)
{
    static uint8_t bytes[BLOCK_TIMES_BYTES_MAX];
    struct dump_block out = block_at(0, n);
    struct block b = {0};
    b.n_samples = n;
    block_own_times(&b, times, n, bytes);
    out.times = (enum dump_place)b.times;
    out.timeline = 0;
    out.first = b.first;
    out.step = b.step;
    out.n_times_bytes = b.n_times_bytes;
    out.times_bytes = bytes;
    return out;
}

static struct dump_block run_at(uint32_t first, uint32_t n, const char *value, uint32_t n_bytes)
{
    return (struct dump_block){.part = DUMP_RUN,
                               .times = DUMP_AT,
                               .encoding = BLOCK_RUN,
                               .timeline = 7,
                               .first = first,
                               .n_samples = n,
                               .n_values_bytes = n_bytes,
                               .values = (const uint8_t *)value};
}

static struct dump_tail tail_at(uint32_t first, uint32_t n)
{
    struct dump_tail t = {.has_timeline = true, .timeline = 7, .n = n};
    for (uint32_t i = 0; i < n; i++) {
        t.places[i] = first + i;
        t.values[i] = test_bits(i * 0.5);
    }
    return t;
}

static struct dump_tail tail_own(uint32_t first, uint32_t step, uint32_t n)
{
    struct dump_tail t = tail_at(0, n);
    t.has_timeline = false;
    for (uint32_t i = 0; i < n; i++)
        t.places[i] = first + i * step;
    return t;
}

static void expect_samples(uint64_t n)
{
    cr_assert_eq(test_stats(&s).samples, n);
    test_store_check(&s);
}

/* ---- times ---- */

static int times(uint32_t timeline, uint32_t from, uint32_t n, uint32_t first, uint32_t second)
{
    struct dump_times t = times_of(timeline, from, n > DUMP_TIMES_MAX ? 0 : n);
    t.n = n;
    t.times[0] = first;
    if (n > 1)
        t.times[1] = second;
    return restore_times(&r, &t);
}

Test(restore, times_must_follow_each_other)
{
    uint32_t last = (N_TIMES - 1) * STEP_MS;
    cr_assert_eq(times(7, N_TIMES - 1, 2, last + 1, last + 2), ERR_CORRUPT, "a place twice");
    cr_assert_eq(times(7, N_TIMES + 1, 2, last + 1, last + 2), ERR_CORRUPT, "a gap");
    cr_assert_eq(times(7, 0, 2, last + 1, last + 2), ERR_CORRUPT, "from the start again");
    cr_assert_eq(times(7, N_TIMES, 2, last, last + 2), ERR_CORRUPT, "not behind the last");
    cr_assert_eq(times(8, 1, 2, 5, 6), ERR_CORRUPT, "a timeline that does not begin at 0");
    cr_assert_eq(times(UINT32_MAX, 1, 2, 5, 6), ERR_CORRUPT);
    cr_assert_eq(times(7, N_TIMES, 2, last + 9, last + 9), ERR_CORRUPT, "twice the same");
    cr_assert_eq(times(7, N_TIMES, 2, last + 9, last + 8), ERR_CORRUPT, "back");
    cr_assert_eq(times(7, N_TIMES, 0, last + 9, 0), ERR_CORRUPT, "none");
    cr_assert_eq(times(7, N_TIMES, DUMP_TIMES_MAX + 1, last + 9, 0), ERR_CORRUPT);
    cr_assert_eq(times(7, N_TIMES, 1, TEST_WINDOW_MS, 0), ERR_CORRUPT, "of the next window");
    cr_assert_eq(times(7, N_TIMES, 1, TEST_WINDOW_MS - 1, 0), 0, "the last of this one");
    cr_assert_eq(times(8, 0, 1, TEST_WINDOW_MS - 1, 0), 0);
    cr_assert_eq(times(UINT32_MAX, 0, 1, 0, 0), 0, "any number is one");
    expect_samples(0);
}

Test(restore, times_are_of_their_window)
{
    struct dump_block b = block_at(0, 100);
    cr_assert_eq(restore_window(&r, window_number() + 1), 0);
    cr_assert_eq(restore_block(&r, up, &b), ERR_NOT_FOUND);
    cr_assert_eq(restore_timeline(), 0, "the number is free again");
    cr_assert_eq(restore_block(&r, up, &b), 0);
    expect_samples(100);
}

Test(restore, without_a_window_nothing_is_taken)
{
    struct dump_times t = times_of(1, 0, 1);
    struct dump_block b = block_at(0, 100);
    struct dump_tail tail = tail_at(0, 3);
    restore_end(&r);
    restore_begin(&r, s.db);
    cr_assert_eq(restore_up(), 0);
    cr_assert_eq(restore_times(&r, &t), ERR_TOO_OLD);
    cr_assert_eq(restore_block(&r, up, &b), ERR_TOO_OLD);
    cr_assert_eq(restore_tail(&r, up, &tail), ERR_TOO_OLD);
    expect_samples(0);
}

/* ---- blocks ---- */

static int block(struct dump_block b)
{
    return restore_block(&r, up, &b);
}

static int changed(uint32_t *field, struct dump_block *b, uint32_t value)
{
    uint32_t was = *field;
    *field = value;
    int err = restore_block(&r, up, b);
    *field = was;
    return err;
}

Test(restore, a_block_must_be_one)
{
    struct dump_block b = block_at(0, 100);
    cr_assert_eq(restore_block(&r, up + 1, &b), ERR_CORRUPT, "no such series");
    cr_assert_eq(changed(&b.timeline, &b, 6), ERR_NOT_FOUND);
    cr_assert_eq(changed(&b.timeline, &b, UINT32_MAX), ERR_NOT_FOUND);
    cr_assert_eq(changed(&b.first, &b, N_TIMES - 99), ERR_NOT_FOUND, "beyond the timeline");
    cr_assert_eq(changed(&b.first, &b, UINT32_MAX - 5), ERR_NOT_FOUND);
    cr_assert_eq(changed(&b.n_samples, &b, 0), ERR_CORRUPT);
    cr_assert_eq(changed(&b.n_samples, &b, 99), ERR_CORRUPT);
    cr_assert_eq(changed(&b.n_samples, &b, BLOCK_SAMPLES_MAX + 1), ERR_CORRUPT);
    cr_assert_eq(changed(&b.n_samples, &b, UINT32_MAX), ERR_CORRUPT);
    cr_assert_eq(changed(&b.n_values_bytes, &b, b.n_values_bytes - 1), ERR_CORRUPT);
    cr_assert_eq(changed(&b.n_values_bytes, &b, 0), ERR_CORRUPT);
    cr_assert_eq(changed(&b.n_values_bytes, &b, COLUMN_BYTES_MAX + 1), ERR_CORRUPT);
    for (unsigned times = 0; times < 5; times++) {
        struct dump_block other = b;
        other.times = (enum dump_place)times;
        if (times != DUMP_AT)
            cr_assert_eq(block(other), ERR_CORRUPT, "times %u", times);
    }
    b.encoding = 0xEE;
    cr_assert_eq(block(b), ERR_CORRUPT);
    b.encoding = BLOCK_RUN;
    cr_assert_eq(block(b), ERR_CORRUPT);
    expect_samples(0);
    cr_assert_eq(block(block_at(N_TIMES - 100, 100)), 0, "up to the timeline's end");
    expect_samples(100);
}

Test(restore, own_times_must_ascend_within_the_window)
{
    uint32_t t[] = {5, 7, 100};
    struct dump_block packed = block_own(t, 3);
    cr_assert_eq(packed.times, DUMP_PACKED);
    cr_assert_eq(changed(&packed.first, &packed, TEST_WINDOW_MS - 95), ERR_CORRUPT, "across");
    cr_assert_eq(changed(&packed.first, &packed, UINT32_MAX - 1), ERR_CORRUPT, "wraps");
    cr_assert_eq(changed(&packed.n_times_bytes, &packed, packed.n_times_bytes - 1), ERR_CORRUPT);
    cr_assert_eq(changed(&packed.n_times_bytes, &packed, packed.n_times_bytes + 1), ERR_CORRUPT,
                 "a byte that is none of theirs");
    cr_assert_eq(changed(&packed.n_times_bytes, &packed, BLOCK_TIMES_BYTES_MAX + 1), ERR_CORRUPT);
    cr_assert_eq(changed(&packed.first, &packed, TEST_WINDOW_MS - 96), 0);
    expect_samples(3);
}

Test(restore, equidistant_times_must_ascend_within_the_window)
{
    uint32_t t[] = {5, 7, 9};
    struct dump_block linear = block_own(t, 3);
    cr_assert_eq(linear.times, DUMP_LINEAR);
    cr_assert_eq(changed(&linear.step, &linear, 0), ERR_CORRUPT);
    cr_assert_eq(changed(&linear.step, &linear, UINT32_MAX / 2 + 1), ERR_CORRUPT, "wraps");
    cr_assert_eq(changed(&linear.first, &linear, TEST_WINDOW_MS - 4), ERR_CORRUPT);
    cr_assert_eq(changed(&linear.first, &linear, TEST_WINDOW_MS - 5), 0);
    expect_samples(3);
}

/* Differences that take more bytes than a writer needs. */
Test(restore, times_as_wide_as_they_can_be_are_refused)
{
    uint8_t bytes[2 + 127 * 8] = {0, 64};
    struct dump_block b = block_at(0, BLOCK_SAMPLES_MAX);
    for (int i = 0; i < 127; i++)
        bytes[2 + 8 * i] = 1;
    b.times = DUMP_PACKED;
    b.times_bytes = bytes;
    b.n_times_bytes = sizeof(bytes);
    cr_assert_eq(block(b), ERR_CORRUPT);
    expect_samples(0);
}

Test(restore, runs_are_equal_values_in_a_timeline)
{
    cr_assert_eq(block(run_at(0, N_TIMES + 1, "\x3f\xf0", 2)), ERR_NOT_FOUND);
    cr_assert_eq(block(run_at(0, N_TIMES, "\x3f\x00", 2)), ERR_CORRUPT, "not the shortest");
    cr_assert_eq(block(run_at(0, N_TIMES, "\x3f\xf0\x01\x01\x01\x01\x01\x01\x01", 9)), ERR_CORRUPT);
    struct dump_block own = run_at(0, 2, "\x3f\xf0", 2);
    own.times = DUMP_LINEAR;
    own.step = 1;
    cr_assert_eq(block(own), ERR_CORRUPT, "not outside of one");
    cr_assert_eq(block(run_at(0, N_TIMES, "\x3f\xf0", 2)), 0);
    expect_samples(N_TIMES);
    cr_assert_eq(test_stats(&s).open.used, 0, "a constant");
}

Test(restore, records_come_in_order)
{
    cr_assert_eq(block(block_at(0, 100)), 0);
    cr_assert_eq(block(block_at(0, 100)), ERR_CORRUPT, "twice");
    cr_assert_eq(block(block_at(99, 50)), ERR_CORRUPT, "overlapping");
    struct dump_tail back = tail_at(99, 2), good = tail_at(100, 2), more = tail_at(110, 2);
    cr_assert_eq(restore_tail(&r, up, &back), ERR_CORRUPT);
    cr_assert_eq(restore_tail(&r, up, &good), 0);
    cr_assert_eq(restore_tail(&r, up, &more), ERR_CORRUPT, "a tail behind a tail");
    cr_assert_eq(block(block_at(110, 50)), ERR_CORRUPT, "a block behind a tail");
    cr_assert_eq(block(run_at(110, 5, "\x3f\xf0", 2)), ERR_CORRUPT, "a run behind a tail");
    expect_samples(102);
    cr_assert_eq(restore_window(&r, window_number() + 1), 0);
    cr_assert_eq(restore_timeline(), 0);
    cr_assert_eq(block(block_at(0, 10)), 0);
    cr_assert_eq(restore_window(&r, window_number()), 0);
    cr_assert_eq(restore_timeline(), 0);
    cr_assert_eq(block(block_at(150, 10)), ERR_CORRUPT, "an older window again");
    expect_samples(112);
}

Test(restore, a_chunk_is_found_stale_only_once_it_has_gone)
{
    cr_assert_eq(block(block_at(0, 10)), 0);
    cr_assert_eq(test_stats(&s).chunks_created, 1);
    cr_assert_eq(block(block_at(10, 10)), 0);
    cr_assert_eq(test_stats(&s).chunks_created, 1);
    cr_assert_eq(test_stats(&s).chunks, 1);
}

/* ---- shared values ---- */

static int shared(uint32_t number, const uint8_t *bytes, uint32_t n)
{
    struct dump_shared in = {number, n, bytes};
    return restore_shared(&r, &in);
}

/* A block that refers to the values of block_at(), kept under that number. */
static struct dump_block block_shared(uint32_t first, uint32_t n, uint32_t number)
{
    struct dump_block b = block_at(first, n);
    b.is_shared = true;
    b.shared = number;
    b.values = NULL;
    b.n_values_bytes = 0;
    return b;
}

Test(restore, shared_values_are_of_any_length_and_come_once)
{
    static const uint8_t bytes[COLUMN_BYTES_MAX + 1];
    cr_assert_eq(shared(1, bytes, 0), ERR_CORRUPT);
    cr_assert_eq(shared(1, bytes, COLUMN_BYTES_MAX + 1), ERR_CORRUPT);
    cr_assert_eq(shared(1, bytes, 1), 0);
    cr_assert_eq(shared(1, bytes, 1), ERR_CORRUPT, "twice");
    cr_assert_eq(shared(0, bytes, COLUMN_BYTES_MAX), 0);
    cr_assert_eq(shared(UINT32_MAX, bytes, SHARED_BYTES_MIN), 0, "any number is one");
    expect_samples(0);
}

Test(restore, blocks_refer_to_shared_values_that_are_theirs)
{
    struct dump_block own = block_at(0, 100), b = block_shared(0, 100, 5);
    cr_assert_eq(block(b), ERR_NOT_FOUND, "before they came");
    cr_assert_eq(shared(5, own.values, own.n_values_bytes), 0);
    cr_assert_eq(shared(6, own.values, own.n_values_bytes - 1), 0);
    cr_assert_eq(changed(&b.shared, &b, 4), ERR_NOT_FOUND);
    cr_assert_eq(changed(&b.shared, &b, UINT32_MAX), ERR_NOT_FOUND);
    cr_assert_eq(changed(&b.shared, &b, 6), ERR_CORRUPT, "that do not decode");
    cr_assert_eq(changed(&b.n_samples, &b, 99), ERR_CORRUPT);
    cr_assert_eq(changed(&b.timeline, &b, 6), ERR_NOT_FOUND);
    expect_samples(0);
    cr_assert_eq(block(b), 0);
    cr_assert_eq(block(block_shared(100, 100, 5)), 0, "twice is what they are for");
    expect_samples(200);
    restore_end(&r);
    struct read_set set = test_select(&s, NULL, INT64_MIN, INT64_MAX);
    for (uint32_t i = 0; i < 200; i++)
        cr_assert_eq(set.series[0].values[i], test_bits(i % 100 * (i % 100)));
    restore_begin(&r, s.db);
}

Test(restore, a_run_shares_nothing)
{
    static const uint8_t value[] = {0x3f, 0xf0};
    struct dump_block b = run_at(0, 10, NULL, 0);
    cr_assert_eq(shared(5, value, sizeof(value)), 0);
    b.is_shared = true;
    b.shared = 5;
    cr_assert_eq(block(b), ERR_CORRUPT);
    b.part = DUMP_BLOCK;
    cr_assert_eq(block(b), ERR_CORRUPT);
    expect_samples(0);
}

Test(restore, shared_values_are_of_their_window)
{
    struct dump_block own = block_at(0, 100);
    cr_assert_eq(shared(5, own.values, own.n_values_bytes), 0);
    cr_assert_eq(restore_window(&r, window_number() + 1), 0);
    cr_assert_eq(restore_timeline(), 0);
    cr_assert_eq(block(block_shared(0, 100, 5)), ERR_NOT_FOUND);
    cr_assert_eq(shared(5, own.values, own.n_values_bytes), 0, "the number is free again");
    cr_assert_eq(block(block_shared(0, 100, 5)), 0);
    expect_samples(100);
}

Test(restore, without_a_window_no_values_are_taken)
{
    restore_end(&r);
    restore_begin(&r, s.db);
    cr_assert_eq(shared(5, (const uint8_t *)"x", 1), ERR_TOO_OLD);
}

/* ---- tails ---- */

Test(restore, a_tail_must_be_one)
{
    struct dump_tail t = tail_at(N_TIMES - 2, 3);
    cr_assert_eq(restore_tail(&r, up, &t), ERR_NOT_FOUND, "beyond the timeline");
    t = tail_at(0, 3);
    t.timeline = 8;
    cr_assert_eq(restore_tail(&r, up, &t), ERR_NOT_FOUND);
    t = tail_at(0, 3);
    t.places[1]++;
    cr_assert_eq(restore_tail(&r, up, &t), ERR_CORRUPT, "with a gap");
    t = tail_own(100, 0, 3);
    cr_assert_eq(restore_tail(&r, up, &t), ERR_CORRUPT, "one time twice");
    t = tail_own(TEST_WINDOW_MS - 2, 1, 3);
    cr_assert_eq(restore_tail(&r, up, &t), ERR_CORRUPT, "across the end of the window");
    t = tail_at(0, 3);
    t.n = 0;
    cr_assert_eq(restore_tail(&r, up, &t), ERR_CORRUPT);
    t = tail_own(0, 1, BLOCK_SAMPLES_MAX);
    cr_assert_eq(restore_tail(&r, up, &t), ERR_CORRUPT, "a full one would be a block");
    t = tail_at(0, 3);
    cr_assert_eq(restore_tail(&r, up + 1, &t), ERR_CORRUPT, "no such series");
    expect_samples(0);
    t = tail_own(TEST_WINDOW_MS - 3, 1, 3);
    cr_assert_eq(restore_tail(&r, up, &t), 0);
    expect_samples(3);
}

Test(restore, the_longest_tail_takes_more_samples)
{
    struct dump_tail t = tail_own(0, 1000, DUMP_TAIL_MAX);
    cr_assert_eq(restore_tail(&r, up, &t), 0);
    for (int i = 0; i < 300; i++)
        cr_assert_eq(test_append(&s, "up{a=1}", T0 + (DUMP_TAIL_MAX + i) * 1000, i), 0);
    expect_samples(DUMP_TAIL_MAX + 300);
}

/* ---- series and windows ---- */

/* ---- blocks that wait for others of their chunk ---- */

static uint32_t series_of(const char *text)
{
    struct test_labels l;
    uint32_t id;
    cr_assert_eq(restore_series(&r, test_labels(&l, text), &id), 0);
    return id;
}

static int wait_block(uint32_t series, uint32_t first, uint32_t n, enum dump_part part)
{
    static uint8_t bytes[32][COLUMN_BYTES_MAX]; /* they must stay */
    static unsigned next;
    struct dump_block b = block_at(first, n);
    uint8_t *kept = bytes[next++ % ARRAY_LEN(bytes)];
    memcpy(kept, b.values, b.n_values_bytes);
    b.values = kept;
    b.part = part;
    return restore_block(&r, series, &b);
}

Test(restore, blocks_that_wait_are_judged_one_by_one)
{
    uint32_t other = series_of("up{a=2}");
    struct dump_tail tail = tail_at(70, 10), early = tail_at(59, 5);
    restore_hold(&r);
    cr_assert_eq(wait_block(up, 0, 20, DUMP_SHEAF), 0);
    cr_assert_eq(wait_block(up, 19, 5, DUMP_BLOCK), ERR_CORRUPT, "begins before the end");
    cr_assert_eq(wait_block(up, 190, 11, DUMP_BLOCK), ERR_NOT_FOUND, "times that are not there");
    cr_assert_eq(wait_block(up, 20, 40, DUMP_BLOCK), 0);
    cr_assert_eq(restore_tail(&r, up, &early), ERR_CORRUPT);
    cr_assert_eq(restore_tail(&r, up, &tail), 0);
    cr_assert_eq(wait_block(up, 80, 5, DUMP_BLOCK), ERR_CORRUPT, "a tail is the end");
    cr_assert_eq(wait_block(other, 0, 3, DUMP_SHEAF), 0);
    cr_assert_eq(wait_block(up + 1000, 0, 3, DUMP_SHEAF), ERR_CORRUPT, "no series");
    cr_assert_eq(restore_pause(&r), 0);
    expect_samples(73);
    cr_assert_eq(wait_block(other, 2, 1, DUMP_BLOCK), ERR_CORRUPT);
    cr_assert_eq(wait_block(other, 3, 1, DUMP_BLOCK), 0, "and it goes on");
    expect_samples(74);
}

Test(restore, more_blocks_than_can_wait)
{
    restore_hold(&r);
    for (uint32_t i = 0; i < 3 * CHUNK_PARTS_MAX + 1; i++)
        cr_assert_eq(wait_block(up, i * 2, 2, i % 8 == 0 ? DUMP_SHEAF : DUMP_BLOCK), 0);
    cr_assert_eq(restore_pause(&r), 0);
    expect_samples(2 * (3 * CHUNK_PARTS_MAX + 1));
}

/* Only a chunk that more may follow of has slots in the pool `open`. */
Test(restore, chunks_of_older_windows_are_sealed)
{
    uint32_t second = series_of("up{a=2}"), third = series_of("up{a=3}");
    struct dump_tail tail = tail_at(40, 3);
    uint32_t before = test_stats(&s).open.used;
    restore_newest(&r, window_number() + 2, 3);
    restore_hold(&r);
    cr_assert_eq(wait_block(up, 0, 20, DUMP_SHEAF), 0);
    cr_assert_eq(wait_block(up, 20, 20, DUMP_SHEAF), 0);
    cr_assert_eq(restore_tail(&r, up, &tail), 0);
    cr_assert_eq(restore_pause(&r), 0);
    expect_samples(43);
    cr_assert_eq(test_stats(&s).open.used, before, "a tail ends it");
    restore_hold(&r);
    cr_assert_eq(wait_block(second, 0, 20, DUMP_SHEAF), 0);
    cr_assert_eq(restore_pause(&r), 0);
    uint32_t with_one = test_stats(&s).open.used;
    cr_assert_gt(with_one, before, "the last one may go on");
    restore_hold(&r);
    cr_assert_eq(wait_block(second, 20, 20, DUMP_BLOCK), 0);
    cr_assert_eq(wait_block(third, 0, 20, DUMP_SHEAF), 0);
    cr_assert_eq(restore_pause(&r), 0);
    expect_samples(103);
    cr_assert_eq(test_stats(&s).open.used, with_one, "and only the last one");
    restore_end(&r);
    cr_assert_eq(test_stats(&s).open.used, before, "whose end is the end of all");
    struct window *w = window_live(&s.db->windows, 0);
    cr_assert_eq(w->next_to_seal, UINT64_MAX, "nobody has to look at them again");
    restore_begin(&r, s.db);
}

/* As late samples may still come to it. */
Test(restore, chunks_of_the_window_before_the_newest_stay_open)
{
    uint32_t second = series_of("up{a=2}"), before = test_stats(&s).open.used;
    restore_newest(&r, window_number() + 1, 0);
    restore_hold(&r);
    cr_assert_eq(wait_block(up, 0, 20, DUMP_SHEAF), 0);
    cr_assert_eq(wait_block(second, 0, 20, DUMP_SHEAF), 0);
    cr_assert_eq(restore_pause(&r), 0);
    cr_assert_geq(test_stats(&s).open.used, before + 2);
    restore_end(&r);
    cr_assert_geq(test_stats(&s).open.used, before + 2);
    cr_assert_eq(window_live(&s.db->windows, 0)->next_to_seal, 0, "they are sealed in their turn");
    restore_begin(&r, s.db);
}

/* Windows may come in any order, and other restorers may have them. */
Test(restore, an_older_window_may_come_later)
{
    struct restore part;
    struct dump_tail tail = tail_at(40, 3);
    tail.has_timeline = false;
    int64_t now = window_number();
    restore_newest(&r, now, 3);
    cr_assert_eq(block(block_at(0, 10)), 0);
    uint32_t open = test_stats(&s).open.used;
    for (int64_t n = now - 2; n < now; n++) {
        restore_begin_part(&part, &r);
        cr_assert_eq(restore_window(&part, n), 0);
        cr_assert_eq(restore_tail(&part, up, &tail), 0);
        restore_end_part(&part);
        cr_assert_eq(test_stats(&s).open.used, open, "its series has moved on: it is sealed");
    }
    cr_assert_eq(block(block_at(10, 10)), 0, "the newest goes on");
    expect_samples(26);
    restore_end(&r);
    cr_assert(tsdb_check(s.db));
    expect_samples(26);
    restore_begin(&r, s.db);
}

static const struct chunk *chunk_of_up(int64_t window)
{
    const struct arena *a = s.db->arena;
    struct series *of = series_at(a, series_of_id(a, &s.db->series, up));
    return series_own_chunk(a, of, window_of_number(&s.db->windows, window)->serial);
}

/* A frame of the window before ended in the midst of the chunk, and another restorer was faster. */
Test(restore, what_is_half_read_is_not_sealed_by_a_newer_window)
{
    struct restore part;
    struct dump_tail tail = tail_own(40, 10, 3);
    restore_newest(&r, window_number() + 2, 3);
    restore_hold(&r);
    cr_assert_eq(wait_block(up, 0, 20, DUMP_SHEAF), 0);
    cr_assert_eq(restore_pause(&r), 0);
    restore_begin_part(&part, &r);
    cr_assert_eq(restore_window(&part, window_number() + 1), 0);
    cr_assert_eq(restore_tail(&part, up, &tail), 0);
    restore_end_part(&part);
    restore_hold(&r);
    cr_assert_eq(wait_block(up, 20, 20, DUMP_BLOCK), 0);
    cr_assert_eq(restore_pause(&r), 0);
    restore_end(&r);
    cr_assert_eq(chunk_of_up(window_number())->kind, CHUNK_SHEAF, "it is one sheaf, as it was");
    expect_samples(43);
    restore_begin(&r, s.db);
}

static int ignore(void *ctx, struct read_series *of)
{
    (void)ctx, (void)of;
    return 0;
}

/* Every way to read, for times from min_ms on; what all of them answer. */
static int read_from(int64_t min_ms)
{
    static const struct matcher_set everything = {NULL, 0};
    struct read_options o = {.min_ms = min_ms, .max_ms = INT64_MAX};
    struct region *region = &s.region;
    struct read_set set;
    struct labels *ls;
    struct read_text *texts;
    struct read_exemplars *exemplars;
    size_t n;
    int err = read_select(s.db, &everything, &o, region, &set);
    cr_assert_eq(read_each(s.db, &everything, &o, region, ignore, NULL), err);
    cr_assert_eq(read_label_sets(s.db, NULL, 0, &o, region, &ls, &n), err);
    cr_assert_eq(read_label_names(s.db, &everything, 1, &o, region, &texts, &n), err);
    cr_assert_eq(read_label_values(s.db, "a", 1, NULL, 0, &o, region, &texts, &n), err);
    cr_assert_eq(read_exemplars(s.db, NULL, 0, &o, region, &exemplars, &n), err);
    return err;
}

Test(restore, windows_that_are_there_can_be_read_before_the_others)
{
    struct restore part;
    struct dump_tail tail = tail_own(40, 10, 3);
    int64_t now = window_number(), start_ms = now * TEST_WINDOW_MS;
    restore_newest(&r, now, 3);
    restore_hold(&r);
    cr_assert_eq(wait_block(up, 0, 20, DUMP_SHEAF), 0);
    cr_assert_eq(restore_pause(&r), 0);
    cr_assert_eq(read_from(start_ms), ERR_LOADING);
    cr_assert_eq(read_from(INT64_MAX - 1), ERR_LOADING);
    restore_finish(&r);
    cr_assert_eq(restore_let_read(&r, now), start_ms);
    for (int64_t n = now - 1; n > now - 3; n--) {
        restore_begin_part(&part, &r);
        cr_assert_eq(restore_window(&part, n), 0);
        cr_assert_eq(restore_tail(&part, up, &tail), 0);
        cr_assert_eq(read_from((n + 1) * TEST_WINDOW_MS), 0);
        cr_assert_eq(read_from((n + 1) * TEST_WINDOW_MS - 1), ERR_LOADING);
        cr_assert_eq(test_select(&s, NULL, start_ms, INT64_MAX).series[0].n, 20);
        restore_end_part(&part);
        cr_assert_eq(restore_let_read(&r, n), n * TEST_WINDOW_MS);
        cr_assert_eq(read_from(n * TEST_WINDOW_MS), 0);
    }
    cr_assert_eq(test_select(&s, NULL, start_ms - TEST_WINDOW_MS, INT64_MAX).series[0].n, 23);
    restore_end(&r);
    cr_assert_eq(read_from(INT64_MIN), 0);
    cr_assert_eq(test_select(&s, NULL, INT64_MIN, INT64_MAX).series[0].n, 26);
    expect_samples(26);
    restore_begin(&r, s.db);
}

Test(restore, labels_must_be_normalised)
{
    struct label items[] = {{"b", "1", 1, 1}, {"__name__", "up", 8, 2}};
    struct labels unsorted = {items, 2}, nameless = {items, 1};
    uint32_t id;
    cr_assert_eq(restore_series(&r, &unsorted, &id), ERR_CORRUPT);
    cr_assert_eq(restore_series(&r, &nameless, &id), ERR_CORRUPT);
    cr_assert_eq(test_stats(&s).series, 1);
}

Test(restore, series_without_samples_leave_at_the_end)
{
    struct test_labels l;
    uint32_t ghost;
    cr_assert_eq(restore_series(&r, test_labels(&l, "ghost"), &ghost), 0);
    cr_assert_eq(block(block_at(0, 10)), 0);
    cr_assert_eq(test_stats(&s).series, 2);
    restore_end(&r);
    cr_assert_eq(test_stats(&s).series, 1);
    restore_begin(&r, s.db);
}

Test(restore, windows_that_are_no_longer_kept_are_too_old)
{
    int64_t now = window_number();
    cr_assert_eq(restore_window(&r, now - TEST_WINDOWS), 0, "one may be ahead");
    cr_assert_eq(restore_window(&r, now - TEST_WINDOWS - 1), ERR_TOO_OLD);
    cr_assert_eq(restore_window(&r, now), 0);
}

Test(restore, windows_far_apart_push_the_old_ones_out)
{
    struct test_labels l;
    char series[32];
    struct dump_tail t = tail_own(5, 1, 1);
    for (int i = 0; i < 300; i++) {
        uint32_t id;
        snprintf(series, sizeof(series), "m{i=x%d}", i % 7);
        cr_assert_eq(restore_series(&r, test_labels(&l, series), &id), 0);
        cr_assert_eq(restore_window(&r, window_number() + i * 20), 0);
        cr_assert_eq(restore_tail(&r, id, &t), 0);
    }
    restore_end(&r);
    restore_begin(&r, s.db);
    cr_assert_eq(test_stats(&s).series, 1);
    expect_samples(1);
}

Test(restore, windows_at_the_ends_of_int64)
{
    int64_t lowest = tsdb_window_of(s.db, INT64_MIN), highest = tsdb_window_of(s.db, INT64_MAX);
    struct dump_tail early = tail_own(0, 1, 2), late = tail_own(TEST_WINDOW_MS - 2, 1, 2);
    tear_down();
    test_store_new(&s, NULL);
    restore_begin(&r, s.db);
    cr_assert_eq(restore_up(), 0);
    cr_assert_eq(restore_window(&r, INT64_MIN), ERR_CORRUPT);
    cr_assert_eq(restore_window(&r, INT64_MAX), ERR_CORRUPT);
    cr_assert_eq(restore_window(&r, lowest - 1), ERR_CORRUPT);
    cr_assert_eq(restore_window(&r, highest + 1), ERR_CORRUPT);
    cr_assert_eq(restore_window(&r, lowest), 0);
    cr_assert_eq(restore_tail(&r, up, &early), ERR_CORRUPT, "before the first time");
    cr_assert_eq(restore_tail(&r, up, &late), 0);
    expect_samples(2);
    cr_assert_eq(restore_let_read(&r, lowest), INT64_MIN);
    struct read_set set = test_select(&s, NULL, INT64_MIN, INT64_MAX);
    cr_assert_eq(set.series[0].t_ms[1], (lowest + 1) * TEST_WINDOW_MS - 1);
    cr_assert_eq(restore_window(&r, highest), 0);
    cr_assert_eq(restore_tail(&r, up, &late), ERR_CORRUPT, "behind the last time");
    cr_assert_eq(restore_tail(&r, up, &early), 0);
    expect_samples(2);
    set = test_select(&s, NULL, INT64_MIN, INT64_MAX);
    cr_assert_eq(set.series[0].t_ms[0], highest * TEST_WINDOW_MS);
}

/* ---- memory ---- */

static int restore_all(void)
{
    struct dump_block b = block_at(0, 100), run = run_at(100, 5, "\x3f\xf0", 2);
    struct dump_tail t = tail_at(100, 80);
    struct test_labels l;
    uint32_t other;
    int err = restore_up();
    if (err == 0)
        err = restore_series(&r, test_labels(&l, "down{b=2}"), &other);
    for (int64_t w = 0; err == 0 && w < 2; w++) {
        err = restore_window(&r, window_number() + w);
        if (err == 0)
            err = restore_timeline();
        if (err == 0)
            err = restore_block(&r, up, &b);
        if (err == 0)
            err = restore_tail(&r, up, &t);
        if (err == 0)
            err = restore_block(&r, other, &run);
    }
    return err;
}

Test(restore, every_allocation_may_fail)
{
    bool has_failed = true;
    for (long nth = 1; has_failed; nth++) {
        cr_assert_lt(nth, 200);
        tear_down();
        test_store_new(&s, NULL);
        restore_begin(&r, s.db);
        s.arena.retain_pages = 0;
        budget_fail_nth(&s.budget, nth);
        int err = restore_all();
        has_failed = atomic_load(&s.budget.fail_in) <= 0;
        budget_fail_nth(&s.budget, 0);
        cr_assert(err == 0 || (has_failed && err == ERR_NO_MEMORY), "failure %ld", nth);
        restore_end(&r);
        test_store_check(&s);
        if (err == 0) /* also when a chunk could not be sealed: it only stays larger */
            expect_samples(2 * 185);
        restore_begin(&r, s.db);
    }
}
