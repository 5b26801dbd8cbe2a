/* The examples of docs/snapshot-format.md are what the program writes. */
#include "snapshot/format.h"

#include "snapshot/window_frame.h"

#include "test_disk.h"
#include "test_files.h"

#define PAGE "docs/snapshot-format.md"

static void append(struct append *b, struct label job, const struct sample *samples, size_t n)
{
    struct label items[] = {test_label("__name__", "up", 2), job};
    struct labels ls = {items, 2};
    struct append_counts counts = {0};
    cr_assert_eq(append_samples(b, &ls, samples, n, &counts), 0);
}

static void given_the_store_of_the_example(struct test_store *s)
{
    static const struct sample node[] = {{1700000000000, 0x3ff0000000000000},
                                         {1700000015000, 0x3ff0000000000000},
                                         {1700000030000, 0x7ff0000000000002}};
    static const struct sample web[] = {{1700000000000, 0}, {1700000015000, 0x4014000000000000}};
    struct append b;
    test_store_new(s, TEST_LIMIT_BYTES, 14400000);
    append_begin(&b, s->db);
    append(&b, test_label("job", "node", 4), node, 3);
    append(&b, test_label("job", "web", 3), web, 2);
    append_end(&b);
}

Test(format, the_example_is_what_is_written)
{
    struct test_store store;
    struct io_mem disk;
    struct snapshot_report report;
    struct save_options o = {.created_ms = 1700000031000, .file_id = 0x0123456789abcdef};
    given_the_store_of_the_example(&store);
    test_disk_init(&disk);
    cr_assert_eq(save_store(store.db, &disk.io, &o, &report), 0);
    struct io_mem_file *f = test_disk_file(&disk, SNAPSHOT_NAME);
    test_example_expect(PAGE, "file", f->bytes, f->n);
    test_store_free(&store);
}

/* Holds also when the writer has moved on to another version. */
Test(format, the_example_loads)
{
    static uint8_t bytes[TEST_EXAMPLE_BYTES_MAX];
    struct test_store store, copy;
    struct io_mem disk;
    struct snapshot_report report;
    given_the_store_of_the_example(&store);
    test_disk_borrow(&disk, bytes, test_example_read(PAGE, "file", bytes));
    test_store_new(&copy, TEST_LIMIT_BYTES, 14400000);
    cr_assert_eq(load_store(copy.db, &disk.io, &report), 0);
    cr_assert_str_empty(report.detail, "%s", report.detail);
    expect_equal_stores(&store, &copy);
    test_store_free(&copy);
    test_store_free(&store);
}

/* golden/version-N.hg was written by the last program that wrote version N: series, 200 samples of
 * each 100 ms apart, in one window of a minute. Every fourth has the same values. */
static void given_the_store_of_the_golden_file(struct test_store *s, unsigned n_series)
{
    test_store_new_with(s, TEST_LIMIT_BYTES, 60000, 4);
    for (unsigned i = 0; i < 200; i++) {
        struct append b;
        append_begin(&b, s->db);
        for (unsigned n = 0; n < n_series; n++) {
            char text[16];
            unsigned k = n % 4;
            double d = k == 0 ? 1 : k == 1 ? i : k == 2 ? i % 7 / 10.0 : 1.0 / (i + 1);
            struct label items[] = {
                test_label("__name__", "up", 2),
                test_label("n", text, (size_t)snprintf(text, sizeof text, "%u", n))};
            struct labels ls = {items, 2};
            struct sample sample = {.t_ms = 1000000000ll * 60000 + 100 * i + n % 2};
            struct append_counts counts = {0};
            memcpy(&sample.value, &d, sizeof d);
            cr_assert_eq(append_samples(&b, &ls, &sample, 1, &counts), 0);
        }
        append_end(&b);
    }
}

static struct io_mem given_a_golden_file(const char *name, uint16_t version)
{
    static uint8_t golden[TEST_GOLDEN_BYTES_MAX];
    struct io_mem disk;
    test_disk_borrow(&disk, golden, test_golden_read(name, version, golden));
    return disk;
}

