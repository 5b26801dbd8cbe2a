/*
 * A disk whose unsynced writes can be taken back, and that fails on demand; see unsynced.h.
 *
 * What is written goes to the file at once, so that the program sees its own files as usual, and
 * enough is noted to undo it: for a write the bytes that it overwrites, for an appended one only
 * the old size. The log is written with write(2), so it survives the program's death by SIGKILL.
 * Holding back the writes in memory until they are synced was rejected: reads would have to be
 * merged with them, and the program would not meet a file that another process left half written.
 *
 * One lock makes the log's order the order of the calls; syncs run outside of it, and cover what
 * was noted before they began.
 *
 * Not seen: stdio, mappings that are shared and written, io_uring, copies between files. A mapping
 * and O_TMPFILE end the program, so that nobody believes a run that missed them; a name that was
 * made unseen is not there after a cut.
 */
#include "tests/crash/unsynced.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { FDS_MAX = 1 << 16, DIRS_MAX = 256, PARTS_MAX = 1024, RECORD_ALIGN = 8 };

struct place {
    bool is_ours; /* lies in the watched directory */
    uint64_t dir;
    char name[NAME_MAX + 1];
    struct stat now; /* of the file of that name */
    bool exists;
};

static struct {
    pthread_mutex_t lock;
    char side[PATH_MAX];
    int log_fd; /* -1: faults only */
    dev_t device;
    uint64_t root;
    uint64_t dirs[DIRS_MAX];
    unsigned n_dirs;
    uint64_t sequence;
    struct unsynced_control *control;
    uint64_t inodes[FDS_MAX]; /* of open files and directories that are watched, 0 of others */
    bool is_on;
} disk = {.lock = PTHREAD_MUTEX_INITIALIZER, .log_fd = -1};

static struct {
    int (*openat)(int, const char *, int, ...);
    ssize_t (*write)(int, const void *, size_t);
    ssize_t (*pwrite)(int, const void *, size_t, off_t);
    int (*ftruncate)(int, off_t);
    int (*fallocate)(int, int, off_t, off_t);
    int (*renameat2)(int, const char *, int, const char *, unsigned);
    int (*unlinkat)(int, const char *, int);
    int (*linkat)(int, const char *, int, const char *, int);
    int (*mkdirat)(int, const char *, mode_t);
    int (*fsync)(int);
    int (*fdatasync)(int);
    int (*close)(int);
    int (*closedir)(DIR *);
    void *(*mmap)(void *, size_t, int, int, int, off_t);
} real;

static _Noreturn void give_up(const char *what)
{
    fprintf(stderr, "unsynced: %s: %s\n", what, strerror(errno));
    abort();
}

/* Called by what other libraries may call before begin(). */
static void find_real(void)
{
    if (real.mmap != NULL) /* the last */
        return;
    static const struct {
        const char *name;
        void *at;
    } wanted[] = {
        {"openat", &real.openat},       {"write", &real.write},
        {"pwrite", &real.pwrite},       {"ftruncate", &real.ftruncate},
        {"fallocate", &real.fallocate}, {"renameat2", &real.renameat2},
        {"unlinkat", &real.unlinkat},   {"linkat", &real.linkat},
        {"mkdirat", &real.mkdirat},     {"fsync", &real.fsync},
        {"fdatasync", &real.fdatasync}, {"close", &real.close},
        {"closedir", &real.closedir},   {"mmap", &real.mmap},
    };
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        void *found = dlsym(RTLD_NEXT, wanted[i].name);
        if (found == NULL)
            give_up(wanted[i].name);
        memcpy(wanted[i].at, &found, sizeof(found));
    }
}

/* --- the log ---------------------------------------------------------------------------------- */

