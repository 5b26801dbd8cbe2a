#include "snapshot/io.h"

#include "faulty_io.h"

#include <criterion/criterion.h>
#include <string.h>

static uint8_t disk[2][64];
static struct io_mem mem;
static struct faulty_io io;

static void given_a_disk(void)
{
    for (int i = 0; i < 2; i++) {
        mem.files[i].bytes = disk[i];
        mem.files[i].capacity = sizeof disk[i];
    }
    io_mem_init(&mem);
    faulty_init(&io, &mem.io);
}

TestSuite(io, .init = given_a_disk);

Test(io, short_and_interrupted_writes_and_reads_are_finished)
{
    io.most = 3;
    io.eintr = 2;
    int h = io.io.ops->open(&io.io, "a", true);
    cr_assert_eq(io_write_all(&io.io, h, "0123456789", 10), 0);
    cr_assert_eq(io_sync(&io.io, h), 0);
    h = io.io.ops->open(&io.io, "a", false);
    char back[16];
    size_t n;
    cr_assert_eq(io_read_full(&io.io, h, back, 7, 0, &n), 0);
    cr_assert_eq(n, 7);
    cr_assert_eq(memcmp(back, "0123456", 7), 0);
    cr_assert_eq(io_read_full(&io.io, h, back, sizeof back, 7, &n), 0);
    cr_assert_eq(n, 3);
}

Test(io, errors_keep_their_errno)
{
    int h = io.io.ops->open(&io.io, "a", true);
    char back[4];
    size_t n = 77;
    io.n_calls = 0;
    io.fail_at = 1;
    io.fail_errno = EDQUOT;
    cr_assert_eq(io_write_all(&io.io, h, "x", 1), ERR_IO);
    cr_assert_eq(errno, EDQUOT);
    io.fail_at = 2;
    cr_assert_eq(io_read_full(&io.io, h, back, 4, 0, &n), ERR_IO);
    cr_assert_eq(n, 77, "an output was touched on failure");
    io.fail_at = 3;
    cr_assert_eq(io_sync(&io.io, h), ERR_IO);
}

Test(io, parts_that_are_written_short_are_finished)
{
    io.most = 3;
    io.eintr = 1;
    int h = io.io.ops->open(&io.io, "a", true);
    struct iovec parts[] = {
        {NULL, 0}, {(void *)"0123", 4}, {(void *)"", 0}, {(void *)"4", 1}, {(void *)"56789", 5}};
    size_t n;
    cr_assert_eq(io_write_parts(&io.io, h, parts, 5, &n), 0);
    cr_assert_eq(n, 10);
    cr_assert_eq(memcmp(disk[0], "0123456789", 10), 0);
    cr_assert_eq(io_sync_data(&io.io, h), 0);
    io.eintr = 0;
    io.n_calls = 0;
    io.fail_at = 2;
    io.fail_errno = EDQUOT;
    struct iovec more[] = {{(void *)"abc", 3}, {(void *)"d", 1}};
    cr_assert_eq(io_write_parts(&io.io, h, more, 2, &n), ERR_IO);
    cr_assert(errno == EDQUOT && n == 3, "what was written is known");
}

static ssize_t write_nothing(struct io *unused, int handle, const void *bytes, size_t n)
{
    (void)unused, (void)handle, (void)bytes, (void)n;
    return 0;
}

Test(io, a_write_that_gets_nowhere_is_an_error)
{
    static const struct io_ops ops = {.write = write_nothing};
    struct io stuck = {.ops = &ops, .place = "nowhere"};
    cr_assert_eq(io_write_all(&stuck, 0, "x", 1), ERR_IO);
    cr_assert_eq(errno, EIO);
}

Test(io, names_that_a_failed_sync_may_have_lost_are_not_vouched_for_by_the_next)
{
    unsigned before = io_names_mark();
    cr_assert_eq(io_sync_dir(&io.io, before), 0);
    io.n_calls = 0;
    io.fail_at = 1;
    io.fail_errno = ENOSPC;
    cr_assert_eq(io_sync_dir(&io.io, before), ERR_IO);
    cr_assert_eq(errno, ENOSPC);
    cr_assert_eq(io_sync_dir(&io.io, before), ERR_IO, "it works, and says nothing of them");
    cr_assert_eq(errno, EIO);
    cr_assert_eq(io_sync_dir(&io.io, io_names_mark()), 0);
}