static void expect_golden(const char *name, uint16_t version, unsigned n_series)
{
    struct test_store store, copy;
    struct snapshot_report report;
    struct io_mem disk = given_a_golden_file(name, version);
    given_the_store_of_the_golden_file(&store, n_series);
    test_store_new_with(&copy, TEST_LIMIT_BYTES, 60000, 4);
    cr_assert_eq(load_store(copy.db, &disk.io, &report), 0);
    cr_assert_str_empty(report.detail, "%s", report.detail);
    cr_assert(report.blocks > 0 && report.tails > 0 && report.samples == 200 * n_series);
    expect_equal_stores(&store, &copy);
    cr_assert(tsdb_check(copy.db));
    test_store_free(&copy);
    test_store_free(&store);
}

Test(format, a_file_of_version_2_loads)
{
    expect_golden("version-2.hg", 2, 4);
}

Test(format, a_file_of_version_3_loads)
{
    expect_golden("version-3.hg", 3, 16);
}

/* By the last program that wrote version 4: sheaves as blocks, whose columns are believed. */
Test(format, a_file_of_version_4_loads)
{
    expect_golden("version-4.hg", 4, 16);
}

/* Five series with the same 220 random values, 100 ms apart; some blocks share them. */
Test(format, shared_values_of_version_3_load)
{
    struct test_store copy;
    struct snapshot_report report;
    struct region r;
    struct read_set set;
    static struct tsdb_stats stats;
    struct io_mem disk = given_a_golden_file("version-3-shared.hg", 3);
    test_store_new_with(&copy, TEST_LIMIT_BYTES, 60000, 4);
    cr_assert_eq(load_store(copy.db, &disk.io, &report), 0);
    cr_assert_str_empty(report.detail, "%s", report.detail);
    cr_assert_eq(report.samples, 5 * 220);
    tsdb_stats(copy.db, &stats);
    cr_assert_gt(stats.windows[0].shared, 0);
    test_store_read(&copy, &r, &set);
    cr_assert_eq(set.n, 5);
    uint64_t bits = 1;
    for (size_t i = 0; i < 220; i++) {
        bits = bits * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        for (size_t k = 0; k < 5; k++) {
            cr_assert_eq(set.series[k].values[i], bits >> 12);
            cr_assert_eq(set.series[k].t_ms[i], 1000000000ll * 60000 + 100 * (int64_t)i);
        }
    }
    region_release(&r);
    cr_assert(tsdb_check(copy.db));
    test_store_free(&copy);
}

Test(format, the_blocks_of_the_example_are_what_is_written)
{
    static uint8_t payload[FRAME_PAYLOAD_MAX];
    struct window_writer w;
    struct dump_times times = {.timeline = 2, .n = 3, .times = {5000, 20000, 35001}};
    struct dump_block b = {.times = DUMP_AT,
                           .encoding = 1,
                           .timeline = 2,
                           .n_samples = 128,
                           .n_values_bytes = 3,
                           .values = (const uint8_t *)"\xc0\xff\xee"};
    struct dump_block own = b;
    window_writer_init(&w, payload, 14400000, 118055);
    window_writer_times(&w, &times);
    for (uint32_t i = 0; i < 4; i++) {
        b.part = i % 2 == 0 ? DUMP_SHEAF : DUMP_BLOCK;
        b.first = 10 + i % 2 * 128;
        window_writer_block(&w, 7 + i / 2, &b);
    }
    own.times = DUMP_LINEAR;
    own.first = 5000;
    own.step = 10;
    window_writer_block(&w, 9, &own);
    own.times = DUMP_PACKED;
    own.n_times_bytes = 2;
    own.times_bytes = (const uint8_t *)"\xab\xcd";
    window_writer_block(&w, 9, &own);
    struct dump_tail tail = {.n = 2, .places = {6000, 6010}, .values = {0, 0}};
    window_writer_tail(&w, 9, &tail);
    window_writer_shared(&w, &(struct dump_shared){7, 3, b.values});
    b.part = DUMP_SHEAF;
    b.first = 10;
    b.is_shared = true;
    b.shared = 7;
    b.n_values_bytes = 0;
    window_writer_block(&w, 10, &b);
    window_writer_block(&w, 11, &b);
    const struct dump_sheaf sheaf = {
        2, 10, 2, 256, 12, (const uint8_t *)"\x01\x7f\x03\xc0\xff\xee\x41\x7f\x08\0\0\0"};
    window_writer_sheaf(&w, 12, &sheaf);
    test_example_expect(PAGE, "blocks", payload, w.out.n);
}
