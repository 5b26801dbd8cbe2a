#include "tsdb/err.h"

#include <criterion/criterion.h>
#include <string.h>

Test(err, every_value_has_a_sentence_of_its_own)
{
    for (int a = 0; a >= TSDB_ERR_LAST; a--) {
        const char *text = tsdb_err_text(a);
        cr_assert_not_null(text, "%d", a);
        cr_assert_gt(strlen(text), 3, "%d", a);
        cr_assert_neq(text[strlen(text) - 1], '.', "%d", a);
        cr_assert_str_neq(text, "unknown error", "%d", a);
        for (int b = 0; b > a; b--)
            cr_assert_str_neq(text, tsdb_err_text(b), "%d and %d", a, b);
    }
}

Test(err, other_numbers_are_unknown)
{
    cr_assert_str_eq(tsdb_err_text(1), "unknown error");
    cr_assert_str_eq(tsdb_err_text(TSDB_ERR_LAST - 1), "unknown error");
}
