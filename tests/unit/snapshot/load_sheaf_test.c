/* Sheaves in frames with right checksums, made by a faulty writer: what is wrong with a block costs
 * that block, and those behind it only where it does not say where it ends. */
#include "snapshot/frame.h"
#include "snapshot/series_frame.h"
#include "snapshot/window_frame.h"
#include "tsdb/sheaf.h"

#include "test_disk.h"

enum { BLOCKS = 4, EACH = 10, SAMPLES = BLOCKS * EACH, WINDOW = 1000, STEP_MS = 15000 };
enum { SPOILED = 1, OTHER = 2, UNKNOWN = 3 }; /* numbers of series */

static struct io_mem disk;

struct made {
    struct dump_sheaf sheaf;
    uint32_t ends[BLOCKS];
    uint8_t bytes[SHEAF_BYTES_MAX];
};

static uint64_t value_of(uint32_t i)
{
    double d = i % 7 * 0.5;
    uint64_t bits;
    memcpy(&bits, &d, sizeof(bits));
    return bits;
}

/* shared: the block that says that it has the values of that number, or -1. */
static void make(struct made *m, int shared)
{
    struct block_context io = {1, 0};
    m->sheaf = (struct dump_sheaf){.n_blocks = BLOCKS, .n_samples = SAMPLES, .bytes = m->bytes};
    for (uint32_t i = 0; i < BLOCKS; i++) {
        uint64_t values[EACH];
        uint8_t column[COLUMN_BYTES_MAX];
        struct block b = {.n_samples = EACH, .times = BLOCK_AT, .timeline = 1, .first = i * EACH};
        for (uint32_t k = 0; k < EACH; k++)
            values[k] = value_of(i * EACH + k);
        block_encode_values(&b, values, EACH, column);
        b.shared = (int)i == shared ? 1 + i : 0;
        m->sheaf.n_bytes += (uint32_t)block_put(&b, &io, m->bytes + m->sheaf.n_bytes);
        m->ends[i] = m->sheaf.n_bytes;
    }
}

static void put_series(struct frame_writer *w)
{
    static struct symbol_table symbols;
    struct series_writer series;
    struct label first[] = {test_label("__name__", "a", 1)};
    struct label second[] = {test_label("__name__", "b", 1)};
    series_writer_init(&series, frame_writer_payload(w), &symbols, TEST_WINDOW_MS);
    series_writer_add(&series, SPOILED, &(struct labels){first, 1});
    series_writer_add(&series, OTHER, &(struct labels){second, 1});
    cr_assert_eq(frame_writer_put(w, FRAME_SERIES, series.out.n), 0);
}

/* A file with this sheaf and, of another series, a good one, and one of a series that is not there.
 */
static void given_a_file(const struct dump_sheaf *in)
{
    static uint8_t buffer[FRAME_BUFFER_BYTES];
    static struct made good;
    struct window_writer window;
    struct dump_times times = {.n = SAMPLES};
    test_disk_init(&disk);
    struct frame_writer w = {.io = &disk.io, .buffer = buffer, .file_id = 1};
    w.handle = disk.io.ops->open(&disk.io, SNAPSHOT_NAME, true);
    put_series(&w);
    window_writer_init(&window, frame_writer_payload(&w), TEST_WINDOW_MS, WINDOW);
    for (uint32_t i = 0; i < SAMPLES; i++)
        times.times[i] = i * STEP_MS;
    window_writer_times(&window, &times);
    window_writer_sheaf(&window, SPOILED, in);
    make(&good, -1);
    window_writer_sheaf(&window, OTHER, &good.sheaf);
    window_writer_sheaf(&window, UNKNOWN, &good.sheaf);
    cr_assert_eq(frame_writer_put(&w, FRAME_WINDOW, window.out.n), 0);
}

/* n_lost blocks of the spoiled sheaf; from sample `from` on, n samples of it are there. */
static void expect_of(const struct made *m, uint32_t n_lost, uint32_t from, uint32_t n)
{
    struct test_store copy;
    struct snapshot_report report;
    struct region region;
    struct read_set set;
    given_a_file(&m->sheaf);
    test_store_new(&copy, TEST_LIMIT_BYTES, TEST_WINDOW_MS);
    cr_assert_eq(load_store(copy.db, &disk.io, &report), 0);
    cr_assert_eq(report.lost_blocks, n_lost + BLOCKS, "%u lost: %s", (unsigned)report.lost_blocks,
                 report.detail);
    cr_assert_eq(report.blocks, 2 * BLOCKS - n_lost);
    cr_assert_eq(report.samples, SAMPLES + n);
    cr_assert(tsdb_check(copy.db));
    test_store_read(&copy, &region, &set);
    cr_assert_eq(set.n, 1 + (n > 0));
    cr_assert_eq(set.series[0].n, n > 0 ? n : SAMPLES);
    for (uint32_t i = 0; i < n; i++) {
        cr_assert_eq(set.series[0].t_ms[i],
                     WINDOW * (int64_t)TEST_WINDOW_MS + (int64_t)(from + i) * STEP_MS);
        cr_assert_eq(set.series[0].values[i], value_of(i));
    }
    cr_assert_eq(set.series[n > 0].n, SAMPLES);
    region_release(&region);
    test_store_free(&copy);
}

static struct made m;

Test(load_sheaf, a_good_one_is_taken_as_it_is)
{
    make(&m, -1);
    expect_of(&m, 0, 0, SAMPLES);
}

Test(load_sheaf, a_block_that_is_none_costs_what_is_behind_it)
{
    for (uint32_t bad = 0; bad < BLOCKS; bad++) {
        make(&m, -1);
        m.bytes[bad > 0 ? m.ends[bad - 1] : 0] |= 14; /* an encoding that there is not */
        expect_of(&m, BLOCKS - bad, 0, bad * EACH);
    }
}

Test(load_sheaf, one_that_is_cut_costs_the_last_block)
{
    make(&m, -1);
    m.sheaf.n_bytes--;
    expect_of(&m, 1, 0, SAMPLES - EACH);
}

Test(load_sheaf, missing_shared_values_cost_their_block)
{
    make(&m, BLOCKS - 1);
    expect_of(&m, 1, 0, SAMPLES - EACH);
}

Test(load_sheaf, missing_times_cost_the_blocks_that_need_them)
{
    make(&m, -1);
    m.sheaf.first = EACH + 1;
    expect_of(&m, 2, EACH + 1, SAMPLES - 2 * EACH);
    m.sheaf.first = SAMPLES;
    expect_of(&m, BLOCKS, 0, 0);
    make(&m, -1);
    m.sheaf.timeline = 7;
    expect_of(&m, BLOCKS, 0, 0);
}

/* The blocks are what counts. */
Test(load_sheaf, wrong_numbers_of_blocks_and_samples_cost_nothing)
{
    make(&m, -1);
    m.sheaf.n_blocks++;
    expect_of(&m, 0, 0, SAMPLES);
    m.sheaf.n_blocks -= 2;
    expect_of(&m, 0, 0, SAMPLES);
    make(&m, -1);
    m.sheaf.n_samples = 1;
    expect_of(&m, 0, 0, SAMPLES);
}
