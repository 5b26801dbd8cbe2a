#include "snapshot/load.h"

#include "snapshot/frame.h"
#include "snapshot/head.h"
#include "snapshot/series_frame.h"
#include "snapshot/window_frame.h"

#include "faulty_io.h"
#include "test_disk.h"

static struct io_mem disk;
static struct test_store store;

/* What the frames of the snapshot on the disk hold. */
enum { FRAMES_MAX = 64, RECORDS_MAX = 20000 };

static struct {
    size_t n;
    size_t start[FRAMES_MAX + 1];
    uint16_t type[FRAMES_MAX];
    bool is_lost[FRAMES_MAX];
    uint32_t first_number[FRAMES_MAX]; /* of the series in it; those of the next are above */
} frames;

static struct { /* of window frames */
    size_t frame;
    int64_t window;
    bool is_times, has_timeline;
    bool is_values, is_shared;    /* shared values; a block that refers to some */
    uint32_t values;              /* their number */
    uint32_t number;              /* of the series */
    uint32_t timeline, from, end; /* places */
    uint32_t n_samples;
} records[RECORDS_MAX];
static size_t n_records;

static void survey_block(size_t i, const struct dump_block *b)
{
    records[i].has_timeline = b->times == DUMP_AT;
    records[i].is_shared = b->is_shared;
    records[i].values = b->shared;
    records[i].timeline = b->timeline;
    records[i].end = b->first + b->n_samples;
    records[i].n_samples = b->n_samples;
}

static void survey_record(size_t frame, int64_t window, const struct window_record *r)
{
    cr_assert_lt(n_records, (size_t)RECORDS_MAX);
    size_t i = n_records++;
    memset(&records[i], 0, sizeof records[i]);
    records[i].frame = frame;
    records[i].window = window;
    records[i].number = r->number;
    if (r->kind == RECORD_TIMES) {
        records[i].is_times = true;
        records[i].timeline = r->times.timeline;
        records[i].from = r->times.from;
    } else if (r->kind == RECORD_SHARED) {
        records[i].is_values = true;
        records[i].values = r->shared.number;
    } else if (r->kind == RECORD_TAIL) {
        records[i].has_timeline = r->tail.has_timeline;
        records[i].timeline = r->tail.timeline;
        records[i].end = r->tail.places[0] + r->tail.n;
        records[i].n_samples = r->tail.n;
    } else {
        survey_block(i, &r->block);
    }
}

/* As its blocks: whatever is lost is lost block by block. */
static void survey_sheaf(size_t frame, int64_t window, const struct window_record *r)
{
    struct window_record b = {.kind = RECORD_BLOCK, .number = r->number};
    struct dump_sheaf_reader blocks;
    int more;
    dump_sheaf_init(&blocks, &r->sheaf);
    while ((more = dump_sheaf_next(&blocks, &b.block)) > 0)
        survey_record(frame, window, &b);
    cr_assert_eq(more, 0);
}

static void survey_window(size_t i, const struct frame *f)
{
    static struct window_reader r;
    static struct window_record record;
    cr_assert_eq(window_reader_init(&r, f->header.version, f->payload, f->header.payload_bytes), 0);
    while (window_reader_next(&r, &record) > 0)
        (record.kind == RECORD_SHEAF ? survey_sheaf : survey_record)(i, r.window, &record);
}

static void survey_series(size_t i, const struct frame *f)
{
    static struct series_reader r;
    static struct symbol symbols[SYMBOLS_MAX];
    int64_t window_ms;
    struct labels ls;
    cr_assert_eq(series_reader_init(&r, f->payload, f->header.payload_bytes, symbols, &window_ms),
                 0);
    cr_assert_eq(series_reader_next(&r, &frames.first_number[i], &ls), 1);
}

