/* Files of windows: which are written when, which are taken, and that whatever stops a save, what
 * lies there is all that was saved before. */
#include "snapshot/load.h"
#include "snapshot/save.h"
#include "tsdb/dump.h"

#include "faulty_io.h"

#include "test_store.h"

enum { MINUTE_MS = 60000, REST_MS = TEST_WINDOW_MS / 4 /* the out-of-order window */ };

static struct io_mem disk;
static struct test_store stores[2], *store; /* the one in use, and room for its successor */
static struct directory files;
static int64_t boot_ms;
static uint64_t n_saves;
static uint64_t naming; /* another one for each process */
static struct snapshot_report report;
static bool is_late; /* samples came late: a chunk that was opened again for them is closed after a
                        start, and takes other slots */

static void given_an_empty_disk(void)
{
    memset(&disk, 0, sizeof disk);
    disk.resize = realloc;
    io_mem_init(&disk);
    memset(&files, 0, sizeof files);
    boot_ms = 1000000;
    n_saves = 0;
    naming = 1;
    store = &stores[0];
    test_store_new(store, TEST_LIMIT_BYTES, TEST_WINDOW_MS);
}

static void release(void)
{
    test_store_free(store);
    for (int i = 0; i < IO_MEM_FILES; i++)
        free(disk.files[i].bytes);
}

TestSuite(directory, .init = given_an_empty_disk, .fini = release, .timeout = 120);

static int save_to(struct io *io)
{
    struct save_options o = {.created_ms = 1700000000000,
                             .boot_ms = boot_ms,
                             .file_id = 0x1234567800000000 + ++n_saves,
                             .naming = naming,
                             .directory = &files};
    return save_store(store->db, io, &o, &report);
}

static void save(void)
{
    cr_assert_eq(save_to(&disk.io), 0, "%s", report.detail);
}

/* A save that notes what has changed, a rest, and one that finds that nothing has since. */
static void save_rested(void)
{
    save();
    boot_ms += REST_MS;
    save();
}

static bool has_file(const char *name)
{
    for (int i = 0; i < IO_MEM_FILES; i++)
        if (!strcmp(disk.files[i].name, name))
            return true;
    return false;
}

static bool has_window(int64_t number)
{
    char name[FILE_NAME_BYTES];
    directory_window_name(number, name);
    return has_file(name);
}

static unsigned count_files(void)
{
    unsigned n = 0;
    for (int i = 0; i < IO_MEM_FILES; i++)
        n += disk.files[i].name[0] != '\0';
    return n;
}

static struct io_mem_file *window_file(int64_t number)
{
    char name[FILE_NAME_BYTES];
    directory_window_name(number, name);
    for (int i = 0; i < IO_MEM_FILES; i++)
        if (!strcmp(disk.files[i].name, name))
            return &disk.files[i];
    return NULL;
}

/* Five series in each of windows first .. first + n - 1. */
static void fill_windows(int64_t first, int n)
{
    for (int64_t w = first; w < first + n; w++)
        for (int i = 0; i < 60; i++)
            for (unsigned s = 0; s < 5; s++) {
                struct sample sample = {w * TEST_WINDOW_MS + i * (int64_t)MINUTE_MS,
                                        (uint64_t)i * (s + 1) << 40};
                cr_assert_eq(test_append(store->db, s, &sample, 1), 0);
            }
}

static void append_late(int64_t window, unsigned series)
{
    struct sample s = {window * TEST_WINDOW_MS + 12345, 99};
    cr_assert_eq(test_append(store->db, series, &s, 1), 0);
}

/* The store and the directory of a process that starts. */
static void load_copy(struct test_store *copy, struct directory *d)
{
    test_store_new(copy, TEST_LIMIT_BYTES, TEST_WINDOW_MS);
    cr_assert_eq(load_directory(copy->db, &disk.io, d, NULL, &report), 0, "%s", report.detail);
    cr_assert_eq(report.lost_blocks + report.lost_frames + report.damaged_files, 0, "%s",
                 report.detail);
    cr_assert(tsdb_check(copy->db));
}

