#include "snapshot/io.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
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
    cr_assert_eq(io_read_full(&mem.io, open_it("old", false), back, 8, 0, &n), 0);
    cr_assert(n == 3 && !memcmp(back, "new", 3));
    cr_assert_eq(io_read_full(&mem.io, open_it("old", false), back, 8, 2, &n), 0);
    cr_assert(n == 1 && back[0] == 'w');
    cr_assert_eq(io_read_full(&mem.io, open_it("old", false), back, 8, 9, &n), 0);
    cr_assert_eq(n, 0);
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

/* What one io finds in another: how many names, and the sum of their first letters. */
static int count_name(void *ctx, const char *name)
{
    *(int *)ctx += name[0];
    return name[0] == 'z' ? 7 : 0;
}

static int names_of(struct io_mem *m)
{
    int sum = 0;
    cr_assert_eq(m->io.ops->list(&m->io, count_name, &sum), 0);
    return sum;
}

Test(io_mem, files_grow_where_there_is_a_way)
{
    mem.resize = realloc;
    for (int i = 0; i < 2; i++)
        mem.files[i] = (struct io_mem_file){0};
    for (int i = 0; i < IO_MEM_FILES; i++) {
        char name[8];
        snprintf(name, sizeof name, "f%d", i);
        int h = mem.io.ops->create(&mem.io, name);
        cr_assert_geq(h, 0);
        for (int k = 0; k < 3000; k++)
            cr_assert_eq(io_write_all(&mem.io, h, "12345678", 8), 0);
        cr_assert_eq(mem.io.ops->size(&mem.io, name), 24000);
    }
    cr_assert_eq(mem.io.ops->create(&mem.io, "one more"), -1);
    cr_assert_eq(errno, ENOSPC);
    for (int i = 0; i < IO_MEM_FILES; i++)
        free(mem.files[i].bytes);
}

Test(io_mem, creating_overwrites_nothing)
{
    cr_assert_geq(mem.io.ops->create(&mem.io, "a"), 0);
    cr_assert_eq(mem.io.ops->create(&mem.io, "a"), -1);
    cr_assert_eq(errno, EEXIST);
}

Test(io_mem, parts_are_written_in_order_and_cut_off)
{
    int h = open_it("a", true);
    struct iovec parts[] = {{(void *)"ab", 2}, {(void *)"", 0}, {(void *)"cde", 3}};
    size_t n;
    cr_assert_eq(io_write_parts(&mem.io, h, parts, 3, &n), 0);
    cr_assert_eq(n, 5);
    cr_assert_eq(memcmp(disk[0], "abcde", 5), 0);
    struct iovec more[] = {{(void *)"12", 2}, {(void *)"34", 2}};
    cr_assert_eq(io_write_parts(&mem.io, h, more, 2, &n), ERR_IO);
    cr_assert(errno == ENOSPC && n == 2, "what fits is there");
    cr_assert_eq(mem.io.ops->truncate(&mem.io, h, 4), 0);
    cr_assert_eq(mem.io.ops->size(&mem.io, "a"), 4);
}

Test(io_mem, names_are_listed)
{
    (void)open_it("a", true);
    (void)open_it("c", true);
    cr_assert_eq(names_of(&mem), 'a' + 'c');
    cr_assert_eq(mem.io.ops->rename(&mem.io, "c", "z"), 0);
    int sum = 0;
    cr_assert_eq(mem.io.ops->list(&mem.io, count_name, &sum), 7, "the visitor ends the list");
}

Test(io_mem, a_link_is_there_in_both)
{
    static uint8_t there[2][8];
    struct io_mem other = {.files = {{.bytes = there[0], .capacity = 8}}};
    io_mem_init(&other);
    cr_assert_eq(io_write_all(&mem.io, open_it("a", true), "123", 3), 0);
    cr_assert_eq(mem.io.ops->link(&mem.io, "a", &other.io, "b"), 0);
    cr_assert_eq(other.io.ops->size(&other.io, "b"), 3);
    cr_assert_eq(mem.io.ops->link(&mem.io, "a", &other.io, "b"), -1);
    cr_assert_eq(errno, EEXIST);
    cr_assert_eq(mem.io.ops->link(&mem.io, "none", &other.io, "c"), -1);
    cr_assert_eq(errno, ENOENT);
}

Test(io_mem, a_power_cut_leaves_what_was_synced)
{
    mem.is_forgetful = true;
    int h = open_it("a", true);
    cr_assert_eq(io_write_all(&mem.io, h, "123", 3), 0);
    cr_assert_eq(io_sync_data(&mem.io, h), 0);
    cr_assert_eq(mem.io.ops->sync_dir(&mem.io), 0);
    cr_assert_eq(io_write_all(&mem.io, h, "45", 2), 0);
    int nameless = open_it("b", true);
    cr_assert_eq(io_write_all(&mem.io, nameless, "x", 1), 0);
    cr_assert_eq(io_sync(&mem.io, nameless), 0);
    cr_assert_eq(mem.io.ops->remove(&mem.io, "a"), 0);
    cr_assert_eq(names_of(&mem), 'b');
    io_mem_cut_power(&mem);
    cr_assert_eq(names_of(&mem), 'a', "neither the removal nor the new name were durable");
    cr_assert_eq(mem.io.ops->size(&mem.io, "a"), 3);
}
