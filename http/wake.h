/* Ends a wait of another thread that polls an eventfd.
 *
 * Threads: any. */
#ifndef HG_HTTP_WAKE_H
#define HG_HTTP_WAKE_H

#include <errno.h>
#include <stdint.h>
#include <unistd.h>

/* fd: of eventfd(0, ..), readable afterwards until somebody has read it. */
static inline void wake(int fd)
{
    const uint64_t one = 1;
    while (write(fd, &one, sizeof(one)) < 0 && errno == EINTR)
        ;
}

#endif
