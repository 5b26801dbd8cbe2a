/* The metadata of a remote write 1.0 message, which rides beside the series or comes in a message
 * of its own.
 *
 * Threads: any. */
#ifndef HG_HTTP_WRITE_METADATA_H
#define HG_HTTP_WRITE_METADATA_H

#include "http/metadata.h"

/* Keeps what the message says about metrics. message: decompressed, and looked through already by
 * write_body_walk. now_ms: as for metadata_put. Returns how many were refused, the malformed ones
 * among them. */
uint64_t write_metadata_keep(struct metadata *m, const void *message, size_t n, int64_t now_ms);

#endif
