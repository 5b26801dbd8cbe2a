/* Windows that slide against going through each of them: the same bits. */
#include "tests/support/random.h"
#include "tsdb/promql/kahan.h"
#include "tsdb/promql/sliding.h"

#include <criterion/criterion.h>
#include <string.h>

enum { SERIES_MAX = 20000 };

static double v[SERIES_MAX];
static int64_t scratch_ms[SERIES_MAX + 2];

static double random_value(struct random *r, int kind)
{
    static const double odd[] = {0.0, -0.0, 0.1, 1e300, 0x1p40, 0x1p40 - 1, -0x1p40, 1e16};
    switch (kind) {
    case 0: /* integers, few of them */
        return (double)random_below(r, 5) - 2;
    case 1:
        return (double)(int64_t)random_below(r, UINT64_C(1) << 40) - 0x1p39;
    case 2:
        return odd[random_below(r, 8)];
    default:
        return random_below(r, 4) > 0 ? (double)NAN : (double)random_below(r, 3) * (double)INFINITY;
    }
}

static uint64_t bits_of(double d)
{
    uint64_t bits;
    memcpy(&bits, &d, sizeof(bits));
    return bits;
}

static double naive_sum(const struct range_window *w)
{
    struct kahan k = {0, 0};
    for (size_t i = 0; i < w->n; i++)
        k = kahan_add(k, w->v[i]);
    return isinf(k.sum) ? k.sum : k.sum + k.c;
}

static double naive_avg(const struct range_window *w)
{
    struct kahan_mean m;
    kahan_mean_first(&m, w->v[0]);
    for (size_t i = 1; i < w->n; i++)
        kahan_mean_add(&m, w->v[i]);
    return kahan_mean_value(&m);
}

static size_t naive_extreme(const struct range_window *w, enum extreme which,
                            enum among_equals among)
{
    size_t at = 0;
    for (size_t i = 1; i < w->n; i++) {
        bool is_better = which == EXTREME_MIN ? w->v[i] < w->v[at] : w->v[i] > w->v[at];
        bool is_equal = among == AMONG_EQUALS_LAST && w->v[i] == w->v[at];
        if (is_better || is_equal || isnan(w->v[at]))
            at = i;
    }
    return at;
}

static size_t n_slid;

static void expect_sum(const struct range_window *w)
{
    double slid;
    if (!sliding_sum(w, &slid))
        return;
    n_slid++;
    cr_assert_eq(bits_of(slid), bits_of(naive_sum(w)), "%g, not %g", slid, naive_sum(w));
    cr_assert_eq(bits_of(slid / (double)w->n), bits_of(naive_avg(w)));
}

/* Windows over a series, as steps have them: ends go forward, some windows are empty, and then
 * functions are not called. */
static void slide(struct random *r, size_t n, void (*expect)(const struct range_window *w))
{
    struct sliding sliding = {0};
    size_t from = 0, to = 0, far = 1 + random_below(r, n);
    while (to < n) {
        to += random_below(r, far + 1);
        to = to < n ? to : n;
        from += random_below(r, to - from + 1);
        if (random_below(r, 4) == 0)
            from = to;
        struct range_window w = {.v = v + from,
                                 .n = to - from,
                                 .at = from,
                                 .scratch_ms = scratch_ms,
                                 .sliding = &sliding};
        if (w.n > 0)
            expect(&w);
    }
}

static enum extreme which;
static enum among_equals among;

static void expect_extreme(const struct range_window *w)
{
    cr_assert_eq(sliding_extreme(w, which, among), naive_extreme(w, which, among));
}

static void fill(struct random *r, size_t n)
{
    int kinds = 1 + (int)random_below(r, 4);
    uint64_t odd = random_below(r, 2) ? 2 : 200; /* one in so many is of another kind */
    for (size_t i = 0; i < n; i++)
        v[i] =
            random_value(r, random_below(r, odd) == 0 ? (int)random_below(r, (uint64_t)kinds) : 0);
}

Test(sliding, has_the_bits_of_going_through_each_window)
{
    struct random r;
    random_init(&r, random_seed());
    for (int round = 0; round < 3000; round++) {
        size_t n = 1 + random_below(&r, 300);
        fill(&r, n);
        slide(&r, n, expect_sum);
        for (int k = 0; k < 4; k++) {
            which = k & 1 ? EXTREME_MIN : EXTREME_MAX;
            among = k & 2 ? AMONG_EQUALS_FIRST : AMONG_EQUALS_LAST;
            slide(&r, n, expect_extreme);
        }
    }
    cr_assert_gt(n_slid, 1000);
}

/* What lies beyond the bounds is gone through. */
Test(sliding, sums_only_what_cannot_be_rounded)
{
    struct sliding sliding = {0};
    struct range_window w = {.v = v, .sliding = &sliding};
    double sum;
    for (size_t i = 0; i < SERIES_MAX; i++)
        v[i] = 0x1p40 - 1;
    w.n = 1 << 13;
    cr_assert(sliding_sum(&w, &sum));
    cr_assert_eq(sum, naive_sum(&w));
    w.n++;
    cr_assert_not(sliding_sum(&w, &sum));
    static const double inexact[] = {0x1p40, -0x1p40, 0.5, -0.0, NAN, INFINITY};
    for (size_t i = 0; i < sizeof(inexact) / sizeof(*inexact); i++) {
        sliding = (struct sliding){0};
        v[1] = inexact[i];
        w.n = 3;
        cr_assert_not(sliding_sum(&w, &sum), "%g", inexact[i]);
    }
}

Test(sliding, falling_values_take_no_more_room_than_the_series)
{
    struct sliding sliding = {0};
    for (size_t i = 0; i < SERIES_MAX; i++)
        v[i] = -(double)i;
    for (size_t end = 1; end <= SERIES_MAX; end++) {
        size_t from = end > 1000 ? end - 1000 : 0;
        struct range_window w = {.v = v + from,
                                 .n = end - from,
                                 .at = from,
                                 .scratch_ms = scratch_ms,
                                 .sliding = &sliding};
        cr_assert_eq(sliding_extreme(&w, EXTREME_MAX, AMONG_EQUALS_FIRST), 0);
        cr_assert_eq(naive_extreme(&w, EXTREME_MAX, AMONG_EQUALS_FIRST), 0);
    }
}
