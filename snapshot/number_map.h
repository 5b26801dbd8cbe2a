/* From the numbers by which a file names its series to the ids that they got in this process: pairs
 * in the order of the numbers, in a table of the arena. Numbers may have gaps of any size; a series
 * costs 8 bytes.
 *
 * Window frames name series in ascending order, so a lookup first tries where the last one ended.
 * Invariant: numbers ascend strictly from pair 0 to pair n - 1.
 *
 * Threads: one at a time. */
#ifndef HG_SNAPSHOT_NUMBER_MAP_H
#define HG_SNAPSHOT_NUMBER_MAP_H

#include "alloc/table.h"

struct number_pair {
    uint32_t number;
    uint32_t series;
};

struct number_map {
    struct arena *arena; /* borrowed */
    struct table pairs;
    uint64_t n;
    uint32_t newest;                /* number of the last pair, while there is one */
    uint64_t at;                    /* of the last lookup: the pair, or the one after it */
    const struct number_pair *pair; /* number `at`, or NULL */
    bool has_last;
    struct number_pair last; /* which it found: blocks of one series follow each other */
};

/* owner: the row of the budget that the table is charged to. */
void number_map_init(struct number_map *m, struct arena *a, unsigned owner);
void number_map_release(struct number_map *m);

/* Errors: ERR_NO_MEMORY; ERR_CORRUPT when the number is not above all that are there. */
int number_map_add(struct number_map *m, uint32_t number, uint32_t series) WARN_UNUSED;

/* Makes the pair of that number the last; false when there is none. For number_map_find. */
bool number_map_seek(struct number_map *m, uint32_t number);

/* False when no series has that number. */
static inline bool number_map_find(struct number_map *m, uint32_t number, uint32_t *ret_series)
{
    bool is_last = m->has_last && m->last.number == number;
    if (!is_last && !number_map_seek(m, number))
        return false;
    *ret_series = m->last.series;
    return true;
}

bool number_map_check(const struct number_map *m);

#endif
