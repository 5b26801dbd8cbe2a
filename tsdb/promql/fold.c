/* The steps are taken 64 at a time, as the bits say who is there: mostly all of them are, on both
 * sides, and then a loop is left that has nothing to decide. Of a sum that loop is in vectors. */
#include "tsdb/promql/fold.h"

#include "tsdb/promql/kahan.h"

#include <string.h>

#define FOLD_INLINE __attribute__((always_inline)) static inline

typedef void (*fold_step)(struct fold *f, size_t i, double v);
typedef void (*fold_run)(struct fold *f, size_t at, const double *v, size_t n);

FOLD_INLINE void add_some(struct fold *f, const struct column *c, size_t at, uint64_t fresh,
                          fold_step first, fold_step next)
{
    for (uint64_t rest = c->present[at / 64]; rest != 0; rest &= rest - 1) {
        size_t k = (size_t)__builtin_ctzll(rest);
        if (fresh >> k & 1)
            first(f, at + k, c->v[at + k]);
        else
            next(f, at + k, c->v[at + k]);
    }
}

/* first: of the first value that is seen at a step, next: of all others, run: of some others side
 * by side, NULL = next does. */
FOLD_INLINE void add_column(struct fold *f, const struct column *c, size_t n_steps, fold_step first,
                            fold_step next, fold_run run)
{
    for (size_t at = 0; at < n_steps; at += 64) {
        uint64_t seen = f->present[at / 64], there = c->present[at / 64];
        size_t n = n_steps - at < 64 ? n_steps - at : 64;
        f->present[at / 64] |= there;
        if ((seen & there) != UINT64_MAX >> (64 - n))
            add_some(f, c, at, there & ~seen, first, next);
        else if (run)
            run(f, at, &c->v[at], n);
        else
            for (size_t i = at; i < at + n; i++)
                next(f, i, c->v[i]);
    }
}

FOLD_INLINE void finish_with(struct fold *f, size_t n_steps, fold_step each)
{
    for (size_t i = 0; i < n_steps; i++)
        if (f->present[i / 64] >> (i % 64) & 1)
            each(f, i, f->v[i]);
}

static void finish_nothing(struct fold *f, size_t n_steps)
{
    (void)f, (void)n_steps;
}

/* --- sum: v the sum, plane 0 what rounding lost ------------------------------------------------
 */

static inline void sum_first(struct fold *f, size_t i, double v)
{
    f->v[i] = v;
    f->planes[0][i] = 0;
}

static inline void sum_next(struct fold *f, size_t i, double v)
{
    struct kahan k = kahan_add((struct kahan){f->v[i], f->planes[0][i]}, v);
    f->v[i] = k.sum;
    f->planes[0][i] = k.c;
}

typedef double doubles __attribute__((vector_size(2 * sizeof(double))));
typedef int64_t masks __attribute__((vector_size(2 * sizeof(int64_t))));

static inline doubles pick(masks yes, doubles a, doubles b)
{
    return (doubles)(((masks)a & yes) | ((masks)b & ~yes));
}

static inline doubles magnitude(doubles a)
{
    return (doubles)((masks)a & INT64_MAX);
}

/* kahan_add of two steps, in the same order: the greater of sum and value is what the new sum is
 * taken from. */
static inline void sum_next_2(double *sum, double *lost, const double *v)
{
    doubles s, c, x, nothing = {0, 0};
    memcpy(&s, sum, sizeof(s));
    memcpy(&c, lost, sizeof(c));
    memcpy(&x, v, sizeof(x));
    doubles t = s + x;
    masks is_sum_greater = magnitude(s) >= magnitude(x);
    c = c + ((pick(is_sum_greater, s, x) - t) + pick(is_sum_greater, x, s));
    c = pick(magnitude(t) == INFINITY, nothing, c);
    memcpy(sum, &t, sizeof(t));
    memcpy(lost, &c, sizeof(c));
}

static inline void sum_run(struct fold *f, size_t at, const double *v, size_t n)
{
    double *sum = &f->v[at], *lost = &f->planes[0][at];
    size_t i = 0;
    for (; i + 2 <= n; i += 2)
        sum_next_2(&sum[i], &lost[i], &v[i]);
    if (i < n)
        sum_next(f, at + i, v[i]);
}

static inline void sum_value(struct fold *f, size_t i, double v)
{
    f->v[i] = v + f->planes[0][i];
}

static void add_sum(struct fold *f, const struct column *c, size_t n_steps)
{
    add_column(f, c, n_steps, sum_first, sum_next, sum_run);
}

static void finish_sum(struct fold *f, size_t n_steps)
{
    finish_with(f, n_steps, sum_value);
}

/* --- avg: the same, plane 1 the number of values, negative of a running mean -------------------
 */

