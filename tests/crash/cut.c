/*
 * Two passes over the log. The first finds what is on disk for certain: an operation that was noted
 * before a sync of its file, or of its directory, began. The second takes the operations of each
 * file back, newest first, and does those again that survive; names are made anew from the list of
 * those that were there at the start and the operations on them that survive. A program that ended
 * before the list of those was whole has done nothing.
 */
#include "tests/crash/cut.h"

#include "tests/crash/unsynced.h"
#include "tests/support/random.h"

#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_BYTES = PATH_MAX + NAME_MAX + 2 };

struct operation {
    const struct unsynced_record *record;
    const char *name, *other;
    const uint8_t *old;
    bool is_synced, is_doomed, survives;
    uint64_t length;  /* of a write, cut where it is torn */
    uint8_t *forward; /* what was written, while the file is rolled back */
};

struct entry {
    uint64_t dir, inode;
    const char *name;
    uint32_t n_name;
    bool is_dir;
};

struct cut {
    const char *side;
    char *log;
    struct operation *operations;
    size_t n_operations, capacity;
    struct entry *entries;
    size_t n_entries, entries_capacity;
    uint64_t root;
    bool has_begun; /* else the names at the start are not all known */
    struct random random;
};

static void *grown(void *array, size_t n_bytes)
{
    void *bigger = realloc(array, n_bytes);
    if (bigger == NULL)
        err(2, "memory for a power cut");
    return bigger;
}

/* --- the names -------------------------------------------------------------------------------- */

static struct entry *find_entry(struct cut *c, uint64_t dir, const char *name, uint32_t n_name)
{
    for (size_t i = 0; i < c->n_entries; i++) {
        struct entry *e = &c->entries[i];
        if (e->dir == dir && e->n_name == n_name && memcmp(e->name, name, n_name) == 0)
            return e;
    }
    return NULL;
}

static void set_entry(struct cut *c, struct entry entry)
{
    struct entry *e = find_entry(c, entry.dir, entry.name, entry.n_name);
    if (e == NULL) {
        if (c->n_entries == c->entries_capacity) {
            c->entries_capacity = 2 * c->entries_capacity + 64;
            c->entries = grown(c->entries, c->entries_capacity * sizeof(*c->entries));
        }
        e = &c->entries[c->n_entries++];
    }
    *e = entry;
}

static void remove_entry(struct cut *c, uint64_t dir, const char *name, uint32_t n_name,
                         uint64_t inode)
{
    struct entry *e = find_entry(c, dir, name, n_name);
    if (e != NULL && e->inode == inode)
        *e = c->entries[--c->n_entries];
}

static void apply_name(struct cut *c, const struct operation *o)
{
    const struct unsynced_record *r = o->record;
    bool is_dir = r->offset != 0;
    if (r->kind == UNSYNCED_REMOVE)
        remove_entry(c, r->dir, o->name, r->n_name, r->inode);
    else if (r->kind == UNSYNCED_RENAME) {
        remove_entry(c, r->dir, o->name, r->n_name, r->inode);
        set_entry(c, (struct entry){r->other_dir, r->inode, o->other, r->n_other, is_dir});
    } else
        set_entry(c, (struct entry){r->dir, r->inode, o->name, r->n_name, is_dir});
}

/* --- the log ---------------------------------------------------------------------------------- */

static bool is_of_a_file(const struct unsynced_record *r)
{
    return r->kind == UNSYNCED_WRITE || r->kind == UNSYNCED_TRUNCATE;
}

static uint64_t synced_by(const struct unsynced_record *r)
{
    return is_of_a_file(r) ? r->inode : r->kind == UNSYNCED_RENAME ? r->other_dir : r->dir;
}

static void apply_sync(struct cut *c, const struct unsynced_record *sync)
{
    for (size_t i = c->n_operations; i-- > 0;) {
        struct operation *o = &c->operations[i];
        if (synced_by(o->record) != sync->inode || o->record->sequence > sync->until)
            continue;
        if (o->is_synced)
            break; /* and so are all before it */
        if (sync->kind == UNSYNCED_SYNC_FAILED)
            o->is_doomed = true;
        else
            o->is_synced = !o->is_doomed;
    }
}

static void add_operation(struct cut *c, const struct unsynced_record *r)
{
    if (c->n_operations == c->capacity) {
        c->capacity = 2 * c->capacity + 1024;
        c->operations = grown(c->operations, c->capacity * sizeof(*c->operations));
    }
    const char *name = (const char *)(r + 1);
    c->operations[c->n_operations++] = (struct operation){
        .record = r,
        .name = name,
        .other = name + r->n_name,
        .old = (const uint8_t *)name + r->n_name + r->n_other,
        .length = r->length,
    };
}

