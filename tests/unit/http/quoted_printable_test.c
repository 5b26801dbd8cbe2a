/* What Prometheus 3.5.3 makes of the same texts: tests/e2e/test_prometheus.py asks it. */
#include "http/quoted_printable.h"

#include "alloc/base.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

/* In memory of exactly the room that is asked for. */
static bool decode(const char *text, size_t n, char *ret)
{
    char *exact = malloc(n + !n), *out = malloc(n + !n);
    size_t ret_n = 0;
    memcpy(exact, text, n);
    bool is_good = quoted_printable_decode(exact, n, out, &ret_n);
    if (is_good) {
        memcpy(ret, out, ret_n);
        ret[ret_n] = '\0';
    }
    free(exact);
    free(out);
    return is_good;
}

Test(quoted_printable, texts)
{
    static const struct {
        const char *text, *decoded; /* NULL: refused */
    } rows[] = {
        {"", ""},
        {"a", "a"},
        {"=31", "1"},
        {"=c3=A9\xc3\xa9", "\xc3\xa9\xc3\xa9"},
        {"=zz=4", "=zz=4"},
        {"=4", "=4"},
        {"a b \t", "a b"},
        {"a \r\n b\t\n\r\n\nc", "a\r\n b\n\r\n\nc"},
        {"a=\r\nb=\nc", "abc"},
        {"a= \r\nb=\t \nc", "abc"},
        {"a=", "a"},
        {"a= ", "a"},
        {"=\nb", "b"},
        {"=20\n", " \n"},
        {"\r", ""},
        {"a\rb", "a\rb"},
        {"a\tb", "a\tb"},
        {"=", NULL},
        {"==", NULL},
        {"a==\r\n", NULL},
        {"a=\rb", NULL},
        {"a=\r", NULL},
        {"a=\r \nb", NULL},
        {"a= \r\r\nb", NULL},
        {"a\x01", NULL},
        {"a\x7f", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char out[64];
        bool is_good = decode(rows[i].text, strlen(rows[i].text), out);
        cr_expect_eq(is_good, rows[i].decoded != NULL, "row %zu", i);
        if (is_good && rows[i].decoded)
            cr_expect_str_eq(out, rows[i].decoded, "row %zu", i);
    }
}

Test(quoted_printable, a_line_at_the_limit_and_one_past_it)
{
    static char text[2 * QUOTED_PRINTABLE_LINE_MAX + 2], out[sizeof(text) + 1];
    const size_t max = QUOTED_PRINTABLE_LINE_MAX;
    memset(text, 'x', sizeof(text));
    cr_assert(decode(text, max, out));
    cr_assert_not(decode(text, max + 1, out));
    text[max - 1] = '\n';
    cr_assert(decode(text, 2 * max, out));
    cr_assert_eq(strlen(out), 2 * max);
    text[max - 1] = 'x';
    text[max] = '\n';
    cr_assert_not(decode(text, 2 * max, out));
}
