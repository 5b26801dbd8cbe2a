#include "snapshot/series_frame.h"

#include "tests/support/random.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static uint8_t payload[FRAME_PAYLOAD_MAX];
static struct symbol_table table;
static struct symbol symbols[SYMBOLS_MAX];
static struct series_writer writer;
static struct series_reader reader;

static struct label label_of(const char *name, const char *value)
{
    return (struct label){name, value, (uint32_t)strlen(name), (uint32_t)strlen(value)};
}

static void add(uint32_t number, struct label *items, uint32_t n)
{
    struct labels ls = {items, n};
    series_writer_add(&writer, number, &ls);
}

static int start_reading(void)
{
    int64_t window_ms = 0;
    int err = series_reader_init(&reader, payload, writer.out.n, symbols, &window_ms);
    cr_assert(err < 0 || window_ms == 1000);
    return err;
}

static void given_a_frame(void)
{
    series_writer_init(&writer, payload, &table, 1000);
}

TestSuite(series_frame, .init = given_a_frame);

Test(series_frame, label_sets_survive)
{
    struct label a[] = {label_of("__name__", "up"), label_of("job", "a\xff\x01z")};
    struct label b[] = {label_of("__name__", "up")};
    add(0, NULL, 0);
    add(7, a, 2);
    add(UINT32_MAX, b, 1);
    uint32_t number;
    struct labels ls;
    cr_assert_eq(start_reading(), 0);
    cr_assert_eq(series_reader_next(&reader, &number, &ls), 1);
    cr_assert(number == 0 && ls.n == 0);
    cr_assert_eq(series_reader_next(&reader, &number, &ls), 1);
    cr_assert_eq(number, 7);
    cr_assert_eq(labels_compare(&ls, &(struct labels){a, 2}), 0);
    cr_assert_eq(series_reader_next(&reader, &number, &ls), 1);
    cr_assert_eq(number, UINT32_MAX);
    cr_assert_eq(labels_compare(&ls, &(struct labels){b, 1}), 0);
    cr_assert_eq(series_reader_next(&reader, &number, &ls), 0);
}

Test(series_frame, a_string_is_spelled_out_once)
{
    struct label a[] = {label_of("instance", "instance")};
    add(0, a, 1);
    size_t first = writer.out.n;
    add(1, a, 1);
    cr_assert_eq(table.n, 1);
    cr_assert_eq(writer.out.n - first, 4, "number, count and two references");
}

/* The text of a reference is that of its symbol, and each has one number. */
Test(series_frame, references_name_the_strings)
{
    struct label a[] = {label_of("__name__", "up"), label_of("job", "up")};
    struct label b[] = {label_of("__name__", "job"), label_of("job", "up")};
    add(0, a, 2);
    add(1, b, 2);
    uint32_t number;
    struct labels ls;
    cr_assert_eq(start_reading(), 0);
    cr_assert_eq(series_reader_next(&reader, &number, &ls), 1);
    struct label_ref of_a[] = {{0, 1}, {2, 1}}, of_b[] = {{0, 2}, {2, 1}};
    cr_assert_eq(memcmp(reader.refs, of_a, sizeof of_a), 0);
    cr_assert_eq(series_reader_next(&reader, &number, &ls), 1);
    cr_assert_eq(memcmp(reader.refs, of_b, sizeof of_b), 0);
    for (uint32_t i = 0; i < ls.n; i++) {
        cr_assert_eq(ls.items[i].name, symbols[reader.refs[i].name].bytes);
        cr_assert_eq(ls.items[i].value, symbols[reader.refs[i].value].bytes);
    }
}

/* Fills a frame with the longest label sets: the last one starts just below FRAME_FILL_BYTES. */
Test(series_frame, the_longest_series_fits_a_frame_that_is_not_full)
{
    static char text[LABELS_PER_SERIES_MAX][LABEL_NAME_BYTES_MAX + LABEL_VALUE_BYTES_MAX];
    struct label longest[LABELS_PER_SERIES_MAX];
    for (unsigned i = 0; i < LABELS_PER_SERIES_MAX; i++) {
        memset(text[i], (int)('A' + i), sizeof text[i]);
        longest[i] = (struct label){text[i], text[i] + LABEL_NAME_BYTES_MAX, LABEL_NAME_BYTES_MAX,
                                    LABEL_VALUE_BYTES_MAX};
    }
    uint32_t number = 0;
    for (; writer.out.n + 8 < FRAME_FILL_BYTES; number++) {
        struct label one = {text[0], text[0], 1, 1};
        add(number, &one, 1);
    }
    cr_assert_not(series_writer_is_full(&writer));
    add(number, longest, LABELS_PER_SERIES_MAX);
    cr_assert(series_writer_is_full(&writer));
    cr_assert_eq(start_reading(), 0);
    struct labels ls;
    uint32_t got;
    while (series_reader_next(&reader, &got, &ls) > 0 && got != number)
        ;
    cr_assert_eq(got, number);
    cr_assert_eq(labels_compare(&ls, &(struct labels){longest, LABELS_PER_SERIES_MAX}), 0);
}

