/* What a mapping is, by what stands beside it:
 *
 *     a file                                        program
 *     nameless, right behind a file's               program: the part of .data and .bss past the
 *                                                   file
 *     nameless and small                            program: the loader's own memory, TLS of main
 *     [stack]; nameless, right behind a guard page  stacks: glibc maps PROT_NONE below each stack
 *     [heap]                                        libc's heap: mallinfo2 counts it, here only
 *                                                   where it has no memory
 *     nameless and large                            large pieces of libc's heap, which mallinfo2
 *                                                   counts, or what nobody owns
 *
 * Files are read through a small buffer line by line; neither their size nor the number of mappings
 * is bounded. Rejected: mincore, which says for a file's pages whether anybody has them in memory.
 */
#include "http/mappings.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { SMALL_BYTES = 128 * 1024 }; /* malloc maps nothing smaller: M_MMAP_THRESHOLD */

/* No stack and no .bss is as large; the sanitizers' shadow behind their guards is. */
#define NAMELESS_BYTES_MAX ((uintptr_t)1 << 30)

enum mapping_kind { MAPPING_OTHER, MAPPING_PROGRAM, MAPPING_STACK, MAPPING_GUARD, MAPPING_HEAP };

struct reader {
    int fd;
    size_t at, n;
    char buffer[8192];
};

struct scan {
    struct mappings *sums;
    int pagemap_fd; /* -1 = the lines are of smaps, and say what is resident themselves */
    uintptr_t skip, skip_end;
    uintptr_t start, last_end; /* of the mapping of the last line */
    enum mapping_kind kind, last_kind;
    bool last_is_file;
};

/* The next line without its newline, cut to size; false at the end. */
static bool next_line(struct reader *r, char *out, size_t size)
{
    size_t n = 0;
    const char *end = NULL;
    while (end == NULL) {
        if (r->at == r->n) {
            ssize_t got = read(r->fd, r->buffer, sizeof(r->buffer));
            if (got <= 0)
                break;
            r->at = 0;
            r->n = (size_t)got;
        }
        const char *from = r->buffer + r->at;
        end = memchr(from, '\n', r->n - r->at);
        size_t n_here = end != NULL ? (size_t)(end - from) : r->n - r->at;
        size_t part = size_min(n_here, size - 1 - n);
        memcpy(out + n, from, part);
        n += part;
        r->at += n_here + (end != NULL);
    }
    out[n] = '\0';
    return end != NULL || n > 0;
}

static unsigned digit_of(char c)
{
    unsigned digit = (unsigned)c - '0', letter = (unsigned)c - 'a';
    return digit < 10 ? digit : letter < 6 ? letter + 10 : UINT_MAX;
}

/* The number at *at, of at least a digit, with `behind` after it; *at moves behind that. */
static bool get_number(const char **at, unsigned base, char behind, uint64_t *ret)
{
    const char *p = *at;
    uint64_t v = 0;
    for (; digit_of(*p) < base; p++)
        v = v * base + digit_of(*p);
    if (p == *at || *p != behind)
        return false;
    *at = p + 1;
    *ret = v;
    return true;
}

/* Behind the next n words and the spaces that follow each. */
static const char *behind_words(const char *at, unsigned n)
{
    for (; n > 0; n--) {
        at += strcspn(at, " ");
        at += strspn(at, " ");
    }
    return at;
}

/* "Rss:      1234 kB". */
static bool get_rss(const char *line, uint64_t *ret_kib)
{
    static const char name[] = "Rss:";
    const char *at = line + sizeof(name) - 1;
    if (strncmp(line, name, sizeof(name) - 1) != 0)
        return false;
    at += strspn(at, " \t");
    return get_number(&at, 10, ' ', ret_kib);
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
    if (strcmp(name, "[heap]") == 0)
        return MAPPING_HEAP;
    if (name[0] != '\0')
        return MAPPING_OTHER;
    if (strncmp(permissions, "---", 3) == 0)
        return MAPPING_GUARD;
    if (end - start > NAMELESS_BYTES_MAX)
        return MAPPING_OTHER;
    if (is_next && s->last_kind == MAPPING_GUARD)
        return MAPPING_STACK;
    if ((is_next && s->last_is_file) || end - start < SMALL_BYTES)
        return MAPPING_PROGRAM;
    return MAPPING_OTHER;
}

