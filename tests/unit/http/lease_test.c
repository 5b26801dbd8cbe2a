/* At a pool's limit and one past it, with others and alone; threads that take and give. */
#include "http/lease.h"

#include <criterion/criterion.h>
#include <pthread.h>

static size_t leased(const struct lease_pool *p)
{
    return atomic_load(&p->leased_bytes);
}

Test(lease, takes_what_is_left_at_the_least_and_one_below)
{
    struct lease_pool p = {.limit_bytes = 100};
    cr_assert_eq(lease_take(&p, 60, 10), 60);
    cr_assert_eq(lease_take(&p, 60, 40), 40);
    lease_give(&p, 40);
    cr_assert_eq(lease_take(&p, 60, 41), 0);
    cr_assert_eq(leased(&p), 60);
    cr_assert_eq(atomic_load(&p.n_refused), 1);
}

Test(lease, a_limit_that_sinks_takes_nothing_back_and_gives_nothing_more)
{
    struct lease_pool p = {.limit_bytes = 100};
    cr_assert_eq(lease_take(&p, 100, 1), 100);
    lease_limit(&p, 50);
    cr_assert_eq(lease_take(&p, 1, 1), 0);
    lease_give(&p, 50);
    cr_assert_eq(lease_take(&p, 1, 1), 0);
    lease_give(&p, 1);
    cr_assert_eq(lease_take(&p, 2, 1), 1);
}

Test(lease, grows_at_the_limit_and_one_past_it)
{
    struct lease_pool p = {.limit_bytes = 100};
    cr_assert(lease_grow(&p, 0, 40));
    cr_assert(lease_grow(&p, 0, 60)); /* somebody else */
    cr_assert_not(lease_grow(&p, 40, 1));
    cr_assert(lease_grow(&p, 40, 0));
    cr_assert_eq(leased(&p), 100);
    cr_assert_eq(atomic_load(&p.n_refused), 1);
}

Test(lease, who_is_alone_may_have_more_than_the_pool)
{
    struct lease_pool p = {.limit_bytes = 100};
    cr_assert(lease_grow(&p, 0, 90));
    cr_assert(lease_grow(&p, 90, 900));
    cr_assert_not(lease_grow(&p, 0, 1)); /* a second one waits */
    lease_give(&p, 990);
    cr_assert(lease_grow(&p, 0, SIZE_MAX / 2));
}

enum { THREADS = 4, ROUNDS = 20000, SHARE = 30, LIMIT = 100 };

static void *take_and_give(void *arg)
{
    struct lease_pool *p = arg;
    for (int i = 0; i < ROUNDS; i++) {
        size_t got = lease_take(p, SHARE, SHARE);
        cr_assert_leq(leased(p), LIMIT);
        lease_give(p, got);
    }
    return NULL;
}

Test(lease, threads_never_have_more_than_the_limit)
{
    struct lease_pool p = {.limit_bytes = LIMIT};
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, take_and_give, &p), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    cr_assert_eq(leased(&p), 0);
}
