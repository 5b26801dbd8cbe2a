/* Sums that keep what rounding loses (Kahan's summation as Neumaier improved it). The order of
 * operations is part of the result: it is Prometheus', and no compiler may fuse or reorder it.
 *
 * Pure functions. */
#ifndef HG_TSDB_PROMQL_KAHAN_H
#define HG_TSDB_PROMQL_KAHAN_H

#include <math.h>
#include <stdbool.h>

struct kahan {
    double sum, c; /* the value is sum + c */
};

static inline struct kahan kahan_add(struct kahan k, double v)
{
    double t = k.sum + v;
    if (isinf(t))
        k.c = 0;
    else if (fabs(k.sum) >= fabs(v))
        k.c += (k.sum - t) + v;
    else
        k.c += (v - t) + k.sum;
    k.sum = t;
    return k;
}

/* A mean that is a sum until the sum would overflow, and from there on a running mean. */
struct kahan_mean {
    struct kahan k; /* of the sum, or of the mean */
    double n;
    bool is_running;
};

static inline void kahan_mean_first(struct kahan_mean *m, double v)
{
    *m = (struct kahan_mean){.k = {v, 0}, .n = 1};
}

static inline void kahan_mean_add(struct kahan_mean *m, double v)
{
    m->n++;
    if (!m->is_running) {
        struct kahan next = kahan_add(m->k, v);
        if (!isinf(next.sum)) {
            m->k = next;
            return;
        }
        m->is_running = true;
        m->k.sum /= m->n - 1;
        m->k.c /= m->n - 1;
    }
    double q = (m->n - 1) / m->n;
    m->k.sum *= q;
    m->k.c *= q;
    m->k = kahan_add(m->k, v / m->n);
}

static inline double kahan_mean_value(const struct kahan_mean *m)
{
    return m->is_running ? m->k.sum + m->k.c : m->k.sum / m->n + m->k.c / m->n;
}

#endif
