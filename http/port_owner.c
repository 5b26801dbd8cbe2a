/* /proc/net/tcp and tcp6 list sockets with local address, state and inode; a process that has one
 * open has a link "socket:[inode]" among its descriptors, which only its owner and root may read.
 */
#include "http/port_owner.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { STATE_LISTEN = 0x0a, PATH_BYTES = 512 };

/* Inode of the socket that listens on the port, 0 when the file has none. */
static uint64_t listening_inode(const char *path, unsigned port)
{
    char line[512];
    uint64_t found = 0;
    FILE *f = fopen(path, "re");
    if (!f)
        return 0;
    while (found == 0 && fgets(line, sizeof(line), f)) {
        unsigned local_port, state;
        uint64_t inode;
        if (sscanf(line, " %*d: %*[0-9A-Fa-f]:%x %*s %x %*s %*s %*s %*s %*s %" SCNu64, &local_port,
                   &state, &inode) == 3 &&
            local_port == port && state == STATE_LISTEN)
            found = inode;
    }
    fclose(f);
    return found;
}

static bool has_link(const char *dir_path, const char *target)
{
    char path[PATH_BYTES], link[128];
    bool found = false;
    DIR *dir = opendir(dir_path);
    if (!dir)
        return false;
    for (const struct dirent *e; !found && (e = readdir(dir)) != NULL;) {
        if ((size_t)snprintf(path, sizeof(path), "%s/%s", dir_path, e->d_name) >= sizeof(path))
            continue;
        ssize_t n = readlink(path, link, sizeof(link) - 1);
        link[n > 0 ? n : 0] = '\0';
        found = strcmp(link, target) == 0;
    }
    closedir(dir);
    return found;
}

static void read_name(const char *root, int pid, char *out, size_t size)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof(path), "%s/proc/%d/comm", root, pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, out, size - 1) : 0;
    if (fd >= 0)
        close(fd);
    out[n > 0 ? n : 0] = '\0';
    out[strcspn(out, "\n")] = '\0';
}

void port_owner_find(const char *root, unsigned port, struct port_owner *ret)
{
    static const char *const files[] = {"/proc/net/tcp", "/proc/net/tcp6"};
    char path[PATH_BYTES], target[64];
    uint64_t inode = 0;
    memset(ret, 0, sizeof(*ret));
    for (size_t i = 0; inode == 0 && i < ARRAY_LEN(files); i++) {
        snprintf(path, sizeof(path), "%s%s", root, files[i]);
        inode = listening_inode(path, port);
    }
    snprintf(path, sizeof(path), "%s/proc", root);
    DIR *dir = inode != 0 ? opendir(path) : NULL;
    if (!dir)
        return;
    snprintf(target, sizeof(target), "socket:[%" PRIu64 "]", inode);
    for (const struct dirent *e; ret->pid == 0 && (e = readdir(dir)) != NULL;) {
        if (!isdigit((unsigned char)e->d_name[0]))
            continue;
        snprintf(path, sizeof(path), "%s/proc/%.20s/fd", root, e->d_name);
        if (has_link(path, target))
            ret->pid = (int)strtol(e->d_name, NULL, 10);
    }
    closedir(dir);
    if (ret->pid != 0)
        read_name(root, ret->pid, ret->name, sizeof(ret->name));
}
