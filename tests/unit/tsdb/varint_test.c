#include "tests/support/random.h"
#include "tsdb/varint.h"

#include <criterion/criterion.h>

static void round_trip(uint64_t v)
{
    uint8_t bytes[VARINT_BYTES_MAX];
    uint64_t got = ~v;
    size_t n = varint_put(bytes, v);
    cr_assert_leq(n, sizeof(bytes));
    cr_assert_eq(n, varint_bytes(v));
    const uint8_t *at = bytes;
    cr_assert(varint_get(&at, bytes + n, &got));
    cr_assert_eq(got, v);
    cr_assert_eq(at, bytes + n);
    for (size_t cut = 0; cut < n; cut++) {
        at = bytes;
        cr_assert_not(varint_get(&at, bytes + cut, &got), "cut off after %zu", cut);
        cr_assert_eq(at, bytes);
    }
}

Test(varint, survives_at_every_length)
{
    for (unsigned bit = 0; bit < 64; bit++) {
        round_trip((uint64_t)1 << bit);
        round_trip(((uint64_t)1 << bit) - 1);
        round_trip(~((uint64_t)1 << bit));
    }
    round_trip(UINT64_MAX);
}

Test(varint, has_the_form_of_protobuf)
{
    uint8_t bytes[VARINT_BYTES_MAX];
    cr_assert_eq(varint_put(bytes, 300), 2);
    cr_assert_eq(bytes[0], 0xAC);
    cr_assert_eq(bytes[1], 0x02);
}

Test(varint, refuses_more_than_64_bits)
{
    uint8_t bytes[11];
    uint64_t v;
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = 0xFF;
    const uint8_t *at = bytes;
    cr_assert_not(varint_get(&at, bytes + sizeof(bytes), &v));
    bytes[9] = 2; /* the 65th bit */
    cr_assert_not(varint_get(&at, bytes + sizeof(bytes), &v));
    bytes[9] = 1;
    cr_assert(varint_get(&at, bytes + sizeof(bytes), &v));
    cr_assert_eq(v, UINT64_MAX);
}

/* Bytes that begin a number of any length, behind the end as well as before it. */
Test(varint, long_ones_are_read_the_same)
{
    struct random random;
    random_init(&random, random_seed());
    for (int i = 0; i < 200000; i++) {
        uint8_t bytes[VARINT_BYTES_MAX + 4];
        size_t n_more = random_below(&random, 12), end = random_below(&random, sizeof(bytes) + 1);
        for (size_t k = 0; k < sizeof(bytes); k++)
            bytes[k] = (uint8_t)((random_next(&random) & 0x7F) | (k < n_more ? 0x80 : 0));
        if (random_below(&random, 2) == 0)
            bytes[9] = (uint8_t)random_below(&random, 3);
        const uint8_t *at = bytes, *same_at = bytes;
        uint64_t v = 1, same = 1;
        bool is_good = varint_get(&at, bytes + end, &v);
        cr_assert_eq(varint_get_long(&same_at, bytes + end, &same), is_good);
        cr_assert_eq(same_at, at);
        cr_assert_eq(same, v);
    }
}

Test(varint, zeros_at_the_end_are_refused_where_the_shortest_is_asked_for)
{
    static const struct {
        uint8_t n_bytes, bytes[3];
        bool is_good;
    } rows[] = {{1, {0}, true},    {2, {0x80, 1}, true},        {2, {0x80, 0}, false},
                {3, {1, 2}, true}, {3, {0xFF, 0x80, 0}, false}, {1, {0x80}, false}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const uint8_t *at = rows[i].bytes;
        uint64_t v;
        cr_assert_eq(varint_get_shortest(&at, at + rows[i].n_bytes, &v), rows[i].is_good, "row %zu",
                     i);
    }
}

Test(varint, zigzag_orders_by_size_and_returns)
{
    cr_assert_eq(zigzag(0), 0);
    cr_assert_eq(zigzag(-1), 1);
    cr_assert_eq(zigzag(1), 2);
    cr_assert_eq(zigzag(INT64_MAX), UINT64_MAX - 1);
    cr_assert_eq(zigzag(INT64_MIN), UINT64_MAX);
    struct random random;
    random_init(&random, random_seed());
    for (int i = 0; i < 100000; i++) {
        int64_t v = (int64_t)(random_next(&random) >> random_below(&random, 64));
        cr_assert_eq(unzigzag(zigzag(v)), v);
        cr_assert_eq(unzigzag(zigzag(-v)), -v);
    }
}