static inline void put_mean(struct fold *f, size_t i, const struct kahan_mean *m)
{
    f->v[i] = m->k.sum;
    f->planes[0][i] = m->k.c;
    f->planes[1][i] = m->is_running ? -m->n : m->n;
}

static inline struct kahan_mean get_mean(const struct fold *f, size_t i)
{
    return (struct kahan_mean){.k = {f->v[i], f->planes[0][i]},
                               .n = fabs(f->planes[1][i]),
                               .is_running = f->planes[1][i] < 0};
}

static inline void avg_first(struct fold *f, size_t i, double v)
{
    struct kahan_mean m;
    kahan_mean_first(&m, v);
    put_mean(f, i, &m);
}

static inline void avg_next(struct fold *f, size_t i, double v)
{
    struct kahan_mean m = get_mean(f, i);
    kahan_mean_add(&m, v);
    put_mean(f, i, &m);
}

static inline void avg_value(struct fold *f, size_t i, double v)
{
    struct kahan_mean m = get_mean(f, i);
    (void)v;
    f->v[i] = kahan_mean_value(&m);
}

static void add_avg(struct fold *f, const struct column *c, size_t n_steps)
{
    add_column(f, c, n_steps, avg_first, avg_next, NULL);
}

static void finish_avg(struct fold *f, size_t n_steps)
{
    finish_with(f, n_steps, avg_value);
}

/* --- min, max, count, group: v alone -----------------------------------------------------------
 */

static inline void value_first(struct fold *f, size_t i, double v)
{
    f->v[i] = v;
}

static inline void min_next(struct fold *f, size_t i, double v)
{
    if (v < f->v[i] || isnan(f->v[i]))
        f->v[i] = v;
}

static inline void max_next(struct fold *f, size_t i, double v)
{
    if (v > f->v[i] || isnan(f->v[i]))
        f->v[i] = v;
}

static inline void one_first(struct fold *f, size_t i, double v)
{
    (void)v;
    f->v[i] = 1;
}

static inline void count_next(struct fold *f, size_t i, double v)
{
    (void)v;
    f->v[i]++;
}

static inline void nothing_next(struct fold *f, size_t i, double v)
{
    (void)f, (void)i, (void)v;
}

static void add_min(struct fold *f, const struct column *c, size_t n_steps)
{
    add_column(f, c, n_steps, value_first, min_next, NULL);
}

static void add_max(struct fold *f, const struct column *c, size_t n_steps)
{
    add_column(f, c, n_steps, value_first, max_next, NULL);
}

static void add_count(struct fold *f, const struct column *c, size_t n_steps)
{
    add_column(f, c, n_steps, one_first, count_next, NULL);
}

static void add_group(struct fold *f, const struct column *c, size_t n_steps)
{
    add_column(f, c, n_steps, one_first, nothing_next, NULL);
}

/* --- stddev, stdvar: Welford's running variance, of the whole population. v the mean, plane 0 the
 * sum of squares, plane 1 the number of values ------------------------------------------------- */

static inline void variance_first(struct fold *f, size_t i, double v)
{
    f->v[i] = v;
    f->planes[0][i] = isfinite(v) ? 0 : NAN;
    f->planes[1][i] = 1;
}

static inline void variance_next(struct fold *f, size_t i, double v)
{
    double delta = v - f->v[i];
    f->planes[1][i]++;
    f->v[i] += delta / f->planes[1][i];
    f->planes[0][i] += delta * (v - f->v[i]);
}

static inline void variance_value(struct fold *f, size_t i, double v)
{
    (void)v;
    f->v[i] = f->planes[0][i] / f->planes[1][i];
}

static inline void deviation_value(struct fold *f, size_t i, double v)
{
    (void)v;
    f->v[i] = sqrt(f->planes[0][i] / f->planes[1][i]);
}

static void add_variance(struct fold *f, const struct column *c, size_t n_steps)
{
    add_column(f, c, n_steps, variance_first, variance_next, NULL);
}

static void finish_variance(struct fold *f, size_t n_steps)
{
    finish_with(f, n_steps, variance_value);
}

static void finish_deviation(struct fold *f, size_t n_steps)
{
    finish_with(f, n_steps, deviation_value);
}

const struct folder *folder_find(enum token_kind op)
{
    static const struct folder folders[TOKEN_AGGREGATORS_LAST + 1] = {
        [TOKEN_SUM] = {1, add_sum, finish_sum},
        [TOKEN_AVG] = {2, add_avg, finish_avg},
        [TOKEN_MIN] = {0, add_min, finish_nothing},
        [TOKEN_MAX] = {0, add_max, finish_nothing},
        [TOKEN_COUNT] = {0, add_count, finish_nothing},
        [TOKEN_GROUP] = {0, add_group, finish_nothing},
        [TOKEN_STDDEV] = {2, add_variance, finish_deviation},
        [TOKEN_STDVAR] = {2, add_variance, finish_variance},
    };
    return folders[op].add ? &folders[op] : NULL;
}
