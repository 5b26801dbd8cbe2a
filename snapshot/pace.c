#include "snapshot/pace.h"

#include <time.h>

enum {
    NAP_NS = 10 * 1000 * 1000,   /* one that hurries is waited for this long at most */
    CREDIT_NS = 5 * 1000 * 1000, /* what a slow disk has cost may be made up for this far */
};

#define SECOND_NS INT64_C(1000000000)

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * SECOND_NS + t.tv_nsec;
}

void pace_wait(struct pace *p, size_t n)
{
    int64_t now = now_ns();
    if (p->due_ns < now - CREDIT_NS)
        p->due_ns = now - CREDIT_NS;
    p->due_ns += (int64_t)((double)n * (double)SECOND_NS / (double)p->bytes_per_s);
    while (p->due_ns > now && !atomic_load_explicit(&p->is_hurried, memory_order_relaxed)) {
        int64_t nap = p->due_ns - now < NAP_NS ? p->due_ns - now : NAP_NS;
        (void)nanosleep(&(struct timespec){.tv_nsec = (long)nap}, NULL);
        now = now_ns();
    }
}
