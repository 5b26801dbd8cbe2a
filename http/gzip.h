/* Gzip (RFC 1952), written as a stream into a chain; and the other way round, a chain read out as a
 * stream of gzip or deflate, so that a long answer is never there a second time, compressed.
 *
 * All memory that zlib asks for comes from one piece of a region, GZIP_MEMORY_BYTES however much is
 * written. It goes with the region.
 *
 * Memory running out for the output is remembered in the chain (chain_failed). Threads: one at a
 * time. */
#ifndef HG_HTTP_GZIP_H
#define HG_HTTP_GZIP_H

#include "http/chain.h"

/* What one stream takes from its region: twice 128 KiB for window and hash chains (zlib's zconf.h),
 * and its state. */
enum { GZIP_MEMORY_BYTES = 2 * 128 * 1024 + 8 * 1024 };

struct gzip;

/* Begins a stream behind what is in the chain; both are borrowed until gzip_end. NULL without
 * memory, with nothing written. */
struct gzip *gzip_begin(struct region *r, struct chain *out) WARN_UNUSED;

void gzip_put(struct gzip *g, const void *bytes, size_t n);

/* Writes what is left and the checksum. g is of no more use. */
void gzip_end(struct gzip *g);

/* The codings of HTTP: "gzip", and "deflate", which is zlib's frame (RFC 1950). */
enum gzip_coding { GZIP_NONE, GZIP_GZIP, GZIP_DEFLATE };

/* Which one an Accept-Encoding header (may be NULL) asks for, as Prometheus reads it: the first
 * that is named, without a weight. */
enum gzip_coding gzip_negotiate(const char *accept_encoding);

/* "gzip", "deflate" */
const char *gzip_coding_text(enum gzip_coding c);

/* A stream of what is in the chain, which must not change meanwhile; not GZIP_NONE. NULL without
 * memory. */
struct gzip *gzip_open(struct region *r, const struct chain *in, enum gzip_coding c) WARN_UNUSED;

/* The next bytes of it, at most n; 0 at the end. */
size_t gzip_read(struct gzip *g, char *out, size_t n);

#endif