/* NULL without a log. Records are a multiple of 8 bytes long, so that each is aligned. */
static char *read_log(const char *side, size_t *ret_n)
{
    char path[PATH_BYTES];
    struct stat s;
    snprintf(path, sizeof(path), "%s/" UNSYNCED_LOG_NAME, side);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return NULL;
    if (fd < 0 || fstat(fd, &s) < 0)
        err(2, "%s", path);
    char *log = grown(NULL, (size_t)s.st_size + 1);
    for (size_t n = 0; n < (size_t)s.st_size;) {
        ssize_t got = read(fd, log + n, (size_t)s.st_size - n);
        if (got <= 0)
            err(2, "%s", path);
        n += (size_t)got;
    }
    close(fd);
    *ret_n = (size_t)s.st_size;
    return log;
}

static const struct unsynced_record *record_at(const char *log, size_t n, size_t *io_at)
{
    const struct unsynced_record *r = (const void *)(log + *io_at);
    /* the program died in the middle of a record, and did nothing behind it */
    if (n - *io_at < sizeof(*r) || n - *io_at - sizeof(*r) < r->n_bytes)
        return NULL;
    *io_at += sizeof(*r) + r->n_bytes;
    return r;
}

static void read_operations(struct cut *c, size_t n)
{
    const struct unsynced_record *r;
    for (size_t at = 0; (r = record_at(c->log, n, &at)) != NULL;) {
        struct operation base = {.record = r, .name = (const char *)(r + 1)};
        switch (r->kind) {
        case UNSYNCED_BASE:
            if (r->dir == 0)
                c->root = r->inode;
            else
                apply_name(c, &base);
            break;
        case UNSYNCED_BEGIN:
            c->has_begun = true;
            break;
        case UNSYNCED_SYNC:
        case UNSYNCED_SYNC_FAILED:
            apply_sync(c, r);
            break;
        default:
            add_operation(c, r);
        }
    }
}

static void release(struct cut *c)
{
    for (size_t i = 0; i < c->n_operations; i++)
        free(c->operations[i].forward);
    free(c->operations);
    free(c->entries);
    free(c->log);
}

/* --- what survives ---------------------------------------------------------------------------- */

static void tear(struct cut *c, struct operation *o)
{
    if (o->record->kind == UNSYNCED_WRITE && o->length > 0)
        o->length = random_below(&c->random, o->length);
}

static void choose(struct cut *c, enum cut_kind kind, struct cut_report *ret)
{
    uint64_t n_open = 0, n = 0;
    for (size_t i = 0; i < c->n_operations; i++)
        n_open += !c->operations[i].is_synced;
    uint64_t torn = random_below(&c->random, n_open + 1);
    for (size_t i = 0; i < c->n_operations; i++) {
        struct operation *o = &c->operations[i];
        o->survives = o->is_synced;
        if (o->is_synced)
            continue;
        if (!o->is_doomed && kind == CUT_SUFFIX)
            o->survives = n <= torn;
        if (!o->is_doomed && kind == CUT_SOME)
            o->survives = random_below(&c->random, 2) == 0;
        if (n++ == torn)
            tear(c, o);
        ret->n_dropped += !o->survives;
    }
    ret->kind = kind;
    ret->n_operations = c->n_operations;
    ret->n_unsynced = n_open;
}

/* --- the files -------------------------------------------------------------------------------- */

static int open_side(const struct cut *c, uint64_t inode)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof(path), "%s/%" PRIu64, c->side, inode);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        err(2, "%s", path);
    return fd;
}

static uint64_t size_of(int fd)
{
    struct stat s;
    if (fstat(fd, &s) < 0)
        err(2, "the size of a file");
    return (uint64_t)s.st_size;
}

static void put_all(int fd, const uint8_t *bytes, uint64_t n, uint64_t offset)
{
    while (n > 0) {
        ssize_t done = pwrite(fd, bytes, n, (off_t)offset);
        if (done <= 0)
            err(2, "writing to a file of the side directory");
        bytes += done;
        offset += (uint64_t)done;
        n -= (uint64_t)done;
    }
}

static void set_size(int fd, uint64_t size)
{
    if (ftruncate(fd, (off_t)size) < 0)
        err(2, "the size of a file of the side directory");
}

/* Later operations are taken back already. A write that was noted and cut short by the end, or that
 * failed, is as long as the file says. */
