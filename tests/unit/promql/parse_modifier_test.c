/* Syntax of Prometheus' main branch; meanings are in tests/promql/. */
#include "tests/unit/promql/test_query.h"

Test(parse_modifier, round_trips)
{
    static const char *const texts[][2] = {
        {"rate(a[5m] ANCHORED)", "rate(a[5m] anchored)"},
        {"rate(a[5m] offset 1m smoothed @ 5)", "rate(a[5m] smoothed @ 5.000 offset 1m)"},
        {"a smoothed", "a smoothed"},
        {"anchored + smoothed", "anchored + smoothed"},
        {"a + fill(1) b", "a + fill (1) b"},
        {"a + on (x) fill_right(-1.5) fill_left(1m) b",
         "a + on (x) fill_left (60) fill_right (-1.5) b"},
        {"a + on (x) group_left fill(0) b", "a + on (x) group_left () fill (0) b"},
        {"fill + fill_left / fill_right", "fill + fill_left / fill_right"},
        {"a </ 1 >/ 2", "a </ 1 >/ 2"},
        {"info(a, {b=\"c\"})", "info(a, {b=\"c\"})"},
        {"info(a, {__name__!=\"c\"})", "info(a, {__name__!=\"c\"})"},
        {"info(a)", "info(a)"},
        {"info(a, {b=~\".*\"})", "info(a, {b=~\".*\"})"},
    };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        test_prints(texts[i][0], texts[i][1]);
}

Test(parse_modifier, errors)
{
    static const char *const texts[][2] = {
        {"a[5m:] anchored", "1:1: parse error: anchored modifier is not supported for subqueries"},
        {"a[5m] anchored smoothed",
         "1:1: parse error: anchored and smoothed modifiers cannot be used together"},
        {"a smoothed[5m]",
         "1:11: parse error: no anchored or smoothed modifiers allowed before range"},
        {"a + fill(b) c", "1:10: parse error: unexpected identifier \"b\", expected number"},
        {"a + fill(1 c", "1:12: parse error: unexpected identifier \"c\", expected \")\""},
        {"a + fill(1) fill(2) c", "1:13: parse error: unknown function with name \"fill\""},
        {"1 </ 2", "1:1: parse error: operator \"</\" not allowed for Scalar operations"},
        {"info(a, b)", "1:9: parse error: expected label selectors only, got vector selector "
                       "instead"},
        {"info(a, 1)", "1:9: parse error: expected type instant vector in call to function "
                       "\"info\", got scalar"},
    };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        test_refuses(texts[i][0], texts[i][1]);
}

/* Without its feature each is what Prometheus 3.5 says it is. */
Test(parse_modifier, off_by_default)
{
    static const struct test_case cases[] = {
        {"a anchored", 0, 0, 0, "1:3: parse error: unexpected identifier \"anchored\""},
        {"a >/ 1", 0, 0, 0, "1:4: parse error: unexpected <op:/>"},
        {"a </ bool 1", 0, 0, 0, "1:4: parse error: unexpected <op:/>"},
        {"a + fill(1) b", 0, 0, 0, "1:5: parse error: unknown function with name \"fill\""},
        {"start()", 0, 0, 0, "1:6: parse error: unexpected \"(\""},
        {"a[step()]", 0, 0, 0,
         "1:3: parse error: unexpected character in duration expression: 's'"},
        {"first_over_time(a[1m])", 0, 0, 0,
         "1:1: parse error: unknown function with name \"first_over_time\""},
    };
    test_answers(NULL, 0, cases, ARRAY_LEN(cases));
}
