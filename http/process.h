/* What /proc says about this process, for the process_* metrics.
 *
 * Threads: any. */
#ifndef HG_HTTP_PROCESS_H
#define HG_HTTP_PROCESS_H

#include "alloc/base.h"

struct process_stats {
    double cpu_seconds; /* user and system */
    uint64_t virtual_bytes;
    uint64_t resident_bytes;
    uint64_t open_fds, max_fds;
    uint64_t threads;
    double start_seconds; /* since the epoch */
};

/* Fields that cannot be read are zero. */
void process_stats_read(struct process_stats *ret);

#endif
