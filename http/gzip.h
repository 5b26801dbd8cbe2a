/* Gzip (RFC 1952), written as a stream into a chain.
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

#endif
