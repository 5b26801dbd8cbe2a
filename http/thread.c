#include "http/thread.h"

#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

bool thread_start(pthread_t *ret, void *(*run)(void *), void *arg)
{
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, THREAD_STACK_BYTES);
    int rc = pthread_create(ret, &attr, run, arg);
    pthread_attr_destroy(&attr);
    return rc == 0;
}

void thread_name(const char *name)
{
    pthread_setname_np(pthread_self(), name);
}

void thread_lower_priority(void)
{
    /* On Linux the priority is the thread's own. Refusal (it is never raised) changes nothing. */
    setpriority(PRIO_PROCESS, (id_t)gettid(), THREAD_NICE);
}

unsigned thread_cores(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof(set), &set) != 0)
        return 1;
    int n = CPU_COUNT(&set);
    return n > 0 ? (unsigned)n : 1;
}
