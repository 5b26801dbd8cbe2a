#include "http/mappings.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { PAGE = 4096, MAPPINGS = 15 };

static char dir[64];

/* A process as the kernel writes it: program, its data and .bss, heap, the arena's range, a stack
 * behind its guard page, a large piece of malloc, the loader's, a shadow as of a sanitizer behind a
 * guard, the main stack. Addresses are small where the kernel's are not, for a short pagemap. */
static const struct {
    uintptr_t start, end;
    const char *permissions, *name;
    size_t n_resident; /* pages */
} mapped[MAPPINGS] = {
    {0x10000, 0x1c000, "r--p", "/usr/bin/x y", 10}, /* program */
    {0x1c000, 0x1d000, "rw-p", "/usr/bin/x y", 1},  /* program */
    {0x1d000, 0x5d000, "rw-p", "", 2},              /* program: .bss */
    {0x60000, 0x100000, "rw-p", "[heap]", 25},      /* 135 holes */
    {0x200000, 0x300000, "rw-p", "", 200},          /* the arena, skipped */
    {0x300000, 0x400000, "---p", "", 0},            /* still the arena */
    {0x500000, 0x501000, "---p", "", 0},            /* guard */
    {0x501000, 0x581000, "rw-p", "", 6},            /* stack */
    {0x600000, 0x700000, "rw-p", "", 256},          /* nobody's, or malloc's */
    {0x710000, 0x712000, "rw-p", "", 2},            /* program: small */
    {0x800000, 0x810000, "---p", "", 0},            /* guard */
    {0x810000, 0x50810000, "rw-p", "", 3},          /* too large for a stack */
    {0x50900000, 0x50901000, "r--p", "[vvar]", 1},  /* not ours */
    {0x50901000, 0x50903000, "r-xp", "[vdso]", 1},  /* program */
    {0x50a00000, 0x50a21000, "rw-p", "[stack]", 4}, /* stack */
};

static const size_t program_pages = 10 + 1 + 2 + 2 + 1, stack_pages = 6 + 4, hole_pages = 160 - 25;

static void put(const char *name, const char *text)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    cr_assert_not_null(f);
    fputs(text, f);
    fclose(f);
}

static void put_maps(const char *name, bool has_rss)
{
    char text[8192];
    size_t n = 0;
    for (size_t i = 0; i < MAPPINGS; i++) {
        n +=
            (size_t)snprintf(text + n, sizeof(text) - n, "%012zx-%012zx %s 00000000 00:00 0  %s\n",
                             mapped[i].start, mapped[i].end, mapped[i].permissions, mapped[i].name);
        if (has_rss)
            n += (size_t)snprintf(text + n, sizeof(text) - n,
                                  "Size:  48 kB\nRss:   %zu kB\nPss:  40 kB\nVmFlags: rd mr\n",
                                  mapped[i].n_resident * 4);
    }
    cr_assert_lt(n, sizeof(text));
    put(name, text);
}

/* The last pages of each mapping are present; the others are in swap, which does not count. */
static void put_pagemap(void)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/pagemap", dir);
    int fd = open(path, O_CREAT | O_WRONLY, 0600);
    cr_assert_geq(fd, 0);
    for (size_t i = 0; i < MAPPINGS; i++)
        for (size_t page = mapped[i].start / PAGE, end = mapped[i].end / PAGE;
             page < end && end - page <= 0x10000; page++) {
            uint64_t entry = (uint64_t)1 << (end - page <= mapped[i].n_resident ? 63 : 62);
            cr_assert_eq(pwrite(fd, &entry, sizeof(entry), (off_t)(page * sizeof(entry))),
                         (ssize_t)sizeof(entry));
        }
    close(fd);
}

static void setup(void)
{
    snprintf(dir, sizeof(dir), "/tmp/hg-proc-XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
}

static void teardown(void)
{
    static const char *const names[] = {"maps", "pagemap", "smaps", "smaps_rollup", "statm"};
    char path[128];
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
        unlink(path);
    }
    rmdir(dir);
}

