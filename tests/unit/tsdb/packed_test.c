#include "tests/support/random.h"
#include "tsdb/packed.h"
#include "tsdb/vectors.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

enum { N_MAX = 128, BEHIND_MAX = 128 };

/* Both decoders, from a copy of exactly n_bytes, so that a sanitizer sees a byte more; they agree.
 */
static bool get(const uint8_t *bytes, size_t n_bytes, uint64_t *v, uint32_t n, unsigned width,
                uint64_t base)
{
    uint64_t other[N_MAX];
    uint8_t *exact = malloc(n_bytes + (n_bytes == 0));
    memcpy(exact, bytes, n_bytes);
    (void)vectors_use(false);
    bool is_good = packed_get(exact, n_bytes, v, n, width, base);
    if (vectors_use(true)) {
        cr_assert_eq(packed_get(exact, n_bytes, other, n, width, base), is_good);
        cr_assert(!is_good || memcmp(v, other, n * sizeof(*v)) == 0, "%u of width %u", n, width);
    }
    free(exact);
    return is_good;
}

/* Buffers of exactly the size, so that a sanitizer sees a byte more. */
static void round_trip(struct random *random, uint32_t n, unsigned width)
{
    uint64_t in[N_MAX], back[N_MAX], base = random_next(random),
                                     mask = width == 0 ? 0 : UINT64_MAX >> (64 - width);
    size_t n_bytes = packed_bytes(n, width);
    size_t n_behind = random_below(random, 4) * random_below(random, BEHIND_MAX / 4);
    uint8_t *bytes = malloc(n_bytes + (n_bytes == 0)), all[N_MAX * 8 + BEHIND_MAX];
    for (uint32_t i = 0; i < n; i++)
        in[i] = random_next(random); /* bits above the width too: they are cut off */
    packed_put(bytes, in, n, width);
    memset(all, 0xA5, sizeof(all)); /* what lies behind does not matter */
    memcpy(all, bytes, n_bytes);
    cr_assert(get(all, n_bytes + n_behind, back, n, width, base), "%u of width %u", n, width);
    for (uint32_t i = 0; i < n; i++)
        cr_assert_eq(back[i], (in[i] & mask) + base, "number %u of %u of width %u", i, n, width);
    cr_assert(get(bytes, n_bytes, back, n, width, 0), "%u of width %u", n, width);
    for (uint32_t i = 0; i < n; i++)
        cr_assert_eq(back[i], in[i] & mask, "number %u of %u of width %u", i, n, width);
    if (n * width % 8 != 0) {
        bytes[n_bytes - 1] |= 0x80;
        cr_assert_not(get(bytes, n_bytes, back, n, width, 0), "filled up with a one");
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
