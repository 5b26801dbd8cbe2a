#include "snapshot/directory.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WINDOW_PREFIX "window-"
#define LEFT_PREFIX   "left-"
#define FILE_SUFFIX   ".hg"

static void make_name(const char *prefix, int64_t number, char ret[FILE_NAME_BYTES])
{
    snprintf(ret, FILE_NAME_BYTES, "%s%" PRId64 FILE_SUFFIX, prefix, number);
}

/* Only the name that we would give it is one: not +1, not 01, not 1.hg.bak. */
static bool parse_name(const char *prefix, const char *name, int64_t *ret)
{
    char expected[FILE_NAME_BYTES];
    if (strncmp(name, prefix, strlen(prefix)) != 0)
        return false;
    *ret = (int64_t)strtoll(name + strlen(prefix), NULL, 10);
    make_name(prefix, *ret, expected);
    return strcmp(name, expected) == 0;
}

void directory_window_name(int64_t number, char ret[FILE_NAME_BYTES])
{
    make_name(WINDOW_PREFIX, number, ret);
}

bool directory_window_number(const char *name, int64_t *ret)
{
    return parse_name(WINDOW_PREFIX, name, ret);
}

void directory_left_name(int64_t number, char ret[FILE_NAME_BYTES])
{
    make_name(LEFT_PREFIX, number, ret);
}

bool directory_left_number(const char *name, int64_t *ret)
{
    return parse_name(LEFT_PREFIX, name, ret);
}

/* The place of the first window that is not below. */
static uint32_t place_of(const struct directory *d, int64_t number)
{
    uint32_t at = 0;
    while (at < d->n && d->windows[at].number < number)
        at++;
    return at;
}

struct directory_window *directory_find(struct directory *d, int64_t number)
{
    uint32_t at = place_of(d, number);
    return at < d->n && d->windows[at].number == number ? &d->windows[at] : NULL;
}

struct directory_window *directory_make(struct directory *d, int64_t number)
{
    struct directory_window *w = directory_find(d, number);
    if (w != NULL)
        return w;
    if (d->n == DIRECTORY_WINDOWS_MAX) {
        if (number < d->windows[0].number)
            return NULL;
        directory_drop(d, &d->windows[0]);
    }
    w = &d->windows[place_of(d, number)];
    memmove(w + 1, w, (size_t)(d->windows + d->n - w) * sizeof *w);
    d->n++;
    *w = (struct directory_window){.number = number};
    return w;
}

void directory_drop(struct directory *d, struct directory_window *w)
{
    d->n--;
    memmove(w, w + 1, (size_t)(d->windows + d->n - w) * sizeof *w);
}

struct listing {
    struct directory *directory;
    struct io *io;
    bool has_snapshot;
};

static bool is_ours(const char *name, size_t len)
{
    char whole[FILE_NAME_BYTES];
    int64_t number;
    if (len >= sizeof whole)
        return false;
    memcpy(whole, name, len);
    whole[len] = '\0';
    return strcmp(whole, SNAPSHOT_NAME) == 0 || directory_window_number(whole, &number) ||
           directory_left_number(whole, &number);
}

static int visit_name(void *ctx, const char *name)
{
    struct listing *l = ctx;
    int64_t number;
    size_t len = strlen(name), suffix = strlen(TEMP_SUFFIX);
    if (strcmp(name, SNAPSHOT_NAME) == 0) {
        l->has_snapshot = true;
    } else if (directory_window_number(name, &number)) {
        struct directory_window *w = directory_make(l->directory, number);
        if (w != NULL)
            w->has_file = true;
    } else if (directory_left_number(name, &number)) {
        struct directory_window *w = directory_make(l->directory, number);
        if (w != NULL)
            w->has_left = true;
    } else if (len > suffix && strcmp(name + len - suffix, TEMP_SUFFIX) == 0 &&
               is_ours(name, len - suffix)) {
        /* if it cannot be removed, the next save says so */
        (void)l->io->ops->remove(l->io, name);
    }
    return 0;
}

int directory_list(struct directory *d, struct io *io, bool *ret_has_snapshot)
{
    struct listing l = {.directory = d, .io = io};
    *d = (struct directory){0};
    if (io->ops->list(io, visit_name, &l) < 0)
        return ERR_IO;
    *ret_has_snapshot = l.has_snapshot;
    return 0;
}
