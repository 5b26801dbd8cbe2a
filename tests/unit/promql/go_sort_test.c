/* The sums are what Go's sort.Sort makes of the same lists (Go 1.19 with the xorshift of 1.21 and
 * later): they depend on where each of many equal items ends. */
#include "tsdb/promql/go_sort.h"

#include "alloc/base.h"

#include <criterion/criterion.h>

#include <stdint.h>

enum shape { SHAPE_RANDOM, SHAPE_SAW, SHAPE_FALLING, SHAPE_PIPES, N_SHAPES };
enum kind { KIND_PLAIN, KIND_ZERO_FIRST, KIND_ZERO_NOWHERE, N_KINDS };

struct item {
    uint32_t key, index;
};

static bool is_less(const void *a, const void *b, void *ctx)
{
    const struct item *x = a, *y = b;
    enum kind kind = *(const enum kind *)ctx;
    if (kind == KIND_ZERO_FIRST && x->key == 0) /* also before another zero, as NaN is */
        return true;
    if (kind == KIND_ZERO_NOWHERE && (x->key == 0 || y->key == 0))
        return false;
    return x->key < y->key;
}

static uint32_t key_of(enum shape shape, uint32_t i, uint32_t n, uint32_t m, uint32_t dice)
{
    switch (shape) {
    case SHAPE_RANDOM:
        return (dice >> 8) % m;
    case SHAPE_SAW:
        return i % m;
    case SHAPE_FALLING:
        return (n - i) / m;
    default:
        return i < n / 2 ? i : n - i;
    }
}

static uint32_t sum_of(enum kind kind, enum shape shape)
{
    static const uint32_t lengths[] = {5, 12, 13, 49, 50, 51, 200, 1000, 3000};
    static const uint32_t keys[] = {2, 3, 10, 1000};
    static struct item items[3000];
    uint32_t sum = 0;
    for (size_t l = 0; l < ARRAY_LEN(lengths); l++)
        for (size_t k = 0; k < ARRAY_LEN(keys); k++) {
            uint32_t n = lengths[l], dice = n * 7919 + keys[k];
            for (uint32_t i = 0; i < n; i++) {
                dice = dice * 1103515245 + 12345;
                items[i] = (struct item){key_of(shape, i, n, keys[k], dice), i};
            }
            go_sort(items, n, sizeof(*items), is_less, &kind);
            for (uint32_t i = 0; i < n; i++)
                sum = sum * 31 + items[i].index;
        }
    return sum;
}

Test(go_sort, leaves_each_item_where_go_does)
{
    static const uint32_t sums[N_KINDS][N_SHAPES] = {
        {2474589512, 2385627694, 3834892276, 2091026788},
        {2562395100, 504060520, 2872248062, 2091026788},
        {4239032516, 1618220252, 2968531832, 1003927252},
    };
    for (int kind = 0; kind < N_KINDS; kind++)
        for (int shape = 0; shape < N_SHAPES; shape++)
            cr_expect_eq(sum_of((enum kind)kind, (enum shape)shape), sums[kind][shape],
                         "order %d, shape %d", kind, shape);
}

Test(go_sort, of_none_and_of_one)
{
    enum kind kind = KIND_PLAIN;
    struct item one = {7, 1};
    go_sort(&one, 0, sizeof(one), is_less, &kind);
    go_sort(&one, 1, sizeof(one), is_less, &kind);
    cr_assert_eq(one.key, 7);
}
