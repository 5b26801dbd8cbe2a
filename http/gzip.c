#include "http/gzip.h"

#define ZLIB_CONST /* what it reads is const */
#include <string.h>
#include <zlib.h>

enum {
    WINDOW_BITS = 15,
    GZIP_HEADER = 16, /* added to the bits: gzip's frame instead of zlib's */
    MEMORY_LEVEL = 8,
    OUT_BYTES = 4096,
    READ_LEVEL =
        1, /* JSON of points shrinks to 26 to 41 %; at 6 to 25 to 38, in four times the time */
};

_Static_assert((1 << (WINDOW_BITS + 2)) + (1 << (MEMORY_LEVEL + 9)) < GZIP_MEMORY_BYTES,
               "as zconf.h has it, without the state");

struct gzip { /* the front of its memory */
    z_stream stream;
    struct chain *out;      /* of gzip_begin */
    const struct chain *in; /* of gzip_open */
    struct chain_reader at;
    bool is_at_end;
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

static struct gzip *begin(struct region *r, int frame, int level)
{
    struct gzip *g = region_alloc(r, GZIP_MEMORY_BYTES);
    if (g == NULL)
        return NULL;
    *g = (struct gzip){.taken_bytes = align_up(sizeof(*g), REGION_ALIGN)};
    g->stream.zalloc = take;
    g->stream.zfree = leave;
    g->stream.opaque = g;
    int rc = deflateInit2(&g->stream, level, Z_DEFLATED, WINDOW_BITS + frame, MEMORY_LEVEL,
                          Z_DEFAULT_STRATEGY);
    ENSURE(rc == Z_OK); /* the memory is enough for these bits and this level */
    return g;
}

struct gzip *gzip_begin(struct region *r, struct chain *out)
{
    struct gzip *g = begin(r, GZIP_HEADER, Z_DEFAULT_COMPRESSION);
    if (g != NULL)
        g->out = out;
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

/* --- reading a chain ---------------------------------------------------------------------------
 */

static const char *const codings[] = {[GZIP_GZIP] = "gzip", [GZIP_DEFLATE] = "deflate"};

const char *gzip_coding_text(enum gzip_coding c)
{
    assert(c != GZIP_NONE);
    return codings[c];
}

enum gzip_coding gzip_negotiate(const char *accept_encoding)
{
    const char *p = accept_encoding ? accept_encoding : "";
    while (*p != '\0') {
        p += strspn(p, ", \t");
        size_t n = strcspn(p, ",");
        size_t n_word = n;
        while (n_word > 0 && (p[n_word - 1] == ' ' || p[n_word - 1] == '\t'))
            n_word--;
        for (int c = GZIP_GZIP; c <= GZIP_DEFLATE; c++)
            if (strlen(codings[c]) == n_word && memcmp(p, codings[c], n_word) == 0)
                return (enum gzip_coding)c;
        p += n;
    }
    return GZIP_NONE;
}

struct gzip *gzip_open(struct region *r, const struct chain *in, enum gzip_coding c)
{
    struct gzip *g = begin(r, c == GZIP_GZIP ? GZIP_HEADER : 0, READ_LEVEL);
    if (g != NULL)
        g->in = in;
    return g;
}

/* False at the end of the chain. */
static bool feed(struct gzip *g)
{
    const char *bytes;
    size_t n = 0;
    while (g->stream.avail_in == 0 && chain_next(g->in, &g->at, &bytes, &n)) {
        g->stream.next_in = (const unsigned char *)bytes;
        g->stream.avail_in = (uInt)n; /* at most CHAIN_BLOCK_BYTES_MAX, or an expansion */
    }
    return g->stream.avail_in > 0;
}

size_t gzip_read(struct gzip *g, char *out, size_t n)
{
    g->stream.next_out = (unsigned char *)out;
    g->stream.avail_out = (uInt)size_min(n, 1u << 30);
    uInt room = g->stream.avail_out;
    while (!g->is_at_end && g->stream.avail_out > 0) {
        int rc = deflate(&g->stream, feed(g) ? Z_NO_FLUSH : Z_FINISH);
        ENSURE(rc != Z_STREAM_ERROR);
        g->is_at_end = rc == Z_STREAM_END;
    }
    return room - g->stream.avail_out;
}
