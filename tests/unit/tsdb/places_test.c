#include "tests/support/random.h"
#include "tsdb/places.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static struct random random_state;

static void set_up(void)
{
    random_init(&random_state, random_seed());
}

TestSuite(places, .init = set_up);

/* From a copy of exactly n_bytes, so that a sanitizer sees a byte more. */
static bool get(const uint8_t *bytes, size_t n_bytes, uint32_t n, uint32_t k, uint8_t *ret)
{
    uint8_t *exact = malloc(n_bytes + (n_bytes == 0));
    const uint8_t *at = exact;
    memcpy(exact, bytes, n_bytes);
    bool is_good = places_get(&at, exact + n_bytes, n, k, ret);
    cr_assert(!is_good || at == exact + places_bytes(n, k));
    free(exact);
    return is_good;
}

/* k different places below n, ascending. */
static void draw(uint8_t *places, uint32_t n, uint32_t k)
{
    uint32_t found = 0;
    for (uint32_t i = 0; i < n && found < k; i++)
        if (random_below(&random_state, n - i) < k - found)
            places[found++] = (uint8_t)i;
}

Test(places, any_of_any_number_come_back)
{
    for (uint32_t n = 1; n <= PLACES_MAX; n++)
        for (uint32_t k = 1; k <= n; k++) {
            uint8_t places[PLACES_MAX], back[PLACES_MAX], bytes[2 * PLACES_BYTES_MAX];
            draw(places, n, k);
            memset(bytes, 0xA5, sizeof(bytes));
            struct place_set set = {0};
            for (uint32_t i = 0; i < k; i++)
                set.words[places[i] / PLACE_WORD_BITS] |= UINT64_C(1)
                                                          << places[i] % PLACE_WORD_BITS;
            size_t n_bytes = places_put(bytes, n, &set, k);
            cr_assert_eq(n_bytes, places_bytes(n, k));
            cr_assert_leq(n_bytes, (n + 7) / 8);
            cr_assert_eq(bytes[n_bytes], 0xA5, "nothing behind the end");
            for (size_t behind = 0; behind < PLACES_BYTES_MAX; behind += 5) {
                cr_assert(get(bytes, n_bytes + behind, n, k, back), "%u of %u", k, n);
                cr_assert_eq(memcmp(places, back, k), 0, "%u of %u", k, n);
            }
            cr_assert_not(get(bytes, n_bytes - 1, n, k, back), "cut off");
        }
}

Test(places, what_nobody_writes_is_refused)
{
    static const struct {
        const char *what;
        uint32_t n, k;
        uint8_t n_bytes, bytes[16];
        bool is_good;
    } rows[] = {
        {"a place", 128, 1, 1, {127}, true},
        {"behind the end", 127, 1, 1, {127}, false},
        {"a bit behind it", 128, 1, 1, {0x80}, false},
        {"two", 128, 2, 2, {0x81, 0x01}, true},
        {"twice the same", 128, 2, 2, {0x81, 0x00}, false},
        {"descending", 128, 2, 2, {0x03, 0x01}, false},
        {"as bits", 9, 3, 2, {0x03, 0x01}, true},
        {"a bit too few", 9, 3, 2, {0x03, 0x00}, false},
        {"a bit too many", 9, 3, 2, {0x07, 0x01}, false},
        {"a bit behind the last", 9, 3, 2, {0x03, 0x02}, false},
    };
    uint8_t back[PLACES_MAX];
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        cr_assert_eq(get(rows[i].bytes, rows[i].n_bytes, rows[i].n, rows[i].k, back),
                     rows[i].is_good, "%s", rows[i].what);
}
