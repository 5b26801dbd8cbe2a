#include "snapshot/snapshot.h"

#include "temp_dir.h"
#include "test_store.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#define SNAPSHOT_TEMP_NAME SNAPSHOT_NAME TEMP_SUFFIX

static struct temp_dir dir;
static struct test_store store;
static struct snapshot files;

static void given_a_store_and_a_directory(void)
{
    struct random random;
    random_init(&random, random_seed());
    cr_assert(temp_dir_new(&dir));
    snapshot_init(&files, dir.path);
    test_store_new(&store, TEST_LIMIT_BYTES, TEST_WINDOW_MS);
    test_store_fill(store.db, &random, 40, 2);
}

static void release(void)
{
    test_store_free(&store);
    temp_dir_remove(&dir);
}

TestSuite(snapshot, .init = given_a_store_and_a_directory, .fini = release);

static int load_from(const char *path, struct tsdb *db, struct snapshot_report *report)
{
    struct snapshot s;
    snapshot_init(&s, path);
    return snapshot_load(&s, db, NULL, report);
}

static int save_to(const char *path, struct snapshot_report *report)
{
    struct snapshot s;
    snapshot_init(&s, path);
    return snapshot_save(&s, store.db, report);
}

static void expect_loads_as(struct test_store *expected)
{
    struct test_store copy;
    struct snapshot_report report;
    test_store_new(&copy, TEST_LIMIT_BYTES, TEST_WINDOW_MS);
    cr_assert_eq(load_from(dir.path, copy.db, &report), 0, "%s", report.detail);
    cr_assert_str_empty(report.detail, "%s", report.detail);
    expect_equal_stores(expected, &copy);
    expect_equal_page_maps(expected, &copy);
    test_store_free(&copy);
}

static void append_one(struct tsdb *db, int64_t t_ms)
{
    struct label item = {"__name__", "up", 8, 2};
    struct labels ls = {&item, 1};
    struct sample sample = {t_ms, 1};
    struct append_counts counts = {0};
    struct append b;
    append_begin(&b, db);
    (void)append_samples(&b, &ls, &sample, 1, &counts);
    append_end(&b);
    cr_assert_eq(counts.refused, 0);
}

Test(snapshot, a_store_comes_back_from_disk)
{
    struct snapshot_report report;
    cr_assert_eq(snapshot_save(&files, store.db, &report), 0, "%s", report.detail);
    struct stat st;
    cr_assert_eq(stat(temp_dir_file(&dir, SNAPSHOT_NAME), &st), 0);
    cr_assert_eq((uint64_t)st.st_size, report.file_bytes);
    cr_assert_eq(temp_dir_count(&dir), 1);
    expect_loads_as(&store);
}

/* Label sets are hashed with the key of the store that wrote the file, if none is there yet. */
Test(snapshot, the_key_of_hashes_comes_back)
{
    static const uint8_t zeros[SERIES_HASH_KEY_BYTES] = {0};
    struct tsdb_options o = *tsdb_options(store.db);
    struct snapshot_report report;
    struct test_store copy;
    memset(o.hash_key, 0x5A, sizeof o.hash_key);
    tsdb_free(store.db);
    cr_assert_eq(tsdb_new(&o, &store.arena, &store.db), 0);
    append_one(store.db, 1000);
    cr_assert_eq(snapshot_save(&files, store.db, &report), 0);
    for (int has_series = 0; has_series < 2; has_series++) {
        test_store_new(&copy, TEST_LIMIT_BYTES, TEST_WINDOW_MS);
        if (has_series)
            append_one(copy.db, 1000);
        cr_assert_eq(load_from(dir.path, copy.db, &report), 0);
        const uint8_t *expected = has_series ? zeros : o.hash_key;
        cr_assert_eq(memcmp(tsdb_series_hash(copy.db)->key, expected, sizeof o.hash_key), 0);
        cr_assert(tsdb_check(copy.db));
        append_one(copy.db, 2000);
        struct tsdb_stats stats;
        tsdb_stats(copy.db, &stats);
        cr_assert_eq(stats.series, 1);
        test_store_free(&copy);
    }
}