static void take_back(int fd, struct operation *o)
{
    const struct unsynced_record *r = o->record;
    uint64_t size = size_of(fd);
    if (r->kind == UNSYNCED_WRITE) {
        uint64_t there = size > r->offset ? size - r->offset : 0;
        o->length = o->length < there ? o->length : there;
        if (o->survives && o->length > 0) {
            o->forward = grown(NULL, o->length);
            if (pread(fd, o->forward, o->length, (off_t)r->offset) != (ssize_t)o->length)
                err(2, "reading a file of the side directory");
        }
    }
    put_all(fd, o->old, r->n_old, r->offset);
    set_size(fd, r->old_size);
}

static void do_again(int fd, const struct operation *o)
{
    const struct unsynced_record *r = o->record;
    if (!o->survives)
        return;
    if (r->kind == UNSYNCED_TRUNCATE)
        set_size(fd, r->offset);
    else if (o->forward != NULL)
        put_all(fd, o->forward, o->length, r->offset);
}

/* first: the file's oldest operation that is not synced. */
static void cut_file(struct cut *c, size_t first)
{
    uint64_t inode = c->operations[first].record->inode;
    int fd = open_side(c, inode);
    for (size_t i = c->n_operations; i-- > first;)
        if (is_of_a_file(c->operations[i].record) && c->operations[i].record->inode == inode)
            take_back(fd, &c->operations[i]);
    for (size_t i = first; i < c->n_operations; i++)
        if (is_of_a_file(c->operations[i].record) && c->operations[i].record->inode == inode) {
            do_again(fd, &c->operations[i]);
            free(c->operations[i].forward);
            c->operations[i].forward = NULL;
        }
    close(fd);
}

static void cut_files(struct cut *c)
{
    for (size_t i = 0; i < c->n_operations; i++) {
        bool is_first = is_of_a_file(c->operations[i].record) && !c->operations[i].is_synced;
        for (size_t j = 0; is_first && j < i; j++)
            is_first = !is_of_a_file(c->operations[j].record) || c->operations[j].is_synced ||
                       c->operations[j].record->inode != c->operations[i].record->inode;
        if (is_first)
            cut_file(c, i);
    }
}

/* --- the directory ---------------------------------------------------------------------------- */

static void empty(const char *dir)
{
    char path[PATH_BYTES];
    DIR *d = opendir(dir);
    if (d == NULL)
        err(2, "%s", dir);
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        struct stat s;
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
        bool is_dir = lstat(path, &s) == 0 && S_ISDIR(s.st_mode);
        if (is_dir)
            empty(path);
        if ((is_dir ? rmdir(path) : unlink(path)) < 0)
            err(2, "%s", path);
    }
    closedir(d);
}

static void fill(struct cut *c, uint64_t inode, const char *dir)
{
    char path[PATH_BYTES], from[PATH_BYTES];
    for (size_t i = 0; i < c->n_entries; i++) {
        const struct entry *e = &c->entries[i];
        if (e->dir != inode)
            continue;
        snprintf(path, sizeof(path), "%s/%.*s", dir, (int)e->n_name, e->name);
        snprintf(from, sizeof(from), "%s/%" PRIu64, c->side, e->inode);
        if ((e->is_dir ? mkdir(path, 0750) : link(from, path)) < 0)
            err(2, "%s", path);
        if (e->is_dir)
            fill(c, e->inode, path);
    }
}

static void drop_unsynced(struct cut *c, enum cut_kind kind, const char *dir,
                          struct cut_report *ret)
{
    choose(c, kind, ret);
    cut_files(c);
    for (size_t i = 0; i < c->n_operations; i++)
        if (!is_of_a_file(c->operations[i].record) && c->operations[i].survives)
            apply_name(c, &c->operations[i]);
    empty(dir);
    fill(c, c->root, dir);
}

void cut_power_as(enum cut_kind kind, const char *dir, const char *side, uint64_t seed,
                  struct cut_report *ret)
{
    size_t n;
    struct cut c = {.side = side};
    memset(ret, 0, sizeof(*ret));
    random_init(&c.random, seed);
    c.log = read_log(side, &n);
    if (c.log == NULL)
        return;
    read_operations(&c, n);
    if (c.has_begun)
        drop_unsynced(&c, kind, dir, ret);
    empty(side);
    release(&c);
}

void cut_power_of(const char *dir, const char *side, uint64_t seed, struct cut_report *ret)
{
    struct random random;
    random_init(&random, seed ^ 0x5bd1e995);
    cut_power_as((enum cut_kind)random_below(&random, CUT_KINDS), dir, side, seed, ret);
}
