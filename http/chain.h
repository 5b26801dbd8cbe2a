/* A growing text in blocks: what an answer is written into and sent from, without ever being copied
 * whole. Blocks come from a region and double in size, so a short answer costs little.
 *
 * Running out of memory is remembered and not reported by each call: write everything, then ask
 * chain_failed once. Threads: one at a time. */
#ifndef HG_HTTP_CHAIN_H
#define HG_HTTP_CHAIN_H

#include "alloc/region.h"

enum { CHAIN_FIRST_BYTES = 2048, CHAIN_BLOCK_BYTES_MAX = 256 * 1024 };

struct chain_block {
    struct chain_block *next;
    size_t n, capacity;
    char bytes[];
};

struct chain {
    struct region *region; /* borrowed: owns the blocks */
    struct chain_block *first, *last;
    size_t n_bytes;
    bool is_out_of_memory;
};

/* A place in a chain, for reading on from there. Zero it to start at the front. */
struct chain_reader {
    const struct chain_block *block;
    size_t offset;
    bool is_started;
};

void chain_init(struct chain *c, struct region *r);
void chain_put(struct chain *c, const char *bytes, size_t n);
void chain_put_text(struct chain *c, const char *text);
/* At most 1023 bytes at once; what is longer is cut. */
void chain_printf(struct chain *c, const char *format, ...) PRINTF_LIKE(2, 3);
void chain_put_u64(struct chain *c, uint64_t v);
void chain_put_i64(struct chain *c, int64_t v);

static inline bool chain_failed(const struct chain *c)
{
    return c->is_out_of_memory;
}

/* Copies the next bytes, at most size; 0 at the end. */
size_t chain_read(const struct chain *c, struct chain_reader *at, char *out, size_t size);

#endif