/* Goes on as a process that is started anew, which finds what this one has saved. */
static void start_anew(void)
{
    struct test_store *next = &stores[store == &stores[0]];
    load_copy(next, &files);
    expect_equal_stores(store, next);
    if (!is_late)
        expect_equal_page_maps(store, next);
    test_store_free(store);
    store = next;
    naming++;
}

static void expect_loads(void)
{
    static struct directory d;
    struct test_store copy;
    load_copy(&copy, &d);
    expect_equal_stores(store, &copy);
    if (!is_late)
        expect_equal_page_maps(store, &copy);
    test_store_free(&copy);
}

/* ---- names ---- */

Test(directory, names_and_numbers)
{
    static const int64_t numbers[] = {0, 1, -1, 118055, INT64_MAX, INT64_MIN};
    static const char *const others[] = {
        "window-.hg",      "window-+1.hg", "window-01.hg", "window--0.hg",
        "window-1.hg.tmp", "window-1.hg ", "window-1",     "window- 1.hg",
        "Window-1.hg",     "snapshot.hg",  "window-1.hgx", "window-9223372036854775808.hg"};
    char name[FILE_NAME_BYTES];
    int64_t number;
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        directory_window_name(numbers[i], name);
        cr_assert(directory_window_number(name, &number), "%s", name);
        cr_assert_eq(number, numbers[i]);
        cr_assert_leq(strlen(name) + strlen(TEMP_SUFFIX), sizeof name - 1);
    }
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        cr_assert_not(directory_window_number(others[i], &number), "%s", others[i]);
}

Test(directory, the_oldest_makes_room)
{
    for (int64_t n = DIRECTORY_WINDOWS_MAX; n > 0; n--)
        cr_assert_eq(directory_make(&files, n)->number, n);
    cr_assert_eq(files.n, DIRECTORY_WINDOWS_MAX);
    cr_assert_null(directory_make(&files, 0));
    cr_assert_not_null(directory_make(&files, 1000000));
    cr_assert_eq(files.n, DIRECTORY_WINDOWS_MAX);
    cr_assert_null(directory_find(&files, 1));
    for (uint32_t i = 1; i < files.n; i++)
        cr_assert_lt(files.windows[i - 1].number, files.windows[i].number);
}

/* ---- when a window gets a file ---- */

Test(directory, a_window_that_rests_gets_a_file_and_keeps_it)
{
    fill_windows(1000, 3);
    save();
    cr_assert_eq(count_files(), 1, "nothing has rested yet");
    boot_ms += REST_MS - 1;
    save();
    cr_assert_eq(count_files(), 1, "a millisecond more");
    boot_ms++;
    save();
    cr_assert(has_window(1000) && has_window(1001) && !has_window(1002), "not the newest");
    cr_assert_eq(report.window_files, 2);
    expect_loads();
    uint64_t before = files.generation;
    boot_ms += 100 * REST_MS;
    save();
    cr_assert_eq(report.window_files, 0);
    cr_assert_eq(report.windows, 1);
    cr_assert_eq(files.generation, before + 1, "only the snapshot was written");
    expect_loads();
}

Test(directory, a_window_that_changed_goes_back_into_the_snapshot_until_it_rests)
{
    fill_windows(1000, 3);
    save_rested();
    append_late(1001, 77);
    save();
    cr_assert(has_window(1000) && !has_window(1001), "the snapshot has the newer copy");
    expect_loads();
    boot_ms += REST_MS;
    save();
    cr_assert(has_window(1001));
    cr_assert_eq(report.window_files, 1);
    expect_loads();
}

Test(directory, a_window_that_is_said_to_have_changed_is_written_again)
{
    fill_windows(1000, 2);
    save_rested();
    uint64_t before = directory_find(&files, 1000)->generation;
    dump_note_change(store->db, 1000);
    save_rested();
    cr_assert_gt(directory_find(&files, 1000)->generation, before);
    dump_note_change(store->db, 77); /* there is none */
    expect_loads();
}

