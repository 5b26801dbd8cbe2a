/* Unpacking snappy's block format: the length of what was packed, then elements that are either
 * bytes as they stand or a copy of some before (google/snappy, format_description.txt).
 *
 * What is damaged is so by libsnappy's verdict, which judges this in the tests, and a literal of
 * 2^32 bytes, of which that takes none and goes on. Nothing is read or
 * written outside of the bytes given and nothing is allocated. Threads: pure functions. */
#ifndef HG_HTTP_SNAPPY_BLOCK_H
#define HG_HTTP_SNAPPY_BLOCK_H

#include "alloc/base.h"

/* How many bytes a block of n declares to unpack to, at most UINT32_MAX; false when it does not
 * begin with a length. */
bool snappy_block_length(const void *block, size_t n, size_t *ret) WARN_UNUSED;

/* Unpacks it into out, which has room for exactly as many bytes as it declares; false when it is
 * damaged, and what out holds is then not to be used. */
bool snappy_block_unpack(const void *block, size_t n, void *out) WARN_UNUSED;

#endif
