#include "snapshot/checksum.h"

#include <criterion/criterion.h>

/* The first is the value that the xxHash project publishes for XXH3 of nothing; were the library to
 * compute another function, files of other builds would read as damaged. */
Test(checksum, is_xxh3_of_64_bits)
{
    cr_assert_eq(checksum64("", 0, 0), 0x2d06800538d394c2u);
    cr_assert_neq(checksum64("a", 1, 0), checksum64("b", 1, 0));
}

Test(checksum, depends_on_the_seed)
{
    cr_assert_neq(checksum64("a", 1, 0), checksum64("a", 1, 1));
}

Test(checksum, parts_are_one_row_of_bytes)
{
    static uint8_t bytes[5000];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 7);
    for (size_t cut = 0; cut < sizeof bytes; cut += 61) {
        struct iovec parts[3] = {
            {bytes, cut / 2}, {bytes + cut / 2, cut - cut / 2}, {bytes + cut, sizeof bytes - cut}};
        cr_assert_eq(checksum64_parts(parts, 3), checksum64(bytes, sizeof bytes, 0));
    }
    cr_assert_eq(checksum64_parts(NULL, 0), checksum64(NULL, 0, 0));
}