Test(directory, files_go_with_their_windows)
{
    fill_windows(1000, 2);
    save_rested();
    cr_assert(has_window(1000));
    fill_windows(1000 + TEST_WINDOWS, 1);
    tsdb_tick(store->db);
    save();
    cr_assert(!has_window(1000));
    cr_assert_null(directory_find(&files, 1000));
    expect_loads();
}

Test(directory, a_start_knows_which_files_are_good)
{
    struct test_store copy;
    static struct directory d;
    fill_windows(1000, 4);
    save_rested();
    load_copy(&copy, &d);
    cr_assert_eq(d.generation, files.generation);
    cr_assert_eq(report.window_files, 3);
    cr_assert_eq(report.windows, 4);
    struct save_options o = {.boot_ms = 5, .file_id = 9, .directory = &d};
    cr_assert_eq(save_store(copy.db, &disk.io, &o, &report), 0);
    cr_assert_eq(report.windows, 1, "only the newest is written");
    cr_assert(has_window(1000) && has_window(1001) && has_window(1002));
    test_store_free(&copy);
    expect_loads();
}

/* Numbers mean something only together with who gave them. */
Test(directory, numbers_of_another_process_are_not_taken_for_ours)
{
    fill_windows(1000, 2);
    for (unsigned s = 10; s < 20; s++)
        append_late(1000, s); /* a window that has more series than the next: numbers up to 15 */
    save_rested();
    start_anew();
    fill_windows(1000 + TEST_WINDOWS, 1);
    tsdb_tick(store->db);
    fill_windows(1000 + TEST_WINDOWS + 1, 1);
    for (unsigned s = 20; s < 35; s++)
        append_late(1000 + TEST_WINDOWS, s);
    save_rested();
    expect_loads();
    start_anew();
    save_rested();
    expect_loads();
}

/* ---- which copy counts ---- */

Test(directory, the_larger_generation_counts)
{
    struct io_mem_file *f;
    static uint8_t old_window[1 << 16], old_snapshot[1 << 16];
    size_t n_snapshot = 0;
    fill_windows(1000, 2);
    save_rested();
    f = window_file(1000);
    size_t n_window = f->n;
    memcpy(old_window, f->bytes, f->n);
    append_late(1000, 33);
    append_late(1000, 34);
    save();
    for (int i = 0; i < IO_MEM_FILES; i++)
        if (!strcmp(disk.files[i].name, SNAPSHOT_NAME)) {
            n_snapshot = disk.files[i].n;
            memcpy(old_snapshot, disk.files[i].bytes, n_snapshot);
        }
    /* as if the save had been stopped before it could remove the window's old file */
    int handle = disk.io.ops->open(&disk.io, "window-1000.hg", true);
    cr_assert_eq(io_write_all(&disk.io, handle, old_window, n_window), 0);
    expect_loads();
    cr_assert_eq(report.old_files, 1);
    /* as if the next had been stopped after it had written that file and before the snapshot */
    append_late(1000, 35);
    save_rested();
    cr_assert(has_window(1000));
    handle = disk.io.ops->open(&disk.io, SNAPSHOT_NAME, true);
    cr_assert_eq(io_write_all(&disk.io, handle, old_snapshot, n_snapshot), 0);
    expect_loads();
}

/* ---- what stops a save ---- */

static void append_own(struct random *random, unsigned series)
{
    int64_t window = 1000 + (int64_t)random_below(random, 4);
    struct sample s = {window * TEST_WINDOW_MS + 1 + (int64_t)random_below(random, 3000000),
                       random_next(random)};
    cr_assert_eq(test_append(store->db, series, &s, 1), 0); /* of its own: never late */
}

/* The successor of a process that was stopped: it has all that was there after the last whole save
 * (another store has that), and nothing that was never there. */
