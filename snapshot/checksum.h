/* The checksum of frames and the hash of strings in them: XXH3, 64 bits. A pure function; the one
 * use of libxxhash in this directory. docs/decisions/0004-snapshot-format.md says why not CRC-32C.
 */
#ifndef HG_SNAPSHOT_CHECKSUM_H
#define HG_SNAPSHOT_CHECKSUM_H

#include "alloc/base.h"

uint64_t checksum64(const void *bytes, size_t n, uint64_t seed);

#endif
