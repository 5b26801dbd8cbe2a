#include "snapshot/io.h"

#include "temp_dir.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

static struct temp_dir dir;
static struct io_file f;

static void given_a_directory(void)
{
    cr_assert(temp_dir_new(&dir));
    cr_assert_eq(io_file_open(&f, dir.path), 0);
}

static void remove_it(void)
{
    io_file_close(&f);
    temp_dir_remove(&dir);
}

TestSuite(io_file, .init = given_a_directory, .fini = remove_it);

static void put(const char *name, const char *text)
{
    int h = f.io.ops->open(&f.io, name, true);
    cr_assert_geq(h, 0);
    cr_assert_eq(io_write_all(&f.io, h, text, strlen(text)), 0);
    cr_assert_eq(io_sync(&f.io, h), 0);
    cr_assert_eq(f.io.ops->close(&f.io, h), 0);
}

Test(io_file, what_is_written_is_read)
{
    put("a", "hello, longer");
    put("a", "hello");
    int h = f.io.ops->open(&f.io, "a", false);
    char back[16];
    size_t n;
    cr_assert_eq(io_read_full(&f.io, h, back, sizeof back, 0, &n), 0);
    cr_assert_eq(n, 5);
    cr_assert_eq(memcmp(back, "hello", 5), 0);
    cr_assert_eq(io_read_full(&f.io, h, back, sizeof back, 3, &n), 0);
    cr_assert(n == 2 && memcmp(back, "lo", 2) == 0);
    cr_assert_eq(io_read_full(&f.io, h, back, sizeof back, 6, &n), 0);
    cr_assert_eq(n, 0, "there is something behind the end");
    cr_assert_eq(f.io.ops->close(&f.io, h), 0);
}

Test(io_file, rename_replaces_and_the_directory_syncs)
{
    put("old", "old");
    put("new", "new");
    cr_assert_eq(f.io.ops->rename(&f.io, "new", "old"), 0);
    cr_assert_eq(f.io.ops->sync_dir(&f.io), 0);
    cr_assert_not(temp_dir_has(&dir, "new"));
    uint8_t back[8];
    cr_assert_eq(file_read_all(temp_dir_file(&dir, "old"), back, sizeof back), 3);
    cr_assert_eq(memcmp(back, "new", 3), 0);
}

Test(io_file, missing_things_are_errors)
{
    cr_assert_eq(f.io.ops->open(&f.io, "none", false), -1);
    cr_assert_eq(errno, ENOENT);
    cr_assert_eq(f.io.ops->remove(&f.io, "none"), -1);
    cr_assert_eq(errno, ENOENT);
    struct io_file g;
    cr_assert_eq(io_file_open(&g, "/nonexistent/directory"), ERR_IO);
    cr_assert_eq(errno, ENOENT);
}

Test(io_file, a_link_in_the_place_of_a_file_is_not_followed)
{
    cr_assert_eq(symlink("/dev/null", temp_dir_file(&dir, "a")), 0);
    cr_assert_eq(f.io.ops->open(&f.io, "a", true), -1);
    cr_assert_eq(errno, ELOOP);
}

Test(io_file, others_may_not_read_a_file)
{
    put("a", "x");
    struct stat st;
    cr_assert_eq(stat(temp_dir_file(&dir, "a"), &st), 0);
    cr_assert_eq(st.st_mode & 07, 0);
}

Test(io_file, a_directory_that_is_renamed_stays_the_same)
{
    char elsewhere[80];
    snprintf(elsewhere, sizeof elsewhere, "%s-moved", dir.path);
    cr_assert_eq(rename(dir.path, elsewhere), 0);
    put("a", "x");
    cr_assert_eq(rename(elsewhere, dir.path), 0);
    cr_assert(temp_dir_has(&dir, "a"));
}

Test(io_file, creating_overwrites_nothing)
{
    put("a", "x");
    cr_assert_eq(f.io.ops->create(&f.io, "a"), -1);
    cr_assert_eq(errno, EEXIST);
    int h = f.io.ops->create(&f.io, "b");
    cr_assert_geq(h, 0);
    struct iovec parts[] = {{(void *)"hel", 3}, {(void *)"lo", 2}};
    size_t n;
    cr_assert_eq(io_write_parts(&f.io, h, parts, 2, &n), 0);
    cr_assert_eq(n, 5);
    cr_assert_eq(io_sync_data(&f.io, h), 0);
    cr_assert_eq(f.io.ops->truncate(&f.io, h, 4), 0);
    cr_assert_eq(f.io.ops->size(&f.io, "b"), 4);
    cr_assert_eq(f.io.ops->close(&f.io, h), 0);
    cr_assert_eq(f.io.ops->size(&f.io, "none"), -1);
    cr_assert_eq(errno, ENOENT);
}

