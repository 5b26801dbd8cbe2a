/* Byte strings that are named by ids, in bundles: short ones cost their bytes and about one more.
 *
 * Up to 64 strings of consecutive ids share one slot, a bundle. Which slot it is stands in a table,
 * 4 bytes a bundle; where in it a string begins is the sum of the lengths before it.
 *
 *     id = number of the bundle * 64 + place
 *     bundle = | head: number, places | length of each place | bytes, one after the other |
 *
 * A length takes a byte: 0 = no string has the place, 1 .. 126 = so many bytes lie here, with the
 * top bit = 4 bytes lie here, the slot of a string that is longer and lies alone. So a bundle
 * of the longest strings fits a slot, and nothing is chained.
 *
 * Two ways to use a struct strings, one or the other:
 * - strings_add chooses the id. Places that came free are used again, and a bundle takes no more
 *   when it would pass STRINGS_BUNDLE_BYTES; so ids are dense but not without gaps. 0 is no id.
 * - strings_put stores at an id of the caller's. The bundle has whatever size it needs.
 *
 * Cost, measured with 1.15 million strings of 15 bytes: 16.5 bytes a string.
 *
 * Bundles may be moved (kind_compact with strings_move); ids stay. What strings_at returns is
 * borrowed until the next change of the structure.
 *
 * Invariant: strings = places in use over all bundles, each bundle is in the table under its
 * number, and those that take more strings are in the list of open ones.
 *
 * Threads: the caller's lock guards a struct strings. */
#ifndef HG_ALLOC_STRINGS_H
#define HG_ALLOC_STRINGS_H

#include "alloc/kind.h"
#include "alloc/table.h"

enum {
    STRINGS_BUNDLE_SHIFT = 6,
    STRINGS_BUNDLE = 1 << STRINGS_BUNDLE_SHIFT, /* ids of a bundle */
    STRINGS_BUNDLE_BYTES = 1024,                /* that strings_add fills a bundle to */
    STRINGS_IN_BUNDLE_MAX = 126,                /* bytes of a string that lies in its bundle */
    STRINGS_BYTES_MAX = KIND_BYTES_MAX - 8,     /* of any string */
};

struct strings {
    struct table bundles; /* of slot, by number */
    struct kind slots;    /* of bundles, and of strings that lie alone */
    uint32_t open;        /* the first bundle that takes more strings, 0 = none */
    uint32_t n_bundles;
    uint32_t next_free; /* strings_add: every number from 1 up to here is taken */
    uint64_t n;
    uint64_t n_bytes; /* of all strings */
};

struct bytes {
    const char *at;
    size_t n;
};

/* owner_...: rows of the budget. release returns all memory, whatever is there. */
void strings_init(struct strings *s, unsigned owner_slots, unsigned owner_table);
void strings_release(struct arena *a, struct strings *s);

/* Stores a copy of n (1 .. STRINGS_BYTES_MAX) bytes; its id, or 0 (nothing changed) without
 * memory or when ids have run out. */
uint32_t strings_add(struct arena *a, struct strings *s, const void *bytes, size_t n) WARN_UNUSED;

/* Stores it at an id that has none; false (nothing changed) without memory. */
bool strings_put(struct arena *a, struct strings *s, uint32_t id, const void *bytes,
                 size_t n) WARN_UNUSED;

/* The string of an id that has one. */
struct bytes strings_at(const struct arena *a, const struct strings *s, uint32_t id);

/* Whether an id has a string. */
bool strings_has(const struct arena *a, const struct strings *s, uint32_t id);

/* Asks for the memory that strings_at will read first, and for what it will read next: to be called
 * one after the other for many ids, so that their waits overlap. The id has a string. */
void strings_fetch_bundle(const struct arena *a, const struct strings *s, uint32_t id);
void strings_fetch(const struct arena *a, const struct strings *s, uint32_t id);

/* Takes out the string of an id that has one. Needs no memory; with memory at hand the bundle gets
 * a smaller slot when it has become two sizes smaller. */
void strings_remove(struct arena *a, struct strings *s, uint32_t id);

/* The lowest id above `id` that has a string; 0 = none. */
uint32_t strings_next(const struct arena *a, const struct strings *s, uint32_t id);

/* A slot was copied to another: redirects what leads to it. A kind_move whose ctx is a struct
 * strings_mover. */
struct strings_mover {
    struct arena *arena;
    struct strings *strings;
};
bool strings_move(void *mover, slot from, slot to);

/* Recounts everything. */
bool strings_check(const struct arena *a, const struct strings *s);

#endif
