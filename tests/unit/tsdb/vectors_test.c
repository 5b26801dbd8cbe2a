#include "tsdb/vectors.h"

#include <criterion/criterion.h>

Test(vectors, are_in_use_where_they_are_there)
{
    cr_assert_eq(vectors_in_use(), vectors_are_there(), "chosen before main");
}

Test(vectors, are_taken_and_left_when_told)
{
    cr_assert_not(vectors_use(false));
    cr_assert_not(vectors_in_use());
    cr_assert_eq(vectors_use(true), vectors_are_there());
    cr_assert_eq(vectors_in_use(), vectors_are_there());
}
