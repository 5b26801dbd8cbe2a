#include "alloc/masks.h"

#include "tests/support/random.h"

#include <criterion/criterion.h>

/* Bytes and numbers of few kinds, so that many agree. */
static void fill(struct random *r, uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        bytes[i] = (uint8_t)(random_below(r, 3) * 0x7f);
}

Test(masks, of_bytes_are_as_the_portable_ones)
{
    struct random r;
    uint8_t a[MASKS_BYTES + 1], b[MASKS_BYTES + 1];
    random_init(&r, random_seed());
    for (int round = 0; round < 10000; round++) {
        fill(&r, a, sizeof(a));
        fill(&r, b, sizeof(b));
        unsigned at = (unsigned)random_below(&r, 2); /* not aligned */
        cr_assert_eq(masks_tops(a + at), masks_portable_tops(a + at));
        cr_assert_eq(masks_same(a + at, b), masks_portable_same(a + at, b));
    }
}

Test(masks, of_numbers_are_as_the_portable_ones)
{
    struct random r;
    uint32_t numbers[MASKS_NUMBERS];
    const uint32_t few[] = {0, 1, UINT32_MAX, 0x80000000, 0xffff0000, 0x100};
    random_init(&r, random_seed());
    for (int round = 0; round < 10000; round++) {
        for (size_t i = 0; i < MASKS_NUMBERS; i++)
            numbers[i] = few[random_below(&r, ARRAY_LEN(few))];
        uint32_t number = few[random_below(&r, ARRAY_LEN(few))];
        cr_assert_eq(masks_are(numbers, number), masks_portable_are(numbers, number));
        uint16_t shorts[MASKS_NUMBERS];
        for (size_t i = 0; i < MASKS_NUMBERS; i++)
            shorts[i] = (uint16_t)numbers[i];
        cr_assert_eq(masks_are_short(shorts, (uint16_t)number),
                     masks_portable_are_short(shorts, (uint16_t)number));
    }
}

Test(masks, reach_as_far_as_the_portable_ones_say)
{
    struct random r;
    uint64_t longs[MASKS_NUMBERS];
    random_init(&r, random_seed());
    for (int round = 0; round < 10000; round++) {
        uint64_t base = random_next(&r) >> random_below(&r, 64);
        unsigned width = (unsigned)random_below(&r, 65);
        uint64_t high = width == 64 ? 0 : UINT64_MAX << width;
        for (unsigned i = 0; i < MASKS_NUMBERS; i++)
            longs[i] = base + (random_below(&r, 2) << random_below(&r, 64));
        uint32_t mask = masks_reach(longs, base, high);
        cr_assert_eq(mask, masks_portable_reach(longs, base, high));
        for (unsigned i = 0; i < MASKS_NUMBERS; i++)
            cr_assert_eq(mask >> i & 1, ((longs[i] - base) & high) != 0);
    }
}

Test(masks, bits_are_in_the_order_of_bytes_and_numbers)
{
    const uint8_t a[MASKS_BYTES] = {[0] = 0x80, [3] = 0xff, [15] = 0x81, [7] = 0x7f};
    const uint8_t b[MASKS_BYTES] = {[0] = 0x80, [3] = 0xfe, [15] = 0x81, [7] = 0x7f};
    const uint32_t numbers[MASKS_NUMBERS] = {5, 6, 5, 0, 0, 0, 0, 5};
    cr_assert_eq(masks_tops(a), 1u << 0 | 1u << 3 | 1u << 15);
    cr_assert_eq(masks_same(a, b), 0xffffu & ~(1u << 3));
    cr_assert_eq(masks_are(numbers, 5), 1u << 0 | 1u << 2 | 1u << 7);
    cr_assert_eq(masks_portable_are(numbers, 5), 1u << 0 | 1u << 2 | 1u << 7);
    const uint16_t shorts[MASKS_NUMBERS] = {5, 6, 5, 0x500, 0, 0, 0, 5};
    cr_assert_eq(masks_are_short(shorts, 5), 1u << 0 | 1u << 2 | 1u << 7);
    cr_assert_eq(masks_portable_are_short(shorts, 5), 1u << 0 | 1u << 2 | 1u << 7);
}
