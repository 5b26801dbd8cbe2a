/* How much memory this process may use when nobody says: 90 % of the lowest limit that a control
 * group sets, version 1 or 2, from our own group up to the top, or of the machine's memory.
 *
 * Threads: any; reads files of /proc and /sys. */
#ifndef HG_HTTP_MEMORY_LIMIT_H
#define HG_HTTP_MEMORY_LIMIT_H

#include "alloc/base.h"

enum { MEMORY_LIMIT_SHARE_PERCENT = 90 };

struct memory_limit {
    uint64_t bytes;   /* the share that may be used; 0 when nothing could be read */
    uint64_t of;      /* what it is a share of */
    char source[512]; /* the file that said so */
};

/* root: prefix of every path, "" in life, a directory with made-up files in tests. */
void memory_limit_find(const char *root, struct memory_limit *ret);

#endif
