/* When left-<N>.hg goes: after the window's file, or what it says was deleted of that is back; not
 * while the window is left; with the window's time. Wherever a save ends, and whatever was not
 * synced. */
#include "snapshot/left.h"

#include "faulty_io.h"
#include "test_disk.h"

#include <stdlib.h>

enum { N = 1000 };

static struct io_mem disk;
static struct test_store store;
static struct directory d;

static void put_file(const char *name)
{
    int handle = disk.io.ops->create(&disk.io, name);
    cr_assert_geq(handle, 0);
    cr_assert_eq(io_write_all(&disk.io, handle, "x", 1), 0);
    cr_assert_eq(io_sync(&disk.io, handle), 0);
    cr_assert_eq(disk.io.ops->close(&disk.io, handle), 0);
    cr_assert_eq(disk.io.ops->sync_dir(&disk.io), 0);
}

static bool has(const char *name)
{
    return test_disk_file(&disk, name) != NULL;
}

/* A store without window N, of which there is a file and something beside it. */
static void set_up(void)
{
    memset(&disk, 0, sizeof(disk));
    disk.resize = realloc;
    disk.is_forgetful = true;
    io_mem_init(&disk);
    test_store_new(&store, TEST_LIMIT_BYTES, TEST_WINDOW_MS);
    struct sample s = {(N + 1) * (int64_t)TEST_WINDOW_MS, 1};
    cr_assert_eq(test_append(store.db, 1, &s, 1), 0);
    put_file("window-1000.hg");
    put_file("left-1000.hg");
    memset(&d, 0, sizeof(d));
    struct directory_window *w = directory_make(&d, N);
    w->has_file = w->has_left = true;
}

static void tear_down(void)
{
    test_store_free(&store);
    for (int i = 0; i < IO_MEM_FILES; i++)
        free(disk.files[i].bytes);
}

TestSuite(left_drop, .init = set_up, .fini = tear_down);

static int save(struct io *io)
{
    struct snapshot_report report;
    const struct save_options o = {.file_id = 77, .directory = &d};
    return save_store(store.db, io, &o, &report);
}

Test(left_drop, it_goes_with_what_the_snapshot_has)
{
    cr_assert_eq(save(&disk.io), 0);
    cr_assert_not(has("window-1000.hg"));
    cr_assert_not(has("left-1000.hg"));
    cr_assert_null(directory_find(&d, N));
    io_mem_cut_power(&disk);
    cr_assert_not(has("left-1000.hg"), "for certain");
}

Test(left_drop, a_window_s_file_goes_first_wherever_a_save_ends)
{
    int err = ERR_IO;
    for (long nth = 1; err != 0; nth++) {
        struct faulty_io f;
        tear_down();
        set_up();
        faulty_init(&f, &disk.io);
        f.fail_at = nth;
        f.is_dead = true;
        err = save(&f.io);
        io_mem_cut_power(&disk);
        cr_assert(has("left-1000.hg") || !has("window-1000.hg"), "call %ld, %s", nth, f.failed);
    }
    cr_assert_not(has("left-1000.hg"));
}

/* What cannot be removed is an error, so that the journal stays; the next save does it. */
Test(left_drop, one_that_cannot_be_removed_is_an_error)
{
    int n_errors = 0;
    for (long nth = 1;; nth++) {
        struct faulty_io f;
        tear_down();
        set_up();
        faulty_init(&f, &disk.io);
        f.fail_at = nth;
        int err = save(&f.io);
        n_errors += err != 0;
        cr_assert(err == 0 || has("snapshot.hg") || has("left-1000.hg"));
        cr_assert(err != 0 || !has("left-1000.hg"), "call %ld", nth);
        cr_assert_eq(save(&disk.io), 0);
        cr_assert_not(has("left-1000.hg"));
        cr_assert_not(has("window-1000.hg"));
        if (f.failed == NULL)
            break;
    }
    cr_assert_gt(n_errors, 3);
}

Test(left_drop, of_a_window_that_is_left_it_stays_until_its_time_is_over)
{
    d.are_left = true;
    d.left_floor = N + 1;
    directory_find(&d, N)->is_left = true;
    for (int64_t w = N + 1; w <= N + TEST_WINDOWS + 1; w++) {
        struct sample s = {w * (int64_t)TEST_WINDOW_MS, 1};
        (void)test_append(store.db, 1, &s, 1);
        cr_assert_eq(save(&disk.io), 0);
        cr_assert_eq(has("left-1000.hg"), w <= N + TEST_WINDOWS, "%d windows on", (int)(w - N));
        cr_assert_eq(has("window-1000.hg"), w <= N + TEST_WINDOWS);
    }
}

/* Of an older copy: at once. */
Test(left_drop, what_belongs_to_an_older_copy_goes)
{
    struct directory_window *w = directory_find(&d, N);
    w->is_left = w->is_left_stale = true;
    cr_assert_eq(save(&disk.io), 0);
    cr_assert_not(has("left-1000.hg"));
    cr_assert(has("window-1000.hg"));
}
