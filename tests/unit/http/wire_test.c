#include "http/wire.h"

#include "tests/support/message.h"

#include <criterion/criterion.h>
#include <sys/mman.h>

#define MESSAGE(text) (const uint8_t *)(text), (const uint8_t *)(text) + sizeof(text) - 1

Test(wire, fields_of_all_types)
{
    struct wire w = {MESSAGE("\x08\x96\x01\x11\x01\0\0\0\0\0\0\x80\x1a\x02hi\x25____\xaa\x06\x00")};
    struct wire_field f;
    cr_assert(wire_next(&w, &f));
    cr_assert(f.number == 1 && f.type == WIRE_VARINT && f.n == 2);
    cr_assert_eq(wire_varint(&f), 150);
    cr_assert(wire_next(&w, &f));
    cr_assert(f.number == 2 && f.type == WIRE_FIXED64 && f.n == 8);
    cr_assert_eq(wire_fixed64(&f), 0x8000000000000001);
    cr_assert(wire_next(&w, &f));
    cr_assert(f.number == 3 && f.type == WIRE_BYTES && f.n == 2);
    cr_assert_eq(memcmp(f.bytes, "hi", 2), 0);
    cr_assert(wire_next(&w, &f));
    cr_assert(f.number == 4 && f.type == WIRE_FIXED32 && f.n == 4);
    cr_assert(wire_next(&w, &f));
    cr_assert(f.number == 101 && f.type == WIRE_BYTES && f.n == 0);
    cr_assert_eq(w.at, w.end);
}

Test(wire, the_longest_tags_lengths_and_numbers)
{
    struct wire w = {MESSAGE("\xf8\xff\xff\xff\x7f\x01"
                             "\x8a\x80\x80\x80\x00\x81\x80\x80\x80\x00x"
                             "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")};
    struct wire_field f;
    cr_assert(wire_next(&w, &f));
    cr_assert_eq(f.number, UINT32_MAX);
    cr_assert(wire_next(&w, &f));
    cr_assert(f.number == 1 && f.n == 1 && f.bytes[0] == 'x');
    cr_assert(wire_next(&w, &f));
    cr_assert_eq(wire_varint(&f), UINT64_MAX);
    cr_assert_eq(w.at, w.end);
}

/* Of the content only the place is looked at, so nothing is behind most of it. */
Test(wire, a_length_of_the_most_and_one_more)
{
    const size_t n = 6 + (size_t)WIRE_LENGTH_MAX + 1;
    uint8_t *bytes =
        mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    cr_assert_neq(bytes, MAP_FAILED);
    struct wire_field f;
    struct wire most = {bytes, bytes + n}, more = most;
    memcpy(bytes, "\x0a\xff\xff\xff\xff\x07", 6);
    cr_assert(wire_next(&most, &f));
    cr_assert_eq(f.n, WIRE_LENGTH_MAX);
    memcpy(bytes, "\x0a\x80\x80\x80\x80\x08", 6);
    cr_assert_not(wire_next(&more, &f));
    munmap(bytes, n);
}

Test(wire, malformed_fields)
{
    static const struct {
        const uint8_t *at, *end;
    } rows[] = {
        {MESSAGE("\x80\x80\x80\x80\x80\x01")}, /* a tag of six bytes */
        {MESSAGE("\x07")},                     /* field 0 */
        {MESSAGE("\x0b")},                     /* types */
        {MESSAGE("\x0c")},
        {MESSAGE("\x0e")},
        {MESSAGE("\x0f")},
        {MESSAGE("\x88")}, /* cut off */
        {MESSAGE("\x08")},
        {MESSAGE("\x08\x80")},
        {MESSAGE("\x09_______")},
        {MESSAGE("\x0d___")},
        {MESSAGE("\x0a")},
        {MESSAGE("\x0a\x80")},
        {MESSAGE("\x0a\x02_")},
        {MESSAGE("\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01")}, /* a number of eleven */
        {MESSAGE("\x0a\x80\x80\x80\x80\x80\x00")},                     /* a length of six */
        {MESSAGE("\x0a\x80\x80\x80\x80\x08")},                         /* WIRE_LENGTH_MAX and one */
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct wire w = {rows[i].at, rows[i].end};
        struct wire_field f;
        cr_assert_not(wire_next(&w, &f), "row %zu", i);
    }
}

/* Every length, and every length that is claimed instead. */
Test(wire, a_varint_of_n_bytes)
{
    for (unsigned bits = 0; bits < 56; bits++) {
        static struct message m;
        uint64_t value = UINT64_C(0x00a5a5a5a5a5a5a5) >> (55 - bits), read = 0;
        m.n = 0;
        message_varint(&m, value);
        size_t n = m.n;
        memset(m.bytes + n, 0xff, 8);
        for (size_t claimed = 1; claimed <= 8; claimed++) {
            bool is_right = wire_varint_of((const uint8_t *)m.bytes, claimed, &read);
            cr_assert_eq(is_right, claimed == n, "%zu of %zu", claimed, n);
            cr_assert(!is_right || read == value);
        }
    }
}

/* As it is read anew, also when it has another length or is malformed. */
Test(wire, a_varint_again)
{
    struct wire_memo memo = {0};
    struct random rnd;
    uint8_t bytes[8] = {0};
    size_t n = 1, n_right = 0;
    random_init(&rnd, random_seed());
    for (int round = 0; round < 1000000; round++) {
        uint64_t read = 0, again = 0;
        if (random_below(&rnd, 2) == 0)
            n = 1 + random_below(&rnd, sizeof(bytes));
        if (random_below(&rnd, 2) == 0)
            bytes[random_below(&rnd, sizeof(bytes))] = (uint8_t)random_below(&rnd, 256);
        for (size_t i = 0; i < n && random_below(&rnd, 2) == 0; i++)
            bytes[i] = (uint8_t)((bytes[i] & 0x7f) | (i + 1 < n ? 0x80 : 0));
        bool is_right = wire_varint_of(bytes, n, &read);
        cr_assert_eq(wire_varint_again(&memo, bytes, n, &again), is_right, "round %d", round);
        cr_assert(!is_right || read == again, "round %d", round);
        n_right += is_right;
    }
    cr_assert_gt(n_right, 1000);
}

Test(wire, shapes)
{
    static const struct wire_shape shape = {2, {{1, WIRE_BYTES}, {3, WIRE_VARINT}}};
    static const struct {
        const char *bytes;
        size_t n;
        bool is_right;
    } rows[] = {
        {"", 0, true},
        {"\x0a\x00\x18\x01", 4, true},
        {"\x18\x01\x0a\x00\x18\x01", 6, true},
        {"\x10\x01\x15____", 7, true}, /* field 2 is free */
        {"\x08\x01", 2, false},
        {"\x0a\x00\x1a\x00", 4, false},
        {"\x18\x01\x0a\x01", 4, false}, /* malformed */
        {"\x80\x00\x01", 3, true},      /* field 0 is none of them */
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        cr_assert_eq(wire_has_shape((const uint8_t *)rows[i].bytes, rows[i].n, &shape),
                     rows[i].is_right, "row %zu", i);
}
