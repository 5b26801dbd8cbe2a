/* Going forward through the times of samples. They come at regular distances and so do steps: as
 * many samples as the step before went over are nearly always right, and then it is one look
 * instead of one a sample. */
#ifndef HG_TSDB_PROMQL_STRIDE_H
#define HG_TSDB_PROMQL_STRIDE_H

#include <stddef.h>
#include <stdint.h>

/* The first of n ascending times behind the bound, looking from `at` on. *io_stride: how far the
 * call before went, 0 at first. */
static inline size_t stride_past(const int64_t *t_ms, size_t n, size_t at, int64_t bound_ms,
                                 size_t *io_stride)
{
    size_t next = at, stride = *io_stride;
    if (stride > 0 && at + stride <= n && t_ms[at + stride - 1] <= bound_ms)
        next += stride;
    while (next < n && t_ms[next] <= bound_ms)
        next++;
    *io_stride = next - at;
    return next;
}

#endif
