/* The checksum of frames and the hash of strings in them: XXH3, 64 bits. Pure functions; the one
 * use of libxxhash in this directory. docs/decisions/0004-snapshot-format.md says why not CRC-32C.
 */
#ifndef HG_SNAPSHOT_CHECKSUM_H
#define HG_SNAPSHOT_CHECKSUM_H

#include "alloc/base.h"

#include <sys/uio.h>

uint64_t checksum64(const void *bytes, size_t n, uint64_t seed);

/* Of the bytes of n parts, one behind the other, with seed 0. */
uint64_t checksum64_parts(const struct iovec *parts, int n);

#endif
