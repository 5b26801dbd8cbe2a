#include "tsdb/top.h"
#include "tsdb/labels.h"

#include <string.h>

enum { ROWS_FIRST = 16, NAME_FIRST = 64 };

void top_init(struct top *t, struct region *r, size_t max)
{
    assert(max > 0);
    *t = (struct top){.region = r, .max = max};
}

/* Whether a is the lesser, to be dropped before b. */
static bool is_less(const struct top_row *a, const struct top_row *b)
{
    if (a->value != b->value)
        return a->value < b->value;
    return bytes_compare(a->name, a->n_bytes, b->name, b->n_bytes) > 0;
}

static void swap(struct top_row *a, struct top_row *b)
{
    struct top_row kept = *a;
    *a = *b;
    *b = kept;
}

static void sift_up(struct top_row *rows, size_t at)
{
    for (; at > 0 && is_less(&rows[at], &rows[(at - 1) / 2]); at = (at - 1) / 2)
        swap(&rows[at], &rows[(at - 1) / 2]);
}

static void sift_down(struct top_row *rows, size_t n)
{
    for (size_t at = 0;;) {
        size_t least = at, child = 2 * at + 1;
        for (size_t end = size_min(child + 2, n); child < end; child++)
            if (is_less(&rows[child], &rows[least]))
                least = child;
        if (least == at)
            return;
        swap(&rows[at], &rows[least]);
        at = least;
    }
}

static bool have_row(struct top *t)
{
    if (t->n < t->capacity)
        return true;
    size_t capacity = size_min(t->capacity == 0 ? ROWS_FIRST : 2 * t->capacity, t->max);
    struct top_row *rows = region_calloc(t->region, capacity, sizeof(*rows));
    if (rows == NULL)
        return false;
    if (t->n > 0)
        memcpy(rows, t->rows, t->n * sizeof(*rows));
    t->rows = rows;
    t->capacity = capacity;
    return true;
}

static bool set_row(struct top *t, struct top_row *row, const struct top_row *from)
{
    if (row->capacity < from->n_bytes) {
        uint32_t capacity = row->capacity == 0 ? NAME_FIRST : 2 * row->capacity;
        capacity = (uint32_t)size_max(capacity, from->n_bytes);
        char *name = region_alloc(t->region, capacity);
        if (name == NULL)
            return false;
        row->name = name;
        row->capacity = capacity;
    }
    memcpy(row->name, from->name, from->n_bytes);
    row->n_bytes = from->n_bytes;
    row->value = from->value;
    return true;
}

bool top_offer(struct top *t, uint64_t value, const char *a, size_t n_a, const char *b, size_t n_b)
{
    char name[TOP_NAME_BYTES_MAX];
    bool is_full = t->n == t->max;
    if (is_full && value < t->rows[0].value)
        return true;
    ENSURE(n_a + (b != NULL ? 1 + n_b : 0) <= sizeof(name));
    memcpy(name, a, n_a);
    if (b != NULL) {
        name[n_a++] = '=';
        memcpy(name + n_a, b, n_b);
        n_a += n_b;
    }
    struct top_row row = {.name = name, .n_bytes = (uint32_t)n_a, .value = value};
    if (is_full) {
        if (is_less(&row, &t->rows[0]))
            return true;
        if (!set_row(t, &t->rows[0], &row))
            return false;
        sift_down(t->rows, t->n);
        return true;
    }
    if (!have_row(t) || !set_row(t, &t->rows[t->n], &row))
        return false;
    sift_up(t->rows, t->n++);
    return true;
}

void top_finish(struct top *t)
{
    for (size_t n = t->n; n > 1;) {
        swap(&t->rows[0], &t->rows[--n]);
        sift_down(t->rows, n);
    }
}