/* Under the lock. name, other and old follow the record, and zeros up to the next multiple of 8. */
static void note(struct unsynced_record *r, const char *name, const char *other, const void *old)
{
    static const char zeros[RECORD_ALIGN];
    struct iovec part[5];
    if (disk.log_fd < 0)
        return;
    uint64_t n = (uint64_t)r->n_name + r->n_other + r->n_old;
    uint64_t n_zeros = (RECORD_ALIGN - n % RECORD_ALIGN) % RECORD_ALIGN;
    r->sequence = ++disk.sequence;
    r->n_bytes = n + n_zeros;
    part[0] = (struct iovec){r, sizeof(*r)};
    part[1] = (struct iovec){(void *)(uintptr_t)name, r->n_name};
    part[2] = (struct iovec){(void *)(uintptr_t)other, r->n_other};
    part[3] = (struct iovec){(void *)(uintptr_t)old, r->n_old};
    part[4] = (struct iovec){(void *)(uintptr_t)zeros, n_zeros};
    ssize_t done = writev(disk.log_fd, part, 5); /* not watched: our own passes it on */
    if (done != (ssize_t)(sizeof(*r) + r->n_bytes))
        give_up("the log");
}

static void note_entry(enum unsynced_kind kind, uint64_t dir, const char *name, uint64_t inode,
                       bool is_dir)
{
    struct unsynced_record r = {.kind = kind,
                                .dir = dir,
                                .inode = inode,
                                .offset = is_dir,
                                .n_name = (uint32_t)strlen(name)};
    note(&r, name, "", NULL);
}

/* A second name that keeps the file's content and number. */
static void keep(int dir_fd, const char *path, uint64_t inode)
{
    char link[PATH_MAX + 32];
    if (disk.log_fd < 0)
        return;
    snprintf(link, sizeof(link), "%s/%llu", disk.side, (unsigned long long)inode);
    if (real.linkat(dir_fd, path, AT_FDCWD, link, 0) < 0 && errno != EEXIST)
        give_up("a link in the side directory");
}

static void know_dir(uint64_t inode)
{
    if (disk.n_dirs == DIRS_MAX)
        give_up("too many directories");
    disk.dirs[disk.n_dirs++] = inode;
}

static bool is_known_dir(const struct stat *s)
{
    if (!S_ISDIR(s->st_mode) || s->st_dev != disk.device)
        return false;
    for (unsigned i = 0; i < disk.n_dirs; i++)
        if (disk.dirs[i] == s->st_ino)
            return true;
    return false;
}

/* All that is in the directory at the start counts as synced. */
static void note_tree(int fd, uint64_t inode)
{
    struct stat s;
    DIR *dir = fdopendir(fd);
    if (dir == NULL)
        give_up("reading the directory");
    know_dir(inode);
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        if (fstatat(fd, e->d_name, &s, AT_SYMLINK_NOFOLLOW) < 0)
            give_up(e->d_name);
        note_entry(UNSYNCED_BASE, inode, e->d_name, s.st_ino, S_ISDIR(s.st_mode));
        if (S_ISDIR(s.st_mode))
            note_tree(real.openat(fd, e->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC), s.st_ino);
        else
            keep(fd, e->d_name, s.st_ino);
    }
    real.closedir(dir);
}

/* What an earlier program left, which ended without a cut. */
static void empty_side(void)
{
    DIR *dir = opendir(disk.side);
    if (dir == NULL)
        give_up(disk.side);
    for (struct dirent *e; (e = readdir(dir)) != NULL;)
        if (e->d_name[0] != '.')
            real.unlinkat(dirfd(dir), e->d_name, 0);
    real.closedir(dir);
}

