/* The two clocks that http/ reads: the wall's for stamps, the boot clock for deadlines (it never
 * jumps and runs on while the machine sleeps). */
#ifndef HG_HTTP_CLOCK_H
#define HG_HTTP_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline int64_t clock_read_ns(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static inline int64_t clock_wall_ms(void)
{
    return clock_read_ns(CLOCK_REALTIME) / 1000000;
}

static inline int64_t clock_boot_ms(void)
{
    return clock_read_ns(CLOCK_BOOTTIME) / 1000000;
}

static inline int64_t clock_boot_ns(void)
{
    return clock_read_ns(CLOCK_BOOTTIME);
}

#endif