static void survey(void)
{
    static uint8_t buffer[FRAME_BUFFER_BYTES];
    struct frame_reader r;
    struct frame f;
    memset(&frames, 0, sizeof frames);
    n_records = 0;
    frame_reader_init(&r, &disk.io, disk.io.ops->open(&disk.io, SNAPSHOT_NAME, false), buffer);
    for (size_t i = 0; frame_reader_next(&r, &f) > 0; i++) {
        cr_assert_lt(i, (size_t)FRAMES_MAX);
        frames.n = i + 1;
        frames.start[i] = f.offset;
        frames.start[i + 1] = f.offset + FRAME_HEADER_BYTES + f.header.payload_bytes;
        frames.type[i] = f.header.type;
        if (f.header.type == FRAME_WINDOW)
            survey_window(i, &f);
        else if (f.header.type == FRAME_SERIES)
            survey_series(i, &f);
    }
}

static bool is_series_lost(uint32_t number)
{
    size_t of = 0;
    for (size_t i = 0; i < frames.n; i++)
        if (frames.type[i] == FRAME_SERIES && frames.first_number[i] <= number)
            of = i;
    return frames.is_lost[of];
}

/* Times behind a gap are lost as well. */
static bool are_times_lost(size_t record)
{
    for (size_t i = 0; records[record].has_timeline && i < n_records; i++)
        if (records[i].is_times && frames.is_lost[records[i].frame] &&
            records[i].window == records[record].window &&
            records[i].timeline == records[record].timeline &&
            records[i].from < records[record].end)
            return true;
    return false;
}

static bool are_values_lost(size_t record)
{
    for (size_t i = 0; records[record].is_shared && i < n_records; i++)
        if (records[i].is_values && frames.is_lost[records[i].frame] &&
            records[i].window == records[record].window &&
            records[i].values == records[record].values)
            return true;
    return false;
}

/* The samples that go with the lost frames. *ret_elsewhere: records of them in good frames. */
static uint64_t lost_samples(uint64_t *ret_elsewhere)
{
    uint64_t n = 0;
    *ret_elsewhere = 0;
    for (size_t i = 0; i < n_records; i++) {
        bool is_lost = frames.is_lost[records[i].frame];
        bool is_of_series = !records[i].is_times && !records[i].is_values;
        if (!is_of_series || (!is_lost && !is_series_lost(records[i].number) &&
                              !are_times_lost(i) && !are_values_lost(i)))
            continue;
        n += records[i].n_samples;
        *ret_elsewhere += !is_lost;
    }
    return n;
}

static void given_a_snapshot(unsigned n_series, unsigned n_windows)
{
    struct random random;
    random_init(&random, random_seed());
    test_store_new(&store, TEST_LIMIT_BYTES, TEST_WINDOW_MS);
    test_store_fill(store.db, &random, n_series, n_windows);
    test_disk_init(&disk);
    (void)test_save(&store, &disk.io);
    survey();
}

static void given_a_snapshot_of_equal_series(unsigned n_series, unsigned n_steps)
{
    struct random random;
    random_init(&random, random_seed());
    test_store_new(&store, TEST_LIMIT_BYTES, TEST_WINDOW_MS);
    test_store_fill_equal(store.db, &random, n_series, n_steps);
    test_disk_init(&disk);
    (void)test_save(&store, &disk.io);
    survey();
}

static int load_into(struct test_store *s, struct snapshot_report *report)
{
    test_store_new(s, TEST_LIMIT_BYTES, TEST_WINDOW_MS);
    return load_store(s->db, &disk.io, report);
}

static void expect_round_trip(void)
{
    struct test_store copy;
    struct snapshot_report report;
    cr_assert_eq(load_into(&copy, &report), 0);
    cr_assert_str_empty(report.detail, "%s", report.detail);
    cr_assert_eq(report.lost_frames + report.lost_blocks + report.old_blocks, 0);
    static struct tsdb_stats stats;
    tsdb_stats(store.db, &stats);
    cr_assert_eq(report.windows, stats.n_windows);
    cr_assert_eq(report.samples, stats.samples);
    cr_assert_eq(report.file_bytes, test_disk_file(&disk, SNAPSHOT_NAME)->n);
    cr_assert(tsdb_check(copy.db));
    expect_equal_stores(&store, &copy);
    expect_equal_page_maps(&store, &copy);
    test_store_free(&copy);
    test_store_free(&store);
}

static void round_trip(unsigned n_series, unsigned n_windows)
{
    given_a_snapshot(n_series, n_windows);
    expect_round_trip();
}

