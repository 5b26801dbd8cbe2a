#include "snapshot/backup.h"
#include "snapshot/snapshot.h"

#include "faulty_io.h"
#include "temp_dir.h"
#include "test_store.h"

#include <errno.h>
#include <sys/stat.h>

static struct temp_dir dir;
static struct test_store store;
static struct snapshot files;
static struct snapshot_report report;
static uint8_t buffer[BACKUP_BUFFER_BYTES];

static void given_a_store(void)
{
    struct random random;
    random_init(&random, random_seed());
    cr_assert(temp_dir_new(&dir));
    snapshot_init(&files, dir.path);
    test_store_new(&store, TEST_LIMIT_BYTES, TEST_WINDOW_MS);
    test_store_fill(store.db, &random, 30, 3);
    cr_assert_eq(snapshot_save(&files, store.db, &report), 0);
}

static void remove_tree(const char *path)
{
    char command[512];
    snprintf(command, sizeof command, "rm -rf '%s'", path);
    cr_assert_eq(system(command), 0);
}

static void release(void)
{
    char path[300];
    snprintf(path, sizeof path, "%s/" BACKUP_DIR, dir.path);
    remove_tree(path);
    test_store_free(&store);
    temp_dir_remove(&dir);
}

TestSuite(backup, .init = given_a_store, .fini = release, .timeout = 60);

static void expect_loads(const char *name)
{
    char path[400];
    struct test_store copy;
    struct snapshot s;
    snprintf(path, sizeof path, "%s/" BACKUP_DIR "/%s", dir.path, name);
    snapshot_init(&s, path);
    test_store_new(&copy, TEST_LIMIT_BYTES, TEST_WINDOW_MS);
    cr_assert_eq(snapshot_load(&s, copy.db, NULL, &report), 0, "%s", report.detail);
    cr_assert_str_empty(report.detail);
    expect_equal_stores(&store, &copy);
    test_store_free(&copy);
}

Test(backup, has_a_name_as_prometheus_gives)
{
    char name[BACKUP_NAME_BYTES];
    backup_name(1700000000, 0x0123456789abcdef, name);
    cr_assert_str_eq(name, "20231114T221320Z-0123456789abcdef");
}

Test(backup, holds_everything_in_links_and_stays_as_it_is)
{
    char name[BACKUP_NAME_BYTES], path[400];
    struct stat a, b;
    struct sample s = {1000 * (int64_t)TEST_WINDOW_MS + 5, 7};
    cr_assert_eq(test_append(store.db, 500, &s, 1), 0); /* a backup saves first */
    cr_assert_eq(snapshot_backup(&files, store.db, name, &report), 0, "%s", report.detail);
    snprintf(path, sizeof path, "%s/" BACKUP_DIR "/%s/" SNAPSHOT_NAME, dir.path, name);
    cr_assert_eq(stat(path, &a), 0);
    cr_assert_eq(stat(temp_dir_file(&dir, SNAPSHOT_NAME), &b), 0);
    cr_assert_eq(a.st_ino, b.st_ino, "a link");
    expect_loads(name);
    cr_assert_eq(snapshot_save(&files, store.db, &report), 0);
    cr_assert(stat(path, &b) == 0 && a.st_ino == b.st_ino && b.st_nlink == 1, "ours alone now");
    expect_loads(name);
    /* a load of the directory itself does not look into the backups */
    cr_assert_eq(snapshot_load(&files, store.db, NULL, &report), 0);
}

Test(backup, what_a_stopped_one_left_is_removed)
{
    char name[BACKUP_NAME_BYTES], path[400];
    snprintf(path, sizeof path, "%s/" BACKUP_DIR, dir.path);
    cr_assert_eq(mkdir(path, 0700), 0);
    snprintf(path, sizeof path, "%s/" BACKUP_DIR "/20231114T221320Z-01.tmp", dir.path);
    cr_assert_eq(mkdir(path, 0700), 0);
    snprintf(path, sizeof path, "%s/" BACKUP_DIR "/20231114T221320Z-01.tmp/x", dir.path);
    cr_assert(file_write_all(path, "half", 4));
    cr_assert_eq(snapshot_backup(&files, store.db, name, &report), 0, "%s", report.detail);
    snprintf(path, sizeof path, "%s/" BACKUP_DIR "/20231114T221320Z-01.tmp", dir.path);
    cr_assert(access(path, F_OK) < 0 && errno == ENOENT);
    expect_loads(name);
}

/* ---- in memory: where there are no links, and where calls fail ---- */

static struct io_mem from, to;

static int no_link(struct io *io, const char *name, struct io *target, const char *target_name)
{
    (void)io;
    (void)name;
    (void)target;
    (void)target_name;
    errno = EXDEV;
    return -1;
}

static void given_files(struct directory *d)
{
    memset(d, 0, sizeof *d);
    memset(&from, 0, sizeof from);
    memset(&to, 0, sizeof to);
    from.resize = to.resize = realloc;
    io_mem_init(&from);
    io_mem_init(&to);
    directory_make(d, 5)->has_file = true;
    (void)directory_make(d, 6); /* without a file */
    const char *const names[] = {SNAPSHOT_NAME, "window-5.hg", "window-6.hg"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        int handle = from.io.ops->open(&from.io, names[i], true);
        for (size_t n = 0; n < 3 * sizeof buffer / 2; n += 1024) {
            memset(buffer, (int)(i + n), 1024);
            cr_assert_eq(io_write_all(&from.io, handle, buffer, 1024), 0);
        }
    }
}

static void free_files(struct io_mem *m)
{
    for (int i = 0; i < IO_MEM_FILES; i++)
        free(m->files[i].bytes);
}

static const struct io_mem_file *file_of(const struct io_mem *m, const char *name)
{
    for (int i = 0; i < IO_MEM_FILES; i++)
        if (!strcmp(m->files[i].name, name))
            return &m->files[i];
    return NULL;
}

static void expect_copy(const char *name)
{
    const struct io_mem_file *a = file_of(&from, name), *b = file_of(&to, name);
    cr_assert(a != NULL && b != NULL && a->n == b->n && !memcmp(a->bytes, b->bytes, a->n));
}

Test(backup, copies_where_there_are_no_links_and_any_call_may_fail)
{
    struct directory d;
    char detail[256];
    struct faulty_io bad;
    unsigned n_failed = 0;
    int err = ERR_IO;
    for (long nth = 1; err != 0; nth++) {
        given_files(&d);
        struct io_ops ops = *from.io.ops;
        ops.link = no_link;
        from.io.ops = &ops;
        faulty_init(&bad, &to.io);
        bad.fail_at = nth;
        detail[0] = '\0';
        err = backup_files(&d, &from.io, &bad.io, buffer, detail, sizeof detail);
        cr_assert((err == 0) == (bad.failed == NULL));
        cr_assert(err == 0 || strstr(detail, "No space left"), "%s", detail);
        n_failed += err != 0;
        if (err == 0) {
            expect_copy(SNAPSHOT_NAME);
            expect_copy("window-5.hg");
            cr_assert_null(file_of(&to, "window-6.hg"));
        }
        free_files(&from);
        free_files(&to);
    }
    cr_assert_gt(n_failed, 6);
}
