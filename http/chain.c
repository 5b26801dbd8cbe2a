#include "http/chain.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void chain_init(struct chain *c, struct region *r)
{
    memset(c, 0, sizeof(*c));
    c->region = r;
}

static bool add_block(struct chain *c)
{
    size_t bytes =
        c->last ? (c->last->capacity + sizeof(struct chain_block)) * 2 : (size_t)CHAIN_FIRST_BYTES;
    bytes = size_min(bytes, CHAIN_BLOCK_BYTES_MAX);
    struct chain_block *b = c->is_out_of_memory ? NULL : region_alloc(c->region, bytes);
    if (!b) {
        c->is_out_of_memory = true;
        return false;
    }
    b->next = NULL;
    b->n = 0;
    b->capacity = bytes - sizeof(*b);
    if (c->last)
        c->last->next = b;
    else
        c->first = b;
    c->last = b;
    return true;
}

void chain_put(struct chain *c, const char *bytes, size_t n)
{
    while (n > 0) {
        if ((!c->last || c->last->n == c->last->capacity) && !add_block(c))
            return;
        size_t part = size_min(n, c->last->capacity - c->last->n);
        memcpy(c->last->bytes + c->last->n, bytes, part);
        c->last->n += part;
        c->n_bytes += part;
        bytes += part;
        n -= part;
    }
}

void chain_put_text(struct chain *c, const char *text)
{
    chain_put(c, text, strlen(text));
}

void chain_printf(struct chain *c, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (n > 0)
        chain_put(c, text, size_min((size_t)n, sizeof(text) - 1));
}

void chain_put_u64(struct chain *c, uint64_t v)
{
    char digits[20];
    size_t at = sizeof(digits);
    do {
        digits[--at] = (char)('0' + v % 10);
        v /= 10;
    } while (v > 0);
    chain_put(c, digits + at, sizeof(digits) - at);
}

void chain_put_i64(struct chain *c, int64_t v)
{
    if (v < 0)
        chain_put(c, "-", 1);
    chain_put_u64(c, v < 0 ? 0 - (uint64_t)v : (uint64_t)v);
}

/* Whether there is anything left, at->offset in at->block then. */
static bool find_rest(struct chain_reader *at)
{
    while (at->block && at->offset == at->block->n) {
        at->block = at->block->next;
        at->offset = 0;
    }
    return at->block;
}

void chain_take(struct chain_reader *at, void *out, size_t n)
{
    char *to = out;
    while (n > 0) {
        ENSURE(find_rest(at));
        size_t part = size_min(n, at->block->n - at->offset);
        memcpy(to, at->block->bytes + at->offset, part);
        at->offset += part;
        to += part;
        n -= part;
    }
}

bool chain_next(const struct chain *c, struct chain_reader *at, const char **ret, size_t *ret_n)
{
    if (!at->is_started) {
        at->block = c->first;
        at->is_started = true;
    }
    if (!find_rest(at))
        return false;
    *ret = at->block->bytes + at->offset;
    *ret_n = at->block->n - at->offset;
    const char *mark = c->expand ? memchr(*ret, CHAIN_MARK, *ret_n) : NULL;
    if (mark == *ret) {
        at->offset++;
        *ret_n = c->expand(c->expand_ctx, at, ret);
        return true;
    }
    if (mark)
        *ret_n = (size_t)(mark - *ret);
    at->offset += *ret_n;
    return true;
}

size_t chain_read(const struct chain *c, struct chain_reader *at, char *out, size_t size)
{
    size_t n = 0;
    while (n < size && (at->n_piece > 0 || chain_next(c, at, &at->piece, &at->n_piece))) {
        size_t part = size_min(size - n, at->n_piece);
        memcpy(out + n, at->piece, part);
        at->piece += part;
        at->n_piece -= part;
        n += part;
    }
    return n;
}
