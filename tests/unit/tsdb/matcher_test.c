#include "tsdb/matcher.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static struct matcher made(enum matcher_kind kind, const char *value)
{
    struct matcher m;
    char text[200] = "";
    int err = matcher_init(&m, kind, "job", 3, value, strlen(value), text, sizeof(text));
    cr_assert_eq(err, 0, "%s", text);
    return m;
}

Test(matcher, each_operator_on_present_missing_and_other_values)
{
    static const struct {
        enum matcher_kind kind;
        const char *value;
        bool same, longer, missing; /* for "api", "api2" and "" */
    } rows[] = {
        {MATCH_EQUAL, "api", true, false, false},     {MATCH_NOT_EQUAL, "api", false, true, true},
        {MATCH_REGEX, "ap.", true, false, false},     {MATCH_NOT_REGEX, "ap.", false, true, true},
        {MATCH_REGEX, "ap.*", true, true, false},     {MATCH_REGEX, "", false, false, true},
        {MATCH_REGEX, ".*", true, true, true},        {MATCH_REGEX, ".+", true, true, false},
        {MATCH_NOT_REGEX, ".*", false, false, false}, {MATCH_NOT_REGEX, ".+", false, false, true},
        {MATCH_EQUAL, "", false, false, true},        {MATCH_NOT_EQUAL, "", true, true, false},
        {MATCH_REGEX, "api|", true, false, true},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct matcher m = made(rows[i].kind, rows[i].value);
        cr_assert_eq(matcher_matches(&m, "api", 3), rows[i].same, "row %zu", i);
        cr_assert_eq(matcher_matches(&m, "api2", 4), rows[i].longer, "row %zu", i);
        cr_assert_eq(matcher_matches(&m, "", 0), rows[i].missing, "row %zu", i);
        cr_assert_eq(matcher_matches_empty(&m), rows[i].missing, "row %zu", i);
        matcher_release(&m);
    }
}

Test(matcher, compares_bytes_with_nul)
{
    struct matcher m;
    cr_assert_eq(matcher_init(&m, MATCH_EQUAL, "l", 1, "a\0b", 3, NULL, 0), 0);
    cr_assert(matcher_matches(&m, "a\0b", 3));
    cr_assert_not(matcher_matches(&m, "a\0c", 3));
    cr_assert_not(matcher_matches(&m, "a", 1));
    matcher_release(&m);
}

Test(matcher, refuses_a_bad_expression_with_the_words_of_go)
{
    struct matcher m;
    char text[200] = "";
    cr_assert_eq(matcher_init(&m, MATCH_REGEX, "l", 1, "a(", 2, text, sizeof(text)), ERR_CORRUPT);
    cr_assert_str_eq(text, "missing closing ): `a(`");
    cr_assert_eq(matcher_init(&m, MATCH_NOT_REGEX, "l", 1, "a(", 2, text, 0), ERR_CORRUPT);
    cr_assert_eq(matcher_init(&m, MATCH_EQUAL, "l", 1, "a(", 2, text, sizeof(text)), 0,
                 "no expression");
}

Test(matcher, a_set_releases_all)
{
    struct matcher items[] = {made(MATCH_REGEX, "a"), made(MATCH_EQUAL, "a"),
                              made(MATCH_NOT_REGEX, "b")};
    struct matcher_set set = {items, 3};
    matcher_set_release(&set);
    cr_assert_eq(set.n, 0);
    cr_assert_null(items[0].pattern);
    matcher_set_release(&set);
}

Test(matcher, operators_read_as_written)
{
    cr_assert_str_eq(matcher_operator(MATCH_EQUAL), "=");
    cr_assert_str_eq(matcher_operator(MATCH_NOT_EQUAL), "!=");
    cr_assert_str_eq(matcher_operator(MATCH_REGEX), "=~");
    cr_assert_str_eq(matcher_operator(MATCH_NOT_REGEX), "!~");
}
