#include "alloc/size_class.h"

#include <criterion/criterion.h>

/* The smallest class that holds n bytes, found by trying. */
static unsigned naive_class(size_t n)
{
    unsigned c = 1;
    while (c * 128u < n)
        c++;
    return c;
}

Test(size_class, is_the_smallest_that_fits_for_every_size)
{
    for (size_t n = 1; n <= SIZE_CLASS_BYTES_MAX; n++)
        cr_assert_eq(size_class_of(n), naive_class(n), "%zu bytes", n);
}

Test(size_class, has_eight_classes_in_steps_of_128)
{
    cr_assert_eq(SIZE_CLASSES, 8);
    cr_assert_eq(SIZE_CLASS_BYTES_MAX, 1024);
    for (unsigned c = 1; c <= SIZE_CLASSES; c++) {
        cr_assert_eq(size_class_bytes(c), c * 128u);
        cr_assert_eq(size_class_of(size_class_bytes(c)), c);
    }
}
