#include "snapshot/decoder.h"
#include "snapshot/encoder.h"

#include <criterion/criterion.h>
#include <signal.h>

static const uint64_t VALUES[] = {
    0,          1,          127,        128,        16383,     16384,
    UINT32_MAX, 1ull << 35, 1ull << 62, 1ull << 63, INT64_MAX, UINT64_MAX,
};

Test(encoder, what_is_written_is_read)
{
    uint8_t bytes[1024];
    struct encoder e;
    encoder_init(&e, bytes, sizeof bytes);
    for (size_t i = 0; i < ARRAY_LEN(VALUES); i++) {
        encoder_varint(&e, VALUES[i]);
        encoder_zigzag(&e, VALUES[i]);
        encoder_u64(&e, VALUES[i]);
        encoder_u8(&e, (uint8_t)VALUES[i]);
    }
    struct decoder d;
    decoder_init(&d, bytes, e.n);
    for (size_t i = 0; i < ARRAY_LEN(VALUES); i++) {
        cr_assert_eq(decoder_varint(&d), VALUES[i]);
        cr_assert_eq(decoder_zigzag(&d), VALUES[i]);
        cr_assert_eq(decoder_u64(&d), VALUES[i]);
        cr_assert_eq(decoder_u8(&d), (uint8_t)VALUES[i]);
    }
    cr_assert(decoder_is_done(&d) && !d.is_bad);
}

Test(encoder, small_numbers_of_either_sign_take_a_byte)
{
    uint8_t bytes[8];
    struct encoder e;
    encoder_init(&e, bytes, sizeof bytes);
    encoder_zigzag(&e, (uint64_t)-64);
    encoder_zigzag(&e, 63);
    cr_assert_eq(e.n, 2);
    cr_assert_eq(bytes[0], 127);
    cr_assert_eq(bytes[1], 126);
}

Test(encoder, a_full_buffer_is_a_programmers_error, .signal = SIGABRT)
{
    uint8_t bytes[2];
    struct encoder e;
    encoder_init(&e, bytes, sizeof bytes);
    encoder_bytes(&e, "abc", 3);
}

Test(decoder, a_number_cut_anywhere_is_bad)
{
    uint8_t bytes[32];
    struct encoder e;
    encoder_init(&e, bytes, sizeof bytes);
    encoder_varint(&e, UINT64_MAX);
    for (size_t n = 0; n < e.n; n++) {
        struct decoder d;
        decoder_init(&d, bytes, n);
        cr_assert_eq(decoder_varint(&d), 0);
        cr_assert(d.is_bad);
        decoder_init(&d, bytes, n % 8);
        cr_assert_eq(decoder_u64(&d), 0);
        cr_assert(d.is_bad);
    }
}

Test(decoder, a_varint_of_more_than_64_bits_is_bad)
{
    static const uint8_t too_much[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02};
    static const uint8_t too_long[] = {0x80, 0x80, 0x80, 0x80, 0x80, 0x80,
                                       0x80, 0x80, 0x80, 0x80, 0x00};
    struct decoder d;
    decoder_init(&d, too_much, sizeof too_much);
    cr_assert_eq(decoder_varint(&d), 0);
    cr_assert(d.is_bad);
    decoder_init(&d, too_long, sizeof too_long);
    cr_assert_eq(decoder_varint(&d), 0);
    cr_assert(d.is_bad);
}

Test(decoder, once_bad_stays_bad)
{
    struct decoder d;
    decoder_init(&d, (const uint8_t *)"abc", 3);
    cr_assert_null(decoder_bytes(&d, 4));
    cr_assert_null(decoder_bytes(&d, 1));
    cr_assert(d.is_bad && decoder_is_done(&d));
}

Test(decoder, a_limit_holds_at_it_and_not_past_it)
{
    struct decoder d;
    decoder_init(&d, (const uint8_t *)"\x05\x06", 2);
    cr_assert_eq(decoder_varint_max(&d, 5), 5);
    cr_assert_not(d.is_bad);
    cr_assert_eq(decoder_varint_max(&d, 5), 0);
    cr_assert(d.is_bad);
}