/* Which of n pages of a file the system has in memory. */
static void pages_in_memory(int handle, size_t n, unsigned char *ret)
{
    size_t bytes = n * (size_t)sysconf(_SC_PAGESIZE);
    void *at = mmap(NULL, bytes, PROT_READ, MAP_SHARED, handle, 0);
    cr_assert_neq(at, MAP_FAILED);
    cr_assert_eq(mincore(at, bytes, ret), 0);
    munmap(at, bytes);
}

/* A file system that lives in memory keeps all pages, and is no place to see this. */
static bool is_on_disk(void)
{
    enum { TMPFS = 0x01021994 };
    struct statfs fs;
    cr_assert_eq(statfs(dir.path, &fs), 0);
    return fs.f_type != TMPFS;
}

Test(io_file, evicted_pages_leave_memory_but_for_the_last)
{
    enum { N = 1000000, PAGES_MAX = N / 4096 };
    static char text[N], back[N];
    unsigned char is_there[PAGES_MAX + 1];
    size_t page = (size_t)sysconf(_SC_PAGESIZE), last = N / page, n = 0;
    memset(text, 'x', N);
    put("a", "");
    int h = open(temp_dir_file(&dir, "a"), O_RDWR);
    cr_assert_geq(h, 0);
    cr_assert_eq(io_write_all(&f.io, h, text, N), 0);
    cr_assert_eq(io_sync_data(&f.io, h), 0);
    io_evict(&f.io, h, 3, N);
    pages_in_memory(h, last + 1, is_there);
    cr_assert(is_there[last] & 1, "who writes on would have to read it");
    cr_assert(!is_on_disk() || !(is_there[0] & 1));
    cr_assert_eq(io_read_full(&f.io, h, back, N, 0, &n), 0);
    cr_assert(n == N && memcmp(text, back, N) == 0);
    cr_assert_eq(close(h), 0);
}

static int add_name(void *ctx, const char *name)
{
    int *sum = ctx;
    *sum += name[0];
    return name[0] == 'z' ? 7 : f.io.ops->remove(&f.io, name);
}

Test(io_file, names_are_listed_and_may_be_removed_meanwhile)
{
    put("a", "");
    put("c", "");
    put(".hidden", "");
    int sum = 0;
    cr_assert_eq(f.io.ops->list(&f.io, add_name, &sum), 0);
    cr_assert_eq(sum, 'a' + 'c');
    cr_assert_eq(temp_dir_count(&dir), 1);
    put("z", "");
    cr_assert_eq(f.io.ops->list(&f.io, add_name, &sum), 7, "the visitor ends the list");
}

Test(io_file, a_link_is_the_same_file_elsewhere)
{
    struct temp_dir other;
    struct io_file g;
    cr_assert(temp_dir_new(&other));
    cr_assert_eq(io_file_open(&g, other.path), 0);
    put("a", "hello");
    cr_assert_eq(f.io.ops->link(&f.io, "a", &g.io, "b"), 0);
    cr_assert_eq(f.io.ops->remove(&f.io, "a"), 0);
    cr_assert_eq(g.io.ops->size(&g.io, "b"), 5);
    put("a", "");
    cr_assert_eq(f.io.ops->link(&f.io, "a", &g.io, "b"), -1);
    cr_assert_eq(errno, EEXIST);
    io_file_close(&g);
    temp_dir_remove(&other);
}

Test(io_file, a_directory_that_was_removed_has_a_successor)
{
    cr_assert_eq(f.io.ops->renew(&f.io), 0, "nothing to do");
    cr_assert_eq(rmdir(dir.path), 0);
    cr_assert_eq(f.io.ops->create(&f.io, "a"), -1);
    cr_assert_eq(errno, ENOENT);
    cr_assert_eq(f.io.ops->renew(&f.io), -1);
    cr_assert_eq(errno, ENOENT);
    cr_assert_eq(mkdir(dir.path, 0700), 0);
    cr_assert_eq(f.io.ops->renew(&f.io), 0);
    put("a", "x");
    cr_assert(temp_dir_has(&dir, "a"));
}
