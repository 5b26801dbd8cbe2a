#include "snapshot/save.h"

#include "snapshot/frame.h"
#include "snapshot/head.h"

#include "faulty_io.h"
#include "test_disk.h"

#include <pthread.h>

static struct io_mem disk;
static struct test_store store;
static uint8_t previous[TEST_DISK_BYTES];
static size_t n_previous;

/* A store that was saved, and has grown since. */
static void given_a_previous_snapshot(void)
{
    struct random random;
    random_init(&random, random_seed());
    test_store_new(&store, TEST_LIMIT_BYTES, TEST_WINDOW_MS);
    test_store_fill(store.db, &random, 10, 1);
    test_disk_init(&disk);
    (void)test_save(&store, &disk.io);
    struct io_mem_file *f = test_disk_file(&disk, SNAPSHOT_NAME);
    n_previous = f->n;
    memcpy(previous, f->bytes, n_previous);
    test_store_fill(store.db, &random, 30, 2);
}

static void release(void)
{
    if (store.db)
        test_store_free(&store);
}

TestSuite(save, .init = given_a_previous_snapshot, .fini = release);

static int save_with(struct io *io, struct snapshot_report *report)
{
    struct save_options o = {.created_ms = 1, .file_id = 2};
    return save_store(store.db, io, &o, report);
}

static void expect_previous(const char *what)
{
    struct io_mem_file *f = test_disk_file(&disk, SNAPSHOT_NAME);
    cr_assert_not_null(f);
    cr_assert_eq(f->n, n_previous, "%s", what);
    cr_assert_eq(memcmp(f->bytes, previous, n_previous), 0, "%s", what);
    cr_assert_null(test_disk_file(&disk, SNAPSHOT_TEMP_NAME), "%s", what);
}

static void expect_loadable(void)
{
    struct test_store copy;
    struct snapshot_report report;
    test_store_new(&copy, TEST_LIMIT_BYTES, TEST_WINDOW_MS);
    cr_assert_eq(load_store(copy.db, &disk.io, &report), 0);
    cr_assert_str_empty(report.detail);
    expect_equal_stores(&store, &copy);
    test_store_free(&copy);
}

Test(save, replaces_the_previous_one)
{
    struct snapshot_report report = test_save(&store, &disk.io);
    cr_assert_null(test_disk_file(&disk, SNAPSHOT_TEMP_NAME));
    cr_assert_eq(test_disk_file(&disk, SNAPSHOT_NAME)->n, report.file_bytes);
    cr_assert_str_empty(report.detail);
    struct tsdb_stats stats;
    tsdb_stats(store.db, &stats);
    cr_assert_eq(report.series, stats.series);
    cr_assert_eq(report.samples, stats.samples);
    cr_assert_eq(report.windows, stats.n_windows);
    expect_loadable();
}

Test(save, the_head_says_what_is_needed)
{
    (void)test_save(&store, &disk.io);
    struct io_mem_file *f = test_disk_file(&disk, SNAPSHOT_NAME);
    struct frame_header h;
    static struct head head;
    static struct tsdb_stats stats;
    cr_assert(frame_header_decode(f->bytes, &h));
    cr_assert_eq(h.type, FRAME_HEAD);
    cr_assert_eq(head_decode(h.version, f->bytes + FRAME_HEADER_BYTES, h.payload_bytes, &head), 0);
    tsdb_stats(store.db, &stats);
    cr_assert_eq(head.created_ms, 1700000000000);
    cr_assert_eq(head.window_ms, TEST_WINDOW_MS);
    cr_assert_eq(head.n_series, stats.series);
    cr_assert_eq(head.newest_ms, stats.max_ms);
    cr_assert_eq(head.n_open, stats.open.used);
    cr_assert_eq(head.n_windows, stats.n_windows);
    for (uint32_t w = 0; w < head.n_windows; w++) {
        cr_assert_eq(head.windows[w].number, stats.windows[w].number);
        for (int c = 0; c < HEAD_POOLS; c++)
            cr_assert_eq(head.windows[w].slots[c], stats.windows[w].classes[c].used);
    }
}

/* Every call in turn fails, until none is left to fail. */
Test(save, whatever_call_fails_the_previous_one_stays, .timeout = 60)
{
    struct faulty_io bad;
    struct snapshot_report report;
    char expected[80];
    int err = ERR_IO;
    bool has_failed_sync = false, has_failed_rename = false, has_failed_dir = false;
    for (long nth = 1; err < 0; nth++) {
        faulty_init(&bad, &disk.io);
        bad.fail_at = nth;
        err = save_with(&bad.io, &report);
        cr_assert_eq(test_store_snapshot_bytes(&store), 0);
        if (err == 0)
            break;
        cr_assert_eq(err, ERR_IO);
        cr_assert_eq(errno, ENOSPC, "errno was lost in the cleanup after %s", bad.failed);
        cr_assert_not_null(strstr(report.detail, "No space left on device"), "%s", report.detail);
        if (!strcmp(bad.failed, "sync_dir")) {
            has_failed_dir = true; /* the new one is whole and in its place */
            expect_loadable();
            continue;
        }
        snprintf(expected, sizeof expected, "%s memory/snapshot.hg.tmp: ",
                 !strcmp(bad.failed, "open") ? "create" : bad.failed);
        cr_assert_eq(strncmp(report.detail, expected, strlen(expected)), 0, "%s", report.detail);
        expect_previous(bad.failed);
        has_failed_sync |= !strcmp(bad.failed, "sync");
        has_failed_rename |= !strcmp(bad.failed, "rename");
    }
    cr_assert(has_failed_sync && has_failed_rename && has_failed_dir);
    expect_loadable();
}