static void open_log(const char *side)
{
    char path[PATH_MAX + 32];
    snprintf(disk.side, sizeof(disk.side), "%s", side);
    empty_side();
    snprintf(path, sizeof(path), "%s/" UNSYNCED_LOG_NAME, side);
    disk.log_fd = real.openat(AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    if (disk.log_fd < 0)
        give_up(path);
}

__attribute__((constructor)) static void begin(void)
{
    const char *dir = getenv("UNSYNCED_DIR");
    const char *side = getenv("UNSYNCED_SIDE");
    const char *control = getenv("UNSYNCED_CONTROL");
    struct stat s;
    find_real();
    if (dir == NULL)
        return;
    int fd = real.openat(AT_FDCWD, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &s) < 0)
        give_up(dir);
    disk.device = s.st_dev;
    disk.root = s.st_ino;
    if (side != NULL)
        open_log(side);
    note_entry(UNSYNCED_BASE, 0, "", s.st_ino, true);
    note_tree(fd, s.st_ino);
    note_entry(UNSYNCED_BEGIN, 0, "", 0, false);
    if (control != NULL) {
        int control_fd = real.openat(AT_FDCWD, control, O_RDWR | O_CLOEXEC);
        disk.control = real.mmap(NULL, sizeof(*disk.control), PROT_READ | PROT_WRITE, MAP_SHARED,
                                 control_fd, 0);
        if (control_fd < 0 || disk.control == MAP_FAILED)
            give_up(control);
        real.close(control_fd);
    }
    disk.is_on = true;
}

/* --- faults ----------------------------------------------------------------------------------- */

/* Whether this call is to fail, with errno set. Waits where the disk is slow. */
static bool fails(enum unsynced_call call)
{
    struct unsynced_control *c = disk.control;
    if (c == NULL || (__atomic_load_n(&c->calls, __ATOMIC_RELAXED) & (uint64_t)call) == 0)
        return false;
    uint64_t n = __atomic_add_fetch(&c->n_calls, 1, __ATOMIC_RELAXED);
    uint64_t delay = __atomic_load_n(&c->delay_us, __ATOMIC_RELAXED);
    if (delay > 0)
        usleep((useconds_t)delay);
    uint64_t first = __atomic_load_n(&c->first, __ATOMIC_RELAXED);
    if (first == 0 || n < first || n > __atomic_load_n(&c->last, __ATOMIC_RELAXED))
        return false;
    __atomic_add_fetch(&c->n_failed, 1, __ATOMIC_RELAXED);
    errno = (int)__atomic_load_n(&c->error, __ATOMIC_RELAXED);
    return true;
}

/* --- where things are ------------------------------------------------------------------------- */

static uint64_t watched(int fd)
{
    struct stat s;
    find_real();
    if (!disk.is_on || fd < 0 || fd >= FDS_MAX || disk.inodes[fd] == 0)
        return 0;
    /* closed behind our back, and the number given to another file */
    if (fstat(fd, &s) < 0 || s.st_ino != disk.inodes[fd] || s.st_dev != disk.device)
        return 0;
    return s.st_ino;
}

/* Under the lock. */
static struct place find(int dir_fd, const char *path)
{
    struct place p = {0};
    struct stat s;
    char dir[PATH_MAX];
    const char *slash = strrchr(path, '/');
    const char *name = slash != NULL ? slash + 1 : path;
    size_t n = slash == NULL ? 0 : slash == path ? 1 : (size_t)(slash - path);
    int found;
    if (!disk.is_on || n >= sizeof(dir) || strlen(name) > NAME_MAX)
        return p;
    memcpy(dir, path, n);
    dir[n] = '\0';
    if (n > 0)
        found = fstatat(dir_fd, dir, &s, 0);
    else
        found = dir_fd == AT_FDCWD ? stat(".", &s) : fstat(dir_fd, &s);
    if (found < 0 || !is_known_dir(&s))
        return p;
    p.is_ours = true;
    p.dir = s.st_ino;
    memcpy(p.name, name, strlen(name) + 1);
    p.exists = fstatat(dir_fd, path, &p.now, AT_SYMLINK_NOFOLLOW) == 0;
    return p;
}

/* --- opening ---------------------------------------------------------------------------------- */

/* Under the lock: the bytes of the file from `offset` on, at most n, and no more than there are. */
static void *old_bytes(int fd, uint64_t offset, uint64_t n, uint64_t size, uint32_t *ret_n)
{
    char path[64];
    *ret_n = 0;
    if (offset >= size || n == 0 || disk.log_fd < 0)
        return NULL;
    n = n < size - offset ? n : size - offset;
    void *old = malloc(n);
    /* ours may be open for writing only */
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    int reader = real.openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
    if (old == NULL || reader < 0 || pread(reader, old, n, (off_t)offset) != (ssize_t)n)
        give_up("old bytes");
    real.close(reader);
    *ret_n = (uint32_t)n;
    return old;
}

