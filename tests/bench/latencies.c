#include "tests/bench/latencies.h"

#include <err.h>
#include <stdlib.h>
#include <string.h>

void latencies_add(struct latencies *l, uint64_t ns)
{
    if (l->n == l->capacity) {
        l->capacity = l->capacity == 0 ? 1024 : 2 * l->capacity;
        l->ns = realloc(l->ns, l->capacity * sizeof(*l->ns));
        if (l->ns == NULL)
            err(1, "memory for latencies");
    }
    l->ns[l->n++] = ns;
}

static int by_size(const void *left, const void *right)
{
    uint64_t a, b;
    memcpy(&a, left, sizeof(a));
    memcpy(&b, right, sizeof(b));
    return (a > b) - (a < b);
}

/* The smallest one that so many of 1000 do not pass. */
static double permille_ms(const struct latencies *l, size_t permille)
{
    return (double)l->ns[(l->n - 1) * permille / 1000] / 1e6;
}

struct latencies_summary latencies_take(struct latencies *l)
{
    struct latencies_summary s = {0};
    if (l->n == 0)
        return s;
    qsort(l->ns, l->n, sizeof(*l->ns), by_size);
    s.max_ms = permille_ms(l, 1000);
    s.p999_ms = permille_ms(l, 999);
    s.p99_ms = permille_ms(l, 990);
    s.p90_ms = permille_ms(l, 900);
    s.p50_ms = permille_ms(l, 500);
    for (size_t i = 0; i < l->n; i++)
        s.sum_ms += (double)l->ns[i] / 1e6;
    l->n = 0;
    return s;
}

void latencies_release(struct latencies *l)
{
    free(l->ns);
    memset(l, 0, sizeof(*l));
}
