#include "tests/support/random.h"
#include "tsdb/bits.h"

#include <criterion/criterion.h>

Test(bits, come_back_in_any_widths)
{
    enum { N = 2000 };
    static uint8_t bytes[N * 8];
    static uint64_t values[N];
    static unsigned widths[N];
    struct random random;
    random_init(&random, random_seed());
    for (int round = 0; round < 50; round++) {
        struct bit_writer w = {.at = bytes, .end = bytes + sizeof(bytes)};
        size_t n_bits = 0;
        for (size_t i = 0; i < N; i++) {
            widths[i] = (unsigned)random_below(&random, 65);
            values[i] = widths[i] == 0 ? 0 : random_next(&random) >> (64 - widths[i]);
            bits_put(&w, values[i], widths[i]);
            n_bits += widths[i];
        }
        bits_flush(&w);
        cr_assert_not(w.is_full);
        cr_assert_eq((size_t)(w.at - bytes), (n_bits + 7) / 8);
        struct bit_reader r = {.at = bytes, .end = w.at};
        for (size_t i = 0; i < N; i++)
            cr_assert_eq(bits_get(&r, widths[i]), values[i]);
        cr_assert_not(r.is_empty);
        cr_assert_eq(r.at, w.at);
    }
}

Test(bits, lowest_bit_of_a_byte_comes_first)
{
    uint8_t bytes[2] = {0};
    struct bit_writer w = {.at = bytes, .end = bytes + 2};
    bits_put(&w, 1, 1);
    bits_put(&w, 0, 2);
    bits_put(&w, 0x3F, 6);
    bits_flush(&w);
    cr_assert_eq(bytes[0], 0xF9);
    cr_assert_eq(bytes[1], 0x01);
}

Test(bits, writer_stops_at_its_end)
{
    uint8_t bytes[3] = {0, 0, 0x5A};
    struct bit_writer w = {.at = bytes, .end = bytes + 2};
    bits_put(&w, 0xFFFF, 16);
    cr_assert_not(w.is_full);
    bits_put(&w, 0xFF, 8);
    cr_assert(w.is_full);
    cr_assert_eq(bytes[2], 0x5A);
}

Test(bits, reader_stops_at_its_end)
{
    uint8_t bytes[3] = {0xFF, 0xFF, 0xFF};
    struct bit_reader r = {.at = bytes, .end = bytes + 2};
    cr_assert_eq(bits_get(&r, 12), 0xFFF);
    cr_assert_not(r.is_empty);
    cr_assert_eq(bits_get(&r, 8), 0xF, "what is missing reads as 0");
    cr_assert(r.is_empty);
}
