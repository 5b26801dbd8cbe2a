/* /proc/self/cgroup names our group in each hierarchy:
 *
 *     0::/system.slice/hourglass.service          version 2: <mount>/<path>/memory.max
 *     4:memory:/docker/0123                       version 1:
 * <mount>/memory/<path>/memory.limit_in_bytes
 *
 * A limit may be set on any group above ours as well, so every directory up to the mount is asked.
 * Inside a container the path is that of the host and does not exist under the mount; the files
 * that are missing are passed over and the walk ends at the mount's root, which is the container's
 * own group. "max" and version 1's largest multiple of a page mean no limit: both lose against the
 * machine's memory. */
#include "http/memory_limit.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATH_BYTES = 480 };

/* Reads the start of a small file as text; false when it cannot be read. */
static bool read_text(const char *path, char *out, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    size_t n = 0;
    ssize_t got;
    while (n < size - 1 && (got = read(fd, out + n, size - 1 - n)) > 0)
        n += (size_t)got;
    close(fd);
    out[n] = '\0';
    return n > 0;
}

static void lower_to(struct memory_limit *l, uint64_t bytes, const char *source)
{
    if (bytes == 0 || (l->of != 0 && bytes >= l->of))
        return;
    l->of = bytes;
    snprintf(l->source, sizeof(l->source), "%s", source);
}

/* Asks file in dir/group and in every directory above, down to dir itself. */
static void ask_upwards(struct memory_limit *l, const char *dir, const char *group,
                        const char *file)
{
    char path[PATH_BYTES], at[PATH_BYTES], text[64];
    snprintf(at, sizeof(at), "%s", group);
    for (;;) {
        size_t n = strlen(at);
        while (n > 0 && at[n - 1] == '/')
            at[--n] = '\0';
        if ((size_t)snprintf(path, sizeof(path), "%s%s/%s", dir, at, file) < sizeof(path) &&
            read_text(path, text, sizeof(text)) && text[0] >= '0' && text[0] <= '9')
            lower_to(l, strtoull(text, NULL, 10), path);
        char *slash = strrchr(at, '/');
        if (!slash)
            return;
        *slash = '\0';
    }
}

/* True when the comma-separated list holds the word. */
static bool list_has(const char *list, size_t n, const char *word)
{
    size_t word_len = strlen(word);
    for (const char *p = list, *end = list + n; p < end;) {
        const char *comma = memchr(p, ',', (size_t)(end - p));
        size_t len = (size_t)((comma ? comma : end) - p);
        if (len == word_len && memcmp(p, word, len) == 0)
            return true;
        p += len + 1;
    }
    return false;
}

/* One line of /proc/self/cgroup: id:controllers:path */
static void ask_group(struct memory_limit *l, const char *root, const char *line)
{
    char dir[PATH_BYTES];
    const char *controllers = strchr(line, ':');
    const char *path = controllers ? strchr(controllers + 1, ':') : NULL;
    if (!path)
        return;
    controllers++;
    size_t n = (size_t)(path - controllers);
    path++;
    if (n == 0) {
        snprintf(dir, sizeof(dir), "%s/sys/fs/cgroup", root);
        ask_upwards(l, dir, path, "memory.max");
        snprintf(dir, sizeof(dir), "%s/sys/fs/cgroup/unified", root);
        ask_upwards(l, dir, path, "memory.max");
    } else if (list_has(controllers, n, "memory")) {
        snprintf(dir, sizeof(dir), "%s/sys/fs/cgroup/memory", root);
        ask_upwards(l, dir, path, "memory.limit_in_bytes");
    }
}

static void ask_machine(struct memory_limit *l, const char *root)
{
    char path[PATH_BYTES], text[256];
    snprintf(path, sizeof(path), "%s/proc/meminfo", root);
    if (!read_text(path, text, sizeof(text)))
        return;
    const char *total = strstr(text, "MemTotal:");
    if (total)
        lower_to(l, strtoull(total + strlen("MemTotal:"), NULL, 10) * 1024, path);
}

void memory_limit_find(const char *root, struct memory_limit *ret)
{
    char path[PATH_BYTES], text[8192];
    memset(ret, 0, sizeof(*ret));
    ask_machine(ret, root);
    snprintf(path, sizeof(path), "%s/proc/self/cgroup", root);
    if (!read_text(path, text, sizeof(text)))
        text[0] = '\0';
    for (char *line = text, *next; *line; line = next) {
        char *end = strchr(line, '\n');
        next = end ? end + 1 : line + strlen(line);
        if (end)
            *end = '\0';
        ask_group(ret, root, line);
    }
    ret->bytes = ret->of / 100 * MEMORY_LIMIT_SHARE_PERCENT;
}
