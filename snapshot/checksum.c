#include "snapshot/checksum.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t checksum64(const void *bytes, size_t n, uint64_t seed)
{
    return XXH3_64bits_withSeed(bytes, n, seed);
}

uint64_t checksum64_parts(const struct iovec *parts, int n)
{
    XXH3_state_t state;
    XXH3_64bits_reset(&state);
    for (int i = 0; i < n; i++)
        XXH3_64bits_update(&state, parts[i].iov_base, parts[i].iov_len);
    return XXH3_64bits_digest(&state);
}
