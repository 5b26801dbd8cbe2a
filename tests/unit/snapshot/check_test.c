#include "snapshot/check.h"

#include "snapshot/frame.h"
#include "snapshot/series_frame.h"
#include "snapshot/window_frame.h"

#include "test_disk.h"

static struct io_mem disk;
static struct test_store store, tools; /* what is saved; whose arena the check uses */

static struct heard {
    unsigned n;
    bool is_passed_over[4];
    struct check_report reports[4];
} heard;

static void hear(void *ctx, const struct check_report *r)
{
    (void)ctx;
    cr_assert_lt(heard.n, (unsigned)ARRAY_LEN(heard.reports));
    heard.reports[heard.n++] = *r;
}

static bool check(void)
{
    bool is_good = false;
    memset(&heard, 0, sizeof heard);
    cr_assert_eq(check_directory(&disk.io, &tools.arena, hear, NULL, &is_good), 0);
    cr_assert_eq(test_store_snapshot_bytes(&tools), 0);
    return is_good;
}

static void given_a_snapshot(void)
{
    struct random random;
    random_init(&random, random_seed());
    test_store_new(&store, TEST_LIMIT_BYTES, TEST_WINDOW_MS);
    test_store_new(&tools, TEST_LIMIT_BYTES, TEST_WINDOW_MS);
    test_store_fill(store.db, &random, 12, 2);
    test_store_fill_equal(store.db, &random, 12, 200);
    test_disk_init(&disk);
    disk.resize = NULL;
    (void)test_save(&store, &disk.io);
}

static void release(void)
{
    test_store_free(&store);
    test_store_free(&tools);
}

TestSuite(check, .init = given_a_snapshot, .fini = release, .timeout = 120);

Test(check, what_was_saved_is_good_and_counted)
{
    static struct tsdb_stats stats;
    cr_assert(check(), "%s", heard.reports[0].detail);
    tsdb_stats(store.db, &stats);
    const struct check_report *r = &heard.reports[0];
    cr_assert_eq(heard.n, 1);
    cr_assert_str_eq(r->name, SNAPSHOT_NAME);
    cr_assert_eq(r->version, FORMAT_VERSION);
    cr_assert(r->has_head && r->head.kind == FILE_SNAPSHOT && r->head.generation == 1);
    cr_assert_eq(r->head.n_windows, stats.n_windows);
    cr_assert_eq(r->found.n_series, stats.series);
    cr_assert_eq(r->found.n_samples, stats.samples);
    cr_assert_eq(r->file_bytes, test_disk_file(&disk, SNAPSHOT_NAME)->n);
}

Test(check, any_byte_that_changed_is_found)
{
    struct io_mem_file *f = test_disk_file(&disk, SNAPSHOT_NAME);
    for (size_t at = 0; at < f->n; at += 1 + f->n / 2000) {
        f->bytes[at] ^= 0x10;
        cr_assert_not(check(), "byte %zu", at);
        cr_assert_neq(heard.reports[0].detail[0], '\0');
        f->bytes[at] ^= 0x10;
    }
    cr_assert(check());
}

Test(check, any_prefix_is_found)
{
    struct io_mem_file *f = test_disk_file(&disk, SNAPSHOT_NAME);
    size_t n = f->n;
    for (f->n = 0; f->n < n; f->n += size_min(1 + n / 500, n - f->n))
        cr_assert_not(check(), "%zu bytes", f->n);
    cr_assert(check());
}

/* One column's bytes become others, behind right checksums: what a load takes on trust. */
static void spoil_a_column(void)
{
    static uint8_t buffer[FRAME_BUFFER_BYTES];
    static struct window_reader r;
    static struct window_record record;
    struct io_mem_file *f = test_disk_file(&disk, SNAPSHOT_NAME);
    struct frame_reader frames;
    struct frame frame;
    frame_reader_init(&frames, &disk.io, disk.io.ops->open(&disk.io, SNAPSHOT_NAME, false), buffer);
    while (frame_reader_next(&frames, &frame) > 0) {
        if (frame.header.type != FRAME_WINDOW)
            continue;
        cr_assert_eq(
            window_reader_init(&r, frame.header.version, frame.payload, frame.header.payload_bytes),
            0);
        while (window_reader_next(&r, &record) > 0) {
            const struct dump_block *b = &record.block;
            if (record.kind != RECORD_BLOCK || b->is_shared || b->encoding == BLOCK_RUN ||
                b->encoding == COLUMN_AS_RAW || b->n_values_bytes < 12)
                continue;
            uint8_t *payload = f->bytes + frame.offset + FRAME_HEADER_BYTES;
            memset(payload + (b->values - frame.payload), 0xff, b->n_values_bytes);
            struct frame_header h = frame.header;
            h.payload_checksum = frame_payload_checksum(payload, h.payload_bytes);
            frame_header_encode(&h, f->bytes + frame.offset);
            return;
        }
    }
    cr_assert_fail("there is no such column");
}