/* Bytes of [start, end) that have memory; at most end - start. */
static uint64_t resident_bytes(int pagemap_fd, uintptr_t start, uintptr_t end)
{
    uint64_t entries[512]; /* one a page; bit 63 = it is present */
    size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    uint64_t n_present = 0;
    for (size_t page = start / page_bytes, last = end / page_bytes; page < last;) {
        size_t n = size_min(last - page, ARRAY_LEN(entries));
        ssize_t got =
            pread(pagemap_fd, entries, n * sizeof(entries[0]), (off_t)(page * sizeof(entries[0])));
        if (got < (ssize_t)sizeof(entries[0]))
            break;
        n = (size_t)got / sizeof(entries[0]);
        for (size_t i = 0; i < n; i++)
            n_present += entries[i] >> 63;
        page += n;
    }
    return n_present * page_bytes;
}

static void add_resident(struct scan *s, uint64_t bytes)
{
    if (s->kind == MAPPING_PROGRAM)
        s->sums->program_bytes += bytes;
    else if (s->kind == MAPPING_STACK)
        s->sums->stacks_bytes += bytes;
    else if (s->kind == MAPPING_HEAP)
        s->sums->heap_holes_bytes += s->last_end - s->start - bytes;
}

/* "7f00-7f10 rw-p 00000000 00:00 0   [heap]"; passes over a line that is not a mapping's first. */
static void scan_head(struct scan *s, const char *line)
{
    uint64_t start, end;
    const char *permissions = line;
    if (!get_number(&permissions, 16, '-', &start) || !get_number(&permissions, 16, ' ', &end))
        return;
    const char *name = behind_words(permissions, 4); /* they, offset, device, inode */
    s->kind = kind_of(s, start, end, permissions, name);
    s->last_kind = s->kind;
    s->last_is_file = name[0] == '/';
    s->start = start;
    s->last_end = end;
    if (s->pagemap_fd >= 0 && s->kind != MAPPING_OTHER && s->kind != MAPPING_GUARD)
        add_resident(s, resident_bytes(s->pagemap_fd, start, end));
}

static int open_in(const char *dir, const char *name)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    return open(path, O_RDONLY | O_CLOEXEC);
}

bool mappings_read(const char *dir, const void *skip, size_t skip_bytes, struct mappings *ret)
{
    struct scan s = {.sums = ret,
                     .pagemap_fd = open_in(dir, "pagemap"),
                     .skip = (uintptr_t)skip,
                     .skip_end = (uintptr_t)skip + skip_bytes};
    struct reader r = {.fd = open_in(dir, s.pagemap_fd >= 0 ? "maps" : "smaps")};
    char line[512];
    bool is_open = r.fd >= 0;
    memset(ret, 0, sizeof(*ret));
    while (is_open && next_line(&r, line, sizeof(line))) {
        uint64_t kib;
        bool is_field = line[0] >= 'A' && line[0] <= 'Z';
        if (!is_field)
            scan_head(&s, line);
        else if (get_rss(line, &kib))
            add_resident(&s, kib * 1024);
    }
    if (r.fd >= 0)
        close(r.fd);
    if (s.pagemap_fd >= 0)
        close(s.pagemap_fd);
    return is_open;
}

static uint64_t rss_of_statm(const char *dir)
{
    struct reader r = {.fd = open_in(dir, "statm")};
    char line[256];
    const char *at = line;
    uint64_t n = 0;
    if (r.fd < 0)
        return 0;
    bool is_found = next_line(&r, line, sizeof(line)) && get_number(&at, 10, ' ', &n) &&
                    get_number(&at, 10, ' ', &n);
    close(r.fd);
    return is_found ? n * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}

uint64_t mappings_rss(const char *dir, bool is_exact)
{
    uint64_t about = rss_of_statm(dir), kib = 0;
    if (about > MAPPINGS_COUNTED_BYTES_MAX && !is_exact)
        return about;
    struct reader r = {.fd = open_in(dir, "smaps_rollup")};
    char line[512];
    bool is_found = false;
    while (!is_found && r.fd >= 0 && next_line(&r, line, sizeof(line)))
        is_found = get_rss(line, &kib);
    if (r.fd >= 0)
        close(r.fd);
    return is_found ? kib * 1024 : about;
}
