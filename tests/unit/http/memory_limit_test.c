#include "http/memory_limit.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[64];

static void make_root(void)
{
    snprintf(root, sizeof(root), "/tmp/hg-limit-XXXXXX");
    cr_assert_not_null(mkdtemp(root));
}

static void remove_root(void)
{
    char command[128];
    snprintf(command, sizeof(command), "rm -rf %s", root);
    cr_assert_eq(system(command), 0);
}

/* Writes a file under root, making its directories. */
static void put(const char *path, const char *text)
{
    char full[512];
    snprintf(full, sizeof(full), "%s%s", root, path);
    for (char *slash = full + strlen(root) + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = '\0';
        cr_assert(mkdir(full, 0700) == 0 || errno == EEXIST);
        *slash = '/';
    }
    FILE *f = fopen(full, "w");
    cr_assert_not_null(f, "%s", full);
    fputs(text, f);
    fclose(f);
}

static void check(uint64_t of, const char *source)
{
    struct memory_limit l;
    memory_limit_find(root, &l);
    cr_assert_eq(l.of, of, "%llu from %s", (unsigned long long)l.of, l.source);
    cr_assert_eq(l.bytes, of / 100 * 90);
    if (source)
        cr_assert_not_null(strstr(l.source, source), "%s", l.source);
}

TestSuite(memory_limit, .init = make_root, .fini = remove_root);

Test(memory_limit, nothing_readable_is_zero)
{
    check(0, NULL);
}

Test(memory_limit, the_machine)
{
    put("/proc/meminfo", "MemTotal:        1000000 kB\nMemFree: 5 kB\n");
    check(1024000000, "meminfo");
}

Test(memory_limit, version_2_takes_the_lowest_up_the_path)
{
    put("/proc/meminfo", "MemTotal:        8000000 kB\n");
    put("/proc/self/cgroup", "0::/a.slice/b.service\n");
    put("/sys/fs/cgroup/a.slice/b.service/memory.max", "max\n");
    check(8192000000, "meminfo");
    put("/sys/fs/cgroup/a.slice/memory.max", "2000000000\n");
    check(2000000000, "a.slice/memory.max");
    put("/sys/fs/cgroup/a.slice/b.service/memory.max", "1000000000\n");
    check(1000000000, "b.service/memory.max");
    put("/sys/fs/cgroup/a.slice/b.service/memory.max", "3000000000\n");
    check(2000000000, "a.slice/memory.max");
}

Test(memory_limit, version_2_in_a_container_whose_path_is_the_hosts)
{
    put("/proc/meminfo", "MemTotal:        8000000 kB\n");
    put("/proc/self/cgroup", "0::/docker/0123\n");
    put("/sys/fs/cgroup/memory.max", "500000000\n");
    check(500000000, "cgroup/memory.max");
}

Test(memory_limit, version_1_beside_other_controllers)
{
    put("/proc/meminfo", "MemTotal:        8000000 kB\n");
    put("/proc/self/cgroup",
        "12:cpu,cpuacct:/x\n4:hugetlb,memory:/x/y\n3:memory_other:/x\n1:name=systemd:/x\n0::/\n");
    put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    put("/sys/fs/cgroup/memory/x/y/memory.limit_in_bytes", "700000000\n");
    check(700000000, "x/y/memory.limit_in_bytes");
}

Test(memory_limit, no_limit_of_version_1_loses_against_the_machine)
{
    put("/proc/meminfo", "MemTotal:        8000000 kB\n");
    put("/proc/self/cgroup", "4:memory:/\n");
    put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    check(8192000000, "meminfo");
}

Test(memory_limit, damaged_files_are_passed_over)
{
    put("/proc/meminfo", "MemTotal:        8000000 kB\n");
    put("/proc/self/cgroup", "\n::::\nnonsense\n0:\n4:memory:");
    put("/sys/fs/cgroup/memory.max", "\n");
    check(8192000000, "meminfo");
}
