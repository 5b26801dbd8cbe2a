#include "snapshot/io.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

static uint8_t disk[2][8];
static struct io_mem mem;

static void given_a_disk(void)
{
    for (int i = 0; i < 2; i++) {
        mem.files[i].bytes = disk[i];
        mem.files[i].capacity = sizeof disk[i];
    }
    io_mem_init(&mem);
}

TestSuite(io_mem, .init = given_a_disk);

static int open_it(const char *name, bool is_for_writing)
{
    return mem.io.ops->open(&mem.io, name, is_for_writing);
}

Test(io_mem, a_full_buffer_is_a_full_disk)
{
    int h = open_it("a", true);
    cr_assert_eq(io_write_all(&mem.io, h, "12345678", 8), 0);
    cr_assert_eq(io_write_all(&mem.io, h, "9", 1), ERR_IO);
    cr_assert_eq(errno, ENOSPC);
}

Test(io_mem, rename_replaces)
{
    cr_assert_eq(io_write_all(&mem.io, open_it("old", true), "old", 3), 0);
    cr_assert_eq(io_write_all(&mem.io, open_it("new", true), "new", 3), 0);
    cr_assert_eq(mem.io.ops->rename(&mem.io, "new", "old"), 0);
    cr_assert_eq(open_it("new", false), -1);
    cr_assert_eq(errno, ENOENT);
    char back[8];
    size_t n;
    cr_assert_eq(io_read_full(&mem.io, open_it("old", false), back, 8, &n), 0);
    cr_assert(n == 3 && !memcmp(back, "new", 3));
}

Test(io_mem, opening_for_writing_empties)
{
    cr_assert_eq(io_write_all(&mem.io, open_it("a", true), "123", 3), 0);
    int h = open_it("a", true);
    cr_assert_eq(mem.files[h].n, 0);
}

Test(io_mem, what_is_not_there_cannot_be_removed)
{
    cr_assert_eq(mem.io.ops->remove(&mem.io, "a"), -1);
    cr_assert_eq(errno, ENOENT);
    (void)open_it("a", true);
    cr_assert_eq(mem.io.ops->remove(&mem.io, "a"), 0);
    cr_assert_eq(open_it("a", false), -1);
}