static void note_change(enum unsynced_kind kind, int fd, uint64_t offset, uint64_t length)
{
    struct stat s;
    if (fstat(fd, &s) < 0)
        give_up("a file's size");
    uint64_t size = (uint64_t)s.st_size;
    struct unsynced_record r = {
        .kind = kind, .inode = s.st_ino, .offset = offset, .length = length, .old_size = size};
    uint64_t n_lost = kind == UNSYNCED_TRUNCATE ? UINT64_MAX : length;
    void *old = old_bytes(fd, offset, n_lost, size, &r.n_old);
    note(&r, "", "", old);
    free(old);
}

/* Under the lock; the file is open without O_TRUNC. */
static void note_open(const struct place *p, int dir_fd, const char *path, int flags, int fd)
{
    struct stat s;
    if (fstat(fd, &s) < 0)
        give_up(path);
    disk.inodes[fd] = s.st_ino;
    if (p->exists) {
        if ((flags & O_TRUNC) == 0 || s.st_size == 0)
            return;
        note_change(UNSYNCED_TRUNCATE, fd, 0, 0);
        if (real.ftruncate(fd, 0) < 0)
            give_up(path);
    } else {
        keep(dir_fd, path, s.st_ino);
        note_entry(UNSYNCED_ENTER, p->dir, p->name, s.st_ino, false);
    }
}

static int open_watched(int dir_fd, const char *path, int flags, mode_t mode)
{
    bool is_writing = (flags & O_ACCMODE) != O_RDONLY || (flags & O_CREAT) != 0;
    struct stat s;
    find_real();
    if ((flags & O_TMPFILE) == O_TMPFILE && disk.is_on)
        give_up("O_TMPFILE is not known here");
    pthread_mutex_lock(&disk.lock);
    struct place p = find(dir_fd, path);
    int fd = -1;
    if (!(p.is_ours && is_writing && fails(UNSYNCED_CALL_OPEN)))
        fd = real.openat(dir_fd, path, p.is_ours ? flags & ~O_TRUNC : flags, mode);
    int saved = errno;
    if (fd >= 0 && fd < FDS_MAX) {
        disk.inodes[fd] = 0;
        if (p.is_ours && is_writing && !(p.exists && S_ISDIR(p.now.st_mode)))
            note_open(&p, dir_fd, path, flags, fd);
        else if (disk.is_on && fstat(fd, &s) == 0 && (p.is_ours || is_known_dir(&s)))
            disk.inodes[fd] = s.st_ino; /* a sync needs no right to write */
    }
    pthread_mutex_unlock(&disk.lock);
    errno = saved;
    return fd;
}

#define OPEN_MODE(flags, mode)                                                                     \
    do {                                                                                           \
        if (((flags)&O_CREAT) != 0 || ((flags)&O_TMPFILE) == O_TMPFILE) {                          \
            va_list args;                                                                          \
            va_start(args, flags);                                                                 \
            (mode) = va_arg(args, mode_t);                                                         \
            va_end(args);                                                                          \
        }                                                                                          \
    } while (0)

int open(const char *path, int flags, ...)
{
    mode_t mode = 0;
    OPEN_MODE(flags, mode);
    return open_watched(AT_FDCWD, path, flags, mode);
}

