#include "tsdb/pattern.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct pattern *made(const char *expr)
{
    char text[200] = "";
    struct pattern *p = pattern_new(expr, strlen(expr), text, sizeof(text));
    cr_assert_not_null(p, "%s: %s", expr, text);
    return p;
}

Test(pattern, is_anchored_and_its_dot_takes_newlines)
{
    static const struct {
        const char *expr, *subject;
        bool matches;
    } rows[] = {
        {"a", "a", true},
        {"a", "ab", false},
        {"a", "ba", false},
        {"a|b", "b", true},
        {"a|b", "ab", false},
        {"a|bc", "abc", false},
        {"a.b", "a\nb", true},
        {".*", "x\ny\n", true},
        {"", "", true},
        {"", "a", false},
        {"^a$", "a", true},
        {"a$|b", "b", true},
        {"(?i)abc", "ABC", true},
        {"[a-c]+", "abcabc", true},
        {"\\d{3}", "123", true},
        {"\\d{3}", "1234", false},
        {"(?-s:a.b)", "a\nb", false},
        {"\xC3\xB6.", "\xC3\xB6\xC3\xB6", true},
        {"a\\nb", "a\nb", true},
        {"(a+)+$", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct pattern *p = made(rows[i].expr);
        cr_assert_eq(pattern_matches(p, rows[i].subject, strlen(rows[i].subject)), rows[i].matches,
                     "`%s` on `%s`", rows[i].expr, rows[i].subject);
        pattern_free(p);
    }
    pattern_free(NULL);
}

Test(pattern, reads_subjects_with_nul)
{
    struct pattern *p = made("a.b");
    cr_assert(pattern_matches(p, "a\0b", 3));
    pattern_free(p);
}

Test(pattern, says_what_is_wrong_in_the_words_of_go)
{
    static const struct {
        const char *expr, *text;
    } rows[] = {
        {"a(", "missing closing ): `a(`"},
        {"a)", "unexpected ): `a)`"},
        {"[a", "missing closing ]: `[a`"},
        {"[b-a]", "invalid character class range: `b-a`"},
        {"*", "missing argument to repetition operator: `*`"},
        {"a**", "invalid nested repetition operator: `**`"},
        {"a{1001}", "invalid repeat count: `{1001}`"},
        {"a\\", "trailing backslash at end of expression: ``"},
        {"\\z\\8", "invalid escape sequence: `\\8`"},
        {"(?<", "invalid or unsupported Perl syntax: `(?<`"},
        {"(?=a)", "invalid or unsupported Perl syntax: `(?=`"},
        {"(?<n", "invalid named capture: `(?<n`"},
        {"(?<=a)b", "invalid named capture: `(?<=a)b`"},
        {"(?<a b>c)", "invalid named capture: `(?<a b>`"},
        {"(?P<a b>c)(?<d>e)", "invalid named capture: `(?P<a b>`"},
        {"(?<a>b", "missing closing ): `(?<a>b`"},
        {"(?P<n", "invalid named capture: `(?P<n`"},
        {"a\xFF", "invalid UTF-8: `"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char text[200] = "";
        cr_expect_null(pattern_new(rows[i].expr, strlen(rows[i].expr), text, sizeof(text)));
        cr_expect_eq(strncmp(text, rows[i].text, strlen(rows[i].text)), 0, "%s: got %s",
                     rows[i].expr, text);
    }
}

Test(pattern, an_error_may_be_longer_than_its_buffer_or_unwanted)
{
    char text[8] = "xxxxxxx";
    cr_assert_null(pattern_new("a(", 2, text, sizeof(text)));
    cr_assert_str_eq(text, "missing");
    cr_assert_null(pattern_new("a(", 2, NULL, 0));
}

Test(pattern, refuses_programs_that_are_too_large)
{
    char text[200] = "";
    const char *expr = "((a{100}){100}){100}";
    cr_assert_null(pattern_new(expr, strlen(expr), text, sizeof(text)));
    cr_assert_gt(strlen(text), 0);
}

Test(pattern, takes_a_thousand_alternatives)
{
    static char expr[1000 * 24];
    size_t n = 0;
    for (int i = 0; i < 1000; i++)
        n += (size_t)snprintf(expr + n, sizeof(expr) - n, "%sinstance-number-%04d",
                              i > 0 ? "|" : "", i);
    struct pattern *p = made(expr);
    cr_assert(pattern_matches(p, "instance-number-0999", 20));
    cr_assert_not(pattern_matches(p, "instance-number-1000", 20));
    pattern_free(p);
}

Test(pattern, names_groups_without_a_p_as_well)
{
    static const struct {
        const char *expr, *subject;
        int n_groups;
    } rows[] = {
        {"(?<a>b)(?P<c>d)", "bd", 2},
        {"\\(?<a>", "<a>", 0},
        {"\\Q(?<a>\\E(?<n>x)", "(?<a>x", 1},
        {"[(?<a>]", "<", 0},
        {"[](?<a>]", "]", 0},
        {"[^](?<a>]", "x", 0},
        {"[\\](?<a>](?<n>x)", "]x", 1},
        {"[[:alpha:](?<a>]", "z", 0},
        {"\\Q(?<a>", "(?<a>", 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct pattern *p = made(rows[i].expr);
        cr_expect_eq(pattern_n_groups(p), rows[i].n_groups, "%s", rows[i].expr);
        cr_expect(pattern_matches(p, rows[i].subject, strlen(rows[i].subject)), "%s", rows[i].expr);
        pattern_free(p);
    }
}

Test(pattern, tells_where_its_groups_matched)
{
    struct pattern *p = made("(a+)(?P<mid>x)?(.*)");
    struct pattern_span g[4];
    cr_assert_eq(pattern_n_groups(p), 3);
    cr_assert_eq(pattern_group_number(p, "mid", 3), 2);
    cr_assert_eq(pattern_group_number(p, "mi", 2), -1);

    cr_assert(pattern_groups(p, "aaxyz", 5, g, 4));
    cr_assert_eq(g[0].start, 0);
    cr_assert_eq(g[0].end, 5);
    cr_assert_eq(g[1].end, 2);
    cr_assert_eq(g[2].start, 2);
    cr_assert_eq(g[3].start, 3);
    cr_assert_eq(g[3].end, 5);

    cr_assert(pattern_groups(p, "aa", 2, g, 4));
    cr_assert_lt(g[2].start, 0, "took no part");
    cr_assert_eq(g[3].start, 2, "took part, with nothing");
    cr_assert_eq(g[3].end, 2);

    cr_assert_not(pattern_groups(p, "b", 1, g, 4));
    cr_assert_not(pattern_groups(p, "aa", 2, g, PATTERN_GROUPS_MAX + 1));
    pattern_free(p);
}

/* Sanitizers have a heap of their own; tests/crash/test_scarce.py refuses memory to the server. */
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

static _Thread_local long until_refused; /* requests of this thread; 0 = none is refused */

void *__libc_malloc(size_t n);
void *malloc(size_t n);

void *malloc(size_t n)
{
    if (until_refused > 0 && --until_refused == 0) {
        errno = ENOMEM;
        return NULL;
    }
    return __libc_malloc(n);
}

Test(pattern, says_so_when_it_is_refused_memory)
{
    static const char expr[] = ".*(a|b).{5}([0-9]*)";
    int n_made = 0, n_refused = 0, n_failed = 0;
    for (long nth = 1; n_made < n_failed + 5; nth++) {
        char text[200] = "unset";
        struct pattern_span groups[3];
        until_refused = nth;
        struct pattern *p = pattern_new(expr, strlen(expr), text, sizeof(text));
        if (p == NULL) {
            until_refused = 0;
            n_refused++;
            cr_assert_str_empty(text);
            continue;
        }
        n_made++;
        bool is_right = pattern_matches(p, "xbabaxxxxx17", 12);
        is_right = !pattern_matches(p, "xxxaxxx", 7) && is_right;
        is_right = pattern_groups(p, "aabbabbaab99", 12, groups, 3) && is_right;
        until_refused = 0;
        n_failed += pattern_has_failed(p);
        cr_assert(pattern_has_failed(p) || is_right, "%ld", nth);
        cr_assert_not(pattern_matches(p, "", 0), "known since it was made");
        pattern_free(p);
    }
    cr_assert(n_refused > 10 && n_failed > 0, "%d %d", n_refused, n_failed);
}

#endif
