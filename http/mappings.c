/* What a mapping is, by what stands beside it:
 *
 *     a file                                        program
 *     nameless, right behind a file's               program: the part of .data and .bss past the
 * file nameless and small                            program: the loader's own memory, TLS of main
 *     [stack]; nameless, right behind a guard page  stacks: glibc maps PROT_NONE below each stack
 *     [heap], nameless and large                    libc's heap: mallinfo2 counts it, not we
 *
 * The file is read through a small buffer line by line; neither its size nor the number of mappings
 * is bounded. */
#include "http/mappings.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { SMALL_BYTES = 128 * 1024 }; /* malloc maps nothing smaller: M_MMAP_THRESHOLD */

enum mapping_kind { MAPPING_OTHER, MAPPING_PROGRAM, MAPPING_STACK, MAPPING_GUARD };

struct reader {
    int fd;
    size_t at, n;
    char buffer[8192];
};

struct scan {
    struct mappings *sums;
    uintptr_t skip, skip_end;
    uintptr_t last_end;
    enum mapping_kind kind, last_kind;
    bool is_file, last_is_file;
};

/* The next line without its newline, cut to size; false at the end. */
static bool next_line(struct reader *r, char *out, size_t size)
{
    size_t n = 0;
    for (;;) {
        if (r->at == r->n) {
            ssize_t got = read(r->fd, r->buffer, sizeof(r->buffer));
            if (got <= 0)
                break;
            r->at = 0;
            r->n = (size_t)got;
        }
        char c = r->buffer[r->at++];
        if (c == '\n') {
            out[n] = '\0';
            return true;
        }
        if (n < size - 1)
            out[n++] = c;
    }
    out[n] = '\0';
    return n > 0;
}

static enum mapping_kind kind_of(const struct scan *s, uintptr_t start, uintptr_t end,
                                 const char *permissions, const char *name)
{
    bool is_next = start == s->last_end;
    if (start >= s->skip && end <= s->skip_end)
        return MAPPING_OTHER;
    if (name[0] == '/' || strcmp(name, "[vdso]") == 0)
        return MAPPING_PROGRAM;
    if (strcmp(name, "[stack]") == 0)
        return MAPPING_STACK;
    if (name[0] != '\0')
        return MAPPING_OTHER;
    if (strncmp(permissions, "---", 3) == 0)
        return MAPPING_GUARD;
    if (is_next && s->last_kind == MAPPING_GUARD)
        return MAPPING_STACK;
    if ((is_next && s->last_is_file) || end - start < SMALL_BYTES)
        return MAPPING_PROGRAM;
    return MAPPING_OTHER;
}

/* "7f00-7f10 rw-p 00000000 00:00 0   [heap]"; false when the line is not a mapping's first. */
static bool scan_head(struct scan *s, const char *line)
{
    uintptr_t start, end;
    char permissions[8];
    int name_at = 0;
    if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %7s %*s %*s %*s %n", &start, &end, permissions,
               &name_at) < 3)
        return false;
    const char *name = name_at > 0 ? line + name_at : "";
    enum mapping_kind kind = kind_of(s, start, end, permissions, name);
    s->is_file = name[0] == '/';
    s->kind = kind;
    s->last_kind = kind;
    s->last_is_file = s->is_file;
    s->last_end = end;
    return true;
}

static void scan_rss(struct scan *s, uint64_t bytes)
{
    s->sums->rss_bytes += bytes;
    if (s->kind == MAPPING_PROGRAM)
        s->sums->program_bytes += bytes;
    else if (s->kind == MAPPING_STACK)
        s->sums->stacks_bytes += bytes;
}

bool mappings_read(const char *path, const void *skip, size_t skip_bytes, struct mappings *ret)
{
    struct reader r = {.fd = open(path, O_RDONLY | O_CLOEXEC)};
    struct scan s = {
        .sums = ret, .skip = (uintptr_t)skip, .skip_end = (uintptr_t)skip + skip_bytes};
    char line[512];
    memset(ret, 0, sizeof(*ret));
    if (r.fd < 0)
        return false;
    while (next_line(&r, line, sizeof(line))) {
        uint64_t kib;
        bool is_field = line[0] >= 'A' && line[0] <= 'Z';
        if (!is_field)
            scan_head(&s, line);
        else if (sscanf(line, "Rss: %" SCNu64 " kB", &kib) == 1)
            scan_rss(&s, kib * 1024);
    }
    close(r.fd);
    return true;
}