static void start_after_kill(struct test_store *saved)
{
    struct region r[3];
    struct read_set before, after, now;
    uint64_t extra;
    struct test_store *next = &stores[store == &stores[0]];
    load_copy(next, &files);
    test_store_read(saved, &r[0], &before);
    test_store_read(next, &r[1], &after);
    test_store_read(store, &r[2], &now);
    cr_assert(is_subset(&after, &before, &extra), "something was lost");
    cr_assert(is_subset(&now, &after, &extra), "something was invented");
    for (int i = 0; i < 3; i++)
        region_release(&r[i]);
    test_store_free(store);
    store = next;
    naming++;
}

/* Samples, a whole save, some more, a rest or not, and a save that is stopped at each call in turn:
 * windows get files, lose them for the snapshot, and get them again. */
static void kill_at_each_call(bool is_power_cut)
{
    struct faulty_io killed;
    struct random random;
    random_init(&random, random_seed());
    disk.is_forgetful = is_power_cut;
    fill_windows(1000, 4);
    save_rested();
    for (long nth = 1; nth < 180; nth++) {
        struct test_store saved;
        static struct directory d;
        if (random_below(&random, 2) > 0)
            append_own(&random, 100 + 2 * (unsigned)nth);
        save();
        load_copy(&saved, &d);
        expect_equal_stores(store, &saved);
        if (random_below(&random, 2) > 0)
            append_own(&random, 101 + 2 * (unsigned)nth);
        boot_ms += REST_MS * (int64_t)random_below(&random, 2);
        faulty_init(&killed, &disk.io);
        killed.fail_at = nth % 60 + 1;
        killed.is_dead = true;
        (void)save_to(&killed.io);
        if (is_power_cut)
            io_mem_cut_power(&disk);
        start_after_kill(&saved);
        test_store_free(&saved);
        save_rested();
    }
}

Test(directory, killed_at_any_call_it_is_what_it_was)
{
    kill_at_each_call(false);
}

Test(directory, without_power_at_any_call_it_is_what_it_was)
{
    kill_at_each_call(true);
}

/* Every call fails in turn, and the process lives on. */
Test(directory, whatever_call_fails_all_is_there_and_the_next_save_works)
{
    struct faulty_io bad;
    bool has_failed = true;
    unsigned n_failures = 0;
    fill_windows(1000, 4);
    save_rested();
    for (long nth = 1; has_failed; nth++) {
        append_late(1000 + nth % 3, 1000 + (unsigned)nth);
        save();
        boot_ms += REST_MS;
        faulty_init(&bad, &disk.io);
        bad.fail_at = nth;
        int err = save_to(&bad.io);
        has_failed = bad.failed != NULL;
        n_failures += err != 0;
        cr_assert(err == 0 || (err == ERR_IO && strstr(report.detail, "No space left")), "%s",
                  report.detail);
        expect_loads();
        save();
        expect_loads();
    }
    cr_assert_gt(n_failures, 10);
}

/* ---- saves, samples, starts at random ---- */

static void append_some(struct random *random, int64_t newest)
{
    for (unsigned n = 0; n < 40; n++) {
        int64_t window = newest - (int64_t)(random_below(random, 3) * random_below(random, 2));
        struct sample s = {window * TEST_WINDOW_MS + (int64_t)random_below(random, TEST_WINDOW_MS),
                           random_value_of(random, n, n)};
        (void)test_append(store->db, (unsigned)random_below(random, 60), &s, 1);
    }
}

Test(directory, anything_in_any_order_comes_back)
{
    struct random random;
    random_init(&random, random_seed());
    int64_t newest = 1000;
    is_late = true;
    for (int step = 0; step < 300; step++) {
        switch (random_below(&random, 8)) {
        case 0:
            newest += (int64_t)random_below(&random, 3);
            append_some(&random, newest);
            break;
        case 1:
            tsdb_tick(store->db);
            break;
        case 2:
            boot_ms += REST_MS;
            break;
        case 3:
            dump_note_change(store->db, newest - (int64_t)random_below(&random, 4));
            break;
        case 4:
            tsdb_tick(store->db);
            save();
            start_anew();
            break;
        case 5:
            tsdb_tick(store->db);
            save();
            expect_loads();
            break;
        default:
            append_some(&random, newest);
        }
    }
}

