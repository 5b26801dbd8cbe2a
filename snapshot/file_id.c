#include "snapshot/file_id.h"

#include "snapshot/checksum.h"

#include <stdatomic.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

uint64_t file_id_new(void)
{
    uint64_t id;
    if (getrandom(&id, sizeof id, GRND_NONBLOCK) == (ssize_t)sizeof id)
        return id;
    /* where the kernel has no bits yet, at least no two files share them */
    static atomic_ulong n_before;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t seen[3] = {(uint64_t)now.tv_sec, (uint64_t)now.tv_nsec,
                        atomic_fetch_add(&n_before, 1)};
    return checksum64(seen, sizeof seen, (uint64_t)getpid());
}
