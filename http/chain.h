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

struct chain;
struct chain_reader;

/* What stands behind a CHAIN_MARK is not text but is made into it when it is read: this takes it
 * (chain_take) and returns how many bytes of text it lends, until it is called again. So one reader
 * at a time. */
enum { CHAIN_MARK = '\0' };
typedef size_t (*chain_expand)(void *ctx, struct chain_reader *at, const char **ret);

struct chain {
    struct region *region; /* borrowed: owns the blocks */
    struct chain_block *first, *last;
    size_t n_bytes;      /* in blocks: of the text, if nothing is to be expanded */
    chain_expand expand; /* NULL: all is text, and may contain the mark */
    void *expand_ctx;
    bool is_out_of_memory;
};

/* A place in a chain, for reading on from there. Zero it to start at the front. */
struct chain_reader {
    const struct chain_block *block;
    size_t offset;
    bool is_started;
    const char *piece; /* lent by chain_next, and not read yet */
    size_t n_piece;
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

/* Lends the next piece of the text until the next call; false at the end. Not to be mixed with
 * chain_read. */
bool chain_next(const struct chain *c, struct chain_reader *at, const char **ret, size_t *ret_n);

/* Copies bytes as they are in the blocks, for an expansion; there must be so many. */
void chain_take(struct chain_reader *at, void *out, size_t n);

#endif
