/* How lines, entries and segments lie in memory, for lines.c, which has the idea, and for
 * lines_check.c; for nobody else. The table is the caller's, whose lock guards it. */
#ifndef HG_ALLOC_LINES_INSIDE_H
#define HG_ALLOC_LINES_INSIDE_H

#include "alloc/lines.h"

enum {
    TRUSTED_PER_LINE = 8,
    TAGGED_PER_LINE = 18,
    TAG_SHIFT = 40, /* the top 24 bits of high */
};

/* The half that tells most entries apart lies in one line of the cache. */
struct trusted_line {
    uint64_t high[TRUSTED_PER_LINE];
    uint32_t low[TRUSTED_PER_LINE];
    uint32_t ids[TRUSTED_PER_LINE]; /* 0 = empty, as those behind it */
};

struct tagged_line {
    uint32_t ids[TAGGED_PER_LINE];
    uint16_t low[TAGGED_PER_LINE];
    uint8_t high[TAGGED_PER_LINE];
    uint8_t unused[2];
};

_Static_assert(sizeof(struct trusted_line) == LINES_BYTES, "a line");
_Static_assert(sizeof(struct tagged_line) == LINES_BYTES, "a line");
_Static_assert(LINES_SEGMENT_PAGES *LINES_PER_PAGE <= 1 << (24 - LINES_DEPTH_MAX + 1),
               "24 bits tell most lines of all segments apart");
_Static_assert((1 << LINES_DEPTH_MAX) * sizeof(uint16_t) <= ARENA_PAGE_BYTES,
               "the directory is a page");

struct entry {
    struct lines_key key;
    uint32_t id;
};

/* ---- lines ---- */

static inline unsigned per_line(const struct lines *l)
{
    return l->kind == LINES_TRUSTED ? TRUSTED_PER_LINE : TAGGED_PER_LINE;
}

static inline struct lines_key stored(const struct lines *l, struct lines_key key)
{
    if (l->kind == LINES_TRUSTED)
        return key;
    return (struct lines_key){key.high >> TAG_SHIFT << TAG_SHIFT, 0};
}

static inline uint32_t id_at(const struct lines *l, const void *line, unsigned i)
{
    return l->kind == LINES_TRUSTED ? ((const struct trusted_line *)line)->ids[i]
                                    : ((const struct tagged_line *)line)->ids[i];
}

static inline struct entry entry_at(const struct lines *l, const void *line, unsigned i)
{
    if (l->kind == LINES_TRUSTED) {
        const struct trusted_line *t = line;
        return (struct entry){{t->high[i], t->low[i]}, t->ids[i]};
    }
    const struct tagged_line *t = line;
    uint64_t tag = (uint64_t)t->high[i] << 16 | t->low[i];
    return (struct entry){{tag << TAG_SHIFT, 0}, t->ids[i]};
}

static inline void put_entry(const struct lines *l, void *line, unsigned i, struct entry e)
{
    if (l->kind == LINES_TRUSTED) {
        struct trusted_line *t = line;
        t->high[i] = e.key.high;
        t->low[i] = e.key.low;
        t->ids[i] = e.id;
    } else {
        struct tagged_line *t = line;
        t->ids[i] = e.id;
        t->low[i] = (uint16_t)(e.key.high >> TAG_SHIFT);
        t->high[i] = (uint8_t)(e.key.high >> (TAG_SHIFT + 16));
    }
}

static inline bool is_full(const struct lines *l, const void *line)
{
    return id_at(l, line, per_line(l) - 1) != 0;
}

/* ---- segments ---- */

static inline uint32_t n_lines(const struct lines_segment *s)
{
    return (uint32_t)s->n_pages * LINES_PER_PAGE;
}

static inline void *line_at(const struct arena *a, const struct lines_segment *s, uint32_t line)
{
    char *page = arena_page(a, s->pages[line / LINES_PER_PAGE]);
    return page + (size_t)(line % LINES_PER_PAGE) * LINES_BYTES;
}

static inline uint32_t home_of(const struct lines_segment *s, struct lines_key key)
{
    return (uint32_t)((key.high << s->depth >> 32) * n_lines(s) >> 32);
}

static inline uint32_t next_line(const struct lines_segment *s, uint32_t line)
{
    return line + 1 < n_lines(s) ? line + 1 : 0;
}

/* How far a line is behind a home line. */
static inline uint32_t distance(const struct lines_segment *s, uint32_t home, uint32_t line)
{
    return line >= home ? line - home : line + n_lines(s) - home;
}

static inline uint32_t prefix_of(struct lines_key key, unsigned depth)
{
    return depth > 0 ? (uint32_t)(key.high >> (64 - depth)) : 0;
}

static inline uint16_t *directory(const struct arena *a, const struct lines *l)
{
    return arena_page(a, l->directory);
}

static inline struct lines_segment *segment_at(const struct arena *a, const struct lines *l,
                                               uint32_t number)
{
    return table_at(a, &l->segments, number);
}

static inline const struct lines_segment *segment_of(const struct arena *a, const struct lines *l,
                                                     struct lines_key key)
{
    if (l->depth == 0)
        return &l->only;
    return segment_at(a, l, directory(a, l)[prefix_of(key, l->depth)]);
}

/* Entries that a page may have. */
static inline uint32_t page_entries(const struct lines *l)
{
    uint32_t percent =
        l->kind == LINES_TRUSTED ? LINES_TRUSTED_FILL_PERCENT : LINES_TAGGED_FILL_PERCENT;
    return LINES_PER_PAGE * per_line(l) * percent / 100;
}

#endif