Test(series_frame, too_many_different_strings_fill_a_frame)
{
    uint32_t n = 0;
    for (; !series_writer_is_full(&writer); n++) {
        char name[12], value[12];
        snprintf(name, sizeof name, "%u", 2 * n);
        snprintf(value, sizeof value, "%u", 2 * n + 1);
        struct label one = label_of(name, value);
        add(n, &one, 1);
    }
    cr_assert_lt(writer.out.n, (size_t)FRAME_FILL_BYTES);
    cr_assert_leq(table.n, (uint32_t)SYMBOLS_MAX);
    uint32_t number, seen = 0;
    struct labels ls;
    cr_assert_eq(start_reading(), 0);
    for (; series_reader_next(&reader, &number, &ls) > 0; seen++) {
        char name[12];
        snprintf(name, sizeof name, "%u", 2 * seen);
        cr_assert(ls.n == 1 && labels_get(&ls, name, strlen(name)));
    }
    cr_assert_eq(seen, n);
}

Test(series_frame, a_frame_cut_anywhere_yields_whole_series_and_no_others)
{
    struct label a[] = {label_of("__name__", "up"), label_of("job", "node")};
    struct label b[] = {label_of("__name__", "up"), label_of("job", "other")};
    add(3, a, 2);
    size_t first = writer.out.n;
    add(4, b, 2);
    size_t whole = writer.out.n;
    for (size_t n = 0; n < whole; n++) {
        writer.out.n = n;
        uint32_t number;
        struct labels ls;
        int r = start_reading();
        if (n < 2)
            cr_assert_eq(r, ERR_CORRUPT);
        if (r < 0)
            continue;
        r = series_reader_next(&reader, &number, &ls);
        cr_assert_eq(r, n == 2 ? 0 : n < first ? ERR_CORRUPT : 1, "%zu bytes", n);
        if (r == 1)
            cr_assert_eq(series_reader_next(&reader, &number, &ls), n == first ? 0 : ERR_CORRUPT);
    }
}

/* Bytes behind the window length that no writer makes. */
static void expect_corrupt(const char *bytes, size_t n)
{
    given_a_frame();
    encoder_bytes(&writer.out, bytes, n);
    uint32_t number;
    struct labels ls;
    cr_assert_eq(start_reading(), 0);
    int r;
    while ((r = series_reader_next(&reader, &number, &ls)) > 0)
        ;
    cr_assert_eq(r, ERR_CORRUPT);
    cr_assert_eq(series_reader_next(&reader, &number, &ls), ERR_CORRUPT, "an error stays");
}

Test(series_frame, nonsense_is_corrupt)
{
    expect_corrupt("\x00\x41", 2);                                      /* 65 labels */
    expect_corrupt("\x00\x01\x01\x01", 4);                              /* a symbol not there yet */
    expect_corrupt("\x00\x01\x00\x00\x00\x00", 6);                      /* empty strings */
    expect_corrupt("\x00\x01\x00\x81\x08", 5);                          /* a name of 1025 bytes */
    expect_corrupt("\xff\xff\xff\xff\x0f\x00\x00\x00", 8);              /* a number above 2^32 */
    expect_corrupt("\x00\x01\x00\xff\xff\xff\xff\xff\xff\xff\x7f", 11); /* longer than the file */
}

Test(series_frame, any_bytes_are_survived)
{
    struct random random;
    random_init(&random, random_seed());
    for (int round = 0; round < 20000; round++) {
        encoder_init(&writer.out, payload, sizeof payload);
        encoder_varint(&writer.out, 1000);
        for (size_t i = random_below(&random, 64); i > 0; i--) {
            uint64_t bits = random_next(&random);
            encoder_u8(&writer.out, (uint8_t)(bits & 0x100 ? bits & 3 : bits));
        }
        uint32_t number, before = 0;
        struct labels ls;
        cr_assert_eq(start_reading(), 0);
        for (bool is_first = true; series_reader_next(&reader, &number, &ls) > 0;
             is_first = false) {
            cr_assert(is_first || number > before);
            before = number;
        }
    }
}