/* The check decodes; a load does not, and then shows a gap instead. */
Test(check, a_column_that_does_not_decode_is_found_and_loads_as_a_gap)
{
    struct test_store copy;
    struct snapshot_report report;
    struct region ra, rb;
    struct read_set a, b;
    uint64_t n_stale = 0, n_expected = 0;
    spoil_a_column();
    cr_assert_not(check());
    cr_assert_eq(heard.reports[0].bad_records, 1, "%s", heard.reports[0].detail);
    cr_assert_eq(heard.reports[0].lost_frames, 0);
    test_store_new(&copy, TEST_LIMIT_BYTES, TEST_WINDOW_MS);
    cr_assert_eq(load_store(copy.db, &disk.io, &report), 0);
    cr_assert(tsdb_check(copy.db));
    test_store_read(&store, &ra, &a);
    test_store_read(&copy, &rb, &b);
    cr_assert_eq(a.n, b.n);
    for (size_t i = 0; i < a.n; i++)
        for (size_t k = 0; k < a.series[i].n; k++) {
            cr_assert_eq(a.series[i].t_ms[k], b.series[i].t_ms[k]);
            n_expected += a.series[i].values[k] == STALE_BITS;
            n_stale += b.series[i].values[k] == STALE_BITS;
        }
    cr_assert(n_stale > n_expected + 10);
    region_release(&ra);
    region_release(&rb);
    test_store_free(&copy);
}

/* One sample has no differences; only a faulty writer says that it has. */
Test(check, differences_of_one_sample_are_bad)
{
    static uint8_t buffer[FRAME_BUFFER_BYTES];
    const struct dump_block one = {.times = DUMP_PACKED,
                                   .n_samples = 1,
                                   .n_times_bytes = 3,
                                   .times_bytes = (const uint8_t *)"\x05\x00\x00",
                                   .encoding = COLUMN_AS_CONSTANT,
                                   .n_values_bytes = 8,
                                   .values = (const uint8_t *)"\0\0\0\0\0\0\0\0"};
    static struct symbol_table symbols;
    struct label up[] = {test_label("__name__", "up", 2)};
    struct series_writer series;
    struct window_writer window;
    struct frame_writer w = {.io = &disk.io, .buffer = buffer, .file_id = 1};
    test_disk_init(&disk);
    w.handle = disk.io.ops->open(&disk.io, SNAPSHOT_NAME, true);
    series_writer_init(&series, frame_writer_payload(&w), &symbols, TEST_WINDOW_MS);
    series_writer_add(&series, 1, &(struct labels){up, 1});
    cr_assert_eq(frame_writer_put(&w, FRAME_SERIES, series.out.n), 0);
    window_writer_init(&window, frame_writer_payload(&w), TEST_WINDOW_MS, 1000);
    window_writer_block(&window, 1, &one);
    cr_assert_eq(frame_writer_put(&w, FRAME_WINDOW, window.out.n), 0);
    cr_assert_not(check());
    cr_assert_eq(heard.reports[0].bad_records, 1, "%s", heard.reports[0].detail);
}

Test(check, nothing_to_check_is_said)
{
    bool is_good;
    test_disk_init(&disk);
    cr_assert_eq(check_directory(&disk.io, &tools.arena, hear, NULL, &is_good), ERR_NOT_FOUND);
}

Test(check, out_of_memory_anywhere_is_an_answer)
{
    bool was_refused = true, is_good;
    for (long nth = 1; was_refused; nth++) {
        uint64_t before = atomic_load(&tools.budget.n_refused);
        memset(&heard, 0, sizeof heard);
        arena_trim(&tools.arena);
        tools.arena.retain_span_bytes = 0;
        budget_fail_nth(&tools.budget, nth);
        int err = check_directory(&disk.io, &tools.arena, hear, NULL, &is_good);
        was_refused = atomic_load(&tools.budget.n_refused) > before;
        budget_fail_nth(&tools.budget, 0);
        cr_assert_eq(err, was_refused ? ERR_NO_MEMORY : 0);
        cr_assert_eq(test_store_snapshot_bytes(&tools), 0);
    }
    cr_assert(is_good);
}