/* ---- memory ---- */

struct heard {
    unsigned n_left;
    char name[FILE_NAME_BYTES];
    int64_t start_ms;
};

static void hear_left(void *ctx, int64_t start_ms, const char *name)
{
    struct heard *h = ctx;
    h->n_left++;
    h->start_ms = start_ms;
    snprintf(h->name, sizeof h->name, "%s", name);
}

static void fill_large(int64_t first, int n, struct random *random)
{
    for (int64_t w = first; w < first + n; w++)
        for (unsigned s = 0; s < 150; s++) {
            struct sample samples[240];
            for (int i = 0; i < 240; i++)
                samples[i] = (struct sample){w * TEST_WINDOW_MS + i * 15000, random_next(random)};
            cr_assert_eq(test_append(store->db, s, samples, 240), 0);
        }
}

static void expect_left(size_t limit_bytes, unsigned n_left_min)
{
    struct test_store small;
    static struct directory d;
    static struct tsdb_stats all, some;
    struct heard heard = {0};
    struct snapshot_progress progress = {0};
    const struct snapshot_watch watch = {.ctx = &heard, .progress = &progress, .left = hear_left};
    tsdb_stats(store->db, &all);
    test_store_new(&small, limit_bytes, TEST_WINDOW_MS);
    cr_assert_eq(load_directory(small.db, &disk.io, &d, &watch, &report), 0, "%s", report.detail);
    cr_assert_geq(report.left_windows, n_left_min);
    cr_assert_eq(heard.n_left, report.left_windows);
    tsdb_stats(small.db, &some);
    cr_assert_eq(some.n_windows + report.left_windows, all.n_windows);
    cr_assert(some.n_windows > 0);
    for (uint32_t i = 0; i < some.n_windows; i++)
        cr_assert_eq(some.windows[i].samples, all.windows[i + report.left_windows].samples,
                     "the newest, whole");
    cr_assert_eq(progress.windows, progress.total_windows);
    cr_assert_eq(progress.bytes, progress.total_bytes);
    /* no second copy of what was left */
    struct sample s = {heard.start_ms + 5, 1};
    cr_assert_eq(test_append(small.db, 999, &s, 1), ERR_TOO_OLD);
    s.t_ms += TEST_WINDOW_MS;
    cr_assert_eq(test_append(small.db, 999, &s, 1), 0);
    /* saves do not lose it */
    for (int i = 0; i < 3; i++) {
        struct save_options o = {
            .boot_ms = i * (int64_t)REST_MS, .file_id = 77 + (uint64_t)i, .directory = &d};
        struct snapshot_report saved;
        cr_assert_eq(save_store(small.db, &disk.io, &o, &saved), 0);
    }
    cr_assert(has_file(heard.name));
    test_store_free(&small);
    cr_assert_eq(test_append(store->db, 999, &s, 1), 0);
}

/* What is free when all is loaded; a head says what the index takes in whole MiB. */
static size_t free_bytes_of_all(size_t *ret_rounding)
{
    enum { MIB = 1 << 20 };
    struct test_store copy;
    static struct directory d;
    static struct tsdb_stats stats;
    tsdb_stats(store->db, &stats);
    *ret_rounding = (size_t)((stats.index_bytes + MIB - 1) / MIB * MIB - stats.index_bytes);
    test_store_new(&copy, TEST_LIMIT_BYTES, TEST_WINDOW_MS);
    cr_assert_eq(load_directory(copy.db, &disk.io, &d, NULL, &report), 0);
    cr_assert_eq(report.left_windows, 0);
    arena_trim(&copy.arena);
    size_t free_bytes = TEST_LIMIT_BYTES - atomic_load(&copy.budget.used_bytes);
    test_store_free(&copy);
    return free_bytes;
}