/* The disk is full after any number of bytes. */
Test(save, a_full_disk_leaves_the_previous_one, .timeout = 60)
{
    struct snapshot_report report;
    struct io_mem_file *temp = test_disk_file(&disk, "");
    cr_assert_eq(save_with(&disk.io, &report), 0);
    size_t n = report.file_bytes;
    memcpy(previous, test_disk_file(&disk, SNAPSHOT_NAME)->bytes, n);
    n_previous = n;
    temp = test_disk_file(&disk, "");
    for (temp->capacity = 0; temp->capacity < n; temp->capacity += 1 + n / 200) {
        cr_assert_eq(save_with(&disk.io, &report), ERR_IO);
        cr_assert_eq(errno, ENOSPC);
        expect_previous("full disk");
    }
}

Test(save, short_and_interrupted_writes_are_finished)
{
    struct faulty_io slow;
    struct snapshot_report report;
    faulty_init(&slow, &disk.io);
    slow.most = 1000;
    slow.eintr = 2;
    cr_assert_eq(save_with(&slow.io, &report), 0);
    expect_loadable();
}

Test(save, without_memory_for_the_buffer_nothing_is_touched)
{
    struct snapshot_report report;
    arena_trim(&store.arena);
    store.arena.retain_span_bytes = 0; /* so that each span asks the budget */
    budget_fail_nth(&store.budget, 1);
    cr_assert_eq(save_with(&disk.io, &report), ERR_NO_MEMORY);
    expect_previous("no memory");
    cr_assert_neq(report.detail[0], '\0');
    cr_assert_eq(save_with(&disk.io, &report), 0);
}

Test(save, memory_is_fixed_and_in_the_ledger)
{
    struct snapshot_report report;
    struct budget_row *row = &store.budget.rows[budget_owner(&store.budget, "snapshot")];
    size_t peak = atomic_load(&row->peak_bytes);
    size_t used = atomic_load(&store.budget.used_bytes);
    cr_assert_gt(peak, (size_t)FRAME_BUFFER_BYTES);
    cr_assert_lt(peak, (size_t)FRAME_BUFFER_BYTES + 128 * 1024);
    struct random random;
    random_init(&random, 1);
    test_store_fill(store.db, &random, 200, 2); /* larger by far */
    used = atomic_load(&store.budget.used_bytes);
    cr_assert_eq(save_with(&disk.io, &report), 0);
    cr_assert_eq(atomic_load(&row->peak_bytes), peak);
    cr_assert_eq(atomic_load(&store.budget.used_bytes), used);
}

/* The same store gives the same bytes. */
Test(save, is_reproducible)
{
    (void)test_save(&store, &disk.io);
    struct io_mem_file *f = test_disk_file(&disk, SNAPSHOT_NAME);
    n_previous = f->n;
    memcpy(previous, f->bytes, f->n);
    (void)test_save(&store, &disk.io);
    expect_previous("second save");
}

enum { WRITER_SERIES = 300, WRITER_STEPS = 400 };

static void *write_on(void *ctx)
{
    struct tsdb *db = ctx;
    int64_t start_ms = 1001 * (int64_t)TEST_WINDOW_MS + TEST_WINDOW_MS / 2;
    for (int64_t step = 0; step < WRITER_STEPS; step++) {
        for (unsigned n = 0; n < WRITER_SERIES; n++) {
            struct sample s = {start_ms + step * 1000, (uint64_t)step * n};
            (void)test_append(db, n, &s, 1);
        }
    }
    return NULL;
}

/* What was there before is in the file; nothing is in it that was never written; no sample is twice
 * (the store would refuse it as not lying behind what is there). */
Test(save, writers_go_on_meanwhile, .timeout = 60)
{
    struct test_store copy, before;
    struct snapshot_report report;
    test_store_new(&before, TEST_LIMIT_BYTES, TEST_WINDOW_MS);
    (void)test_save(&store, &disk.io);
    cr_assert_eq(load_store(before.db, &disk.io, &report), 0);
    pthread_t writer;
    cr_assert_eq(pthread_create(&writer, NULL, write_on, store.db), 0);
    for (int round = 0; round < 5; round++)
        (void)test_save(&store, &disk.io);
    cr_assert_eq(pthread_join(writer, NULL), 0);
    test_store_new(&copy, TEST_LIMIT_BYTES, TEST_WINDOW_MS);
    cr_assert_eq(load_store(copy.db, &disk.io, &report), 0);
    cr_assert_eq(report.lost_blocks + report.lost_frames + report.old_blocks, 0, "%s",
                 report.detail);
    struct region r[3];
    struct read_set old, saved, now;
    uint64_t extra;
    test_store_read(&before, &r[0], &old);
    test_store_read(&copy, &r[1], &saved);
    test_store_read(&store, &r[2], &now);
    cr_assert(is_subset(&saved, &old, &extra));
    cr_assert(is_subset(&now, &saved, &extra));
    for (int i = 0; i < 3; i++)
        region_release(&r[i]);
    test_store_free(&before);
    test_store_free(&copy);
}