static size_t count_shared(void)
{
    size_t n = 0;
    for (size_t i = 0; i < n_records; i++)
        n += records[i].is_shared;
    return n;
}

Test(load, equal_series_come_back_from_a_file_that_has_their_values_once)
{
    enum { SERIES = 300, STEPS = 400 }; /* two windows */
    given_a_snapshot_of_equal_series(SERIES, STEPS);
    cr_assert_gt(count_shared(), SERIES / 2);
    cr_assert_lt(test_disk_file(&disk, SNAPSHOT_NAME)->n, SERIES * STEPS * 8u * 3 / 4);
    expect_round_trip();
}

Test(load, a_random_store_comes_back)
{
    round_trip(60, 3);
}

Test(load, many_windows_come_back)
{
    round_trip(20, TEST_WINDOWS);
}

Test(load, many_series_come_back)
{
    round_trip(1500, 1);
}

/* A store that keeps fewer windows than the file has: two, and one that may be ahead of the clock.
 * With the head lost, the old ones are loaded and dropped again. */
Test(load, windows_that_are_not_kept_are_passed_over)
{
    given_a_snapshot(20, 6);
    static struct tsdb_stats all, kept;
    tsdb_stats(store.db, &all);
    for (int has_head = 1; has_head >= 0; has_head--) {
        struct test_store copy;
        struct snapshot_report report;
        test_store_new_with(&copy, TEST_LIMIT_BYTES, TEST_WINDOW_MS, 2);
        test_disk_file(&disk, SNAPSHOT_NAME)->bytes[0] ^= !has_head;
        cr_assert_eq(load_store(copy.db, &disk.io, &report), 0);
        cr_assert_eq(report.lost_blocks, 0, "%s", report.detail);
        cr_assert_eq(report.lost_frames, !has_head);
        tsdb_stats(copy.db, &kept);
        cr_assert_eq(kept.n_windows, 3u);
        for (uint32_t i = 1; i <= kept.n_windows; i++) {
            const struct tsdb_window_stats *a = &all.windows[all.n_windows - i];
            const struct tsdb_window_stats *b = &kept.windows[kept.n_windows - i];
            cr_assert(a->number == b->number && a->samples == b->samples);
        }
        if (has_head) {
            cr_assert_gt(report.old_blocks, 0);
            cr_assert_eq(report.samples, kept.samples);
        }
        cr_assert(tsdb_check(copy.db));
        test_store_free(&copy);
    }
    test_store_free(&store);
}

Test(load, an_empty_store_comes_back)
{
    test_store_new(&store, TEST_LIMIT_BYTES, TEST_WINDOW_MS);
    test_disk_init(&disk);
    (void)test_save(&store, &disk.io);
    struct test_store copy;
    struct snapshot_report report;
    cr_assert_eq(load_into(&copy, &report), 0);
    cr_assert_str_empty(report.detail);
    cr_assert(report.series == 0 && report.samples == 0 && report.lost_frames == 0);
    test_store_free(&copy);
    test_store_free(&store);
}

/* Restarts change nothing that the next snapshot could see. */
Test(load, a_snapshot_of_what_was_loaded_is_the_same)
{
    given_a_snapshot(30, 3);
    struct test_store copy;
    struct snapshot_report report, again;
    tsdb_tick(store.db); /* seals what is silent, of which a restart makes blocks at once */
    (void)test_save(&store, &disk.io);
    cr_assert_eq(load_into(&copy, &report), 0);
    tsdb_tick(copy.db);
    again = test_save(&copy, &disk.io);
    cr_assert_eq(again.series, report.series);
    cr_assert_eq(again.blocks, report.blocks);
    cr_assert_eq(again.tails, report.tails);
    cr_assert_eq(again.samples, report.samples);
    cr_assert_eq(again.file_bytes, report.file_bytes);
    test_store_free(&copy);
    test_store_free(&store);
}

/* Life goes on after a restart as it would have without one. */
Test(load, appending_goes_on_in_the_same_memory)
{
    struct random random;
    given_a_snapshot(25, 2);
    struct test_store copy;
    struct snapshot_report report;
    cr_assert_eq(load_into(&copy, &report), 0);
    struct test_store *both[] = {&store, &copy};
    for (size_t i = 0; i < 2; i++) {
        random_init(&random, 7);
        test_store_fill(both[i]->db, &random, 40, 4);
        cr_assert(tsdb_check(both[i]->db));
    }
    expect_equal_stores(&store, &copy);
    test_store_free(&copy);
    test_store_free(&store);
}