/* Of windows that are loaded so much is left free that none has to go at once, and none is left
 * that could be loaded: what loading takes itself comes back, and does not count. */
Test(directory, what_is_to_be_left_free_is)
{
    enum { ERROR_BYTES = 64 << 10 }; /* of the estimate */
    struct random random;
    uint64_t n_before = 0;
    size_t rounding;
    random_init(&random, random_seed());
    fill_large(1000, 4, &random);
    save_rested();
    size_t free_of_all = free_bytes_of_all(&rounding);
    for (size_t needed = 6 << 20; needed > 0; needed -= 64 << 10) {
        struct test_store copy;
        static struct directory d;
        const struct snapshot_watch watch = {.reserve_bytes = TEST_LIMIT_BYTES - needed};
        test_store_new(&copy, TEST_LIMIT_BYTES, TEST_WINDOW_MS);
        cr_assert_eq(load_directory(copy.db, &disk.io, &d, &watch, &report), 0);
        arena_trim(&copy.arena);
        size_t free_bytes = TEST_LIMIT_BYTES - atomic_load(&copy.budget.used_bytes);
        cr_assert(report.left_windows == 3 || free_bytes >= watch.reserve_bytes,
                  "%zu bytes are free, not %llu", free_bytes,
                  (unsigned long long)watch.reserve_bytes);
        cr_assert_geq(report.left_windows, n_before);
        cr_assert(report.left_windows == 0 ||
                      watch.reserve_bytes + rounding + ERROR_BYTES > free_of_all,
                  "%zu bytes were free, %llu wanted", free_of_all,
                  (unsigned long long)watch.reserve_bytes);
        n_before = report.left_windows;
        test_store_free(&copy);
    }
    cr_assert_eq(n_before, 3, "all but the newest");
    expect_loads();
}

Test(directory, what_does_not_fit_stays_on_disk_and_comes_back)
{
    struct random random;
    random_init(&random, random_seed());
    fill_large(1000, 6, &random);
    save(); /* all in the snapshot: what is left is split off */
    expect_left(2600 << 10, 1);
    expect_loads();
    save_rested(); /* all but one in files */
    expect_left(2200 << 10, 2);
    expect_loads();
}

Test(directory, what_was_left_goes_when_its_time_is_over)
{
    struct random random;
    struct test_store small;
    static struct directory d;
    random_init(&random, random_seed());
    fill_large(1000, 6, &random);
    save();
    test_store_new(&small, 2600 << 10, TEST_WINDOW_MS);
    cr_assert_eq(load_directory(small.db, &disk.io, &d, NULL, &report), 0);
    cr_assert(has_window(1000));
    for (int64_t w = 1000 + TEST_WINDOWS; has_window(1000); w++) {
        struct sample s = {w * TEST_WINDOW_MS, 1};
        cr_assert_leq(w, 1001 + TEST_WINDOWS);
        cr_assert_eq(test_append(small.db, 1, &s, 1), 0);
        struct save_options o = {.file_id = 77, .directory = &d};
        cr_assert_eq(save_store(small.db, &disk.io, &o, &report), 0);
    }
    cr_assert_null(directory_find(&d, 1000));
    test_store_free(&small);
}

/* Not even the newest: that is said, and nothing has changed. */
Test(directory, far_too_little_memory_is_an_error)
{
    struct random random;
    struct test_store small;
    static struct directory d;
    random_init(&random, random_seed());
    fill_large(1000, 2, &random);
    save();
    for (size_t limit = 1200 << 10; limit > 1000 << 10; limit -= 50 << 10) {
        test_store_new(&small, limit, TEST_WINDOW_MS);
        cr_assert_eq(load_directory(small.db, &disk.io, &d, NULL, &report), ERR_NO_MEMORY);
        test_store_free(&small);
    }
    expect_loads();
}

