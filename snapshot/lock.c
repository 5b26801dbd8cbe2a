/* One process a directory. The lock is flock() on a file of its own: it goes with the process
 * however that ends, so there is never a stale lock to remove by hand, and the file's existence
 * means nothing. */
#include "snapshot/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOCK_NAME  "LOCK"
#define PROBE_NAME "LOCK.probe"

enum { DIR_MODE = 0750, LOCK_MODE = 0640 };

/* Opens the directory, made if it is missing. */
static int open_dir(const char *dir)
{
    bool is_new = mkdir(dir, DIR_MODE) == 0;
    if (!is_new && errno != EEXIST)
        return -1;
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || !is_new)
        return fd;
    /* a snapshot is no more durable than the name of its directory */
    int parent = openat(fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (parent >= 0) {
        (void)fsync(parent);
        (void)close(parent);
    }
    return fd;
}

/* That a file can be made is found out now, and not ten minutes from now. */
static int check_writable(int dir_fd)
{
    int fd = openat(dir_fd, PROBE_NAME, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, LOCK_MODE);
    if (fd < 0)
        return -1;
    (void)close(fd);
    return unlinkat(dir_fd, PROBE_NAME, 0);
}

static int lock_file(int dir_fd, int *ret_fd)
{
    int fd = openat(dir_fd, LOCK_NAME, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, LOCK_MODE);
    if (fd < 0)
        return ERR_IO;
    int err = 0;
    if (flock(fd, LOCK_EX | LOCK_NB) < 0)
        err = errno == EWOULDBLOCK ? ERR_LOCKED : ERR_IO;
    else if (check_writable(dir_fd) < 0)
        err = ERR_IO;
    if (err == 0) {
        *ret_fd = fd;
        return 0;
    }
    int saved = errno;
    (void)close(fd);
    errno = saved;
    return err;
}

int snapshot_lock_dir(const char *dir, int *ret_fd)
{
    int dir_fd = open_dir(dir);
    if (dir_fd < 0)
        return ERR_IO;
    int err = lock_file(dir_fd, ret_fd);
    int saved = errno;
    (void)close(dir_fd);
    errno = saved;
    return err;
}
