#include "http/snappy_block.h"

#include "tests/support/random.h"

#include <criterion/criterion.h>
#include <snappy-c.h>
#include <stdlib.h>
#include <string.h>

enum { PLAIN_MAX = 1 << 17, PACKED_MAX = 2 * PLAIN_MAX, ROUNDS = 20000, DAMAGES = 50 };

static struct random rnd;
static uint8_t packed[PACKED_MAX];
static size_t n_packed;

static void setup(void)
{
    random_init(&rnd, random_seed());
    n_packed = 0;
}

TestSuite(snappy_block, .init = setup, .timeout = 60);

/* Both of exactly as many bytes, so that a sanitizer sees what lies beyond. */
static void hold_against_libsnappy(const uint8_t *block, size_t n)
{
    size_t length = 0, declared = 0;
    uint8_t *copy = malloc(n > 0 ? n : 1);
    cr_assert_not_null(copy);
    memcpy(copy, block, n);
    bool has_length = snappy_block_length(copy, n, &length);
    cr_assert_eq(has_length, snappy_uncompressed_length((char *)copy, n, &declared) == SNAPPY_OK);
    cr_assert_eq(length, declared);
    if (has_length && length <= PLAIN_MAX) {
        uint8_t *ours = malloc(length > 0 ? length : 1), *theirs = malloc(length > 0 ? length : 1);
        cr_assert(ours != NULL && theirs != NULL);
        bool is_sound = snappy_block_unpack(copy, n, ours);
        cr_assert_eq(is_sound,
                     snappy_uncompress((char *)copy, n, (char *)theirs, &declared) == SNAPPY_OK);
        cr_assert(!is_sound || memcmp(ours, theirs, length) == 0);
        free(ours);
        free(theirs);
    } else if (!has_length) {
        cr_assert(!snappy_block_unpack(copy, n, NULL));
    }
    free(copy);
}

static void put(uint64_t byte)
{
    packed[n_packed++] = (uint8_t)byte;
}

static void put_number(uint64_t number, unsigned n_bytes)
{
    for (unsigned i = 0; i < n_bytes; i++)
        put(number >> (8 * i));
}

static void put_length(uint64_t length)
{
    for (; length > 0x7f; length >>= 7)
        put(length | 0x80);
    put(length);
}

/* --- what libsnappy packs --------------------------------------------------------------------- */

/* Bytes that repeat what was before now and then, from near and from far. */
static void make_plain(char *plain, size_t n)
{
    for (size_t i = 0; i < n;) {
        size_t run = size_min(1 + random_below(&rnd, random_below(&rnd, 4) ? 20 : 200), n - i);
        size_t far =
            i > 0 ? 1 + random_below(&rnd, random_below(&rnd, 2) ? size_min(i, 40) : i) : 0;
        bool repeats = far > 0 && random_below(&rnd, 3) > 0;
        for (size_t end = i + run; i < end; i++)
            plain[i] = repeats ? plain[i - far] : (char)random_next(&rnd);
    }
}

Test(snappy_block, what_was_packed_comes_back)
{
    static char plain[PLAIN_MAX], back[PLAIN_MAX];
    for (int round = 0; round < 300; round++) {
        size_t n = random_below(&rnd, round % 10 ? 3000 : PLAIN_MAX), length;
        make_plain(plain, n);
        n_packed = sizeof(packed);
        cr_assert_eq(snappy_compress(plain, n, (char *)packed, &n_packed), SNAPPY_OK);
        cr_assert(snappy_block_length(packed, n_packed, &length));
        cr_assert_eq(length, n);
        memset(back, 0, n);
        cr_assert(snappy_block_unpack(packed, n_packed, back));
        cr_assert_eq(memcmp(plain, back, n), 0);
        hold_against_libsnappy(packed, n_packed);
    }
}

/* --- any elements ----------------------------------------------------------------------------- */

/* A literal, with its length behind the tag in more bytes than it needs now and then. */
static size_t put_literal(size_t n)
{
    unsigned n_bytes = n <= 60 && random_below(&rnd, 4) ? 0 : n <= 256 ? 1 : 2;
    if (n_bytes > 0)
        n_bytes += (unsigned)random_below(&rnd, 5U - n_bytes);
    put(n_bytes == 0 ? (n - 1) << 2 : (59U + n_bytes) << 2);
    put_number(n - 1, n_bytes);
    for (size_t i = 0; i < n; i++)
        put(random_next(&rnd));
    return n;
}