/* ---- damage ---- */

static void flip(const char *name, size_t at)
{
    for (int i = 0; i < IO_MEM_FILES; i++)
        if (!strcmp(disk.files[i].name, name))
            disk.files[i].bytes[at] ^= 1;
}

static void hear_damage(void *ctx, const char *name, const struct snapshot_report *file,
                        const char *kept_as)
{
    struct heard *h = ctx;
    (void)kept_as;
    h->n_left++;
    cr_assert_neq(file->detail[0], '\0');
    snprintf(h->name, sizeof h->name, "%s", name);
}

/* Each byte of a window's file: the others are whole, what is lost is named, and the next save
 * makes the directory good again. */
Test(directory, damage_to_a_file_costs_nothing_of_the_others)
{
    fill_windows(1000, 3);
    save_rested();
    size_t n = window_file(1001)->n;
    for (size_t at = 0; at < n; at += 1 + at / 200) {
        struct test_store copy;
        static struct directory d;
        static struct tsdb_stats all, some;
        struct heard heard = {0};
        const struct snapshot_watch watch = {.ctx = &heard, .damaged = hear_damage};
        flip("window-1001.hg", at);
        test_store_new(&copy, TEST_LIMIT_BYTES, TEST_WINDOW_MS);
        cr_assert_eq(load_directory(copy.db, &disk.io, &d, &watch, &report), 0);
        cr_assert_eq(heard.n_left, 1, "byte %zu", at);
        cr_assert_str_eq(heard.name, "window-1001.hg");
        cr_assert_eq(report.damaged_files, 1);
        tsdb_stats(store->db, &all);
        tsdb_stats(copy.db, &some);
        uint64_t before = some.windows[0].samples + some.windows[some.n_windows - 1].samples;
        cr_assert_eq(before, all.windows[0].samples + all.windows[2].samples, "byte %zu", at);
        cr_assert_eq(directory_find(&d, 1001)->file_changes, UINT64_MAX, "to be written again");
        test_store_free(&copy);
        flip("window-1001.hg", at);
    }
    expect_loads();
}

Test(directory, a_file_under_another_window_s_name_is_moved_aside)
{
    fill_windows(1000, 3);
    save_rested();
    cr_assert_eq(disk.io.ops->rename(&disk.io, "window-1000.hg", "window-1005.hg"), 0);
    struct test_store copy;
    static struct directory d;
    test_store_new(&copy, TEST_LIMIT_BYTES, TEST_WINDOW_MS);
    cr_assert_eq(load_directory(copy.db, &disk.io, &d, NULL, &report), 0);
    cr_assert_eq(report.damaged_files, 1);
    cr_assert(has_file("window-1005.hg" SNAPSHOT_DAMAGED_SUFFIX));
    cr_assert_eq(report.windows, 2);
    test_store_free(&copy);
}

/* Allocations. */
Test(directory, out_of_memory_anywhere_is_an_answer)
{
    bool was_refused = true;
    fill_windows(1000, 4);
    save_rested();
    for (long nth = 1; was_refused; nth++) {
        struct test_store copy;
        static struct directory d;
        test_store_new(&copy, TEST_LIMIT_BYTES, TEST_WINDOW_MS);
        budget_fail_nth(&copy.budget, nth);
        int err = load_directory(copy.db, &disk.io, &d, NULL, &report);
        was_refused = atomic_load(&copy.budget.n_refused) > 0;
        budget_fail_nth(&copy.budget, 0);
        cr_assert(err == 0 || (err == ERR_NO_MEMORY && was_refused));
        cr_assert(err == 0 || strstr(report.detail, "no memory for "), "%s", report.detail);
        cr_assert_eq(test_store_snapshot_bytes(&copy), 0);
        if (err == 0)
            expect_equal_stores(store, &copy);
        test_store_free(&copy);
    }
    expect_loads();
}