int openat(int dir_fd, const char *path, int flags, ...)
{
    mode_t mode = 0;
    OPEN_MODE(flags, mode);
    return open_watched(dir_fd, path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    mode_t mode = 0;
    OPEN_MODE(flags, mode);
    return open_watched(AT_FDCWD, path, flags, mode);
}

int openat64(int dir_fd, const char *path, int flags, ...)
{
    mode_t mode = 0;
    OPEN_MODE(flags, mode);
    return open_watched(dir_fd, path, flags, mode);
}

int creat(const char *path, mode_t mode)
{
    return open_watched(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, mode);
}

int close(int fd)
{
    find_real();
    if (fd >= 0 && fd < FDS_MAX)
        disk.inodes[fd] = 0;
    return real.close(fd);
}

int closedir(DIR *dir)
{
    int fd = dirfd(dir);
    find_real();
    if (fd >= 0 && fd < FDS_MAX)
        disk.inodes[fd] = 0;
    return real.closedir(dir);
}

void *mmap(void *at, size_t n, int protection, int flags, int fd, off_t offset)
{
    find_real();
    if (fd >= 0 && (flags & MAP_TYPE) != MAP_PRIVATE && (protection & PROT_WRITE) &&
        watched(fd) != 0)
        give_up("a shared mapping is not known here");
    return real.mmap(at, n, protection, flags, fd, offset);
}

/* --- writing ---------------------------------------------------------------------------------- */

/* Under the lock: notes and writes n bytes at `offset`, or where the file stands (offset < 0). */
static ssize_t put(int fd, const void *bytes, size_t n, off_t offset)
{
    struct stat s;
    int flags = fcntl(fd, F_GETFL);
    off_t at = offset >= 0 ? offset : lseek(fd, 0, SEEK_CUR);
    if (flags >= 0 && (flags & O_APPEND) && fstat(fd, &s) == 0)
        at = s.st_size;
    note_change(UNSYNCED_WRITE, fd, (uint64_t)at, n);
    uint64_t until = disk.sequence;
    ssize_t done = offset >= 0 ? real.pwrite(fd, bytes, n, offset) : real.write(fd, bytes, n);
    if (done >= 0 && (flags & O_DSYNC)) {
        struct unsynced_record r = {
            .kind = UNSYNCED_SYNC, .inode = disk.inodes[fd], .until = until};
        note(&r, "", "", NULL);
    }
    return done;
}

static ssize_t write_watched(int fd, const void *bytes, size_t n, off_t offset)
{
    if (fails(UNSYNCED_CALL_WRITE)) {
        if (!__atomic_load_n(&disk.control->is_short, __ATOMIC_RELAXED) || n < 2)
            return -1;
        n /= 2;
    }
    pthread_mutex_lock(&disk.lock);
    ssize_t done = put(fd, bytes, n, offset);
    int saved = errno;
    pthread_mutex_unlock(&disk.lock);
    errno = saved;
    return done;
}

ssize_t write(int fd, const void *bytes, size_t n)
{
    return watched(fd) != 0 ? write_watched(fd, bytes, n, -1) : real.write(fd, bytes, n);
}

ssize_t pwrite(int fd, const void *bytes, size_t n, off_t offset)
{
    return watched(fd) != 0 ? write_watched(fd, bytes, n, offset)
                            : real.pwrite(fd, bytes, n, offset);
}

ssize_t pwrite64(int fd, const void *bytes, size_t n, off_t offset)
{
    return pwrite(fd, bytes, n, offset);
}

/* As one write, of a copy: what is short then is short as a kernel's would be. */
static ssize_t write_parts(int fd, const struct iovec *parts, int n_parts, off_t offset)
{
    size_t n = 0, at = 0;
    for (int i = 0; i < n_parts; i++)
        n += parts[i].iov_len;
    char *bytes = malloc(n + 1);
    if (bytes == NULL)
        give_up("memory for a write");
    for (int i = 0; i < n_parts; i++) {
        if (parts[i].iov_len > 0)
            memcpy(bytes + at, parts[i].iov_base, parts[i].iov_len);
        at += parts[i].iov_len;
    }
    ssize_t done = write_watched(fd, bytes, n, offset);
    int saved = errno;
    free(bytes);
    errno = saved;
    return done;
}

static ssize_t pass_parts_on(int fd, const struct iovec *parts, int n_parts)
{
    static ssize_t (*next)(int, const struct iovec *, int);
    if (next == NULL) {
        void *found = dlsym(RTLD_NEXT, "writev");
        memcpy(&next, &found, sizeof(next));
    }
    return next(fd, parts, n_parts);
}

ssize_t writev(int fd, const struct iovec *parts, int n_parts)
{
    return watched(fd) != 0 && n_parts >= 0 && n_parts <= PARTS_MAX
               ? write_parts(fd, parts, n_parts, -1)
               : pass_parts_on(fd, parts, n_parts);
}

ssize_t pwritev(int fd, const struct iovec *parts, int n_parts, off_t offset)
{
    if (watched(fd) != 0)
        return write_parts(fd, parts, n_parts, offset);
    errno = ENOSYS; /* nobody here uses it elsewhere */
    return -1;
}

int ftruncate(int fd, off_t size)
{
    if (watched(fd) == 0)
        return real.ftruncate(fd, size);
    if (fails(UNSYNCED_CALL_TRUNCATE))
        return -1;
    pthread_mutex_lock(&disk.lock);
    note_change(UNSYNCED_TRUNCATE, fd, (uint64_t)size, 0);
    int code = real.ftruncate(fd, size);
    int saved = errno;
    pthread_mutex_unlock(&disk.lock);
    errno = saved;
    return code;
}

int ftruncate64(int fd, off_t size)
{
    return ftruncate(fd, size);
}

/* Room that is set aside: growth counts as a truncation to the new size. */
int fallocate(int fd, int mode, off_t offset, off_t n)
{
    struct stat s;
    if (watched(fd) == 0)
        return real.fallocate(fd, mode, offset, n);
    if ((mode & ~FALLOC_FL_KEEP_SIZE) != 0)
        give_up("fallocate of this mode is not known here");
    if (fails(UNSYNCED_CALL_TRUNCATE))
        return -1;
    pthread_mutex_lock(&disk.lock);
    if (mode == 0 && fstat(fd, &s) == 0 && offset + n > s.st_size)
        note_change(UNSYNCED_TRUNCATE, fd, (uint64_t)(offset + n), 0);
    int code = real.fallocate(fd, mode, offset, n);
    int saved = errno;
    pthread_mutex_unlock(&disk.lock);
    errno = saved;
    return code;
}

int fallocate64(int fd, int mode, off_t offset, off_t n)
{
    return fallocate(fd, mode, offset, n);
}

int posix_fallocate(int fd, off_t offset, off_t n)
{
    return fallocate(fd, 0, offset, n) == 0 ? 0 : errno;
}

int posix_fallocate64(int fd, off_t offset, off_t n)
{
    return posix_fallocate(fd, offset, n);
}

/* --- names ------------------------------------------------------------------------------------ */

static void note_rename(const struct place *from, const struct place *to)
{
    struct unsynced_record r = {.kind = UNSYNCED_RENAME,
                                .dir = from->dir,
                                .other_dir = to->dir,
                                .inode = from->now.st_ino,
                                .offset = S_ISDIR(from->now.st_mode),
                                .n_name = (uint32_t)strlen(from->name),
                                .n_other = (uint32_t)strlen(to->name)};
    note(&r, from->name, to->name, NULL);
}

int renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags)
{
    pthread_mutex_lock(&disk.lock);
    struct place a = find(from_fd, from), b = find(to_fd, to);
    int code = -1;
    if (a.is_ours != b.is_ours || (a.is_ours && (flags & RENAME_EXCHANGE)))
        give_up("this rename is not known here");
    if (!(a.is_ours && fails(UNSYNCED_CALL_RENAME)))
        code = real.renameat2(from_fd, from, to_fd, to, flags);
    int saved = errno;
    if (code == 0 && a.is_ours)
        note_rename(&a, &b);
    pthread_mutex_unlock(&disk.lock);
    errno = saved;
    return code;
}

