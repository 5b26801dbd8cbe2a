#include "tests/support/random.h"
#include "tsdb/packed.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

enum { N_MAX = 128 };

/* Buffers of exactly the size, so that a sanitizer sees a byte more. */
static void round_trip(struct random *random, uint32_t n, unsigned width)
{
    uint64_t in[N_MAX], back[N_MAX], mask = width == 0 ? 0 : UINT64_MAX >> (64 - width);
    size_t n_bytes = packed_bytes(n, width);
    uint8_t *bytes = malloc(n_bytes + (n_bytes == 0));
    for (uint32_t i = 0; i < n; i++)
        in[i] = random_next(random); /* bits above the width too: they are cut off */
    packed_put(bytes, in, n, width);
    cr_assert(packed_get(bytes, back, n, width), "%u of width %u", n, width);
    for (uint32_t i = 0; i < n; i++)
        cr_assert_eq(back[i], in[i] & mask, "number %u of %u of width %u", i, n, width);
    if (n * width % 8 != 0) {
        bytes[n_bytes - 1] |= 0x80;
        cr_assert_not(packed_get(bytes, back, n, width), "filled up with a one");
    }
    free(bytes);
}

Test(packed, every_number_of_numbers_at_every_width)
{
    struct random random;
    random_init(&random, random_seed());
    for (unsigned width = 0; width <= 64; width++)
        for (uint32_t n = 1; n <= N_MAX; n++)
            round_trip(&random, n, width);
}

Test(packed, lowest_bit_comes_first)
{
    static const uint64_t v[] = {1, 2, 3, 4, 5};
    uint8_t bytes[2];
    packed_put(bytes, v, 5, 3);
    cr_assert_eq(bytes[0], 0xD1); /* 001 010 and two of 011, from the right */
    cr_assert_eq(bytes[1], 0x58);
}
