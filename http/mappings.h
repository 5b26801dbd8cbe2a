/* How much memory is resident, and how much of it belongs to the program text, its libraries and
 * the stacks of threads: what no ledger of ours can count. Read from /proc/self/smaps in one pass.
 *
 * Threads: any. Costs time in proportion to the resident memory: about 5 ms a GiB. */
#ifndef HG_HTTP_MAPPINGS_H
#define HG_HTTP_MAPPINGS_H

#include "alloc/base.h"

struct mappings {
    uint64_t rss_bytes;     /* of everything: what smaps_rollup says */
    uint64_t program_bytes; /* the binary, shared libraries and their data */
    uint64_t stacks_bytes;
};

/* path: "/proc/self/smaps" in life. Mappings from skip (skip_bytes long) count for rss only: the
 * arena's range. False when the file cannot be read; ret is then zero. */
bool mappings_read(const char *path, const void *skip, size_t skip_bytes, struct mappings *ret);

#endif
