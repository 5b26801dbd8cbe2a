#include "http/mappings.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* A file as the kernel writes it, shortened: program, its data and .bss, heap, the arena's range,
 * a stack behind its guard page, a large piece of malloc, the loader's, the main stack. */
static const char smaps[] =
    "555555554000-555555560000 r--p 00000000 fe:00 1   /usr/bin/x y\n"
    "Size:                 48 kB\nRss:                  40 kB\nPss:                  40 kB\n"
    "VmFlags: rd mr\n"
    "555555560000-555555561000 rw-p 0000c000 fe:00 1   /usr/bin/x y\nRss: 4 kB\n"
    "555555561000-555555600000 rw-p 00000000 00:00 0 \nRss: 8 kB\n"
    "555555600000-555555700000 rw-p 00000000 00:00 0   [heap]\nRss: 100 kB\n"
    "7f0000000000-7f0010000000 rw-p 00000000 00:00 0 \nRss: 5000 kB\n"
    "7f0010000000-7f0020000000 ---p 00000000 00:00 0 \nRss: 0 kB\n"
    "7f1000000000-7f1000001000 ---p 00000000 00:00 0 \nRss: 0 kB\n"
    "7f1000001000-7f1000081000 rw-p 00000000 00:00 0 \nRss: 24 kB\n"
    "7f1000100000-7f1000200000 rw-p 00000000 00:00 0 \nRss: 1024 kB\n"
    "7f1000300000-7f1000302000 rw-p 00000000 00:00 0 \nRss: 8 kB\n"
    "7ffff7fc1000-7ffff7fc3000 r-xp 00000000 00:00 0   [vdso]\nRss: 4 kB\n"
    "7ffffffde000-7ffffffff000 rw-p 00000000 00:00 0   [stack]\nRss: 16 kB\n";

Test(mappings, kinds_by_their_neighbours)
{
    char path[] = "/tmp/hg-smaps-XXXXXX";
    struct mappings m;
    int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, smaps, sizeof(smaps) - 1), (ssize_t)sizeof(smaps) - 1);
    close(fd);
    cr_assert(mappings_read(path, (void *)0x7f0000000000, 0x20000000, &m));
    unlink(path);
    cr_assert_eq(m.rss_bytes, (40 + 4 + 8 + 100 + 5000 + 24 + 1024 + 8 + 4 + 16) * 1024);
    cr_assert_eq(m.program_bytes, (40 + 4 + 8 + 8 + 4) * 1024);
    cr_assert_eq(m.stacks_bytes, (24 + 16) * 1024);
}

Test(mappings, of_this_process)
{
    struct mappings m;
    cr_assert(mappings_read("/proc/self/smaps", NULL, 0, &m));
    cr_assert_gt(m.program_bytes, 0);
    cr_assert_gt(m.stacks_bytes, 0);
    cr_assert_geq(m.rss_bytes, m.program_bytes + m.stacks_bytes);
}

Test(mappings, a_file_that_is_not_there)
{
    struct mappings m = {1, 1, 1};
    cr_assert_not(mappings_read("/nowhere/smaps", NULL, 0, &m));
    cr_assert_eq(m.rss_bytes, 0);
}
