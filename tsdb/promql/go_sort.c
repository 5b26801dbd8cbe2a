#include "tsdb/promql/go_sort.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

enum {
    FEW = 12,          /* are inserted one by one */
    PIVOT_MIN = 8,     /* of so many the median of three parts, */
    NINTHER_MIN = 50,  /* of so many that of three medians */
    SWAPS_MAX = 4 * 3, /* of choosing: all three medians and theirs were in falling order */
    REPAIRS = 5,       /* of what looks sorted */
    REPAIR_MIN = 50,
    UNBALANCED = 8, /* a part is less than this part of the whole */
};

struct sorter {
    char *items;
    size_t size;
    go_less *less;
    void *ctx;
};

/* Items [a, b). */
struct span {
    size_t a, b;
};

static bool less(const struct sorter *s, size_t i, size_t j)
{
    return s->less(s->items + i * s->size, s->items + j * s->size, s->ctx);
}

static void swap(struct sorter *s, size_t i, size_t j)
{
    char item[GO_SORT_ITEM_MAX];
    char *x = s->items + i * s->size, *y = s->items + j * s->size;
    memcpy(item, x, s->size);
    memmove(x, y, s->size);
    memcpy(y, item, s->size);
}

/* Moves item i to the left until it is not before its neighbour, or at `first`. */
static void sink(struct sorter *s, size_t i, size_t first)
{
    for (; i > first && less(s, i, i - 1); i--)
        swap(s, i, i - 1);
}

static void sort_few(struct sorter *s, struct span r)
{
    for (size_t i = r.a + 1; i < r.b; i++)
        sink(s, i, r.a);
}

/* --- when the pivots are bad -------------------------------------------------------------------
 */

/* The heap's items are those from `first`; root and n count from there. */
static void sift_down(struct sorter *s, size_t root, size_t n, size_t first)
{
    for (size_t child = 2 * root + 1; child < n; child = 2 * root + 1) {
        if (child + 1 < n && less(s, first + child, first + child + 1))
            child++;
        if (!less(s, first + root, first + child))
            return;
        swap(s, first + root, first + child);
        root = child;
    }
}

static void sort_as_heap(struct sorter *s, struct span r)
{
    size_t n = r.b - r.a;
    for (size_t i = (n - 1) / 2 + 1; i-- > 0;)
        sift_down(s, i, n, r.a);
    for (size_t i = n; i-- > 0;) {
        swap(s, r.a, r.a + i);
        sift_down(s, 0, i, r.a);
    }
}

/* The least power of two above n. */
static size_t power_above(size_t n)
{
    size_t power = 1;
    while (power <= n)
        power *= 2;
    return power;
}

/* Three items in the middle change places with others: a pattern has led to bad pivots. */
static void break_patterns(struct sorter *s, struct span r)
{
    size_t n = r.b - r.a, middle = r.a + n / 4 * 2;
    uint64_t dice = n; /* Marsaglia's xorshift */
    if (n < PIVOT_MIN)
        return;
    for (size_t i = middle - 1; i <= middle + 1; i++) {
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        size_t other = dice & (power_above(n) - 1);
        swap(s, i, r.a + (other >= n ? other - n : other));
    }
}

/* --- the pivot ---------------------------------------------------------------------------------
 */

/* Puts two places into the order of their items. */
static void order_places(const struct sorter *s, size_t *x, size_t *y, unsigned *n_swaps)
{
    if (!less(s, *y, *x))
        return;
    size_t place = *x;
    *x = *y;
    *y = place;
    ++*n_swaps;
}

static size_t median(const struct sorter *s, size_t x, size_t y, size_t z, unsigned *n_swaps)
{
    order_places(s, &x, &y, n_swaps);
    order_places(s, &y, &z, n_swaps);
    order_places(s, &x, &y, n_swaps);
    return y;
}