Test(load, reads_may_be_short_and_interrupted)
{
    given_a_snapshot(10, 2);
    struct faulty_io slow;
    faulty_init(&slow, &disk.io);
    slow.most = 7;
    slow.eintr = 1;
    struct test_store copy;
    struct snapshot_report report;
    test_store_new(&copy, TEST_LIMIT_BYTES, TEST_WINDOW_MS);
    cr_assert_eq(load_store(copy.db, &slow.io, &report), 0);
    expect_equal_stores(&store, &copy);
    test_store_free(&copy);
    test_store_free(&store);
}

/* Loads what is on the disk, proves that it is a part of the store, and that just what the lost
 * frames take along is missing. */
static void expect_part(const char *what, size_t at)
{
    struct test_store copy;
    struct snapshot_report report;
    struct region ra, rb;
    struct read_set a, b;
    uint64_t extra, elsewhere, lost = lost_samples(&elsewhere);
    cr_assert_eq(load_into(&copy, &report), 0);
    test_store_read(&store, &ra, &a);
    test_store_read(&copy, &rb, &b);
    cr_assert(is_subset(&a, &b, &extra), "%s %zu: a sample was invented or changed", what, at);
    cr_assert_eq(extra, lost, "%s %zu: %llu samples lost, not %llu (%s)", what, at,
                 (unsigned long long)extra, (unsigned long long)lost, report.detail);
    cr_assert_eq(report.lost_frames, 1, "%s %zu", what, at);
    cr_assert_eq(report.lost_blocks, elsewhere, "%s %zu", what, at);
    cr_assert(!strncmp(report.detail, "damaged at byte", 15) ||
                  !strncmp(report.detail, "cut short at byte", 17),
              "%s %zu: %s", what, at, report.detail);
    cr_assert(tsdb_check(copy.db));
    region_release(&ra);
    region_release(&rb);
    test_store_free(&copy);
}

static void flip(size_t frame, size_t at, uint8_t bits)
{
    struct io_mem_file *f = test_disk_file(&disk, SNAPSHOT_NAME);
    f->bytes[at] ^= bits;
    frames.is_lost[frame] = true;
    expect_part("byte", at);
    frames.is_lost[frame] = false;
    f->bytes[at] ^= bits;
}

Test(load, every_byte_flipped_costs_only_its_frame, .timeout = 120)
{
    given_a_snapshot(3, 2);
    for (size_t i = 0; i < frames.n; i++)
        for (size_t at = frames.start[i]; at < frames.start[i + 1]; at++)
            flip(i, at, (uint8_t)(1u << at % 8));
    test_store_free(&store);
}

Test(load, every_bit_flipped_costs_only_its_frame, .timeout = 120)
{
    static const struct sample s[] = {{3600000000, 1}, {3600015000, 7}, {3600031000, 1}};
    test_store_new(&store, TEST_LIMIT_BYTES, TEST_WINDOW_MS);
    cr_assert_eq(test_append(store.db, 1, s, 3), 0);
    cr_assert_eq(test_append(store.db, 2, s, 1), 0);
    test_disk_init(&disk);
    (void)test_save(&store, &disk.io);
    survey();
    for (size_t i = 0; i < frames.n; i++)
        for (size_t bit = 8 * frames.start[i]; bit < 8 * frames.start[i + 1]; bit++)
            flip(i, bit / 8, (uint8_t)(1u << bit % 8));
    test_store_free(&store);
}

Test(load, random_damage_to_a_larger_one_costs_only_its_frame, .timeout = 120)
{
    struct random random;
    random_init(&random, random_seed());
    given_a_snapshot(400, 2);
    cr_assert_gt(frames.n, 6u);
    for (int round = 0; round < 40; round++) {
        size_t i = random_below(&random, frames.n);
        size_t n = frames.start[i + 1] - frames.start[i];
        flip(i, frames.start[i] + random_below(&random, n), 0xff);
    }
    test_store_free(&store);
}

