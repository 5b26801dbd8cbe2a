/* How fast a save may write. A disk that is given all at once answers everybody late, the journal's
 * syncs among them; so a save sleeps between two frames, and hands over what it has written in
 * parts. Nobody waits for it but at the end of the program: then it hurries.
 *
 * Threads: pace_hurry any; the rest is the save's. */
#ifndef HG_SNAPSHOT_PACE_H
#define HG_SNAPSHOT_PACE_H

#include "alloc/base.h"

#include <stdatomic.h>

struct pace {
    uint64_t bytes_per_s; /* above 0 */
    atomic_bool is_hurried;
    int64_t due_ns; /* the next bytes may be written then */
};

enum {
    PACE_BYTES_PER_S = 64 << 20,
    PACE_SYNC_BYTES = 8 << 20, /* written before they are synced: what a sync has to wait for */
};

static inline void pace_init(struct pace *p, uint64_t bytes_per_s)
{
    *p = (struct pace){.bytes_per_s = bytes_per_s};
}

/* From now on the save does not sleep. */
static inline void pace_hurry(struct pace *p)
{
    atomic_store(&p->is_hurried, true);
}

/* Notes that n bytes were written, and sleeps until more may be. */
void pace_wait(struct pace *p, size_t n);

#endif
