/* A table from the hash of a thing to its id, 7 or 16 bytes an entry and nothing in the thing.
 *
 * Entries lie in lines of 128 bytes, two of those in which memory comes to the processor and
 * which it fetches together, so a lookup mostly waits once. An entry is a part of the hash, the
 * stored key, and the id. Two kinds:
 *
 *     LINES_TRUSTED   12 bytes of key, 8 entries a line   equal keys mean equal things
 *     LINES_TAGGED     3 bytes of key, 18 entries a line  many things share a key: the caller's
 *                                                         callback says which one is meant
 *
 *                  top `depth` bits of the key
 *     directory -------------------------------> segment: 1 to 32 pages of 128 lines
 *                                                   next bits of the key -> line
 *
 * A segment grows and shrinks by being made anew in another number of pages, splits in two when it
 * has 32 full ones, and merges with its other half again. Where an entry lies follows from its
 * stored key, so nobody is asked for hashes. The bytes of a table that only grew follow from the
 * keys in it; one that shrank takes an eighth more at most, and two pages a segment.
 *
 * Keys must be spread well over all their bits, the top ones first.
 *
 * Threads: the caller's lock guards a table. */
#ifndef HG_ALLOC_LINES_H
#define HG_ALLOC_LINES_H

#include "alloc/table.h"

enum {
    LINES_BYTES = 128,
    LINES_PER_PAGE = ARENA_PAGE_BYTES / LINES_BYTES,
    LINES_SEGMENT_PAGES = 32,
    LINES_DEPTH_MAX = 12, /* 4,096 segments: 120 million entries of 16 bytes */
    /* Of a segment's entries at most: more take longer to find. */
    LINES_TRUSTED_FILL_PERCENT = 90,
    LINES_TAGGED_FILL_PERCENT = 90,
};

enum lines_kind { LINES_TRUSTED, LINES_TAGGED };

/* The bits of a hash that a table looks at; LINES_TAGGED at the top 24 of high only. */
struct lines_key {
    uint64_t high;
    uint32_t low;
};

struct lines_segment {
    uint32_t n;       /* entries */
    uint16_t n_pages; /* 0 only in a table without entries */
    uint16_t prefix;  /* the top bits of its keys .. */
    uint8_t depth;    /* .. this many */
    page_no pages[LINES_SEGMENT_PAGES];
};

struct lines {
    uint32_t n;            /* entries */
    uint32_t n_pages;      /* of lines */
    uint32_t n_segments;   /* 0 while depth is 0: then there is `only` */
    page_no directory;     /* of uint16_t: top bits of a key -> number of the segment */
    struct table segments; /* of struct lines_segment */
    struct lines_segment only;
    uint16_t owner;
    uint8_t depth; /* bits that the directory looks at */
    uint8_t kind;
    bool is_reserved; /* from lines_reserve to lines_fit: may have pages and no entries */
};

/* Whether an entry with the key that is sought is the one. */
typedef bool (*lines_verify)(const void *ctx, uint32_t id);
/* Whether an entry may be dropped. */
typedef bool (*lines_is_dead)(const void *ctx, uint32_t id);
/* Whether a thing has that key, as far as the table keeps it. */
typedef bool (*lines_has_key)(const void *ctx, uint32_t id, struct lines_key key);

void lines_init(struct lines *l, enum lines_kind kind, unsigned owner);
void lines_release(struct arena *a, struct lines *l);

/* The id of the first entry with that key for which verify says yes (NULL = of the first), or 0. */
uint32_t lines_find(const struct arena *a, const struct lines *l, struct lines_key key,
                    lines_verify verify, const void *ctx);

/* lines_find without verify for many at once, LINES_TRUSTED only: lines_ask asks the processor for
 * the lines where keys[0 .. n) should be, lines_answer looks, and fills ids. In between the table
 * must not change, and the caller does something else, while the lines come. */
enum { LINES_SEARCH_MAX = 32 };

struct lines_search {
    uint32_t n; /* up to LINES_SEARCH_MAX */
    uint32_t ids[LINES_SEARCH_MAX];
    struct lines_key keys[LINES_SEARCH_MAX];
    struct { /* lines.c */
        const void *line;
        const struct lines_segment *segment;
        uint32_t number;
    } at[LINES_SEARCH_MAX];
    uint8_t pending[LINES_SEARCH_MAX];
};

void lines_ask(const struct arena *a, const struct lines *l, struct lines_search *search);
void lines_answer(const struct arena *a, const struct lines *l, struct lines_search *search);

/* Enters an id, not 0; an entry with that key and id must not be there. False (nothing changed)
 * when memory is exhausted, or when more entries than a segment holds agree in as many bits as
 * segments can be told apart by. */
bool lines_insert(struct arena *a, struct lines *l, struct lines_key key, uint32_t id) WARN_UNUSED;

/* Takes at once what an empty table would have taken when it has grown to n entries, one segment's
 * at most: so that these are not moved again and again until then. lines_fit afterwards gives back
 * what was too much; then the table takes what it would without. Both do nothing without memory. */
void lines_reserve(struct arena *a, struct lines *l, uint32_t n);
void lines_fit(struct arena *a, struct lines *l);

/* Takes an entry out; false when it is not there. */
bool lines_remove(struct arena *a, struct lines *l, struct lines_key key, uint32_t id);

/* Gives an entry another id; false when it is not there. Takes no memory. */
bool lines_replace(struct arena *a, struct lines *l, struct lines_key key, uint32_t from,
                   uint32_t to);

/* Drops the dead entries of one segment, and says which one is next: called again and again, with
 * *io_segment 0 at first, it comes by all of them. Returns how many were dropped. */
uint32_t lines_purge(struct arena *a, struct lines *l, uint32_t *io_segment, lines_is_dead is_dead,
                     const void *ctx);

/* Walks the ids of all entries, an id as often as it was entered; *io_at is 0 at first. 0 after the
 * last. The table must not change meanwhile. */
uint32_t lines_next(const struct arena *a, const struct lines *l, uint64_t *io_at);

/* What it holds of the arena. */
static inline size_t lines_bytes(const struct lines *l)
{
    size_t n_pages = (size_t)l->n_pages + (l->directory != 0) + l->segments.n_pages;
    return n_pages * ARENA_PAGE_BYTES;
}

/* Recounts everything; has_key may be NULL. */
bool lines_check(const struct arena *a, const struct lines *l, lines_has_key has_key,
                 const void *ctx);

#endif
