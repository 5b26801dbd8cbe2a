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