/* The times of a scrape lie in the frame of the first series that has them. */
Test(load, lost_times_cost_what_refers_to_them_and_nothing_else, .timeout = 120)
{
    bool was_elsewhere = false;
    given_a_snapshot(400, 2);
    for (size_t i = 0; i < frames.n; i++) {
        uint64_t elsewhere;
        frames.is_lost[i] = true;
        (void)lost_samples(&elsewhere);
        frames.is_lost[i] = false;
        if (frames.type[i] != FRAME_WINDOW || elsewhere == 0)
            continue;
        was_elsewhere = true;
        flip(i, frames.start[i] + 50, 1);
    }
    cr_assert(was_elsewhere, "no frame refers to the times of another");
    test_store_free(&store);
}

Test(load, lost_values_cost_what_refers_to_them_and_nothing_else, .timeout = 120)
{
    struct random random;
    random_init(&random, random_seed());
    given_a_snapshot_of_equal_series(300, 300);
    cr_assert_gt(count_shared(), 100u);
    for (size_t i = 0; i < frames.n; i++) {
        size_t n = frames.start[i + 1] - frames.start[i];
        flip(i, frames.start[i] + random_below(&random, n), 0xff);
    }
    test_store_free(&store);
}

Test(load, every_prefix_loads_what_is_whole, .timeout = 120)
{
    given_a_snapshot(3, 2);
    struct io_mem_file *f = test_disk_file(&disk, SNAPSHOT_NAME);
    size_t n = f->n;
    for (f->n = frames.start[1]; f->n < n; f->n++) {
        for (size_t i = 0; i < frames.n; i++)
            frames.is_lost[i] = f->n < frames.start[i + 1];
        expect_part("cut at", f->n);
    }
    test_store_free(&store);
}

/* Not even the first frame is whole. The file is moved aside, or the next save would replace it. */
static void expect_set_aside(void)
{
    struct test_store copy;
    struct snapshot_report report;
    size_t n = test_disk_file(&disk, SNAPSHOT_NAME)->n;
    cr_assert_eq(load_into(&copy, &report), 0, "%zu bytes", n);
    cr_assert_str_eq(report.detail, "memory/snapshot.hg is not a snapshot");
    cr_assert_eq(report.damaged_files, 1);
    cr_assert_eq(report.lost_frames, 1);
    cr_assert_null(test_disk_file(&disk, SNAPSHOT_NAME));
    struct io_mem_file *aside = test_disk_file(&disk, SNAPSHOT_NAME SNAPSHOT_DAMAGED_SUFFIX);
    cr_assert(aside != NULL && aside->n == n);
    snprintf(aside->name, sizeof aside->name, "%s", SNAPSHOT_NAME);
    test_store_free(&copy);
}

Test(load, what_has_no_frame_is_moved_aside)
{
    given_a_snapshot(2, 1);
    struct io_mem_file *f = test_disk_file(&disk, SNAPSHOT_NAME);
    for (f->n = 0; f->n < frames.start[1]; f->n++)
        expect_set_aside();
    f->n = TEST_DISK_BYTES;
    memset(f->bytes, FRAME_MAGIC[0] & 0xff, f->n);
    expect_set_aside();
    test_store_free(&store);
}

Test(load, no_file_is_a_fresh_start)
{
    test_disk_init(&disk);
    struct test_store copy;
    struct snapshot_report report;
    cr_assert_eq(load_into(&copy, &report), ERR_NOT_FOUND);
    test_store_free(&copy);
}

Test(load, a_cut_is_named_with_its_place)
{
    given_a_snapshot(2, 1);
    struct io_mem_file *f = test_disk_file(&disk, SNAPSHOT_NAME);
    struct test_store copy;
    struct snapshot_report report;
    char expected[64];
    f->n = frames.start[frames.n - 1] - 1;
    snprintf(expected, sizeof expected, "cut short at byte %zu", f->n);
    cr_assert_eq(load_into(&copy, &report), 0);
    cr_assert_str_eq(report.detail, expected);
    test_store_free(&copy);
    f->n++; /* between two frames */
    snprintf(expected, sizeof expected, "cut short at byte %zu", f->n);
    cr_assert_eq(load_into(&copy, &report), 0);
    cr_assert_str_eq(report.detail, expected);
    cr_assert_eq(report.lost_frames, 1);
    test_store_free(&copy);
    test_store_free(&store);
}