/* A copy of any kind whose distance has room in it. */
static size_t put_copy(size_t distance)
{
    size_t n = 1 + random_below(&rnd, 64);
    unsigned kind = 1 + (unsigned)random_below(&rnd, 3);
    if (kind == 1 && (n < 4 || n > 11 || distance >= 2048))
        kind = 2;
    if (kind == 2 && distance >= 65536)
        kind = 3;
    if (kind == 1)
        put((n - 4) << 2 | (distance >> 8) << 5 | 1);
    else
        put((n - 1) << 2 | kind);
    put_number(distance, kind == 1 ? 1 : kind == 2 ? 2 : 4);
    return n;
}

/* Elements of all kinds, seldom one that leads out of what is there; returns what they make. */
static size_t put_elements(unsigned n)
{
    size_t made = 0;
    for (unsigned i = 0; i < n; i++) {
        size_t reach = random_below(&rnd, 3) ? size_min(made, 70) : made;
        size_t distance = 1 + random_below(&rnd, reach + 1 - (reach > 0));
        if (random_below(&rnd, 500) == 0)
            distance = random_below(&rnd, 2) ? 0 : made + 1;
        if (made == 0 || random_below(&rnd, 3) == 0)
            made += put_literal(1 + random_below(&rnd, random_below(&rnd, 8) ? 70 : 700));
        else
            made += put_copy(distance);
    }
    return made;
}

/* A block of elements, with their length or nearly so. */
static void make_block(unsigned n_elements)
{
    static uint8_t elements[PACKED_MAX];
    n_packed = 0;
    size_t made = put_elements(n_elements), n = n_packed;
    memcpy(elements, packed, n);
    n_packed = 0;
    put_length(random_below(&rnd, 10) ? made : made + random_below(&rnd, 3) - 1);
    memcpy(packed + n_packed, elements, n);
    n_packed += n;
}

Test(snappy_block, verdicts_and_bytes_are_those_of_libsnappy)
{
    for (int round = 0; round < ROUNDS; round++) {
        make_block((unsigned)random_below(&rnd, round % 100 ? 30 : 300));
        hold_against_libsnappy(packed, n_packed);
    }
}

Test(snappy_block, so_they_are_when_it_is_damaged)
{
    for (int round = 0; round < ROUNDS / DAMAGES; round++) {
        make_block((unsigned)random_below(&rnd, 60));
        for (int i = 0; i < DAMAGES; i++) {
            size_t at = random_below(&rnd, n_packed);
            uint8_t was = packed[at];
            packed[at] = (uint8_t)random_next(&rnd);
            hold_against_libsnappy(packed, n_packed);
            packed[at] = was;
            hold_against_libsnappy(packed, random_below(&rnd, n_packed + 1));
        }
    }
}

/* The one verdict that is not libsnappy's: its sum of 2^32 wraps, and it goes on. */
Test(snappy_block, a_literal_of_all_lengths_there_are_is_damage)
{
    static const uint8_t block[] = {0x00, 0xfc, 0xff, 0xff, 0xff, 0xff};
    char none;
    size_t n = 0;
    cr_assert_eq(snappy_uncompress((const char *)block, sizeof(block), &none, &n), SNAPPY_OK);
    cr_assert_not(snappy_block_unpack(block, sizeof(block), &none));
}

Test(snappy_block, lengths_are_those_of_libsnappy)
{
    for (int round = 0; round < ROUNDS; round++) {
        n_packed = 0;
        for (size_t n = random_below(&rnd, 8); n > 0; n--)
            put(random_next(&rnd) | (random_below(&rnd, 4) ? 0x80 : 0));
        hold_against_libsnappy(packed, n_packed);
    }
    static const uint8_t greatest[] = {0xff, 0xff, 0xff, 0xff, 0x0f};
    size_t length;
    cr_assert(snappy_block_length(greatest, sizeof(greatest), &length));
    cr_assert_eq(length, UINT32_MAX);
}
