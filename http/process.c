#include "http/process.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static bool read_text(const char *path, char *out, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, out, size - 1);
    close(fd);
    out[n > 0 ? n : 0] = '\0';
    return n > 0;
}

/* Seconds since the epoch at which the machine started. */
static uint64_t boot_seconds(void)
{
    static const char key[] = "\nbtime ";
    char text[4096];
    int fd = open("/proc/stat", O_RDONLY | O_CLOEXEC);
    size_t kept = 0;
    uint64_t found = 0;
    ssize_t n;
    if (fd < 0)
        return 0;
    /* the line comes after one a processor: read in pieces, keeping the end of each */
    while (found == 0 && (n = read(fd, text + kept, sizeof(text) - 1 - kept)) > 0) {
        size_t len = kept + (size_t)n;
        text[len] = '\0';
        const char *at = strstr(text, key);
        if (at && strchr(at + 1, '\n'))
            found = strtoull(at + sizeof(key) - 1, NULL, 10);
        kept = size_min(len, 64);
        memmove(text, text + len - kept, kept);
    }
    close(fd);
    return found;
}

static uint64_t count_fds(void)
{
    uint64_t n = 0;
    DIR *dir = opendir("/proc/self/fd");
    if (!dir)
        return 0;
    for (const struct dirent *e; (e = readdir(dir)) != NULL;)
        n += e->d_name[0] != '.';
    closedir(dir);
    return n > 0 ? n - 1 : 0; /* without the directory's own */
}

void process_stats_read(struct process_stats *ret)
{
    char text[1024];
    uint64_t user, system, threads, start, virtual_bytes;
    int64_t resident_pages;
    struct rlimit limit;
    memset(ret, 0, sizeof(*ret));
    ret->open_fds = count_fds();
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        ret->max_fds = limit.rlim_cur;
    if (!read_text("/proc/self/stat", text, sizeof(text)))
        return;
    const char *rest = strrchr(text, ')'); /* the name may hold spaces */
    if (!rest || sscanf(rest + 1,
                        " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %" SCNu64 " %" SCNu64
                        " %*d %*d %*d %*d %" SCNu64 " %*d %" SCNu64 " %" SCNu64 " %" SCNd64,
                        &user, &system, &threads, &start, &virtual_bytes, &resident_pages) != 6)
        return;
    double ticks = (double)sysconf(_SC_CLK_TCK);
    ret->cpu_seconds = (double)(user + system) / ticks;
    ret->virtual_bytes = virtual_bytes;
    ret->resident_bytes = (uint64_t)resident_pages * (uint64_t)sysconf(_SC_PAGESIZE);
    ret->threads = threads;
    ret->start_seconds = (double)boot_seconds() + (double)start / ticks;
}