int renameat(int from_fd, const char *from, int to_fd, const char *to)
{
    return renameat2(from_fd, from, to_fd, to, 0);
}

int rename(const char *from, const char *to)
{
    return renameat2(AT_FDCWD, from, AT_FDCWD, to, 0);
}

int unlinkat(int dir_fd, const char *path, int flags)
{
    pthread_mutex_lock(&disk.lock);
    struct place p = find(dir_fd, path);
    int code = -1;
    if (!(p.is_ours && fails(UNSYNCED_CALL_REMOVE)))
        code = real.unlinkat(dir_fd, path, flags);
    int saved = errno;
    if (code == 0 && p.is_ours)
        note_entry(UNSYNCED_REMOVE, p.dir, p.name, p.now.st_ino, S_ISDIR(p.now.st_mode));
    pthread_mutex_unlock(&disk.lock);
    errno = saved;
    return code;
}

int unlink(const char *path)
{
    return unlinkat(AT_FDCWD, path, 0);
}

int rmdir(const char *path)
{
    return unlinkat(AT_FDCWD, path, AT_REMOVEDIR);
}

int linkat(int from_fd, const char *from, int to_fd, const char *to, int flags)
{
    struct stat s;
    pthread_mutex_lock(&disk.lock);
    struct place p = find(to_fd, to);
    int code = -1;
    if (!(p.is_ours && fails(UNSYNCED_CALL_LINK)))
        code = real.linkat(from_fd, from, to_fd, to, flags);
    int saved = errno;
    if (code == 0 && p.is_ours) {
        if (fstatat(to_fd, to, &s, AT_SYMLINK_NOFOLLOW) < 0)
            give_up(to);
        keep(to_fd, to, s.st_ino);
        note_entry(UNSYNCED_ENTER, p.dir, p.name, s.st_ino, false);
    }
    pthread_mutex_unlock(&disk.lock);
    errno = saved;
    return code;
}

