/* The tail of a chunk's head: where its bytes lie. Private to chunk*.c.
 *
 * The first CHUNK_INLINE_BYTES stand in the head, the others in a chain of slots of 128 bytes, both
 * in the pool `open` (slots.h). Bytes behind the published n_bytes may be written while others read
 * those before; to write anew what is published takes new slots.
 *
 * Threads: as chunk.h. */
#ifndef HG_TSDB_CHUNK_TAIL_H
#define HG_TSDB_CHUNK_TAIL_H

#include "tsdb/chunk.h"

/* The slots that a tail's bytes take. */
uint32_t chunk_tail_pieces(const struct tail *t);

/* Bytes of the head and the tail's slots that are not slack. */
size_t chunk_tail_payload(const struct chunk_head *h);

/* Unpacks a tail of at most BLOCK_SAMPLES_MAX samples. */
void chunk_tail_decode(const struct arena *a, const struct chunk_head *h, uint32_t *ret_places,
                       uint64_t *ret_values);

/* Adds a sample behind the last to the caller's copy of a head, whose tail has one. False without
 * memory (the change has failed). */
bool chunk_tail_step(struct change *c, struct chunk_head *h, uint32_t place,
                     uint64_t value) WARN_UNUSED;

/* Replaces the tail by n (1 .. BLOCK_SAMPLES_MAX) samples. False as above. */
bool chunk_tail_rewrite(struct change *c, struct chunk_head *h, slot timeline,
                        const uint32_t *places, const uint64_t *values, uint32_t n) WARN_UNUSED;

/* Where n bytes behind the first `from` of the tail go without a slot more, outside the head; NULL
 * = nowhere. */
uint8_t *chunk_tail_room(const struct arena *a, const struct chunk_head *h, size_t from, size_t n);

/* Samples after which a tail is full, if it is more than a run. */
enum { FIRST_TAIL_MIN = 65, FIRST_TAIL_SPREAD = 64 };
static inline uint32_t chunk_tail_max(const struct chunk_head *h, uint32_t phase)
{
    bool has_blocks = h->last.n_blocks > 0 || h->sheaves.n > 0;
    return has_blocks ? (uint32_t)BLOCK_SAMPLES_MAX : FIRST_TAIL_MIN + phase % FIRST_TAIL_SPREAD;
}

/* A run so long is a block of its own when the value changes. */
enum { RUN_MIN = 64 };

/* Gives the tail's slots back and empties it. */
void chunk_tail_drop(struct change *c, struct chunk_head *h);

/* Parts of chunk.c for its writer. */
struct sheaf chunk_only_sheaf(const struct chunk *c);
uint32_t chunk_find_sheaf(const struct arena *a, const struct chunk_head *h,
                          uint32_t time); /* sheaves.n = the last one */
void chunk_tail_times(const struct arena *a, struct times_cache *t, const struct chunk_tail *tail,
                      uint32_t *ret);

#endif
