/* One change to one chunk, while it is being made: what the writers of chunks share (chunk_write.c,
 * chunk_delete.c). Private to chunk*.c.
 *
 *     chunk_work_begin      copies the chunk and its head
 *     ...                   the copies change; slots are taken and noted as replaced (slots.h)
 *     chunk_work_publish    the copies become the truth, or nothing has happened
 *
 * A step that fails says so in the work (is_good), not in its answer.
 *
 * Threads: as chunk.h. */
#ifndef HG_TSDB_CHUNK_WORK_H
#define HG_TSDB_CHUNK_WORK_H

#include "tsdb/chunk_tail.h"

struct work {
    const struct chunk_writer *w;
    struct change change;
    struct chunk c;
    struct chunk_head h; /* of CHUNK_HEAD */
    int err;             /* of what is not the change's: a timeline that could not grow */
};

static inline const struct arena *arena_of(const struct work *k)
{
    return k->w->slots->arena;
}

static inline bool is_good(const struct work *k)
{
    return k->err == 0 && !k->change.has_failed;
}

void chunk_work_begin(struct work *k, const struct chunk_writer *w, const struct chunk *chunk);

/* Errors: those of the work, ERR_NO_MEMORY (nothing has changed). */
int chunk_work_publish(struct work *k, struct chunk *chunk) WARN_UNUSED;

/* The time of a place, which is a time where there is no timeline (0). */
uint32_t chunk_work_time(const struct work *k, slot timeline, uint32_t place);

/* The first time of a block. */
uint32_t chunk_work_first(const struct work *k, const struct block *b);

/* Whether the chunk's last sheaf can take a block. */
static inline bool chunk_head_is_open(const struct chunk_head *h)
{
    return h->last.n_blocks > 0 && sheaf_is_open(&h->end);
}

/* The last sheaf goes to the directory, and the next block begins another. False without memory. */
bool chunk_work_move_on(struct work *k) WARN_UNUSED;

/* Gives the chunk an empty head: its samples are not in it yet. False without memory. */
bool chunk_work_make_head(struct work *k) WARN_UNUSED;

/* Gives the chunk a head, if it has none. */
void chunk_work_have_head(struct work *k);

/* Makes a block of the tail, which has a sample at least. */
void chunk_work_finish_tail(struct work *k);

/* Makes a sealed chunk of one closed sheaf. */
void chunk_work_only_sheaf(struct chunk *c, const struct sheaf *s);

/* Takes the head away: what is in it becomes a sheaf, or a row of them. */
void chunk_work_seal(struct work *k);

/* Writes n blocks as a new sheaf, which stays open if that is wanted. */
struct new_sheaf {
    struct sheaf s;
    struct sheaf_end end; /* of an open one */
};
void chunk_work_sheaf(struct work *k, const struct block *blocks, uint32_t n, bool is_open,
                      struct new_sheaf *ret);

#endif