Test(load, another_window_length_is_refused_before_anything_is_loaded)
{
    given_a_snapshot(2, 1);
    struct test_store copy;
    struct snapshot_report report;
    struct tsdb_stats stats;
    struct io_mem_file *f = test_disk_file(&disk, SNAPSHOT_NAME);
    for (int has_head = 1; has_head >= 0; has_head--) {
        f->bytes[0] ^= !has_head;
        test_store_new(&copy, TEST_LIMIT_BYTES, TEST_WINDOW_MS * 2);
        cr_assert_eq(load_store(copy.db, &disk.io, &report), ERR_WRONG_WINDOW);
        cr_assert_str_eq(report.detail,
                         "memory/snapshot.hg was written with windows of 3600000 ms, "
                         "ours are of 7200000 ms");
        tsdb_stats(copy.db, &stats);
        cr_assert_eq(stats.series_created, 0);
        test_store_free(&copy);
    }
    test_store_free(&store);
}

static void expect_refused(uint16_t version, int expected, const char *detail)
{
    struct io_mem_file *f = test_disk_file(&disk, SNAPSHOT_NAME);
    struct test_store copy;
    struct snapshot_report report;
    static struct tsdb_stats stats;
    for (size_t i = 0; i < frames.n; i++) {
        struct frame_header h;
        cr_assert(frame_header_decode(f->bytes + frames.start[i], &h));
        h.version = version;
        frame_header_encode(&h, f->bytes + frames.start[i]);
    }
    cr_assert_eq(load_into(&copy, &report), expected);
    cr_assert_str_eq(report.detail, detail);
    tsdb_stats(copy.db, &stats);
    cr_assert_eq(stats.series_created, 0);
    test_store_free(&copy);
}

Test(load, another_format_is_refused)
{
    given_a_snapshot(2, 1);
    expect_refused(FORMAT_VERSION + 1, ERR_NEWER_FORMAT,
                   "memory/snapshot.hg was written by a newer version");
    expect_refused(1, ERR_OLDER_FORMAT,
                   "memory/snapshot.hg has format 1; this version reads 2 and writes 5");
    test_store_free(&store);
}

/* What may be mended ends the load, whichever call it is that fails; the answer names it. */
Test(load, an_error_is_named)
{
    given_a_snapshot(2, 1);
    struct faulty_io bad;
    struct snapshot_report report;
    int n_failed = 0;
    faulty_init(&bad, &disk.io);
    for (long nth = 1; nth == 1 || bad.failed != NULL; nth++) {
        struct test_store copy;
        char expected[64];
        faulty_init(&bad, &disk.io);
        bad.fail_at = nth;
        bad.fail_errno = EACCES;
        test_store_new(&copy, TEST_LIMIT_BYTES, TEST_WINDOW_MS);
        int err = load_store(copy.db, &bad.io, &report);
        cr_assert(err == 0 || (err == ERR_IO && errno == EACCES));
        if (err == ERR_IO) {
            bool is_list = !strcmp(bad.failed, "list"), is_read = !strcmp(bad.failed, "read");
            n_failed++;
            snprintf(expected, sizeof expected, "%s memory/%s: Permission denied",
                     is_list   ? "list"
                     : is_read ? "read"
                               : "open",
                     is_list ? "" : SNAPSHOT_NAME);
            cr_assert(is_read || !strcmp(bad.failed, "open") || is_list, "%s", bad.failed);
            /* a head that cannot be opened cannot be read */
            cr_assert(!strcmp(report.detail, expected) || nth == 2, "%ld %s: %s", nth, bad.failed,
                      report.detail);
        } else {
            expect_equal_stores(&store, &copy);
        }
        test_store_free(&copy);
    }
    cr_assert_geq(n_failed, 4);
    test_store_free(&store);
}