TestSuite(mappings, .init = setup, .fini = teardown);

static void expect_kinds(void)
{
    struct mappings m;
    if (sysconf(_SC_PAGESIZE) != PAGE)
        return;
    cr_assert(mappings_read(dir, (void *)0x200000, 0x200000, &m));
    cr_assert_eq(m.program_bytes, program_pages * PAGE, "%zu", m.program_bytes / PAGE);
    cr_assert_eq(m.stacks_bytes, stack_pages * PAGE, "%zu", m.stacks_bytes / PAGE);
    cr_assert_eq(m.heap_holes_bytes, hole_pages * PAGE, "%zu", m.heap_holes_bytes / PAGE);
}

Test(mappings, kinds_by_their_neighbours)
{
    put_maps("maps", false);
    put_pagemap();
    expect_kinds();
}

Test(mappings, without_a_pagemap_by_smaps)
{
    put_maps("smaps", true);
    expect_kinds();
}

Test(mappings, lines_that_are_none_are_passed_over)
{
    struct mappings m;
    put("smaps", "400000-401000 r-xp 00000000 08:01 42   /usr/bin/with a space\n"
                 "Rss:          8 kB\n"
                 "Rss:          9\n"
                 "Rss: \n"
                 "-402000 r-xp 00000000 08:01 42   /usr/bin/x\n"
                 "402000-40G000 r-xp 00000000 08:01 42   /usr/bin/x\n"
                 "402000 403000 r-xp 00000000 08:01 42   /usr/bin/x\n"
                 "\n"
                 "Rss:\t16 kB");
    cr_assert(mappings_read(dir, NULL, 0, &m));
    cr_assert_eq(m.program_bytes, (8 + 16) * 1024);
}

Test(mappings, resident_size_is_counted_unless_it_is_large)
{
    static const char rollup[] = "10000-7ffffffff000 ---p 00000000 00:00 0   [rollup]\n"
                                 "Rss:   1234 kB\nPss:    99 kB\n";
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    char statm[64];
    put("statm", "1000 321 20 3 0 80 0\n");
    cr_assert_eq(mappings_rss(dir, true), 321 * page, "there is nothing better");
    put("smaps_rollup", rollup);
    cr_assert_eq(mappings_rss(dir, false), 1234 * 1024);
    uint64_t large = MAPPINGS_COUNTED_BYTES_MAX / page + 1;
    snprintf(statm, sizeof(statm), "999999999 %zu 20 3 0 80 0\n", (size_t)large);
    put("statm", statm);
    cr_assert_eq(mappings_rss(dir, false), large * page);
    cr_assert_eq(mappings_rss(dir, true), 1234 * 1024);
}

Test(mappings, files_that_are_not_there)
{
    struct mappings m = {1, 1, 1};
    cr_assert_not(mappings_read(dir, NULL, 0, &m));
    cr_assert_eq(m.program_bytes + m.stacks_bytes + m.heap_holes_bytes, 0);
    cr_assert_eq(mappings_rss(dir, false), 0);
}

Test(mappings, of_this_process)
{
    enum { N = 8 << 20 };
    struct mappings m;
    uint64_t rss = mappings_rss("/proc/self", true);
    cr_assert(mappings_read("/proc/self", NULL, 0, &m));
    cr_assert_gt(m.program_bytes, 0);
    cr_assert_gt(m.stacks_bytes, 0);
    cr_assert_gt(rss, m.program_bytes + m.stacks_bytes);
    /* By the kernel alone: what this program writes costs ThreadSanitizer four times as much beside
     * it. */
    void *p = (void *)syscall(SYS_mmap, NULL, (size_t)N, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, (off_t)0);
    cr_assert_neq(p, MAP_FAILED);
    uint64_t now = mappings_rss("/proc/self", true);
    cr_assert(now >= rss + N && now < rss + N + (1 << 20), "%lu %lu", rss, now);
    munmap(p, N);
}
