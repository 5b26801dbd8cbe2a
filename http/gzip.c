#include "http/gzip.h"

#define ZLIB_CONST /* what it reads is const */
#include <zlib.h>

enum {
    WINDOW_BITS = 15,
    GZIP_HEADER = 16, /* added to the bits: gzip's frame instead of zlib's */
    MEMORY_LEVEL = 8,
    OUT_BYTES = 4096,
};

_Static_assert((1 << (WINDOW_BITS + 2)) + (1 << (MEMORY_LEVEL + 9)) < GZIP_MEMORY_BYTES,
               "as zconf.h has it, without the state");

struct gzip { /* the front of its memory */
    z_stream stream;
    struct chain *out;
    size_t taken_bytes; /* of the memory, itself included */
};

static voidpf take(voidpf opaque, uInt n, uInt size)
{
    struct gzip *g = opaque;
    size_t bytes;
    if (mul_overflows(n, size, &bytes) || bytes > GZIP_MEMORY_BYTES - g->taken_bytes)
        return Z_NULL;
    char *at = (char *)g + g->taken_bytes;
    g->taken_bytes = size_min(align_up(g->taken_bytes + bytes, REGION_ALIGN), GZIP_MEMORY_BYTES);
    return at;
}

static void leave(voidpf opaque, voidpf at)
{
    (void)opaque;
    (void)at; /* goes with the region */
}

struct gzip *gzip_begin(struct region *r, struct chain *out)
{
    struct gzip *g = region_alloc(r, GZIP_MEMORY_BYTES);
    if (g == NULL)
        return NULL;
    *g = (struct gzip){.out = out, .taken_bytes = align_up(sizeof(*g), REGION_ALIGN)};
    g->stream.zalloc = take;
    g->stream.zfree = leave;
    g->stream.opaque = g;
    int rc = deflateInit2(&g->stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, WINDOW_BITS + GZIP_HEADER,
                          MEMORY_LEVEL, Z_DEFAULT_STRATEGY);
    ENSURE(rc == Z_OK); /* the memory is enough for these bits and this level */
    return g;
}

/* Compresses what the stream was given; flush as in deflate(). */
static void run(struct gzip *g, int flush)
{
    unsigned char out[OUT_BYTES];
    do {
        g->stream.next_out = out;
        g->stream.avail_out = sizeof(out);
        int rc = deflate(&g->stream, flush);
        ENSURE(rc != Z_STREAM_ERROR);
        chain_put(g->out, (const char *)out, sizeof(out) - g->stream.avail_out);
    } while (g->stream.avail_out == 0);
}

void gzip_put(struct gzip *g, const void *bytes, size_t n)
{
    const unsigned char *at = bytes;
    while (n > 0) {
        uInt part = (uInt)size_min(n, 1u << 30); /* zlib counts in 32 bits */
        g->stream.next_in = at;
        g->stream.avail_in = part;
        run(g, Z_NO_FLUSH);
        at += part;
        n -= part;
    }
}

void gzip_end(struct gzip *g)
{
    run(g, Z_FINISH);
    deflateEnd(&g->stream);
}
