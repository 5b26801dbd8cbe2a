#include "snapshot/pace.h"

#include <criterion/criterion.h>

/* What is written is due after what was written before it; who hurries does not sleep for it. */
Test(pace, bytes_are_due_at_their_rate_and_nobody_waits_who_hurries)
{
    struct pace p;
    pace_init(&p, 1000);
    pace_hurry(&p);
    pace_wait(&p, 1000000); /* a thousand seconds' worth */
    int64_t first_ns = p.due_ns;
    pace_wait(&p, 2000);
    cr_assert_eq(p.due_ns - first_ns, INT64_C(2000000000));
}

Test(pace, no_credit_is_kept_from_a_rest)
{
    struct pace p;
    pace_init(&p, PACE_BYTES_PER_S);
    pace_wait(&p, 1);
    int64_t first_ns = p.due_ns;
    cr_assert_gt(first_ns, 0);
    p.due_ns = 1; /* long ago */
    pace_wait(&p, 1);
    cr_assert_geq(p.due_ns, first_ns);
}