static size_t choose_pivot(const struct sorter *s, struct span r, unsigned *ret_swaps)
{
    size_t n = r.b - r.a, quarter = n / 4;
    size_t x = r.a + quarter, y = r.a + quarter * 2, z = r.a + quarter * 3;
    *ret_swaps = 0;
    if (n >= NINTHER_MIN) {
        x = median(s, x - 1, x, x + 1, ret_swaps);
        y = median(s, y - 1, y, y + 1, ret_swaps);
        z = median(s, z - 1, z, z + 1, ret_swaps);
    }
    return n >= PIVOT_MIN ? median(s, x, y, z, ret_swaps) : y;
}

static void reverse(struct sorter *s, struct span r)
{
    for (size_t i = r.a, j = r.b - 1; i < j; i++, j--)
        swap(s, i, j);
}

/* Repairs a few places of what looks sorted; true when it is then. */
static bool repair(struct sorter *s, struct span r)
{
    size_t i = r.a + 1;
    for (unsigned n = 0; n < REPAIRS; n++) {
        while (i < r.b && !less(s, i, i - 1))
            i++;
        if (i == r.b)
            return true;
        if (r.b - r.a < REPAIR_MIN)
            return false;
        swap(s, i, i - 1);
        if (i - r.a >= 2)
            sink(s, i - 1, 0);
        for (size_t j = i + 1; j < r.b && less(s, j, j - 1); j++)
            swap(s, j, j - 1);
    }
    return false;
}

/* --- parting -----------------------------------------------------------------------------------
 */

/* Swaps from both ends towards each other: what belongs right of the pivot, which is item r.a, for
 * what belongs left of it. With equals those that are equal to it belong left. Returns the place
 * behind the left ones. */
static size_t part_from(struct sorter *s, struct span r, bool with_equals, bool *ret_was_parted)
{
    size_t i = r.a + 1, end = r.b; /* still to be looked at: [i, end) */
    *ret_was_parted = true;
    for (;;) {
        while (i < end && (with_equals ? !less(s, r.a, i) : less(s, i, r.a)))
            i++;
        while (i < end && (with_equals ? less(s, r.a, end - 1) : !less(s, end - 1, r.a)))
            end--;
        if (i >= end)
            return i;
        swap(s, i++, --end);
        *ret_was_parted = false;
    }
}

static void sort_span(struct sorter *s, struct span r, unsigned n_bad_left)
{
    bool was_balanced = true, was_parted = true, was_parted_already;
    while (r.b - r.a > FEW) {
        size_t n = r.b - r.a;
        unsigned n_swaps;
        if (n_bad_left == 0) {
            sort_as_heap(s, r);
            return;
        }
        if (!was_balanced) {
            break_patterns(s, r);
            n_bad_left--;
        }
        size_t pivot = choose_pivot(s, r, &n_swaps);
        if (n_swaps == SWAPS_MAX) {
            reverse(s, r);
            pivot = r.b - 1 - (pivot - r.a);
            n_swaps = 0;
        }
        if (was_balanced && was_parted && n_swaps == 0 && repair(s, r))
            return;
        bool has_equals = r.a > 0 && !less(s, r.a - 1, pivot);
        swap(s, r.a, pivot);
        if (has_equals) {
            r.a = part_from(s, r, true, &was_parted_already);
            continue;
        }
        size_t middle = part_from(s, r, false, &was_parted) - 1;
        swap(s, middle, r.a);
        struct span left = {r.a, middle}, right = {middle + 1, r.b};
        bool is_left_less = middle - r.a < r.b - middle;
        struct span lesser = is_left_less ? left : right;
        /* the pivot counts with the right part */
        size_t n_lesser = is_left_less ? middle - r.a : r.b - middle;
        was_balanced = n_lesser >= n / UNBALANCED;
        sort_span(s, lesser, n_bad_left);
        r = is_left_less ? right : left;
    }
    sort_few(s, r);
}

void go_sort(void *items, size_t n, size_t size, go_less *order, void *ctx)
{
    struct sorter s = {items, size, order, ctx};
    unsigned n_bits = 0;
    assert(size <= GO_SORT_ITEM_MAX);
    while (n >> n_bits)
        n_bits++;
    if (n > 1)
        sort_span(&s, (struct span){0, n}, n_bits);
}