Test(snapshot, no_two_files_have_the_same_id)
{
    uint8_t a[64], b[64];
    struct snapshot_report report;
    cr_assert_eq(snapshot_save(&files, store.db, &report), 0);
    cr_assert_eq(file_read_all(temp_dir_file(&dir, SNAPSHOT_NAME), a, 64), 64);
    cr_assert_eq(snapshot_save(&files, store.db, &report), 0);
    cr_assert_eq(file_read_all(temp_dir_file(&dir, SNAPSHOT_NAME), b, 64), 64);
    cr_assert_neq(memcmp(a + 16, b + 16, 8), 0);
}

Test(snapshot, nothing_there_is_a_fresh_start)
{
    struct test_store copy;
    struct snapshot_report report;
    test_store_new(&copy, TEST_LIMIT_BYTES, TEST_WINDOW_MS);
    cr_assert_eq(load_from(dir.path, copy.db, &report), ERR_NOT_FOUND);
    cr_assert_eq(load_from("/nonexistent/directory", copy.db, &report), ERR_NOT_FOUND);
    test_store_free(&copy);
}

Test(snapshot, a_directory_that_is_none_is_an_error_that_names_it)
{
    struct snapshot_report report;
    cr_assert_eq(save_to("/nonexistent/directory", &report), ERR_IO);
    cr_assert_eq(errno, ENOENT);
    cr_assert_str_eq(report.detail, "open /nonexistent/directory: No such file or directory");
    cr_assert_eq(save_to("/dev/null", &report), ERR_IO);
    cr_assert_eq(errno, ENOTDIR);
    cr_assert_eq(load_from("/dev/null", store.db, &report), ERR_IO);
}

Test(snapshot, a_file_that_cannot_be_made_is_an_error_that_names_it)
{
    struct snapshot_report report;
    char expected[160];
    cr_assert_eq(mkdir(temp_dir_file(&dir, SNAPSHOT_TEMP_NAME), 0700), 0);
    cr_assert_eq(snapshot_save(&files, store.db, &report), ERR_IO);
    snprintf(expected, sizeof expected, "create %s/snapshot.hg.tmp: Is a directory", dir.path);
    cr_assert_str_eq(report.detail, expected);
    cr_assert_eq(rmdir(temp_dir_file(&dir, SNAPSHOT_TEMP_NAME)), 0);
}

Test(snapshot, what_a_killed_process_left_is_removed_at_the_next_load)
{
    struct snapshot_report report;
    cr_assert_eq(snapshot_save(&files, store.db, &report), 0);
    cr_assert(file_write_all(temp_dir_file(&dir, SNAPSHOT_TEMP_NAME), "half a file", 11));
    expect_loads_as(&store);
    cr_assert_not(temp_dir_has(&dir, SNAPSHOT_TEMP_NAME));
}

static void nap(long us)
{
    struct timespec t = {0, us * 1000};
    nanosleep(&t, NULL);
}

/* A child saves again and again; it is killed at a random moment. Whatever it was at, a whole
 * snapshot is there, of the one store or of the other. */
Test(snapshot, killed_while_it_writes_it_leaves_a_whole_one, .timeout = 120)
{
    struct random random;
    random_init(&random, random_seed());
    struct snapshot_report report;
    cr_assert_eq(snapshot_save(&files, store.db, &report), 0);
    bool was_inside = false;
    for (int round = 0; round < 200 && (round < 30 || !was_inside); round++) {
        pid_t child = fork();
        if (child == 0) {
            while (snapshot_save(&files, store.db, &report) == 0)
                ;
            _exit(1);
        }
        nap(1 + (long)random_below(&random, 3000));
        kill(child, SIGKILL);
        int status;
        cr_assert_eq(waitpid(child, &status, 0), child);
        cr_assert(WIFSIGNALED(status), "a save failed");
        was_inside |= temp_dir_has(&dir, SNAPSHOT_TEMP_NAME);
        expect_loads_as(&store);
        cr_assert_not(temp_dir_has(&dir, SNAPSHOT_TEMP_NAME));
    }
    cr_assert(was_inside, "no kill ever hit the middle of a save");
}