int link(const char *from, const char *to)
{
    return linkat(AT_FDCWD, from, AT_FDCWD, to, 0);
}

int mkdirat(int dir_fd, const char *path, mode_t mode)
{
    struct stat s;
    pthread_mutex_lock(&disk.lock);
    struct place p = find(dir_fd, path);
    int code = -1;
    if (!(p.is_ours && fails(UNSYNCED_CALL_MAKE_DIR)))
        code = real.mkdirat(dir_fd, path, mode);
    int saved = errno;
    if (code == 0 && p.is_ours) {
        if (fstatat(dir_fd, path, &s, AT_SYMLINK_NOFOLLOW) < 0)
            give_up(path);
        know_dir(s.st_ino);
        note_entry(UNSYNCED_ENTER, p.dir, p.name, s.st_ino, true);
    }
    pthread_mutex_unlock(&disk.lock);
    errno = saved;
    return code;
}

int mkdir(const char *path, mode_t mode)
{
    return mkdirat(AT_FDCWD, path, mode);
}

/* --- syncing ---------------------------------------------------------------------------------- */

static int sync_watched(int fd, uint64_t inode, int (*sync)(int))
{
    pthread_mutex_lock(&disk.lock);
    uint64_t until = disk.sequence;
    pthread_mutex_unlock(&disk.lock);
    bool is_failing = fails(UNSYNCED_CALL_SYNC);
    int saved = errno, code = is_failing ? -1 : sync(fd);
    saved = is_failing ? saved : errno;
    struct unsynced_record r = {
        .kind = code == 0 ? UNSYNCED_SYNC : UNSYNCED_SYNC_FAILED, .inode = inode, .until = until};
    pthread_mutex_lock(&disk.lock);
    note(&r, "", "", NULL);
    pthread_mutex_unlock(&disk.lock);
    errno = saved;
    return code;
}

int fsync(int fd)
{
    uint64_t inode = watched(fd);
    return inode != 0 ? sync_watched(fd, inode, real.fsync) : real.fsync(fd);
}

int fdatasync(int fd)
{
    uint64_t inode = watched(fd);
    return inode != 0 ? sync_watched(fd, inode, real.fdatasync) : real.fdatasync(fd);
}
