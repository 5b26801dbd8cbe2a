#include "http/worker.h"

#include <criterion/criterion.h>
#include <stdatomic.h>
#include <unistd.h>

static struct workers workers;
static atomic_int n_done;
static atomic_bool may_go;

static void run_counted(struct job *job)
{
    (void)job;
    while (!atomic_load(&may_go))
        usleep(500);
    atomic_fetch_add(&n_done, 1);
}

Test(worker, every_job_is_run_also_those_queued_at_the_end, .timeout = 30)
{
    static struct job jobs[200];
    cr_assert(workers_start(&workers, 3));
    for (size_t i = 0; i < ARRAY_LEN(jobs); i++) {
        jobs[i].run = run_counted;
        cr_assert(workers_submit(&workers, &jobs[i]));
    }
    atomic_store(&may_go, true);
    workers_stop(&workers);
    cr_assert_not(workers_submit(&workers, &jobs[0]), "who comes late is told so");
    workers_release(&workers);
    cr_assert_eq(atomic_load(&n_done), ARRAY_LEN(jobs));
}

static struct job ordered_jobs[50];
static size_t order[50], n_ordered;

static void run_ordered(struct job *job)
{
    order[n_ordered++] = (size_t)(job - ordered_jobs);
}

Test(worker, one_thread_keeps_the_order, .timeout = 30)
{
    cr_assert(workers_start(&workers, 1));
    for (size_t i = 0; i < ARRAY_LEN(ordered_jobs); i++) {
        ordered_jobs[i].run = run_ordered;
        cr_assert(workers_submit(&workers, &ordered_jobs[i]));
    }
    workers_stop(&workers);
    workers_release(&workers);
    cr_assert_eq(n_ordered, ARRAY_LEN(ordered_jobs));
    for (size_t i = 0; i < n_ordered; i++)
        cr_assert_eq(order[i], i);
}
