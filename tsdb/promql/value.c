#include "tsdb/promql/value.h"

#include <math.h>

static size_t n_words(size_t n_steps)
{
    return (n_steps + 63) / 64;
}

size_t column_points(const struct column *c, size_t n_steps)
{
    size_t n = 0;
    for (size_t w = 0; w < n_words(n_steps); w++)
        n += (size_t)__builtin_popcountll(c->present[w]);
    return n;
}

struct extremes extremes_of(const double *v, size_t n)
{
    struct extremes x = {INFINITY, -INFINITY, false};
    for (size_t i = 0; i < n; i++) {
        x.has_nan = x.has_nan || isnan(v[i]);
        x.low = v[i] < x.low ? v[i] : x.low;
        x.high = v[i] > x.high ? v[i] : x.high;
    }
    if (x.has_nan && x.low != -INFINITY)
        x.low = NAN;
    if (x.has_nan && x.high != INFINITY)
        x.high = NAN;
    return x;
}

bool vector_has_step(const struct vector *v, size_t step)
{
    for (size_t i = 0; i < v->n; i++)
        if (column_has(&v->items[i], step))
            return true;
    return false;
}

size_t vector_points(const struct vector *v, size_t n_steps)
{
    size_t n = 0;
    for (size_t i = 0; i < v->n; i++)
        n += column_points(&v->items[i], n_steps);
    return n;
}

bool vector_init(struct vector *v, struct region *r, size_t n, size_t n_steps)
{
    *v = (struct vector){0};
    if (n == 0)
        return true;
    size_t n_values;
    if (mul_overflows(n, n_steps, &n_values) || n_values > SIZE_MAX / sizeof(double))
        return false;
    struct column *items = region_calloc(r, n, sizeof(*items));
    double *values = region_alloc(r, n_values * sizeof(*values));
    uint64_t *present = region_calloc(r, n * n_words(n_steps), sizeof(*present));
    if (!items || !values || !present)
        return false;
    for (size_t i = 0; i < n; i++) {
        items[i].v = values + i * n_steps;
        items[i].present = present + i * n_words(n_steps);
    }
    *v = (struct vector){items, n};
    return true;
}

void vector_squeeze(struct vector *v, size_t n_steps)
{
    size_t n = 0;
    for (size_t i = 0; i < v->n; i++)
        if (column_points(&v->items[i], n_steps) > 0)
            v->items[n++] = v->items[i];
    v->n = n;
}
