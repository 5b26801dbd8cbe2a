/* Schemes and their negotiation; expected values are Prometheus 3.5.3's answers to /federate. */
#include "http/escaping.h"

#include "tests/unit/alloc/test_arena.h"

#include <stdio.h>
#include <string.h>

static const char *escaped(enum escaping e, const char *name)
{
    static char text[256];
    struct test_arena t;
    struct region r;
    struct chain out;
    struct chain_reader at = {0};
    test_arena_init(&t, 8 << 20);
    region_init(&r, &t.arena, t.owner, 0);
    chain_init(&out, &r);
    escaping_put(&out, e, name, strlen(name));
    text[chain_read(&out, &at, text, sizeof(text) - 1)] = '\0';
    region_release(&r);
    test_arena_release(&t);
    return text;
}

Test(escaping, names)
{
    static const struct {
        const char *name, *underscores, *dots, *values;
    } rows[] = {
        {"up", "up", "up", "up"},
        {"a_b:c9", "a_b:c9", "a_b:c9", "a_b:c9"},
        {"my.name", "my_name", "my_dot_name", "U__my_2e_name"},
        {"my_a.b", "my_a_b", "my__a_dot_b", "U__my__a_2e_b"},
        {"9x", "_x", "__x", "U___39_x"},
        {"caf\xc3\xa9", "caf_", "caf__", "U__caf_e9_"},
        {"\xf0\x9f\x98\x80-", "__", "____", "U___1f600__2d_"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cr_assert_str_eq(escaped(ESCAPING_UNDERSCORES, rows[i].name), rows[i].underscores);
        cr_assert_str_eq(escaped(ESCAPING_DOTS, rows[i].name), rows[i].dots);
        cr_assert_str_eq(escaped(ESCAPING_VALUES, rows[i].name), rows[i].values);
    }
    cr_assert_str_eq(escaped(ESCAPING_ALLOW_UTF8, "up"), "up");
    cr_assert(escaping_is_plain("_a:0", 4));
    cr_assert_not(escaping_is_plain("0a", 2));
    cr_assert_not(escaping_is_plain("a-", 2));
    cr_assert_not(escaping_is_plain("", 0));
}

Test(escaping, negotiation)
{
    static const struct {
        const char *accept;
        const char *scheme;
    } rows[] = {
        {NULL, "underscores"},
        {"", "underscores"},
        {"*/*", "underscores"},
        {"text/plain;escaping=values", "values"},
        {"text/plain; version=0.0.4; escaping=dots", "dots"},
        {"text/plain;version=2;escaping=dots", "dots"}, /* not ours, but its wish is kept */
        {"text/plain;escaping=strange", "underscores"},
        {"text/plain;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=0.0.4;q=0.2",
         "allow-utf-8"},
        {"text/plain;escaping=dots;q=0.1,text/plain;escaping=values;q=0.9", "values"},
        {"text/plain;escaping=dots,text/plain;escaping=values", "dots"},
        {"application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,text/plain;q=0.4",
         "allow-utf-8"},
        {",,;,=,q=;q=x,text/plain;escaping=values", "values"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        cr_assert_str_eq(escaping_text(escaping_negotiate(rows[i].accept)), rows[i].scheme,
                         "%zu: %s", i, rows[i].accept);
    char many[4096];
    size_t n = 0;
    for (int i = 0; i < 100; i++)
        n += (size_t)snprintf(many + n, sizeof(many) - n, "a/b;q=1,");
    snprintf(many + n, sizeof(many) - n, "text/plain;escaping=values");
    cr_assert_eq(escaping_negotiate(many), ESCAPING_UNDERSCORES, "past the most that are read");
}