/* Each allocation in turn: an answer, a store that is sound, and nothing kept. */
Test(load, out_of_memory_anywhere_is_an_answer, .timeout = 120)
{
    given_a_snapshot(12, 2);
    int err = ERR_NO_MEMORY;
    long nth = 1;
    bool was_refused = true;
    for (; was_refused; nth++) {
        struct test_store copy;
        struct snapshot_report report;
        test_store_new(&copy, TEST_LIMIT_BYTES, TEST_WINDOW_MS);
        budget_fail_nth(&copy.budget, nth);
        err = load_store(copy.db, &disk.io, &report);
        was_refused = atomic_load(&copy.budget.n_refused) > 0;
        budget_fail_nth(&copy.budget, 0);
        cr_assert(err == 0 || err == ERR_NO_MEMORY);
        cr_assert(err == 0 || was_refused);
        cr_assert(err == 0 || strstr(report.detail, "no memory for "), "%s", report.detail);
        cr_assert_eq(test_store_snapshot_bytes(&copy), 0);
        cr_assert(tsdb_check(copy.db));
        if (err == 0)
            expect_equal_stores(&store, &copy);
        test_store_free(&copy);
    }
    cr_assert_gt(nth, 10);
    test_store_free(&store);
}

/* What is gone again when the store is loaded: a restart must not need much more than running. */
Test(load, a_snapshot_alone_takes_one_buffer)
{
    given_a_snapshot(12, 2);
    struct test_store copy;
    struct snapshot_report report;
    test_store_new(&copy, TEST_LIMIT_BYTES, TEST_WINDOW_MS);
    copy.arena.retain_span_bytes = 0;
    cr_assert_eq(load_store(copy.db, &disk.io, &report), 0);
    cr_assert_lt(atomic_load(&copy.budget.peak_bytes) - atomic_load(&copy.budget.used_bytes),
                 2 * FRAME_BUFFER_BYTES);
    test_store_free(&copy);
    test_store_free(&store);
}

/* A frame with right checksums and wrong content: made by a faulty writer. */
static void put_frame(struct frame_writer *w, enum frame_type type, const void *bytes, size_t n)
{
    if (n > 0)
        memcpy(frame_writer_payload(w), bytes, n);
    cr_assert_eq(frame_writer_put(w, type, n), 0);
}

Test(load, malformed_frames_are_counted_and_survived)
{
    static uint8_t buffer[FRAME_BUFFER_BYTES];
    static const enum frame_type types[] = {FRAME_HEAD, FRAME_SERIES, FRAME_WINDOW, FRAME_END,
                                            (enum frame_type)99};
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        test_disk_init(&disk);
        struct frame_writer w = {.io = &disk.io, .buffer = buffer, .file_id = 1};
        w.handle = disk.io.ops->open(&disk.io, SNAPSHOT_NAME, true);
        put_frame(&w, types[i], "\xff", 1);
        put_frame(&w, types[i], NULL, 0);
        struct test_store copy;
        struct snapshot_report report;
        cr_assert_eq(load_into(&copy, &report), 0);
        cr_assert_eq(report.lost_frames, types[i] == FRAME_END ? 1 : 3);
        cr_assert_eq(strncmp(report.detail, "frame 0 at byte 0: ", 19), 0, "%s", report.detail);
        test_store_free(&copy);
    }
}

/* Records whose form is right and whose meaning is not. */
static void put_odd_records(struct window_writer *w)
{
    struct dump_tail fine = {.n = 1, .places = {5}}, back = {.n = 2, .places = {2000, 1000}};
    struct dump_tail foreign = {.n = 1, .places = {TEST_WINDOW_MS}};
    struct dump_tail timeless = {.n = 1, .has_timeline = true, .timeline = 9, .places = {3}};
    struct dump_times gap = {.timeline = 9, .from = 5, .n = 2, .times = {1, 2}};
    struct dump_block nonsense = {.part = DUMP_BLOCK,
                                  .times = DUMP_LINEAR,
                                  .encoding = 14,
                                  .first = 5000,
                                  .step = 10,
                                  .n_samples = 100,
                                  .n_values_bytes = 5,
                                  .values = (const uint8_t *)"nonsense"};
    struct dump_shared once = {3, 5, (const uint8_t *)"nonsense"};
    struct dump_block empty = nonsense, lost = nonsense;
    empty.is_shared = lost.is_shared = true; /* with values that do not decode, with none */
    empty.n_values_bytes = lost.n_values_bytes = 0;
    empty.shared = 3;
    lost.shared = 4;
    window_writer_tail(w, 0, &fine); /* no such series */
    window_writer_tail(w, 1, &fine);
    window_writer_tail(w, 1, &foreign);   /* of another window */
    window_writer_tail(w, 1, &back);      /* times descend */
    window_writer_times(w, &gap);         /* of a timeline that was not begun */
    window_writer_tail(w, 1, &timeless);  /* in it */
    window_writer_block(w, 1, &nonsense); /* does not decode */
    window_writer_shared(w, &once);
    window_writer_shared(w, &once); /* twice */
    window_writer_block(w, 1, &empty);
    window_writer_block(w, 1, &lost);
    window_writer_tail(w, 2, &fine); /* a series that was refused */
}

