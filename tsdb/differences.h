/* Up to 128 integers that lie close together but for a few: bit-packed with exceptions.
 * docs/column-format.md section 2 specifies the bytes. Differences of times and of values, and
 * values themselves, are written so.
 *
 * Each number is base + low + (high << width) modulo 2^64. The low halves are packed at one width;
 * a high half is 0 but for the exceptions, whose places and high halves follow, the latter in the
 * same form once more (at most DIFFERENCES_LEVELS deep). A run of equal numbers with a few others
 * in between is width 0 with exceptions, so run lengths need no encoding of their own.
 *
 * Threads: pure functions on the caller's memory. */
#ifndef HG_TSDB_DIFFERENCES_H
#define HG_TSDB_DIFFERENCES_H

#include "tsdb/places.h"

enum {
    DIFFERENCES_MAX = 128, /* numbers */
    DIFFERENCES_GROUP = 8,
    DIFFERENCES_LEVELS = 3, /* numbers, their exceptions, the exceptions' exceptions */
    /* What DIFFERENCES_MAX of any numbers need at most: a base, a width and 64 bits each. */
    DIFFERENCES_BYTES_MAX = 11 + DIFFERENCES_MAX * 8,
};

struct differences_level {
    int64_t base;
    uint8_t width;        /* bits, 0 .. 64 */
    uint8_t n_exceptions; /* 0: there is no further level */
    struct place_set exceptions;
};

/* How certain numbers will be written: what differences_plan found to be short. */
struct differences_plan {
    struct differences_level levels[DIFFERENCES_LEVELS];
    size_t n_bytes;
};

/* What n (1 .. DIFFERENCES_MAX) numbers take from the least one up with no exceptions: quick to
 * know, and a plan never takes more. */
size_t differences_plain_bytes(const int64_t *d, uint32_t n);

/* Decides how to write n (1 .. DIFFERENCES_MAX) numbers; writes nothing. */
void differences_plan(const int64_t *d, uint32_t n, struct differences_plan *ret);

/* Writes the numbers that the plan was made for: plan->n_bytes. */
void differences_put_planned(uint8_t *out, const int64_t *d, uint32_t n,
                             const struct differences_plan *plan);

/* Plans and writes. Returns how many bytes, or 0 when that is more than room: out is untouched. */
size_t differences_put(uint8_t *out, size_t room, const int64_t *d, uint32_t n);

/* Reads n (1 .. DIFFERENCES_MAX) numbers from [*at, end) and moves *at behind them. d has room for
 * n rounded up to a multiple of DIFFERENCES_GROUP; what is written behind the n numbers is
 * unspecified. False, with *at unspecified, when the bytes are cut off or no writer makes them;
 * never reads outside. */
bool differences_get(const uint8_t **at, const uint8_t *end, int64_t *d, uint32_t n) WARN_UNUSED;

#endif
