/* A directory of a test's own, with what it takes to look at files in it. */
#ifndef TESTS_UNIT_SNAPSHOT_TEMP_DIR_H
#define TESTS_UNIT_SNAPSHOT_TEMP_DIR_H

#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct temp_dir {
    char path[64];
};

static inline bool temp_dir_new(struct temp_dir *d)
{
    snprintf(d->path, sizeof d->path, "/tmp/hourglass-test-XXXXXX");
    return mkdtemp(d->path) != NULL;
}

/* path/name in one of four buffers. */
static inline const char *temp_dir_file(const struct temp_dir *d, const char *name)
{
    static char paths[4][64 + 1 + 256];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", d->path, name);
    return path;
}

static inline bool temp_dir_has(const struct temp_dir *d, const char *name)
{
    return access(temp_dir_file(d, name), F_OK) == 0;
}

/* How many names are in it. */
static inline int temp_dir_count(const struct temp_dir *d)
{
    int n = 0;
    DIR *dir = opendir(d->path);
    for (struct dirent *e; dir && (e = readdir(dir));)
        n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    if (dir)
        closedir(dir);
    return n;
}

static inline void temp_dir_remove(struct temp_dir *d)
{
    DIR *dir = opendir(d->path);
    for (struct dirent *e; dir && (e = readdir(dir));)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            (void)unlink(temp_dir_file(d, e->d_name));
    if (dir)
        closedir(dir);
    (void)rmdir(d->path);
}

/* The number of bytes, at most `most`; -1 when there is no such file. */
static inline long file_read_all(const char *path, uint8_t *bytes, size_t most)
{
    FILE *f = fopen(path, "rb");
    if (!f)
        return -1;
    size_t n = fread(bytes, 1, most, f);
    fclose(f);
    return (long)n;
}

static inline bool file_write_all(const char *path, const void *bytes, size_t n)
{
    FILE *f = fopen(path, "wb");
    if (!f)
        return false;
    bool is_good = fwrite(bytes, 1, n, f) == n;
    return fclose(f) == 0 && is_good;
}

#endif