Test(load, records_that_do_not_fit_are_left_out)
{
    static uint8_t buffer[FRAME_BUFFER_BYTES];
    static struct symbol_table symbols;
    test_disk_init(&disk);
    struct frame_writer w = {.io = &disk.io, .buffer = buffer, .file_id = 1};
    w.handle = disk.io.ops->open(&disk.io, SNAPSHOT_NAME, true);
    struct series_writer series;
    struct label good[] = {test_label("__name__", "up", 2), test_label("a", "b", 1)};
    struct label twice[] = {good[0], good[0]};
    series_writer_init(&series, frame_writer_payload(&w), &symbols, TEST_WINDOW_MS);
    series_writer_add(&series, 1, &(struct labels){good, 2});
    series_writer_add(&series, 2, &(struct labels){twice, 2}); /* a label twice */
    cr_assert_eq(frame_writer_put(&w, FRAME_SERIES, series.out.n), 0);
    struct window_writer window;
    window_writer_init(&window, frame_writer_payload(&w), TEST_WINDOW_MS, 1000);
    put_odd_records(&window);
    cr_assert_eq(frame_writer_put(&w, FRAME_WINDOW, window.out.n), 0);
    window_writer_init(&window, frame_writer_payload(&w), TEST_WINDOW_MS, INT64_MAX);
    window_writer_tail(&window, 1, &(struct dump_tail){.n = 1});
    cr_assert_eq(frame_writer_put(&w, FRAME_WINDOW, window.out.n), 0);
    struct test_store copy;
    struct snapshot_report report;
    cr_assert_eq(load_into(&copy, &report), 0);
    cr_assert_eq(report.series, 1);
    cr_assert_eq(report.tails, 1);
    cr_assert_eq(report.samples, 1);
    cr_assert_eq(report.lost_blocks, 9);
    cr_assert(tsdb_check(copy.db));
    test_store_free(&copy);
}

Test(load, missing_times_are_named)
{
    static uint8_t buffer[FRAME_BUFFER_BYTES];
    static struct symbol_table symbols;
    test_disk_init(&disk);
    struct frame_writer w = {.io = &disk.io, .buffer = buffer, .file_id = 1};
    w.handle = disk.io.ops->open(&disk.io, SNAPSHOT_NAME, true);
    struct series_writer series;
    struct label up[] = {test_label("__name__", "up", 2)};
    series_writer_init(&series, frame_writer_payload(&w), &symbols, TEST_WINDOW_MS);
    series_writer_add(&series, 7, &(struct labels){up, 1});
    cr_assert_eq(frame_writer_put(&w, FRAME_SERIES, series.out.n), 0);
    struct window_writer window;
    window_writer_init(&window, frame_writer_payload(&w), TEST_WINDOW_MS, 1000);
    window_writer_tail(&window, 7, &(struct dump_tail){.n = 1, .has_timeline = true});
    cr_assert_eq(frame_writer_put(&w, FRAME_WINDOW, window.out.n), 0);
    struct test_store copy;
    struct snapshot_report report;
    cr_assert_eq(load_into(&copy, &report), 0);
    cr_assert_eq(report.lost_blocks, 1);
    cr_assert_str_eq(report.detail,
                     "series 7 in frame 1 at byte 60: refers to times or values that are missing");
    test_store_free(&copy);
}
