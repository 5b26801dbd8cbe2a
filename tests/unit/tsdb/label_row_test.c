#include "tsdb/label_row.h"

#include "tests/support/random.h"

#include <criterion/criterion.h>
#include <string.h>

static struct bytes put(const struct label_row *row)
{
    static uint8_t text[LABEL_ROW_BYTES_MAX];
    return (struct bytes){(const char *)text, label_row_put(row, text)};
}

static void expect_back(const struct label_row *row)
{
    struct label_row back;
    cr_assert(label_row_get(put(row), &back));
    cr_assert_eq(back.n, row->n);
    cr_assert_eq(memcmp(back.pairs, row->pairs, row->n * sizeof(row->pairs[0])), 0);
}

static bool gets(const char *bytes, size_t n)
{
    struct label_row row;
    return label_row_get((struct bytes){bytes, n}, &row);
}

Test(label_row, pairs_one_after_the_other_take_a_byte_each)
{
    struct label_row row = {4, {1000000, 1000001, 1000002, 1000003}};
    struct bytes b = put(&row);
    cr_assert_eq(b.n, 3 + 3);
    cr_assert_eq(memcmp(b.at + 3, "\0\0\0", 3), 0);
    expect_back(&row);
}

Test(label_row, in_no_order_they_take_their_varints)
{
    struct label_row row = {4, {70, 20000, 19999, 3000000}};
    cr_assert_eq(put(&row).n, 1 + 3 + 3 + 4);
    expect_back(&row);
}

Test(label_row, of_no_labels_and_of_one)
{
    struct label_row none = {.n = 0}, first = {1, {1}}, last = {1, {UINT32_MAX}};
    cr_assert_eq(put(&none).n, 1);
    cr_assert_eq(put(&first).n, 1);
    cr_assert_eq(put(&last).n, 5);
    expect_back(&none);
    expect_back(&first);
    expect_back(&last);
}

Test(label_row, the_longest_fits)
{
    struct label_row row = {.n = LABELS_PER_SERIES_MAX};
    for (uint32_t i = 0; i < row.n; i++)
        row.pairs[i] = UINT32_MAX - 2 * i;
    cr_assert_eq(put(&row).n, (size_t)LABEL_ROW_BYTES_MAX);
    expect_back(&row);
}

Test(label_row, comes_back_whatever_it_is)
{
    struct random random;
    random_init(&random, random_seed());
    for (int i = 0; i < 100000; i++) {
        struct label_row row = {.n = (uint32_t)random_below(&random, LABELS_PER_SERIES_MAX + 1)};
        for (uint32_t k = 0; k < row.n; k++) {
            bool is_next = k > 0 && random_below(&random, 2) == 0;
            row.pairs[k] = is_next ? row.pairs[k - 1] + 1
                                   : 1 + (uint32_t)(random_next(&random) >> 33 >> (i % 31));
        }
        expect_back(&row);
    }
}

Test(label_row, what_was_not_put_is_refused)
{
    cr_assert_not(gets("", 0));
    cr_assert_not(gets("\x05\x80", 2), "cut off");
    cr_assert_not(gets("\x85\x00", 2), "not the shortest");
    cr_assert_not(gets("\x05\x06", 2), "a zero would do");
    cr_assert_not(gets("\x00\x05", 2), "nothing before the first");
    cr_assert_not(gets("\xff\xff\xff\xff\x1f", 5), "33 bits");
    cr_assert_not(gets("\xff\xff\xff\xff\x0f\x00", 6), "one more than the last id");
    cr_assert(gets("\x05\x00\x07", 3) == false, "7 is the next of 6");
    cr_assert(gets("\x05\x00\x08", 3));
    static char many[LABELS_PER_SERIES_MAX + 1] = {5};
    cr_assert(gets(many, LABELS_PER_SERIES_MAX));
    cr_assert_not(gets(many, LABELS_PER_SERIES_MAX + 1));
}
