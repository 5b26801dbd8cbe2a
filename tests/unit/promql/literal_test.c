#include "tsdb/promql/literal.h"

#include "tests/unit/promql/test_query.h"

Test(literal, numbers)
{
    static const struct {
        const char *text;
        double v;
        const char *error;
    } cases[] = {
        {"0", 0, NULL},
        {"010", 8, NULL},
        {"08", 8, NULL},
        {"0777", 511, NULL},
        {"0_7", 7, NULL},
        {"0x1F", 31, NULL},
        {"0X_ff", 255, NULL},
        {"1_000", 1000, NULL},
        {"1_000.5", 1000.5, NULL},
        {"9223372036854775807", 9223372036854775807.0, NULL},
        {"9223372036854775808", 9223372036854775808.0, NULL},
        {"0x7fffffffffffffff", 9223372036854775807.0, NULL},
        {"inF", INFINITY, NULL},
        {"1e-400", 0, NULL},
        {"0x8000000000000000", 0,
         "error parsing number: strconv.ParseFloat: parsing \"0x8000000000000000\": invalid "
         "syntax"},
        {"1e400", 0,
         "error parsing number: strconv.ParseFloat: parsing \"1e400\": value out of range"},
        {"1_", 0, "error parsing number: strconv.ParseFloat: parsing \"1_\": invalid syntax"},
        {".5.5", 0, "error parsing number: strconv.ParseFloat: parsing \".5.5\": invalid syntax"},
    };
    struct test_query t;
    test_query_init(&t);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        double v = 0;
        const char *error = NULL;
        bool is_good = literal_number(cases[i].text, strlen(cases[i].text), &t.region, &v, &error);
        cr_assert_eq(is_good, cases[i].error == NULL, "%s", cases[i].text);
        if (is_good)
            cr_assert_eq(v, cases[i].v, "%s", cases[i].text);
        else
            cr_assert_str_eq(error, cases[i].error);
    }
    test_query_release(&t);
}

Test(literal, nan_is_the_quiet_one_and_not_the_stale_marker)
{
    struct test_query t;
    test_query_init(&t);
    double v;
    const char *error;
    cr_assert(literal_number("NaN", 3, &t.region, &v, &error));
    uint64_t bits;
    memcpy(&bits, &v, sizeof(bits));
    cr_assert_eq(bits, UINT64_C(0x7ff8000000000001));
    test_query_release(&t);
}

Test(literal, durations_and_their_text)
{
    static const struct {
        const char *text;
        int64_t ms;
        const char *canonical;
    } cases[] = {{"90m", 5400000, "1h30m"},
                 {"14d", 1209600000, "2w"},
                 {"15d", 1296000000, "15d"},
                 {"365d", INT64_C(31536000000), "1y"},
                 {"0s", 0, "0s"},
                 {"1500ms", 1500, "1s500ms"},
                 {"1ms", 1, "1ms"},
                 {"1y1d", INT64_C(31622400000), "366d"}};
    struct test_query t;
    test_query_init(&t);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t ns;
        const char *error;
        cr_assert(literal_duration(cases[i].text, strlen(cases[i].text), &t.region, &ns, &error));
        cr_assert_eq(ns, cases[i].ms * 1000000);
        struct textbuf b;
        textbuf_init(&b, &t.region);
        literal_add_duration(&b, cases[i].ms);
        cr_assert_str_eq(textbuf_finish(&b), cases[i].canonical);
        textbuf_init(&b, &t.region);
        literal_add_duration(&b, -cases[i].ms);
        cr_assert_str_eq(textbuf_finish(&b) + (cases[i].ms != 0), cases[i].canonical);
    }
    test_query_release(&t);
}

Test(literal, strings)
{
    static const struct {
        const char *text, *content;
        size_t n;
    } cases[] = {
        {"\"\"", "", 0},
        {"'a\"b'", "a\"b", 3},
        {"\"\\a\\b\\f\\n\\r\\t\\v\\\\\\\"\"", "\a\b\f\n\r\t\v\\\"", 9},
        {"'\\''", "'", 1},
        {"\"\\101\\x41\\u00e9\\U0001F600\"", "AA\303\251\360\237\230\200", 8},
        {"\"\\000x\"", "\0x", 2},
        {"`\\n\n`", "\\n\n", 3},
    };
    struct test_query t;
    test_query_init(&t);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *content;
        size_t n;
        cr_assert(literal_string(cases[i].text, strlen(cases[i].text), &t.region, &content, &n));
        cr_assert_eq(n, cases[i].n, "%s: %zu", cases[i].text, n);
        cr_assert_eq(memcmp(content, cases[i].content, n), 0);
        cr_assert_eq(content[n], 0);
    }
    test_query_release(&t);
}
