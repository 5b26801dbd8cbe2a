#include "snapshot/file_id.h"

#include <criterion/criterion.h>

Test(file_id, no_two_are_equal)
{
    uint64_t ids[100];
    for (int i = 0; i < 100; i++) {
        ids[i] = file_id_new();
        for (int k = 0; k < i; k++)
            cr_assert_neq(ids[i], ids[k]);
    }
}
