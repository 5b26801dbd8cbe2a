/* The grammar of durations with everything on; parse_test.c has what is refused without. */
#include "tests/unit/promql/test_query.h"

#include "tsdb/promql/query_limits.h"

Test(parse_duration, round_trips)
{
    static const char *const texts[][2] = {
        {"a[5m+1m]", "a[5m + 1m]"},
        {"a[ ( 5m ) ]", "a[5m]"},
        {"a[+5m]", "a[5m]"},
        {"a[-(5m)+1h]", "a[-5m + 1h]"},
        {"a[-2^2+1h]", "a[-2 ^ 2 + 1h]"},
        {"a[(-2)^2]", "a[(-2) ^ 2]"},
        {"a[2*(3+4)%5]", "a[2 * (3 + 4) % 5]"},
        {"a[STEP()]", "a[step()]"},
        {"a[min_of(step(),1h)+range()]", "a[min_of(step(), 1h) + range()]"},
        {"a[5m:step()]", "a[5m:step()]"},
        {"a[step():]", "a[step():]"},
        {"a offset step()", "a offset step()"},
        {"a offset - step()", "a offset -step()"},
        {"a offset -(1h*2)", "a offset -(1h * 2)"},
        {"a offset (5m)", "a offset 5m"},
        {"a offset 1h * 2", "a offset 1h * 2"},
        {"a[0.0001]", "a[0.0001]"},
        {"a[5m] offset 0.0000015", "a[5m] offset 0.0000015"},
    };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        test_prints(texts[i][0], texts[i][1]);
    test_prints("step + range", "step + range");
}

Test(parse_duration, errors)
{
    static const char *const texts[][2] = {
        {"a[0]", "1:3: parse error: duration must be greater than 0"},
        {"a[-5m]", "1:3: parse error: duration must be greater than 0"},
        {"a[5m+]", "1:6: parse error: unexpected \"]\" in subquery selector, expected number or "
                   "duration"},
        {"a[step]", "1:7: parse error: unexpected \"]\" in subquery selector, expected number or "
                    "duration"},
        {"a[steps()]", "1:3: parse error: unexpected character in duration expression: 's'"},
        {"a[1e300]", "1:3: parse error: duration out of range"},
        {"a offset foo()", "1:10: parse error: unexpected identifier \"foo\" in offset, expected "
                           "number or duration"},
        {"a[min_of(1)]", "1:11: parse error: unexpected \")\" in subquery selector, expected "
                         "number or duration"},
    };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        test_refuses(texts[i][0], texts[i][1]);
}

/* As asked of 3.5.3, with its positions. */
Test(parse_duration, a_number_in_an_expression_must_be_a_duration_by_itself)
{
    static const char *const texts[][2] = {
        {"a offset (1m + 30s) - -Inf", "1:24: parse error: duration out of range"},
        {"a offset (1m - Inf)", "1:16: parse error: duration out of range"},
        {"a offset -(Inf)", "1:12: parse error: duration out of range"},
        {"a offset -Inf", "1:10: parse error: duration out of range"},
        {"a offset (1e300 * 0)", "1:11: parse error: duration out of range"},
        {"a[1m + 1e300]", "1:8: parse error: duration out of range"},
        {"a[5m:1m+1e300]", "1:9: parse error: duration out of range"},
        {"a offset (1 - NaN)", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct test_query t;
        test_query_init(&t);
        struct promql_query *q =
            promql_parse(texts[i][0], strlen(texts[i][0]), PROMQL_FEATURES_ALL & ~PROMQL_MAIN,
                         &t.region, &t.error);
        cr_assert_eq(q == NULL, texts[i][1] != NULL, "%s", texts[i][0]);
        cr_assert(q != NULL || strstr(t.error.text, texts[i][1]) != NULL, "%s: %s", texts[i][0],
                  t.error.text);
        test_query_release(&t);
    }
}

static bool parses(const char *text)
{
    struct test_query t;
    test_query_init(&t);
    struct promql_query *q =
        promql_parse(text, strlen(text), PROMQL_FEATURES_ALL, &t.region, &t.error);
    bool is_good = q != NULL;
    cr_assert(is_good || strstr(t.error.text, "nested too deeply"), "%s", t.error.text);
    promql_release(q);
    test_query_release(&t);
    return is_good;
}

/* n times a word, between others. */
static const char *repeated(const char *before, const char *word, int n, const char *middle,
                            const char *again, const char *after)
{
    static char text[16 * QUERY_DEPTH_MAX];
    int at = sprintf(text, "%s", before);
    for (int i = 0; i < n; i++)
        at += sprintf(text + at, "%s", word);
    at += sprintf(text + at, "%s", middle);
    for (int i = 0; i < n; i++)
        at += sprintf(text + at, "%s", again);
    sprintf(text + at, "%s", after);
    return text;
}

/* At the limit it parses, one deeper it does not, whatever makes the depth. */
Test(parse_duration, nesting_is_limited)
{
    static const struct {
        const char *before, *word, *middle, *again, *after;
        int n; /* the most that is allowed */
    } cases[] = {
        {"a[", "(", "1", ")", "]", QUERY_DEPTH_MAX - 2},
        {"a[", "1 + ", "1", "", "]", QUERY_DEPTH_MAX - 1},
        {"a offset ", "-", "1", "", "", QUERY_DEPTH_MAX},
        {"a[", "2 ^ ", "1", "", "]", QUERY_DEPTH_MAX - 2},
        {"a[", "max_of(1, ", "1", ")", "]", QUERY_DEPTH_MAX - 2},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        for (int more = 0; more <= 1; more++)
            cr_assert_eq(parses(repeated(cases[i].before, cases[i].word, cases[i].n + more,
                                         cases[i].middle, cases[i].again, cases[i].after)),
                         !more, "%s: %d", cases[i].word, cases[i].n + more);
    }
}
