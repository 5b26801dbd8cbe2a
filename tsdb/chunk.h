/* A chunk: one series' samples of one window, as a row of blocks and a tail.
 *
 *     head slot (128 B)          block slots (any class)            tail pieces (128 B each)
 *     +--------------------+     +------+   +------+   +------+     +---------+   +---------+
 *     | links | tail state | --> | b 1  |-->| b 2  |-->| b 3  |     | 124 B   |-->| 124 B   |
 *     | first 39 B of tail |     +------+   +------+   +------+     +---------+   +---------+
 *     +--------------------+ ------------------------------------------^
 *
 * All of it lies in the window's pools, in steps of 128 bytes. A tail grows piece by piece and is
 * never copied; when it is full its samples become a block (two or more if they do not fit one) and
 * its pieces are free again. A block is never changed: a late sample that falls into it makes a new
 * one in its place. A series that does not change costs its head slot and nothing else.
 *
 * Times ascend strictly over blocks and tail together.
 *
 * Threads: the store's lock guards chunks: writing for everything that takes a `struct window`,
 * reading for the rest. */
#ifndef HG_TSDB_CHUNK_H
#define HG_TSDB_CHUNK_H

#include "tsdb/block.h"
#include "tsdb/tail.h"
#include "tsdb/window.h"

enum { CHUNK_INLINE_BYTES = 39 };

struct chunk {
    uint32_t series; /* id */
    slot next_of_window;
    slot prev; /* the series' chunk of the next older window; valid while prev_serial is live */
    uint32_t prev_serial;
    slot first_block, last_block;
    uint32_t n_block_samples;
    slot first_piece, last_piece;
    uint32_t n_pieces;
    struct tail tail;
    uint8_t first_tail_max; /* samples at which its first tail ends: 65 .. 128, spread so that
                               neighbours do not finish together */
    uint8_t inline_bytes[CHUNK_INLINE_BYTES];
};

static inline struct chunk *chunk_at(const struct arena *a, slot chunk)
{
    return slot_ptr(a, chunk);
}

/* An empty chunk in a window, entered in the window's list. phase: any number that spreads series
 * (their hash). 0 without memory. */
slot chunk_new(struct arena *a, struct window *w, uint32_t series, uint32_t phase) WARN_UNUSED;

/* Takes an empty chunk back that chunk_new made last in its window. */
void chunk_undo_new(struct arena *a, struct window *w, slot chunk);

/* Adds a sample later than all others. The first one of a chunk never fails. Errors: ERR_NO_MEMORY
 * (nothing changed). */
int chunk_append(struct arena *a, struct window *w, slot chunk, const struct sample *s) WARN_UNUSED;

/* Adds a sample whose time is not there yet, anywhere. Errors: ERR_NO_MEMORY (nothing changed). */
int chunk_insert(struct arena *a, struct window *w, slot chunk, const struct sample *s) WARN_UNUSED;

/* Adds a finished block later than all others, while the tail is empty. Errors: ERR_NO_MEMORY. */
int chunk_append_block(struct arena *a, struct window *w, slot chunk,
                       const struct block *b) WARN_UNUSED;

/* Whether there is a sample at that time, and its value. */
bool chunk_find(const struct arena *a, slot chunk, int64_t t_ms, uint64_t *ret_value);

static inline size_t chunk_samples(const struct chunk *c)
{
    return (size_t)c->n_block_samples + c->tail.n_samples;
}

/* Of a chunk that is not empty. */
int64_t chunk_first_ms(const struct arena *a, const struct chunk *c);
int64_t chunk_last_ms(const struct arena *a, const struct chunk *c);

/* At least as many samples as chunk_read would write. */
size_t chunk_samples_between(const struct arena *a, const struct chunk *c, int64_t min_ms,
                             int64_t max_ms);

/* Writes the samples with min_ms <= t <= max_ms as two columns; returns how many. The columns need
 * room for chunk_samples_between. */
size_t chunk_read(const struct arena *a, const struct chunk *c, int64_t min_ms, int64_t max_ms,
                  int64_t *ret_t_ms, uint64_t *ret_values);

/* The block in a slot (its bytes are borrowed), and the slot after it in *ret_next. */
struct block chunk_block(const struct arena *a, slot at, slot *ret_next);

/* Writes the tail's samples; returns how many. */
size_t chunk_tail(const struct arena *a, const struct chunk *c,
                  struct sample ret[BLOCK_SAMPLES_MAX]);

/* What a chunk occupies: bytes that are not slack, and slots of each class. */
struct chunk_footprint {
    uint64_t payload_bytes;
    uint64_t slots[SIZE_CLASSES];
};

/* Adds a chunk's footprint, counted anew. */
void chunk_add_footprint(const struct arena *a, const struct chunk *c, struct chunk_footprint *io);

/* Recounts: times ascend, every block decodes, the counts are right. */
bool chunk_check(const struct arena *a, slot chunk);

#endif
