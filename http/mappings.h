/* What the kernel says about this process' memory: how much is resident, and how much of that is
 * the program text, its libraries and the stacks of threads, which no ledger of ours can count.
 *
 * The kinds come from <dir>/maps, and which pages of a mapping have memory from <dir>/pagemap, so
 * the arena, by far the largest, is passed over: about 0.1 ms whatever is stored, which is why
 * nothing is cached here. The resident size comes from <dir>/smaps_rollup, where the kernel counts
 * page by page: 10 to 20 ms a GiB. (Full smaps, read where there is no pagemap, costs that and
 * more.) So beyond MAPPINGS_COUNTED_BYTES_MAX <dir>/statm is asked, which costs nothing, but may be
 * off by up to some 100 KiB a processor before Linux 6.16.
 *
 * dir: "/proc/self" in life. Threads: any. */
#ifndef HG_HTTP_MAPPINGS_H
#define HG_HTTP_MAPPINGS_H

#include "alloc/base.h"

#define MAPPINGS_COUNTED_BYTES_MAX ((uint64_t)256 << 20)

struct mappings {
    uint64_t program_bytes; /* resident: the binary, shared libraries and their data */
    uint64_t stacks_bytes;  /* resident */
    /* Of [heap], what has no memory: given back by malloc_trim, or not touched yet. */
    uint64_t heap_holes_bytes;
};

/* Mappings from skip (skip_bytes long) are passed over: the arena's range. False when the files
 * cannot be read; ret is then zero. */
bool mappings_read(const char *dir, const void *skip, size_t skip_bytes, struct mappings *ret);

/* Resident bytes of everything, 0 when nothing can be read. is_exact: count them however many there
 * are (Rss of smaps_rollup; statm only where there is none). */
uint64_t mappings_rss(const char *dir, bool is_exact);

#endif
